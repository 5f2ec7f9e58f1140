//! What do people do besides submitting and stopping: answer, write, come and go?

use std::sync::Arc;

use super::*;
use crate::session::{
    ids::{ConnId, IdempotencyKey, RequestId},
    record::Tag,
    reply::{AnswerRefused, WriteRefused, Written},
};

impl Steps<'_> {
    /// One answer to a question; the same one sent again is answered as before.
    pub(super) fn answer(
        &mut self,
        run: RunId,
        request: RequestId,
        input: Bytes,
        key: Option<IdempotencyKey>,
    ) -> Reply {
        match self.state.known(key.as_ref()) {
            Ok(None) => {}
            Ok(Some(Used::Answer(known))) if known == request => {
                return Reply::Answered { replayed: true };
            }
            _ => return Reply::AnswerRefused(AnswerRefused::KeyMismatch),
        }
        let limits = self.given.limits;
        let key_bytes = key.as_ref().map_or(0, |key| key.name().len());
        if input.len() > limits.input_bytes || key_bytes > limits.key_bytes {
            return Reply::AnswerRefused(AnswerRefused::TooLarge);
        }
        let Slot::Active(active) = &mut self.state.slot else {
            return Reply::AnswerRefused(AnswerRefused::NotAwaiting);
        };
        let fence = active.fence;
        if active.run != run || active.phase != Phase::AwaitingInput(request) {
            let twice = active.run == run && active.answered == Some(request);
            return Reply::AnswerRefused(match twice {
                true => AnswerRefused::AlreadyAnswered,
                false => AnswerRefused::NotAwaiting,
            });
        }
        active.answered = Some(request);
        active.phase = Phase::Running;
        self.remember_key(key.clone(), Used::Answer(request));
        self.record_under(fence, Kind::Answered { run, request, key }, input.clone());
        self.effects.push(Effect::Deliver { fence, request, input });
        Reply::Answered { replayed: false }
    }

    /// M5: a write that replaces is applied if and only if it was made for the memory that there
    /// is.
    pub(super) fn write(&mut self, name: Arc<str>, body: Bytes, replaces: Option<Tag>) -> Reply {
        if body.len() > self.given.limits.input_bytes {
            return Reply::WriteRefused(WriteRefused::TooLarge);
        }
        let current = self.state.tag();
        if let Some(tag) = replaces
            && tag != current
        {
            return Reply::WriteRefused(WriteRefused::Stale(current));
        }
        let kind = match replaces {
            Some(_) => Kind::Replaced { name },
            None => Kind::Noted { name },
        };
        let seq = self.record(kind, body);
        Reply::Written(Written { seq, tag: self.state.tag() })
    }

    pub(super) fn attach(&mut self, connection: ConnId) -> Reply {
        let known = self.state.connections.contains(&connection);
        if !known && self.state.connections.len() >= self.given.limits.connections {
            return Reply::Attached(false);
        }
        self.state.connections.insert(connection);
        self.state.attached += 1;
        Reply::Attached(true)
    }

    /// H6, S16: by the connection's own number; no run is touched, but for a timer that may be.
    pub(super) fn detach(&mut self, connection: ConnId) -> Reply {
        if fault::DETACHES_ALL.planted() {
            self.state.connections.clear();
        }
        if self.state.connections.remove(&connection) && self.state.connections.is_empty() {
            self.state.left_at = Some(self.given.now);
            self.arm_linger();
        }
        Reply::Done
    }
}
