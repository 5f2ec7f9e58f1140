//! Does a token live on, one renewal at a time, and does no older one come back?

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use panelboard_vault::{CorrelationId, ErrorKind, Secret, State};

use super::{
    rig::{
        MS, S, all, app_role, client, fails, for_secrets, kind, rig, rig_as, token, until, usual,
        within,
    },
    scripted::{Reply, Seen, Server, gate, held, say},
};

fn grants(token: &str, ttl: u64) -> Reply {
    say(
        200,
        &format!(
            r#"{{"auth":{{"client_token":"{token}","lease_duration":{ttl},"renewable":true}}}}"#
        ),
    )
}

/// What reads were sent with.
fn tokens(rig: &super::rig::Rig) -> Vec<String> {
    let sent = rig.server.seen("/secret/");
    sent.iter().map(|seen| seen.headers["x-vault-token"].clone()).collect()
}

#[tokio::test]
async fn w09_a_token_near_its_end_is_renewed_once_for_a_hundred_callers() {
    let hold = gate();
    let its = hold.clone();
    let script = move |seen: &Seen| match seen.path.as_str() {
        "/v1/auth/approle/login" => grants("t1", 100),
        "/v1/auth/token/renew-self" => held(&its, grants("t1", 100)),
        _ => usual(),
    };
    let rig = rig_as(app_role(), script, |b| b.queue_multiplier(10).timeout(30 * S)).await;
    assert!(rig.read().await.is_ok());
    rig.hand.advance(70 * S);
    rig.server.arrived("renew-self", 1).await;
    // Callers who ask for a renewal join the one that is under way; reads go on.
    let renewals: Vec<_> = (0..100)
        .map(|_| {
            let vault = rig.vault.clone();
            tokio::spawn(async move { vault.renew_token().await })
        })
        .collect();
    let reads = all(rig.spawn_reads(100)).await;
    assert!(reads.iter().all(Result::is_ok));
    // Each caller waits until a time of its own, and the one request until its time-out.
    until(|| rig.hand.sleepers() > 100).await;
    assert_eq!(rig.server.count("renew-self"), 1);
    hold.add_permits(1_000);
    assert!(all(renewals).await.iter().all(Result::is_ok));
    assert_eq!((rig.server.count("renew-self"), rig.server.count("login")), (1, 1));
    let health = rig.vault.health().token;
    assert_eq!((health.renewals, health.ttl_left), (1, Some(100 * S)));
}

#[tokio::test]
async fn w09_the_renewal_of_an_older_token_does_not_replace_a_newer_one() {
    let hold = gate();
    let its = hold.clone();
    let script = move |seen: &Seen| match seen.path.as_str() {
        "/v1/auth/approle/login" => grants("t1", 100),
        "/v1/auth/token/renew-self" => held(&its, grants("t1", 100)),
        "/v1/auth/token/lookup-self" => say(200, r#"{"data":{"ttl":500,"renewable":true}}"#),
        _ => usual(),
    };
    let rig = rig_as(app_role(), script, |b| b.timeout(30 * S)).await;
    assert!(rig.read().await.is_ok());
    rig.hand.advance(70 * S);
    rig.server.arrived("renew-self", 1).await;
    rig.vault.replace_token(Secret::new("t2".to_owned())).expect("a good token");
    rig.server.arrived("lookup-self", 1).await;
    hold.add_permits(1);
    until(|| rig.vault.health().token.stale + rig.vault.health().token.renewals == 1).await;
    assert!(rig.read().await.is_ok());
    assert_eq!(tokens(&rig), ["t1", "t2"]);
    assert_eq!(rig.vault.health().token.stale, 1);
}

#[tokio::test]
async fn w10_an_open_breaker_and_an_expired_token_are_told_apart() {
    let looked_up = say(200, r#"{"data":{"ttl":60,"renewable":false}}"#);
    let script = move |seen: &Seen| match seen.path.as_str() {
        "/v1/auth/token/lookup-self" => looked_up.clone(),
        _ => fails(),
    };
    let rig = rig_as(token(), script, |b| b.max_attempts(1).failure_threshold(1)).await;
    drop(rig.read().await);
    assert!(matches!(kind(rig.read().await), ErrorKind::Unavailable { .. }));
    rig.hand.advance(61 * S);
    let error = rig.read().await.err().expect("no token");
    assert_eq!((error.kind, error.attempts), (ErrorKind::TokenExpired, 0));
    assert_eq!(rig.requests(), 1);
    assert_eq!(rig.state(), State::HalfOpen, "the probe is there for whoever has a token");
}

/// The server's clock is an hour off, in either direction, in all that it says of time.
#[tokio::test]
async fn w18_a_clock_that_is_an_hour_off_changes_nothing() {
    for time in ["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"] {
        let hour = if time.starts_with("2020") { "Wed, 01 Jan 2020" } else { "Thu, 01 Jan 2099" };
        let date = format!("date: {hour} 00:00:00 GMT");
        let body = format!(
            r#"{{"data":{{"ttl":90,"creation_time":1,"expire_time":"{time}","renewable":true}}}}"#
        );
        let script = move |seen: &Seen| match seen.path.as_str() {
            "/v1/auth/token/lookup-self" => Reply::Say(200, body.clone(), vec![date.clone()]),
            "/v1/auth/token/renew-self" => grants("canary-token", 90),
            _ => usual(),
        };
        let rig = rig_as(token(), script, |b| b).await;
        rig.hand.advance(50 * S);
        assert!(rig.read().await.is_ok());
        assert_eq!(rig.server.count("renew-self"), 0, "two thirds of 90 s are 60");
        rig.hand.advance(11 * S);
        rig.server.arrived("renew-self", 1).await;
        until(|| rig.vault.health().token.renewals == 1).await;
        // A monotonic clock may step back by a tick where two cores read it.
        rig.hand.set(60 * S + 999 * MS);
        assert!(rig.read().await.is_ok());
        assert_eq!((rig.server.count("renew-self"), rig.state()), (1, State::Closed));
    }
}

#[tokio::test]
async fn a_revoked_token_is_replaced_and_its_caller_does_not_notice() {
    let logins = Arc::new(AtomicU64::new(0));
    let its = Arc::clone(&logins);
    let script = move |seen: &Seen| {
        let token = seen.headers.get("x-vault-token").map_or("", String::as_str);
        match (seen.path.as_str(), token) {
            ("/v1/auth/approle/login", _) => {
                grants(&format!("t{}", its.fetch_add(1, Ordering::Relaxed) + 1), 1_000)
            }
            (_, "t1") if its.load(Ordering::Relaxed) == 1 && seen.path.ends_with("app") => usual(),
            (_, "t2") => usual(),
            _ => say(403, r#"{"errors":["permission denied"]}"#),
        }
    };
    let rig = rig_as(app_role(), script, |b| b).await;
    assert!(rig.read().await.is_ok());
    // "app2" is refused with the first token, as if it had been revoked.
    let read = within(rig.vault.kv2("secret").read("app2")).await;
    assert!(read.is_ok(), "{:?}", read.err());
    assert_eq!(tokens(&rig), ["t1", "t1", "t2"]);
    assert_eq!((rig.server.count("lookup-self"), logins.load(Ordering::Relaxed)), (1, 2));
}

#[tokio::test]
async fn a_policy_that_forbids_is_not_taken_for_a_revoked_token() {
    let script = |seen: &Seen| match seen.path.as_str() {
        "/v1/auth/approle/login" => grants("t1", 10_000),
        "/v1/auth/token/lookup-self" => say(200, r#"{"data":{"ttl":900,"renewable":true}}"#),
        _ => say(403, r#"{"errors":["permission denied"]}"#),
    };
    let rig = rig_as(app_role(), script, |b| b).await;
    for _ in 0..20 {
        rig.hand.advance(4 * S);
        assert_eq!(kind(rig.read().await), ErrorKind::Forbidden);
    }
    assert_eq!((rig.server.count("login"), rig.requests()), (1, 20));
    assert!(rig.server.count("lookup-self") <= 3, "asked about at most once in 30 s");
}

#[tokio::test]
async fn a_server_that_is_down_at_the_start_heals() {
    let script = |seen: &Seen| match seen.path.as_str() {
        "/v1/auth/approle/login" => say(503, r#"{"errors":["Vault is sealed"]}"#),
        _ => usual(),
    };
    let rig = rig_as(app_role(), script, |b| b).await;
    assert_eq!(kind(rig.read().await), ErrorKind::Sealed);
    let last = rig.vault.health().token.last_failure.expect("a log-in failed");
    assert_eq!((last.kind, last.attempts), (ErrorKind::Sealed, 1));
    rig.server.play(|seen| match seen.path.as_str() {
        "/v1/auth/approle/login" => grants("t1", 100),
        _ => say(200, super::rig::SECRET),
    });
    until(|| {
        rig.hand.advance(100 * MS);
        rig.vault.health().token.is_valid
    })
    .await;
    assert!(rig.read().await.is_ok());
}

#[tokio::test]
async fn credentials_that_are_refused_are_told_and_not_tried_at_each_call() {
    let script = |seen: &Seen| match seen.path.as_str() {
        "/v1/auth/approle/login" => say(400, r#"{"errors":["invalid role or secret ID"]}"#),
        _ => usual(),
    };
    let rig = rig_as(app_role(), script, |b| b).await;
    for _ in 0..50 {
        assert_eq!(kind(rig.read().await), ErrorKind::LogInRefused);
    }
    assert_eq!((rig.server.count("login"), rig.requests()), (1, 0));
    assert_eq!(rig.state(), State::Closed, "the server did its work");
}

#[tokio::test]
async fn a_caller_who_gives_up_does_not_end_the_log_in_of_the_others() {
    let hold = gate();
    let its = hold.clone();
    let script = move |seen: &Seen| match seen.path.as_str() {
        "/v1/auth/approle/login" => held(&its, grants("t1", 100)),
        _ => usual(),
    };
    let rig = rig_as(app_role(), script, |b| b).await;
    let (first, second) = (rig.spawn_read(), rig.spawn_read());
    rig.server.arrived("login", 1).await;
    first.abort();
    hold.add_permits(1);
    assert!(within(second).await.expect("no panic").is_ok());
    assert_eq!(rig.server.count("login"), 1);
}

#[tokio::test]
async fn a_token_that_can_stand_in_no_header_is_refused() {
    let rig = rig(for_secrets(|_| usual()), |b| b).await;
    for bad in ["", "two words", "line\nfeed", "ü"] {
        let error = rig.vault.replace_token(Secret::new(bad.to_owned())).expect_err(bad);
        assert!(matches!(error.kind, ErrorKind::Malformed(what) if what.part == "token"));
    }
    assert!(rig.read().await.is_ok());
}

#[tokio::test]
async fn a_renewal_by_hand_is_sent_whatever_else_is_under_way_and_told_as_it_came_out() {
    let hold = gate();
    let its = hold.clone();
    let look_up = move || held(&its, say(200, r#"{"data":{"ttl":100,"renewable":true}}"#));
    let script = move |renewal: Reply| {
        let look_up = look_up.clone();
        move |seen: &Seen| match seen.path.as_str() {
            "/v1/auth/token/lookup-self" => look_up(),
            _ => renewal.clone(),
        }
    };
    let server = Server::start(script(grants("canary-token", 100))).await;
    let (vault, hand) = client(&server, token(), |b| b);
    server.arrived("lookup-self", 1).await;
    let renewal = {
        let vault = vault.clone();
        tokio::spawn(async move { vault.renew_token().await })
    };
    // It waits for the look-up: one request for the token at a time.
    until(|| hand.sleepers() == 2).await;
    assert_eq!(server.count("renew-self"), 0);
    hold.add_permits(100);
    within(renewal).await.expect("no panic").expect("renewed");
    assert_eq!((server.count("renew-self"), vault.health().token.renewals), (1, 1));
    vault.replace_token(Secret::new("t2".to_owned())).expect("a good token");
    within(vault.renew_token()).await.expect("renewed");
    let sent = server.seen("renew-self");
    assert_eq!((sent.len(), sent[1].headers["x-vault-token"].as_str()), (2, "t2"));

    let own = CorrelationId::from(7);
    let renew =
        async || within(vault.correlated(own).renew_token()).await.expect_err("not renewed");
    server.play(script(say(403, r#"{"errors":["permission denied"]}"#)));
    let error = renew().await;
    assert_eq!((&error.kind, error.attempts), (&ErrorKind::Forbidden, 1));
    server.play(script(fails()));
    let error = renew().await;
    assert_eq!((&error.kind, error.attempts), (&ErrorKind::Server { status: 500 }, 1));
    let at_once = renew().await;
    assert_eq!((&at_once.kind, at_once.attempts), (&error.kind, 0));
    assert_eq!((at_once.correlation, at_once.token_request), (own, Some(own)));
    assert_eq!((server.count("renew-self"), vault.health().token.renewals), (4, 2));
}

#[tokio::test]
async fn a_token_in_its_last_second_has_an_end() {
    let looked_up = |ttl: u64| {
        let data = format!(r#""ttl":{ttl},"expire_time":"2026-11-29T05:00:00Z","renewable":false"#);
        say(200, &format!(r#"{{"data":{{{data}}}}}"#))
    };
    let script = move |seen: &Seen| match seen.path.as_str() {
        "/v1/auth/token/lookup-self" => looked_up(0),
        _ => usual(),
    };
    let rig = rig_as(token(), script, |b| b).await;
    let error = rig.read().await.err().expect("no token");
    assert_eq!((error.kind, error.attempts, rig.requests()), (ErrorKind::TokenExpired, 0, 0));
    assert!(!rig.vault.health().token.is_valid);

    let script = move |_: &Seen| looked_up(100);
    let rig = rig_as(token(), script, |b| b).await;
    rig.server.play(move |_| looked_up(0));
    let said = within(rig.vault.look_up_token()).await.expect("an answer");
    assert_eq!(said.ttl, Some(std::time::Duration::ZERO));
    rig.server.play(|_| say(200, r#"{"data":{"ttl":0,"expire_time":null}}"#));
    let said = within(rig.vault.look_up_token()).await.expect("an answer");
    assert_eq!(said.ttl, None);
}

#[tokio::test]
async fn whoever_has_no_token_is_told_the_id_of_the_log_in_that_failed() {
    let script = |seen: &Seen| match seen.path.as_str() {
        "/v1/auth/approle/login" => say(503, r#"{"errors":["Vault is sealed"]}"#),
        _ => usual(),
    };
    let rig = rig_as(app_role(), script, |b| b).await;
    for id in [1, 2, 3] {
        let own = CorrelationId::from(id);
        let read = within(rig.vault.correlated(own).kv2("secret").read("app")).await;
        let error = read.err().expect("no token");
        assert_eq!((&error.kind, error.correlation, error.attempts), (&ErrorKind::Sealed, own, 0));
        let login = error.token_request.expect("a log-in failed");
        let sent = rig.server.seen("login");
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].headers["x-correlation-id"], login.to_string());
        let is_shown = error.to_string().contains(&login.to_string());
        assert!(is_shown && error.to_string().contains(&own.to_string()), "{error}");
        let last = rig.vault.health().token.last_failure.expect("it failed");
        assert_eq!(last.correlation, login);
    }
}
