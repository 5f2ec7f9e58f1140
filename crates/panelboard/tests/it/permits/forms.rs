//! Every form of a call that awaits, and work for it that is slow or panics.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use panelboard::{Breaker, Outcome};

/// Is not ready `pending` times, then answers, or panics.
pub(super) struct Slow {
    pub(super) pending: u32,
    pub(super) panics: bool,
    pub(super) polls: Arc<AtomicUsize>,
}

impl Slow {
    pub(super) fn new(pending: u32) -> Self {
        Self { pending, panics: false, polls: Arc::default() }
    }
}

impl Future for Slow {
    type Output = Result<(), ()>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        self.polls.fetch_add(1, Ordering::Relaxed);
        if self.pending == 0 {
            assert!(!self.panics, "the call's own panic");
            return Poll::Ready(Ok(()));
        }
        self.pending -= 1;
        Poll::Pending
    }
}

/// A call on its way, to be spawned; true if it has an answer.
pub(super) type Task = Pin<Box<dyn Future<Output = bool> + Send + 'static>>;

/// Makes the task, and polls nothing.
type Form = fn(&Arc<Breaker>, Slow) -> Task;

/// Every form of a call that awaits.
pub(super) const FORMS: [(&str, Form); 5] = [
    ("call_async", |breaker, work| {
        let breaker = Arc::clone(breaker);
        Box::pin(async move { breaker.call_async(work).await.is_ok() })
    }),
    ("call_async_with", |breaker, work| {
        let breaker = Arc::clone(breaker);
        let by_answer = |answer: &Result<(), ()>| match answer {
            Ok(()) => Outcome::Success,
            Err(()) => Outcome::Failure,
        };
        Box::pin(async move { breaker.call_async_with(work, by_answer).await.is_ok() })
    }),
    ("call_option_async", |breaker, work| {
        let breaker = Arc::clone(breaker);
        let work = async { work.await.ok() };
        Box::pin(async move { breaker.call_option_async(work).await == Ok(Some(())) })
    }),
    ("call_async_owned", |breaker, work| {
        let call = breaker.call_async_owned(work);
        Box::pin(async move { call.await.is_ok() })
    }),
    ("an owned permit", |breaker, work| {
        let breaker = Arc::clone(breaker);
        Box::pin(async move {
            let Ok(permit) = breaker.acquire_owned() else { return false };
            let answer = work.await;
            permit.end(if answer.is_ok() { Outcome::Success } else { Outcome::Failure });
            answer.is_ok()
        })
    }),
];

pub(super) fn poll(task: &mut Task) -> Poll<bool> {
    task.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}
