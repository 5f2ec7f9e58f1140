//! Jobs whose bodies a test leads by the hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc as threads,
    },
    time::Duration,
};

use bytes::Bytes;
use panelboard_tasks::{
    Checkpoint, FaultyJobJournal, JobContext, JobId, JobLimits, JobOptions, JobState, JobView,
    Jobs, JobsBuilder, NewJob,
};
use tokio::sync::mpsc;

pub(crate) fn limits(permits: usize) -> JobLimits {
    JobLimits { permits, ..JobLimits::default() }
}

/// What a body does next.
pub(crate) enum Order {
    Checkpoint,
    Progress(u64, u64),
    Log(&'static str),
    Save(&'static str),
    End(Result<&'static str, &'static str>),
    Panic,
}

/// A body that was entered, and does what it is told. If it is let go it fails.
pub(crate) struct Hand {
    pub(crate) id: JobId,
    pub(crate) attempt: u32,
    pub(crate) saved: Option<Bytes>,
    orders: threads::SyncSender<Order>,
    said: mpsc::Receiver<Checkpoint>,
}

impl Hand {
    pub(crate) fn does(&self, order: Order) {
        self.orders.send(order).expect("the body lives");
    }

    /// Comes to a checkpoint, and says what it was told there.
    pub(crate) async fn checkpoint(&mut self) -> Checkpoint {
        self.does(Order::Checkpoint);
        self.told().await
    }

    /// What the last checkpoint said.
    pub(crate) async fn told(&mut self) -> Checkpoint {
        self.said.recv().await.expect("the body lives")
    }

    pub(crate) fn ends(self) {
        self.does(Order::End(Ok("done")));
    }
}

/// What was seen of all bodies.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    now: AtomicUsize,
    pub(crate) most: AtomicUsize,
    pub(crate) entered: AtomicUsize,
}

struct Alive(Arc<Trace>);

impl Alive {
    fn enter(trace: &Arc<Trace>) -> Self {
        let now = trace.now.fetch_add(1, Ordering::SeqCst) + 1;
        trace.most.fetch_max(now, Ordering::SeqCst);
        trace.entered.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(trace))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The kinds are `led`, whose bodies are handed out, and `echo`, which answers at once.
pub(crate) struct Rig {
    pub(crate) jobs: Jobs,
    pub(crate) journal: Arc<FaultyJobJournal>,
    pub(crate) trace: Arc<Trace>,
    hands: mpsc::Receiver<Hand>,
}

impl Rig {
    pub(crate) async fn new(permits: usize) -> Self {
        Self::with(FaultyJobJournal::sound(), |jobs| jobs.limits(limits(permits))).await
    }

    pub(crate) async fn with(
        journal: FaultyJobJournal,
        set: impl FnOnce(JobsBuilder) -> JobsBuilder,
    ) -> Self {
        let (journal, trace) = (Arc::new(journal), Arc::new(Trace::default()));
        let (enters, hands) = mpsc::channel(64);
        let (led, echo) = (Arc::clone(&trace), Arc::clone(&trace));
        let builder = Jobs::builder()
            .kind("led", move |job: JobContext, _| {
                let _alive = Alive::enter(&led);
                follow(job, &enters)
            })
            .kind("echo", move |_, args| {
                let _alive = Alive::enter(&echo);
                Ok(args)
            })
            .journal(Arc::clone(&journal) as Arc<_>);
        let jobs = set(builder).build().await.expect("in a runtime");
        Self { jobs, journal, trace, hands }
    }

    /// Another life of the process, with what survives of this one now.
    pub(crate) async fn next_life(
        &self,
        boot: u64,
        set: impl FnOnce(JobsBuilder) -> JobsBuilder,
    ) -> Self {
        Self::with(self.journal.surviving(), |jobs| set(jobs.boot(boot))).await
    }

    pub(crate) async fn submit(&self, kind: &str, options: JobOptions) -> JobId {
        let new = NewJob::new(kind, "args").options(options);
        self.jobs.submit(new).await.expect("taken").id
    }

    pub(crate) async fn led(&self) -> JobId {
        self.submit("led", JobOptions::default()).await
    }

    /// A job whose body was entered.
    pub(crate) async fn running(&mut self, options: JobOptions) -> Hand {
        self.submit("led", options).await;
        self.entered().await
    }

    pub(crate) async fn entered(&mut self) -> Hand {
        self.hands.recv().await.expect("the jobs live")
    }

    /// One whose thread is parked.
    pub(crate) async fn paused(&mut self, options: JobOptions) -> Hand {
        let hand = self.running(options).await;
        self.jobs.pause(hand.id).await.expect("it runs");
        hand.does(Order::Checkpoint);
        self.reaches(hand.id, JobState::Paused).await;
        hand
    }

    pub(crate) async fn view(&self, id: JobId) -> JobView {
        self.jobs.get(id).await.expect("available").expect("it is known")
    }

    pub(crate) async fn at(&self, id: JobId) -> JobState {
        self.view(id).await.row.state
    }

    pub(crate) async fn reaches(&self, id: JobId, state: JobState) -> JobView {
        let view = self.jobs.until(id, |job| job.row.state == state).await;
        let view = view.expect("available").expect("it is known");
        assert_eq!(view.row.state, state);
        view
    }

    pub(crate) async fn ended(&self, id: JobId) -> JobState {
        let ended = self.jobs.finished(id).await.expect("available");
        ended.expect("it is known").row.state
    }

    pub(crate) fn spawn<R: Future<Output: Send> + Send + 'static>(
        &self,
        task: impl FnOnce(Jobs) -> R,
    ) -> tokio::task::JoinHandle<R::Output> {
        tokio::spawn(task(self.jobs.clone()))
    }

    /// Waits until no job has a permit, whether that is durable or not.
    pub(crate) async fn thread_ended(&self) {
        while self.trace.now.load(Ordering::SeqCst) > 0 || self.journal.pending() == 0 {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn most_alive(&self) -> usize {
        self.trace.most.load(Ordering::SeqCst)
    }

    pub(crate) fn bodies(&self) -> usize {
        self.trace.entered.load(Ordering::SeqCst)
    }
}

fn follow(
    mut job: JobContext,
    enters: &mpsc::Sender<Hand>,
) -> Result<Bytes, panelboard_tasks::Failure> {
    let (orders, told) = threads::sync_channel(64);
    let (says, said) = mpsc::channel(64);
    let (id, attempt, saved) = (job.id(), job.attempt(), job.saved().cloned());
    if enters.blocking_send(Hand { id, attempt, saved, orders, said }).is_err() {
        return Err("the test is over".into());
    }
    while let Ok(order) = told.recv() {
        match order {
            Order::Checkpoint => drop(says.try_send(job.checkpoint())),
            Order::Progress(done, total) => job.progress(done, total, "as it was told"),
            Order::Log(line) => job.log(line),
            Order::Save(saved) => assert!(job.save(saved)),
            Order::End(Ok(output)) => return Ok(output.into()),
            Order::End(Err(why)) => return Err(why.into()),
            Order::Panic => panic!("as it was told"),
        }
    }
    Err("it was let go".into())
}

/// Lets everything run that can, without time passing.
pub(crate) async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

/// It took so long, to the precision of timers.
#[track_caller]
pub(crate) fn took(since: tokio::time::Instant, expected: Duration) {
    let took = since.elapsed();
    let precision = Duration::from_millis(10);
    assert!((expected..expected + precision).contains(&took), "{took:?}, not {expected:?}");
}

/// A journal that says when it was told that the process lives.
#[derive(Debug)]
pub(crate) struct Beats(pub(crate) FaultyJobJournal, pub(crate) tokio::sync::watch::Sender<u64>);

impl panelboard_tasks::JobJournal for Beats {
    fn append(&self, writes: Vec<panelboard_tasks::JobWrite>) -> panelboard_tasks::Lsn {
        self.0.append(writes)
    }

    fn has_room(&self) -> bool {
        self.0.has_room()
    }

    fn is_durable(&self, at: panelboard_tasks::Lsn) -> bool {
        self.0.is_durable(at)
    }

    fn durable(
        &self,
        at: panelboard_tasks::Lsn,
    ) -> panelboard_tasks::BoxFuture<'_, Result<(), panelboard_tasks::NotKept>> {
        self.0.durable(at)
    }

    fn load(
        &self,
    ) -> panelboard_tasks::BoxFuture<
        '_,
        Result<Vec<panelboard_tasks::JobRow>, panelboard_tasks::Unreadable>,
    > {
        self.0.load()
    }

    fn beat(&self, _: u64) {
        self.1.send_modify(|beats| *beats += 1);
    }
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
