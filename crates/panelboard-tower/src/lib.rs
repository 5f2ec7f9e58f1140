//! Circuit breakers in front of [tower] services: HTTP clients, HTTP servers, gRPC, anything else.
//!
//! It knows no runtime, spawns nothing, reads no clock and holds no lock: breakers decide, and this
//! crate asks them before each call and tells them how it ended.
//!
//! [tower]: https://docs.rs/tower
//!
//! ```
//! use panelboard::Panel;
//! use panelboard_tower::{BreakerLayer, host};
//! use tower::ServiceBuilder;
//!
//! // One breaker for each host that is called, made when it is first called.
//! let panel: Panel = Panel::builder().build();
//! let client = ServiceBuilder::new()
//!     .layer(BreakerLayer::keyed(panel, host))
//!     .service(tower::service_fn(async |request: http::Request<String>| {
//!         Ok::<_, std::io::Error>(http::Response::new(request.into_body()))
//!     }));
//! # fn is_service<S: tower::Service<http::Request<String>>>(_: &S) {}
//! # is_service(&client);
//! ```
//!
//! # Which layer
//!
//! | in front of | layer | the outcome is known |
//! | --- | --- | --- |
//! | an HTTP service (hyper, axum, reqwest) | [`BreakerLayer`] | when the response's body ends |
//! | a gRPC service (tonic) | [`BreakerLayer`] with [`Grpc`] | when the trailers are there |
//! | `reqwest-middleware` | `BreakerMiddleware`, a feature of that name | as in front of HTTP |
//! | any other service | [`CallLayer`] | when the call's future ends |
//!
//! Each takes one breaker (a [`Handle`](panelboard::Handle) or an
//! [`Arc<Breaker>`](panelboard::Breaker)), or, by `keyed`, a [`Panel`](panelboard::Panel) and a
//! function that gives each request its key.
//!
//! # What a call comes to
//!
//! - **Readiness takes no permit.** `poll_ready` asks the inner service; the breaker is asked in
//!   `call`. However many services are ready, a half-open breaker has lost no probe. A breaker that
//!   rejects is not held up by a service that is not ready.
//! - **The outcome is that of the whole answer.** A response whose head was fine and whose body
//!   then broke is a failure. The permit goes along in the body ([`PermitBody`]) until it ends.
//! - **Whoever gives up, releases.** A future or body that is dropped before its end is a cancelled
//!   call: nothing is held against the service, and a probe's place is free again.
//! - **A failure that is certain does not wait:** with a head of 503 the outcome is recorded at
//!   once, whatever becomes of the body.
//! - **A call lasts as long as its body.** What the reader takes counts for a slow-call policy, and
//!   a probe whose body takes longer than
//!   [`probe_timeout`](panelboard::ConfigBuilder::probe_timeout) loses its place.
//! - **A panic** in the service, its future or its body counts as the breaker's
//!   [`panic_is_failure`](panelboard::ConfigBuilder::panic_is_failure) says. A classifier that
//!   panics is contained, and the answer counts as the default classifier says.
//!
//! # Where in the stack
//!
//! Time-outs belong inside (below the breaker), so that they are failures. What waits for its turn
//! (concurrency and rate limits, buffers) belongs outside of a keyed breaker: below it, callers
//! would queue for a place before they are rejected, and keep the place until their service is used
//! again or dropped. Retries belong outside too, so that each attempt asks the breaker.

mod answer;
mod body;
mod breakers;
mod call;
mod classify;
mod error;
mod future;
mod gate;
mod layer;
#[cfg(feature = "reqwest-middleware")]
mod reqwest;
mod respond;

pub use answer::{AnswerFuture, AnswerLayer, Answered};
pub use body::PermitBody;
pub use breakers::{Breakers, CallPermit, Keyed, host};
pub use call::{CallFuture, CallLayer, CallService};
pub use classify::{ByResult, Classify, Grpc, Http, Verdict};
pub use error::{Error, NoPermit, rejection};
pub use future::ResponseFuture;
pub use layer::{BreakerLayer, BreakerService};
#[cfg(feature = "reqwest-middleware")]
pub use reqwest::BreakerMiddleware;
pub use respond::{unavailable, unavailable_grpc};
