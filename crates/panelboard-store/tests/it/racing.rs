//! Do two writers that race both keep what they must, and does one of them hear of the other?

use std::{sync::Barrier, thread};

use panelboard_store::{Append, Change, NewItem, Outcome, Owner, Refusal, Step, Tag, WriteError};

use crate::support::{
    Gate, Rig, append, bodies, clear, create, end, id, item, kept, memory, owner, refused, tag,
};

#[test]
fn m01_of_two_saves_of_one_memory_one_is_made_and_the_other_is_told() {
    let rig = Rig::new();
    create(&rig.store, "a");
    let mut seen = tag(&rig.store, "a");
    for round in 0..20 {
        let start = Barrier::new(2);
        let save = |who: &str| {
            let items = [NewItem::new("message", format!("\"{round} {who}\"")).unwrap()];
            let replace = Change::replace(&id("a"), seen, &items).unwrap();
            start.wait();
            end(&rig.store.change(replace).unwrap())
        };
        let ends = thread::scope(|scope| {
            [scope.spawn(|| save("x")), scope.spawn(|| save("y"))].map(|one| one.join().unwrap())
        });
        let made = ends.iter().filter(|end| end.is_ok()).count();
        assert_eq!(made, 1, "{ends:?}");
        let won = if ends[0].is_ok() { "x" } else { "y" };
        assert_eq!(bodies(&rig.store, "a"), [format!("\"{round} {won}\"")]);
        seen = tag(&rig.store, "a");
        let told = ends.iter().find_map(|end| end.as_ref().err());
        let stale = Refusal::StaleTag { current: seen };
        assert_eq!(told, Some(&WriteError::Refused(stale)), "and by which tag");
    }
    assert_eq!(rig.store.stats().stale_tags, 20);
}

#[test]
fn m01_appends_that_race_are_all_kept_in_the_order_of_their_numbers() {
    let rig = Rig::new();
    create(&rig.store, "a");
    let each = 100;
    let written: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let store = &rig.store;
                scope.spawn(move || {
                    let submit = |n| store.append(item("a", &format!("[{thread},{n}]"))).unwrap();
                    let receipts: Vec<_> = (0..each).map(submit).collect();
                    receipts.iter().map(kept).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut by_lsn: Vec<_> = written.iter().map(|w| (w.lsn, w.tag.seq)).collect();
    by_lsn.sort_unstable();
    let seqs: Vec<u64> = by_lsn.iter().map(|(_, seq)| *seq).collect();
    assert_eq!(seqs, (1..=4 * each).collect::<Vec<_>>());
    let there = bodies(&rig.store, "a");
    for thread in 0..4 {
        let of_thread = there.iter().filter(|body| body.starts_with(&format!("[{thread},")));
        let expected = (0..each).map(|n| format!("[{thread},{n}]"));
        assert!(of_thread.cloned().eq(expected), "each thread's in its own order");
    }
}

#[test]
fn m06_tags_are_whole_numbers_and_every_conflict_is_told() {
    let rig = Rig::new();
    create(&rig.store, "a");
    append(&rig.store, "a", "1");
    let seen = tag(&rig.store, "a");
    assert_eq!(seen, Tag { era: 0, seq: 1 });
    // Nothing came between, however much time did.
    rig.clock.advance(std::time::Duration::from_secs(3_600));
    let cleared = kept(&clear(&rig.store, "a", seen)).tag;
    assert_eq!(cleared, Tag { era: 1, seq: 2 });
    // Something came between, in no time at all. Each kind of structural write is told.
    append(&rig.store, "a", "2");
    let current = Tag { era: 1, seq: 3 };
    let changes = [
        Change::clear(&id("a"), cleared),
        Change::rollback(&id("a"), cleared, 2),
        Change::replace(&id("a"), cleared, &[]).unwrap(),
        Change::import(&id("a"), cleared, &[]).unwrap(),
    ];
    for change in changes {
        let receipt = rig.store.change(change).unwrap();
        assert_eq!(refused(&receipt), Refusal::StaleTag { current });
    }
    assert_eq!((tag(&rig.store, "a"), bodies(&rig.store, "a")), (current, vec!["2".into()]));
    // And an append needs none: no handle on a session is a lease on it.
    append(&rig.store, "a", "3");
}

#[test]
fn m06_an_append_that_numbers_itself_is_the_next_or_refused() {
    let rig = Rig::new();
    create(&rig.store, "a");
    let send = |seq: u64| rig.store.append(item("a", &seq.to_string()).seq(seq)).unwrap();
    let receipts: Vec<_> = [1, 3, 2, 2, 3].into_iter().map(send).collect();
    let ends: Vec<_> = receipts.iter().map(|receipt| end(receipt).map(|w| w.tag.seq)).collect();
    let wrong = |expected| Err::<u64, _>(WriteError::Refused(Refusal::OutOfOrder { expected }));
    assert_eq!(ends, [Ok(1), wrong(2), Ok(2), wrong(3), Ok(3)]);
    assert_eq!(bodies(&rig.store, "a"), ["1", "2", "3"]);
}

/// The fence is compared in the transaction: both stand in the queue before the writer begins.
#[test]
fn a_write_of_an_older_owner_behind_a_newer_one_is_refused_and_counted() {
    let (gate, hook) = Gate::new(Step::Begin, false);
    let rig = Rig::with(|config| config.inject(hook));
    let first = rig.store.create(panelboard_store::Create::new(&id("a"), "{}").unwrap()).unwrap();
    gate.arrived();
    let send = |body: &str, by| rig.store.append(item("a", body).owner(by)).unwrap();
    let receipts = [
        send("1", owner(1, 1)),
        send("2", owner(1, 2)),
        send("3", owner(1, 1)), // late
        send("4", owner(2, 0)), // a later term, whatever the fence
        send("5", owner(1, 9)), // late
        send("6", owner(2, 0)), // the same is no older one
    ];
    let note = rig.store.append(item("a", "7")).unwrap();
    gate.open();
    kept(&first);
    let ends: Vec<_> = receipts.iter().map(end).collect();
    let late = |current: Owner| Err::<u64, _>(WriteError::Refused(Refusal::Fenced { current }));
    let seqs: Vec<Result<u64, _>> =
        ends.into_iter().map(|end| end.map(|written| written.tag.seq)).collect();
    let (second, third) = (late(owner(1, 2)), late(owner(2, 0)));
    assert_eq!(seqs, [Ok(1), Ok(2), second, Ok(3), third, Ok(4)]);
    kept(&note);
    assert_eq!(bodies(&rig.store, "a"), ["1", "2", "4", "6", "7"]);
    assert_eq!(rig.store.stats().fenced, 2);
    // And after a restart.
    let rig = rig.reopen();
    let late = rig.store.append(item("a", "8").owner(owner(1, 9))).unwrap();
    assert_eq!(refused(&late), Refusal::Fenced { current: owner(2, 0) });
}

#[test]
fn a_cleared_session_is_not_filled_again_by_the_run_that_was_cancelled() {
    let rig = Rig::new();
    create(&rig.store, "a");
    kept(&rig.store.append(item("a", "1").owner(owner(1, 1))).unwrap());
    let clear = Change::clear(&id("a"), tag(&rig.store, "a")).owner(owner(1, 2));
    kept(&rig.store.change(clear).unwrap());
    let late = rig.store.append(item("a", "2").owner(owner(1, 1))).unwrap();
    assert_eq!(refused(&late), Refusal::Fenced { current: owner(1, 2) });
    assert!(bodies(&rig.store, "a").is_empty());
}

/// Between the reading of the memory and the rollback, somebody replaces it: the rollback must not
/// restore what was read before.
#[test]
fn m11_a_rollback_goes_by_what_the_writer_finds_and_not_by_what_was_read_before() {
    let rig = Rig::new();
    create(&rig.store, "a");
    for body in ["1", "2", "3"] {
        append(&rig.store, "a", body);
    }
    let base = 1; // a run began after record 1
    let items = [NewItem::new("message", "\"a summary\"").unwrap()];
    let replace = Change::replace(&id("a"), tag(&rig.store, "a"), &items).unwrap();
    let replaced = kept(&rig.store.change(replace).unwrap()).tag;
    let stale = Change::rollback(&id("a"), Tag { era: 0, seq: 3 }, base);
    let why = refused(&rig.store.change(stale).unwrap());
    assert_eq!(why, Refusal::StaleTag { current: replaced });
    append(&rig.store, "a", "5");
    // With the tag of now, it goes back to the replacement and no further.
    let rollback = Change::rollback(&id("a"), tag(&rig.store, "a"), base);
    let written = kept(&rig.store.change(rollback).unwrap());
    assert_eq!(written.outcome, Outcome::RolledBack { to: replaced.seq });
    assert_eq!(bodies(&rig.store, "a"), ["\"a summary\""]);
    // The record says so too, so that whoever folds the log comes to the same.
    let log = rig.store.log(&id("a"), written.tag.seq - 1, 1).unwrap();
    assert_eq!(&*log.records[0].body, r#"{"to":4}"#);
}

#[test]
fn m11_what_comes_between_the_submission_of_a_rollback_and_the_writer_makes_it_stale() {
    let (gate, hook) = Gate::new(Step::Begin, true);
    let rig = Rig::with(|config| config.inject(hook));
    let created = rig.store.create(panelboard_store::Create::new(&id("a"), "{}").unwrap()).unwrap();
    gate.arrived();
    let one = rig.store.append(item("a", "1")).unwrap();
    let note = rig.store.append(item("a", "2")).unwrap();
    // Decided when there was one record.
    let rollback = Change::rollback(&id("a"), Tag { era: 0, seq: 1 }, 0);
    let rollback = rig.store.change(rollback).unwrap();
    drop(gate);
    kept(&created);
    kept(&one);
    kept(&note);
    assert_eq!(refused(&rollback), Refusal::StaleTag { current: Tag { era: 0, seq: 2 } });
    assert_eq!(memory(&rig.store, "a").items.len(), 2);
}

#[test]
fn ranges_that_were_rolled_back_stay_away() {
    let rig = Rig::new();
    create(&rig.store, "a");
    let roll_back = |to| {
        let change = Change::rollback(&id("a"), tag(&rig.store, "a"), to);
        kept(&rig.store.change(change).unwrap()).outcome
    };
    for body in ["1", "2", "3"] {
        append(&rig.store, "a", body);
    }
    assert_eq!(roll_back(1), Outcome::RolledBack { to: 1 }); // record 4
    append(&rig.store, "a", "5");
    // Into the range that was rolled back, then over its rollback.
    assert_eq!(roll_back(2), Outcome::RolledBack { to: 2 });
    assert_eq!(bodies(&rig.store, "a"), ["1"]);
    append(&rig.store, "a", "7");
    assert_eq!(roll_back(100), Outcome::RolledBack { to: 7 }, "beyond the end is nothing");
    assert_eq!(bodies(&rig.store, "a"), ["1", "7"]);
    assert_eq!(roll_back(0), Outcome::RolledBack { to: 0 });
    assert!(bodies(&rig.store, "a").is_empty());
}

#[test]
fn an_owner_that_the_file_cannot_hold_is_refused_alone() {
    let rig = Rig::new();
    create(&rig.store, "a");
    let far = rig.store.append(item("a", "1").owner(owner(u64::MAX, 1))).unwrap();
    let near = rig.store.append(Append::event(&id("a"), "note", "2").unwrap()).unwrap();
    assert_eq!(refused(&far), Refusal::OwnerTooLarge);
    kept(&near);
}
