//! Does each status, error and header count as the tables in the docs say?

use std::{io, sync::Arc, time::Duration};

use http::{Request, Response, response::Parts};
use panelboard::{Breaker, Cause, State};
use panelboard_tower::{BreakerLayer, ByResult, CallLayer, Classify, Grpc, Http, Verdict};
use tower::{Layer, Service, service_fn};

use crate::support::{Always, Script, Step, closed, drain, frame, now, probing, trailers};

fn head(status: u16, headers: &[(&str, &str)]) -> Parts {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn told(verdict: Verdict) -> String {
    match verdict {
        Verdict::Success => "success".into(),
        Verdict::Failure => "failure".into(),
        Verdict::Ignored => "ignored".into(),
        Verdict::OpenFor(time) => format!("open for {time:?}"),
        _ => "at the end".into(),
    }
}

fn http(status: u16, headers: &[(&str, &str)]) -> String {
    told(Http::default().classify(Ok::<_, &io::Error>(&head(status, headers))))
}

fn grpc(status: u16, headers: &[(&str, &str)]) -> String {
    told(Grpc.classify(Ok::<_, &io::Error>(&head(status, headers))))
}

#[test]
fn an_http_status_counts_by_whose_fault_it_is() {
    for status in [200, 201, 204, 206, 301, 304, 101] {
        assert_eq!(http(status, &[]), "success", "{status}");
    }
    for status in [500, 501, 502, 503, 504, 529, 599, 408, 429] {
        assert_eq!(http(status, &[]), "failure", "{status}");
    }
    for status in [400, 401, 403, 404, 409, 410, 413, 422, 499] {
        assert_eq!(http(status, &[]), "ignored", "{status}");
    }
    let error = io::Error::other("no route");
    assert_eq!(told(Classify::<Parts, _>::classify(&Http::default(), Err(&error))), "failure");
    assert_eq!(told(Classify::<Parts, _>::classify(&Grpc, Err(&error))), "failure");
    assert_eq!(told(Classify::<(), _>::classify(&ByResult, Err(&error))), "failure");
}

#[test]
fn retry_after_is_read_as_seconds_or_as_a_date_and_is_bounded() {
    const SENT: (&str, &str) = ("date", "Sat, 21 Nov 2026 10:00:00 GMT");
    const LATER: (&str, &str) = ("retry-after", "Sat, 21 Nov 2026 10:00:30 GMT");
    const EARLIER: (&str, &str) = ("retry-after", "Sat, 21 Nov 2026 09:59:00 GMT");
    assert_eq!(http(429, &[("retry-after", "7")]), "open for 7s");
    assert_eq!(http(429, &[("retry-after", " 7 ")]), "open for 7s");
    assert_eq!(http(429, &[SENT, LATER]), "open for 30s");
    assert_eq!(http(429, &[LATER]), "failure", "there is no clock to read it against");
    assert_eq!(http(429, &[SENT, EARLIER]), "failure");
    for nonsense in ["soon", "", "-1", "1.5", "99999999999999999999999"] {
        assert_eq!(http(429, &[("retry-after", nonsense)]), "failure", "{nonsense}");
    }
    assert_eq!(http(429, &[("retry-after", "0")]), "failure");
    assert_eq!(http(429, &[("retry-after", "315360000")]), "open for 3600s");
    assert_eq!(http(503, &[("retry-after", "7")]), "failure");
    let minute = Http::default().longest_wait(Duration::from_secs(60));
    let limited = head(429, &[("retry-after", "3000")]);
    assert_eq!(told(minute.classify(Ok::<_, &io::Error>(&limited))), "open for 60s");
    let never = Http::default().longest_wait(Duration::ZERO);
    assert_eq!(told(never.classify(Ok::<_, &io::Error>(&limited))), "failure");
}

#[test]
fn a_grpc_code_counts_by_whose_fault_it_is() {
    for (code, expected) in [
        ("0", "success"),
        ("1", "ignored"),
        ("2", "failure"),
        ("3", "ignored"),
        ("4", "failure"),
        ("5", "ignored"),
        ("6", "ignored"),
        ("7", "ignored"),
        ("8", "failure"),
        ("9", "ignored"),
        ("10", "ignored"),
        ("11", "ignored"),
        ("12", "ignored"),
        ("13", "failure"),
        ("14", "failure"),
        ("15", "failure"),
        ("16", "ignored"),
        ("17", "failure"),
        ("sixteen", "failure"),
        ("", "failure"),
    ] {
        assert_eq!(grpc(200, &[("grpc-status", code)]), expected, "{code:?}");
        // The code goes before the HTTP status.
        assert_eq!(grpc(503, &[("grpc-status", code)]), expected, "{code:?}");
    }
}

#[test]
fn without_a_grpc_code_the_trailers_or_the_http_status_tell() {
    assert_eq!(grpc(200, &[]), "at the end");
    for status in [400, 408, 429, 500, 502, 503, 504, 301] {
        assert_eq!(grpc(status, &[]), "failure", "{status}");
    }
    for status in [401, 403, 404] {
        assert_eq!(grpc(status, &[]), "ignored", "{status}");
    }
}

/// Calls once with [`Grpc`], reads the body of `steps`, and says what the probe came to.
fn after_grpc(steps: impl IntoIterator<Item = Step>) -> Arc<Breaker> {
    let (breaker, _hand) = probing();
    let mut answer = Some(Response::new(Script::new(steps)));
    let mut service = BreakerLayer::new(Arc::clone(&breaker))
        .classify(Grpc)
        .layer(Always(|| Ok(answer.take().expect("one call"))));
    let mut body = now(service.call(Request::new(()))).expect("it answers").into_body();
    let _ = frame(&mut body);
    assert!(!breaker.would_admit(), "something was recorded before the trailers");
    drain(&mut body);
    breaker
}

#[test]
fn the_code_in_the_trailers_decides_and_its_lack_is_a_cut_stream() {
    let ending = |code| [Step::Data("message"), Step::Trailers(trailers("grpc-status", code))];
    assert_eq!(after_grpc(ending("0")).state(), State::Closed);
    assert_eq!(after_grpc(ending("14")).state(), State::Open);
    let ignored = after_grpc(ending("5"));
    assert_eq!((ignored.state(), ignored.would_admit()), (State::HalfOpen, true));
    assert_eq!(ignored.snapshot().counts.ignored, 1);
    let without = [Step::Data("message"), Step::Trailers(trailers("x-other", "1"))];
    assert_eq!(after_grpc(without).state(), State::Open);
    assert_eq!(after_grpc([Step::Data("message")]).state(), State::Open);
}

#[test]
fn bytes_do_not_end_what_trailers_decide() {
    let (breaker, _hand) = probing();
    let steps = [Step::Data("abc"), Step::Trailers(trailers("grpc-status", "0"))];
    let mut answer = Some(Response::new(Script::new(steps).sized(3)));
    let mut service = BreakerLayer::new(Arc::clone(&breaker))
        .classify(Grpc)
        .layer(Always(|| Ok(answer.take().expect("one call"))));
    let mut body = now(service.call(Request::new(()))).expect("it answers").into_body();
    let _ = frame(&mut body);
    assert!(!breaker.would_admit(), "the last byte was taken for the end");
    drain(&mut body);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_stated_time_opens_for_that_long_and_is_no_failure() {
    let (breaker, hand) = closed();
    let limited = || Response::builder().status(429).header("retry-after", "90");
    let mut service = BreakerLayer::new(Arc::clone(&breaker))
        .layer(Always(|| limited().body(Script::new([])).map_err(io::Error::other)));
    assert!(now(service.call(Request::new(()))).is_ok());
    let snapshot = breaker.snapshot();
    assert_eq!((snapshot.state, snapshot.counts.failures), (State::Open, 0));
    assert_eq!(snapshot.cause, Some(Cause::OpenFor("retry-after")));
    hand.advance(Duration::from_millis(89_999));
    assert!(breaker.acquire().is_err());
    hand.advance(Duration::from_millis(1));
    assert!(breaker.acquire().is_ok());
}

#[test]
fn a_classifier_that_panics_loses_no_permit_and_the_default_decides() {
    let fault = |_: Result<&Parts, &io::Error>| -> Verdict { panic!("its own fault") };
    for (status, state) in [(200, State::Closed), (500, State::Open), (404, State::HalfOpen)] {
        let (breaker, _hand) = probing();
        let answer = || Response::builder().status(status).body(Script::new([]).knowing_its_end());
        let mut service = BreakerLayer::new(Arc::clone(&breaker))
            .classify(fault)
            .layer(Always(|| answer().map_err(io::Error::other)));
        assert!(now(service.call(Request::new(()))).is_ok());
        assert_eq!(breaker.state(), state, "{status}");
        assert_eq!(breaker.snapshot().probes_in_flight, 0, "{status}");
    }
    let (breaker, _hand) = probing();
    let fault = |_: Result<&(), &&str>| -> Verdict { panic!("its own fault") };
    let mut service = CallLayer::new(Arc::clone(&breaker))
        .classify(fault)
        .layer(service_fn(|()| std::future::ready(Err::<(), _>("down"))));
    assert!(now(service.call(())).is_err());
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_judge_of_trailers_that_panics_or_puts_off_is_a_success() {
    type Judge = fn(Option<&http::HeaderMap>) -> Verdict;
    let rows: [Judge; 2] = [|_| panic!("its own fault"), |_| Verdict::AtEnd(|_| Verdict::Failure)];
    for judge in rows {
        let (breaker, _hand) = probing();
        let classify = move |_: Result<&Parts, &io::Error>| Verdict::AtEnd(judge);
        let mut service = BreakerLayer::new(Arc::clone(&breaker))
            .classify(classify)
            .layer(Always(|| Ok(Response::new(Script::new([Step::Data("a")])))));
        let mut body = now(service.call(Request::new(()))).expect("it answers").into_body();
        drain(&mut body);
        assert_eq!(breaker.state(), State::Closed);
    }
}

#[test]
fn an_error_may_be_the_callers_own() {
    let (breaker, _hand) = closed();
    let classify = |answer: Result<&Parts, &io::Error>| match answer {
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Verdict::Ignored,
        answer => Http::default().classify(answer),
    };
    let wrong = || Err::<Response<Script>, _>(io::ErrorKind::InvalidInput.into());
    let mut service =
        BreakerLayer::new(Arc::clone(&breaker)).classify(classify).layer(Always(wrong));
    assert!(now(service.call(Request::new(()))).is_err());
    assert_eq!((breaker.state(), breaker.snapshot().counts.ignored), (State::Closed, 1));
}
