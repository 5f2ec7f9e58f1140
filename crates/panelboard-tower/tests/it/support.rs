//! What do the tests share? Breakers on a turned clock, bodies with a script, single polls.

use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use panelboard::{Breaker, Clock, Config, ConfigBuilder, ManualClock, State};
use panelboard_tower::{BreakerLayer, BreakerService};
use tower::{Layer, Service};

/// How long a breaker of the tests stays open.
pub(crate) const OPEN: Duration = Duration::from_secs(10);

/// Trips at the first failure, takes one probe, and closes at the first success.
pub(crate) fn config() -> ConfigBuilder {
    Config::builder().failure_threshold(1).recovery_timeout(OPEN).backoff_factor(1.0).jitter(0.0)
}

pub(crate) fn closed() -> (Arc<Breaker>, ManualClock) {
    let (clock, hand) = Clock::manual();
    (Arc::new(Breaker::with_clock(config().build().unwrap(), clock)), hand)
}

/// Open, at its deadline: the next call is the one probe.
pub(crate) fn probing() -> (Arc<Breaker>, ManualClock) {
    probing_with(config())
}

pub(crate) fn probing_with(config: ConfigBuilder) -> (Arc<Breaker>, ManualClock) {
    let (clock, hand) = Clock::manual();
    let breaker = Arc::new(Breaker::with_clock(config.build().unwrap(), clock));
    breaker.trip();
    hand.advance(OPEN);
    assert_eq!(breaker.state(), State::HalfOpen);
    (breaker, hand)
}

/// Whether a probe is out: the breaker is half-open and has no place left.
pub(crate) fn probe_is_out(breaker: &Breaker) -> bool {
    breaker.state() == State::HalfOpen && !breaker.would_admit()
}

/// A body that does as it is told.
#[derive(Debug, Default)]
pub(crate) struct Script {
    steps: VecDeque<Step>,
    /// Says that it is at its end when nothing is left to do; otherwise only by `None`.
    pub(crate) knows_its_end: bool,
    pub(crate) hint: SizeHint,
}

#[derive(Debug)]
pub(crate) enum Step {
    Data(&'static str),
    Trailers(HeaderMap),
    Pending,
    Break,
    Panic,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { steps: steps.into_iter().collect(), ..Self::default() }
    }

    pub(crate) fn knowing_its_end(mut self) -> Self {
        self.knows_its_end = true;
        self
    }

    pub(crate) fn sized(mut self, bytes: u64) -> Self {
        self.hint = SizeHint::with_exact(bytes);
        self
    }
}

impl Body for Script {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Step::Pending) => Poll::Pending,
            Some(Step::Data(text)) => Poll::Ready(Some(Ok(Frame::data(Bytes::from(text))))),
            Some(Step::Trailers(map)) => Poll::Ready(Some(Ok(Frame::trailers(map)))),
            Some(Step::Break) => Poll::Ready(Some(Err(io::Error::other("cut")))),
            Some(Step::Panic) => panic!("a body's own fault"),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.knows_its_end && self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

/// An HTTP service that always gives the same answer, and is always ready.
#[derive(Clone)]
pub(crate) struct Always<F>(pub(crate) F);

impl<A, B, F> Service<Request<A>> for Always<F>
where
    F: FnMut() -> Result<Response<B>, io::Error>,
{
    type Response = Response<B>;
    type Error = io::Error;
    type Future = std::future::Ready<Result<Response<B>, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<A>) -> Self::Future {
        std::future::ready((self.0)())
    }
}

pub(crate) fn guarded<F>(
    breaker: &Arc<Breaker>,
    answer: F,
) -> BreakerService<Always<F>, Arc<Breaker>> {
    BreakerLayer::new(Arc::clone(breaker)).layer(Always(answer))
}

pub(crate) fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// The output of a future that does not wait.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut context()) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the future waits"),
    }
}

type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

/// The next frame of a body.
pub(crate) fn frame<B: Body + Unpin>(body: &mut B) -> Polled<B> {
    Pin::new(body).poll_frame(&mut context())
}

/// Reads a body to its `None`.
pub(crate) fn drain<B: Body<Error: fmt::Debug> + Unpin>(body: &mut B) {
    while let Poll::Ready(Some(frame)) = frame(body) {
        frame.expect("the body is whole");
    }
}

pub(crate) fn trailers(name: &'static str, value: &'static str) -> HeaderMap {
    let mut map = HeaderMap::new();
    map.insert(name, value.parse().unwrap());
    map
}
