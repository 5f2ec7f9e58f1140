//! Does everybody who is connected hear of everything, in order, whatever the others do?

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use panelboard_tasks::{
    AttachRefused, BoxFuture, ConnId, Cursor, CursorError, Delivery, DeltaRefused, Ended, Epoch,
    Event, Fence, History, HistoryError, Hub, HubLimits, Mode, Offset, Position, SessionId,
};

use crate::support::{id, settle};

/// A durable log in memory, which can forget its beginning and become unreadable.
#[derive(Debug, Default)]
struct Store {
    log: Mutex<Vec<Event>>,
    first: Mutex<u64>,
    epoch: Mutex<&'static str>,
    unreadable: AtomicBool,
}

impl Store {
    fn with(events: u64) -> Arc<Self> {
        let (first, epoch) = (Mutex::new(1), Mutex::new("log-1"));
        let store = Self { first, epoch, ..Self::default() };
        (1..=events).for_each(|seq| store.append(seq));
        Arc::new(store)
    }

    fn append(&self, seq: u64) {
        self.log.lock().expect("no panic under it").push(event(seq));
    }

    fn epoch(&self) -> Epoch {
        Epoch::new(&self.epoch.lock().expect("no panic under it"))
    }

    fn forget_before(&self, first: u64) {
        *self.first.lock().expect("no panic under it") = first;
    }
}

impl History for Store {
    fn span<'a>(
        &'a self,
        _: &'a SessionId,
    ) -> BoxFuture<'a, Result<(Epoch, u64, u64), HistoryError>> {
        Box::pin(async {
            // Like a disk: others may come in between.
            tokio::task::yield_now().await;
            let first = *self.first.lock().expect("no panic under it");
            let last = self.log.lock().expect("no panic under it").len() as u64;
            Ok((self.epoch(), first, last))
        })
    }

    fn page<'a>(
        &'a self,
        _: &'a SessionId,
        epoch: &'a Epoch,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, HistoryError>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            if self.unreadable.load(Ordering::Relaxed) {
                return Err(HistoryError);
            }
            if *epoch != self.epoch() {
                return Ok(Vec::new());
            }
            let first = *self.first.lock().expect("no panic under it");
            let log = self.log.lock().expect("no panic under it");
            let there = log.iter().filter(|event| event.seq > after && event.seq >= first);
            Ok(there.take(limit).cloned().collect())
        })
    }
}

fn event(seq: u64) -> Event {
    Event::new(seq, format!("event {seq}"))
}

fn chat() -> SessionId {
    id("chat")
}

fn small() -> HubLimits {
    HubLimits {
        ring_events: 4,
        batch_events: 3,
        page_events: 3,
        keys: 2,
        messages: 2,
        ..HubLimits::default()
    }
}

fn publish(hub: &Hub, seqs: impl IntoIterator<Item = u64>) {
    for seq in seqs {
        hub.publish(&chat(), Fence(1), event(seq)).expect("told");
    }
}

async fn fresh(hub: &Hub) -> Cursor {
    hub.attach(&chat(), None).await.expect("room").1
}

async fn resume(hub: &Hub, from: Position) -> (Mode, Cursor) {
    let (welcome, cursor) = hub.attach(&chat(), Some(from)).await.expect("room");
    (welcome.mode, cursor)
}

/// The seqs of the durable events up to one, which must be told one after the other.
async fn seqs(cursor: &mut Cursor, upto: u64) -> Vec<u64> {
    let mut seen = Vec::new();
    while seen.last() != Some(&upto) {
        match cursor.next().await.expect("it can be read") {
            Delivery::Events(events) => {
                for told in events.iter().cloned() {
                    assert_eq!(told, event(told.seq), "the frame is the event's own");
                    seen.push(told.seq);
                }
            }
            other => panic!("{other:?}"),
        }
    }
    seen
}

fn range(from: u64, to: u64) -> Vec<u64> {
    (from..=to).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h01_who_comes_and_goes_during_a_broadcast_takes_nothing_from_the_others() {
    const EVENTS: u64 = 600;
    let hub = Hub::in_memory("boot");
    let mut readers = Vec::new();
    for _ in 0..20 {
        let mut cursor = fresh(&hub).await;
        readers.push(tokio::spawn(async move { seqs(&mut cursor, EVENTS).await }));
    }
    let churn = {
        let hub = hub.clone();
        tokio::spawn(async move {
            for _ in 0..EVENTS {
                drop(fresh(&hub).await);
                tokio::task::yield_now().await;
            }
        })
    };
    for seq in 1..=EVENTS {
        publish(&hub, [seq]);
        if seq % 8 == 0 {
            tokio::task::yield_now().await;
        }
    }
    for reader in readers {
        assert_eq!(reader.await.expect("no panic"), range(1, EVENTS));
    }
    churn.await.expect("no panic");
    assert_eq!(hub.connections(), 0);
}

#[tokio::test]
async fn h03_a_reader_that_reads_nothing_holds_nobody_up_and_grows_nothing() {
    let hub = Hub::in_memory("boot");
    let (stalled, mut reader) = (fresh(&hub).await, fresh(&hub).await);
    for seq in 1..=5_000 {
        publish(&hub, [seq]);
        if seq % 500 == 0 {
            seqs(&mut reader, seq).await;
        }
    }
    assert_eq!(stalled.lag(), Ok(5_000));
    assert_eq!(reader.lag(), Ok(0));
    assert!(size_of_val(&stalled) <= 256, "all that it costs, and one entry while it waits");
}

#[tokio::test]
async fn h04_h05_what_fell_out_of_memory_is_told_to_be_gone_and_the_rest_goes_on() {
    let hub = Hub::in_memory_with("boot", small());
    let mut slow = fresh(&hub).await;
    publish(&hub, 1..=5);
    let told = slow.next().await;
    let Ok(Delivery::Resync(position)) = told else { panic!("{told:?}") };
    assert_eq!(position, slow.position());
    assert_eq!(position.seq, 5, "a snapshot from now on");
    publish(&hub, [6]);
    assert_eq!(seqs(&mut slow, 6).await, [6], "no end, no spin");
}

#[tokio::test]
async fn h05_with_a_history_a_slow_reader_misses_nothing() {
    let store = Store::with(0);
    let hub = Hub::with_history(store.clone(), small());
    let mut slow = fresh(&hub).await;
    for seq in 1..=50 {
        store.append(seq);
        publish(&hub, [seq]);
    }
    assert_eq!(seqs(&mut slow, 50).await, range(1, 50));
    store.unreadable.store(true, Ordering::Relaxed);
    for seq in 51..=60 {
        store.append(seq);
        publish(&hub, [seq]);
    }
    let before = slow.position();
    assert_eq!(slow.next().await, Err(CursorError::Unreadable));
    assert_eq!(slow.position(), before);
    store.unreadable.store(false, Ordering::Relaxed);
    assert_eq!(seqs(&mut slow, 60).await, range(51, 60));
}

#[tokio::test]
async fn h06_the_second_tab_still_hears_when_the_first_is_closed() {
    let hub = Hub::in_memory("boot");
    let (first, mut second) = (fresh(&hub).await, fresh(&hub).await);
    let waits = tokio::spawn(async move { seqs(&mut second, 1).await });
    settle().await;
    drop(first);
    assert_eq!(hub.connections(), 1);
    publish(&hub, [1]);
    assert_eq!(waits.await.expect("no panic"), [1]);
}

#[tokio::test]
async fn h06_a_connection_of_a_session_that_goes_takes_no_other_with_it() {
    let rig = crate::support::Rig::new();
    let (first, second) = (ConnId::next(), ConnId::next());
    rig.sessions.attach(&chat(), first).await.expect("room");
    rig.sessions.attach(&chat(), second).await.expect("room");
    rig.sessions.detach(&chat(), first).await.expect("available");
    assert_eq!(rig.sessions.view(&chat()).await.expect("available").connections, 1);
}

#[tokio::test]
async fn h07_one_that_has_seen_no_event_has_a_position_and_resumes() {
    let hub = Hub::in_memory("boot");
    let (welcome, cursor) = hub.attach(&chat(), None).await.expect("room");
    let position = cursor.position();
    assert_eq!((welcome.head, &position), (0, &Position { epoch: welcome.epoch, seq: 0 }));
    drop(cursor);
    publish(&hub, 1..=2);
    let (mode, mut again) = resume(&hub, position).await;
    assert_eq!(mode, Mode::Resumed);
    assert_eq!(seqs(&mut again, 2).await, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn h08_a_position_at_the_head_resumes_however_old_it_is() {
    let hub = Hub::in_memory_with("boot", small());
    let mut cursor = fresh(&hub).await;
    publish(&hub, 1..=3);
    seqs(&mut cursor, 3).await;
    for _ in 0..2 {
        let position = cursor.position();
        drop(cursor);
        tokio::time::advance(Duration::from_secs(30 * 86_400)).await;
        let (mode, again) = resume(&hub, position).await;
        assert_eq!(mode, Mode::Resumed);
        cursor = again;
    }
    publish(&hub, [4]);
    assert_eq!(seqs(&mut cursor, 4).await, [4]);
}

#[tokio::test]
async fn h09_what_was_published_while_away_is_there_on_return() {
    for history in [false, true] {
        let store = Store::with(0);
        let hub = match history {
            true => Hub::with_history(store.clone(), small()),
            false => Hub::in_memory_with("boot", small()),
        };
        let mut cursor = fresh(&hub).await;
        let tell = |seqs: std::ops::RangeInclusive<u64>| {
            seqs.for_each(|seq| {
                store.append(seq);
                publish(&hub, [seq]);
            });
        };
        tell(1..=2);
        seqs(&mut cursor, 2).await;
        let position = cursor.position();
        drop(cursor);
        tell(3..=6);
        let (mode, mut again) = resume(&hub, position.clone()).await;
        assert_eq!(mode, Mode::Resumed);
        assert_eq!(seqs(&mut again, 6).await, range(3, 6));
        // One more, and without a history the third is gone: never a part of what was missed.
        tell(7..=7);
        let (mode, _) = resume(&hub, position).await;
        assert_eq!(mode, if history { Mode::Resumed } else { Mode::Resync });
    }
}

#[tokio::test]
async fn h09_what_the_history_has_forgotten_is_told_to_be_gone() {
    let store = Store::with(20);
    store.forget_before(11);
    let hub = Hub::with_history(store.clone(), small());
    let at = |seq| Position { epoch: Epoch::new("log-1"), seq };
    assert_eq!(resume(&hub, at(9)).await.0, Mode::Resync);
    let (mode, mut cursor) = resume(&hub, at(10)).await;
    assert_eq!(mode, Mode::Resumed);
    // It forgets more while this one is on its way.
    let first = cursor.next().await.expect("it can be read");
    assert_eq!(first, Delivery::Events((11..=13).map(event).collect()));
    store.forget_before(16);
    assert_eq!(cursor.next().await, Ok(Delivery::Resync(at(20))));
}

#[tokio::test]
async fn h10_between_the_position_and_the_first_event_nothing_is_lost_or_doubled() {
    let store = Store::with(5);
    let hub = Hub::with_history(store.clone(), small());
    // Published while the log is being loaded: after it stands in the map, before it is known.
    let chat = chat();
    let (attached, ()) = tokio::join!(hub.attach(&chat, None), async {
        store.append(6);
        publish(&hub, [6]);
    });
    let (welcome, mut cursor) = attached.expect("room");
    store.append(7);
    publish(&hub, [7]);
    let snapshot = welcome.head; // whoever takes one from now on has at least this
    assert_eq!(seqs(&mut cursor, 7).await, range(snapshot + 1, 7));
}

#[tokio::test]
async fn h11_a_position_of_another_log_is_never_resumed() {
    let hub = Hub::in_memory("boot-2");
    publish(&hub, 1..=3);
    for (epoch, seq) in [("boot-1/0", 3), ("boot-1/0", 1), ("", 0)] {
        let (mode, cursor) = resume(&hub, Position { epoch: Epoch::new(epoch), seq }).await;
        assert_eq!(mode, Mode::Resync);
        assert_eq!(cursor.position().seq, 3);
    }
    // Nor one that is ahead of the log, nor one of a log that was given up.
    let position = fresh(&hub).await.position();
    let ahead = Position { seq: 4, ..position.clone() };
    assert_eq!(resume(&hub, ahead).await.0, Mode::Resync);
    assert_eq!(hub.give_up_unused(Duration::ZERO), 1);
    publish(&hub, 1..=3);
    assert_eq!(resume(&hub, position).await.0, Mode::Resync);
}

#[tokio::test]
async fn h13_what_is_published_again_is_not_told_again() {
    let hub = Hub::in_memory("boot");
    let mut cursor = fresh(&hub).await;
    publish(&hub, [1, 2, 2, 1, 3, 3]);
    assert_eq!(seqs(&mut cursor, 3).await, [1, 2, 3]);
    publish(&hub, [2, 4]);
    assert_eq!(seqs(&mut cursor, 4).await, [4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h14_whatever_is_published_after_the_welcome_is_delivered() {
    let hub = Hub::in_memory("boot");
    for seq in 1..=200 {
        let mut cursor = fresh(&hub).await;
        let reader = tokio::spawn(async move { seqs(&mut cursor, seq).await });
        publish(&hub, [seq]);
        assert_eq!(reader.await.expect("no panic"), [seq]);
    }
}

#[tokio::test]
async fn h19_a_hint_that_was_missed_costs_no_event() {
    let store = Store::with(2);
    let hub = Hub::with_history(store.clone(), small());
    let mut cursor = fresh(&hub).await;
    (3..=9).for_each(|seq| store.append(seq));
    // Of seven events of another process, one hint came through.
    hub.hint(&chat(), 9).expect("told");
    assert_eq!(seqs(&mut cursor, 9).await, range(3, 9));
    hub.hint(&chat(), 8).expect("told"); // late: nothing new
    store.append(10);
    publish(&hub, [10]);
    assert_eq!(seqs(&mut cursor, 10).await, [10]);
}

#[tokio::test(start_paused = true)]
async fn one_that_falls_behind_and_gets_no_nearer_is_ended() {
    let patience = Duration::from_secs(30);
    let limits = HubLimits { max_lag: 10, ..small() };
    let store = Store::with(0);
    let hub = Hub::with_history(store.clone(), limits);
    let mut cursor = fresh(&hub).await;
    for seq in 1..=20 {
        store.append(seq);
        publish(&hub, [seq]);
    }
    // Behind, and getting nearer: three events in each delivery.
    assert!(cursor.next().await.is_ok());
    tokio::time::advance(patience).await;
    assert!(cursor.next().await.is_ok());
    for seq in 21..=40 {
        store.append(seq);
        publish(&hub, [seq]);
    }
    tokio::time::advance(patience).await;
    let before = cursor.position();
    assert_eq!(cursor.next().await, Err(CursorError::TooSlow { behind: 34 }));
    assert_eq!(cursor.position(), before, "it may attach again and misses nothing");
}

/// The text of a message, put together by its offsets.
#[derive(Default)]
struct Text(String);

impl Text {
    fn apply(&mut self, delivery: Delivery) {
        match delivery {
            Delivery::Delta { offset, text, .. } => {
                assert_eq!(offset, Offset::of(&self.0), "no hole and no overlap");
                self.0.push_str(std::str::from_utf8(&text).expect("whole characters"));
            }
            Delivery::Partial { from, upto, text, .. } if from == Offset::default() => {
                self.0 = String::from_utf8(text.to_vec()).expect("whole characters");
                assert_eq!(upto, Offset::of(&self.0));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn deltas_leave_no_hole_whenever_one_connects_and_however_slowly_it_reads() {
    let hub = Hub::in_memory("boot");
    let (mut cursor, mut text, mut whole) = (fresh(&hub).await, Text::default(), String::new());
    let (mut late, mut late_text) = (None, Text::default());
    for index in 0..100 {
        let piece = format!("{index}ü ");
        hub.delta(&chat(), Fence(1), "m", whole.len() as u64, &piece).expect("told");
        whole.push_str(&piece);
        if index % 7 == 0 {
            text.apply(cursor.next().await.expect("told"));
        }
        if index == 50 {
            late = Some(fresh(&hub).await);
        }
    }
    text.apply(cursor.next().await.expect("told"));
    late_text.apply(late.expect("attached").next().await.expect("told"));
    assert_eq!((text.0, late_text.0), (whole.clone(), whole));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_durable_is_told_in_rounds_and_what_is_waits_for_none() {
    let interval = HubLimits::default().transient_interval;
    let hub = Hub::in_memory("boot");
    let mut cursor = fresh(&hub).await;
    hub.delta(&chat(), Fence(1), "m", 0, "a").expect("told");
    assert!(matches!(cursor.next().await, Ok(Delivery::Partial { .. })));
    let before = tokio::time::Instant::now();
    hub.delta(&chat(), Fence(1), "m", 1, "b").expect("told");
    hub.delta(&chat(), Fence(1), "m", 2, "c").expect("told");
    publish(&hub, [1]);
    assert_eq!(seqs(&mut cursor, 1).await, [1]);
    assert_eq!(before.elapsed(), Duration::ZERO);
    let Ok(Delivery::Delta { text, .. }) = cursor.next().await else { panic!("a piece") };
    assert_eq!((&text[..], before.elapsed()), (&b"bc"[..], interval));
}

#[tokio::test]
async fn a_delta_of_a_run_that_lost_the_slot_is_dropped() {
    let hub = Hub::in_memory("boot");
    hub.delta(&chat(), Fence(1), "old", 0, "before").expect("told");
    hub.publish(&chat(), Fence(2), Event::new(1, "cleared")).expect("told");
    let stale = hub.delta(&chat(), Fence(1), "old", 6, "after");
    assert_eq!(stale, Err(DeltaRefused::Stale));
    hub.delta(&chat(), Fence(2), "new", 0, "text").expect("told");
    let mut cursor = fresh(&hub).await;
    let told = cursor.next().await.expect("told");
    assert!(matches!(told, Delivery::Partial { message, .. } if &*message == "new"));
}

#[tokio::test]
async fn a_delta_may_come_twice_and_may_leave_no_hole() {
    let hub = Hub::in_memory("boot");
    let delta = |offset, text| hub.delta(&chat(), Fence(1), "m", offset, text);
    delta(0, "abc").expect("told");
    delta(0, "abc").expect("known");
    delta(2, "cd").expect("told");
    assert_eq!(delta(5, "x"), Err(DeltaRefused::Hole { at: 4 }));
    assert_eq!(hub.delta(&chat(), Fence(1), "n", 1, "x"), Err(DeltaRefused::Hole { at: 0 }));
    let told = fresh(&hub).await.next().await.expect("told");
    assert!(matches!(told, Delivery::Partial { text, .. } if text == "abcd"));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_long_loses_its_beginning_and_says_so() {
    let hub = Hub::in_memory_with("boot", HubLimits { message_bytes: 8, ..small() });
    let mut cursor = fresh(&hub).await;
    hub.delta(&chat(), Fence(1), "m", 0, "ab").expect("told");
    cursor.next().await.expect("told");
    hub.delta(&chat(), Fence(1), "m", 2, "cdüüüüü").expect("told");
    let told = cursor.next().await.expect("told");
    let Delivery::Partial { from, upto, text, .. } = told else { panic!("{told:?}") };
    assert_eq!((from.bytes, upto.bytes, &text[..]), (6, 14, "üüüü".as_bytes()));
    assert_eq!((from.chars, upto.chars), (5, 9));
}

#[tokio::test(start_paused = true)]
async fn of_a_key_only_the_latest_value_is_told_and_keys_are_bounded() {
    let hub = Hub::in_memory_with("boot", small());
    let mut cursor = fresh(&hub).await;
    for percent in 0..100 {
        hub.latest(&chat(), "progress", format!("{percent} %")).expect("told");
    }
    hub.latest(&chat(), "presence", "2").expect("told");
    assert_eq!(hub.latest(&chat(), "third", ""), Err(DeltaRefused::TooMany));
    let latest = |key: &str, frame: &'static str| {
        Ok(Delivery::Latest { key: key.into(), frame: frame.into() })
    };
    assert_eq!(cursor.next().await, latest("progress", "99 %"));
    assert_eq!(cursor.next().await, latest("presence", "2"));
    hub.forget_latest(&chat(), "presence").expect("told");
    hub.latest(&chat(), "third", "3").expect("room again");
    assert_eq!(cursor.next().await, latest("third", "3"));
}

#[tokio::test]
async fn h04_a_log_that_is_no_more_is_told_to_be_over_and_not_to_be_gone() {
    let store = Store::with(10);
    let hub = Hub::with_history(store.clone(), small());
    let at = Position { epoch: Epoch::new("log-1"), seq: 2 };
    let (mode, mut cursor) = resume(&hub, at.clone()).await;
    assert_eq!(mode, Mode::Resumed);
    hub.end(&chat(), Ended::Deleted);
    // Another log of the same name, with the same numbers in it.
    *store.epoch.lock().expect("no panic under it") = "log-2";
    assert_eq!(cursor.next().await, Ok(Delivery::Ended(Ended::Deleted)));
    assert_eq!(resume(&hub, at).await.0, Mode::Resync);
}

#[tokio::test]
async fn p3_what_was_not_published_is_not_told_though_the_history_has_it() {
    let store = Store::with(6);
    let hub = Hub::with_history(store.clone(), small());
    let at = |seq| Some(Position { epoch: Epoch::new("log-1"), seq });
    hub.restore(&chat(), &Epoch::new("log-1"), 6, Vec::new()).expect("room");
    let (_, mut cursor) = hub.attach(&chat(), at(4)).await.expect("room");
    (7..=9).for_each(|seq| store.append(seq));
    assert_eq!(seqs(&mut cursor, 6).await, [5, 6]);
    assert_eq!(cursor.lag(), Ok(0));
    publish(&hub, 7..=9);
    assert_eq!(seqs(&mut cursor, 9).await, [7, 8, 9]);
}

#[tokio::test]
async fn a_log_that_is_begun_by_whoever_read_it_asks_the_history_for_nothing_that_it_was_given() {
    let store = Store::with(9);
    store.unreadable.store(true, Ordering::Relaxed);
    let hub = Hub::with_history(store.clone(), small());
    let (one, two) = (Epoch::new("log-1"), Epoch::new("log-2"));
    let at = |epoch: &Epoch, seq| Position { epoch: epoch.clone(), seq };
    hub.restore(&chat(), &one, 9, (6..=9).map(event).collect()).expect("room");
    let (mode, mut cursor) = resume(&hub, at(&one, 5)).await;
    assert_eq!((mode, seqs(&mut cursor, 9).await), (Mode::Resumed, range(6, 9)));
    // It is read again, further than was told: nothing twice, nothing is missed.
    store.append(10);
    hub.restore(&chat(), &one, 10, (7..=10).map(event).collect()).expect("known");
    assert_eq!(seqs(&mut cursor, 10).await, [10]);
    hub.restore(&chat(), &two, 1, vec![event(1)]).expect("another");
    assert_eq!(cursor.next().await, Ok(Delivery::Ended(Ended::Deleted)));
    let (mode, mut cursor) = resume(&hub, at(&two, 0)).await;
    assert_eq!((mode, seqs(&mut cursor, 1).await), (Mode::Resumed, vec![1]));
    assert_eq!(resume(&hub, at(&one, 5)).await.0, Mode::Resync);
}

#[tokio::test]
async fn h10_what_a_snapshot_holds_is_not_told_again() {
    let hub = Hub::in_memory("boot");
    let mut cursor = fresh(&hub).await;
    publish(&hub, 1..=5);
    cursor.skip_to(3);
    cursor.skip_to(2);
    assert_eq!(seqs(&mut cursor, 5).await, [4, 5]);
    cursor.skip_to(7);
    publish(&hub, 6..=8);
    assert_eq!(seqs(&mut cursor, 8).await, [8]);
}

#[tokio::test(start_paused = true)]
async fn a_message_is_told_after_its_event_and_from_its_beginning_to_who_was_there() {
    let hub = Hub::in_memory("boot");
    let mut early = fresh(&hub).await;
    hub.begin_message(&chat(), Fence(1), "m", 1).expect("told");
    hub.delta(&chat(), Fence(1), "m", 0, "z\u{fc}").expect("told");
    // Its event is not durable yet.
    assert!(nothing(&mut early).await);
    publish(&hub, [1]);
    assert_eq!(seqs(&mut early, 1).await, [1]);
    let mut late = fresh(&hub).await;
    let (none, two) = (Offset::default(), Offset { bytes: 3, chars: 2 });
    let delta = |offset, text: &'static str| {
        Ok(Delivery::Delta { message: "m".into(), offset, text: text.into() })
    };
    assert_eq!(early.next().await, delta(none, "z\u{fc}"));
    let whole =
        Delivery::Partial { message: "m".into(), from: none, upto: two, text: "z\u{fc}".into() };
    assert_eq!(late.next().await, Ok(whole));
    hub.delta(&chat(), Fence(1), "m", 3, "ge").expect("told");
    assert_eq!(early.next().await, delta(two, "ge"));
    assert_eq!(late.next().await, delta(two, "ge"));
    hub.end_message(&chat(), "m").expect("told");
    assert_eq!(
        hub.delta(&chat(), Fence(1), "m", 5, "!"),
        Err(DeltaRefused::Hole { at: 0 }),
        "what comes after its end is not told"
    );
}

/// Whether a cursor has nothing to tell, however long it is waited for.
async fn nothing(cursor: &mut Cursor) -> bool {
    tokio::time::timeout(Duration::from_secs(60), cursor.next()).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn how_many_there_are_is_told_at_once_while_they_are_few() {
    let hub = Hub::in_memory_with("boot", HubLimits { presence: 2, ..small() });
    let mut first = fresh(&hub).await;
    assert_eq!(first.next().await, Ok(Delivery::Present(1)));
    let (told, second) = tokio::join!(first.next(), fresh(&hub));
    assert_eq!(told, Ok(Delivery::Present(2)));
    // One more than few: nobody is woken for that alone.
    let waits = tokio::spawn(async move {
        let told = first.next().await;
        (first, told)
    });
    settle().await;
    let third = fresh(&hub).await;
    settle().await;
    assert!(!waits.is_finished());
    publish(&hub, [1]);
    let (mut first, told) = waits.await.expect("no panic");
    assert_eq!(told, Ok(Delivery::Events([event(1)].into())));
    assert_eq!(first.next().await, Ok(Delivery::Present(3)));
    drop(third);
    assert_eq!(first.next().await, Ok(Delivery::Present(2)));
    // Who comes and goes between two looks was not there.
    drop(fresh(&hub).await);
    assert!(nothing(&mut first).await);
    drop(second);
    assert_eq!(first.next().await, Ok(Delivery::Present(1)));
}

#[tokio::test]
async fn who_is_connected_is_told_the_end_after_what_came_before_it() {
    let hub = Hub::in_memory("boot");
    let mut cursor = fresh(&hub).await;
    publish(&hub, 1..=2);
    hub.end(&chat(), Ended::Moved);
    assert_eq!(seqs(&mut cursor, 2).await, [1, 2]);
    assert_eq!(cursor.next().await, Ok(Delivery::Ended(Ended::Moved)));
    assert_eq!(cursor.next().await, Ok(Delivery::Ended(Ended::Moved)));
    assert_eq!(hub.sessions(), 0);
}

#[tokio::test]
async fn connections_are_bounded_and_one_that_goes_makes_room() {
    let limits = HubLimits { connections: 2, connections_of_a_session: 1, sessions: 2, ..small() };
    let hub = Hub::in_memory_with("boot", limits);
    let first = fresh(&hub).await;
    let full = |refused: Result<_, AttachRefused>, why| {
        assert_eq!(refused.map(|_: (_, Cursor)| ()).err(), Some(why));
    };
    full(hub.attach(&chat(), None).await, AttachRefused::TooManyConnections);
    let _other = hub.attach(&id("other"), None).await.expect("room");
    full(hub.attach(&id("third"), None).await, AttachRefused::TooManyConnections);
    drop(first);
    full(hub.attach(&id("third"), None).await, AttachRefused::TooManySessions);
    assert_eq!(hub.give_up_unused(Duration::ZERO), 1, "the one that nobody reads");
    hub.attach(&id("third"), None).await.expect("room");
    assert_eq!(hub.connections(), 1);
}

mod walks {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug)]
    enum Op {
        Publish,
        Read,
        Reconnect,
        Forget,
    }

    fn ops() -> impl Strategy<Value = Vec<Op>> {
        let op = prop_oneof![
            6 => Just(Op::Publish),
            3 => Just(Op::Read),
            2 => Just(Op::Reconnect),
            1 => Just(Op::Forget),
        ];
        proptest::collection::vec(op, 1..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 500,
            failure_persistence: None,
            ..Default::default()
        })]

        /// H1, H2, H3: what follows is the next seq, or it is said that something is gone, and then
        /// something is.
        #[test]
        fn h02_every_event_is_told_once_in_order_or_told_to_be_gone(
            ops in ops(),
            history in any::<bool>(),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            runtime.expect("a runtime").block_on(walk(ops, history));
        }
    }

    async fn walk(ops: Vec<Op>, history: bool) {
        let store = Store::with(0);
        let hub = match history {
            true => Hub::with_history(store.clone(), small()),
            false => Hub::in_memory_with("boot", small()),
        };
        let (mut cursor, mut seen, mut head, mut first) = (fresh(&hub).await, 0, 0, 1);
        for op in ops {
            match op {
                Op::Publish => {
                    head += 1;
                    store.append(head);
                    publish(&hub, [head]);
                    if !history {
                        first = first.max((head + 1).saturating_sub(4));
                    }
                }
                Op::Read if seen < head => match cursor.next().await.expect("it can be read") {
                    Delivery::Events(events) => {
                        for event in events.iter() {
                            assert_eq!(event.seq, seen + 1);
                            seen = event.seq;
                        }
                    }
                    Delivery::Resync(at) => {
                        assert!(first > seen + 1, "something is gone");
                        assert_eq!(at.seq, head);
                        seen = head;
                    }
                    other => panic!("{other:?}"),
                },
                Op::Read => assert_eq!(cursor.lag(), Ok(0)),
                Op::Reconnect => {
                    let (mode, again) = resume(&hub, cursor.position()).await;
                    cursor = again;
                    if mode == Mode::Resync {
                        assert!(first > seen + 1, "something is gone");
                        seen = head;
                    } else {
                        assert_eq!(mode, Mode::Resumed);
                    }
                }
                Op::Forget if history => {
                    first = first.max(head);
                    store.forget_before(first);
                }
                Op::Forget => {}
            }
        }
    }
}
