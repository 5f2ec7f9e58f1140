//! Is readiness the inner service's alone, and is the ready service the one that is called?

use std::{
    convert::Infallible,
    error::Error as _,
    future::{Ready, ready},
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use panelboard::{Panel, State};
use panelboard_tower::{BreakerLayer, CallLayer, Error, NoPermit, unavailable};
use tower::{Layer, Service, limit::ConcurrencyLimit, service_fn};

use crate::support::{
    Always, OPEN, Script, closed, config, context, guarded, now, probe_is_out, probing,
    probing_with,
};
use http::{Request, Response};

#[test]
fn many_ready_services_take_no_probe() {
    let (breaker, _hand) = probing();
    let before = breaker.snapshot();
    let mut ready: Vec<_> =
        (0..8).map(|_| guarded(&breaker, || Ok(Response::new(Script::new([]))))).collect();
    for service in &mut ready {
        let answer = Service::<Request<()>>::poll_ready(service, &mut context());
        assert!(matches!(answer, Poll::Ready(Ok(()))));
    }
    assert_eq!(breaker.snapshot().generation, before.generation, "readiness asked the breaker");

    let calls: Vec<_> = ready.iter_mut().map(|service| service.call(Request::new(()))).collect();
    let answers: Vec<_> = calls.into_iter().map(now).collect();
    let admitted = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(admitted, 1);
    let rejected =
        |answer: &&Result<_, Error<io::Error>>| matches!(answer, Err(Error::Rejected(_)));
    assert_eq!(answers.iter().filter(rejected).count(), 7);
    assert!(probe_is_out(&breaker));
}

/// Panics if it is called without having been ready, and a clone of it was not.
#[derive(Debug, Default)]
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<u32> for Strict {
    type Response = u32;
    type Error = Infallible;
    type Future = Ready<Result<u32, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, n: u32) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without having been ready");
        ready(Ok(n))
    }
}

#[test]
fn the_service_that_was_ready_is_the_one_that_is_called() {
    let (breaker, _hand) = closed();
    let mut service = CallLayer::new(breaker).layer(Strict::default());
    for n in 0..3 {
        // A clone made between the two takes no readiness along, and leaves it where it was.
        assert!(service.poll_ready(&mut context()).is_ready());
        let mut clone = service.clone();
        assert!(matches!(now(service.call(n)), Ok(answer) if answer == n));
        assert!(clone.poll_ready(&mut context()).is_ready());
        assert!(matches!(now(clone.call(n)), Ok(answer) if answer == n));
    }
}

#[test]
fn a_limit_below_is_asked_and_its_place_is_kept_for_the_call() {
    let (breaker, _hand) = closed();
    let slow = service_fn(|()| std::future::pending::<Result<(), Infallible>>());
    let mut first = CallLayer::new(breaker).layer(ConcurrencyLimit::new(slow, 1));
    let mut second = first.clone();
    assert!(first.poll_ready(&mut context()).is_ready());
    assert!(second.poll_ready(&mut context()).is_pending(), "the limit is not asked");
    let call = first.call(());
    assert!(second.poll_ready(&mut context()).is_pending());
    drop(call);
    assert!(second.poll_ready(&mut context()).is_ready());
}

#[test]
fn a_limit_below_an_answering_breaker_is_asked_too() {
    let (breaker, _hand) = closed();
    let limited = ConcurrencyLimit::new(Always(|| Ok(Response::new(Script::new([])))), 1);
    let layer = BreakerLayer::new(breaker).rejected_with(unavailable);
    let mut first = layer.layer(limited.clone());
    let mut second = layer.layer(limited);
    assert!(Service::<Request<()>>::poll_ready(&mut first, &mut context()).is_ready());
    assert!(Service::<Request<()>>::poll_ready(&mut second, &mut context()).is_pending());
}

#[test]
fn a_service_that_can_not_be_cloned_is_served() {
    struct Only(String);
    impl Service<()> for Only {
        type Response = String;
        type Error = Infallible;
        type Future = Ready<Result<String, Infallible>>;
        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }
        fn call(&mut self, (): ()) -> Self::Future {
            ready(Ok(self.0.clone()))
        }
    }
    let (breaker, _hand) = closed();
    let mut service = CallLayer::new(breaker).layer(Only("here".into()));
    assert_eq!(now(service.call(())).ok().as_deref(), Some("here"));
}

/// Ready when the flag says so.
struct When(Arc<AtomicBool>);

impl Service<()> for When {
    type Response = ();
    type Error = Infallible;
    type Future = Ready<Result<(), Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.0.load(Ordering::Relaxed) { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, (): ()) -> Self::Future {
        assert!(self.0.load(Ordering::Relaxed), "called without having been ready");
        ready(Ok(()))
    }
}

#[test]
fn a_service_that_is_never_ready_holds_up_no_rejection() {
    let (breaker, _hand) = closed();
    let layer = CallLayer::new(Arc::clone(&breaker));
    let mut service = layer.layer(When(Arc::default()));
    assert!(service.poll_ready(&mut context()).is_pending());
    breaker.force_open();
    assert!(service.poll_ready(&mut context()).is_ready());
    assert!(matches!(now(service.call(())), Err(Error::Rejected(_))));
    assert_eq!(breaker.snapshot().counts.rejected, 1);
    breaker.automatic();
    assert!(service.poll_ready(&mut context()).is_pending());
}

#[test]
fn a_panels_breaker_is_not_held_up_either() {
    let panel: Panel = Panel::builder().build();
    let breaker = panel.breaker("key").expect("there is room");
    let mut service = CallLayer::new(breaker.clone()).layer(When(Arc::default()));
    assert!(service.poll_ready(&mut context()).is_pending());
    breaker.force_open();
    assert!(service.poll_ready(&mut context()).is_ready());
    assert!(matches!(now(service.call(())), Err(Error::Rejected(_))));
}

#[test]
fn a_limit_below_an_open_breaker_keeps_no_place() {
    let (breaker, _hand) = closed();
    let limited = ConcurrencyLimit::new(service_fn(async |()| Ok::<_, Infallible>(())), 1);
    let mut behind = CallLayer::new(Arc::clone(&breaker)).layer(limited.clone());
    breaker.force_open();
    assert!(behind.poll_ready(&mut context()).is_ready());
    assert!(matches!(now(behind.call(())), Err(Error::Rejected(_))));
    let mut direct = limited;
    assert!(direct.poll_ready(&mut context()).is_ready(), "the rejected call kept the place");
}

#[test]
fn a_breaker_that_admits_since_asks_the_service_once_more() {
    let (breaker, hand) = closed();
    let flag = Arc::new(AtomicBool::new(false));
    let mut service = CallLayer::new(Arc::clone(&breaker)).layer(When(Arc::clone(&flag)));
    breaker.trip();
    assert!(service.poll_ready(&mut context()).is_ready());
    hand.advance(OPEN);
    let error = now(service.call(())).expect_err("the service is not ready");
    assert!(matches!(error, Error::NotReady));
    assert_eq!(error.to_string(), "no call was made: the service is not ready yet");
    assert!(error.source().is_none());
    assert!(breaker.would_admit(), "the probe's place is lost");
    let boxed = Error::<Infallible>::NotReady.into_boxed();
    assert!(matches!(boxed.downcast_ref(), Some(NoPermit::NotReady)));

    flag.store(true, Ordering::Relaxed);
    breaker.trip();
    assert!(service.poll_ready(&mut context()).is_ready());
    hand.advance(OPEN);
    assert!(now(service.call(())).is_ok());
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_service_that_is_finished_when_asked_once_more_is_not_called() {
    let (breaker, hand) = closed();
    breaker.trip();
    let layer = BreakerLayer::new(breaker).rejected_with(unavailable);
    let mut service = layer.layer(Finished);
    let request = || Request::new(());
    assert!(Service::<Request<()>>::poll_ready(&mut service, &mut context()).is_ready());
    hand.advance(OPEN);
    let response = now(service.call(request())).expect("it is answered");
    assert_eq!(response.status(), 503);
}

#[test]
fn a_breaker_that_admits_a_share_leaves_readiness_to_the_service() {
    let (breaker, _hand) = probing_with(config().ramp(OPEN).jitter_seed(1));
    breaker.acquire().expect("it is the probe").success();
    assert_eq!(breaker.state(), State::Recovering);
    while breaker.would_admit() {
        drop(breaker.acquire());
    }
    let mut service = CallLayer::new(breaker).layer(When(Arc::default()));
    assert!(service.poll_ready(&mut context()).is_pending());
}

#[test]
fn a_keyed_service_asks_the_inner_one_always() {
    let panel: Panel = Panel::builder().build();
    panel.breaker("key").expect("there is room").force_open();
    let layer = CallLayer::keyed(panel, |(): &()| "key".into());
    let flag = Arc::new(AtomicBool::new(false));
    let mut service = layer.layer(When(Arc::clone(&flag)));
    assert!(service.poll_ready(&mut context()).is_pending());
    flag.store(true, Ordering::Relaxed);
    assert!(service.poll_ready(&mut context()).is_ready());
    assert!(matches!(now(service.call(())), Err(Error::Rejected(_))));
}

/// Never ready again.
struct Finished;

impl<R> Service<R> for Finished {
    type Response = Response<Script>;
    type Error = io::Error;
    type Future = Ready<io::Result<Response<Script>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::Error::other("gone")))
    }

    fn call(&mut self, _: R) -> Self::Future {
        unreachable!("it is never ready")
    }
}

#[test]
fn an_error_of_readiness_is_the_inner_services_and_no_outcome() {
    let (breaker, _hand) = closed();
    let mut http = BreakerLayer::new(Arc::clone(&breaker)).layer(Finished);
    let answer = Service::<Request<()>>::poll_ready(&mut http, &mut context());
    assert!(matches!(answer, Poll::Ready(Err(Error::Inner(error))) if error.to_string() == "gone"));
    let mut any = CallLayer::new(Arc::clone(&breaker)).layer(Finished);
    let answer = Service::<()>::poll_ready(&mut any, &mut context());
    assert!(matches!(answer, Poll::Ready(Err(Error::Inner(_)))));
    let layer = BreakerLayer::new(Arc::clone(&breaker)).rejected_with(unavailable);
    let mut answered = layer.layer(Finished);
    let answer = Service::<Request<()>>::poll_ready(&mut answered, &mut context());
    assert!(matches!(answer, Poll::Ready(Err(error)) if error.to_string() == "gone"));
    assert_eq!((breaker.state(), breaker.snapshot().counts.failures), (State::Closed, 0));
}
