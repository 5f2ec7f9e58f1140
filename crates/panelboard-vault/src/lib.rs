//! Secrets from a [Vault] or [OpenBao] server, behind a circuit breaker.
//!
//! It reads, writes, lists and deletes secrets of the KV engines, has dynamic ones made, logs in,
//! and keeps its token alive. It does not run a server, unseal one or set one up, nor log: what
//! happens it tells as values. It reads no environment and no files, but for one thing: for `https`
//! without [`ca_pem`](ConfigBuilder::ca_pem) the machine's certificate authorities, or those of
//! `SSL_CERT_FILE` and `SSL_CERT_DIR`. It needs a tokio runtime: [`Vault::open`] is called within
//! one, its tasks run there, and operations are awaited in one.
//!
//! ```no_run
//! use panelboard_vault::{Auth, Config, Secret, Vault, Write};
//! use std::time::Duration;
//!
//! # async fn example(role: String, id: String) -> Result<(), Box<dyn std::error::Error>> {
//! let auth = Auth::app_role(Secret::new(role), Secret::new(id));
//! let vault = Vault::open(Config::builder("https://vault.example:8200", auth).build()?)?;
//!
//! let kv = vault.kv2("secret");
//! kv.write("app/db", &[("password", "s3cr3t")], Write::create()).await?;
//! let Some(found) = kv.read("app/db").await? else { return Ok(()) };
//! println!("{}", found.data.field("password")?.fingerprint());
//!
//! // Kept up to date: a rotated key is there without a restart.
//! let of = "secret/openai#api_key".parse()?;
//! let key = vault.watch(of, Default::default(), Duration::from_secs(30))?;
//! println!("{:?}", key.current().version);
//!
//! vault.shutdown(Duration::from_secs(5)).await;
//! # Ok(())
//! # }
//! ```
//!
//! # What is held against the server
//!
//! | what comes | the breaker | the caller gets |
//! | --- | --- | --- |
//! | 2xx | success | the answer |
//! | 404 | success: it answered | `None`, an empty list |
//! | 403 | nothing: it is the caller's | [`ErrorKind::Forbidden`] |
//! | another 4xx | success | [`ErrorKind::BadRequest`], [`ErrorKind::CasMismatch`] |
//! | 412 (a replica lags behind) | nothing | it is sent again |
//! | 429, 5xx, sealed, standby, not initialised | failure | their kinds |
//! | no connection, cut, time-out, garbage, too long, redirected | failure | their kinds |
//! | the caller's future is dropped | nothing | |
//!
//! Time in the queue, a full queue and a shutdown are never held against it.
//!
//! # What is sent twice
//!
//! Reads, after a failure that may pass. A write only if nothing was done (no connection, 429,
//! 412), if its caller says that it does no harm ([`Write::if_version`], [`Write::idempotent`]), or
//! if it is the same twice: [`Kv2::delete_versions`], [`Kv2::undelete`], [`Kv2::destroy`],
//! [`Vault::renew_lease`], [`Vault::revoke_lease`]. Writes that are sent once are the plain
//! [`Kv2::write`] and [`Kv1::write`], both engines' `delete`, [`Kv2::delete_all`] and
//! the making of a dynamic secret. An error whose [`maybe_done`](Error::maybe_done) is true leaves
//! open whether it was done. Nothing is sent while a breaker is open or once a shutdown has begun,
//! whoever is in a back-off.
//!
//! # The token
//!
//! Each life of a client has one task that renews the token after two thirds of its life, and logs
//! in anew where that can be done. One request for it is under way at a time; its result is for the
//! token that it was sent for, and changes no newer one. Calls go on with the token in hand while
//! it is good. A 403 with an AppRole has the token looked up, at most once in 30 s: if it was
//! revoked, the call goes on with a new one.
//!
//! # The cache
//!
//! `read_cached` serves a secret for `cache_ttl` without asking. Then it asks; if the server can't
//! be asked ([`ErrorKind::is_servers`]), it serves what it has for `stale_for` more, and says so.
//! Nothing is served beyond the end of its lease, nor after a 403, a 404 or a write of this client.
//! At its end a secret is taken out and wiped by the task of the token, whether somebody asks for
//! it or not; what a caller still holds of it lives as long as that.
//!
//! # Bounds
//!
//! | what | bound | at the bound |
//! | --- | --- | --- |
//! | operations that run, and looks of watches | `max_concurrent`, 10 | they wait |
//! | operations that wait | `queue_multiplier` times as many, 30 | [`ErrorKind::QueueFull`] |
//! | time in the queue | `queue_timeout`, 30 s | [`ErrorKind::QueueTimeout`] |
//! | one attempt | `timeout`, 10 s | [`ErrorKind::Timeout`] |
//! | attempts | `max_attempts`, 3 | the last error |
//! | an answer | `max_answer_bytes`, 1 MiB | [`ErrorKind::TooLarge`] |
//! | redirects within the server | 2 | [`ErrorKind::Redirected`] |
//! | secrets in the cache | `cache_entries`, 1,000 | the one that ends first goes |
//! | watches | 1,000 | [`ErrorKind::QueueFull`] |
//! | watches that ask at once | half of `max_concurrent`, 5 | they wait, in no caller's place |
//! | events behind | 256 | the reader is told how many it missed |
//!
//! An operation has its place among those that run and wait until its end: also in a back-off, and
//! while it waits for a token. A turn among those that run it has only while a request is out. So
//! with a server that is slow to fail, as many as wait in back-offs are fewer that may come in.
//!
//! # Which HTTP client, and why
//!
//! The client libraries that there are were looked at first. `vaultrs` 0.8 can't read OpenBao's
//! answer of the health check (a field that it demands is not there), takes its token as a plain
//! `String` at the time it is made, has no bound for an answer, and gives the status only of
//! answers with its own kind of error; `vault-client-rs` 0.8 brings retries and a token's life of
//! its own, which would run beside ours. What is left of them is a list of paths. So this is
//! hyper's client (`hyper-util`) over `hyper-rustls`, and every field of an answer is optional.
//! `reqwest` would do as much, but not as a guest: with its feature for rustls without a provider,
//! the clients of other crates in the same program want one and panic; with its others, a second
//! provider comes in. Here it is ring, named where TLS is made, and no default of the process.
//!
//! Redirects are followed within the configured address only, no proxy of the environment is used,
//! and nothing is sent again that was begun: only a request whose kept connection turned out closed
//! before its first byte.
//!
//! [Vault]: https://developer.hashicorp.com/vault
//! [OpenBao]: https://openbao.org

mod by_hand;
mod cache;
mod call;
mod clock;
mod config;
mod correlation;
mod data;
mod dynamic;
mod engine;
mod error;
mod fault;
mod found;
mod gate;
mod health;
mod json;
mod keeper;
mod kv1;
mod kv2;
mod life;
mod lookup;
mod path;
mod pool;
mod secret;
mod stop;
mod sync;
mod token;
mod transport;
mod vault;
mod verdict;
mod watch;
mod wire;

pub use cache::Cached;
pub use clock::{ManualTime, Time};
pub use config::{Auth, Config, ConfigBuilder, ConfigError};
pub use correlation::CorrelationId;
pub use data::{FieldError, SecretData};
pub use dynamic::Dynamic;
pub use error::{Error, ErrorKind, Operation};
pub use found::{Found, Lease};
pub use gate::{Event, Events, Missed};
pub use health::{CacheHealth, Health, ServerHealth, TokenHealth};
pub use kv1::Kv1;
pub use kv2::{Kv2, Metadata, VersionState, Write};
pub use lookup::TokenInfo;
/// What breakers are in, and why: of `panelboard`.
pub use panelboard::{Cause, Snapshot, State};
pub use path::{Malformed, SecretRef};
pub use pool::QueueHealth;
pub use secret::Secret;
pub use stop::{Ended, Stage};
pub use sync::Contention;
pub use vault::{OpenError, Vault};
pub use watch::{KvVersion, SecretWatch, Watched};

/// The examples of the page for users are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/vault.md")]
mod page {}
