//! Is a secret out of the cache as fresh as it is said to be?

use panelboard_vault::{ErrorKind, Write};

use super::{
    rig::{S, fails, for_secrets, kind, rig, until, within},
    scripted::{Reply, gate, held, say},
};

fn version(n: u64) -> Reply {
    say(200, &format!(r#"{{"data":{{"data":{{"key":"v{n}"}},"metadata":{{"version":{n}}}}}}}"#))
}

#[tokio::test]
async fn a_secret_is_asked_for_once_while_it_is_fresh_and_served_stale_only_while_it_must_be() {
    let rig = rig(for_secrets(|_| version(1)), |b| b.max_attempts(1).failure_threshold(1)).await;
    let kv = rig.vault.kv2("secret");
    let read = async || within(kv.read_cached("app")).await;
    for _ in 0..100 {
        assert!(read().await.expect("there").is_some_and(|c| !c.is_stale));
    }
    assert_eq!(rig.requests(), 1);
    rig.hand.advance(60 * S);
    rig.server.play(|_| fails());
    // By the failure itself, and by the breaker that it has opened.
    for _ in 0..2 {
        let stale = read().await.expect("from the cache").expect("there");
        assert!(stale.is_stale && stale.age == 60 * S && stale.found.version == Some(1));
    }
    assert_eq!(rig.requests(), 2);
    rig.hand.advance(3_600 * S);
    assert!(matches!(kind(read().await.map(drop)), ErrorKind::Server { .. }), "no longer");
    rig.recover();
    rig.server.play(|_| version(2));
    assert!(read().await.expect("there").is_some_and(|c| c.found.version == Some(2)));
    // Forbidden, and gone: it is not served again.
    for (status, body) in [(403, r#"{"errors":["permission denied"]}"#), (404, r#"{"errors":[]}"#)]
    {
        rig.server.play(|_| version(3));
        rig.hand.advance(60 * S);
        assert!(read().await.is_ok());
        rig.hand.advance(60 * S);
        rig.server.play(move |_| say(status, body));
        drop(read().await);
        rig.server.play(|_| fails());
        assert!(read().await.is_err(), "{status}");
        rig.recover();
    }
}

#[tokio::test]
async fn a_write_is_seen_at_once_and_a_read_that_it_overtook_leaves_nothing_behind() {
    let hold = gate();
    let its = hold.clone();
    let script = for_secrets(move |seen| match seen.method.as_str() {
        "GET" => held(&its, version(1)),
        _ => say(200, r#"{"data":{"version":2}}"#),
    });
    let rig = rig(script, |b| b).await;
    let kv = rig.vault.kv2("secret");
    let slow = {
        let kv = kv.clone();
        tokio::spawn(async move { kv.read_cached("app").await })
    };
    rig.server.arrived("/secret/", 1).await;
    within(kv.write("app", &[("key", "v2")], Write::default())).await.expect("written");
    hold.add_permits(1);
    assert!(within(slow).await.expect("no panic").is_ok());
    rig.server.play(|_| version(2));
    let now = within(kv.read_cached("app")).await.expect("an answer").expect("there");
    assert_eq!(now.found.version, Some(2), "the old version was not kept");
}

#[tokio::test]
async fn what_has_a_lease_is_not_served_beyond_it() {
    let leased =
        || say(200, r#"{"data":{"u":"x"},"lease_id":"l/1","lease_duration":30,"renewable":true}"#);
    let script = move |seen: &super::scripted::Seen| match seen.path.contains("/db/") {
        true => leased(),
        false => super::rig::usual(),
    };
    let rig = rig(script, |b| b.max_attempts(1).failure_threshold(20).cache_ttl(20 * S)).await;
    let db = rig.vault.dynamic("db");
    assert!(within(db.read_cached("creds/app")).await.is_ok());
    rig.server.play(|_| fails());
    rig.hand.advance(29 * S);
    assert!(within(db.read_cached("creds/app")).await.expect("stale").is_some_and(|c| c.is_stale));
    rig.hand.advance(S);
    assert!(within(db.read_cached("creds/app")).await.is_err());
}

#[tokio::test]
async fn what_has_ended_leaves_the_memory_at_its_end_without_being_asked_for() {
    let leased =
        say(200, r#"{"data":{"u":"x"},"lease_id":"l/1","lease_duration":30,"renewable":true}"#);
    let script = move |seen: &super::scripted::Seen| match seen.path.as_str() {
        path if path.contains("/db/") => leased.clone(),
        path if path.contains("/secret/") => version(1),
        _ => super::rig::usual(),
    };
    let rig = rig(script, |b| b.cache_ttl(10 * S).stale_for(50 * S)).await;
    let entries = || rig.vault.health().cache.entries;
    let due = async |at| until(|| rig.hand.sleeping_until() == [at]).await;
    assert!(within(rig.vault.kv2("secret").read_cached("app")).await.is_ok());
    due(60 * S).await;
    // One that ends before what was waited for.
    assert!(within(rig.vault.dynamic("db").read_cached("creds/app")).await.is_ok());
    due(30 * S).await;
    assert_eq!(entries(), 2);
    rig.hand.advance(30 * S);
    until(|| entries() == 1).await;
    due(60 * S).await;
    rig.hand.advance(30 * S);
    until(|| entries() == 0).await;
    until(|| rig.hand.sleepers() == 0).await;
}
