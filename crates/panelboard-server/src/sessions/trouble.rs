//! Why is something that was asked of a session not done, and what is the client told?

use std::time::Duration;

use http::StatusCode;
use panelboard_tasks::{
    AnswerRefused, ClearRefused, Refused, RunId, RunStatus, Tag, Unavailable, WriteRefused,
};
use serde_json::{Map, Value, json};

use super::book::End;
use super::reading::NoSession;
use crate::routes::segment;

/// Why it is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    BadSessionId,
    NoSuchSession { session: String },
    NoSuchRun { session: String, run: String },
    ExistsDifferently { session: String },
    Unreadable { session: String },
    Busy { session: String, run: RunId, status: RunStatus, since: Option<String> },
    QueueFull { limit: usize },
    TooLarge { limit: usize },
    MemoryFull { limit: usize },
    KeyMismatch,
    InFlight,
    UnknownModel { model: String, known: Vec<String> },
    BadKey,
    NotAwaiting,
    AlreadyAnswered,
    AlreadyStarted { run: String },
    GoesFirst { run: String },
    NobodyReads { run: String },
    StaleTag { current: Tag },
    TagRequired,
    EpochGone { session: String },
    EraGone { session: String, era: u64, current: u64 },
    NoSuchEra { session: String, era: u64, current: u64 },
    UnknownField { field: String, allowed: Vec<String>, pointer: String },
    Bad { what: String },
    LockTimeout,
    Zombies,
    ShuttingDown,
    TooManySessions,
    TooManyConnections { limit: usize },
    TooManySubscriptions { limit: usize },
    Deleted,
    Leaving,
    StoreFull,
    StoreFailed,
    StoreSlow,
    NotAWebSocket { what: &'static str },
}

/// A trouble's answer, before it has a shape.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) title: &'static str,
    pub(crate) detail: String,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) more: Map<String, Value>,
}

/// When those who came at a bad moment may come again.
const SOON: Duration = Duration::from_secs(1);

impl Trouble {
    /// What the client is told.
    pub(crate) fn told(&self) -> Told {
        let (status, code, title, detail) = self.words();
        let retry_after = matches!(status.as_u16(), 429 | 503).then_some(SOON);
        let mut more = Map::new();
        match self {
            Self::NoSuchSession { session }
            | Self::ExistsDifferently { session }
            | Self::Unreadable { session } => drop(more.insert("session".into(), json!(session))),
            Self::EpochGone { session } => {
                let path = format!("/v1/sessions/{}", segment(session));
                let memory = format!("{path}/memory");
                more.insert("session".into(), json!(session));
                more.insert("snapshot".into(), json!({ "session": path, "memory": memory }));
            }
            Self::NoSuchRun { session, run } => {
                more.insert("session".into(), json!(session));
                more.insert("run".into(), json!(run));
            }
            Self::Busy { session, run, status, since } => {
                more.insert("session".into(), json!(session));
                more.insert("active_run".into(), json!(run.to_string()));
                more.insert("phase".into(), json!(status.to_string()));
                more.insert("since".into(), json!(since));
            }
            Self::EraGone { session, era, current } | Self::NoSuchEra { session, era, current } => {
                more.insert("session".into(), json!(session));
                more.insert("era".into(), json!(era));
                more.insert("current".into(), json!(current));
            }
            Self::StaleTag { current } => {
                drop(more.insert("current".into(), json!(current.to_string())));
            }
            Self::UnknownModel { model, known } => {
                more.insert("model".into(), json!(model));
                more.insert("known".into(), json!(known));
            }
            Self::UnknownField { field, allowed, pointer } => {
                more.insert("pointer".into(), json!(pointer));
                more.insert("field".into(), json!(field));
                more.insert("allowed".into(), json!(allowed));
            }
            _ => {}
        }
        Told { status, code, title, detail, retry_after, more }
    }

    fn words(&self) -> (StatusCode, &'static str, &'static str, String) {
        use StatusCode as S;
        let simple = |status, code, title, detail: &str| (status, code, title, detail.to_owned());
        match self {
            Self::BadSessionId => simple(
                S::BAD_REQUEST,
                "bad-session-id",
                "bad session id",
                "a session id is 1 to 256 bytes of UTF-8 without control characters; in a path it \
                 is one percent-encoded segment",
            ),
            Self::NoSuchSession { session } => {
                let detail = format!("there is no session {session:?}");
                (S::NOT_FOUND, "no-such-session", "no such session", detail)
            }
            Self::NoSuchRun { session, run } => {
                let detail = format!("there is no run {run:?} in the session {session:?}");
                (S::NOT_FOUND, "no-such-run", "no such run", detail)
            }
            Self::ExistsDifferently { session } => {
                let detail = format!(
                    "the session {session:?} is there with other metadata, policy or limits"
                );
                (S::CONFLICT, "session-exists-differently", "session exists", detail)
            }
            Self::Unreadable { session } => {
                let detail = format!(
                    "what is kept of the session {session:?} can not be read; nothing is written \
                     to it, and its bytes stay as they are"
                );
                (S::SERVICE_UNAVAILABLE, "session-unreadable", "session unreadable", detail)
            }
            Self::Busy { session, run, status, .. } => {
                let detail = format!("run {run} is {status} in the session {session:?}");
                (S::CONFLICT, "session-busy", "session busy", detail)
            }
            Self::QueueFull { limit } => {
                let detail = format!("{limit} runs wait in this session, as many as may");
                (S::TOO_MANY_REQUESTS, "queue-full", "queue full", detail)
            }
            Self::TooLarge { limit } => {
                let detail = format!("it has more than {limit} bytes");
                (S::PAYLOAD_TOO_LARGE, "too-large", "too large", detail)
            }
            Self::MemoryFull { limit } => {
                let detail = format!(
                    "the session's memory has {limit} bytes, as many as it may: clear or replace it"
                );
                (S::PAYLOAD_TOO_LARGE, "memory-full", "memory full", detail)
            }
            Self::KeyMismatch => simple(
                S::UNPROCESSABLE_ENTITY,
                "idempotency-mismatch",
                "key used before",
                "this idempotency key was used for something else",
            ),
            Self::InFlight => simple(
                S::CONFLICT,
                "idempotency-in-flight",
                "still under way",
                "what was sent under this idempotency key has not ended yet: send it again later",
            ),
            Self::UnknownModel { model, known } => {
                let detail = format!("there is no model {model:?}, there are {}", known.join(", "));
                (S::UNPROCESSABLE_ENTITY, "unknown-model", "unknown model", detail)
            }
            Self::BadKey => simple(
                S::BAD_REQUEST,
                "bad-idempotency-key",
                "bad idempotency key",
                "an idempotency key is 1 to 255 bytes of visible text",
            ),
            Self::NotAwaiting => simple(
                S::CONFLICT,
                "not-awaiting",
                "nothing was asked",
                "the run does not wait for this answer",
            ),
            Self::AlreadyAnswered => simple(
                S::CONFLICT,
                "already-answered",
                "already answered",
                "the question was answered already",
            ),
            Self::AlreadyStarted { run } => {
                let detail = format!("run {run} does not wait any more");
                (S::CONFLICT, "already-started", "already started", detail)
            }
            Self::GoesFirst { run } => {
                let detail = format!("run {run} goes before all that merely wait, and stays there");
                (S::CONFLICT, "goes-first", "it goes first", detail)
            }
            Self::NobodyReads { run } => {
                let detail = format!("no run has the slot that could read run {run}");
                (S::CONFLICT, "nobody-reads", "nobody reads it", detail)
            }
            Self::StaleTag { current } => {
                let detail = format!("the memory is another by now, its tag is \"{current}\"");
                (S::PRECONDITION_FAILED, "stale-tag", "stale tag", detail)
            }
            Self::TagRequired => simple(
                S::PRECONDITION_REQUIRED,
                "tag-required",
                "tag required",
                "`if-match` must name the tag of the memory that is replaced",
            ),
            Self::EpochGone { .. } => simple(
                S::GONE,
                "epoch-gone",
                "position gone",
                "this position is of another log, or before what is kept: read the session, which \
                 has its epoch and head, then its memory, and follow from that head",
            ),
            Self::EraGone { era, current, .. } => {
                let detail = format!(
                    "era {era} was cleared, and nothing that was said in it is kept; the session's \
                     era is {current}"
                );
                (S::GONE, "era-gone", "era gone", detail)
            }
            Self::NoSuchEra { era, current, .. } => {
                let detail = format!("there is no era {era} yet, the session's is {current}");
                (S::NOT_FOUND, "no-such-era", "no such era", detail)
            }
            Self::UnknownField { field, allowed, .. } => {
                let detail = format!("unknown field {field:?}, expected {}", allowed.join(", "));
                (S::BAD_REQUEST, "unknown-field", "unknown field", detail)
            }
            Self::Bad { what } => (S::BAD_REQUEST, "bad-request", "bad request", what.clone()),
            Self::LockTimeout => simple(
                S::SERVICE_UNAVAILABLE,
                "lock-timeout",
                "lock time-out",
                "the session's lock was held for too long by somebody else",
            ),
            Self::Zombies => simple(
                S::SERVICE_UNAVAILABLE,
                "draining-zombies",
                "too many zombies",
                "too many runs were given up and have not ended",
            ),
            Self::ShuttingDown => simple(
                S::SERVICE_UNAVAILABLE,
                "shutting-down",
                "shutting down",
                "the program stops and takes no new runs",
            ),
            Self::TooManySessions => simple(
                S::SERVICE_UNAVAILABLE,
                "too-many-sessions",
                "too many sessions",
                "as many sessions are in memory as may be, see sessions.max_sessions",
            ),
            Self::TooManyConnections { limit } => {
                let detail = format!("there are {limit} sockets and streams, as many as may be");
                (S::TOO_MANY_REQUESTS, "too-many-connections", "too many connections", detail)
            }
            Self::TooManySubscriptions { limit } => {
                let detail = format!("a socket may follow {limit} sessions");
                (S::TOO_MANY_REQUESTS, "too-many-subscriptions", "too many subscriptions", detail)
            }
            Self::Deleted => {
                simple(S::GONE, "session-deleted", "session deleted", "the session was deleted")
            }
            Self::Leaving => simple(
                S::SERVICE_UNAVAILABLE,
                "session-leaving",
                "session leaving",
                "the session of this name was deleted, and has a run that has not stopped yet",
            ),
            Self::StoreFull => simple(
                S::SERVICE_UNAVAILABLE,
                "store-full",
                "store full",
                "the store takes no more: its disk, its file or its queue is full; nothing was \
                 accepted",
            ),
            Self::StoreFailed => simple(
                S::SERVICE_UNAVAILABLE,
                "store-failed",
                "store failed",
                "the store could not keep it; nothing was accepted",
            ),
            Self::StoreSlow => simple(
                S::SERVICE_UNAVAILABLE,
                "store-slow",
                "store slow",
                "the store has not answered; whether it is kept is not known yet: send the same \
                 idempotency key again, or look",
            ),
            Self::NotAWebSocket { what } => {
                simple(S::BAD_REQUEST, "not-a-websocket", "not a WebSocket", what)
            }
        }
    }

    /// What the session can't do now.
    pub(super) fn unavailable(why: Unavailable, session: &str) -> Self {
        match why {
            Unavailable::Lock(_) => Self::LockTimeout,
            Unavailable::ShuttingDown => Self::ShuttingDown,
            Unavailable::TooManyZombies => Self::Zombies,
            Unavailable::TooManySessions => Self::TooManySessions,
            Unavailable::JournalFull => Self::StoreFull,
            Unavailable::Unreadable => Self::Unreadable { session: session.to_owned() },
            // It is given up and taken up again from the store.
            _ => Self::StoreFailed,
        }
    }

    pub(super) fn refused(why: Refused, session: &str, limits: (usize, usize)) -> Self {
        match why {
            Refused::Busy { run, status } => {
                Self::Busy { session: session.to_owned(), run, status, since: None }
            }
            Refused::QueueFull => Self::QueueFull { limit: limits.0 },
            Refused::TooLarge => Self::TooLarge { limit: limits.1 },
            Refused::KeyMismatch => Self::KeyMismatch,
            Refused::Stale(current) => Self::StaleTag { current },
            Refused::Unavailable(why) => Self::unavailable(why, session),
            _ => Self::StoreFailed,
        }
    }

    pub(super) fn answer(why: AnswerRefused, session: &str, limit: usize) -> Self {
        match why {
            AnswerRefused::NotAwaiting => Self::NotAwaiting,
            AnswerRefused::AlreadyAnswered => Self::AlreadyAnswered,
            AnswerRefused::TooLarge => Self::TooLarge { limit },
            AnswerRefused::KeyMismatch => Self::KeyMismatch,
            AnswerRefused::Unavailable(why) => Self::unavailable(why, session),
            _ => Self::StoreFailed,
        }
    }

    pub(super) fn clear(why: ClearRefused, session: &str) -> Self {
        match why {
            ClearRefused::Busy { run, status } => {
                Self::Busy { session: session.to_owned(), run, status, since: None }
            }
            ClearRefused::Unavailable(why) => Self::unavailable(why, session),
            _ => Self::StoreFailed,
        }
    }

    pub(super) fn write(why: WriteRefused, session: &str, limit: usize) -> Self {
        match why {
            WriteRefused::Stale(current) => Self::StaleTag { current },
            WriteRefused::TooLarge => Self::TooLarge { limit },
            WriteRefused::Unavailable(why) => Self::unavailable(why, session),
            _ => Self::StoreFailed,
        }
    }

    pub(crate) fn no_session(why: NoSession, session: &str) -> Self {
        match why {
            NoSession::Absent => Self::NoSuchSession { session: session.to_owned() },
            NoSession::Unreadable => Self::Unreadable { session: session.to_owned() },
            NoSession::Failed(end) => Self::ended(end),
        }
    }

    pub(crate) fn ended(end: End) -> Self {
        match end {
            End::Full => Self::StoreFull,
            End::Deleted => Self::Deleted,
            End::NotKept => Self::StoreFailed,
        }
    }
}
