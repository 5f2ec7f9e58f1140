//! The panel: one breaker for each key, made when it is first asked for.

use std::{borrow::Borrow, error, fmt, hash::Hash, ops::Deref, sync::Arc};

mod builder;
mod creation;
mod evict;
mod groups;
pub(crate) mod life;
mod map;

pub use builder::{Overflow, PanelBuilder};
pub use groups::Group;

use crate::{
    breaker::{Breaker, Peers},
    clock::Clock,
    config::Config,
    events::{Announcer, Hub, Subscription},
    fault,
    isolate::IsolateGuard,
    permit::{Permit, Rejected},
    snapshot::Snapshot,
    sync::{AtomicU64, Ordering, QuietMutex, QuietU64},
};
use creation::{Creation, Turn};
use groups::Groups;
use map::{Hasher, Map};

/// What a panel's key must be able to do.
///
/// ```
/// use panelboard::Panel;
///
/// #[derive(Clone, PartialEq, Eq, Hash)]
/// enum Peer {
///     Shard(u32),
///     Archive,
/// }
///
/// let panel: Panel<Peer> = Panel::builder().build();
/// panel.breaker(&Peer::Shard(7))?.trip();
/// assert!(panel.breaker(&Peer::Archive)?.would_admit());
/// # Ok::<(), panelboard::PanelError>(())
/// ```
pub trait Key: Hash + Eq + Clone + Send + Sync + 'static {}

impl<K: Hash + Eq + Clone + Send + Sync + 'static> Key for K {}

/// Breakers by key: at most one live one for each, at every instant, whatever the race.
///
/// Cloning gives another reference to the same panel. There is no global one: a test makes its own.
///
/// # Which look-up
/// - [`with`](Self::with): borrowed, for a call that is short. No reference count is touched.
/// - [`breaker`](Self::breaker): a [`Handle`], to keep and to take anywhere. It costs a change of
///   two shared words, so keep it where you can.
///
/// # Memory
/// A breaker with its entry takes about 500 bytes and what its key takes, twice. At most
/// `max_breakers` of them, and `events_capacity` events.
///
/// ```
/// use panelboard::{Panel, State};
///
/// let panel = Panel::builder().build();
/// let answer = panel.breaker("search/a")?.call(|| Err::<(), _>("no route"));
/// assert!(answer.is_err());
/// assert_eq!(panel.breaker("search/a")?.snapshot().consecutive_failures, 1);
/// assert_eq!(panel.breaker("search/b")?.snapshot().consecutive_failures, 0);
/// # Ok::<(), panelboard::PanelError>(())
/// ```
#[derive(Debug)]
pub struct Panel<K = String> {
    inner: Arc<Inner<K>>,
}

struct Inner<K> {
    map: Map<K>,
    hasher: Hasher,
    creation: Creation,
    /// Protects which configurations new breakers get. Held to clone or to swap an `Arc`.
    plan: QuietMutex<Arc<Plan<K>>>,
    clock: Clock,
    hub: Arc<Hub<K>>,
    groups: Option<Groups<K>>,
    max_breakers: usize,
    /// Serves the keys that do not fit, where that was asked for.
    overflow: Option<Arc<Breaker>>,
    /// Rows of the map, and places that are reserved for rows to come: what the bound holds for.
    /// Carries only itself.
    rows: AtomicU64,
    /// Number of the next breaker. Carries only itself.
    next_id: QuietU64,
    /// Number of the current sweep. Carries only itself.
    sweep: AtomicU64,
    /// Breakers evicted so far. Carries only itself.
    evicted: QuietU64,
}

/// Which configuration a key gets.
pub(crate) struct Plan<K> {
    defaults: Config,
    by_key: ConfigFor<K>,
}

type ConfigFor<K> = Box<dyn Fn(&K) -> Option<Config> + Send + Sync>;

impl<K: Key> Panel<K> {
    /// Starts with the default configuration for every key.
    ///
    /// ```
    /// use panelboard::{Config, Panel};
    ///
    /// let panel: Panel = Panel::builder().defaults(Config::llm().build()?).build();
    /// assert!(panel.is_empty());
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
    pub fn builder() -> PanelBuilder<K> {
        PanelBuilder::new()
    }

    /// The breaker of `key`, made if there is none. Every caller of a key gets the same one.
    ///
    /// `key` may be any borrowed form of `K`; it is cloned only when a breaker is made.
    ///
    /// ```
    /// use panelboard::Panel;
    ///
    /// let panel = Panel::builder().build();
    /// let (one, other) = (panel.breaker("search")?, panel.breaker("search")?);
    /// assert!(one.same_as(&other));
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    ///
    /// # Errors
    /// [`PanelError::Full`] if a new breaker would exceed `max_breakers` and none may go;
    /// [`PanelError::Circle`] from within the function that gives a key its configuration, for a
    /// key whose making waits for this one.
    pub fn breaker<Q>(&self, key: &Q) -> Result<Handle, PanelError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        match self.get(key) {
            Some(handle) => Ok(handle),
            None => self.make(key),
        }
    }

    /// Calls `work` with the breaker of `key`, made if there is none, without touching a reference
    /// count. While `work` runs, this thread holds up the freeing of removed entries: take a
    /// [`Handle`] for work that waits.
    ///
    /// ```
    /// use panelboard::Panel;
    ///
    /// let panel = Panel::builder().build();
    /// let answer = panel.with("search", |breaker| breaker.call(|| Ok::<_, String>(7)))?;
    /// assert_eq!(answer, Ok(7));
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    ///
    /// # Errors
    /// As [`breaker`](Self::breaker).
    #[inline]
    pub fn with<Q, R>(&self, key: &Q, work: impl FnOnce(&Breaker) -> R) -> Result<R, PanelError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let sweep = self.inner.sweep();
        let found = self.inner.map.with(key, work, |breaker, work| {
            if !breaker.life().mark(sweep) {
                return Err(work);
            }
            let answer = work(breaker);
            self.leave(key, breaker);
            Ok(answer)
        });
        match found {
            Ok(answer) => Ok(answer),
            Err(work) => Ok(work(&*self.breaker(key)?)),
        }
    }

    /// The breaker of `key`, if there is one.
    ///
    /// ```
    /// use panelboard::Panel;
    ///
    /// let panel = Panel::builder().build();
    /// assert!(panel.get("search").is_none());
    /// panel.breaker("search")?;
    /// assert!(panel.get("search").is_some());
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn get<Q>(&self, key: &Q) -> Option<Handle>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let sweep = self.inner.sweep();
        self.inner.map.with(key, (), |breaker, ()| hold(breaker, sweep).ok_or(())).ok()
    }

    #[cold]
    fn make<Q>(&self, key: &Q) -> Result<Handle, PanelError>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.inner.hash(key);
        loop {
            let leave = match self.inner.creation.turn(hash) {
                Turn::Make(leave) => leave,
                Turn::LookAgain => match self.get(key) {
                    Some(handle) => return Ok(handle),
                    None => continue,
                },
                Turn::Circle => return Err(PanelError::Circle),
            };
            // It may have been made between the look-up and the turn.
            if let Some(handle) = self.get(key) {
                return Ok(handle);
            }
            let handle = self.inner.make(key.to_owned());
            drop(leave);
            return handle;
        }
    }

    /// Takes the breaker of `key` out of the panel. Handles and permits of it go on working on it;
    /// the next look-up makes a new one, which inherits nothing. False if there is none.
    ///
    /// ```
    /// use panelboard::{Panel, State};
    ///
    /// let panel = Panel::builder().build();
    /// let old = panel.breaker("search")?;
    /// old.trip();
    /// assert!(panel.remove("search"));
    /// assert_eq!(panel.breaker("search")?.state(), State::Closed); // a new one
    /// assert_eq!(old.state(), State::Open);
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn remove<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let found = self.inner.map.with(key, (), |breaker, ()| Ok(Arc::clone(breaker)));
        found.is_ok_and(|breaker| {
            let retired = breaker.life().retire();
            if retired {
                breaker.depart();
                // Its row may lead to a new one already: then there is nothing left to remove.
                self.inner.remove(key, &breaker);
            }
            retired
        })
    }

    /// Visits every breaker. Those made or removed meanwhile are visited or not; the others are,
    /// once each. A visit is no use in the sense of [`evict_idle`](Self::evict_idle).
    ///
    /// ```
    /// use panelboard::{Panel, State};
    ///
    /// let panel = Panel::builder().build();
    /// panel.breaker("a")?;
    /// panel.breaker("b")?.trip();
    /// let mut open = Vec::new();
    /// panel.each(|key, breaker| {
    ///     if breaker.state() == State::Open {
    ///         open.push(key.clone());
    ///     }
    /// });
    /// assert_eq!(open, ["b"]);
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn each(&self, mut visit: impl FnMut(&K, &Breaker)) {
        self.inner.map.each(|key, breaker| {
            visit(key, breaker);
            self.leave(key, breaker);
        });
    }

    /// What every breaker shows, each at its own moment, in no order.
    ///
    /// ```
    /// use panelboard::{Panel, State};
    ///
    /// let panel = Panel::builder().build();
    /// panel.breaker("search")?.trip();
    /// let all = panel.snapshot();
    /// assert_eq!((all[0].0.as_str(), all[0].1.state), ("search", State::Open));
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    #[must_use]
    pub fn snapshot(&self) -> Vec<(K, Snapshot)> {
        let mut all = Vec::with_capacity(self.len());
        self.each(|key, breaker| all.push((key.clone(), breaker.snapshot())));
        all
    }

    /// How many breakers there are.
    ///
    /// ```
    /// use panelboard::Panel;
    ///
    /// let panel = Panel::builder().build();
    /// panel.breaker("a")?;
    /// panel.breaker("b")?;
    /// assert_eq!(panel.len(), 2);
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.map.len()
    }

    /// True if there are none.
    ///
    /// ```
    /// use panelboard::Panel;
    ///
    /// assert!(Panel::<String>::builder().build().is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Resets every breaker, the shared one of keys that do not fit among them.
    ///
    /// ```
    /// use panelboard::{Panel, State};
    ///
    /// let panel = Panel::builder().build();
    /// let handles = [panel.breaker("a")?, panel.breaker("b")?];
    /// handles.iter().for_each(|handle| assert!(handle.trip().is_some()));
    /// panel.reset_all();
    /// assert!(handles.iter().all(|handle| handle.state() == State::Closed));
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn reset_all(&self) {
        self.each(|_, breaker| {
            breaker.reset();
        });
        if let Some(overflow) = &self.inner.overflow {
            overflow.reset();
        }
    }

    /// Gives the breaker of `key` another configuration and keeps its state. False if there is
    /// none.
    ///
    /// ```
    /// use panelboard::{Config, Panel};
    ///
    /// let panel = Panel::builder().build();
    /// let handle = panel.breaker("search")?;
    /// let strict = Config::builder().failure_threshold(1).build()?;
    /// assert!(panel.reconfigure("search", &strict));
    /// assert_eq!(handle.snapshot().failure_threshold, 1);
    /// assert!(!panel.reconfigure("nobody", &strict));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reconfigure<Q>(&self, key: &Q, config: &Config) -> bool
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let reconfigured = self.inner.map.with(key, (), |breaker, ()| {
            breaker.reconfigure(config);
            Ok(())
        });
        reconfigured.is_ok()
    }

    /// Replaces the defaults and the function for all keys, those of today and those to come. The
    /// breakers keep their states. The shared one of keys that do not fit gets the defaults.
    ///
    /// Of two calls at once, the one that was the last to replace holds for every key.
    ///
    /// ```
    /// use panelboard::{Config, Panel};
    ///
    /// let panel = Panel::builder().build();
    /// let (old, sink) = (panel.breaker("search")?, panel.breaker("sink/loki")?);
    /// let strict = Config::builder().failure_threshold(1).build()?;
    /// let for_sinks = Config::sink().build()?;
    /// panel.reconfigure_all(strict, move |key: &String| {
    ///     key.starts_with("sink/").then(|| for_sinks.clone())
    /// });
    /// assert_eq!(old.snapshot().failure_threshold, 1);
    /// assert_eq!(sink.snapshot().failure_threshold, 5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reconfigure_all(
        &self,
        defaults: Config,
        by_key: impl Fn(&K) -> Option<Config> + Send + Sync + 'static,
    ) {
        let plan = Arc::new(Plan { defaults, by_key: Box::new(by_key) });
        let old = std::mem::replace(&mut *self.inner.plan.lock(), plan);
        drop(old);
        self.each(|key, breaker| {
            self.inner.by_plan(None, |plan| breaker.reconfigure(&plan.config(key)));
        });
        if let Some(overflow) = &self.inner.overflow {
            self.inner.by_plan(None, |plan| overflow.reconfigure(&plan.defaults));
        }
    }

    /// Subscribes to the events from here on.
    ///
    /// ```
    /// use panelboard::Panel;
    ///
    /// let panel = Panel::builder().build();
    /// let handle = panel.breaker("search")?;
    /// handle.trip();
    /// let mut events = panel.subscribe(); // from here on
    /// assert_eq!(events.next(), None);
    /// handle.reset();
    /// assert!(events.next().is_some());
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    #[must_use]
    pub fn subscribe(&self) -> Subscription<K> {
        self.subscribe_from(self.inner.hub.last_seq() + 1)
    }

    /// Subscribes from event number `seq` on, to resume. What is no longer kept counts as missed.
    ///
    /// ```
    /// use panelboard::Panel;
    ///
    /// let panel = Panel::builder().build();
    /// panel.breaker("search")?.trip();
    /// let first = panel.subscribe_from(1).next().and_then(Result::ok);
    /// assert_eq!(first.map(|event| event.seq), Some(1));
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    #[must_use]
    pub fn subscribe_from(&self, seq: u64) -> Subscription<K> {
        Subscription::new(Arc::clone(&self.inner.hub), seq.max(1))
    }

    /// How often listeners have panicked.
    ///
    /// ```
    /// use panelboard::{Panel, State};
    ///
    /// let panel: Panel = Panel::builder().on_transition(|_| panic!("a listener's bug")).build();
    /// let handle = panel.breaker("search")?;
    /// handle.trip();
    /// assert_eq!((handle.state(), panel.listener_panics()), (State::Open, 1));
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    #[must_use]
    pub fn listener_panics(&self) -> u64 {
        self.inner.hub.listener_panics()
    }

    /// The clock of its breakers.
    ///
    /// ```
    /// use panelboard::Panel;
    ///
    /// // How long ago a transition was, from its event.
    /// let panel = Panel::builder().build();
    /// let told = panel.breaker("search")?.reset();
    /// let ago = panel.clock().now().saturating_sub(told.at);
    /// assert!(ago.as_secs() < 60);
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.inner.clock
    }
}

impl<K: Key> Inner<K> {
    fn sweep(&self) -> u32 {
        self.sweep.load(Ordering::Relaxed) as u32
    }

    fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        use std::hash::BuildHasher;
        self.hasher.hash_one(key)
    }

    /// True if it is the breaker that serves the keys that do not fit.
    fn is_overflow(&self, handle: &Handle) -> bool {
        self.overflow.as_ref().is_some_and(|overflow| Arc::ptr_eq(overflow, &handle.breaker))
    }

    /// Removes the row of `key` if it still leads to `breaker`, which is retired.
    fn remove<Q>(&self, key: &Q, breaker: &Arc<Breaker>)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if self.map.remove(key, breaker) {
            self.rows.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Has `apply` go by the plan until that is the plan still when it is done: then whoever has
    /// replaced it since comes after. `applied` is the one by which it went already.
    fn by_plan(&self, mut applied: Option<Arc<Plan<K>>>, apply: impl Fn(&Plan<K>)) {
        loop {
            let plan = Arc::clone(&self.plan.lock());
            if applied.as_ref().is_some_and(|applied| Arc::ptr_eq(applied, &plan)) {
                return;
            }
            apply(&plan);
            applied = Some(plan);
        }
    }

    /// Makes the breaker of `key`, which this thread alone is making.
    fn make(&self, key: K) -> Result<Handle, PanelError> {
        let plan = Arc::clone(&self.plan.lock());
        let config = plan.config(&key);
        let member = self.groups.as_ref().and_then(|groups| groups.join(&key));
        if !self.reserve() {
            let shared = self.overflow.as_ref().and_then(|breaker| hold(breaker, self.sweep()));
            return shared.ok_or(PanelError::Full { max_breakers: self.max_breakers });
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let announcer = Announcer::new(Arc::clone(&self.hub), key.clone(), id);
        let clock = self.clock.clone();
        let peers = member.clone().map(|member| member as Arc<dyn Peers>);
        let breaker = Breaker::announcing(&config, clock, Some(Box::new(announcer)), peers);
        let breaker = Arc::new(breaker);
        if let Some(member) = member {
            member.introduce(&breaker);
        }
        let handle = hold(&breaker, self.sweep());
        if self.map.insert(key.clone(), Arc::clone(&breaker)) {
            // The row of a retired entry, whose own removal will find this one in its place.
            self.rows.fetch_sub(1, Ordering::Relaxed);
        }
        // Who has replaced the plan since may have visited all breakers before this one was there.
        if !fault::MAKES_BY_AN_OLD_PLAN.planted() {
            self.by_plan(Some(plan), |plan| breaker.reconfigure(&plan.config(&key)));
        }
        handle.ok_or(PanelError::Full { max_breakers: self.max_breakers })
    }
}

/// None if the breaker is retired.
fn hold(breaker: &Arc<Breaker>, sweep: u32) -> Option<Handle> {
    breaker.life().hold(sweep).then(|| Handle { breaker: Arc::clone(breaker) })
}

impl<K> Plan<K> {
    fn config(&self, key: &K) -> Config {
        (self.by_key)(key).unwrap_or_else(|| self.defaults.clone())
    }
}

impl<K> Clone for Panel<K> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K> fmt::Debug for Inner<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panel").field("max_breakers", &self.max_breakers).finish_non_exhaustive()
    }
}

/// A breaker of a panel, to keep: while it lives, its breaker is not evicted.
///
/// ```
/// use panelboard::{Handle, Panel};
///
/// /// Keeps its breaker, and looks it up once.
/// struct Client {
///     breaker: Handle,
/// }
///
/// let panel = Panel::builder().build();
/// let client = Client { breaker: panel.breaker("search")? };
/// panel.evict_idle();
/// panel.evict_idle();
/// assert!(panel.get("search").is_some_and(|held| held.same_as(&client.breaker)));
/// # Ok::<(), panelboard::PanelError>(())
/// ```
#[derive(Debug)]
pub struct Handle {
    breaker: Arc<Breaker>,
}

impl Handle {
    /// As [`Breaker::acquire`], with a permit that is `Send` and `'static`.
    ///
    /// ```
    /// use panelboard::{Panel, Recorded};
    ///
    /// let panel = Panel::builder().build();
    /// let permit = panel.breaker("search")?.acquire_owned()?;
    /// let recorded = std::thread::spawn(move || permit.success()).join();
    /// assert!(matches!(recorded, Ok(Recorded::Counted)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Breaker::acquire`].
    pub fn acquire_owned(&self) -> Result<Permit<Self>, Rejected> {
        Permit::acquire(self.clone())
    }

    /// As [`Breaker::isolate`], with a guard that is `Send` and `'static`.
    ///
    /// ```
    /// use panelboard::{Panel, State};
    ///
    /// let panel = Panel::builder().build();
    /// let guard = panel.breaker("search")?.isolate_owned();
    /// assert_eq!(panel.breaker("search")?.state(), State::ForcedOpen);
    /// std::thread::spawn(move || drop(guard)).join().expect("no panic");
    /// assert_eq!(panel.breaker("search")?.state(), State::Closed);
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    pub fn isolate_owned(&self) -> IsolateGuard<Self> {
        IsolateGuard::new(self.clone())
    }

    /// True if both lead to the same breaker.
    ///
    /// ```
    /// use panelboard::Panel;
    ///
    /// let panel = Panel::builder().build();
    /// let (a, b) = (panel.breaker("a")?, panel.breaker("b")?);
    /// assert!(a.same_as(&a.clone()) && !a.same_as(&b));
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.breaker, &other.breaker)
    }
}

impl Deref for Handle {
    type Target = Breaker;

    #[inline]
    fn deref(&self) -> &Breaker {
        &self.breaker
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        self.life().hold_again();
        Self { breaker: Arc::clone(&self.breaker) }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.life().release();
    }
}

/// Why a panel has no breaker for a key.
///
/// ```
/// use panelboard::{Panel, PanelError};
///
/// let panel = Panel::builder().max_breakers(1).build();
/// let _held = panel.breaker("a")?;
/// assert_eq!(panel.breaker("b").err(), Some(PanelError::Full { max_breakers: 1 }));
/// # Ok::<(), panelboard::PanelError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PanelError {
    /// There are as many breakers as may be, and none of them may go.
    Full {
        /// The bound.
        max_breakers: usize,
    },
    /// The function that gives a key its configuration has asked for a key that waits for it.
    Circle,
}

impl fmt::Display for PanelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { max_breakers } => write!(
                f,
                "the panel holds {max_breakers} breakers, its max_breakers, and all of them are \
                 open, overridden, held or in use"
            ),
            Self::Circle => f.write_str(
                "the configuration of this key is being made by a look-up that waits for it",
            ),
        }
    }
}

impl error::Error for PanelError {}
