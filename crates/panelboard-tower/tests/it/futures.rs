//! Does a call that has no body end its permit at its future's end, however that comes?

use std::{
    convert::Infallible,
    error::Error as _,
    future::{Future, pending, poll_fn, ready},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use http::{Request, Response};
use panelboard::{PanelError, Rejected, State};
use panelboard_tower::{BreakerLayer, CallLayer, Error, NoPermit, Verdict, rejection};
use tower::{
    BoxError, Layer, Service, ServiceBuilder, service_fn,
    timeout::{TimeoutLayer, error::Elapsed},
};

use crate::support::{
    Script, closed, config, context, guarded, now, probe_is_out, probing, probing_with,
};

type Answer = Result<u32, io::Error>;

#[test]
fn the_outcome_is_that_of_the_future() {
    let (breaker, hand) = probing();
    let down = || Err::<u32, _>(io::Error::other("down"));
    let mut service = CallLayer::new(Arc::clone(&breaker))
        .layer(service_fn(|fine: bool| ready(if fine { Ok(1) } else { down() })));
    assert!(matches!(now(service.call(false)), Err(Error::Inner(_))));
    assert_eq!(breaker.state(), State::Open);
    assert!(matches!(now(service.call(true)), Err(Error::Rejected(_))));
    hand.advance(crate::support::OPEN);
    assert!(matches!(now(service.call(true)), Ok(1)));
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_rejected_call_does_not_reach_the_service() {
    let (breaker, _hand) = closed();
    breaker.force_open();
    let mut calls = 0;
    let mut service = CallLayer::new(breaker).layer(service_fn(|()| {
        calls += 1;
        ready(Ok::<_, Infallible>(()))
    }));
    assert!(now(service.call(())).is_err());
    drop(service);
    assert_eq!(calls, 0);
}

#[test]
fn a_future_that_is_dropped_gives_the_place_back() {
    let (breaker, _hand) = probing();
    let mut any = CallLayer::new(Arc::clone(&breaker)).layer(service_fn(|()| pending::<Answer>()));
    let slow = service_fn(|_: Request<()>| pending::<io::Result<Response<Script>>>());
    let mut http = BreakerLayer::new(Arc::clone(&breaker)).layer(slow);

    let unpolled = any.call(());
    assert!(probe_is_out(&breaker));
    drop(unpolled);
    assert!(breaker.would_admit());

    let mut waiting = Box::pin(any.call(()));
    assert!(waiting.as_mut().poll(&mut context()).is_pending());
    assert!(probe_is_out(&breaker));
    drop(waiting);
    assert!(breaker.would_admit());

    let mut waiting = Box::pin(http.call(Request::new(())));
    assert!(waiting.as_mut().poll(&mut context()).is_pending());
    assert!(probe_is_out(&breaker));
    drop(waiting);
    assert!(breaker.would_admit());
    let counts = breaker.snapshot().counts;
    assert_eq!((counts.cancelled, counts.failures), (3, 0));
}

#[test]
fn a_future_that_ends_after_a_transition_is_late() {
    let (breaker, _hand) = probing();
    let mut polls = 0;
    let mut service = CallLayer::new(Arc::clone(&breaker)).layer(service_fn(move |()| {
        poll_fn(move |_| {
            polls += 1;
            if polls == 1 { Poll::Pending } else { Poll::Ready(Err::<(), _>("too late")) }
        })
    }));
    let mut call = Box::pin(service.call(()));
    assert!(call.as_mut().poll(&mut context()).is_pending());
    breaker.reset();
    assert!(matches!(now(call), Err(Error::Inner("too late"))));
    let counts = breaker.snapshot().counts;
    assert_eq!((breaker.state(), counts.late, counts.failures), (State::Closed, 1, 0));
}

#[test]
fn a_future_that_panics_counts_as_the_configuration_says() {
    for (is_failure, state) in [(true, State::Open), (false, State::HalfOpen)] {
        let (breaker, _hand) = probing_with(config().panic_is_failure(is_failure));
        let fault = poll_fn(|_| -> Poll<io::Result<Response<Script>>> { panic!("its own fault") });
        let mut fault = Some(fault);
        let mut service = BreakerLayer::new(Arc::clone(&breaker))
            .layer(service_fn(|_: Request<()>| fault.take().expect("one call")));
        let mut call: Pin<Box<_>> = Box::pin(service.call(Request::new(())));
        // The future outlives the panic, as it does in a runtime that contains it.
        assert!(catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut context()))).is_err());
        assert_eq!(breaker.state(), state);
        assert!(!probe_is_out(&breaker));
        drop(call);
        assert_eq!(breaker.snapshot().counts.failures, u64::from(is_failure));
    }
}

#[test]
fn a_service_that_panics_when_called_counts_as_a_failure() {
    let (breaker, _hand) = probing();
    let mut service = CallLayer::new(Arc::clone(&breaker))
        .layer(service_fn(|()| -> std::future::Ready<Answer> { panic!("its own fault") }));
    assert!(catch_unwind(AssertUnwindSafe(|| drop(service.call(())))).is_err());
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_future_that_is_polled_on_is_told_so() {
    let (breaker, _hand) = closed();
    let mut service = guarded(&breaker, || Ok(Response::new(Script::new([]))));
    let mut call = Box::pin(service.call(Request::new(())));
    assert!(call.as_mut().poll(&mut context()).is_ready());
    let again = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut context())));
    assert!(again.is_err());
}

#[test]
fn a_verdict_that_only_trailers_could_give_is_asked_without_them() {
    let (breaker, _hand) = probing();
    let judge = |answer: Result<&u32, &Infallible>| match answer {
        Ok(_) => {
            Verdict::AtEnd(
                |trailers| {
                    if trailers.is_none() { Verdict::Failure } else { Verdict::Success }
                },
            )
        }
        Err(_) => Verdict::Success,
    };
    let mut service = CallLayer::new(Arc::clone(&breaker))
        .classify(judge)
        .layer(service_fn(|()| ready(Ok::<_, Infallible>(1))));
    assert!(now(service.call(())).is_ok());
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn an_error_tells_its_cause_and_can_be_boxed() {
    let (breaker, _hand) = closed();
    breaker.force_open();
    let mut service = CallLayer::new(breaker).layer(service_fn(|()| ready(Answer::Ok(1))));
    let error = now(service.call(())).expect_err("it is rejected");
    assert!(error.source().is_some_and(|source| source.is::<Rejected>()));
    let boxed: BoxError = error.into();
    let outer = io::Error::other(boxed);
    let found = rejection(&outer).expect("it is in the chain");
    assert_eq!((found.state, found.retry_after), (State::ForcedOpen, None));
    let inner = Error::Inner(io::Error::new(io::ErrorKind::NotFound, Elapsed::new()));
    assert_eq!(inner.to_string(), Elapsed::new().to_string());
    assert!(rejection(&inner).is_none());
}

#[test]
fn why_there_is_no_permit_is_told_with_its_cause() {
    let (breaker, _hand) = closed();
    breaker.force_open();
    let rejected = breaker.acquire().expect_err("it is forced open");
    let why = NoPermit::from(rejected);
    assert_eq!(why.to_string(), "no call was made");
    assert_eq!(rejection(&why), Some(&rejected));
    let why = NoPermit::from(PanelError::Circle);
    assert_eq!(why.source().map(ToString::to_string), Some(PanelError::Circle.to_string()));
    let error = Error::<io::Error>::from(why);
    assert_eq!(error.source().map(ToString::to_string), Some(PanelError::Circle.to_string()));
    assert!(error.into_boxed().is::<PanelError>());
    assert!(NoPermit::NotReady.source().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_time_out_below_is_a_failure_and_its_boxed_error_passes() {
    let (breaker, _hand) = probing();
    let mut service = ServiceBuilder::new()
        .map_err(Error::into_boxed)
        .layer(CallLayer::new(Arc::clone(&breaker)))
        .layer(TimeoutLayer::new(Duration::from_secs(1)))
        .service(service_fn(|()| pending::<Answer>()));
    let error = service.call(()).await.expect_err("it times out");
    assert!(error.is::<Elapsed>());
    assert_eq!(breaker.state(), State::Open);
    let error = service.call(()).await.expect_err("it is rejected");
    assert!(error.is::<Rejected>());
}
