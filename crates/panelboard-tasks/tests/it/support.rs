//! Sessions with a body that a test leads by the hand.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use panelboard_tasks::{
    Body, Failure, Kind, MemoryJournal, Policy, Record, RunContext, RunId, RunStatus, SessionId,
    SessionLimits, Sessions, SessionsBuilder, Submission, Submitted,
};
use tokio::sync::{mpsc, watch};

pub(crate) fn id(name: &str) -> SessionId {
    SessionId::new(name).expect("a good name")
}

/// Short graces, so that a paused clock passes them in few turns.
pub(crate) fn limits() -> SessionLimits {
    SessionLimits {
        queue: 3,
        grace: Duration::from_secs(2),
        abort_grace: Duration::from_secs(3),
        ..SessionLimits::default()
    }
}

/// What a run does, by its input.
///
/// - `wait`: until it is told `go`, or to stop; then it answers.
/// - `stubborn`: until it is told `go`, whatever else it is told.
/// - `fail`, `panic`: at once. Anything else is answered at once.
pub(crate) struct Led {
    go: watch::Receiver<bool>,
    pub(crate) trace: Arc<Trace>,
    entered: mpsc::Sender<RunContext>,
}

/// What was seen of all bodies.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    alive: AtomicUsize,
    pub(crate) most_alive: AtomicUsize,
    pub(crate) inputs: Mutex<Vec<String>>,
}

/// In a body for as long as it lives, however it ends.
struct Alive(Arc<Trace>);

impl Alive {
    fn enter(trace: &Arc<Trace>, input: &Bytes) -> Self {
        let alive = trace.alive.fetch_add(1, Ordering::SeqCst) + 1;
        trace.most_alive.fetch_max(alive, Ordering::SeqCst);
        let input = String::from_utf8_lossy(input).into_owned();
        trace.inputs.lock().expect("no panic under it").push(input);
        Self(Arc::clone(trace))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Body for Led {
    async fn run(&self, run: RunContext, input: Bytes) -> Result<Bytes, Failure> {
        let _alive = Alive::enter(&self.trace, &input);
        self.entered.try_send(run.clone()).ok();
        let mut go = self.go.clone();
        match &input[..] {
            b"wait" => {
                tokio::select! {
                    _ = go.wait_for(|go| *go) => {}
                    _ = run.stopped() => {}
                }
            }
            b"stubborn" => drop(go.wait_for(|go| *go).await),
            b"fail" => return Err("as it was told".into()),
            b"panic" => panic!("as it was told"),
            _ => {}
        }
        Ok(input)
    }
}

pub(crate) struct Rig {
    pub(crate) sessions: Sessions,
    pub(crate) journal: Arc<MemoryJournal>,
    pub(crate) trace: Arc<Trace>,
    go: watch::Sender<bool>,
    entered: mpsc::Receiver<RunContext>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(MemoryJournal::new(), |builder| builder)
    }

    pub(crate) fn with(
        journal: MemoryJournal,
        set: impl FnOnce(SessionsBuilder) -> SessionsBuilder,
    ) -> Self {
        let (go, gone) = watch::channel(false);
        let (enters, entered) = mpsc::channel(64);
        let (journal, trace) = (Arc::new(journal), Arc::new(Trace::default()));
        let led = Led { go: gone, trace: Arc::clone(&trace), entered: enters };
        let builder = set(Sessions::builder().limits(limits())).journal(journal.clone());
        let sessions = builder.build(led).expect("in a runtime");
        Self { sessions, journal, trace, go, entered }
    }

    pub(crate) async fn submit(&self, chat: &SessionId, input: &str, policy: Policy) -> Submitted {
        let submission = Submission::new(input.to_owned()).policy(policy);
        self.sessions.submit(chat, submission).await.expect("accepted")
    }

    /// A run that waits in its body.
    pub(crate) async fn running(&mut self, chat: &SessionId, input: &str) -> RunContext {
        self.submit(chat, input, Policy::Reject).await;
        self.next_entered().await
    }

    pub(crate) async fn next_entered(&mut self) -> RunContext {
        self.entered.recv().await.expect("the body lives")
    }

    /// Lets every body that waits go on, now and later.
    pub(crate) fn go(&self) {
        self.go.send_replace(true);
    }

    pub(crate) async fn finished(&self, chat: &SessionId, run: RunId) -> RunStatus {
        let finished = self.sessions.finished(chat, run).await.expect("available");
        finished.expect("it is known")
    }

    /// Waits until the session is idle and nothing waits in it.
    pub(crate) async fn idle(&self, chat: &SessionId) {
        loop {
            let view = self.sessions.view(chat).await.expect("available");
            let Some(next) = view.active.map(|active| active.run).or(view.queue.first().copied())
            else {
                return;
            };
            if self.finished(chat, next).await.is_terminal() {
                tokio::task::yield_now().await;
            }
        }
    }

    pub(crate) fn records(&self, chat: &SessionId) -> Vec<Record> {
        self.journal.records(chat)
    }

    pub(crate) fn names(&self, chat: &SessionId) -> Vec<&'static str> {
        self.records(chat).iter().map(|record| record.kind.name()).collect()
    }

    pub(crate) fn most_alive(&self) -> usize {
        self.trace.most_alive.load(Ordering::SeqCst)
    }

    pub(crate) fn inputs(&self) -> Vec<String> {
        self.trace.inputs.lock().expect("no panic under it").clone()
    }

    /// The ends of each run, as they stand in the log.
    pub(crate) fn ends(&self, chat: &SessionId) -> Vec<(RunId, RunStatus)> {
        let end = |record: Record| match record.kind {
            Kind::Finished { run, status, .. } => Some((run, status)),
            _ => None,
        };
        self.records(chat).into_iter().filter_map(end).collect()
    }

    /// Each run that was created has one end, and no other.
    pub(crate) fn assert_one_end_each(&self, chat: &SessionId) {
        let mut created: Vec<RunId> = Vec::new();
        for record in self.records(chat) {
            if let Kind::Created { run, .. } = record.kind {
                created.push(run);
            }
        }
        let mut ended: Vec<RunId> = self.ends(chat).into_iter().map(|end| end.0).collect();
        ended.sort();
        created.sort();
        assert_eq!(created, ended);
    }
}

/// Lets everything run that can, without time passing.
pub(crate) async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}
