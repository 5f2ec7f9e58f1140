//! How is a sink set up? What people write down of one, and what is refused before anything runs.

mod invalid;

use std::{path::PathBuf, time::Duration};

use panelboard::Config;
use tracing_core::Level;

pub use invalid::BuildError;

use crate::{
    book::Terms,
    encode::severity,
    lanes::{Bound, DropPolicy},
    route::Route,
    sink::Sink,
};

/// A sink with its name and its settings.
///
/// | setting | default |
/// | --- | --- |
/// | [`level`](Self::level) | everything that the pipeline sees |
/// | [`timeout`](Self::timeout) | 10 s a write |
/// | [`batch_records`](Self::batch_records), [`batch_bytes`](Self::batch_bytes) | 512, 512 KiB |
/// | [`batch_delay`](Self::batch_delay) | none; 200 ms for sinks over HTTP |
/// | [`buffer_records`](Self::buffer_records) | 8,192 |
/// | [`buffer_bytes`](Self::buffer_bytes) | 16 MiB |
/// | [`drop_policy`](Self::drop_policy) | the oldest |
/// | [`attempts`](Self::attempts) | without end |
/// | [`backoff`](Self::backoff) | from 100 ms, doubling to 10 s |
/// | [`breaker`](Self::breaker) | [`Config::sink`] |
///
/// ```
/// use panelboard_tracing::{DropPolicy, Pipeline, SinkConfig, sinks::Console};
/// use std::time::Duration;
/// use tracing::Level;
///
/// let console = SinkConfig::new("console", Console::stderr().compact())
///     .level(Level::WARN)
///     .timeout(Duration::from_secs(1))
///     .drop_policy(DropPolicy::ByLevel);
/// let (_layer, _guard) = Pipeline::builder().sink(console).build()?;
/// # Ok::<(), panelboard_tracing::BuildError>(())
/// ```
pub struct SinkConfig {
    pub(crate) name: String,
    pub(crate) sink: Box<dyn Sink>,
    pub(crate) route: Route,
    pub(crate) fallback: Option<String>,
    pub(crate) breaker: Config,
    pub(crate) timeout: Duration,
    pub(crate) spill: Option<SpillConfig>,
    batch_delay: Option<Duration>,
    terms: Terms,
}

/// Where records wait on disk.
#[derive(Clone, Debug)]
pub(crate) struct SpillConfig {
    pub(crate) folder: PathBuf,
    pub(crate) max_bytes: u64,
}

impl SinkConfig {
    /// A sink that is called `name`: in status and metrics, and where it is a fallback.
    pub fn new(name: impl Into<String>, sink: impl Sink + 'static) -> Self {
        Self::boxed(name, Box::new(sink))
    }

    /// The same for a sink whose type was chosen at run time.
    pub fn boxed(name: impl Into<String>, sink: Box<dyn Sink>) -> Self {
        let terms = Terms {
            bound: Bound { records: 8_192, bytes: 16 << 20 },
            policy: DropPolicy::default(),
            batch_records: 512,
            batch_bytes: 512 << 10,
            batch_delay: Duration::ZERO,
            attempts: None,
            backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(10),
            has_fallback: false,
            has_spill: false,
        };
        Self {
            name: name.into(),
            sink,
            route: Route::default(),
            fallback: None,
            breaker: default_breaker(),
            timeout: Duration::from_secs(10),
            spill: None,
            batch_delay: None,
            terms,
        }
    }

    /// Only what matters this much, or more.
    #[must_use]
    pub fn level(mut self, level: Level) -> Self {
        self.route.least = severity(level);
        self
    }

    /// Only what matters this much, or less: `.level(DEBUG).up_to(INFO)` leaves warnings to others.
    #[must_use]
    pub fn up_to(mut self, level: Level) -> Self {
        self.route.most = severity(level);
        self
    }

    /// For targets that begin with `prefix` another level than [`level`](Self::level); the longest
    /// prefix decides.
    #[must_use]
    pub fn target(mut self, prefix: impl Into<String>, level: Level) -> Self {
        self.route.targets.push((prefix.into(), severity(level)));
        self
    }

    /// Only what other sinks hand to it, as their fallback.
    #[must_use]
    pub fn standby(mut self) -> Self {
        self.route.standby = true;
        self
    }

    /// The name of the sink that takes over what this one can't be given: all of it while the
    /// breaker is open, what it rejects, what was tried too often. It gets no record twice.
    #[must_use]
    pub fn fallback(mut self, name: impl Into<String>) -> Self {
        self.fallback = Some(name.into());
        self.terms.has_fallback = true;
        self
    }

    /// Each record goes through files in `folder`, which are never larger than `max_bytes`, and is
    /// gone from there when it is delivered: nothing is lost while the sink is away, nor when this
    /// process ends or is killed. What one process leaves, the next one delivers first. The files
    /// are of a sixteenth each, and removed as a whole, so up to that less may wait.
    ///
    /// At the bound the newest record is dropped, or, with [`DropPolicy::Oldest`], the oldest file.
    /// Not together with a [`fallback`](Self::fallback). One folder is one sink's, of one process.
    #[must_use]
    pub fn spill(mut self, folder: impl Into<PathBuf>, max_bytes: u64) -> Self {
        self.spill = Some(SpillConfig { folder: folder.into(), max_bytes });
        self.terms.has_spill = true;
        self
    }

    /// When to stop writing to it, and when to try again.
    #[must_use]
    pub fn breaker(mut self, config: Config) -> Self {
        self.breaker = config;
        self
    }

    /// How long a write may take; a year at most, as for all times of a sink.
    #[must_use]
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout = time;
        self
    }

    /// Records of one write, at most.
    #[must_use]
    pub fn batch_records(mut self, records: usize) -> Self {
        self.terms.batch_records = records;
        self
    }

    /// Bytes of one write, about: the record that reaches it is the last one.
    #[must_use]
    pub fn batch_bytes(mut self, bytes: usize) -> Self {
        self.terms.batch_bytes = bytes;
        self
    }

    /// How long a record waits for others to be written with, at most.
    #[must_use]
    pub fn batch_delay(mut self, time: Duration) -> Self {
        self.batch_delay = Some(time);
        self
    }

    /// Records that wait in memory, at most.
    #[must_use]
    pub fn buffer_records(mut self, records: usize) -> Self {
        self.terms.bound.records = records;
        self
    }

    /// Bytes of memory that the records that wait take, at most, and at least
    /// [`record_bytes`](crate::PipelineBuilder::record_bytes). One takes as much as its buffer:
    /// 512 bytes at least, and up to 4 KiB where larger ones were written into it before.
    #[must_use]
    pub fn buffer_bytes(mut self, bytes: usize) -> Self {
        self.terms.bound.bytes = bytes;
        self
    }

    /// Who goes when the buffer is full.
    #[must_use]
    pub fn drop_policy(mut self, policy: DropPolicy) -> Self {
        self.terms.policy = policy;
        self
    }

    /// Writes of one batch that may fail until it goes to the fallback or is dropped.
    #[must_use]
    pub fn attempts(mut self, most: u32) -> Self {
        self.terms.attempts = Some(most);
        self
    }

    /// How long to wait after a write that failed; it doubles with each one in a row, to `most`.
    #[must_use]
    pub fn backoff(mut self, first: Duration, most: Duration) -> Self {
        (self.terms.backoff, self.terms.max_backoff) = (first, most);
        self
    }

    pub(crate) fn terms(&self) -> Terms {
        let batch_delay = self.batch_delay.unwrap_or_else(|| self.sink.batch_delay().min(LONGEST));
        Terms { batch_delay, ..self.terms.clone() }
    }

    /// What is wrong with it by itself, in a pipeline with records of so many bytes.
    pub(crate) fn check(&self, record_bytes: usize) -> Result<(), BuildError> {
        let Terms { bound, batch_records, batch_bytes, attempts, .. } = self.terms;
        let zero = [
            ("timeout", self.timeout.is_zero()),
            ("batch_records", batch_records == 0),
            ("batch_bytes", batch_bytes == 0),
            ("buffer_records", bound.records == 0),
            ("buffer_bytes", bound.bytes == 0),
            ("attempts", attempts == Some(0)),
            ("spill", self.spill.as_ref().is_some_and(|spill| spill.max_bytes == 0)),
        ];
        if let Some((setting, _)) = zero.into_iter().find(|(_, zero)| *zero) {
            return Err(BuildError::Zero { sink: self.name.clone(), setting });
        }
        let times = [
            ("timeout", self.timeout),
            ("batch_delay", self.batch_delay.unwrap_or_default()),
            ("backoff", self.terms.backoff.max(self.terms.max_backoff)),
        ];
        if let Some((setting, _)) = times.into_iter().find(|(_, time)| *time > LONGEST) {
            return Err(BuildError::TooLong { sink: self.name.clone(), setting, most: LONGEST });
        }
        let spill = self.spill.as_ref().map_or(u64::MAX, |spill| spill.max_bytes);
        // One that could be larger than all that there is room for would never be kept.
        let sizes = [("buffer_bytes", bound.bytes as u64), ("spill", spill)];
        if let Some((setting, _)) = sizes.into_iter().find(|(_, its)| *its < record_bytes as u64) {
            let sink = self.name.clone();
            return Err(BuildError::TooSmall { sink, setting, least: record_bytes });
        }
        if self.spill.is_some() && self.fallback.is_some() {
            return Err(BuildError::SpillAndFallback { sink: self.name.clone() });
        }
        if self.route.most > self.route.least {
            return Err(BuildError::NothingPasses { sink: self.name.clone() });
        }
        Ok(())
    }
}

impl std::fmt::Debug for SinkConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("SinkConfig");
        shown.field("name", &self.name).field("kind", &self.sink.kind()).finish_non_exhaustive()
    }
}

/// Longer than anybody waits, and short enough to be added to any time.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn default_breaker() -> Config {
    Config::sink().build().expect("the core tests its presets")
}
