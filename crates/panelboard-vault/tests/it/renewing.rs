//! Does a token live on, one renewal at a time, and does no older one come back?

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use panelboard_vault::{ErrorKind, Secret, State};

use super::{
    rig::{
        MS, S, all, app_role, fails, for_secrets, kind, rig, rig_as, token, until, usual, within,
    },
    scripted::{Reply, Seen, gate, held, say},
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
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
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
    assert_eq!(rig.vault.health().token.last_failure, Some(ErrorKind::Sealed));
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
