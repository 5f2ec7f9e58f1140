//! Does the end come in time, once, for everybody, and is the next life a clean one?

use std::{pin::pin, task::Poll, time::Duration};

use panelboard_vault::{Ended, ErrorKind, KvVersion, Secret, Stage, State, Write};

use super::{
    rig::{MS, S, all, fails, for_secrets, kind, rig, until, usual, within},
    scripted::{Reply, Server, gate, held, say},
};

fn secret() -> Reply {
    say(200, super::rig::SECRET)
}

#[tokio::test]
async fn w11_a_shutdown_lets_those_finish_who_run_sends_the_rest_away_and_leaves_nothing() {
    let hold = gate();
    let script = {
        let hold = hold.clone();
        for_secrets(move |_| held(&hold, secret()))
    };
    let rig = rig(script, |b| b.max_concurrent(10).queue_multiplier(1)).await;
    let running = rig.spawn_reads(10);
    rig.server.arrived("/secret/", 10).await;
    let waiting = rig.spawn_reads(5);
    until(|| rig.vault.health().queue.waiting == 5).await;

    let ending = {
        let vault = rig.vault.clone();
        tokio::spawn(async move { vault.shutdown(5 * S).await })
    };
    // Whoever waits hears of it at once; nothing new is taken.
    for result in all(waiting).await {
        let error = result.err().expect("sent away");
        assert_eq!((error.kind, error.attempts), (ErrorKind::ShuttingDown, 0));
    }
    assert_eq!(kind(rig.read().await), ErrorKind::ShuttingDown);
    let another = rig.vault.replace_token(Secret::new("another".to_owned()));
    assert_eq!(another.expect_err("too late").kind, ErrorKind::ShuttingDown);
    let of = "secret/app#key".parse().expect("a field");
    let watch = rig.vault.watch(of, KvVersion::Two, S).map(drop);
    assert_eq!(kind(watch), ErrorKind::ShuttingDown);
    assert_eq!(rig.vault.health().stage, Stage::Draining);
    hold.add_permits(6);
    until(|| running.iter().filter(|read| read.is_finished()).count() == 6).await;
    assert!(!ending.is_finished());
    rig.hand.advance(5 * S);
    let ended = within(ending).await.expect("no panic");
    let results = all(running).await;
    let finished = results.iter().filter(|result| result.is_ok()).count();
    let cancelled = results.iter().filter(|r| {
        r.as_ref().is_err_and(|e| e.kind == ErrorKind::ShuttingDown && e.attempts == 1)
    });
    assert_eq!((finished, cancelled.count()), (6, 4));
    assert_eq!((ended.cancelled, ended.abandoned), (4, 0));
    // Again, and by two at once: the same end.
    let again = within(async { tokio::join!(rig.vault.shutdown(S), rig.vault.shutdown(9 * S)) });
    assert_eq!(again.await, (ended, ended));

    let health = rig.vault.health();
    assert_eq!((health.stage, health.tasks), (Stage::Stopped, 0));
    assert_eq!((rig.state(), rig.failures()), (State::Closed, 0));
    assert!(!health.token.is_valid && health.cache.entries == 0);
    assert_eq!((health.queue.running, health.queue.waiting, rig.requests()), (0, 0, 10));
}

#[tokio::test]
async fn w11_a_back_off_ends_at_once_and_an_idle_client_has_no_task_left() {
    let rig = rig(for_secrets(|_| fails()), |b| b.max_attempts(5).failure_threshold(20)).await;
    let read = rig.spawn_read();
    until(|| rig.requests() == 1 && rig.vault.health().queue.running == 0).await;
    until(|| rig.hand.sleepers() > 0).await;
    let ended = within(rig.vault.shutdown(60 * S)).await;
    let error = within(read).await.expect("no panic").err().expect("sent away");
    assert_eq!((error.kind, error.attempts), (ErrorKind::ShuttingDown, 1));
    assert_eq!((ended.cancelled, rig.vault.health().tasks), (0, 0));
    assert_eq!((rig.requests(), rig.hand.sleepers()), (1, 0));
}

#[tokio::test]
async fn w12_each_caller_who_is_there_at_the_end_gets_one_result_that_says_what_was_sent() {
    let hold = gate();
    let script = {
        let hold = hold.clone();
        for_secrets(move |_| held(&hold, secret()))
    };
    let rig = rig(script, |b| b.max_concurrent(6).queue_multiplier(4)).await;
    let writes: Vec<_> = (0..30)
        .map(|n| {
            let kv = rig.vault.kv2("secret");
            tokio::spawn(async move {
                kv.write(&format!("p{n}"), &[("a", "b")], Write::default()).await
            })
        })
        .collect();
    rig.server.arrived("/secret/", 6).await;
    until(|| rig.vault.health().queue.waiting == 24).await;
    let _ = within(rig.vault.shutdown(Duration::ZERO)).await;
    let errors: Vec<_> = all(writes).await.into_iter().map(|r| r.expect_err("ended")).collect();
    assert!(errors.iter().all(|error| error.kind == ErrorKind::ShuttingDown));
    let out = errors.iter().filter(|error| error.attempts == 1 && error.maybe_done).count();
    let never = errors.iter().filter(|error| error.attempts == 0 && !error.maybe_done).count();
    assert_eq!((out, never, rig.requests()), (6, 24, 6));
}

#[tokio::test]
async fn w13_opened_again_it_starts_clean_and_results_of_the_former_life_are_ignored() {
    let hold = gate();
    let script = {
        let hold = hold.clone();
        for_secrets(move |_| held(&hold, fails()))
    };
    let rig = rig(script, |b| b.max_attempts(1).failure_threshold(1)).await;
    assert!(!rig.vault.open_again().expect("a runtime"), "it has not ended");
    // A request whose future nobody polls through the end.
    let kv = rig.vault.kv2("secret");
    let mut left = pin!(kv.read("app"));
    let once = std::future::poll_fn(|cx| Poll::Ready(left.as_mut().poll(cx).is_pending()));
    assert!(once.await);
    let ending = {
        let vault = rig.vault.clone();
        tokio::spawn(async move { vault.shutdown(S).await })
    };
    until(|| {
        rig.hand.advance(100 * MS);
        ending.is_finished()
    })
    .await;
    let Ended { abandoned, .. } = within(ending).await.expect("no panic");
    assert_eq!(abandoned, 1);

    assert!(rig.vault.open_again().expect("a runtime"));
    hold.add_permits(10);
    assert_eq!(kind(within(left).await), ErrorKind::ShuttingDown);
    assert_eq!((rig.state(), rig.failures()), (State::Closed, 0), "the new life heard nothing");
    let health = rig.vault.health();
    assert_eq!((health.stage, health.cache.entries, health.queue.running), (Stage::Serving, 0, 0));
    rig.server.play(|seen| match seen.path.contains("/secret/") {
        true => secret(),
        false => say(200, r#"{"data":{"ttl":0}}"#),
    });
    assert!(rig.read().await.is_ok());
    let _ = within(rig.vault.shutdown(S)).await;
    assert!(rig.vault.open_again().is_ok_and(|opened| opened), "as often as one likes");
}

#[tokio::test]
async fn a_nearer_limit_holds_and_who_gives_up_waiting_does_not_stop_the_end() {
    let hold = gate();
    let script = {
        let hold = hold.clone();
        for_secrets(move |_| held(&hold, secret()))
    };
    let rig = rig(script, |b| b).await;
    let read = rig.spawn_read();
    rig.server.arrived("/secret/", 1).await;
    let patient = {
        let vault = rig.vault.clone();
        tokio::spawn(async move { vault.shutdown(1_000 * S).await })
    };
    until(|| rig.vault.health().stage == Stage::Draining).await;
    patient.abort();
    let ended = within(rig.vault.shutdown(Duration::ZERO)).await;
    assert_eq!(ended.cancelled, 1);
    assert_eq!(kind(within(read).await.expect("no panic")), ErrorKind::ShuttingDown);
}

#[tokio::test]
async fn a_client_that_is_dropped_has_no_task_left() {
    let rig = rig(for_secrets(|_| usual()), |b| b).await;
    let before = alive();
    let (vault, hand) = super::rig::client(&rig.server, super::rig::token(), |b| b);
    assert!(within(vault.kv2("secret").read("app")).await.is_ok());
    let watch = vault.watch("secret/app#key".parse().expect("a field"), Default::default(), S);
    let mut watch = watch.expect("a watch");
    within(watch.first_look()).await;
    drop(vault);
    assert!(within(watch.changed()).await.is_none());
    until(|| hand.sleepers() == 0).await;
    // The connection's tasks too, of the HTTP client and of the server.
    until(|| alive() == before).await;
}

/// Tasks of the runtime, whoever began them.
fn alive() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn w11_the_runtime_has_as_many_tasks_after_the_end_as_before_the_beginning() {
    let hold = gate();
    let its = hold.clone();
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/v1/auth/token/lookup-self" => say(200, r#"{"data":{"ttl":60,"renewable":true}}"#),
        path if path.ends_with("slow") => held(&its, secret()),
        _ => secret(),
    })
    .await;
    let before = alive();
    let (vault, _hand) = super::rig::client(&server, super::rig::token(), |b| b);
    let of = |n: u32| format!("secret/app{n}#key").parse().expect("a field");
    let mut watches: Vec<_> =
        (0..5).map(|n| vault.watch(of(n), KvVersion::Two, S).expect("a watch")).collect();
    for watch in &mut watches {
        within(watch.first_look()).await;
    }
    let kv = vault.kv2("secret");
    let slow = tokio::spawn(async move { kv.read("slow").await });
    server.arrived("slow", 1).await;
    assert!(alive() > before + 6, "watches, the token's task, connections, this read");
    let ending = {
        let vault = vault.clone();
        tokio::spawn(async move { vault.shutdown(60 * S).await })
    };
    until(|| vault.health().stage == Stage::Draining).await;
    hold.add_permits(1);
    assert_eq!(within(ending).await.expect("no panic").cancelled, 0);
    assert!(within(slow).await.expect("no panic").is_ok());
    assert_eq!(vault.health().tasks, 0);
    until(|| alive() == before).await;
}

#[tokio::test]
async fn w11_the_cache_serves_nobody_once_the_end_has_begun() {
    let hold = gate();
    let its = hold.clone();
    let script = for_secrets(move |seen| match seen.path.ends_with("slow") {
        true => held(&its, secret()),
        false => secret(),
    });
    let rig = rig(script, |b| b).await;
    let kv = rig.vault.kv2("secret");
    assert!(within(kv.read_cached("app")).await.is_ok());
    let slow = tokio::spawn(async move { kv.read("slow").await });
    rig.server.arrived("slow", 1).await;
    let ending = {
        let vault = rig.vault.clone();
        tokio::spawn(async move { vault.shutdown(60 * S).await })
    };
    until(|| rig.vault.health().stage == Stage::Draining).await;
    let hits = rig.vault.health().cache.hits;
    let cached = within(rig.vault.kv2("secret").read_cached("app")).await;
    assert_eq!(kind(cached), ErrorKind::ShuttingDown);
    assert_eq!((rig.vault.health().cache.hits, rig.requests()), (hits, 2));
    hold.add_permits(1);
    assert!(within(slow).await.expect("no panic").is_ok());
    within(ending).await.expect("no panic");
}

#[tokio::test]
async fn the_end_of_a_client_that_is_well_tells_no_transition() {
    let rig = rig(for_secrets(|_| usual()), |b| b.mount_breakers(vec!["db".into()])).await;
    let mut events = rig.vault.events();
    assert!(rig.read().await.is_ok());
    within(rig.vault.shutdown(S)).await;
    assert_eq!(events.try_next(), None);
    assert!(rig.vault.open_again().expect("a runtime"));
    rig.vault.trip("mount db");
    within(rig.vault.shutdown(S)).await;
    let told = std::iter::from_fn(|| events.try_next()).map(|event| event.expect("few"));
    let told: Vec<_> = told.map(|event| (event.from, event.to)).collect();
    let (open, closed) = (State::Open, State::Closed);
    assert_eq!(told, [(closed, open), (open, closed)], "and nothing of the server's");
}

#[tokio::test]
async fn the_end_closes_the_connections_that_were_kept_for_the_next_request() {
    let rig = rig(|_| usual(), |b| b).await;
    assert!(rig.read().await.is_ok());
    assert!(rig.server.connections() > 0, "kept");
    within(rig.vault.shutdown(S)).await;
    until(|| rig.server.connections() == 0).await;
    assert!(rig.vault.open_again().expect("a runtime"));
    assert!(rig.read().await.is_ok());
}
