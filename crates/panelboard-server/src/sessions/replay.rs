//! What is a submission, or an answer, told that was accepted before, whatever has changed since?
//!
//! The session's step looks at its key before all else. What is looked at before the step, since
//! it takes no lock or is no business of the session's, is no reason to refuse what was accepted:
//! that a memory is full, a model is gone, the store takes no more. So who is refused for such a
//! reason is looked up by his key first.

use panelboard_tasks::{
    IdempotencyKey, Recalled, Refused, RequestId, SessionId, Submission, Submitted,
};

use super::book::Book;
use super::service::{Service, in_time};
use super::trouble::Trouble;

/// How often a key is looked up again for one submission, because so much came meanwhile.
const LOOKS: usize = 8;

impl Service {
    /// Submits what has a key, if that is not one that the session has used and forgotten.
    pub(super) async fn submit_keyed(
        &self,
        book: &Book,
        submission: Submission,
        key: &IdempotencyKey,
    ) -> Result<Result<Submitted, Refused>, Trouble> {
        for _ in 0..LOOKS {
            let head = match self.forgotten(book, key).await? {
                (head, None) => head,
                (_, Some(Recalled::Submitted(first))) => return Ok(Ok(first)),
                (_, Some(Recalled::Answered(_))) => return Err(Trouble::KeyMismatch),
            };
            let submission = submission.clone().looked_up(head);
            let done = in_time(self.sessions.submit(&book.id, submission)).await?;
            if done != Err(Refused::LookAgain) {
                return Ok(done);
            }
        }
        Err(Trouble::InFlight)
    }

    /// What was accepted under this key, or else the reason why it is refused.
    pub(super) async fn replay_of_run(
        &self,
        id: &SessionId,
        key: Option<IdempotencyKey>,
        refused: Trouble,
    ) -> Result<Submitted, Trouble> {
        match self.recalled(id, key, &refused).await? {
            Some(Recalled::Submitted(first)) => Ok(first),
            Some(Recalled::Answered(_)) => Err(Trouble::KeyMismatch),
            None => Err(refused),
        }
    }

    /// As [`replay_of_run`](Self::replay_of_run), of an answer to `request`.
    pub(super) async fn replay_of_answer(
        &self,
        id: &SessionId,
        request: RequestId,
        key: Option<IdempotencyKey>,
        refused: Trouble,
    ) -> Result<(), Trouble> {
        match self.recalled(id, key, &refused).await? {
            Some(Recalled::Answered(first)) if first == request => Ok(()),
            Some(_) => Err(Trouble::KeyMismatch),
            None => Err(refused),
        }
    }

    async fn recalled(
        &self,
        id: &SessionId,
        key: Option<IdempotencyKey>,
        refused: &Trouble,
    ) -> Result<Option<Recalled>, Trouble> {
        let Some(key) = key.filter(|_| is_before_the_key(refused)) else { return Ok(None) };
        // Without a session to look at there is nothing to recall.
        let Ok(book) = self.book(id, false).await else { return Ok(None) };
        match in_time(self.sessions.recall(id, &key)).await? {
            Ok(None) => Ok(self.forgotten(&book, &key).await?.1),
            Ok(recalled) => Ok(recalled),
            Err(Refused::KeyMismatch) => Err(Trouble::KeyMismatch),
            Err(Refused::Unavailable(why)) => Err(self.unavailable(why, &book)),
            Err(_) => Ok(None),
        }
    }
}

/// Whether it may be refused for this before its key was looked at; of an answer, because its key
/// has been forgotten.
fn is_before_the_key(refused: &Trouble) -> bool {
    matches!(
        refused,
        Trouble::TooLarge { .. }
            | Trouble::UnknownModel { .. }
            | Trouble::MemoryFull { .. }
            | Trouble::StoreFull
            | Trouble::NotAwaiting
            | Trouble::AlreadyAnswered
    )
}
