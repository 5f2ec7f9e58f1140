//! What does an answer, or none, say of the server, and may the request be sent again? Pure.
//!
//! | answer | held | again, if it can be repeated | again, if it cannot |
//! | --- | --- | --- | --- |
//! | 2xx | for it: success | | |
//! | 404 | for it: the server answered | no | no |
//! | 403 | ignored: the caller's | no | no |
//! | 412 (a replica that lags behind) | ignored | yes | yes: nothing was done |
//! | other 4xx | for it | no | no |
//! | 429 | against it | yes, not before `retry-after` | yes: nothing was done |
//! | standby (472, 473, its words in a 5xx, a redirect) | against it | yes | no |
//! | sealed, not initialised (501, and their words in a 5xx) | against it | no | no |
//! | other 5xx, cut, time-out | against it | yes | no: it may have been done |
//! | refused, unknown name, TLS | against it | yes | yes: nothing was sent |
//! | garbage, too long, redirects in a circle | against it | no | no |

use std::time::Duration;

use panelboard::Outcome;

use crate::{error::ErrorKind, fault};

/// How an exchange ended without an answer that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    Connect,
    Cut,
    Timeout,
    TooLarge,
    Redirected,
    /// A standby that names another address.
    Elsewhere,
}

/// What is judged of an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply<'a> {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    /// The texts in `errors`, as JSON; none if the body is no such JSON.
    pub(crate) errors: Option<&'a [&'a str]>,
}

/// What an exchange came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Answered,
    /// 404.
    Missing,
    Failed {
        kind: ErrorKind,
        outcome: Outcome,
        again: Again,
        /// The server may have done what it was asked for.
        maybe_done: bool,
    },
}

/// Whether sending the same request again is of use, and harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    Never,
    /// If doing it twice is doing it once.
    IfRepeatable,
    /// Nothing was done.
    Always,
}

impl Verdict {
    /// For the breaker.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Self::Missing if fault::MISSING_IS_IGNORED.planted() => Outcome::Ignored,
            Self::Answered | Self::Missing => Outcome::Success,
            Self::Failed { outcome, .. } => *outcome,
        }
    }

    fn failed(kind: ErrorKind, outcome: Outcome, again: Again, maybe_done: bool) -> Self {
        Self::Failed { kind, outcome, again, maybe_done }
    }

    /// Held against the server.
    fn against(kind: ErrorKind, again: Again, maybe_done: bool) -> Self {
        Self::failed(kind, Outcome::Failure, again, maybe_done)
    }

    /// Held for it: it answered, and does not want this.
    fn refused(kind: ErrorKind) -> Self {
        Self::failed(kind, Outcome::Success, Again::Never, false)
    }
}

pub(crate) fn of_silence(what: NoAnswer) -> Verdict {
    use Again::{Always, IfRepeatable, Never};
    match what {
        NoAnswer::Connect => Verdict::against(ErrorKind::Connect, Always, false),
        NoAnswer::Cut => Verdict::against(ErrorKind::Cut, IfRepeatable, true),
        NoAnswer::Timeout if fault::WRITE_RETRIED.planted() => {
            Verdict::against(ErrorKind::Timeout, Always, true)
        }
        NoAnswer::Timeout => Verdict::against(ErrorKind::Timeout, IfRepeatable, true),
        NoAnswer::TooLarge => Verdict::against(ErrorKind::TooLarge, Never, true),
        NoAnswer::Redirected => Verdict::against(ErrorKind::Redirected, Never, false),
        NoAnswer::Elsewhere => Verdict::against(ErrorKind::Standby, IfRepeatable, false),
    }
}

pub(crate) fn of_reply(reply: Reply<'_>) -> Verdict {
    use Again::{Always, IfRepeatable, Never};
    let says = |words: &str| {
        // Without a copy in lower case: it may hold what the server was sent.
        let holds = |error: &&str| {
            let mut parts = error.as_bytes().windows(words.len());
            parts.any(|part| part.eq_ignore_ascii_case(words.as_bytes()))
        };
        reply.errors.is_some_and(|all| all.iter().any(holds))
    };
    match reply.status {
        // A body that is no JSON is found by who reads it.
        200..=299 => Verdict::Answered,
        // Another program's 404, as that of a wrong port, is no answer of a Vault.
        404 if reply.errors.is_none() => Verdict::against(ErrorKind::Garbage, Never, false),
        404 => Verdict::Missing,
        403 => {
            let held = fault::FORBIDDEN_IS_FAILURE.planted();
            let outcome = if held { Outcome::Failure } else { Outcome::Ignored };
            Verdict::failed(ErrorKind::Forbidden, outcome, Never, false)
        }
        400 if says("check-and-set parameter") => Verdict::refused(ErrorKind::CasMismatch),
        412 => {
            Verdict::failed(ErrorKind::BadRequest { status: 412 }, Outcome::Ignored, Always, false)
        }
        429 => {
            let retry_after = reply.retry_after;
            Verdict::against(ErrorKind::RateLimited { retry_after }, Always, false)
        }
        472 | 473 => Verdict::against(ErrorKind::Standby, IfRepeatable, false),
        status @ 400..=499 => Verdict::refused(ErrorKind::BadRequest { status }),
        501 => Verdict::against(ErrorKind::NotInitialized, Never, false),
        500..=599 if says("not initialized") => {
            Verdict::against(ErrorKind::NotInitialized, Never, false)
        }
        500..=599 if says("sealed") => Verdict::against(ErrorKind::Sealed, Never, false),
        500..=599 if says("standby") || says("active node") => {
            Verdict::against(ErrorKind::Standby, IfRepeatable, false)
        }
        status @ 500..=599 => Verdict::against(ErrorKind::Server { status }, IfRepeatable, true),
        _ => Verdict::against(ErrorKind::Garbage, Never, true),
    }
}

/// An answer whose body can't be read as what it must be.
pub(crate) fn of_garbage() -> Verdict {
    Verdict::against(ErrorKind::Garbage, Again::Never, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, errors: &[&str]) -> Verdict {
        of_reply(Reply { status, retry_after: None, errors: Some(errors) })
    }

    #[test]
    fn each_status_is_held_against_whom_the_table_says() {
        use Outcome::{Failure, Ignored, Success};
        let rows: [(u16, &[&str], Outcome); 20] = [
            (200, &[], Success),
            (204, &[], Success),
            (404, &[], Success),
            (400, &["bad"], Success),
            (400, &["check-and-set parameter did not match the current version"], Success),
            (405, &[], Success),
            (403, &["permission denied"], Ignored),
            (412, &["required index state not present"], Ignored),
            (429, &["too many"], Failure),
            (472, &[], Failure),
            (473, &[], Failure),
            (500, &["internal error"], Failure),
            (501, &[], Failure),
            (502, &[], Failure),
            (503, &["Vault is sealed"], Failure),
            (503, &["error"], Failure),
            (504, &[], Failure),
            (100, &[], Failure),
            (302, &[], Failure),
            (600, &[], Failure),
        ];
        for (status, errors, outcome) in rows {
            assert_eq!(reply(status, errors).outcome(), outcome, "{status} {errors:?}");
        }
    }

    #[test]
    fn what_may_have_been_done_is_never_sent_again_unasked() {
        let statuses = (100..=650).flat_map(|status| {
            [&[][..], &["Vault is sealed"], &["standby"], &["check-and-set parameter"]]
                .map(|errors| reply(status, errors))
        });
        let silences = [
            NoAnswer::Connect,
            NoAnswer::Cut,
            NoAnswer::Timeout,
            NoAnswer::TooLarge,
            NoAnswer::Redirected,
            NoAnswer::Elsewhere,
        ];
        for verdict in statuses.chain(silences.map(of_silence)) {
            if let Verdict::Failed { again: Again::Always, maybe_done, .. } = verdict {
                assert!(!maybe_done, "{verdict:?}");
            }
        }
    }

    #[test]
    fn sealed_standby_and_not_initialised_are_told_apart() {
        let kind = |verdict| match verdict {
            Verdict::Failed { kind, .. } => kind,
            other => panic!("{other:?}"),
        };
        assert_eq!(kind(reply(503, &["Vault is sealed"])), ErrorKind::Sealed);
        assert_eq!(kind(reply(503, &["server is not initialized"])), ErrorKind::NotInitialized);
        assert_eq!(kind(reply(500, &["please forward to the active node"])), ErrorKind::Standby);
        assert_eq!(kind(reply(503, &[])), ErrorKind::Server { status: 503 });
    }

    #[test]
    fn another_programs_404_is_no_answer_of_a_vault() {
        let verdict = of_reply(Reply { status: 404, retry_after: None, errors: None });
        assert_eq!(verdict.outcome(), Outcome::Failure);
    }
}
