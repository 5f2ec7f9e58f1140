//! Is the outcome that of the whole answer: at the end of the body, and not before?

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::Poll,
};

use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::Body;
use panelboard::{Breaker, State};
use panelboard_tower::PermitBody;
use tower::Service;

use crate::support::{
    Script, Step, config, drain, frame, guarded, now, probe_is_out, probing, probing_with, trailers,
};

/// The body of the one probe's answer, whose head was fine.
fn answered(breaker: &Arc<Breaker>, head: Response<()>, body: Script) -> PermitBody<Script> {
    answered_to(breaker, Method::GET, head, body)
}

fn answered_to(
    breaker: &Arc<Breaker>,
    method: Method,
    head: Response<()>,
    body: Script,
) -> PermitBody<Script> {
    let mut answer = Some(head.map(|()| body));
    let mut service = guarded(breaker, || Ok(answer.take().expect("one call")));
    let request = Request::builder().method(method).body(()).unwrap();
    now(service.call(request)).expect("it is answered").into_body()
}

fn ok() -> Response<()> {
    Response::new(())
}

fn announcing(bytes: &str) -> Response<()> {
    Response::builder().header("content-length", bytes).body(()).unwrap()
}

#[test]
fn the_head_alone_decides_nothing_and_the_end_does() {
    let (breaker, _hand) = probing();
    let steps = [Step::Data("a"), Step::Pending, Step::Data("b")];
    let mut body = answered(&breaker, ok(), Script::new(steps));
    let generation = breaker.snapshot().generation;
    for _ in 0..3 {
        assert!(probe_is_out(&breaker));
        let _ = frame(&mut body);
    }
    assert!(probe_is_out(&breaker), "the last frame is not known to be the last");
    assert_eq!(breaker.snapshot().generation, generation);
    assert!(matches!(frame(&mut body), Poll::Ready(None)));
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_last_frame_that_is_known_as_such_is_the_end() {
    let (breaker, _hand) = probing();
    let script = Script::new([Step::Data("a"), Step::Data("b")]).knowing_its_end();
    let mut body = answered(&breaker, ok(), script);
    let _ = frame(&mut body);
    assert!(probe_is_out(&breaker));
    let _ = frame(&mut body);
    assert_eq!(breaker.state(), State::Closed);
    drop(body);
    assert_eq!(breaker.snapshot().counts.cancelled, 0);
}

#[test]
fn a_body_that_is_at_its_end_before_it_is_polled_ends_with_the_head() {
    let (breaker, _hand) = probing();
    let body = answered(&breaker, ok(), Script::new([]).knowing_its_end());
    assert_eq!(breaker.state(), State::Closed);
    drop(body);
    assert_eq!(breaker.snapshot().counts.cancelled, 0);
}

/// Hyper stops polling there; see `wire::a_body_of_announced_length_is_a_success_on_a_server`.
#[test]
fn a_body_of_announced_length_ends_with_its_last_byte() {
    let two = || [Step::Data("abc"), Step::Data("de")];
    for (head, script) in [
        (announcing("5"), Script::new(two())),
        (ok(), Script::new(two()).sized(5)),
        // The header is what counts on the wire.
        (announcing("5"), Script::new(two()).sized(7)),
    ] {
        let (breaker, _hand) = probing();
        let mut body = answered(&breaker, head, script);
        let _ = frame(&mut body);
        assert!(probe_is_out(&breaker));
        let _ = frame(&mut body);
        assert_eq!(breaker.state(), State::Closed);
    }
}

#[test]
fn a_body_that_stays_short_of_its_length_still_ends() {
    let (breaker, _hand) = probing();
    let mut body = answered(&breaker, announcing("50"), Script::new([Step::Data("abc")]));
    drain(&mut body);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn answers_that_have_no_body_end_with_the_head() {
    let endless = || Script::new([Step::Data("never read")]);
    let status = |code: u16| Response::builder().status(code).body(()).unwrap();
    for (method, head) in [
        (Method::HEAD, announcing("500")),
        (Method::GET, status(204)),
        (Method::GET, status(304)),
        (Method::GET, status(101)),
        (Method::CONNECT, status(200)),
        (Method::GET, announcing("0")),
    ] {
        let (breaker, _hand) = probing();
        let told = format!("{method} {}", head.status());
        drop(answered_to(&breaker, method, head, endless()));
        assert_eq!(breaker.state(), State::Closed, "{told}");
        assert_eq!(breaker.snapshot().counts.cancelled, 0, "{told}");
    }
    // A tunnel that was not opened has a body.
    let (breaker, _hand) = probing();
    let refusal = status(302);
    let body = answered_to(&breaker, Method::CONNECT, refusal, endless());
    assert!(probe_is_out(&breaker));
    drop(body);
}

#[test]
fn a_body_that_is_dropped_early_gives_the_probes_place_back() {
    let (breaker, _hand) = probing();
    let mut body = answered(&breaker, ok(), Script::new([Step::Data("a"), Step::Data("b")]));
    let _ = frame(&mut body);
    assert!(probe_is_out(&breaker));
    drop(body);
    assert_eq!(breaker.state(), State::HalfOpen);
    assert!(breaker.would_admit(), "the place is lost");
    let counts = breaker.snapshot().counts;
    assert_eq!((counts.cancelled, counts.failures), (1, 0));
}

#[test]
fn the_inner_body_alone_gives_the_place_back_too() {
    let (breaker, _hand) = probing();
    let body = answered(&breaker, ok(), Script::new([Step::Data("a")]));
    let _inner: Script = body.into_inner();
    assert!(breaker.would_admit());
}

#[test]
fn a_body_that_breaks_is_a_failure() {
    let (breaker, _hand) = probing();
    let mut body = answered(&breaker, ok(), Script::new([Step::Data("a"), Step::Break]));
    let _ = frame(&mut body);
    assert!(
        matches!(frame(&mut body), Poll::Ready(Some(Err(error))) if error.to_string() == "cut")
    );
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.snapshot().counts.failures, 1);
    // What is polled or dropped after it counts no second time.
    assert!(matches!(frame(&mut body), Poll::Ready(None)));
    drop(body);
    let counts = breaker.snapshot().counts;
    assert_eq!((counts.failures, counts.late, counts.cancelled), (1, 0, 0));
}

#[test]
fn trailers_are_the_end() {
    let (breaker, _hand) = probing();
    let script = Script::new([Step::Data("a"), Step::Trailers(trailers("x-sum", "1"))]);
    let mut body = answered(&breaker, ok(), script);
    let _ = frame(&mut body);
    assert!(probe_is_out(&breaker));
    let Poll::Ready(Some(Ok(last))) = frame(&mut body) else { panic!("no frame") };
    assert_eq!(last.into_trailers().ok(), Some(trailers("x-sum", "1")));
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_failure_of_the_head_does_not_wait_for_the_body() {
    let (breaker, _hand) = probing();
    let head = Response::builder().status(503).body(()).unwrap();
    let body = answered(&breaker, head, Script::new([Step::Data("sorry")]));
    assert_eq!(breaker.state(), State::Open);
    // As callers do who look at the status only.
    drop(body);
    let counts = breaker.snapshot().counts;
    assert_eq!((counts.failures, counts.cancelled), (1, 0));
}

#[test]
fn what_is_ignored_gives_the_place_back_with_the_head() {
    let (breaker, _hand) = probing();
    let head = Response::builder().status(404).body(()).unwrap();
    let mut body = answered(&breaker, head, Script::new([Step::Data("?"), Step::Break]));
    assert!(breaker.would_admit());
    assert_eq!(breaker.snapshot().counts.ignored, 1);
    while let Poll::Ready(Some(_)) = frame(&mut body) {}
    assert_eq!(breaker.snapshot().counts.failures, 0);
}

#[test]
fn a_body_that_ends_after_a_transition_is_late() {
    let (breaker, _hand) = probing();
    let mut body = answered(&breaker, ok(), Script::new([Step::Data("a"), Step::Break]));
    breaker.reset();
    let generation = breaker.snapshot().generation;
    while let Poll::Ready(Some(_)) = frame(&mut body) {}
    let after = breaker.snapshot();
    assert_eq!((after.generation, after.counts.failures, after.counts.late), (generation, 0, 1));
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_body_that_panics_counts_as_the_configuration_says() {
    for (is_failure, state) in [(true, State::Open), (false, State::HalfOpen)] {
        let (breaker, _hand) = probing_with(config().panic_is_failure(is_failure));
        let mut body = answered(&breaker, ok(), Script::new([Step::Panic]));
        // The body outlives the panic, as it does in a runtime that contains it.
        assert!(catch_unwind(AssertUnwindSafe(|| frame(&mut body))).is_err());
        assert_eq!(breaker.state(), state);
        assert!(!probe_is_out(&breaker));
        drop(body);
        let counts = breaker.snapshot().counts;
        let expected = if is_failure { (1, 0) } else { (0, 1) };
        assert_eq!((counts.failures, counts.cancelled), expected);
    }
}

#[test]
fn nothing_that_passes_through_is_changed() {
    let (breaker, _hand) = probing();
    let script = Script::new([Step::Data("abc"), Step::Pending, Step::Data("de")]);
    let mut body = answered(&breaker, ok(), script.sized(5).knowing_its_end());
    assert_eq!(body.size_hint().exact(), Some(5));
    assert!(!body.is_end_stream());
    let Poll::Ready(Some(Ok(first))) = frame(&mut body) else { panic!("no frame") };
    assert_eq!(first.into_data().ok().as_deref(), Some(&b"abc"[..]));
    assert!(frame(&mut body).is_pending());
    let Poll::Ready(Some(Ok(last))) = frame(&mut body) else { panic!("no frame") };
    assert_eq!(last.into_data().ok().as_deref(), Some(&b"de"[..]));
    assert!(body.is_end_stream());
}

#[test]
fn a_head_passes_as_it_is() {
    let (breaker, _hand) = probing();
    let mut service = guarded(&breaker, || {
        Response::builder()
            .status(StatusCode::CREATED)
            .header("x-id", "7")
            .extension(42_u8)
            .body(Script::new([]))
            .map_err(io::Error::other)
    });
    let response = now(service.call(Request::new(()))).expect("it is answered");
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(response.headers().get("x-id"), HeaderMap::get(&trailers("x-id", "7"), "x-id"));
    assert_eq!(response.extensions().get(), Some(&42_u8));
}
