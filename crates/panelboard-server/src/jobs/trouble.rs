//! Why is something that was asked of jobs not done, and what is the client told?

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use panelboard_tasks::{
    JobDeleteRefused, JobLimits, JobMoveRefused, JobRefused, JobState, JobsUnavailable,
};
use serde_json::{Map, Value, json};

use super::kinds::KINDS;
use crate::sessions::trouble::Told;

/// Why it is not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum JobTrouble {
    NoSuchJob {
        job: String,
    },
    UnknownKind {
        kind: String,
    },
    BadArgs {
        what: String,
    },
    /// What is wrong in a text that was sent, each with its line and key.
    Mistakes {
        what: String,
    },
    Refused(JobRefused, usize),
    InvalidTransition {
        state: JobState,
    },
    TooManyPaused {
        limit: usize,
    },
    NotEnded {
        state: JobState,
    },
    NoResult {
        state: JobState,
    },
    Unavailable(JobsUnavailable),
}

/// When those who came at a bad moment may come again.
const SOON: Duration = Duration::from_secs(1);

impl JobTrouble {
    pub(crate) fn refused(why: JobRefused, limits: &JobLimits) -> Self {
        match why {
            JobRefused::Unavailable(why) => Self::Unavailable(why),
            JobRefused::QueueFull => Self::Refused(why, limits.queue),
            JobRefused::TooManyJobs => Self::Refused(why, limits.records),
            _ => Self::Refused(why, limits.args_bytes),
        }
    }

    pub(crate) fn moved(why: JobMoveRefused, job: &str, limits: &JobLimits) -> Self {
        match why {
            JobMoveRefused::NotFound => Self::NoSuchJob { job: job.to_owned() },
            JobMoveRefused::InvalidTransition { state } => Self::InvalidTransition { state },
            JobMoveRefused::TooManyPaused => Self::TooManyPaused { limit: limits.paused },
            JobMoveRefused::Unavailable(why) => Self::Unavailable(why),
            _ => Self::Unavailable(JobsUnavailable::JournalFull),
        }
    }

    pub(crate) fn deleted(why: JobDeleteRefused, job: &str) -> Self {
        match why {
            JobDeleteRefused::NotFound => Self::NoSuchJob { job: job.to_owned() },
            JobDeleteRefused::NotEnded { state } => Self::NotEnded { state },
            JobDeleteRefused::Unavailable(why) => Self::Unavailable(why),
            _ => Self::Unavailable(JobsUnavailable::JournalFull),
        }
    }

    pub(crate) fn is_no_such_job(&self) -> bool {
        matches!(self, Self::NoSuchJob { .. })
    }

    /// What the client is told.
    pub(crate) fn told(&self) -> Told {
        let (status, code, title, detail) = self.words();
        let retry_after = matches!(status.as_u16(), 429 | 503).then_some(SOON);
        let mut more = Map::new();
        let mut say = |name: &str, value: Value| drop(more.insert(name.to_owned(), value));
        match self {
            Self::NoSuchJob { job } => say("job", json!(job)),
            Self::UnknownKind { .. } => say("known", json!(KINDS)),
            Self::InvalidTransition { state }
            | Self::NotEnded { state }
            | Self::NoResult { state } => {
                say("state", json!(state.name()));
                say("allowed", json!(state.allowed()));
            }
            _ => {}
        }
        Told { status, code, title, detail, retry_after, more }
    }

    fn words(&self) -> (StatusCode, &'static str, &'static str, String) {
        use StatusCode as S;
        match self {
            Self::NoSuchJob { job } => {
                let job: String = job.chars().take(100).collect();
                (S::NOT_FOUND, "no-such-job", "no such job", format!("there is no job {job:?}"))
            }
            Self::UnknownKind { kind } => {
                let known = KINDS.join(", ");
                let detail = format!("{kind:?} is no kind of job, expected one of {known}");
                (S::UNPROCESSABLE_ENTITY, "unknown-kind", "unknown kind", detail)
            }
            Self::BadArgs { what } => {
                (S::UNPROCESSABLE_ENTITY, "bad-args", "bad arguments", format!("`args`: {what}"))
            }
            Self::Mistakes { what } => {
                (S::UNPROCESSABLE_ENTITY, "bad-args", "bad arguments", what.clone())
            }
            Self::Refused(why, limit) => refused(*why, *limit),
            Self::InvalidTransition { state } => {
                let detail = format!("a job that is {state} can't do that");
                (S::CONFLICT, "invalid-transition", "not from there", detail)
            }
            Self::TooManyPaused { limit } => {
                let detail = format!("{limit} jobs are paused already: resume or stop one");
                (S::CONFLICT, "too-many-paused", "too many paused", detail)
            }
            Self::NotEnded { state } => {
                let detail = format!("only a job that has ended can be removed: it is {state}");
                (S::CONFLICT, "not-terminal", "not ended", detail)
            }
            Self::NoResult { state } => {
                let detail = format!("there is a result of a completed job only: it is {state}");
                (S::CONFLICT, "not-finished", "no result", detail)
            }
            Self::Unavailable(why) => unavailable(*why),
        }
    }
}

impl fmt::Display for JobTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words().3)
    }
}

fn refused(why: JobRefused, limit: usize) -> (StatusCode, &'static str, &'static str, String) {
    use StatusCode as S;
    match why {
        JobRefused::QueueFull => {
            let detail = format!("{limit} jobs wait already");
            (S::TOO_MANY_REQUESTS, "queue-full", "too many wait", detail)
        }
        JobRefused::TooManyJobs => {
            let detail = format!("{limit} jobs are known, and none of them has ended");
            (S::TOO_MANY_REQUESTS, "too-many-jobs", "too many jobs", detail)
        }
        JobRefused::KeyMismatch => {
            let detail = "the idempotency key was used for something else".to_owned();
            (S::UNPROCESSABLE_ENTITY, "idempotency-mismatch", "another request", detail)
        }
        _ => {
            let detail = format!("its arguments are longer than {limit} bytes");
            (S::PAYLOAD_TOO_LARGE, "too-large", "too large", detail)
        }
    }
}

fn unavailable(why: JobsUnavailable) -> (StatusCode, &'static str, &'static str, String) {
    let (code, title) = match why {
        JobsUnavailable::Lock(_) => ("lock-timeout", "busy"),
        JobsUnavailable::ShuttingDown => ("shutting-down", "stopping"),
        JobsUnavailable::NotKept => ("store-failed", "not kept"),
        _ => ("store-full", "full"),
    };
    (StatusCode::SERVICE_UNAVAILABLE, code, title, why.to_string())
}
