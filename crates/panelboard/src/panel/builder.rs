//! How a panel is put together.

use std::{fmt, sync::Arc};

use super::{
    ConfigFor, Group, Hasher, Inner, Key, Map, Panel, Plan, creation::Creation, groups::Groups,
};
use crate::{
    breaker::Breaker,
    clock::Clock,
    config::{Config, ConfigError, check},
    events::{Event, Hub, Listener},
    sync::{AtomicU64, QuietMutex, QuietU64},
};

/// What happens to a key that does not fit.
///
/// ```
/// use panelboard::{Overflow, Panel};
///
/// let panel = Panel::builder().max_breakers(1).overflow(Overflow::Shared).build();
/// let _held = panel.breaker("a")?;
/// let (b, c) = (panel.breaker("b")?, panel.breaker("c")?);
/// assert!(b.same_as(&c));
/// # Ok::<(), panelboard::PanelError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overflow {
    /// Its look-up is an error.
    #[default]
    Error,
    /// It shares one breaker, with the default configuration, with all others that do not fit. Its
    /// transitions have no event, as they have no key.
    Shared,
}

/// Collects what a [`Panel`] is made of.
///
/// ```
/// use panelboard::{Config, Panel};
///
/// let panel: Panel = Panel::builder()
///     .defaults(Config::llm().build()?)
///     .max_breakers(10_000)
///     .on_transition(|event| eprintln!("{}: {}", event.key, event.transition.to))
///     .build();
/// assert!(panel.is_empty());
/// # Ok::<(), panelboard::ConfigError>(())
/// ```
#[must_use]
pub struct PanelBuilder<K> {
    defaults: Config,
    by_key: ConfigFor<K>,
    clock: Clock,
    groups: Option<Groups<K>>,
    max_breakers: usize,
    overflow: Overflow,
    events_capacity: usize,
    listeners: Vec<Listener<K>>,
}

impl<K: Key> PanelBuilder<K> {
    pub(super) fn new() -> Self {
        Self {
            defaults: Config::default(),
            by_key: Box::new(|_| None),
            clock: Clock::system(),
            groups: None,
            max_breakers: 100_000,
            overflow: Overflow::Error,
            events_capacity: 1_024,
            listeners: Vec::new(),
        }
    }

    /// The configuration of every key that [`config_for`](Self::config_for) has none for.
    ///
    /// ```
    /// use panelboard::{Config, Panel};
    ///
    /// let config = Config::builder().failure_threshold(2).build()?;
    /// let panel = Panel::builder().defaults(config).build();
    /// assert_eq!(panel.breaker("search")?.snapshot().failure_threshold, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn defaults(mut self, config: Config) -> Self {
        self.defaults = config;
        self
    }

    /// The configuration of a key, by a function; `None` means the defaults. It runs once for each
    /// breaker that is made, outside every lock, and may look other keys up.
    ///
    /// ```
    /// use panelboard::{Config, Panel};
    ///
    /// let for_sinks = Config::builder().failure_threshold(9).build()?;
    /// let panel = Panel::builder()
    ///     .config_for(move |key: &String| key.starts_with("sink/").then(|| for_sinks.clone()))
    ///     .build();
    /// assert_eq!(panel.breaker("sink/loki")?.snapshot().failure_threshold, 9);
    /// assert_eq!(panel.breaker("search")?.snapshot().failure_threshold, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn config_for(
        mut self,
        by_key: impl Fn(&K) -> Option<Config> + Send + Sync + 'static,
    ) -> Self {
        self.by_key = Box::new(by_key);
        self
    }

    /// The clock of all its breakers. Default: the machine's.
    ///
    /// ```
    /// use panelboard::{Clock, Panel, State};
    /// use std::time::Duration;
    ///
    /// let (clock, hand) = Clock::manual();
    /// let panel = Panel::builder().clock(clock).build();
    /// let handle = panel.breaker("search")?;
    /// handle.trip();
    /// hand.advance(Duration::from_secs(30));
    /// assert_eq!(handle.state(), State::HalfOpen);
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Groups breakers that stand for each other, such as the keys of one provider: `name` gives
    /// the group of a key, or `None`. It runs once for each breaker that is made, outside every
    /// lock.
    ///
    /// A breaker leaves its group when it leaves the panel.
    ///
    /// ```
    /// use panelboard::{Config, Group, Panel, Recorded, State};
    ///
    /// let provider = |key: &String| key.split_once('/').map(|(provider, _)| provider.to_owned());
    /// let panel: Panel = Panel::builder()
    ///     .defaults(Config::builder().failure_threshold(1).build()?)
    ///     .group(Group::new(0.5)?, provider)
    ///     .build();
    /// let (a, b) = (panel.breaker("openai/a")?, panel.breaker("openai/b")?);
    /// assert!(a.acquire()?.failure().transition().is_some());
    /// assert_eq!(b.acquire()?.failure(), Recorded::Held); // the last one stays
    /// assert_eq!((a.state(), b.state()), (State::Open, State::Closed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group(
        mut self,
        rules: Group,
        name: impl Fn(&K) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.groups = Some(Groups::new(rules, Box::new(name)));
        self
    }

    /// How many breakers there may be, at least 1; default 100,000. At the bound the least recently
    /// used ones that are closed and that nobody holds go, a sixteenth of the bound at a time.
    ///
    /// ```
    /// use panelboard::Panel;
    ///
    /// let panel = Panel::builder().max_breakers(16).build();
    /// for user in 0..1_000 {
    ///     panel.breaker(&format!("user {user}"))?;
    /// }
    /// assert!(panel.len() <= 16);
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn max_breakers(mut self, n: usize) -> Self {
        self.max_breakers = n;
        self
    }

    /// What happens at the bound when none may go. Default: an error.
    ///
    /// ```
    /// use panelboard::{Overflow, Panel};
    ///
    /// let panel = Panel::builder().max_breakers(1).overflow(Overflow::Shared).build();
    /// panel.breaker("a")?.trip(); // an open breaker stays
    /// assert!(panel.breaker("b").is_ok());
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.overflow = overflow;
        self
    }

    /// How many events the stream keeps for subscribers, at least 1; default 1,024.
    ///
    /// ```
    /// use panelboard::{Missed, Panel};
    ///
    /// let panel = Panel::builder().events_capacity(1).build();
    /// let mut events = panel.subscribe();
    /// panel.breaker("a")?.trip();
    /// panel.breaker("b")?.trip();
    /// assert_eq!(events.next(), Some(Err(Missed(1))));
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn events_capacity(mut self, n: usize) -> Self {
        self.events_capacity = n;
        self
    }

    /// Calls `listener` with every event, outside every lock, one at a time and in the order of
    /// their numbers, on a thread that has just made a transition. It may call anything of any
    /// breaker and of the panel. A panic in it is contained and counted. It delays whoever made the
    /// transition: have it wake somebody rather than do the work.
    ///
    /// While it runs, up to `events_capacity` further events wait; beyond that the oldest of them
    /// are left out, which their numbers show.
    ///
    /// ```
    /// use panelboard::{Panel, State};
    /// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
    ///
    /// let opened = Arc::new(AtomicU64::new(0));
    /// let count = Arc::clone(&opened);
    /// let panel: Panel = Panel::builder()
    ///     .on_transition(move |event| {
    ///         if event.transition.to == State::Open {
    ///             count.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///     })
    ///     .build();
    /// panel.breaker("search")?.trip();
    /// assert_eq!(opened.load(Ordering::Relaxed), 1);
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn on_transition(mut self, listener: impl Fn(&Event<K>) + Send + Sync + 'static) -> Self {
        self.listeners.push(Box::new(listener));
        self
    }

    /// Makes the panel, without breakers.
    ///
    /// ```
    /// use panelboard::Panel;
    ///
    /// let panel: Panel<u64> = Panel::builder().build();
    /// assert!(panel.breaker(&7)?.would_admit());
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    ///
    /// # Panics
    /// Where [`try_build`](Self::try_build) has an error: if `max_breakers` or `events_capacity` is
    /// 0. Take that one for numbers that come from outside the program.
    #[must_use]
    pub fn build(self) -> Panel<K> {
        match self.try_build() {
            Ok(panel) => panel,
            Err(error) => panic!("{error}"),
        }
    }

    /// As [`build`](Self::build), for numbers that come from a file or from people.
    ///
    /// ```
    /// use panelboard::Panel;
    ///
    /// let error = Panel::<String>::builder().max_breakers(0).try_build().unwrap_err();
    /// assert_eq!(error.to_string(), "max_breakers is 0, expected at least 1");
    /// ```
    ///
    /// # Errors
    /// The first number that is out of its range.
    pub fn try_build(self) -> Result<Panel<K>, ConfigError> {
        let at_least_1 = "at least 1";
        check("max_breakers", self.max_breakers, self.max_breakers > 0, at_least_1)?;
        check("events_capacity", self.events_capacity, self.events_capacity > 0, at_least_1)?;
        let overflow = (self.overflow == Overflow::Shared)
            .then(|| Arc::new(Breaker::with_clock(self.defaults.clone(), self.clock.clone())));
        let hasher = Hasher::default();
        let plan = Plan { defaults: self.defaults, by_key: self.by_key };
        Ok(Panel {
            inner: Arc::new(Inner {
                map: Map::new(hasher.clone()),
                hasher,
                creation: Creation::new(),
                plan: QuietMutex::new(Arc::new(plan)),
                clock: self.clock,
                hub: Arc::new(Hub::new(self.events_capacity, self.listeners)),
                groups: self.groups,
                max_breakers: self.max_breakers,
                overflow,
                rows: AtomicU64::new(0),
                next_id: QuietU64::new(0),
                sweep: AtomicU64::new(1),
                evicted: QuietU64::new(0),
            }),
        })
    }
}

impl<K> fmt::Debug for PanelBuilder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PanelBuilder")
            .field("defaults", &self.defaults)
            .field("max_breakers", &self.max_breakers)
            .field("events_capacity", &self.events_capacity)
            .finish_non_exhaustive()
    }
}
