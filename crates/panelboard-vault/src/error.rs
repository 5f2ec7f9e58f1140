//! Why did an operation not succeed, who is it held against, and may it have been done all the
//! same?

use std::{error, fmt, time::Duration};

use panelboard::State;

use crate::{correlation::CorrelationId, data::FieldError, path::Malformed};

/// What was asked for.
///
/// ```
/// assert_eq!(panelboard_vault::Operation::Read.as_str(), "read");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Reading a secret.
    Read,
    /// Writing one.
    Write,
    /// Deleting one, or some of its versions.
    Delete,
    /// Bringing versions back.
    Undelete,
    /// Listing names.
    List,
    /// Reading or deleting what is known of a secret's versions.
    Metadata,
    /// Logging in.
    LogIn,
    /// Looking a token up.
    LookUpToken,
    /// Renewing a token.
    RenewToken,
    /// Renewing a lease.
    RenewLease,
    /// Revoking a lease.
    RevokeLease,
    /// The deep check of a server's health.
    Health,
}

impl Operation {
    /// Its name in logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Undelete => "undelete",
            Self::List => "list",
            Self::Metadata => "metadata",
            Self::LogIn => "log-in",
            Self::LookUpToken => "look-up-token",
            Self::RenewToken => "renew-token",
            Self::RenewLease => "renew-lease",
            Self::RevokeLease => "revoke-lease",
            Self::Health => "health",
        }
    }
}

/// Why an operation did not succeed.
///
/// Nothing that the server wrote is in it, and no path: a server, or a proxy before it, may repeat
/// what it was sent. The server's own words are in its audit log, under
/// [`correlation`](Self::correlation).
///
/// ```
/// # async fn example(vault: panelboard_vault::Vault) {
/// use panelboard_vault::ErrorKind;
///
/// let Err(error) = vault.kv2("secret").read("app").await else { return };
/// match error.kind {
///     ErrorKind::Unavailable { retry_after, .. } => eprintln!("later: {retry_after:?}"),
///     ErrorKind::Forbidden => eprintln!("{}: ask for the policy", error.correlation),
///     _ => eprintln!("{error}"),
/// }
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    /// Why.
    pub kind: ErrorKind,
    /// What was asked for.
    pub operation: Operation,
    /// Whose call it was.
    pub correlation: CorrelationId,
    /// Where there was no token, or it could not be renewed: the id of the request for one that
    /// failed. It may have been another caller's, or the client's own.
    pub token_request: Option<CorrelationId>,
    /// Requests that were sent for it. With 0 nothing was; with more the kind is why there was none
    /// after the last of them, or what that one came to.
    pub attempts: u32,
    /// True if the server may have done it although no answer came: only reading tells.
    pub maybe_done: bool,
}

impl Error {
    /// One before anything was sent.
    pub(crate) fn unsent(
        operation: Operation,
        kind: ErrorKind,
        correlation: CorrelationId,
    ) -> Self {
        let (token_request, attempts, maybe_done) = (None, 0, false);
        Self { kind, operation, correlation, token_request, attempts, maybe_done }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, operation, correlation, token_request, attempts, maybe_done } = self;
        write!(f, "{}: {kind} (correlation {correlation}", operation.as_str())?;
        if let Some(of) = token_request.filter(|of| of != correlation) {
            write!(f, ", of the request for a token {of}")?;
        }
        match attempts {
            0 => f.write_str(", nothing was sent")?,
            n => write!(f, ", requests: {n}")?,
        }
        f.write_str(if *maybe_done { ", it may have been done)" } else { ")" })
    }
}

impl error::Error for Error {}

/// The reason of an [`Error`].
///
/// ```
/// use panelboard_vault::ErrorKind;
///
/// assert!(ErrorKind::Sealed.is_servers() && !ErrorKind::Forbidden.is_servers());
/// assert_eq!(ErrorKind::QueueFull.to_string(), "queue full");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A breaker is open, or half-open with its probes out, so this attempt was not sent. It is the
    /// first one, unless the breaker opened while the operation waited to be sent again.
    Unavailable {
        /// Of the breaker.
        state: State,
        /// In whole seconds, rounded up, at least one; none while forced open.
        retry_after: Option<Duration>,
    },
    /// As many run and wait as may, or watch. Nothing was sent.
    QueueFull,
    /// It waited for its turn, or for a token, for `queue_timeout`: for the first time, unless it
    /// was to be sent again.
    QueueTimeout,
    /// The client is shutting down, or has been. A request that was out is `maybe_done`.
    ShuttingDown,
    /// There is no token that is still valid, and none can be had with these credentials.
    TokenExpired,
    /// The credentials were refused.
    LogInRefused,
    /// The server has no rights for this caller here (403).
    Forbidden,
    /// The server did not accept the request (another 4xx).
    BadRequest {
        /// The answer's status.
        status: u16,
    },
    /// A check-and-set did not fit: somebody else has written.
    CasMismatch,
    /// What was given to us is not well formed. Nothing was sent.
    Malformed(Malformed),
    /// The secret has no such field, or it is no text.
    Field(FieldError),
    /// A secret that can't be put into JSON. Nothing was sent.
    NotJson,
    /// The server is sealed.
    Sealed,
    /// The server is a standby that does not forward, or points to another address.
    Standby,
    /// The server was never initialised.
    NotInitialized,
    /// The server has too many requests (429).
    RateLimited {
        /// What it asked for.
        retry_after: Option<Duration>,
    },
    /// The server failed (another 5xx).
    Server {
        /// The answer's status.
        status: u16,
    },
    /// No answer within `timeout`.
    Timeout,
    /// Nobody listens there, the name is unknown, or TLS does not come about. Nothing was sent.
    Connect,
    /// The connection ended before the answer did.
    Cut,
    /// The answer is none of a Vault.
    Garbage,
    /// The answer is longer than `max_answer_bytes`.
    TooLarge,
    /// The answer leads elsewhere, or in a circle.
    Redirected,
}

impl ErrorKind {
    /// Whether the server, or the way to it, is the reason: the same call may succeed later. What
    /// is in the cache is then served although it is stale.
    #[must_use]
    pub const fn is_servers(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. }
                | Self::QueueFull
                | Self::QueueTimeout
                | Self::Sealed
                | Self::Standby
                | Self::NotInitialized
                | Self::RateLimited { .. }
                | Self::Server { .. }
                | Self::Timeout
                | Self::Connect
                | Self::Cut
                | Self::Garbage
                | Self::TooLarge
                | Self::Redirected
        )
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Unavailable { state, retry_after: None } => {
                return write!(f, "unavailable, the breaker is {state}");
            }
            Self::Unavailable { state, retry_after: Some(wait) } => {
                return write!(f, "unavailable, the breaker is {state}, retry after {wait:?}");
            }
            Self::BadRequest { status } => return write!(f, "not accepted, status {status}"),
            Self::Server { status } => return write!(f, "the server failed, status {status}"),
            Self::Malformed(what) => return what.fmt(f),
            Self::Field(what) => return what.fmt(f),
            Self::QueueFull => "queue full",
            Self::QueueTimeout => "waited too long in the queue",
            Self::ShuttingDown => "shutting down",
            Self::TokenExpired => "no valid token",
            Self::LogInRefused => "the credentials were refused",
            Self::Forbidden => "forbidden",
            Self::CasMismatch => "check-and-set: another version is there",
            Self::NotJson => "it can't be written as JSON",
            Self::Sealed => "the server is sealed",
            Self::Standby => "the server is a standby",
            Self::NotInitialized => "the server is not initialised",
            Self::RateLimited { .. } => "too many requests",
            Self::Timeout => "timed out",
            Self::Connect => "cannot connect",
            Self::Cut => "the connection ended before the answer",
            Self::Garbage => "the answer is none of a Vault",
            Self::TooLarge => "the answer is too long",
            Self::Redirected => "redirected elsewhere",
        };
        f.write_str(text)
    }
}
