//! Does a store do what a naive one would, whatever the script? Random operations in random
//! batches, with snapshots, upkeep and new openings between them.

use panelboard_store::{Class, Config};
use proptest::{prelude::*, sample::select};

use crate::{
    naive::{self, Do, Naive, SESSIONS, Sent, Seq, Told, Which},
    support::{Rig, end, from_environment, id, kept},
};

/// A part of a script.
#[derive(Clone, Debug)]
enum Part {
    /// Submitted at once, then waited for.
    Batch(Vec<Do>),
    /// A snapshot of each session, by hand.
    Snapshots,
    /// A round of the upkeep.
    Upkeep,
    /// Shut in good order and opened again.
    Reopen,
}

fn key() -> impl Strategy<Value = Option<(u8, u8)>> {
    prop_oneof![6 => Just(None), 1 => (0..4_u8, 0..2_u8).prop_map(Some)]
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![5 => Just(Which::Current), 1 => Just(Which::Older)]
}

fn operation() -> impl Strategy<Value = Do> {
    let session = || 0..SESSIONS;
    let owner = || select(naive::owners());
    let seq = prop_oneof![4 => Just(Seq::None), 4 => Just(Seq::Next), 1 => Just(Seq::Wrong)];
    let class = select(vec![Class::Memory, Class::Os, Class::Disk]);
    prop_oneof![
        3 => (session(), 0..2_u8, key())
            .prop_map(|(session, config, key)| Do::Create { session, config, key }),
        10 => (session(), owner(), seq, any::<bool>(), class, key()).prop_map(
            |(session, owner, seq, item, class, key)| {
                Do::Append { session, owner, seq, item, class, key }
            }
        ),
        1 => (session(), which(), owner())
            .prop_map(|(session, tag, owner)| Do::Clear { session, tag, owner }),
        1 => (session(), which(), 0..3_u8)
            .prop_map(|(session, tag, items)| Do::Replace { session, tag, items }),
        2 => (session(), which(), 0..3_u8)
            .prop_map(|(session, tag, items)| Do::Import { session, tag, items }),
        3 => (session(), which(), 0..20_u64)
            .prop_map(|(session, tag, to)| Do::Rollback { session, tag, to }),
        1 => (session(), owner()).prop_map(|(session, owner)| Do::Delete { session, owner }),
    ]
}

fn script() -> impl Strategy<Value = Vec<Part>> {
    let part = prop_oneof![
        6 => prop::collection::vec(operation(), 1..25).prop_map(Part::Batch),
        2 => Just(Part::Snapshots),
        1 => Just(Part::Upkeep),
        1 => Just(Part::Reopen),
    ];
    prop::collection::vec(part, 1..8)
}

fn small(config: Config) -> Config {
    config.snapshot_every(4).keep_records(3)
}

fn run(script: Vec<Part>) {
    let mut rig = Rig::without_disk(small);
    let mut naive = Naive::default();
    for session in 0..2 {
        let create = Do::Create { session, config: 0, key: None };
        let sent = Sent::new(&create, 0, &naive);
        naive.apply(&create, &sent);
        kept(&naive::submit(&rig.store, &create, &sent).unwrap());
    }
    let mut number = 0;
    for part in script {
        match part {
            Part::Batch(operations) => {
                let mut expected = Vec::new();
                let mut receipts = Vec::new();
                for op in &operations {
                    number += 1;
                    let sent = Sent::new(op, number, &naive);
                    receipts.push(naive::submit(&rig.store, op, &sent).unwrap());
                    expected.push(naive.apply(op, &sent));
                }
                let seen: Vec<Told> = receipts.iter().map(|r| naive::told(end(r))).collect();
                assert_eq!(seen, expected, "{operations:#?}");
                // What is acknowledged in memory is seen by readers with the next commit.
                kept(&rig.store.flush().unwrap());
            }
            Part::Snapshots => {
                for session in 0..SESSIONS {
                    if let Ok(Some(made)) = rig.store.fold(&id(&naive::name(session))) {
                        kept(&rig.store.save(made).unwrap());
                    }
                }
            }
            Part::Upkeep => {
                assert_eq!(rig.store.maintain().unwrap().skipped, 0);
            }
            Part::Reopen => rig = rig.reopen_with(small),
        }
        let real = naive::states(&rig.store);
        let naive = naive.states();
        assert!(naive::same(&real, &naive), "real {real:#?}\nnaive {naive:#?}");
    }
}

/// `PANELBOARD_CASES` scripts; 256 if not said.
#[test]
fn a_store_does_what_a_naive_one_would() {
    let cases = from_environment("PANELBOARD_CASES", 256) as u32;
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(script in script())| run(script));
}
