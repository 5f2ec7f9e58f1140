//! The eighteen points of what a client of Vault must do, in their order; those about a token, the
//! end and settings stand in `renewing`, `shutdown`, `secrets` and `config`.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicU64, Ordering},
};

use panelboard_vault::{Cause, CorrelationId, Error, ErrorKind, Secret, State, Write};

use super::{
    rig::{MS, S, all, client, fails, for_secrets, kind, rig, token, until, usual, within},
    scripted::{Reply, Server, gate, held, say},
};

#[tokio::test]
async fn w01_fifty_reads_of_a_healthy_server_succeed_and_count_nothing() {
    let hold = gate();
    let its = hold.clone();
    let script = for_secrets(move |_| held(&its, usual_secret()));
    let rig = rig(script, |b| b.max_concurrent(10).queue_multiplier(4)).await;
    let reads = rig.spawn_reads(50);
    rig.server.arrived("/secret/", 10).await;
    until(|| rig.vault.health().queue.waiting == 40).await;
    hold.add_permits(50);
    let results = all(reads).await;
    assert!(results.iter().all(|r| r.as_ref().is_ok_and(Option::is_some)));
    assert_eq!((rig.state(), rig.failures(), rig.requests()), (State::Closed, 0, 50));
    assert_eq!(rig.server.most_at_once(), 10);
}

#[tokio::test]
async fn w02_a_hundred_failing_reads_trip_once_and_nothing_starts_after_the_trip() {
    let hold = gate();
    let script = {
        let hold = hold.clone();
        for_secrets(move |_| held(&hold, fails()))
    };
    let rig = rig(script, |b| b.max_attempts(1).max_concurrent(10).queue_multiplier(10)).await;
    let mut events = rig.vault.events();
    let reads = rig.spawn_reads(100);
    rig.server.arrived("/secret/", 10).await;
    hold.add_permits(1_000);
    let results = all(reads).await;
    let sent = results.iter().filter(|r| r.as_ref().is_err_and(|e| e.attempts == 1)).count();
    let refused = results
        .iter()
        .filter(|r| r.as_ref().is_err_and(|e| matches!(e.kind, ErrorKind::Unavailable { .. })))
        .count();
    assert_eq!((rig.state(), sent + refused), (State::Open, 100));
    // Five failures trip; at that moment at most nine others were out.
    assert_eq!(rig.requests(), sent);
    assert!((5..=14).contains(&sent), "{sent}");
    let opened: Vec<_> = std::iter::from_fn(|| events.try_next()).collect();
    assert_eq!(opened.len(), 1, "{opened:?}");
    assert!(opened[0].as_ref().is_ok_and(|e| e.to == State::Open && e.cause == Cause::Failures));
}

#[tokio::test]
async fn w03_at_recovery_thirty_callers_cause_one_request() {
    let rig = rig(for_secrets(|_| fails()), |b| b.max_attempts(1).failure_threshold(1)).await;
    assert_eq!(kind(rig.read().await), ErrorKind::Server { status: 500 });
    let early = kind(rig.read().await);
    assert!(
        matches!(early, ErrorKind::Unavailable { state: State::Open, retry_after: Some(wait) }
        if wait >= S && wait.subsec_nanos() == 0),
        "{early:?}"
    );
    let (hold, mut events) = (gate(), rig.vault.events());
    let its = hold.clone();
    rig.server.play(move |_| held(&its, say(200, super::rig::SECRET)));
    rig.recover();
    let reads = rig.spawn_reads(30);
    rig.server.arrived("/secret/", 2).await;
    until(|| reads.iter().filter(|read| read.is_finished()).count() == 29).await;
    assert_eq!(rig.requests(), 2, "one before the trip, one probe");
    hold.add_permits(1);
    let results = all(reads).await;
    let refused = results.iter().filter_map(|r| r.as_ref().err());
    assert!(refused.clone().all(|error| matches!(error.kind,
        ErrorKind::Unavailable { state: State::HalfOpen, retry_after: Some(wait) } if wait >= S)));
    assert_eq!((refused.count(), rig.state()), (29, State::Closed));
    let told = std::iter::from_fn(|| events.try_next()).map(|event| event.map(|e| e.to));
    assert_eq!(told.collect::<Vec<_>>(), [Ok(State::HalfOpen), Ok(State::Closed)]);
}

#[tokio::test]
async fn w03_at_recovery_as_many_requests_go_out_as_the_settings_say() {
    let rig = rig(for_secrets(|_| fails()), |b| {
        b.max_attempts(1).failure_threshold(1).half_open_max_calls(3).max_concurrent(30)
    });
    let rig = rig.await;
    assert_eq!(kind(rig.read().await), ErrorKind::Server { status: 500 });
    let hold = gate();
    let its = hold.clone();
    rig.server.play(move |_| held(&its, usual_secret()));
    rig.recover();
    let reads = rig.spawn_reads(30);
    rig.server.arrived("/secret/", 4).await;
    until(|| reads.iter().filter(|read| read.is_finished()).count() == 27).await;
    assert_eq!((rig.requests(), rig.state()), (4, State::HalfOpen), "one before, three probes");
    hold.add_permits(3);
    let results = all(reads).await;
    let refused = results.iter().filter_map(|result| result.as_ref().err());
    let unavailable = |error: &Error| {
        matches!(error.kind, ErrorKind::Unavailable { state: State::HalfOpen, .. })
            && error.attempts == 0
    };
    assert!(refused.clone().all(unavailable));
    assert_eq!((refused.count(), rig.requests(), rig.state()), (27, 4, State::Closed));
}

#[tokio::test]
async fn w04_a_404_closes_a_half_open_breaker_and_only_the_servers_own_failures_open_one() {
    let missing = || say(404, r#"{"errors":[]}"#);
    let forbidden = || say(403, r#"{"errors":["permission denied"]}"#);
    let rig = rig(for_secrets(|_| fails()), |b| b.max_attempts(1).failure_threshold(1)).await;
    drop(rig.read().await);
    rig.recover();
    let mut events = rig.vault.events();
    // Forbidden says nothing of the server: the place of the probe is free again.
    rig.server.play(move |_| forbidden());
    assert_eq!(kind(rig.read().await), ErrorKind::Forbidden);
    assert_eq!(rig.state(), State::HalfOpen);
    rig.server.play(move |_| missing());
    assert!(rig.read().await.expect("an answer").is_none());
    assert_eq!(rig.state(), State::Closed);
    let told = std::iter::from_fn(|| events.try_next()).map(|event| event.map(|e| e.to));
    assert_eq!(told.collect::<Vec<_>>(), [Ok(State::HalfOpen), Ok(State::Closed)], "each once");
    rig.server.play(move |_| forbidden());
    for _ in 0..10 {
        assert_eq!(kind(rig.read().await), ErrorKind::Forbidden);
    }
    assert_eq!(rig.state(), State::Closed);

    // No answer in time.
    rig.server.play(|_| Reply::Hang);
    let slow = rig.spawn_read();
    rig.server.arrived("/secret/", rig.requests() + 1).await;
    rig.hand.advance(10 * S);
    assert_eq!(kind(within(slow).await.expect("no panic")), ErrorKind::Timeout);
    assert_eq!(rig.state(), State::Open);

    // Nobody listens.
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("one");
    let gone = Server::start(|_| usual()).await;
    let address = format!("http://{port}");
    let (vault, _hand) = client(&gone, token(), |_| {
        panelboard_vault::Config::builder(address, token())
            .time(panelboard_vault::Time::manual().0)
            .max_attempts(1)
            .failure_threshold(1)
    });
    let refused = within(vault.kv2("secret").read("app")).await;
    assert!(matches!(kind(refused), ErrorKind::Connect | ErrorKind::Unavailable { .. }));
    assert_eq!(vault.health().breakers[0].1.state, State::Open);
}

#[tokio::test]
async fn w05_retries_back_off_and_stop_when_the_breaker_opens() {
    let rig = rig(for_secrets(|_| fails()), |b| b.max_attempts(4).failure_threshold(20)).await;
    let read = rig.spawn_read();
    let mut slept = std::time::Duration::ZERO;
    for (sent, wait) in [(1, 100), (2, 200), (3, 400)] {
        rig.server.arrived("/secret/", sent).await;
        // Nobody sleeps but the read, in its back-off, and not less than it should.
        slept += wait * MS;
        until(|| rig.hand.sleeping_until() == [slept]).await;
        assert_eq!((rig.requests(), rig.vault.health().queue.running), (sent, 0));
        rig.hand.advance(wait * MS);
    }
    let error = within(read).await.expect("no panic").err().expect("an error");
    assert_eq!((error.kind, error.attempts), (ErrorKind::Server { status: 500 }, 4));

    let rig = super::rig::rig(for_secrets(|_| fails()), |b| {
        b.max_attempts(10).failure_threshold(2).timeout(300 * S)
    });
    let rig = rig.await;
    let read = rig.spawn_read();
    until(|| {
        rig.hand.advance(MS);
        read.is_finished() || rig.requests() > 4
    })
    .await;
    assert_eq!(rig.requests(), 2, "nothing is sent after the trip");
    let error = within(read).await.expect("no panic").err().expect("an error");
    assert_eq!((error.kind, error.attempts), (ErrorKind::Server { status: 500 }, 2));
}

#[tokio::test]
async fn w06_a_write_is_sent_once_unless_a_second_one_does_no_harm() {
    let rig = rig(for_secrets(|_| Reply::Hang), |b| b.max_attempts(3).failure_threshold(20)).await;
    let write = |how: Write| {
        let kv = rig.vault.kv2("secret");
        tokio::spawn(async move { kv.write("app", &[("a", "b")], how).await })
    };
    let once = write(Write::default());
    rig.server.arrived("/secret/", 1).await;
    until(|| {
        rig.hand.advance(S);
        once.is_finished() || rig.requests() > 1
    })
    .await;
    assert_eq!(rig.requests(), 1, "the server has one write for one");
    let error = within(once).await.expect("no panic").expect_err("no answer");
    assert_eq!((error.kind, error.attempts, error.maybe_done), (ErrorKind::Timeout, 1, true));

    // The connection ends after the request was read.
    rig.server.play(|_| Reply::Bytes(Vec::new()));
    let error = within(write(Write::default())).await.expect("no panic").expect_err("no answer");
    assert_eq!((error.kind, error.maybe_done, rig.requests()), (ErrorKind::Cut, true, 2));

    let sent = AtomicU64::new(0);
    rig.server.play(move |_| match sent.fetch_add(1, Ordering::Relaxed) {
        0 => Reply::Bytes(Vec::new()),
        1 => say(200, r#"{"data":{"version":4}}"#),
        2 => Reply::Bytes(Vec::new()),
        _ => {
            say(400, r#"{"errors":["check-and-set parameter did not match the current version"]}"#)
        }
    });
    let twice = write(Write::default().idempotent());
    until(|| {
        rig.hand.advance(MS);
        twice.is_finished()
    })
    .await;
    assert_eq!(within(twice).await.expect("no panic").expect("the second"), 4);
    let cas = write(Write::if_version(4));
    until(|| {
        rig.hand.advance(MS);
        cas.is_finished()
    })
    .await;
    let error = within(cas).await.expect("no panic").expect_err("it does not fit twice");
    assert_eq!((error.kind, error.maybe_done), (ErrorKind::CasMismatch, true));
    assert_eq!(rig.requests(), 6);
    assert!(rig.server.seen("/secret/")[5].body.contains(r#""options":{"cas":4}"#));
}

#[tokio::test]
async fn w07_so_many_run_so_many_wait_and_the_next_is_refused_at_once() {
    let hold = gate();
    let script = {
        let hold = hold.clone();
        for_secrets(move |_| held(&hold, usual_secret()))
    };
    let rig = rig(script, |b| b.max_concurrent(2).queue_multiplier(2)).await;
    let reads = rig.spawn_reads(6);
    rig.server.arrived("/secret/", 2).await;
    until(|| rig.vault.health().queue.waiting >= 4).await;
    let late = rig.spawn_read();
    until(|| late.is_finished() || rig.vault.health().queue.waiting > 4).await;
    let queue = rig.vault.health().queue;
    assert_eq!((queue.running, queue.waiting, queue.refused), (2, 4, 1));
    let error = within(late).await.expect("no panic").err().expect("refused");
    assert_eq!((error.kind, error.attempts), (ErrorKind::QueueFull, 0));
    hold.add_permits(6);
    assert!(all(reads).await.iter().all(Result::is_ok));
    let counts = rig.vault.health().breakers[0].1.counts;
    assert_eq!((rig.state(), counts.failures), (State::Closed, 0));
    let queue = rig.vault.health().queue;
    assert_eq!((queue.running, queue.waiting), (0, 0));
}

#[tokio::test]
async fn w07_an_open_breaker_is_told_at_once_although_every_turn_is_taken() {
    let hold = gate();
    let its = hold.clone();
    let rig = rig(for_secrets(move |_| held(&its, usual_secret())), |b| {
        b.max_concurrent(1).failure_threshold(1)
    });
    let rig = rig.await;
    let first = rig.spawn_read();
    rig.server.arrived("/secret/", 1).await;
    // Another token is looked up beside the pool, and that trips the breaker.
    rig.server.play(|_| fails());
    rig.vault.replace_token(Secret::new("another".to_owned())).expect("a good token");
    until(|| rig.state() == State::Open).await;
    let refused = rig.spawn_read();
    until(|| refused.is_finished() || rig.vault.health().queue.waiting > 0).await;
    assert_eq!(rig.vault.health().queue.waiting, 0, "nobody waits only to be refused then");
    let error = within(refused).await.expect("no panic").err().expect("refused");
    assert!(matches!(error.kind, ErrorKind::Unavailable { state: State::Open, .. }), "{error}");
    hold.add_permits(1);
    assert!(within(first).await.expect("no panic").is_ok());
}

fn usual_secret() -> Reply {
    say(200, super::rig::SECRET)
}

#[tokio::test]
async fn w08_time_in_the_queue_is_not_held_against_the_server() {
    let hold = gate();
    let script = {
        let hold = hold.clone();
        for_secrets(move |_| held(&hold, usual_secret()))
    };
    let settings = |b: panelboard_vault::ConfigBuilder| {
        b.max_concurrent(1).failure_threshold(1).queue_timeout(S).timeout(100 * S)
    };
    let rig = rig(script, settings).await;
    let first = rig.spawn_read();
    rig.server.arrived("/secret/", 1).await;
    let second = rig.spawn_read();
    until(|| rig.vault.health().queue.waiting == 1).await;
    rig.hand.advance(2 * S);
    let error = within(second).await.expect("no panic").err().expect("too long");
    assert_eq!((error.kind, error.attempts), (ErrorKind::QueueTimeout, 0));
    assert_eq!(rig.state(), State::Closed);
    hold.add_permits(1);
    assert!(within(first).await.expect("no panic").is_ok());
    assert_eq!(rig.vault.health().breakers[0].1.counts.failures, 0);
}

#[tokio::test]
async fn w15_each_error_and_each_transition_carries_the_id_of_its_call() {
    let rig = rig(for_secrets(|_| fails()), |b| b.max_attempts(1).failure_threshold(2)).await;
    let mut events = rig.vault.events();
    for id in [1, 2, 3] {
        let kv = rig.vault.correlated(CorrelationId::from(id)).kv2("secret");
        let error = within(kv.read("app")).await.err().expect("an error");
        assert_eq!(error.correlation, CorrelationId::from(id));
        assert!(error.to_string().contains(&CorrelationId::from(id).to_string()));
    }
    rig.recover();
    rig.server.play(|_| usual_secret());
    let kv = rig.vault.correlated(CorrelationId::from(4)).kv2("secret");
    assert!(within(kv.read("app")).await.is_ok());
    let told = std::iter::from_fn(|| events.try_next()).map(|event| {
        let event = event.expect("none was missed");
        (event.from, event.to, event.correlation)
    });
    let expected = [
        (State::Closed, State::Open, CorrelationId::from(2)),
        (State::Open, State::HalfOpen, CorrelationId::from(4)),
        (State::HalfOpen, State::Closed, CorrelationId::from(4)),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    let sent = rig.server.seen("/secret/");
    let ids: Vec<String> = sent.iter().map(|s| s.headers["x-correlation-id"].clone()).collect();
    let expected = [1, 2, 4].map(|id| CorrelationId::from(id).to_string());
    assert_eq!(ids, expected, "the server can log it; the third was never sent");
}

#[tokio::test]
async fn w17_health_sends_nothing_changes_nothing_and_a_deep_check_does_not_count() {
    let rig = rig(for_secrets(|_| fails()), |b| b.max_attempts(1).failure_threshold(1)).await;
    drop(rig.read().await);
    let before = rig.server.count("/v1/");
    for _ in 0..100 {
        assert_eq!(rig.vault.health().breakers[0].1.state, State::Open);
    }
    rig.recover();
    let seen = rig.vault.health().breakers[0].1;
    assert!(seen.ready_to_probe && seen.generation == 1, "it is looked at, not asked");
    assert_eq!(rig.server.count("/v1/"), before);

    let body = r#"{"initialized":true,"sealed":true,"standby":false,"version":"2.7.2"}"#;
    rig.server.play(move |_| say(503, body));
    let said = within(rig.vault.ask_health()).await.expect("an answer");
    assert!(said.is_sealed && said.is_initialized && said.status == 503);
    assert_eq!(said.version.as_deref(), Some("2.7.2"));
    rig.server.play(|_| say(502, "<html>"));
    assert_eq!(kind(within(rig.vault.ask_health()).await), ErrorKind::Garbage);
    let after = rig.vault.health().breakers[0].1;
    assert_eq!((after.generation, after.counts), (seen.generation, seen.counts));
    assert_eq!(rig.server.count("/v1/sys/health"), 2);
}
