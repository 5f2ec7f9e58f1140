//! Which commands of a socket are being done, and which may begin beside them?
//!
//! Those of one session are done one after the other, in the order in which they came. Those of
//! different sessions are done at once: so a socket that speaks for many waits for the disk with
//! all of them, and not with each in turn. What came of them is told in the order in which they
//! were asked for.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use panelboard_tasks::SessionId;

/// How many are done at once. Each holds what it was asked and a future.
const AT_ONCE: usize = 32;

/// Commands under way, each of which comes to a `T`.
pub(super) struct Doing<T> {
    /// None without any: an idle socket holds nothing.
    line: Option<FuturesOrdered<Work<T>>>,
    /// Which session each is of, in the same order. None: nothing is done beside it.
    of: VecDeque<Option<SessionId>>,
}

pub(super) type Work<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl<T> Default for Doing<T> {
    fn default() -> Self {
        Self { line: None, of: VecDeque::new() }
    }
}

impl<T> Doing<T> {
    /// Whether a command of this session may begin; of none: one that needs all others done.
    pub(super) fn may_begin(&self, session: Option<&SessionId>) -> bool {
        match session {
            None => self.of.is_empty(),
            Some(session) => {
                let other = |of: &Option<SessionId>| of.as_ref().is_some_and(|of| of != session);
                self.of.len() < AT_ONCE && self.of.iter().all(other)
            }
        }
    }

    /// Begins one that [may](Self::may_begin).
    pub(super) fn begin(&mut self, session: Option<SessionId>, work: Work<T>) {
        self.of.push_back(session);
        self.line.get_or_insert_default().push_back(work);
    }

    /// What came of the one that was begun first.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<T> {
        let Some(line) = &mut self.line else { return Poll::Pending };
        let Poll::Ready(Some(done)) = line.poll_next_unpin(context) else { return Poll::Pending };
        self.of.pop_front();
        if self.of.is_empty() {
            *self = Self::default();
        }
        Poll::Ready(done)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::sync::oneshot;

    use super::*;

    fn id(name: &str) -> SessionId {
        SessionId::new(name).expect("a good name")
    }

    fn next(doing: &mut Doing<u32>) -> Option<u32> {
        match doing.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => Some(done),
            Poll::Pending => None,
        }
    }

    fn work() -> (oneshot::Sender<u32>, Work<u32>) {
        let (ends, end) = oneshot::channel();
        (ends, Box::pin(async { end.await.expect("it is ended by the test") }))
    }

    #[test]
    fn one_session_waits_for_itself_and_what_concerns_all_for_all() {
        let mut doing = Doing::default();
        assert!(doing.may_begin(None) && doing.may_begin(Some(&id("a"))));
        let (ends, a) = work();
        doing.begin(Some(id("a")), a);
        assert!(!doing.may_begin(None) && !doing.may_begin(Some(&id("a"))));
        assert!(doing.may_begin(Some(&id("b"))));
        ends.send(1).expect("it waits");
        // It is done when that is told.
        assert!(!doing.may_begin(Some(&id("a"))));
        assert_eq!(next(&mut doing), Some(1));
        let (ends, all) = work();
        doing.begin(None, all);
        assert!(!doing.may_begin(Some(&id("b"))));
        ends.send(2).expect("it waits");
        assert_eq!(next(&mut doing), Some(2));
        assert!(doing.may_begin(None) && doing.line.is_none());
    }

    #[test]
    fn what_came_of_them_is_told_in_the_order_in_which_they_began() {
        let mut doing = Doing::default();
        let works = ["a", "b", "c"].map(|name| (id(name), work()));
        let ends = works.map(|(id, (ends, work))| {
            doing.begin(Some(id), work);
            ends
        });
        assert_eq!(next(&mut doing), None);
        for (number, ends) in (1..).zip(ends).collect::<Vec<_>>().into_iter().rev() {
            assert_eq!(next(&mut doing), None);
            ends.send(number).expect("it waits");
        }
        assert_eq!([(); 4].map(|()| next(&mut doing)), [Some(1), Some(2), Some(3), None]);
    }

    #[test]
    fn so_many_and_no_more() {
        let mut doing = Doing::default();
        for number in 0..AT_ONCE {
            let id = id(&number.to_string());
            assert!(doing.may_begin(Some(&id)));
            doing.begin(Some(id), Box::pin(async { 0 }));
        }
        assert!(!doing.may_begin(Some(&id("one more"))));
        assert_eq!(next(&mut doing), Some(0));
        assert!(doing.may_begin(Some(&id("one more"))));
    }
}
