//! What is told of a job, by whatever way one looks?

use panelboard_tasks::{
    Delivery, FaultyJobJournal, Hub, JobContext, JobEvent, JobFilter, JobOptions, JobRecord,
    JobState, Jobs, JobsBuilder, Mode,
};

use super::support::{Order, Rig, limits};

fn frame(record: &JobRecord) -> bytes::Bytes {
    let what = match record.event {
        JobEvent::Progress => {
            record.row.progress.as_ref().map_or(0, |progress| progress.done).to_string()
        }
        _ => record.row.state.name().to_owned(),
    };
    what.into()
}

fn told(hub: &Hub) -> impl FnOnce(JobsBuilder) -> JobsBuilder {
    let hub = hub.clone();
    move |jobs| jobs.limits(limits(1)).hub(hub, frame)
}

/// Enough that a write for each shows at once, and few enough that a test of them is short.
const FLOOD: u64 = 100_000;

#[tokio::test]
async fn j21_a_flood_of_progress_is_a_trickle_with_its_first_and_its_last() {
    let hub = Hub::in_memory("boot-1");
    let rig = Rig::with(FaultyJobJournal::sound(), |jobs| {
        told(&hub)(jobs).kind("flood", |job: JobContext, args| {
            // Its own end, which is not told by itself.
            (0..FLOOD).for_each(|done| job.progress(done, FLOOD, "counting"));
            Ok(args)
        })
    })
    .await;
    let before = tokio::time::Instant::now();
    let id = rig.submit("flood", JobOptions::default()).await;
    let first = rig.jobs.until(id, |job| job.row.progress.is_some()).await.expect("available");
    assert!(first.expect("it is known").row.progress.is_some());
    assert_eq!(rig.ended(id).await, JobState::Completed);
    let took = before.elapsed();
    let last = rig.view(id).await.row.progress.expect("it was told");
    assert_eq!((last.done, last.total), (FLOOD - 1, FLOOD));
    // Ten a second, the first, and what is written of its states.
    let most = took.as_millis() / 100 + 1 + 4;
    let writes = u128::from(rig.journal.writes());
    assert!(writes <= most, "{writes} writes in {took:?}");
    let kept = rig.journal.rows();
    assert_eq!(kept[0].progress, Some(last), "with its end");
}

#[tokio::test]
async fn j24_every_way_to_look_tells_the_same_state() {
    let hub = Hub::in_memory("boot-1");
    let mut rig = Rig::with(FaultyJobJournal::sound(), told(&hub)).await;
    let id = rig.led().await;
    let (_, mut tab) = hub.attach(&Jobs::topic(id), None).await.expect("a place");
    let hand = rig.entered().await;
    for (state, command) in [
        (JobState::Running, None),
        (JobState::Pausing, Some(true)),
        (JobState::Running, Some(false)),
    ] {
        match command {
            Some(true) => drop(rig.jobs.pause(id).await.expect("it runs")),
            Some(false) => drop(rig.jobs.resume(id).await.expect("it is pausing")),
            None => drop(rig.reaches(id, JobState::Running).await),
        }
        same(&rig, state).await;
    }
    hand.ends();
    rig.ended(id).await;
    same(&rig, JobState::Completed).await;
    let mut states: Vec<String> = Vec::new();
    while states.last().is_none_or(|last| last != "completed") {
        let Delivery::Events(events) = tab.next().await.expect("a cursor") else { continue };
        states.extend(events.iter().map(|it| String::from_utf8_lossy(&it.frame).into_owned()));
    }
    let all = ["queued", "starting", "running", "pausing", "running", "completed"];
    assert!(all.ends_with(&states.iter().map(String::as_str).collect::<Vec<_>>()), "{states:?}");
}

async fn same(rig: &Rig, state: JobState) {
    let page = rig.jobs.list(&JobFilter::default()).await.expect("available");
    let stats = rig.jobs.stats().await.expect("available");
    let id = page.items[0].row.id;
    assert_eq!((page.items[0].row.state, rig.at(id).await), (state, state));
    assert_eq!((stats.of(state), stats.total), (1, 1));
    assert_eq!(rig.journal.rows()[0].state, state);
}

#[tokio::test]
async fn each_event_of_a_job_is_told_once_in_its_order_and_its_end_last() {
    let hub = Hub::in_memory("boot-1");
    let mut rig = Rig::with(FaultyJobJournal::sound(), told(&hub)).await;
    let blocks = rig.running(JobOptions::default()).await;
    let id = rig.led().await;
    let topic = Jobs::topic(id);
    let (welcome, mut tab) = hub.attach(&topic, None).await.expect("a place");
    assert_eq!(welcome.mode, Mode::Fresh);
    blocks.ends();
    let mut hand = rig.entered().await;
    hand.does(Order::Progress(1, 3));
    assert_eq!(hand.checkpoint().await, panelboard_tasks::Checkpoint::Continue);
    rig.jobs.stop(id).await.expect("it runs");
    assert_eq!(hand.checkpoint().await, panelboard_tasks::Checkpoint::Stop);
    drop(hand);
    let ended = rig.jobs.finished(id).await.expect("available").expect("it is known");
    let (mut events, mut progress) = (Vec::new(), Vec::new());
    while events.last().is_none_or(|(seq, _)| *seq < ended.row.seq) {
        match tab.next().await.expect("a cursor") {
            Delivery::Events(told) => {
                events.extend(told.iter().map(|event| (event.seq, event.frame.clone())));
            }
            Delivery::Latest { frame, .. } => progress.push(frame),
            other => panic!("{other:?}"),
        }
    }
    let first = events[0].0;
    assert!(events.iter().zip(first..).all(|((seq, _), next)| *seq == next), "no gap, no double");
    let states: Vec<&[u8]> = events.iter().map(|(_, frame)| &frame[..]).collect();
    let all: [&[u8]; 5] = [b"queued", b"starting", b"running", b"stopping", b"stopped"];
    assert!(all.ends_with(&states), "{states:?}");
    assert!(progress.iter().all(|frame| *frame == "1"));
}

#[tokio::test]
async fn the_log_of_a_job_keeps_its_newest_lines() {
    let mut rig = Rig::with(FaultyJobJournal::sound(), |jobs| {
        let limits = panelboard_tasks::JobLimits { log_lines: 2, line_bytes: 5, ..limits(1) };
        jobs.limits(limits)
    })
    .await;
    let mut hand = rig.running(JobOptions::default()).await;
    for line in ["one", "two", "thré and more"] {
        hand.does(Order::Log(line));
    }
    assert_eq!(hand.checkpoint().await, panelboard_tasks::Checkpoint::Continue);
    let lines = rig.jobs.logs(hand.id, 0).await.expect("available");
    let lines: Vec<_> = lines.iter().map(|line| (line.number, &*line.text)).collect();
    assert_eq!(lines, [(2, "two"), (3, "thré")]);
    let later = rig.jobs.logs(hand.id, 2).await.expect("available");
    assert_eq!(later.len(), 1);
}
