//! LLM providers behind circuit breakers: one for each (provider, key), with fail-over.
//!
//! A [`Gateway`] takes a call in OpenAI's shape, finds a key that serves it, and answers in
//! OpenAI's shape, whole or as a stream. It has no HTTP server, reads no files and keeps nothing:
//! that is the program's part. It needs a tokio runtime.
//!
//! ```no_run
//! use panelboard_llm::{
//!     CallRequest, Endpoint, Gateway, Key, Kind, Model, Provider, Secret, Settings, Target,
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut settings = Settings::new(panelboard::Config::builder().build()?);
//! settings.providers.push(Provider {
//!     name: "local".into(),
//!     kind: Kind::OpenAiCompatible,
//!     base_url: "http://127.0.0.1:11434/v1".into(),
//!     keys: vec![Key {
//!         name: "only".into(),
//!         secret: Secret::new(String::new()),
//!         weight: 1,
//!         quota_group: None,
//!     }],
//!     breaker: None,
//!     timeouts: None,
//! });
//! settings.models.push(Model {
//!     name: "fast".into(),
//!     targets: vec![Target { provider: "local".into(), model: "smollm2".into() }],
//! });
//! let gateway = Gateway::builder(settings).build()?;
//! let body = r#"{"model":"fast","messages":[{"role":"user","content":"hi"}]}"#;
//! let answer = gateway.call(Endpoint::ChatCompletions, CallRequest::new(body)).await;
//! println!("{} from {:?}", answer.status, answer.provider);
//! # Ok(())
//! # }
//! ```
//!
//! # How a call goes
//!
//! A model's name stands for targets (a model at a provider) in order of preference. Of a target's
//! keys two are drawn, and the less busy one is asked. Walking on past keys that are out, cooling
//! or not to be reached costs nothing; sending again after a server's failure draws on a budget.
//! What each error means for the breakers stands in [`verdict`]; what the client is told, in the
//! answer's `error`, with the attempts and the reason for each key that is out.
//!
//! # When a pool is empty
//!
//! No key admits: the call waits for the earliest one if `wait_up_to` allows it, else it is
//! answered at once, with 429 where that key is cooling until a time that its provider named, with
//! 503 where it is open, and with `retry-after` in both cases. A key that is open because of
//! failures, for the second time in a row or later, is then probed early: by one call at a time,
//! when half of its open time has passed. Success closes it, a failure changes nothing. A time that
//! a provider named, a dead or empty account, an isolated key and a first trip are never cut short.
//!
//! # Bounds
//!
//! | what | bound | at the bound |
//! | --- | --- | --- |
//! | request body | 32 MiB, 128 levels deep | 413, 400 |
//! | whole answer | 64 MiB | a failure of the provider |
//! | an event of a stream | 1 MiB | the same; within a stream an error event |
//! | what is held back of a stream | 64 KiB, 5 s | goes to the client, fails over no more |
//! | a provider's error body | 1 MiB | the same as a longer answer |
//! | idle connections | 256 a provider, 50 s | closed |
//! | re-sends | 3 a call; 20 % of calls, at least 3 a second | the error goes to the client |

mod answer;
pub mod anthropic;
mod attempt;
mod bench;
mod budget;
mod calls;
mod choose;
mod clock;
mod gateway;
mod key;
mod observe;
mod openai;
pub mod pretend;
mod request;
pub mod retry_after;
mod routing;
mod secret;
mod settings;
pub mod sse;
mod stream;
mod transport;
pub mod verdict;

pub use answer::{Answer, AnswerBody};
pub use calls::{CallInFlight, Stage};
pub use gateway::{Gateway, GatewayBuilder};
pub use key::{KeyFigures, LastError};
pub use observe::{AttemptEnded, CallEnded, Observer, Outcome, Rejected, Usage};
pub use openai::{Attempt, error_body};
pub use request::{CallRequest, Endpoint};
pub use routing::Reloaded;
pub use secret::Secret;
pub use settings::{Key, Kind, Limits, Model, Provider, Settings, SettingsError, Target, Timeouts};
pub use stream::AnswerStream;
pub use verdict::{Class, Verdict};
