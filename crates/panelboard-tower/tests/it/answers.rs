//! What does a client get for a call that was not made?

use std::{io, sync::Arc, task::Poll, time::Duration};

use http::{Request, Response, StatusCode};
use panelboard::{Breaker, Panel};
use panelboard_tower::{BreakerLayer, Grpc, NoPermit, unavailable, unavailable_grpc};
use tower::{Layer, Service, ServiceExt};

use crate::support::{Always, Script, closed, config, context, now};

fn fine() -> io::Result<Response<String>> {
    Ok(Response::new("fine".into()))
}

fn why(breaker: &Breaker) -> NoPermit {
    NoPermit::Rejected(breaker.acquire().expect_err("it is open"))
}

#[test]
fn a_rejection_is_a_503_with_whole_seconds_rounded_up() {
    for (waited_ms, seconds) in [(0, "10"), (1, "10"), (999, "10"), (1_000, "9"), (9_999, "1")] {
        let (breaker, hand) = closed();
        breaker.trip();
        hand.advance(Duration::from_millis(waited_ms));
        let service = BreakerLayer::new(breaker).rejected_with(unavailable).layer(Always(fine));
        let response = now(service.oneshot(Request::new(()))).expect("it is answered");
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()["retry-after"], seconds, "after {waited_ms} ms");
        assert_eq!(response.into_body().into_inner(), "");
    }
}

#[test]
fn a_time_that_is_not_known_is_not_told() {
    let (breaker, _hand) = closed();
    breaker.force_open();
    let response = unavailable::<String>(&why(&breaker));
    assert_eq!(response.status(), 503);
    assert!(!response.headers().contains_key("retry-after"));
    let response = unavailable_grpc::<String>(&why(&breaker));
    assert!(!response.headers().contains_key("grpc-retry-pushback-ms"));
}

#[test]
fn a_rejection_is_a_grpc_status_with_its_pushback() {
    let (breaker, hand) = closed();
    breaker.trip();
    hand.advance(Duration::from_millis(2_500));
    let response = unavailable_grpc::<String>(&why(&breaker));
    assert_eq!((response.status(), Grpc::status(response.headers())), (StatusCode::OK, Some(14)));
    assert_eq!(response.headers()["content-type"], "application/grpc");
    assert_eq!(response.headers()["grpc-retry-pushback-ms"], "7500");
}

#[test]
fn an_answer_of_ones_own_is_told_why() {
    let (breaker, _hand) = closed();
    breaker.force_open();
    let answer = |why: &NoPermit| match why {
        NoPermit::Rejected(rejected) => Response::new(rejected.state.to_string()),
        why => Response::new(why.to_string()),
    };
    let service = BreakerLayer::new(breaker).rejected_with(answer).layer(Always(fine));
    let response = now(service.oneshot(Request::new(()))).expect("it is answered");
    assert_eq!(response.into_body().into_inner(), "forced-open");
}

#[test]
fn a_panel_without_room_is_answered_too() {
    let panel: Panel = Panel::builder().defaults(config().build().unwrap()).max_breakers(1).build();
    let _held = panel.breaker("another").expect("there is room for one");
    let layer = BreakerLayer::keyed(panel, |request: &Request<()>| request.uri().path().into());
    let service = layer.rejected_with(unavailable).layer(Always(fine));
    let response = now(service.oneshot(Request::get("/key").body(()).unwrap()));
    let response = response.expect("it is answered");
    assert_eq!(response.status(), 503);
    assert!(!response.headers().contains_key("retry-after"));
}

#[test]
fn what_was_called_answers_for_itself() {
    let (breaker, _hand) = closed();
    let layer = BreakerLayer::new(Arc::clone(&breaker)).rejected_with(unavailable);
    let response = now(layer.layer(Always(fine)).oneshot(Request::new(()))).expect("it answers");
    assert_eq!(response.into_body().into_inner(), "fine");
    let down = || Err::<Response<Script>, _>(io::Error::other("down"));
    let layer = BreakerLayer::new(Arc::clone(&breaker)).rejected_with(unavailable_script);
    let error: io::Error = now(layer.layer(Always(down)).oneshot(Request::new(()))).unwrap_err();
    assert_eq!(error.to_string(), "down");
    assert!(breaker.acquire().is_err(), "the failure is not counted");
}

fn unavailable_script(why: &NoPermit) -> Response<Script> {
    unavailable(why)
}

#[test]
fn readiness_is_still_the_inner_services() {
    let (breaker, _hand) = closed();
    breaker.force_open();
    let layer = BreakerLayer::new(breaker).rejected_with(unavailable);
    let mut service = layer.layer(Always(fine));
    let ready = Service::<Request<()>>::poll_ready(&mut service, &mut context());
    assert!(matches!(ready, Poll::Ready(Ok(()))));
}
