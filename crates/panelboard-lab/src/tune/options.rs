//! What may one choose about a search?

use std::time::Duration;

use serde::Serialize;

use crate::{replay::Figures, search::Pair, settings::Settings};

/// What is wasted when a bad call is let through.
///
/// ```
/// use panelboard_lab::Waste;
///
/// assert_eq!(serde_json::to_string(&Waste::default())?, "\"calls\"");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Waste {
    /// The call.
    #[default]
    Calls,
    /// The time that it took.
    Time,
}

impl Waste {
    pub(super) fn pair(self, figures: &Figures) -> Pair {
        let wasted = match self {
            Self::Calls => figures.wasted_calls,
            Self::Time => figures.wasted_us,
        };
        (wasted, figures.rejected_wrongly)
    }
}

/// How settings are searched for, and on how much of the machine.
///
/// ```
/// use panelboard_lab::TuneOptions;
/// use std::time::Duration;
///
/// let options = TuneOptions::default().slow(Duration::from_secs(2)).candidates(1_000);
/// assert_ne!(options, TuneOptions::default());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct TuneOptions {
    pub(super) seed: u64,
    pub(super) threads: Option<usize>,
    pub(super) slow: Option<Duration>,
    pub(super) candidates: usize,
    pub(super) current: Settings,
    pub(super) by: Waste,
}

impl Default for TuneOptions {
    fn default() -> Self {
        let current = Settings::default();
        Self { seed: 1, threads: None, slow: None, candidates: 500, current, by: Waste::Calls }
    }
}

impl TuneOptions {
    /// What chance is drawn from: the points that are tried by chance, and the breakers' jitter.
    /// Default 1.
    ///
    /// ```
    /// use panelboard_lab::TuneOptions;
    ///
    /// assert_eq!(TuneOptions::default().seed(1), TuneOptions::default());
    /// ```
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Threads that replay at the same time; 1 to 256. Without it, one for each processor. The
    /// result is the same whatever it is.
    ///
    /// ```
    /// use panelboard_lab::TuneOptions;
    ///
    /// assert_eq!(TuneOptions::default().threads(0), TuneOptions::default().threads(1));
    /// ```
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads.clamp(1, 256));
        self
    }

    /// A call that took so long is bad even if it succeeded, and settings that look at slow calls
    /// are tried as well. 1 ms to a day; what is outside is taken as the nearer end. Default: only
    /// failures are bad.
    ///
    /// ```
    /// use panelboard_lab::TuneOptions;
    /// use std::time::Duration;
    ///
    /// assert_ne!(TuneOptions::default().slow(Duration::from_secs(2)), TuneOptions::default());
    /// ```
    #[must_use]
    pub fn slow(mut self, time: Duration) -> Self {
        let range = (Duration::from_millis(1), Duration::from_secs(86_400));
        self.slow = Some(time.clamp(range.0, range.1));
        self
    }

    /// The most settings that are tried; 1 to 100,000. Default 500.
    ///
    /// ```
    /// use panelboard_lab::TuneOptions;
    ///
    /// assert_eq!(TuneOptions::default().candidates(0), TuneOptions::default().candidates(1));
    /// ```
    #[must_use]
    pub fn candidates(mut self, most: usize) -> Self {
        self.candidates = most.clamp(1, 100_000);
        self
    }

    /// The settings that are compared with; what the search does not vary (jitter, the back-off's
    /// reset, the probes' lease, the ramp) is as in them. Settings that no breaker takes are taken
    /// as the defaults.
    ///
    /// ```
    /// use panelboard_lab::{Settings, TuneOptions};
    ///
    /// let nonsense = Settings { half_open_max_calls: 0, ..Settings::default() };
    /// assert_eq!(TuneOptions::default().current(nonsense), TuneOptions::default());
    /// ```
    #[must_use]
    pub fn current(mut self, settings: Settings) -> Self {
        self.current = if settings.build().is_ok() { settings } else { Settings::default() };
        self
    }

    /// Whether wasted calls are counted, or their time. Default: calls.
    ///
    /// ```
    /// use panelboard_lab::{TuneOptions, Waste};
    ///
    /// assert_ne!(TuneOptions::default().by(Waste::Time), TuneOptions::default());
    /// ```
    #[must_use]
    pub fn by(mut self, waste: Waste) -> Self {
        self.by = waste;
        self
    }
}
