//! What is told to metrics and logs: the end of each attempt and of each call, each target that a
//! call went past, and each transition of a breaker, exactly once.

use std::{sync::Arc, time::Duration};

use panelboard::Event;

use crate::{request::Endpoint, verdict::Class};

/// Who wants to know. Called outside every lock, on the call's own task: it must not block.
pub trait Observer: Send + Sync + 'static {
    /// An attempt has its verdict. For a stream that is when it has ended, not when it began.
    fn attempt(&self, _ended: &AttemptEnded<'_>) {}

    /// A call went past a target without asking it, since neither it nor any of its keys admitted
    /// the call. At most once for each call and target, when the call has found its next key or
    /// gives up; what it only waited for is not told.
    fn rejected(&self, _rejected: &Rejected<'_>) {}

    /// A call is over: answered, refused, or its client has left. Exactly one for each call.
    fn call(&self, _ended: &CallEnded<'_>) {}

    /// A breaker has changed: in the order of the events' numbers, by whoever changed it.
    fn transition(&self, _event: &Event<Arc<str>>) {}
}

/// The end of one attempt.
#[derive(Clone, Copy, Debug)]
pub struct AttemptEnded<'a> {
    /// The provider's name.
    pub provider: &'a Arc<str>,
    /// The key's name.
    pub key: &'a Arc<str>,
    /// The model's name at the provider.
    pub model: &'a Arc<str>,
    /// How it ended.
    pub outcome: Class,
    /// The answer's status, if there was an answer.
    pub status: Option<u16>,
    /// How long it took; of a stream to its end.
    pub took: Duration,
    /// Of it: to the head of the answer, whatever the answer was; None if none came.
    pub first_byte: Option<Duration>,
    /// Tokens, if the provider said. Of a stream that broke off, what it had said until then.
    pub usage: Option<Usage>,
    /// Whether it was sent again after a server's failure, at the cost of the budget.
    pub resend: bool,
}

/// A target that a call went past.
#[derive(Clone, Copy, Debug)]
pub struct Rejected<'a> {
    /// The provider's name.
    pub provider: &'a Arc<str>,
    /// The model's name at the provider.
    pub model: &'a Arc<str>,
}

/// The end of a call.
#[derive(Clone, Copy, Debug)]
pub struct CallEnded<'a> {
    /// What the client calls it.
    pub request_id: &'a str,
    /// Which endpoint.
    pub endpoint: Endpoint,
    /// The name that the client asked for; empty where the body could not be read.
    pub model: &'a str,
    /// Who answered, or was asked last.
    pub provider: Option<&'a str>,
    /// With which key.
    pub key: Option<&'a str>,
    /// The model's name at the provider.
    pub upstream_model: Option<&'a str>,
    /// The status that the client got; 499 where it left before.
    pub status: u16,
    /// Whether it asked for a stream.
    pub stream: bool,
    /// How it ended.
    pub outcome: Outcome,
    /// From the call's begin to its end; for a stream to its last byte.
    pub took: Duration,
    /// Of it: spent on providers, and on streams. The rest is the gateway's own, and waiting for a
    /// key.
    pub upstream: Duration,
    /// To the first output of a stream.
    pub first_chunk: Option<Duration>,
    /// Tokens, if the provider said.
    pub usage: Option<Usage>,
    /// How many attempts there were.
    pub attempts: u32,
}

/// How a call ended for its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// With an answer, whole.
    Succeeded,
    /// With a 4xx about the request, the provider's or our own.
    RequestFault,
    /// With an error.
    Failed,
    /// The client left before the end.
    ClientGone,
    /// With an error inside a stream that had begun.
    Cut,
}

impl Outcome {
    /// Its name in metrics and logs: `succeeded`, `request_fault`, `failed`, `client_gone`, `cut`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::RequestFault => "request_fault",
            Self::Failed => "failed",
            Self::ClientGone => "client_gone",
            Self::Cut => "cut",
        }
    }
}

/// Tokens of one call, as the provider counted them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of the prompt.
    pub input: u64,
    /// Of the answer.
    pub output: u64,
}

/// Nobody wants to know.
#[derive(Debug)]
pub(crate) struct Nobody;

impl Observer for Nobody {}
