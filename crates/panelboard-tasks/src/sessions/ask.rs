//! How is a client answered: at once, or after a log was read or the disk has what was said?

use std::sync::Arc;

use super::{Unavailable, drive::Shared};
use crate::{
    journal::Lsn,
    session::{Command, IdempotencyKey, Reply, SessionId, State},
};

/// What stands between a command and its answer.
#[derive(Debug)]
pub(super) enum Later {
    /// The session's log is to be read first: nothing was done.
    Ask(Command),
    /// What this tells is not durable yet.
    Keep(Reply, Lsn),
}

impl Shared {
    /// A command by a client, to whichever cell is the session's live one. Most are answered here,
    /// without a future's state: the rest goes on with [`later`](Self::later).
    #[inline]
    pub(super) fn at_once(
        self: &Arc<Self>,
        id: &SessionId,
        command: Command,
        key: Option<&IdempotencyKey>,
    ) -> Result<Result<Reply, Unavailable>, Later> {
        if command.grows_the_log() && !self.journal.has_room() {
            return Ok(Err(Unavailable::JournalFull));
        }
        let mut command = Some(command);
        loop {
            let cell = self.registry.get(id).filter(|cell| !cell.is_loading());
            let Some(cell) = cell else {
                return Err(Later::Ask(command.expect("a command that was not done is there")));
            };
            match self.apply_if_live(&cell, &mut command, key) {
                Ok(None) => self.take_out(&cell),
                Ok(Some((reply, at))) => {
                    return if self.journal.is_durable(at) {
                        Ok(Ok(reply))
                    } else {
                        Err(Later::Keep(reply, at))
                    };
                }
                Err(why) => return Ok(Err(why)),
            }
        }
    }

    /// What could not be answered at once, when it can be.
    pub(super) async fn later(
        self: &Arc<Self>,
        id: &SessionId,
        mut later: Later,
        key: Option<&IdempotencyKey>,
    ) -> Result<Reply, Unavailable> {
        loop {
            match later {
                Later::Keep(reply, at) => {
                    self.kept(at).await?;
                    return Ok(reply);
                }
                Later::Ask(command) => {
                    self.ready(id).await?;
                    // It may have been given up meanwhile: then it is read again.
                    match self.at_once(id, command, key) {
                        Ok(told) => return told,
                        Err(still) => later = still,
                    }
                }
            }
        }
    }

    /// Looks at the session's live cell; answers where the journal was.
    pub(super) async fn look<R>(
        self: &Arc<Self>,
        id: &SessionId,
        look: impl Fn(&State) -> R,
    ) -> Result<(R, Lsn), Unavailable> {
        loop {
            let cell = self.ready(id).await?;
            match cell.look(&look)? {
                None => self.take_out(&cell),
                Some(seen) => return Ok(seen),
            }
        }
    }

    /// P3: what a reply tells would survive.
    pub(super) async fn kept(&self, at: Lsn) -> Result<(), Unavailable> {
        if self.journal.is_durable(at) {
            return Ok(());
        }
        self.journal.durable(at).await.map_err(|_| Unavailable::NotKept)
    }
}
