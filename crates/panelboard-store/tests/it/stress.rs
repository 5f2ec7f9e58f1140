//! Do many threads on few sessions come to what their receipts say? Each thread keeps its own
//! account of what was acknowledged; afterwards, what is there must be exactly that.

use std::{
    collections::BTreeMap,
    sync::{Barrier, Mutex},
    thread,
};

use panelboard_store::{Change, Class, Refusal, WriteError, Written};

use crate::support::{Rig, create, end, from_environment, id, item, tag};

const THREADS: u64 = 6;
const SESSIONS: [&str; 2] = ["a", "b"];

/// `PANELBOARD_ROUNDS` writes of each thread; 150 if not said.
#[test]
fn what_is_there_is_what_was_acknowledged() {
    let rounds = from_environment("PANELBOARD_ROUNDS", 150);
    let rig = Rig::with(|config| config.upkeep(true).snapshot_every(16).keep_records(4));
    for name in SESSIONS {
        create(&rig.store, name);
    }
    // By session and seq: what a record there must be.
    let account: Mutex<BTreeMap<(usize, u64), String>> = Mutex::default();
    let clears: Mutex<BTreeMap<(usize, u64), u64>> = Mutex::default();
    let start = Barrier::new(THREADS as usize);
    let note = |session: usize, written: &Written, body: String| {
        let twice = account.lock().unwrap().insert((session, written.tag.seq), body);
        assert_eq!(twice, None, "a seq is given once");
    };
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (rig, start, note, clears) = (&rig, &start, &note, &clears);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(number);
                start.wait();
                for round in 0..rounds {
                    let session = random.usize(..SESSIONS.len());
                    let name = SESSIONS[session];
                    if random.u8(..16) == 0 {
                        let seen = tag(&rig.store, name);
                        match end(&rig.store.change(Change::clear(&id(name), seen)).unwrap()) {
                            Ok(written) => {
                                assert_eq!(written.tag.era, seen.era + 1);
                                let at = (session, written.tag.seq);
                                clears.lock().unwrap().insert(at, written.tag.era);
                            }
                            Err(WriteError::Refused(Refusal::StaleTag { current })) => {
                                assert_ne!(current, seen);
                            }
                            other => panic!("{other:?}"),
                        }
                        continue;
                    }
                    let body = format!("[{number},{round}]");
                    let class = if random.bool() { Class::Disk } else { Class::Os };
                    let receipt = rig.store.append(item(name, &body).class(class)).unwrap();
                    note(session, &end(&receipt).unwrap(), body);
                }
            });
        }
    });
    let (account, clears) = (account.into_inner().unwrap(), clears.into_inner().unwrap());
    let rig = rig.reopen();
    for (session, name) in SESSIONS.iter().enumerate() {
        rig.store.check(&id(name)).unwrap();
        let page = rig.store.memory(&id(name), None, 1_000).unwrap();
        let written = account.range((session, 0)..=(session, u64::MAX)).count();
        let cleared: Vec<_> = clears.range((session, 0)..=(session, u64::MAX)).collect();
        assert_eq!(page.tag.seq as usize, written + cleared.len(), "no seq is missing");
        assert_eq!(page.tag.era as usize, cleared.len(), "one era for each clear");
        let last = cleared.last().map_or(0, |((_, seq), _)| *seq);
        let expected: Vec<_> = account
            .range((session, last)..=(session, u64::MAX))
            .map(|((_, seq), body)| (*seq, body.clone()))
            .collect();
        let there: Vec<_> =
            page.items.iter().map(|item| (item.seq, item.body.to_string())).collect();
        assert_eq!(there, expected, "what came since the last clear, in order");
    }
    assert_eq!(rig.store.stats().batches_failed, 0);
}
