//! Is a write that is sent twice made once: at once, later, after a crash; and for how long?

use std::{path::Path, time::Duration};

use panelboard_store::{
    Append, Change, Create, Delete, Idempotency, Outcome, ReadError, Refusal, Step, Store, Verdict,
};

use crate::support::{
    Gate, Rig, bodies, create, delete, end, id, image, item, kept, owner, refused, tag,
};

fn keyed(body: &str, key: &str, fingerprint: &str) -> Append {
    let key = Idempotency::new("team-a POST /runs", key, fingerprint, format!("run of {body}"));
    item("a", body).key(key.unwrap())
}

fn replayed(answer: &str) -> Outcome {
    Outcome::Replayed(answer.as_bytes().into())
}

/// Opened again so that the writer ends at its step `at` of what comes; then what is in the file
/// stands in the folder `to`.
fn crashing(rig: Rig, at: u32, to: &Path) -> Rig {
    let (from, to) = (rig.path.clone(), to.to_owned());
    let mut steps = 0;
    rig.reopen_with(move |config| {
        config.inject(move |_, _| {
            steps += 1;
            if steps - 1 == at {
                image(&from, &to);
                return Verdict::Crash;
            }
            Verdict::Go
        })
    })
}

#[test]
fn two_at_once_with_one_key_are_made_once() {
    let (gate, hook) = Gate::new(Step::Begin, true);
    let rig = Rig::new();
    create(&rig.store, "a");
    let rig = rig.reopen_with(|config| config.inject(hook));
    let first = rig.store.append(keyed("1", "k", "f")).unwrap();
    gate.arrived();
    let second = rig.store.append(keyed("2", "k", "f")).unwrap();
    let other = rig.store.append(keyed("3", "k", "another")).unwrap();
    drop(gate);
    let (made, again) = (kept(&first), kept(&second));
    assert_eq!((made.outcome.clone(), again.outcome.clone()), (Outcome::New, replayed("run of 1")));
    assert_eq!((again.lsn, again.tag), (made.lsn, made.tag), "those of the write that was made");
    assert_eq!(refused(&other), Refusal::KeyReused);
    assert_eq!(bodies(&rig.store, "a"), ["1"]);
}

#[test]
fn a_key_is_there_after_a_crash_exactly_if_its_record_is() {
    // At each step of the write that holds both.
    for at in 0.. {
        let rig = Rig::new();
        create(&rig.store, "a");
        let images = tempfile::tempdir().unwrap();
        let rig = crashing(rig, at, images.path());
        let _ = end(&rig.store.append(keyed("1", "k", "f")).unwrap());
        let copy = images.path().join("panelboard.db");
        if !copy.exists() {
            assert!(at > 6, "{at}");
            return;
        }
        let config = crate::support::config(&rig.clock);
        let store = Store::open(&copy, config).unwrap();
        let there = bodies(&store, "a").len();
        assert_eq!(store.answered("team-a POST /runs", "k").unwrap().is_some(), there == 1);
        // The client sends it again: whatever came before, it is there once.
        let again = kept(&store.append(keyed("2", "k", "f")).unwrap());
        assert_eq!(again.outcome != Outcome::New, there == 1, "step {at}");
        assert_eq!(bodies(&store, "a").len(), 1);
    }
}

#[test]
fn a_key_of_a_write_that_was_refused_is_not_kept() {
    let rig = Rig::new();
    create(&rig.store, "a");
    kept(&rig.store.append(item("a", "0").owner(owner(1, 5))).unwrap());
    let late = rig.store.append(keyed("1", "k", "f").owner(owner(1, 4))).unwrap();
    assert_eq!(refused(&late), Refusal::Fenced { current: owner(1, 5) });
    let again = kept(&rig.store.append(keyed("2", "k", "f").owner(owner(1, 5))).unwrap());
    assert_eq!(again.outcome, Outcome::New);
    // And a replay is one though the fence has moved on: the answer is what was asked for.
    kept(&rig.store.append(item("a", "3").owner(owner(1, 6))).unwrap());
    let replay = kept(&rig.store.append(keyed("4", "k", "f").owner(owner(1, 5))).unwrap());
    assert_eq!(replay.outcome, replayed("run of 2"));
}

#[test]
fn each_kind_of_write_has_its_key() {
    let rig = Rig::new();
    let key = |name| Idempotency::new("s", name, "f", name).unwrap();
    let make = || rig.store.create(Create::new(&id("a"), "{}").unwrap().key(key("c"))).unwrap();
    assert_eq!(kept(&make()).outcome, Outcome::New);
    assert_eq!(kept(&make()).outcome, replayed("c"));
    // One that changes nothing is a write as well: its answer is kept.
    let same = || rig.store.create(Create::new(&id("a"), "{}").unwrap().key(key("e"))).unwrap();
    assert_eq!(kept(&same()).outcome, Outcome::Same);
    assert_eq!(kept(&same()).outcome, replayed("e"));
    let seen = tag(&rig.store, "a");
    let clear = || rig.store.change(Change::clear(&id("a"), seen).key(key("d"))).unwrap();
    let cleared = kept(&clear());
    let again = kept(&clear());
    assert_eq!((again.tag, again.outcome), (cleared.tag, replayed("d")), "and no stale tag");
    // A session that is gone since: what was answered stays answered.
    delete(&rig.store, "a");
    assert_eq!(kept(&make()).outcome, replayed("c"));
}

#[test]
fn a_delete_that_is_sent_again_leaves_what_was_created_since() {
    let rig = Rig::new();
    let delete = |key| {
        let key = Idempotency::new("DELETE a", key, "f", "gone").unwrap();
        rig.store.delete(Delete::new(&id("a")).key(key)).unwrap()
    };
    assert_eq!(kept(&delete("before")).outcome, Outcome::Same, "there is none");
    create(&rig.store, "a");
    assert_eq!(kept(&delete("k")).outcome, Outcome::New);
    assert_eq!(kept(&delete("after")).outcome, Outcome::Same, "there is none any more");
    create(&rig.store, "a");
    for key in ["before", "k", "after"] {
        assert_eq!(kept(&delete(key)).outcome, replayed("gone"), "{key}");
    }
    assert!(rig.store.session(&id("a")).is_ok());
    let refused_key = Idempotency::new("DELETE a", "e", "f", "gone").unwrap();
    let epoch = panelboard_store::Epoch(1);
    let late = Delete::new(&id("a")).epoch(epoch).with(&id("b")).key(refused_key);
    create(&rig.store, "b");
    assert!(matches!(refused(&rig.store.delete(late).unwrap()), Refusal::OtherEpoch { .. }));
    assert!(rig.store.session(&id("b")).is_ok(), "refused as a whole");
    assert!(rig.store.answered("DELETE a", "e").unwrap().is_none());
}

#[test]
fn a_create_keeps_its_key_if_it_made_something_and_tells_when() {
    let rig = Rig::new();
    let make = |key, answer: &str| {
        let key = Idempotency::new("s", key, "f", answer).unwrap().only_new();
        rig.store.create(Create::new(&id("a"), "{}").unwrap().key(key)).unwrap()
    };
    let made = kept(&make("k", "made"));
    rig.clock.advance(Duration::from_secs(1));
    assert_eq!(kept(&make("same", "made")).outcome, Outcome::Same);
    assert_eq!(rig.store.answered("s", "same").unwrap(), None);
    assert_eq!(kept(&make("k", "made")).outcome, replayed("made"));
    let (known, session) =
        (rig.store.answered("s", "k").unwrap().unwrap(), rig.store.session(&id("a")));
    let session = session.unwrap();
    assert_eq!((known.epoch, known.made), (made.epoch, session.created));
}

#[test]
fn two_sessions_that_end_together_end_together() {
    // At each step of the write that ends both.
    for at in 0.. {
        let rig = Rig::new();
        create(&rig.store, "a");
        create(&rig.store, "b");
        let images = tempfile::tempdir().unwrap();
        let rig = crashing(rig, at, images.path());
        let key = Idempotency::new("DELETE a", "k", "f", "gone").unwrap();
        let delete = Delete::new(&id("a")).with(&id("b")).key(key);
        let _ = end(&rig.store.delete(delete.clone()).unwrap());
        let copy = images.path().join("panelboard.db");
        if !copy.exists() {
            assert!(at > 6, "{at}");
            return;
        }
        let store = Store::open(&copy, crate::support::config(&rig.clock)).unwrap();
        let gone = |name| store.session(&id(name)).err() == Some(ReadError::Deleted);
        assert_eq!(gone("a"), gone("b"), "step {at}");
        assert_eq!(store.answered("DELETE a", "k").unwrap().is_some(), gone("a"), "step {at}");
        kept(&store.delete(delete).unwrap());
        assert!(gone("a") && gone("b"));
    }
}

#[test]
fn keys_go_when_their_time_is_over() {
    let hour = Duration::from_secs(3_600);
    let rig = Rig::with(|config| config.idempotency_ttl(hour));
    create(&rig.store, "a");
    kept(&rig.store.append(keyed("1", "k", "f")).unwrap());
    rig.clock.advance(hour);
    assert_eq!(
        kept(&rig.store.append(keyed("2", "k", "f")).unwrap()).outcome,
        replayed("run of 1")
    );
    rig.clock.advance(Duration::from_micros(1));
    assert!(rig.store.answered("team-a POST /runs", "k").unwrap().is_none());
    let again = kept(&rig.store.append(keyed("3", "k", "other")).unwrap());
    assert_eq!(again.outcome, Outcome::New, "whatever it was used for before");
    rig.clock.advance(2 * hour);
    rig.store.maintain().unwrap();
    let connection = rusqlite::Connection::open(&rig.path).unwrap();
    let left: u64 =
        connection.query_row("SELECT count(*) FROM idempotency", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

#[test]
fn keys_are_as_many_as_are_allowed_and_the_oldest_go() {
    let rig = Rig::with(|config| config.max_idempotency_keys(10));
    create(&rig.store, "a");
    let send =
        |n: u64| kept(&rig.store.append(keyed(&n.to_string(), &n.to_string(), "f")).unwrap());
    for n in 0..15 {
        assert_eq!(send(n).outcome, Outcome::New);
    }
    assert_eq!(rig.store.stats().keys_evicted, 5);
    let there = |n: u64| rig.store.answered("team-a POST /runs", &n.to_string()).unwrap().is_some();
    assert!((0..5).all(|n| !there(n)) && (5..15).all(there));
    // Counted anew after a restart.
    let rig = rig.reopen_with(|config| config.max_idempotency_keys(10));
    kept(&rig.store.append(keyed("15", "15", "f")).unwrap());
    assert_eq!(rig.store.stats().keys_evicted, 1);
    assert!(rig.store.answered("team-a POST /runs", "5").unwrap().is_none());
}
