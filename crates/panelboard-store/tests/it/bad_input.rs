//! Is what nobody could read refused where it is made, with the rule?

use panelboard_store::{
    Append, Change, Create, Idempotency, Invalid, MAX_BODY, MAX_ITEMS, NewItem, SessionId, Tag,
};

use crate::support::{Rig, append, bodies, create, id, kept, tag};

#[test]
fn m09_a_body_that_cannot_be_read_is_refused_before_it_is_queued() {
    let rig = Rig::new();
    create(&rig.store, "a");
    let bad: [&[u8]; 6] =
        [b"", b"hello", b"{\"a\":", b"{\"a\":1}{}", b"\"\xc3\x28\"", b"{\"a\":NaN}"];
    for body in bad {
        let why = Append::new(&id("a"), "message", body).unwrap_err();
        assert!(matches!(why, Invalid::NotJson { .. }), "{body:?}: {why}");
        assert!(NewItem::new("message", body).is_err());
        assert!(Create::new(&id("b"), body).is_err());
    }
    let deep = format!("{}{}", "[".repeat(101), "]".repeat(101));
    assert!(Append::new(&id("a"), "message", deep).is_err(), "most readers give up on it");
    let long = format!("\"{}\"", "x".repeat(MAX_BODY - 1));
    let why = Append::new(&id("a"), "message", long).unwrap_err();
    assert_eq!(why, Invalid::TooBig { bytes: MAX_BODY + 1, limit: MAX_BODY });
    let why = Append::new(&id("a"), "a\tb", "{}").unwrap_err();
    assert_eq!(why, Invalid::Kind { bytes: 3 });
    let many = vec![NewItem::new("message", "1").unwrap(); MAX_ITEMS + 1];
    let why = Change::replace(&id("a"), Tag { era: 0, seq: 0 }, &many).unwrap_err();
    assert_eq!(why, Invalid::TooManyItems { items: MAX_ITEMS + 1, limit: MAX_ITEMS });
    assert!(Idempotency::new("", "k", "", "").is_err());
    assert!(Idempotency::new("s", &"k".repeat(256), "", "").is_err());
    assert_eq!(rig.store.stats().last, panelboard_store::Lsn(1), "none of it took a number");
}

#[test]
fn m09_the_longest_body_that_is_allowed_comes_back_as_it_was() {
    let rig = Rig::new();
    create(&rig.store, "a");
    let long = format!("\"{}\"", "é".repeat((MAX_BODY - 2) / 2));
    assert_eq!(long.len(), MAX_BODY);
    append(&rig.store, "a", &long);
    assert_eq!(bodies(&rig.store, "a"), [long]);
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    append(&rig.store, "a", &deep);
    // Through a snapshot too, where it is nested deeper.
    let snapshot = rig.store.fold(&id("a")).unwrap().unwrap();
    kept(&rig.store.save(snapshot).unwrap());
    assert_eq!(bodies(&rig.store, "a")[1], deep);
    assert!(serde_json::from_str::<serde_json::Value>(&deep).is_ok());
}

/// An administrator who saw another memory than the one that is there must not erase it.
#[test]
fn m09_a_change_of_a_memory_that_was_not_seen_is_refused() {
    let rig = Rig::new();
    create(&rig.store, "a");
    append(&rig.store, "a", "1");
    for seen in ["0.0", "0.2", "1.1", "1.0", "7.1"] {
        let seen: Tag = seen.parse().unwrap();
        let replace = Change::replace(&id("a"), seen, &[]).unwrap();
        crate::support::refused(&rig.store.change(replace).unwrap());
    }
    assert_eq!(
        (tag(&rig.store, "a").to_string(), bodies(&rig.store, "a").len()),
        ("0.1".into(), 1)
    );
}

#[test]
fn ids_of_any_kind_are_sessions_of_their_own() {
    let rig = Rig::new();
    let drop = "'; DROP TABLE log; --";
    let names = ["a/b", "a", "A", "../x", "..", "%", "_", drop, "é", "e\u{301}"];
    let longest = "x".repeat(512);
    for name in names.iter().copied().chain([longest.as_str()]) {
        create(&rig.store, name);
        append(&rig.store, name, &serde_json::to_string(name).unwrap());
    }
    for name in names {
        assert_eq!(bodies(&rig.store, name), [serde_json::to_string(name).unwrap()]);
    }
    assert_eq!(rig.store.sessions(None, 100).unwrap().sessions.len(), names.len() + 1);
    assert!(SessionId::new(&"x".repeat(10_000)).is_err());
    let beside: Vec<_> = std::fs::read_dir(rig.folder()).unwrap().collect();
    assert!(beside.len() <= 4, "no id is a path: {beside:?}");
}
