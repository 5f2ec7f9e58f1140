//! Whole sessions with their tasks: commands of clients against each other and against the ends of
//! runs. By shuttle, which schedules the tasks too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use panelboard_explore::{Step, block_on, explore, explore_long};

use crate::{
    journal::MemoryJournal,
    session::{
        CancelMode, ClearMode, ClearRefused, DrainMode, Kind, Policy, Refused, RunId, RunStatus,
        SessionId, Submission,
    },
    sessions::{RunContext, Sessions},
};

struct World {
    sessions: Sessions,
    journal: Arc<MemoryJournal>,
    id: SessionId,
    alive: Arc<Alive>,
}

/// Bodies at once: not the checker's, for it is only looked at.
#[derive(Default)]
struct Alive {
    now: AtomicUsize,
    most: AtomicUsize,
    entered: AtomicUsize,
}

impl World {
    fn new() -> Self {
        let (journal, alive) = (Arc::new(MemoryJournal::new()), Arc::new(Alive::default()));
        let counts = Arc::clone(&alive);
        let body = move |_: RunContext, input: bytes::Bytes| {
            let counts = Arc::clone(&counts);
            async move {
                let now = counts.now.fetch_add(1, Ordering::SeqCst) + 1;
                counts.most.fetch_max(now, Ordering::SeqCst);
                counts.entered.fetch_add(1, Ordering::SeqCst);
                shuttle::future::yield_now().await;
                counts.now.fetch_sub(1, Ordering::SeqCst);
                Ok(input)
            }
        };
        let sessions = Sessions::builder().journal(journal.clone()).build(body).expect("always");
        let id = SessionId::new("chat").expect("a good name");
        // In memory, so that no model takes steps for loading it.
        block_on(sessions.view(&id)).expect("available");
        Self { sessions, journal, id, alive }
    }

    fn submit(&self, policy: Policy) -> String {
        let submission = Submission::new("in").policy(policy);
        match block_on(self.sessions.submit(&self.id, submission)) {
            Ok(submitted) => format!("{}", submitted.run),
            Err(Refused::Busy { .. }) => "busy".into(),
            Err(other) => format!("{other:?}"),
        }
    }

    /// With a run that was submitted.
    fn with_a_run() -> Self {
        let world = Self::new();
        world.submit(Policy::Reject);
        world
    }

    fn cancel(&self, run: u64) -> String {
        let cancel = self.sessions.cancel(&self.id, Some(RunId(run)), CancelMode::Graceful);
        let stopped = block_on(cancel).expect("available");
        if stopped.changed { "cancel".into() } else { "late".into() }
    }

    fn clear(&self, mode: ClearMode) -> String {
        match block_on(self.sessions.clear(&self.id, mode)) {
            Ok(_) => "cleared".into(),
            Err(ClearRefused::Busy { .. }) => "busy".into(),
            Err(other) => format!("{other:?}"),
        }
    }

    /// Each run's end, in the order of their numbers, when all have ended; how many bodies were
    /// entered; and anything that must not be.
    fn end(&self) -> String {
        // Until no task is left: time stands, so its budget is never over.
        block_on(self.sessions.drain(DrainMode::CancelQueued, Duration::MAX));
        let mut ends: Vec<(RunId, RunStatus)> = Vec::new();
        let mut wrong = String::new();
        for (record, seq) in self.journal.records(&self.id).into_iter().zip(1..) {
            if record.seq != seq {
                wrong += &format!(" {} at {seq}", record.seq);
            }
            if let Kind::Finished { run, status, .. } = record.kind {
                ends.push((run, status));
            }
        }
        ends.sort();
        if self.alive.most.load(Ordering::SeqCst) > 1 {
            wrong += " two at once";
        }
        let view = block_on(self.sessions.view(&self.id)).expect("available");
        if view.active.is_some() || !view.queue.is_empty() {
            wrong += " not idle";
        }
        let ends: Vec<String> = ends.iter().map(|(run, end)| format!("{run} {end}")).collect();
        let entered = self.alive.entered.load(Ordering::SeqCst);
        format!("{}; {entered} entered{wrong}", ends.join(" "))
    }
}

#[track_caller]
fn explore_sessions(world: fn() -> World, threads: &'static [Step<World>], expected: &[&str]) {
    explore_long(world, threads, World::end, expected);
}

#[test]
fn s10_a_cancel_and_the_end_of_a_run_are_one_before_the_other() {
    explore_sessions(
        World::with_a_run,
        &[|world: &World| world.cancel(1)],
        &[
            "cancel | 1 cancelled; 0 entered",
            "cancel | 1 cancelled; 1 entered",
            "late | 1 succeeded; 1 entered",
        ],
    );
}

#[test]
fn s02_of_two_submits_one_is_admitted_or_one_after_the_other() {
    explore_sessions(
        World::new,
        &[
            |world: &World| world.submit(Policy::Reject),
            |world: &World| world.submit(Policy::Reject),
        ],
        &[
            "1, busy | 1 succeeded; 1 entered",
            "busy, 1 | 1 succeeded; 1 entered",
            "1, 2 | 1 succeeded 2 succeeded; 2 entered",
            "2, 1 | 1 succeeded 2 succeeded; 2 entered",
        ],
    );
}

#[test]
fn s14_a_submit_and_a_clear_are_one_before_the_other() {
    explore_sessions(
        World::new,
        &[
            |world: &World| world.submit(Policy::Reject),
            |world: &World| world.clear(ClearMode::CancelAndClear),
        ],
        &[
            "1, cleared | 1 cancelled; 0 entered",
            "1, cleared | 1 cancelled; 1 entered",
            "1, cleared | 1 succeeded; 1 entered",
        ],
    );
}

#[test]
fn s14_a_clear_if_idle_never_clears_under_a_run() {
    explore_sessions(
        World::new,
        &[
            |world: &World| world.submit(Policy::Reject),
            |world: &World| world.clear(ClearMode::IfIdle),
        ],
        &["1, cleared | 1 succeeded; 1 entered", "1, busy | 1 succeeded; 1 entered"],
    );
}

#[test]
fn s11_an_interrupt_and_the_end_of_a_run_never_leave_two_at_once() {
    explore_sessions(
        World::with_a_run,
        &[|world: &World| world.submit(Policy::Interrupt)],
        &[
            "2 | 1 succeeded 2 succeeded; 2 entered",
            "2 | 1 superseded 2 succeeded; 1 entered",
            "2 | 1 superseded 2 succeeded; 2 entered",
        ],
    );
}

#[test]
fn s16_a_cancel_of_one_that_waits_and_its_start_are_one_before_the_other() {
    explore_sessions(
        || {
            let world = World::with_a_run();
            world.submit(Policy::Enqueue);
            world
        },
        &[|world: &World| world.cancel(2)],
        &[
            "cancel | 1 succeeded 2 cancelled; 1 entered",
            "cancel | 1 succeeded 2 cancelled; 2 entered",
            "late | 1 succeeded 2 succeeded; 2 entered",
        ],
    );
}

#[test]
fn s25_a_steer_and_the_end_of_a_run_lose_nothing() {
    explore_sessions(
        World::with_a_run,
        &[
            |world: &World| world.submit(Policy::Steer),
            |world: &World| world.submit(Policy::Enqueue),
        ],
        &[
            "2, 3 | 1 succeeded 2 succeeded 3 succeeded; 3 entered",
            "3, 2 | 1 succeeded 2 succeeded 3 succeeded; 3 entered",
        ],
    );
}

/// A note, and where it stands in the log.
fn note(world: &World) -> String {
    let written = block_on(world.sessions.note(&world.id, "n", "b")).expect("written");
    written.seq.to_string()
}

#[test]
fn m8_the_journal_has_the_records_in_the_order_of_their_seq() {
    explore(World::new, &[note, note], World::end, &["1, 2 | ; 0 entered", "2, 1 | ; 0 entered"]);
}

#[test]
fn s28_a_session_that_is_given_up_while_it_is_written_to_goes_on_from_its_log() {
    explore_sessions(
        World::new,
        &[note, note, |world: &World| {
            block_on(world.sessions.passivate(&world.id)).expect("available").to_string()
        }],
        &["1, 2, true | ; 0 entered", "2, 1, true | ; 0 entered"],
    );
}
