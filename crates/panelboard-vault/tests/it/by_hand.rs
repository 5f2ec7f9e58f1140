//! Does a breaker that is tripped or reset by hand do at once what it does by itself?

use std::time::Duration;

use panelboard_vault::{Cause, CorrelationId, ErrorKind, KvVersion, State};

use super::{
    rig::{S, app_role, client, for_secrets, kind, rig, until, usual, within},
    scripted::{Server, say},
};

/// What is told of a breaker that is open, and until when it is.
fn open(kind: &ErrorKind) -> (State, Duration) {
    match kind {
        ErrorKind::Unavailable { state, retry_after: Some(wait), .. } => (*state, *wait),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_trip_keeps_everything_from_the_server_and_a_reset_lets_it_through() {
    let rig = rig(|_| usual(), |b| b.mount_breakers(vec!["db".into()])).await;
    let mut events = rig.vault.events();
    let id = CorrelationId::from(7);
    let by_hand = rig.vault.correlated(id);
    assert!(by_hand.trip("server"));
    let error = rig.read().await.err().expect("an open breaker");
    let (state, wait) = open(&error.kind);
    assert!(state == State::Open && wait <= 33 * S, "{error}");
    assert_eq!((error.attempts, rig.requests()), (0, 0));
    assert!(by_hand.reset("server"));
    assert!(rig.read().await.is_ok());
    assert_eq!((rig.state(), rig.requests()), (State::Closed, 1));

    assert!(by_hand.trip("mount db"));
    let of_mount = within(rig.vault.kv1("db").read("app")).await;
    assert!(matches!(kind(of_mount), ErrorKind::Unavailable { .. }));
    assert!(rig.read().await.is_ok(), "the others go on");

    let told = std::iter::from_fn(|| events.try_next()).map(|event| event.expect("few"));
    let told: Vec<_> = told.map(|e| (e.breaker, e.from, e.to, e.cause, e.correlation)).collect();
    let (open, closed) = (State::Open, State::Closed);
    assert_eq!(
        told,
        [
            ("server".into(), closed, open, Cause::Tripped, id),
            ("server".into(), open, closed, Cause::Reset, id),
            ("mount db".into(), closed, open, Cause::Tripped, id),
        ]
    );
    for nobody in ["", "db", "mount", "mount other", "SERVER"] {
        assert!(!rig.vault.trip(nobody) && !rig.vault.reset(nobody), "{nobody}");
    }
}

#[tokio::test]
async fn a_trip_for_a_time_lasts_so_long_and_then_a_probe_decides() {
    let rig = rig(|_| usual(), |b| b).await;
    assert!(rig.vault.trip_for("server", 300 * S));
    rig.hand.advance(299 * S);
    let (state, left) = open(&kind(rig.read().await));
    assert_eq!(state, State::Open);
    // A shorter one leaves it as it is.
    assert!(rig.vault.trip_for("server", S / 2));
    assert_eq!(open(&kind(rig.read().await)), (state, left));
    rig.hand.advance(left);
    assert!(rig.read().await.is_ok());
    assert_eq!((rig.state(), rig.requests()), (State::Closed, 1));
}

#[tokio::test]
async fn a_reset_sends_for_the_token_that_an_open_breaker_kept_away() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/v1/auth/approle/login" => {
            let auth = r#"{"client_token":"t","lease_duration":60,"renewable":true}"#;
            say(200, &format!(r#"{{"auth":{auth}}}"#))
        }
        _ => say(200, super::rig::SECRET),
    })
    .await;
    let (vault, _hand) = client(&server, app_role(), |b| b);
    // Before the task has run that logs in.
    assert!(vault.trip("server"));
    until(|| vault.health().token.failures == 1).await;
    assert!(vault.reset("server"));
    // By itself, and without a turn of the clock.
    server.arrived("/login", 1).await;
    until(|| vault.health().token.is_valid).await;
    assert!(within(vault.kv2("secret").read("app")).await.is_ok());
    assert_eq!(server.count("/login"), 1);
}

#[tokio::test]
async fn a_reset_has_a_watch_look_again_that_could_not() {
    let rig = rig(for_secrets(|_| say(200, super::rig::SECRET)), |b| b).await;
    let watch = |path: &str| {
        let of = format!("secret/{path}#key").parse().expect("a field");
        rig.vault.watch(of, KvVersion::Two, 30 * S).expect("a watch")
    };
    let mut well = watch("well");
    within(well.first_look()).await;
    rig.vault.trip("server");
    let mut waits = watch("waits");
    assert!(within(waits.first_look()).await.error.is_some());
    rig.vault.reset("server");
    until(|| waits.current().value.is_some()).await;
    assert!(waits.current().error.is_none());
    assert_eq!((rig.server.count("/well"), rig.server.count("/waits")), (1, 1));
}

#[tokio::test]
async fn a_client_that_has_ended_is_left_as_it_ended() {
    let rig = rig(|_| usual(), |b| b).await;
    within(rig.vault.shutdown(S)).await;
    assert!(!rig.vault.trip("server") && !rig.vault.reset("server"));
    assert_eq!(rig.state(), State::Closed);
    assert!(rig.vault.open_again().expect("a runtime"));
    assert!(rig.vault.trip("server"));
    assert_eq!(rig.state(), State::Open);
}
