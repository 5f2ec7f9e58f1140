//! Is a rotated secret seen without a restart, and does what is in hand stay in use meanwhile?

use panelboard_vault::{ErrorKind, KvVersion, SecretWatch, Vault};

use super::{
    rig::{MS, S, all, for_secrets, kind, rig, until, usual, within},
    scripted::{Reply, Seen, gate, held, say},
};

fn value(of: &str, version: u64) -> Reply {
    let data = format!(r#"{{"key":"{of}"}}"#);
    say(200, &format!(r#"{{"data":{{"data":{data},"metadata":{{"version":{version}}}}}}}"#))
}

fn shown(watch: &SecretWatch) -> Option<String> {
    watch.current().value.as_ref().map(|value| value.expose().clone())
}

fn watch(vault: &Vault, version: KvVersion) -> SecretWatch {
    vault.watch("secret/app#key".parse().expect("a field"), version, 30 * S).expect("a watch")
}

#[tokio::test]
async fn a_rotation_is_seen_at_the_interval_or_at_once_if_asked() {
    let rig = rig(for_secrets(|_| value("one", 1)), |b| b).await;
    let mut watch = watch(&rig.vault, KvVersion::Two);
    let first = within(watch.first_look()).await;
    assert_eq!((first.version, first.changes, shown(&watch).as_deref()), (Some(1), 1, Some("one")));
    rig.server.play(|_| value("two", 2));
    until(|| rig.hand.sleepers() == 1).await;
    rig.hand.advance(30 * S);
    drop(within(watch.changed()).await);
    assert_eq!((watch.current().changes, shown(&watch).as_deref()), (2, Some("two")));
    rig.server.play(|_| value("three", 3));
    watch.ask_now();
    drop(within(watch.changed()).await);
    assert_eq!(shown(&watch).as_deref(), Some("three"));
    assert_eq!(rig.requests(), 3);
}

#[tokio::test]
async fn a_server_that_is_down_leaves_the_value_in_use_and_is_told() {
    let rig = rig(for_secrets(|_| value("one", 1)), |b| b.max_attempts(1)).await;
    let mut watch = watch(&rig.vault, KvVersion::Two);
    within(watch.first_look()).await;
    for (status, body, expected) in [
        (503, r#"{"errors":["Vault is sealed"]}"#, ErrorKind::Sealed),
        (403, r#"{"errors":["permission denied"]}"#, ErrorKind::Forbidden),
        (404, r#"{"errors":[]}"#, ErrorKind::Field(panelboard_vault::FieldError::Missing)),
    ] {
        rig.server.play(move |_| say(status, body));
        watch.ask_now();
        until(|| watch.current().error.as_ref().is_some_and(|e| e.kind == expected)).await;
        assert_eq!(shown(&watch).as_deref(), Some("one"), "what is in hand stays in use");
    }
    rig.server.play(|_| value("two", 2));
    watch.ask_now();
    until(|| shown(&watch).as_deref() == Some("two")).await;
    assert!(watch.current().error.is_none());
}

#[tokio::test]
async fn a_secret_that_is_not_there_at_the_start_is_seen_when_it_comes() {
    let rig = rig(for_secrets(|_| say(404, r#"{"errors":[]}"#)), |b| b).await;
    let mut watch = watch(&rig.vault, KvVersion::Two);
    let first = within(watch.first_look()).await;
    assert!(first.value.is_none() && first.error.is_some());
    rig.server.play(|_| value("one", 1));
    until(|| {
        rig.hand.advance(100 * MS);
        shown(&watch).is_some()
    })
    .await;
}

#[tokio::test]
async fn the_engines_version_is_asked_for_once_and_guessed_where_it_may_not_be_known() {
    for (status, mount, expected) in [
        (200, r#"{"data":{"options":{"version":"2"}}}"#, "/v1/secret/data/app"),
        (200, r#"{"data":{"options":{"version":"1"}}}"#, "/v1/secret/app"),
        (200, r#"{"data":{"options":null}}"#, "/v1/secret/app"),
        (403, r#"{"errors":["preflight capability check returned 403"]}"#, "/v1/secret/data/app"),
    ] {
        let script = move |seen: &Seen| match seen.path.as_str() {
            "/v1/sys/internal/ui/mounts/secret" => say(status, mount),
            "/v1/secret/data/app" => value("one", 1),
            "/v1/secret/app" => say(200, r#"{"data":{"key":"one"}}"#),
            _ => usual(),
        };
        let rig = rig(script, |b| b).await;
        let mut watch = watch(&rig.vault, KvVersion::Ask);
        within(watch.first_look()).await;
        assert_eq!(shown(&watch).as_deref(), Some("one"), "{expected}");
        watch.ask_now();
        rig.server.arrived(expected, 2).await;
        assert_eq!(rig.server.count("/internal/"), 1);
    }
}

#[tokio::test]
async fn watches_end_with_their_holder_and_with_the_client_and_their_settings_are_checked() {
    let rig = rig(for_secrets(|_| value("one", 1)), |b| b).await;
    let mut first = watch(&rig.vault, KvVersion::Two);
    within(first.first_look()).await;
    let second = watch(&rig.vault, KvVersion::Two);
    until(|| rig.vault.health().watches == 2).await;
    drop(second);
    until(|| rig.vault.health().watches == 1).await;
    let of = || "secret/app#key".parse().expect("a field");
    let bad = rig.vault.watch(of(), KvVersion::Two, 10 * MS).map(drop);
    assert!(matches!(kind(bad), ErrorKind::Malformed(what) if what.part == "interval"));
    let _ = within(rig.vault.shutdown(S)).await;
    assert!(within(first.changed()).await.is_none());
    assert_eq!(shown(&first).as_deref(), Some("one"), "what is in hand stays in hand");
    assert_eq!(kind(rig.vault.watch(of(), KvVersion::Two, S).map(drop)), ErrorKind::ShuttingDown);
}

#[tokio::test]
async fn there_are_a_thousand_watches_and_not_one_more_however_fast_they_are_made() {
    let rig = rig(for_secrets(|_| value("one", 1)), |b| b).await;
    let of = || "secret/app#key".parse().expect("a field");
    let make = || rig.vault.watch(of(), KvVersion::Two, S);
    // Not one of their tasks has begun.
    let watches: Vec<_> = (0..1_000).map(|_| make().expect("room")).collect();
    assert_eq!(kind(make().map(drop)), ErrorKind::QueueFull);
    assert_eq!(rig.vault.health().watches, 1_000);
    drop(watches);
    until(|| rig.vault.health().watches == 0).await;
    assert!(make().is_ok());
}

#[tokio::test]
async fn more_watches_than_places_are_all_read_and_no_caller_is_refused_for_them() {
    let hold = gate();
    let its = hold.clone();
    let script = for_secrets(move |_| held(&its, value("one", 1)));
    let rig = rig(script, |b| b.max_concurrent(4).queue_multiplier(0)).await;
    let of = |n: u32| format!("secret/app{n}#key").parse().expect("a field");
    let watch = |n| rig.vault.watch(of(n), KvVersion::Two, 30 * S).expect("a watch");
    let mut watches: Vec<_> = (0..20).map(watch).collect();
    rig.server.arrived("/secret/", 2).await;
    assert_eq!(rig.vault.health().queue.refused, 0, "the others wait");
    // As many callers as there are places; two of them wait for the two looks that are out.
    let reads = rig.spawn_reads(4);
    rig.server.arrived("/secret/", 4).await;
    until(|| rig.vault.health().queue.waiting == 2).await;
    hold.add_permits(1_000);
    assert!(all(reads).await.iter().all(Result::is_ok));
    for watch in &mut watches {
        let first = within(watch.first_look()).await;
        assert!(first.value.is_some() && first.error.is_none(), "{:?}", first.error);
    }
    // A reset by hand has all of them look again at once.
    rig.vault.trip("server");
    watches.iter().for_each(SecretWatch::ask_now);
    until(|| watches.iter().all(|watch| watch.current().error.is_some())).await;
    rig.vault.reset("server");
    until(|| watches.iter().all(|watch| watch.current().error.is_none())).await;
    assert_eq!((rig.vault.health().queue.refused, rig.server.most_at_once()), (0, 4));
    assert_eq!(rig.requests(), 44);
}

#[tokio::test]
async fn an_interval_is_changed_while_it_watches() {
    let rig = rig(for_secrets(|_| value("one", 1)), |b| b).await;
    let mut watch = watch(&rig.vault, KvVersion::Two);
    within(watch.first_look()).await;
    let due = async |from: std::ops::Range<std::time::Duration>| {
        until(|| matches!(rig.hand.sleeping_until()[..], [at] if from.contains(&at))).await;
    };
    due(27 * S..30 * S).await;
    watch.look_every(5 * S).expect("in range");
    assert_eq!(watch.interval(), 5 * S);
    due(4 * S..5 * S).await;
    rig.hand.advance(5 * S);
    rig.server.arrived("/secret/", 2).await;
    due(9 * S..10 * S).await;
    watch.look_every(60 * S).expect("in range");
    due(59 * S..65 * S).await;
    let bad = watch.look_every(MS).expect_err("out of range").kind;
    assert!(matches!(bad, ErrorKind::Malformed(what) if what.part == "interval"));
    assert_eq!(rig.requests(), 2);
}

#[test]
fn a_watch_can_be_made_outside_of_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let rig = runtime.block_on(rig(for_secrets(|_| value("one", 1)), |b| b));
    let mut watch = watch(&rig.vault, KvVersion::Two);
    runtime.block_on(within(watch.first_look()));
    assert_eq!(shown(&watch).as_deref(), Some("one"));
}
