//! Does a reload keep what is known, and forget what no longer holds?

use std::time::Duration;

use panelboard::State;
use panelboard_llm::{Reloaded, Secret, Settings};

use crate::{
    rig::{Rig, key, one, provider, settings},
    scripted::{Gate, Reply, Scripted},
};

fn limited() -> Reply {
    Reply::error(429, "rate_limit_exceeded", "slower").header("retry-after", "30")
}

/// A server whose key `k1` cools, and the settings that name it.
async fn cooling() -> (Scripted, Settings, Rig) {
    let server = Scripted::start().await;
    server.on("k1", limited());
    server.always("k1", Reply::chat("one")).always("other", Reply::chat("other"));
    let settings = settings(vec![provider("a", server.base_url(), &["k1"])]);
    let rig = Rig::new(settings.clone());
    assert_eq!(rig.whole().await.status, 429);
    (server, settings, rig)
}

#[tokio::test]
async fn fault_33_a_reload_in_the_middle_of_a_cooldown_keeps_it() {
    let (server, mut settings, rig) = cooling().await;
    settings.timeouts.idle = Duration::from_secs(7);
    settings.providers[0].keys[0].weight = 5;
    settings.breaker = panelboard::Config::builder().failure_threshold(9).build().expect("good");
    let reloaded = rig.gateway.reload(settings).expect("good settings");
    assert_eq!(reloaded, Reloaded { kept: 1, ..Reloaded::default() });
    assert_eq!(rig.whole().await.header("retry-after"), "30");
    assert_eq!(server.stats("k1").hits, 1);
    assert_eq!(rig.seen("a/k1").failure_threshold, 9, "but its configuration is the new one");
    rig.hand.advance(Duration::from_secs(30));
    assert_eq!(rig.whole().await.said(), "one");
}

#[tokio::test]
async fn fault_33_bad_settings_change_nothing() {
    let (_server, good, rig) = cooling().await;
    let mut bad = good.clone();
    bad.breaker = panelboard::Config::builder().failure_threshold(9).build().expect("good");
    bad.models[0].targets[0].provider = "nobody".into();
    let error = rig.gateway.reload(bad).expect_err("a target without a provider");
    assert_eq!(
        error.to_string(),
        "model \"fast\": targets: found \"nobody\", expected the name of a provider"
    );
    assert_eq!(rig.whole().await.header("retry-after"), "30");
    assert_eq!(rig.gateway.settings().models[0].targets[0].provider, "a");
    assert_eq!(rig.seen("a/k1").failure_threshold, 3);
}

#[tokio::test]
async fn fault_33_another_secret_starts_closed() {
    let (_server, mut settings, rig) = cooling().await;
    settings.providers[0].keys[0].secret = Secret::new("other".into());
    let reloaded = rig.gateway.reload(settings).expect("good settings");
    assert_eq!(reloaded, Reloaded { changed: 1, ..Reloaded::default() });
    assert_eq!(rig.state("a/k1"), State::Closed);
    assert_eq!(rig.whole().await.said(), "other");
}

#[tokio::test]
async fn fault_33_what_is_still_heard_of_the_old_secret_is_not_held_against_the_new_one() {
    let server = Scripted::start().await;
    let gate = Gate::new();
    server.always("k1", limited().behind(&gate));
    server.always("other", Reply::chat("other"));
    let mut settings = settings(vec![provider("a", server.base_url(), &["k1"])]);
    let rig = std::sync::Arc::new(Rig::new(settings.clone()));
    let old = tokio::spawn({
        let rig = std::sync::Arc::clone(&rig);
        async move { rig.whole().await.status }
    });
    gate.reached(1).await;
    settings.providers[0].keys[0].secret = Secret::new("other".into());
    rig.gateway.reload(settings).expect("good settings");
    gate.pass_all();
    old.await.expect("no panic");
    assert_eq!(rig.state("a/k1"), State::Closed);
    assert_eq!(rig.whole().await.said(), "other");
}

#[tokio::test]
async fn fault_33_keys_come_and_go_while_calls_run() {
    let (server, mut settings, rig) = cooling().await;
    settings.providers[0].keys = vec![key("other")];
    let reloaded = rig.gateway.reload(settings.clone()).expect("good settings");
    assert_eq!(reloaded, Reloaded { added: 1, removed: 1, ..Reloaded::default() });
    assert!(rig.gateway.panel().get("a/k1").is_none());
    assert_eq!(rig.whole().await.said(), "other");

    let gate = Gate::new();
    server.on("other", Reply::stream().role().word("one").gate(&gate).word(" two").finish());
    let stream = rig.stream().await;
    settings.providers[0].keys = vec![key("k1")];
    rig.gateway.reload(settings).expect("good settings");
    gate.pass_all();
    let text = crate::rig::rest(stream).await;
    assert!(text.ends_with(b"[DONE]\n\n"), "calls under way end with the settings they began with");
    assert_eq!(rig.whole().await.said(), "one", "the key that came back inherits nothing");
}

#[tokio::test]
async fn a_provider_at_another_address_starts_closed() {
    let (gone, there) = (Scripted::start().await, Scripted::start().await);
    gone.down().await;
    there.always("k1", Reply::chat("there"));
    let rig = one(gone.base_url(), &["k1"]);
    for _ in 0..3 {
        assert_eq!(rig.whole().await.status, 503);
    }
    assert_eq!(rig.state("a"), State::Open);
    rig.gateway
        .reload(settings(vec![provider("a", there.base_url(), &["k1"])]))
        .expect("good settings");
    assert_eq!(rig.whole().await.said(), "there");
}

#[tokio::test]
async fn a_key_that_awaits_its_secret_takes_no_calls_until_it_comes() {
    let server = Scripted::start().await;
    server.always("k1", Reply::chat("one")).always("k2", Reply::chat("two"));
    let mut waiting = settings(vec![provider("a", server.base_url(), &["k1", "k2"])]);
    let good = waiting.clone();
    waiting.providers[0].keys[0].secret = Secret::awaited();
    let rig = Rig::new(waiting.clone());
    for _ in 0..10 {
        assert_eq!(rig.whole().await.said(), "two");
    }
    waiting.providers[0].keys[1].secret = Secret::awaited();
    rig.gateway.reload(waiting).expect("good settings");
    let refused = rig.whole().await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "upstream_unavailable"));
    let said = &refused.text;
    assert!(said.contains("a/k1 is out (waiting for its secret)"), "{said}");
    assert_eq!(server.total().hits, 10, "nothing is sent without a secret");
    assert_eq!(rig.gateway.ready(), [("fast".to_owned(), false)]);
    let figures = rig.gateway.figures("a/k1").expect("it is listed");
    assert_eq!((figures.awaits_secret, figures.fingerprint), (true, None));

    let reloaded = rig.gateway.reload(good).expect("good settings");
    assert_eq!(reloaded, Reloaded { changed: 2, ..Reloaded::default() });
    assert_eq!(rig.whole().await.status, 200);
}

#[tokio::test]
async fn a_key_that_awaits_its_secret_is_not_probed_early_either() {
    let server = Scripted::start().await;
    let mut waiting = settings(vec![provider("a", server.base_url(), &["k1"])]);
    waiting.providers[0].keys[0].secret = Secret::awaited();
    let rig = Rig::new(waiting);
    let breaker = rig.gateway.panel().get("a").expect("the provider's");
    // An outage of the provider, of which half of the second open time is over.
    for _ in 0..2 {
        while breaker.state() != State::Open {
            breaker.acquire().expect("not open").failure();
        }
        rig.hand.advance(breaker.snapshot().retry_after.expect("open"));
    }
    while breaker.state() != State::Open {
        breaker.acquire().expect("a probe").failure();
    }
    rig.hand.advance(breaker.snapshot().retry_after.expect("open") / 2);
    assert_eq!(rig.whole().await.status, 503);
    assert_eq!(server.total().hits, 0);
}
