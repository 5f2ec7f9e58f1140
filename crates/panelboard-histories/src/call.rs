//! What was asked of a session, and what was it told?

use serde_json::Value;

use crate::event::{Policy, Status};

/// A call. Of two whose times overlap, either may have been first.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) began: u64,
    /// Never, for one that nobody knows the end of.
    pub(crate) ended: u64,
    /// The last seq that any client had been shown when it began.
    pub(crate) seen: u64,
    pub(crate) key: Option<String>,
    pub(crate) asked: Asked,
    pub(crate) told: Told,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Submit { input: String, policy: Policy, model: Option<String> },
    Cancel { run: Option<u64>, force: bool, rollback: bool },
    Clear { if_idle: bool },
    Note { item: (String, String) },
    Replace { tag: (u64, u64), items: Vec<(String, String)> },
    Memory,
    Queue,
    Run(u64),
    Unqueue(u64),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Told {
    Accepted {
        run: u64,
        more: Option<Accepted>,
    },
    Busy {
        run: u64,
        phase: Status,
    },
    QueueFull,
    KeyMismatch,
    Stopped {
        changed: bool,
        run: Option<u64>,
        status: Option<Status>,
    },
    Cleared {
        era: u64,
        seq: u64,
    },
    Written {
        seq: u64,
        tag: (u64, u64),
    },
    Stale {
        current: (u64, u64),
    },
    Memory {
        tag: (u64, u64),
        items: Vec<Item>,
        whole: bool,
    },
    Queue(Vec<Waiting>),
    Run {
        status: Status,
        input: String,
        output: Option<String>,
    },
    Removed,
    AlreadyStarted,
    NoSuchRun,
    /// It may have been done, or may yet be, or never.
    Unknown,
}

/// What a submission is told beside its run; a stream tells nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Accepted {
    pub(crate) status: Status,
    pub(crate) position: Option<usize>,
    pub(crate) replayed: bool,
}

/// An item of a memory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Item {
    pub(crate) seq: u64,
    pub(crate) role: String,
    /// None where the log has a hole.
    pub(crate) text: Option<String>,
    pub(crate) run: Option<u64>,
    pub(crate) partial: bool,
}

/// A place in a queue.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Waiting {
    pub(crate) run: u64,
    pub(crate) steer: bool,
    pub(crate) input: String,
}

impl Asked {
    /// None if it is nothing that can be asked.
    pub(crate) fn read(op: &str, ask: &Value) -> Option<Self> {
        Some(match op {
            "submit" => Self::Submit {
                input: text(&ask["input"])?,
                policy: Policy::read(&ask["on_conflict"])?,
                model: text(&ask["model"]),
            },
            "cancel" => Self::Cancel {
                run: number(&ask["run"]),
                force: ask["mode"] == "force",
                rollback: ask["rollback"] == true,
            },
            "clear" => Self::Clear { if_idle: ask["mode"] == "if_idle" },
            "note" => Self::Note { item: said(ask)? },
            "replace" => Self::Replace {
                tag: tag(&ask["tag"])?,
                items: ask["items"].as_array()?.iter().map(said).collect::<Option<_>>()?,
            },
            "memory" => Self::Memory,
            "queue" => Self::Queue,
            "run" => Self::Run(number(&ask["run"])?),
            "unqueue" => Self::Unqueue(number(&ask["run"])?),
            _ => return None,
        })
    }
}

impl Told {
    /// What an answer says; none if it is one that such a call does not get. Nothing is said by one
    /// that was refused before it was looked at.
    pub(crate) fn read(asked: &Asked, ok: bool, body: &Value) -> Option<Option<Self>> {
        if ok { Self::done(asked, body).map(Some) } else { Self::refused(body) }
    }

    fn done(asked: &Asked, body: &Value) -> Option<Self> {
        Some(match asked {
            Asked::Submit { .. } => {
                let more = body["replayed"].as_bool().map(|replayed| {
                    let position = body["position"].as_u64().map(|position| position as usize);
                    Some(Accepted { status: Status::read(&body["status"])?, position, replayed })
                });
                let more = match more {
                    Some(more) => Some(more?),
                    None => None,
                };
                Self::Accepted { run: number(&body["run"])?, more }
            }
            Asked::Cancel { .. } => Self::Stopped {
                changed: body["changed"].as_bool()?,
                run: number(&body["run"]),
                status: Status::read(&body["status"]),
            },
            Asked::Clear { .. } => {
                Self::Cleared { era: body["era"].as_u64()?, seq: body["seq"].as_u64()? }
            }
            Asked::Note { .. } | Asked::Replace { .. } => {
                Self::Written { seq: body["seq"].as_u64()?, tag: tag(&body["tag"])? }
            }
            Asked::Memory => Self::Memory {
                tag: tag(&body["tag"])?,
                items: body["items"].as_array()?.iter().map(item).collect::<Option<_>>()?,
                whole: body["next"].is_null(),
            },
            Asked::Queue => {
                let waiting = body["items"].as_array()?.iter().map(|one| {
                    let steer = one["steer"] == true;
                    Some(Waiting { run: number(&one["run"])?, steer, input: text(&one["input"])? })
                });
                Self::Queue(waiting.collect::<Option<_>>()?)
            }
            Asked::Run(_) => Self::Run {
                status: Status::read(&body["status"])?,
                input: text(&body["input"])?,
                output: text(&body["output"]),
            },
            Asked::Unqueue(_) => Self::Removed,
        })
    }

    fn refused(body: &Value) -> Option<Option<Self>> {
        Some(match body["code"].as_str() {
            Some("session-busy") => Some(Self::Busy {
                run: number(&body["active_run"])?,
                phase: Status::read(&body["phase"])?,
            }),
            Some("queue-full") => Some(Self::QueueFull),
            Some("idempotency-mismatch") => Some(Self::KeyMismatch),
            Some("stale-tag") => Some(Self::Stale { current: tag(&body["current"])? }),
            Some("already-started") => Some(Self::AlreadyStarted),
            Some("no-such-run") => Some(Self::NoSuchRun),
            // Refused by what it is, not by how the session is.
            Some(
                "bad-request"
                | "bad-session-id"
                | "bad-idempotency-key"
                | "unknown-field"
                | "unknown-model"
                | "too-large"
                | "memory-full"
                | "tag-required"
                | "no-such-session"
                | "shutting-down"
                | "too-many-connections",
            ) => None,
            _ => Some(Self::Unknown),
        })
    }
}

fn item(item: &Value) -> Option<Item> {
    let (seq, run) = (item["seq"].as_u64()?, number(&item["run"]));
    let (role, text) = said(item)?;
    Some(Item { seq, role, text: Some(text), run, partial: item["partial"] == true })
}

/// Role and text.
fn said(item: &Value) -> Option<(String, String)> {
    let role = text(&item["role"]).unwrap_or_else(|| "note".to_owned());
    Some((role, text(&item["text"])?))
}

pub(crate) fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

pub(crate) fn number(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok()
}

/// `ERA.SEQ`.
pub(crate) fn tag(value: &Value) -> Option<(u64, u64)> {
    let (era, seq) = value.as_str()?.split_once('.')?;
    Some((era.parse().ok()?, seq.parse().ok()?))
}
