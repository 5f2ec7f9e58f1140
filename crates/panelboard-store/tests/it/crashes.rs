//! Is what a crash leaves a prefix of what was submitted, with all that was acknowledged? The
//! writer is ended before and after each of its steps, its log is cut at each byte, and each step
//! fails in turn.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
};

use panelboard_store::{
    Class, Failure, FailureKind, Moment, Receipt, Step, Store, Verdict, WriteError,
};

use crate::{
    naive::{self, Do, Naive, Sent, Seq, State, Told, Which},
    support::{
        Rig, WAIT, bodies, config, create, end, folder_without_disk, from_environment, image, item,
        kept, owner,
    },
};

/// A little of everything. Two writes are of the lowest class that `lowest` allows.
fn script(lowest: Class) -> Vec<Do> {
    let current = Which::Current;
    let append = |session, class| {
        let (owner, seq, key) = (Some(owner(1, 1)), Seq::Next, None);
        Do::Append { session, owner, seq, item: true, class, key }
    };
    vec![
        Do::Create { session: 0, config: 0, key: Some((1, 1)) },
        append(0, Class::Disk),
        append(0, Class::Os),
        Do::Create { session: 1, config: 0, key: None },
        append(1, lowest),
        append(0, Class::Disk),
        Do::Rollback { session: 0, tag: current, to: 2 },
        Do::Import { session: 1, tag: current, items: 2 },
        Do::Clear { session: 0, tag: current, owner: Some(owner(1, 2)) },
        append(0, Class::Disk), // fenced
        Do::Append {
            session: 0,
            owner: Some(owner(1, 2)),
            seq: Seq::Next,
            item: true,
            class: Class::Disk,
            key: Some((2, 1)),
        },
        Do::Replace { session: 1, tag: current, items: 1 },
        Do::Delete { session: 1, owner: None },
        append(1, Class::Disk), // deleted
        Do::Create { session: 1, config: 1, key: None },
    ]
}

/// What is sent for each operation, what it is told, and what the naive store shows after each
/// number of them.
fn expected() -> (Vec<Sent>, Vec<Told>, Vec<Vec<State>>) {
    let mut naive = Naive::default();
    let (mut sent, mut told, mut states) = (vec![], vec![], vec![naive.states()]);
    for (number, op) in script(Class::Memory).iter().enumerate() {
        let this = Sent::new(op, number, &naive);
        told.push(naive.apply(op, &this));
        sent.push(this);
        states.push(naive.states());
    }
    (sent, told, states)
}

/// How a script is submitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// Each is waited for before the next.
    OneByOne,
    /// All, before the writer begins.
    AtOnce,
}

/// Runs the script on a store whose writer asks `hook`. Answers what became of each operation, in
/// the naive store's words; None for those that the store did not come to.
fn run(
    rig: &Rig,
    script: &[Do],
    pace: Pace,
    mut hook: impl FnMut(Step, Moment) -> Verdict + Send + 'static,
) -> Vec<Option<Told>> {
    // The script is on its way before the writer's first step.
    let (go, may) = mpsc::sync_channel::<()>(1);
    let mut waits = pace == Pace::AtOnce;
    let hook = move |step, moment| {
        if std::mem::take(&mut waits) {
            may.recv().unwrap();
        }
        hook(step, moment)
    };
    rig.store.shut();
    let store = Store::open(&rig.path, config(&rig.clock).inject(hook)).unwrap();
    let (sent, ..) = expected();
    let mut receipts: Vec<Option<Receipt>> = Vec::new();
    for (op, sent) in script.iter().zip(&sent) {
        let receipt = naive::submit(&store, op, sent).ok();
        if let (Pace::OneByOne, Some(receipt)) = (pace, &receipt) {
            let _ = receipt.wait(WAIT).expect("decided");
        }
        receipts.push(receipt);
    }
    let _ = go.send(());
    let told = receipts.iter().map(|receipt| match end(receipt.as_ref()?) {
        Err(WriteError::Stopped) => None,
        end => Some(naive::told(end)),
    });
    told.collect()
}

/// What a store opened on an image shows.
fn reopened(path: &Path) -> Vec<State> {
    let store = Store::open(path, config(&Default::default())).unwrap();
    let states = naive::states(&store);
    // And it can be written to.
    kept(&store.flush().unwrap());
    states
}

/// Up to which operation a store has come, if it shows one of the states between.
fn prefix(real: &[State], states: &[Vec<State>]) -> Option<usize> {
    states.iter().rposition(|state| naive::same(real, state))
}

#[test]
fn m03_a_crash_at_any_step_leaves_a_prefix_with_all_that_was_acknowledged() {
    let (_, all, states) = expected();
    let script = script(Class::Memory);
    for pace in [Pace::OneByOne, Pace::AtOnce] {
        let mut crashes = 0;
        for at in 0.. {
            let rig = Rig::without_disk(|config| config);
            let images = folder_without_disk();
            let (from, to) = (rig.path.clone(), images.path().to_owned());
            let mut steps = 0;
            let told = run(&rig, &script, pace, move |_, _| {
                steps += 1;
                if steps - 1 != at {
                    return Verdict::Go;
                }
                image(&from, &to);
                Verdict::Crash
            });
            let copy = images.path().join("panelboard.db");
            if !copy.exists() {
                break;
            }
            crashes += 1;
            // Of a class above memory: what is of that one may be lost, by its own account.
            let acknowledged = told.iter().zip(&script).rposition(|(told, op)| {
                let volatile = matches!(op, Do::Append { class: Class::Memory, .. });
                told.is_some() && !volatile
            });
            let acknowledged = acknowledged.map_or(0, |last| last + 1);
            let real = reopened(&copy);
            let found = prefix(&real, &states);
            let found = found.unwrap_or_else(|| panic!("{pace:?}, step {at}: {real:#?}"));
            assert!(
                found >= acknowledged,
                "{pace:?}, step {at}: {acknowledged} were acknowledged, {found} are there"
            );
            for (told, expected) in told.iter().zip(&all) {
                assert!(told.as_ref().is_none_or(|told| told == expected), "{pace:?}, step {at}");
            }
        }
        // So many steps has it at the least: each operation writes something.
        assert!(crashes > 2 * script.len(), "{pace:?}: {crashes}");
    }
}

/// A loss of power may leave any part of what was not synced, in any state. Here: the log cut at
/// many bytes, with nothing behind the cut, and with rubbish.
#[test]
fn m03_a_log_that_is_cut_at_any_byte_leaves_a_prefix() {
    let (_, all, states) = expected();
    let script = script(Class::Memory);
    let wal = |path: &Path| PathBuf::from(format!("{}-wal", path.display()));
    let rig = Rig::without_disk(|config| config);
    let images = folder_without_disk();
    // How long the log is at each commit. Each commit is of one operation.
    let lengths: Arc<Mutex<Vec<u64>>> = Arc::default();
    let (ends, log) = (Arc::clone(&lengths), wal(&rig.path));
    let (from, to, last) = (rig.path.clone(), images.path().to_owned(), script.len());
    let told = run(&rig, &script, Pace::OneByOne, move |step, moment| {
        if (step, moment) != (Step::Commit, Moment::After) {
            return Verdict::Go;
        }
        let mut ends = ends.lock().unwrap();
        ends.push(fs::metadata(&log).unwrap().len());
        if ends.len() == last {
            image(&from, &to);
        }
        Verdict::Go
    });
    assert_eq!(told, all.into_iter().map(Some).collect::<Vec<_>>());
    let lengths = lengths.lock().unwrap().clone();
    let whole = images.path().join("panelboard.db");
    let bytes = fs::read(wal(&whole)).unwrap();
    // A frame has 4,120 bytes: a stride that is prime to it cuts another place of each.
    let stride = from_environment("PANELBOARD_STRIDE", 1_511) as usize;
    let ends = lengths.iter().flat_map(|end| [*end as usize - 1, *end as usize]);
    let mut found = BTreeSet::new();
    for length in (0..bytes.len()).step_by(stride).chain(ends) {
        for torn in [false, true] {
            let cut = folder_without_disk();
            let copy = image(&whole, cut.path());
            let mut left = bytes[..length].to_vec();
            if torn {
                left.resize(bytes.len(), 0xA5);
            }
            fs::write(wal(&copy), left).unwrap();
            let real = reopened(&copy);
            let prefix = prefix(&real, &states);
            let prefix = prefix.unwrap_or_else(|| panic!("cut at {length}: {real:#?}"));
            let committed = lengths.iter().filter(|end| **end <= length as u64).count();
            assert!(prefix >= committed, "cut at {length}: {prefix} of {committed}");
            found.insert(prefix);
        }
    }
    assert!(found.len() > 8, "the cuts went through many states: {found:?}");
}

/// As a full disk, or a failing one: at each step in turn. Its batch is gone with all that
/// it held, and only that.
#[test]
fn m07_a_failure_at_any_step_takes_its_batch_and_nothing_else() {
    let (sent, ..) = expected();
    let script = script(Class::Os);
    for kind in [FailureKind::DiskFull, FailureKind::Io] {
        for pace in [Pace::OneByOne, Pace::AtOnce] {
            for at in 0.. {
                let rig = Rig::without_disk(|config| config);
                let failed = Arc::new(AtomicBool::new(false));
                let (mut steps, noted) = (0, Arc::clone(&failed));
                let told = run(&rig, &script, pace, move |step, moment| {
                    let counts = moment == Moment::Before && step != Step::Rollback;
                    steps += usize::from(counts);
                    if !counts || steps - 1 != at {
                        return Verdict::Go;
                    }
                    noted.store(true, Ordering::Relaxed);
                    Verdict::Fail(Failure::new(kind, "injected"))
                });
                if !failed.load(Ordering::Relaxed) {
                    assert!(at > script.len(), "each operation has its steps");
                    break;
                }
                // The naive store is asked for those that did not fail.
                let mut naive = Naive::default();
                for ((op, sent), told) in script.iter().zip(&sent).zip(&told) {
                    let told = told.as_ref().expect("the store goes on");
                    if *told != Told::Failed {
                        let expected = naive.apply(op, sent);
                        assert_eq!(*told, expected, "{kind:?}, {pace:?}, step {at}: {op:?}");
                    }
                }
                assert!(told.contains(&Some(Told::Failed)), "{kind:?}, {pace:?}, step {at}");
                let (real, naive) = (reopened(&rig.path), naive.states());
                let same = naive::same(&real, &naive);
                assert!(same, "{kind:?}, {pace:?}, step {at}: {real:#?}\n{naive:#?}");
            }
        }
    }
}

#[test]
fn m03_a_crash_while_a_failed_batch_is_rolled_back_leaves_nothing_of_it() {
    let rig = Rig::without_disk(|config| config);
    create(&rig.store, "a");
    let images = folder_without_disk();
    let (from, to) = (rig.path.clone(), images.path().to_owned());
    let rig = rig.reopen_with(move |config| {
        config.inject(move |step, _| match step {
            Step::Commit => Verdict::Fail(Failure::new(FailureKind::DiskFull, "injected")),
            Step::Rollback => {
                image(&from, &to);
                Verdict::Crash
            }
            _ => Verdict::Go,
        })
    });
    let first = rig.store.append(item("a", "1")).unwrap();
    assert_eq!(end(&first), Err(WriteError::Stopped));
    // The writer is gone, or going.
    if let Ok(late) = rig.store.append(item("a", "2")) {
        assert_eq!(end(&late), Err(WriteError::Stopped));
    }
    let copy = images.path().join("panelboard.db");
    let store = Store::open(copy, config(&rig.clock)).unwrap();
    assert!(bodies(&store, "a").is_empty());
}
