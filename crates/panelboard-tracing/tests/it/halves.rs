//! What becomes of the others in a batch that is rejected for one record? Against a scripted server
//! that takes a body only if no record in it is poison.

use std::time::Duration;

use panelboard::State;
use panelboard_tracing::{Reason, SinkConfig, sinks::HttpSink};

use crate::{
    receiver::{Posted, Receiver},
    rig::{Fake, Rig, builder, opens_after},
};

const NOW: Duration = Duration::from_millis(1);

fn judge(_: usize, posted: &Posted) -> &'static str {
    if posted.text().contains("poison") { "422 No" } else { "204 Fine" }
}

/// One batch of all that is said, to a breaker that opens at the second failure in a row.
fn sink(receiver: &Receiver) -> SinkConfig {
    let http = HttpSink::new(&receiver.url()).expect("an address");
    let sink = SinkConfig::new("http", http).breaker(opens_after(2)).backoff(NOW, NOW);
    sink.batch_delay(Duration::from_secs(60)).batch_records(64)
}

/// The messages that it has taken, in their order.
fn taken(receiver: &Receiver) -> Vec<String> {
    let good: Vec<Posted> =
        receiver.posted().into_iter().filter(|it| judge(0, it).starts_with("204")).collect();
    let lines = good.iter().flat_map(|it| it.text().lines().map(str::to_owned).collect::<Vec<_>>());
    let message = |line: String| {
        let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        line["message"].as_str().expect("a text").to_owned()
    };
    lines.map(message).collect()
}

/// 64 messages, those of these numbers poison; and the good ones.
fn messages(bad: &[usize]) -> (Vec<String>, Vec<String>) {
    let message = |number: usize| match bad.contains(&number) {
        true => format!("poison {number}"),
        false => number.to_string(),
    };
    let all: Vec<String> = (0..64).map(message).collect();
    let good = all.iter().filter(|it| !it.starts_with("poison")).cloned().collect();
    (all, good)
}

#[test]
fn a_bad_record_does_not_take_its_batch_along() {
    let receiver = Receiver::judging(judge);
    let rig = Rig::on_time(builder([sink(&receiver)]));
    let (all, good) = messages(&[5, 40]);
    rig.info(all);
    rig.settles();
    assert_eq!(taken(&receiver), good);
    let status = rig.pipeline.sink("http").unwrap();
    assert_eq!((status.ledger.delivered, status.ledger.dropped.of(Reason::Rejected)), (62, 2));
    assert!(status.ledger.balances(), "{status:?}");
    // One for the whole, two for each of the halvings that find the two.
    assert_eq!(receiver.posted().len(), 1 + 2 * 11);
    // Two records were rejected, and good ones were taken in between: nobody is to be cut off.
    assert_eq!((status.state, status.breaker.counts.rejected), (State::Closed, 0), "{status:?}");
}

#[test]
fn the_bad_record_alone_goes_to_the_fallback() {
    let (receiver, spare) = (Receiver::judging(judge), Fake::fine());
    let sinks = [sink(&receiver).fallback("spare"), spare.sink("spare").standby()];
    let rig = Rig::on_time(builder(sinks));
    let (all, good) = messages(&[63]);
    rig.info(all);
    rig.settles();
    assert_eq!((taken(&receiver), spare.seen()), (good, vec!["poison 63".to_owned()]));
    let ledger = rig.ledger("http");
    assert_eq!((ledger.delivered, ledger.handed_over), (63, 1));
}

#[test]
fn what_is_halved_leaves_the_spill_as_it_is_decided() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::judging(judge);
    let mut rig = Rig::on_time(builder([sink(&receiver).spill(folder.path(), 1 << 20)]));
    let (all, good) = messages(&[0, 31]);
    rig.info(all);
    rig.until("decided", |_| {
        // What is on disk is settled, but not yet delivered.
        rig.pipeline.flush(NOW);
        (rig.ledger("http").routed, rig.ledger("http").waiting) == (64, 0)
    });
    let report = rig.shutdown();
    assert_eq!((taken(&receiver).len(), taken(&receiver)), (62, good), "{report}");
    let next = Rig::on_time(builder([sink(&receiver).spill(folder.path(), 1 << 20)]));
    assert_eq!(next.ledger("http").recovered, 0, "nothing is left on disk");
}

#[test]
fn a_server_that_rejects_everything_is_one_failure_a_record_and_is_left_alone() {
    let receiver = Receiver::start(&["400 No"]);
    let rig = Rig::new([sink(&receiver).batch_delay(Duration::ZERO)]);
    rig.run(|| (0..64).for_each(|number| tracing::info!(number, "poison")));
    rig.until("open", |it| it.pressure().open == 1 && rig.ledger("http").routed == 64);
    let status = rig.pipeline.sink("http").unwrap();
    assert_eq!(status.ledger.dropped.of(Reason::Rejected), 2, "the failures that opened it");
    assert!(status.ledger.balances() && status.ledger.waiting == 62, "{status:?}");
    // 64 at once or in a few batches: halved to single records at most.
    assert!(receiver.posted().len() <= 16, "{}", receiver.posted().len());
}
