//! Do sessions come and go without two of a name, and without leaving anything behind?

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use panelboard_tasks::{
    CancelMode, ConnId, DrainMode, Fenced, Policy, Refused, RunContext, RunId, RunStatus,
    SessionId, SessionLimits, Sessions, Submission, Unavailable,
};

use tokio::sync::mpsc;

use crate::support::{Rig, id, limits, settle};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s28_a_session_that_is_given_up_while_it_is_used_is_never_there_twice() {
    let rig = Rig::new();
    let chat = id("chat");
    // They go on until they have met so often, and none runs away: a journal in memory has a bound.
    let (gone, written) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let met = 50;
    let sweeper = {
        let (sessions, chat, gone) = (rig.sessions.clone(), chat.clone(), Arc::clone(&gone));
        tokio::spawn(async move {
            while gone.load(Ordering::Relaxed) < met {
                let went = sessions.passivate(&chat).await.expect("available");
                gone.fetch_add(u64::from(went), Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        })
    };
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (sessions, chat) = (rig.sessions.clone(), chat.clone());
            let (gone, written) = (Arc::clone(&gone), Arc::clone(&written));
            tokio::spawn(async move {
                loop {
                    let gone = gone.load(Ordering::Relaxed);
                    if gone >= met {
                        break;
                    }
                    if written.load(Ordering::Relaxed) < 20 * (gone + 1) {
                        sessions.note(&chat, "note", "x").await.expect("written");
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("no panic");
    }
    sweeper.await.expect("no panic");
    // Two live ones would have dealt a seq twice.
    let seqs: Vec<u64> = rig.records(&chat).iter().map(|record| record.seq).collect();
    assert_eq!(seqs, (1..=written.load(Ordering::Relaxed)).collect::<Vec<_>>());
}

#[tokio::test]
async fn s29_names_that_look_alike_are_different_sessions() {
    let rig = Rig::new();
    let long = |last: char| format!("{}{last}", "x".repeat(200));
    let names =
        ["a/b", "a_b", "a b", "../x", "..%2Fx", "A/B", "é", "e\u{301}", &long('1'), &long('2')];
    for name in names {
        rig.sessions.note(&id(name), "name", name.to_owned()).await.expect("written");
    }
    for name in names {
        let records = rig.records(&id(name));
        assert_eq!(records.len(), 1, "{name}");
        assert_eq!(records[0].body, name.as_bytes(), "{name}");
    }
    assert_eq!(rig.sessions.stats().sessions, names.len());
}

#[tokio::test]
async fn s30_after_many_sessions_nothing_is_left() {
    let rig = Rig::new();
    for index in 0..2_000 {
        let chat = id(&format!("chat-{index}"));
        let tab = ConnId::next();
        rig.sessions.attach(&chat, tab).await.expect("room");
        let run = rig.submit(&chat, "quick", Policy::Reject).await.run;
        rig.finished(&chat, run).await;
        rig.sessions.detach(&chat, tab).await.expect("available");
    }
    settle().await;
    rig.sessions.passivate_unused(Duration::ZERO);
    let stats = rig.sessions.stats();
    assert_eq!((stats.sessions, stats.live_tasks, stats.zombies), (0, 0, 0));
    assert_eq!(stats.passivations, 2_000);
    let metrics = tokio::runtime::Handle::current().metrics();
    assert_eq!(metrics.num_alive_tasks(), 0, "no timer outlives its run");
}

#[tokio::test]
async fn sessions_are_bounded_and_one_that_is_given_up_makes_room() {
    let rig = Rig::with(Default::default(), |builder| builder.max_sessions(2));
    for name in ["a", "b"] {
        rig.sessions.view(&id(name)).await.expect("room");
    }
    assert_eq!(rig.sessions.view(&id("c")).await, Err(Unavailable::TooManySessions));
    assert!(rig.sessions.passivate(&id("a")).await.expect("available"));
    rig.sessions.view(&id("c")).await.expect("room again");
}

/// Sessions whose body, if told to `block`, holds its thread until it is let go, so that nothing
/// can end it; with a grace of a millisecond, and one place for a task that was given up.
struct Blocking {
    sessions: Sessions,
    entered: mpsc::Receiver<RunContext>,
    let_go: std::sync::mpsc::SyncSender<()>,
}

impl Blocking {
    fn new() -> Self {
        let (let_go, release) = std::sync::mpsc::sync_channel::<()>(1);
        let release = Arc::new(Mutex::new(release));
        let (enters, entered) = mpsc::channel(8);
        let body = move |run: RunContext, input: bytes::Bytes| {
            let (release, enters) = (Arc::clone(&release), enters.clone());
            async move {
                enters.try_send(run.clone()).ok();
                match &input[..] {
                    b"block" => drop(release.lock().expect("no panic under it").recv()),
                    b"wait" => drop(run.stopped().await),
                    _ => {}
                }
                Ok(input)
            }
        };
        let ms = Duration::from_millis(1);
        let limits = SessionLimits { grace: ms, abort_grace: ms, ..limits() };
        let builder = Sessions::builder().limits(limits).max_zombies(1);
        Self { sessions: builder.build(body).expect("in a runtime"), entered, let_go }
    }

    /// A task that was given up, and the run that it was.
    async fn zombie(&mut self, chat: &SessionId) -> RunContext {
        let run = self.sessions.submit(chat, Submission::new("block")).await.expect("idle").run;
        let zombie = self.entered.recv().await.expect("entered");
        self.sessions.cancel(chat, None, CancelMode::Graceful).await.expect("available");
        // Not when it ends, which it does not: when it is given up.
        let ended = self.sessions.finished(chat, run).await;
        assert_eq!(ended, Ok(Some(RunStatus::Cancelled)));
        assert_eq!(self.sessions.stats().zombies, 1);
        zombie
    }

    async fn zombie_ends(&self) {
        self.let_go.send(()).expect("it waits");
        while self.sessions.stats().zombies > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn s05_the_end_of_a_run_that_was_replaced_leaves_the_new_ones_slot_alone() {
    let mut rig = Blocking::new();
    let chat = id("chat");
    let run = rig.sessions.submit(&chat, Submission::new("block")).await.expect("idle").run;
    rig.entered.recv().await.expect("entered");
    let next = Submission::new("wait").policy(Policy::Interrupt);
    let next = rig.sessions.submit(&chat, next).await.expect("put first").run;
    let new = rig.entered.recv().await.expect("the old one was given up");
    assert_eq!((new.run(), rig.sessions.stats().zombies), (next, 1));
    rig.zombie_ends().await;
    let view = rig.sessions.view(&chat).await.expect("available");
    let holder = view.active.expect("the new one holds the slot");
    assert_eq!((holder.run, holder.status), (next, RunStatus::Running));
    new.append("item", "x").expect("and may write");
    assert_eq!(rig.sessions.status(&chat, run).await, Ok(Some(RunStatus::Superseded)));
    rig.sessions.cancel(&chat, Some(next), CancelMode::Graceful).await.expect("available");
    assert_eq!(rig.sessions.finished(&chat, next).await, Ok(Some(RunStatus::Cancelled)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn s27_a_task_that_was_given_up_changes_nothing_when_it_ends() {
    let mut rig = Blocking::new();
    let (chat, other) = (id("chat"), id("other"));
    let zombie = rig.zombie(&chat).await;
    assert_eq!(zombie.append("late", "x"), Err(Fenced::Stale));
    let full = rig.sessions.submit(&other, Submission::new("quick")).await;
    assert_eq!(full, Err(Refused::Unavailable(Unavailable::TooManyZombies)));
    assert_eq!(rig.sessions.passivate(&chat).await, Ok(false), "it has a task left");

    rig.zombie_ends().await;
    let new = rig.sessions.submit(&chat, Submission::new("quick")).await.expect("idle").run;
    assert_eq!(rig.sessions.finished(&chat, new).await, Ok(Some(RunStatus::Succeeded)));
    let old = rig.sessions.status(&chat, zombie.run()).await;
    assert_eq!(old, Ok(Some(RunStatus::Cancelled)));
    while rig.sessions.stats().live_tasks > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(rig.sessions.passivate(&chat).await, Ok(true));
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_then_stops_and_every_run_has_its_end() {
    let mut rig = Rig::new();
    let (one, other) = (id("one"), id("other"));
    rig.running(&one, "stubborn").await;
    rig.running(&other, "wait").await;
    rig.submit(&other, "queued", Policy::Enqueue).await;
    let budget = Duration::from_secs(10);
    let before = tokio::time::Instant::now();
    let drained = rig.sessions.drain(DrainMode::CancelQueued, budget).await;
    assert!(!drained.in_time);
    assert_eq!(drained.left, 0);
    assert_eq!(before.elapsed(), budget + limits().grace);
    assert_eq!(rig.ends(&one), [(RunId(1), RunStatus::Lost)]);
    rig.assert_one_end_each(&other);
    let late = rig.sessions.submit(&id("new"), Submission::new("quick")).await;
    assert_eq!(late, Err(Refused::Unavailable(Unavailable::ShuttingDown)), "also a new session");
}

#[tokio::test]
async fn a_drain_keeps_what_waits_for_the_next_process() {
    let mut rig = Rig::new();
    let chat = id("chat");
    rig.running(&chat, "wait").await;
    let queued = rig.submit(&chat, "quick", Policy::Enqueue).await.run;
    rig.go();
    let drained = rig.sessions.drain(DrainMode::KeepQueued, Duration::from_secs(10)).await;
    assert!(drained.in_time);
    assert_eq!(rig.inputs(), ["wait"]);
    let next = Rig::with(rig.journal.surviving(), |builder| builder.term(2));
    assert_eq!(next.finished(&chat, queued).await, RunStatus::Succeeded);
}

#[test]
fn a_runtime_that_goes_away_ends_every_run() {
    let journal = Arc::new(panelboard_tasks::MemoryJournal::new());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime");
    let chat = id("chat");
    let sessions = runtime.block_on(async {
        let sessions = Sessions::builder()
            .journal(journal.clone())
            .build(|run: RunContext, input| async move {
                run.stopped().await;
                Ok(input)
            })
            .expect("in a runtime");
        sessions.submit(&chat, Submission::new("a")).await.expect("idle");
        // Never polled: it starts when the first has ended, in a runtime that polls no more.
        let next = Submission::new("b").policy(Policy::Enqueue);
        sessions.submit(&chat, next).await.expect("queued");
        sessions
    });
    drop(runtime);
    assert_eq!(sessions.stats().live_tasks, 0);
    let ends: Vec<_> = journal
        .records(&chat)
        .into_iter()
        .filter_map(|record| match record.kind {
            panelboard_tasks::Kind::Finished { run, status, .. } => Some((run, status)),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [(RunId(1), RunStatus::Lost), (RunId(2), RunStatus::Lost)]);
}
