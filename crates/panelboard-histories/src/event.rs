//! What stands in a session's log, and where are its holes?

use std::collections::BTreeMap;

use serde_json::Value;

use crate::call::{number, tag};

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Status {
    Queued,
    Starting,
    Running,
    Stopping,
    Succeeded,
    Failed,
    Cancelled,
    Superseded,
    RolledBack,
    TimedOut,
    Lost,
    Consumed,
}

impl Status {
    pub(crate) fn read(value: &Value) -> Option<Self> {
        Some(match value.as_str()? {
            "queued" => Self::Queued,
            "starting" => Self::Starting,
            "running" => Self::Running,
            "stopping" => Self::Stopping,
            "succeeded" => Self::Succeeded,
            "failed" => Self::Failed,
            "cancelled" => Self::Cancelled,
            "superseded" => Self::Superseded,
            "rolled_back" => Self::RolledBack,
            "timed_out" => Self::TimedOut,
            "lost" => Self::Lost,
            "consumed" => Self::Consumed,
            _ => return None,
        })
    }
}

/// What a submission is to do if the slot is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Policy {
    Reject,
    Enqueue,
    Interrupt,
    Rollback,
    Steer,
}

impl Policy {
    /// None is what a session does that was told nothing.
    pub(crate) fn read(value: &Value) -> Option<Self> {
        Some(match value.as_str() {
            None if value.is_null() => Self::Reject,
            Some("reject") => Self::Reject,
            Some("enqueue") => Self::Enqueue,
            Some("interrupt") => Self::Interrupt,
            Some("rollback") => Self::Rollback,
            Some("steer") => Self::Steer,
            _ => return None,
        })
    }

    pub(crate) fn goes_first(self) -> bool {
        matches!(self, Self::Interrupt | Self::Rollback)
    }
}

/// Why a run is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reason {
    Cancelled,
    Superseded,
    RolledBack,
    TimedOut,
    Disconnected,
    Shutdown,
}

impl Reason {
    fn read(value: &Value) -> Option<Self> {
        Some(match value.as_str()? {
            "cancelled" => Self::Cancelled,
            "superseded" => Self::Superseded,
            "rolled_back" => Self::RolledBack,
            "timed_out" => Self::TimedOut,
            "disconnected" => Self::Disconnected,
            "shutdown" => Self::Shutdown,
            _ => return None,
        })
    }

    /// How a run ends that was told to stop for it.
    pub(crate) fn end(self) -> Status {
        match self {
            Self::Cancelled | Self::Disconnected => Status::Cancelled,
            Self::Superseded => Status::Superseded,
            Self::RolledBack => Status::RolledBack,
            Self::TimedOut => Status::TimedOut,
            Self::Shutdown => Status::Lost,
        }
    }
}

/// One record of the log, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    Created {
        run: u64,
        input: String,
        policy: Policy,
        starts: bool,
    },
    Taken {
        run: u64,
    },
    Started {
        run: u64,
    },
    Stopping {
        run: u64,
        reason: Reason,
    },
    Finished {
        run: u64,
        status: Status,
    },
    Abandoned {
        run: u64,
    },
    /// A message began, or a notice came: the memory has another tag, and no more in it.
    Said {
        run: u64,
    },
    /// The text is none where the log has a hole.
    Completed {
        run: u64,
        text: Option<String>,
        partial: bool,
    },
    /// Written by a person, or taken back from a run.
    Memory {
        run: Option<u64>,
        tag: (u64, u64),
    },
    Cleared {
        era: u64,
    },
}

impl Event {
    /// None if it is nothing that a session writes.
    pub(crate) fn read(event: &Value) -> Option<Self> {
        let (run, data) = (number(&event["run"]), &event["data"]);
        Some(match event["event"].as_str()? {
            "run.created" => Self::Created {
                run: run?,
                input: data["input"].as_str()?.to_owned(),
                policy: Policy::read(&data["on_conflict"])?,
                starts: Status::read(&data["status"])? == Status::Starting,
            },
            "queue.changed" => Self::Taken { run: run? },
            "run.started" => Self::Started { run: run? },
            "run.stopping" => Self::Stopping { run: run?, reason: Reason::read(&data["reason"])? },
            "run.finished" => Self::Finished { run: run?, status: Status::read(&data["status"])? },
            "run.abandoned" => Self::Abandoned { run: run? },
            "message.started" | "run.notice" => Self::Said { run: run? },
            "message.completed" => Self::Completed {
                run: run?,
                text: Some(data["text"].as_str()?.to_owned()),
                partial: data["partial"] == true,
            },
            "memory.changed" => Self::Memory { run, tag: tag(&data["tag"])? },
            "session.cleared" => Self::Cleared { era: data["era"].as_u64()? },
            _ => return None,
        })
    }
}

/// What is known of a place in the log.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At<'a> {
    Event(&'a Event),
    /// Something stands there that nobody saw.
    Hole,
    /// The log is shorter.
    End,
}

/// A session's log as clients saw it, whole at its end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log {
    events: BTreeMap<u64, Event>,
}

impl Log {
    /// Takes in what somebody was shown; an error if another was shown something else there.
    pub(crate) fn show(&mut self, seq: u64, event: Event) -> Result<(), String> {
        match self.events.get(&seq) {
            Some(known) if *known != event => {
                Err(format!("seq {seq} was shown as {known:?} and as {event:?}"))
            }
            _ => {
                self.events.insert(seq, event);
                Ok(())
            }
        }
    }

    pub(crate) fn at(&self, seq: u64) -> At<'_> {
        match self.events.get(&seq) {
            Some(event) => At::Event(event),
            None if seq < self.head() => At::Hole,
            None => At::End,
        }
    }

    /// The last seq.
    pub(crate) fn head(&self) -> u64 {
        self.events.last_key_value().map_or(0, |(seq, _)| *seq)
    }

    pub(crate) fn holes(&self) -> usize {
        self.head() as usize - self.events.len()
    }
}
