//! What do the tests stand on? A sink that does as it is told, and a pipeline with a clock that is
//! turned by hand.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use panelboard::{Clock, Config, ManualClock};
use panelboard_tracing::{
    Batch, FanOut, Guard, Pipeline, PipelineBuilder, SinkConfig, SinkLayer, WriteError,
};
use tracing_subscriber::prelude::*;

/// Longer than anything takes.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// What a fake does with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Fine,
    Fail,
    /// Writes so many of them, and fails.
    FailAfter(usize),
    Reject,
    /// Asks for a second.
    Defer,
    Panic,
    /// Does nothing until it is told otherwise, and then that.
    Hang,
}

/// A scripted sink: a fake. What it says to have written is in `seen`.
#[derive(Clone)]
pub(crate) struct Fake(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    mode: Option<Mode>,
    seen: Vec<String>,
    writes: usize,
    hanging: bool,
}

impl Fake {
    pub(crate) fn new(mode: Mode) -> Self {
        let state = State { mode: Some(mode), ..State::default() };
        Self(Arc::new(Inner { state: Mutex::new(state), changed: Condvar::new() }))
    }

    pub(crate) fn fine() -> Self {
        Self::new(Mode::Fine)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.lock().mode = Some(mode);
        self.0.changed.notify_all();
    }

    /// The messages that it says to have written, in their order.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.lock().seen.clone()
    }

    pub(crate) fn writes(&self) -> usize {
        self.lock().writes
    }

    fn wait(&self, what: &str, ready: impl Fn(&State) -> bool) {
        let state = self.lock();
        let (state, over) = self
            .0
            .changed
            .wait_timeout_while(state, LONG, |state| !ready(state))
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!over.timed_out(), "{what}: seen {:?}, {} writes", state.seen, state.writes);
    }

    pub(crate) fn wait_seen(&self, count: usize) {
        self.wait("to be written", |state| state.seen.len() >= count);
    }

    pub(crate) fn wait_writes(&self, count: usize) {
        self.wait("to be asked", |state| state.writes >= count);
    }

    pub(crate) fn wait_hanging(&self) {
        self.wait("to hang", |state| state.hanging);
    }

    pub(crate) fn sink(&self, name: &str) -> SinkConfig {
        let fake = self.clone();
        SinkConfig::new(name, move |batch: &Batch<'_>| fake.write(batch))
    }

    /// As a sink of one's own calls it.
    pub(crate) fn write(&self, batch: &Batch<'_>) -> Result<(), WriteError> {
        let mut state = self.lock();
        state.writes += 1;
        self.0.changed.notify_all();
        while state.mode == Some(Mode::Hang) {
            state.hanging = true;
            self.0.changed.notify_all();
            state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.hanging = false;
        let mode = state.mode.unwrap_or(Mode::Fine);
        let count = match mode {
            Mode::Fine => batch.len(),
            Mode::FailAfter(count) => count.min(batch.len()),
            _ => 0,
        };
        state.seen.extend(batch.iter().take(count).map(|record| record.message().to_owned()));
        self.0.changed.notify_all();
        drop(state);
        match mode {
            Mode::Fine => Ok(()),
            Mode::Fail | Mode::Hang => Err(WriteError::failed("scripted", "it fails")),
            Mode::FailAfter(count) => Err(WriteError::failed("scripted", "in part").after(count)),
            Mode::Reject => Err(WriteError::rejected("scripted", "it says no")),
            Mode::Defer => {
                Err(WriteError::deferred(Duration::from_secs(1), "scripted", "it asks for time"))
            }
            Mode::Panic => panic!("a scripted panic"),
        }
    }
}

/// Everything that was written to it, as text.
#[derive(Clone, Default)]
pub(crate) struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).expect("text")
    }
}

impl io::Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A breaker that opens after so many failures in a row, for 30 s.
pub(crate) fn opens_after(failures: u32) -> Config {
    Config::builder().failure_threshold(failures).jitter(0.0).build().expect("valid")
}

/// A pipeline in a test.
pub(crate) struct Rig {
    pub(crate) pipeline: Pipeline,
    pub(crate) hand: ManualClock,
    dispatch: tracing::Dispatch,
    guard: Option<Guard>,
}

/// A pipeline of these sinks, that says nothing on standard error.
pub(crate) fn builder(sinks: impl IntoIterator<Item = SinkConfig>) -> PipelineBuilder {
    let quiet = Pipeline::builder().complaints(io::sink(), Duration::from_secs(1));
    sinks.into_iter().fold(quiet, PipelineBuilder::sink)
}

impl Rig {
    pub(crate) fn new(sinks: impl IntoIterator<Item = SinkConfig>) -> Self {
        Self::of(builder(sinks))
    }

    pub(crate) fn with(fan_out: FanOut, sinks: impl IntoIterator<Item = SinkConfig>) -> Self {
        Self::of(builder(sinks).fan_out(fan_out))
    }

    /// With a clock that is turned by hand.
    pub(crate) fn of(builder: PipelineBuilder) -> Self {
        let (clock, hand) = Clock::manual();
        let built = builder.clock(clock).drain(Duration::from_secs(2)).build();
        let (layer, guard) = built.expect("valid");
        Self::around(layer, guard, hand)
    }

    /// On the machine's clock.
    pub(crate) fn on_time(builder: PipelineBuilder) -> Self {
        let (layer, guard) = builder.build().expect("valid");
        Self::around(layer, guard, Clock::manual().1)
    }

    fn around(layer: SinkLayer, guard: Guard, hand: ManualClock) -> Self {
        let pipeline = layer.pipeline();
        let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
        Self { pipeline, hand, dispatch, guard: Some(guard) }
    }

    /// Does it with the pipeline as the subscriber.
    pub(crate) fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        tracing::dispatcher::with_default(&self.dispatch, work)
    }

    pub(crate) fn dispatch(&self) -> &tracing::Dispatch {
        &self.dispatch
    }

    /// Logs messages at INFO.
    pub(crate) fn info<T: std::fmt::Display>(&self, messages: impl IntoIterator<Item = T>) {
        self.run(|| messages.into_iter().for_each(|message| tracing::info!("{message}")));
    }

    pub(crate) fn turn(&self, time: Duration) {
        self.hand.advance(time);
        self.pipeline.nudge();
    }

    /// Waits until a look at the pipeline says so.
    pub(crate) fn until(&self, what: &str, ready: impl Fn(&Pipeline) -> bool) {
        for _ in 0..10_000 {
            if ready(&self.pipeline) {
                return;
            }
            // There is nothing to be notified by: the look itself is what is tested.
            thread::park_timeout(Duration::from_millis(1));
        }
        panic!("not {what}: {:#?}", self.pipeline.status());
    }

    /// Waits until the sink has decided about so many records.
    pub(crate) fn settles(&self) {
        let report = self.pipeline.flush(LONG);
        let waiting = report.sinks.iter().map(|(_, ledger, _)| ledger.waiting).sum::<u64>();
        assert_eq!(waiting, 0, "{report:?}");
    }

    pub(crate) fn ledger(&self, name: &str) -> panelboard_tracing::Ledger {
        self.pipeline.sink(name).expect("there is one").ledger
    }

    pub(crate) fn shutdown(&mut self) -> panelboard_tracing::Report {
        self.guard.take().expect("once").shutdown()
    }

    pub(crate) fn shutdown_within(&mut self, limit: Duration) -> panelboard_tracing::Report {
        self.guard.take().expect("once").shutdown_within(limit)
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        if thread::panicking() {
            // What failed need not be drained.
            std::mem::forget(self.guard.take());
        }
    }
}

/// `from` to `to`, as messages.
pub(crate) fn numbers(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(|number| number.to_string()).collect()
}
