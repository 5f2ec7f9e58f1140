//! How is a pipeline described, and what is checked before its threads start?

use std::{collections::BTreeMap, fmt, io, sync::Arc, thread::JoinHandle, time::Duration};

use panelboard::{Breaker, Clock};

use super::{Pipeline, files};
use crate::{
    baton::Baton,
    book::Book,
    cell::Cell,
    complaints::Complaints,
    config::{BuildError, SinkConfig},
    dispatch,
    encode::Sizes,
    event::{MOST_SINKS, Pool},
    guard::Guard,
    layer::SinkLayer,
    line::Line,
    redact::Redaction,
    settle::Settle,
    shared::Shared,
    sink::Sink,
    spill::Spill,
    sync::QuietU64,
    worker,
};

/// How many sinks write at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FanOut {
    /// All: none waits for another.
    #[default]
    Parallel,
    /// One, in turn: for places where the way out is narrow. A sink that hangs holds the others up
    /// for its time-out and a quarter, and no longer.
    Sequence,
}

/// A pipeline that is being described.
///
/// ```
/// use panelboard_tracing::{FanOut, Pipeline, Redaction, SinkConfig, sinks::Console};
/// use std::time::Duration;
///
/// let (_layer, guard) = Pipeline::builder()
///     .sink(SinkConfig::new("console", Console::stdout().compact()).fallback("errors"))
///     .sink(SinkConfig::new("errors", Console::stderr()).standby())
///     .fan_out(FanOut::Sequence)
///     .queue(4_096)
///     .redact(Redaction::default().name("iban"))
///     .drain(Duration::from_secs(2))
///     .build()?;
/// assert_eq!(guard.pipeline().status().sinks.len(), 2);
/// # Ok::<(), panelboard_tracing::BuildError>(())
/// ```
pub struct PipelineBuilder {
    sinks: Vec<SinkConfig>,
    fan_out: FanOut,
    redaction: Redaction,
    queue: usize,
    sizes: Sizes,
    spans: bool,
    drain: Duration,
    clock: Clock,
    complaints: Box<dyn io::Write + Send>,
    complain_every: Duration,
}

impl Default for PipelineBuilder {
    fn default() -> Self {
        Self {
            sinks: Vec::new(),
            fan_out: FanOut::default(),
            redaction: Redaction::default(),
            queue: 8_192,
            sizes: Sizes { value: 8 << 10, record: 16 << 10 },
            spans: false,
            drain: Duration::from_secs(5),
            clock: Clock::system(),
            complaints: Box::new(io::stderr()),
            complain_every: Duration::from_secs(10),
        }
    }
}

impl PipelineBuilder {
    /// One more sink.
    #[must_use]
    pub fn sink(mut self, sink: SinkConfig) -> Self {
        self.sinks.push(sink);
        self
    }

    /// Whether sinks write at once or in turn.
    #[must_use]
    pub fn fan_out(mut self, fan_out: FanOut) -> Self {
        self.fan_out = fan_out;
        self
    }

    /// What must not leave; [`Redaction::default`] if it is not said.
    #[must_use]
    pub fn redact(mut self, redaction: Redaction) -> Self {
        self.redaction = redaction;
        self
    }

    /// Records between the program's threads and ours, at most; 8,192 if it is not said. What comes
    /// beyond is dropped and counted. In memory it is at most that many times twice
    /// [`record_bytes`](Self::record_bytes), mostly a sixtieth of it.
    #[must_use]
    pub fn queue(mut self, records: usize) -> Self {
        self.queue = records;
        self
    }

    /// Bytes of a record, at most: fields beyond are left out, and their number is noted; 16 KiB if
    /// it is not said, 512 at least.
    #[must_use]
    pub fn record_bytes(mut self, bytes: usize) -> Self {
        self.sizes.record = bytes;
        self
    }

    /// Bytes of a message or value, at most: what is beyond is cut, with a mark; 8 KiB if it is not
    /// said.
    #[must_use]
    pub fn value_bytes(mut self, bytes: usize) -> Self {
        self.sizes.value = bytes;
        self
    }

    /// Whether a span is a record, too, when it ends: with its fields and its `duration_ns`.
    #[must_use]
    pub fn spans(mut self, yes: bool) -> Self {
        self.spans = yes;
        self
    }

    /// How long the guard waits for the sinks when it is dropped; 5 s if it is not said. Threads
    /// that do not come back, and disks, may take it a second and a half longer.
    #[must_use]
    pub fn drain(mut self, limit: Duration) -> Self {
        self.drain = limit;
        self
    }

    /// The clock of breakers, back-offs and time-outs: for tests.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Where it says what is wrong with the sinks; standard error if it is not said. At most one
    /// line for each sink in `every`.
    #[must_use]
    pub fn complaints(mut self, to: impl io::Write + Send + 'static, every: Duration) -> Self {
        (self.complaints, self.complain_every) = (Box::new(to), every);
        self
    }

    /// Checks all, opens the spills and starts the threads: one dispatcher, one for each sink, one
    /// more for each that spills, one that complains.
    ///
    /// # Errors
    /// The first thing that is wrong. Nothing runs then.
    pub fn build(self) -> Result<(SinkLayer, Guard), BuildError> {
        self.check()?;
        let indices: BTreeMap<String, usize> =
            self.sinks.iter().enumerate().map(|(index, sink)| (sink.name.clone(), index)).collect();
        let index_of = |name: &String| indices.get(name).copied();
        let fallbacks: Vec<Option<usize>> =
            self.sinks.iter().map(|sink| sink.fallback.as_ref().and_then(index_of)).collect();
        let order = order(&fallbacks)
            .map_err(|index| BuildError::FallbackCircle { sink: self.sinks[index].name.clone() })?;
        let redactor = self.redaction.compile()?;
        let widest = self.sinks.iter().map(|sink| sink.route.widest()).max().unwrap_or(4);
        let mut cells = Vec::new();
        let mut sinks = Vec::new();
        for (index, (config, fallback)) in self.sinks.into_iter().zip(fallbacks).enumerate() {
            let (cell, sink) = cell(index, config, fallback, &self.clock)?;
            cells.push(cell);
            sinks.push(sink);
        }
        let open =
            |why: io::Error| BuildError::Open { what: "a thread".into(), why: why.to_string() };
        let names = cells.iter().map(|cell| cell.name.clone()).collect();
        let complaints =
            Complaints::start(names, self.complaints, self.complain_every).map_err(open)?;
        let shared = Arc::new(Shared {
            line: Line::new(self.queue),
            pool: Pool::new(self.queue),
            cells,
            order,
            redactor,
            clock: self.clock,
            sizes: Sizes { record: self.sizes.record.max(LEAST_RECORD), ..self.sizes },
            widest,
            spans: self.spans,
            settle: Settle::default(),
            baton: (self.fan_out == FanOut::Sequence).then(Baton::default),
            complaints,
            process: std::process::id(),
            taken: QuietU64::new(0),
            sorted: QuietU64::new(0),
            unwanted: QuietU64::new(0),
            lost: QuietU64::new(0),
            redacted: QuietU64::new(0),
            own: QuietU64::new(0),
        });
        let pipeline = Pipeline { shared: Arc::clone(&shared) };
        // From here on a thread that can't be started ends those that were.
        let mut guard = Guard::new(pipeline, self.drain);
        start(&shared, sinks, guard.threads()).map_err(open)?;
        Ok((SinkLayer::new(shared), guard))
    }

    fn check(&self) -> Result<(), BuildError> {
        if self.sinks.is_empty() {
            return Err(BuildError::NoSinks);
        }
        if self.sinks.len() > MOST_SINKS {
            return Err(BuildError::TooManySinks { most: MOST_SINKS });
        }
        for (setting, value) in [
            ("queue", self.queue),
            ("record_bytes", self.sizes.record),
            ("value_bytes", self.sizes.value),
        ] {
            if value == 0 {
                return Err(BuildError::Zero { sink: "pipeline".into(), setting });
            }
        }
        for (index, sink) in self.sinks.iter().enumerate() {
            sink.check(self.sizes.record.max(LEAST_RECORD))?;
            let twice = self.sinks[..index].iter().any(|other| other.name == sink.name);
            if sink.name.is_empty() || twice {
                return Err(BuildError::Name { name: sink.name.clone() });
            }
            if let Some(fallback) = &sink.fallback
                && !self.sinks.iter().any(|other| &other.name == fallback)
            {
                let (sink, fallback) = (sink.name.clone(), fallback.clone());
                return Err(BuildError::UnknownFallback { sink, fallback });
            }
            let names_it = |other: &SinkConfig| other.fallback.as_ref() == Some(&sink.name);
            if sink.route.standby && !self.sinks.iter().any(names_it) {
                return Err(BuildError::IdleStandby { sink: sink.name.clone() });
            }
        }
        files::check(&self.sinks)
    }
}

impl fmt::Debug for PipelineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineBuilder").field("sinks", &self.sinks).finish_non_exhaustive()
    }
}

/// A record has a head in any case.
const LEAST_RECORD: usize = 512;

/// Each sink before its fallback; or one that is on a circle.
fn order(fallbacks: &[Option<usize>]) -> Result<Vec<usize>, usize> {
    let depth = |start: usize| {
        let mut at = start;
        for steps in 0..=fallbacks.len() {
            match fallbacks[at] {
                Some(next) => at = next,
                None => return Ok(steps),
            }
        }
        Err(start)
    };
    let mut deep = Vec::new();
    for index in 0..fallbacks.len() {
        deep.push((depth(index)?, index));
    }
    // The more fallbacks behind it, the earlier.
    deep.sort_by_key(|(depth, index)| (std::cmp::Reverse(*depth), *index));
    Ok(deep.into_iter().map(|(_, index)| index).collect())
}

fn cell(
    index: usize,
    config: SinkConfig,
    fallback: Option<usize>,
    clock: &Clock,
) -> Result<(Cell, Box<dyn Sink>), BuildError> {
    let terms = config.terms();
    let policy = terms.policy;
    let book = Book::new(terms);
    let spill = match &config.spill {
        None => None,
        Some(spill) => {
            let (spill, found) = Spill::open(&spill.folder, spill.max_bytes, policy)?;
            book.recovered(found);
            Some(spill)
        }
    };
    let cell = Cell {
        name: config.name,
        index,
        kind: config.sink.kind(),
        route: config.route,
        timeout: config.timeout,
        fallback,
        breaker: Arc::new(Breaker::with_clock(config.breaker, clock.clone())),
        book,
        spill,
    };
    Ok((cell, config.sink))
}

fn start(
    shared: &Arc<Shared>,
    sinks: Vec<Box<dyn Sink>>,
    threads: &mut Vec<(Option<usize>, JoinHandle<()>)>,
) -> io::Result<()> {
    for (index, mut sink) in sinks.into_iter().enumerate() {
        let name = shared.cells[index].name.clone();
        let own = Arc::clone(shared);
        let work = move || worker::deliver(&own, index, &mut *sink);
        threads.push((Some(index), dispatch::spawn(&name, work)?));
        if shared.cells[index].spill.is_some() {
            let own = Arc::clone(shared);
            let work = move || worker::spool(&own, index);
            threads.push((None, dispatch::spawn(&name, work)?));
        }
    }
    let own = Arc::clone(shared);
    threads.push((None, dispatch::spawn("dispatch", move || dispatch::run(&own))?));
    Ok(())
}
