//! Holding a stream back until its first output: what fails before it can still be mended.

use std::{collections::VecDeque, future::poll_fn, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::source::{Piece, Source};
use crate::attempt::{Errand, Failure, Until};

/// What came up to the first output, and with it.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(super) pieces: VecDeque<Piece>,
    bytes: usize,
}

impl Held {
    /// Reads up to the first output, the end mark, or the bound in bytes or time.
    ///
    /// # Errors
    /// The stream failed before that: nothing of it must reach the client.
    pub(crate) async fn until_output(
        source: &mut Source,
        errand: &Errand<'_>,
        first: Until,
        idle: Duration,
    ) -> Result<Self, Failure> {
        let mut held = Self::default();
        let mut until = first;
        let mut bound: Option<Instant> = None;
        loop {
            let at = bound.map_or(until.at, |bound| bound.min(until.at));
            let Ok(pieces) = timeout_at(at, poll_fn(|cx| source.poll_pieces(cx))).await else {
                let patience_is_over = bound.is_some_and(|bound| bound < until.at);
                return if patience_is_over { Ok(held) } else { Err(until.passed()) };
            };
            until = Until::new("next piece of the stream", idle, errand.deadline);
            if held.take(pieces)? || held.bytes > errand.limits.hold_back_bytes {
                return Ok(held);
            }
            if bound.is_none() && !held.pieces.is_empty() {
                bound = Some(Instant::now() + errand.limits.hold_back);
            }
        }
    }

    /// Keeps the pieces; true if the client may see them.
    fn take(&mut self, pieces: Vec<Piece>) -> Result<bool, Failure> {
        let mut ready = false;
        for piece in pieces {
            match &piece {
                Piece::Failed(verdict) if !ready => {
                    let verdict = verdict.clone();
                    return Err(Failure { verdict, status: None, out_of_time: false });
                }
                Piece::Failed(_) => {}
                Piece::Done { .. } => ready = true,
                Piece::Pass { bytes, output, .. } => {
                    self.bytes += bytes.len();
                    ready |= output;
                }
            }
            self.pieces.push_back(piece);
        }
        Ok(ready)
    }
}
