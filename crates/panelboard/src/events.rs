//! How transitions are told: one numbered stream for a panel, and listeners.
//!
//! # In which order
//! Of one breaker always by generation, without a gap: the thread that made a later transition may
//! come here first, and then its event waits for the one before it. Across breakers, in the order
//! in which the events could be put.
//!
//! # What happens at the bound
//! The stream keeps the last `events_capacity` events. Whoever is further behind is told how many
//! it has missed. Up to 1,024 events wait for one before them; beyond that the ones that wait are
//! put, and the one that they waited for is left out when it comes.

use std::{
    collections::VecDeque,
    error, fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use crate::{
    breaker::Announce,
    fault,
    sync::{AtomicU64, Mutex, Ordering, QuietU64},
    transition::Transition,
};

/// Events that may wait for the one before them.
const MAX_PARKED: usize = 1_024;

/// A transition of a panel's breaker, with its place in the panel's stream.
///
/// ```
/// use panelboard::{Panel, State};
///
/// let panel = Panel::builder().build();
/// let mut events = panel.subscribe();
/// panel.breaker("search")?.trip();
/// let event = events.next().and_then(Result::ok).expect("the trip");
/// assert_eq!((event.seq, event.key.as_str()), (1, "search"));
/// assert_eq!(event.transition.to, State::Open);
/// # Ok::<(), panelboard::PanelError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event<K> {
    /// Number in the panel's stream; the first is 1, and there are no gaps.
    pub seq: u64,
    /// Whose.
    pub key: K,
    /// What.
    pub transition: Transition,
    /// True if the transition was not made: the breaker's group held it back, and the next bad
    /// outcome tries again. It is told once in a generation, and `transition` is what it would have
    /// been.
    pub held: bool,
}

/// A listener: see [`PanelBuilder::on_transition`](crate::PanelBuilder::on_transition).
pub(crate) type Listener<K> = Box<dyn Fn(&Event<K>) + Send + Sync>;

/// Where all the breakers of a panel tell their transitions.
pub(crate) struct Hub<K> {
    /// Protects the stream and the order in which events enter it. Held to put or to copy events;
    /// keys are cloned before and dropped after, and listeners run outside.
    stream: Mutex<Stream<K>>,
    listeners: Vec<Listener<K>>,
    /// Listeners that panicked. Carries only itself.
    panics: QuietU64,
}

struct Stream<K> {
    /// The last number given.
    seq: u64,
    ring: VecDeque<Arc<Event<K>>>,
    capacity: usize,
    parked: Vec<Parked<K>>,
    /// For the listeners, if there are any; as long as the ring at the most.
    outbox: VecDeque<Arc<Event<K>>>,
    /// Some thread is calling the listeners, and will go on until the outbox is empty.
    delivering: bool,
}

struct Parked<K> {
    breaker: u64,
    key: K,
    transition: Transition,
    held: bool,
}

/// One breaker's place in the stream; the breaker's [`Announce`].
pub(crate) struct Announcer<K> {
    pub(crate) hub: Arc<Hub<K>>,
    pub(crate) key: K,
    /// Which breaker, within the panel.
    pub(crate) id: u64,
    /// The last generation put. Read and written under the stream's lock only.
    put: AtomicU64,
}

impl<K> Announcer<K> {
    pub(crate) fn new(hub: Arc<Hub<K>>, key: K, id: u64) -> Self {
        Self { hub, key, id, put: AtomicU64::new(0) }
    }
}

impl<K: Clone + Send + Sync> Announce for Announcer<K> {
    fn announce(&self, transition: &Transition) {
        self.tell(transition, false);
    }

    fn held(&self, transition: &Transition) {
        self.tell(transition, true);
    }
}

impl<K: Clone + Send + Sync> Announcer<K> {
    fn tell(&self, transition: &Transition, held: bool) {
        let key = self.key.clone();
        let event = Parked { breaker: self.id, key, transition: *transition, held };
        // What the ring lets go of is dropped after the lock: its key is the user's.
        let mut gone = Vec::new();
        let listeners = !self.hub.listeners.is_empty();
        let deliver = {
            let mut stream = self.hub.stream.lock();
            match held {
                // No transition: it has no turn among them.
                true => stream.put(event, listeners, &mut gone),
                false => stream.arrive(event, &self.put, listeners, &mut gone),
            }
            if fault::LISTENER_UNDER_LOCK.planted() {
                for event in std::mem::take(&mut stream.outbox) {
                    self.hub.listeners.iter().for_each(|listener| listener(&event));
                }
            }
            listeners && !std::mem::replace(&mut stream.delivering, listeners)
        };
        drop(gone);
        if deliver {
            self.hub.deliver();
        }
    }
}

impl<K> Stream<K> {
    /// Puts `event`, and those that waited for it, or has it wait.
    fn arrive(
        &mut self,
        event: Parked<K>,
        put: &AtomicU64,
        listeners: bool,
        gone: &mut Vec<Gone<K>>,
    ) {
        let breaker = event.breaker;
        let in_turn = |put: &AtomicU64, generation| {
            // Relaxed: under the lock.
            let last = put.load(Ordering::Relaxed);
            generation == last + 1 || fault::EVENTS_UNORDERED.planted()
        };
        if event.transition.generation <= put.load(Ordering::Relaxed)
            && !fault::EVENTS_UNORDERED.planted()
        {
            gone.push(Gone::Left(event.key));
            return;
        }
        if !in_turn(put, event.transition.generation) {
            self.parked.push(event);
            if self.parked.len() <= MAX_PARKED {
                return;
            }
            // Give up on the one that they wait for: the oldest of the waiting is next.
            let waiting = self.parked.iter().filter(|parked| parked.breaker == breaker);
            let oldest = waiting.map(|parked| parked.transition.generation).min();
            put.store(oldest.unwrap_or(1) - 1, Ordering::Relaxed);
        } else {
            put.store(event.transition.generation, Ordering::Relaxed);
            self.put(event, listeners, gone);
        }
        while let Some(next) = self.parked.iter().position(|parked| {
            parked.breaker == breaker && in_turn(put, parked.transition.generation)
        }) {
            let parked = self.parked.swap_remove(next);
            put.store(parked.transition.generation, Ordering::Relaxed);
            self.put(parked, listeners, gone);
        }
    }

    fn put(&mut self, event: Parked<K>, listeners: bool, gone: &mut Vec<Gone<K>>) {
        self.seq += 1;
        let Parked { key, transition, held, .. } = event;
        let event = Arc::new(Event { seq: self.seq, key, transition, held });
        if listeners {
            self.outbox.push_back(Arc::clone(&event));
            if self.outbox.len() > self.capacity {
                gone.extend(self.outbox.pop_front().map(Gone::Event));
            }
        }
        self.ring.push_back(event);
        if self.ring.len() > self.capacity {
            gone.extend(self.ring.pop_front().map(Gone::Event));
        }
    }

    /// The number of the oldest event that is kept.
    fn oldest(&self) -> u64 {
        self.seq + 1 - self.ring.len() as u64
    }
}

/// What leaves the stream, to be dropped outside its lock.
#[expect(dead_code, reason = "held only to be dropped later")]
enum Gone<K> {
    Event(Arc<Event<K>>),
    Left(K),
}

impl<K> Hub<K> {
    pub(crate) fn new(capacity: usize, listeners: Vec<Listener<K>>) -> Self {
        let stream = Stream {
            seq: 0,
            ring: VecDeque::new(),
            capacity: capacity.max(1),
            parked: Vec::new(),
            outbox: VecDeque::new(),
            delivering: false,
        };
        Self { stream: Mutex::new(stream), listeners, panics: QuietU64::new(0) }
    }

    /// Calls the listeners, one event after the other, until none is left. Events that arrive
    /// meanwhile, also from the listeners themselves, are delivered by this same loop.
    fn deliver(&self) {
        loop {
            let event = {
                let mut stream = self.stream.lock();
                match stream.outbox.pop_front() {
                    Some(event) => event,
                    None => {
                        stream.delivering = false;
                        return;
                    }
                }
            };
            for listener in &self.listeners {
                if catch_unwind(AssertUnwindSafe(|| listener(&event))).is_err() {
                    self.panics.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    pub(crate) fn listener_panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.stream.lock().seq
    }
}

impl<K> fmt::Debug for Hub<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("listeners", &self.listeners.len()).finish_non_exhaustive()
    }
}

impl<K> fmt::Debug for Announcer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announcer").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A reader of a panel's events, at its own pace.
///
/// It holds nothing but a number, so a slow one costs nobody anything.
///
/// ```
/// use panelboard::{Missed, Panel};
///
/// let panel = Panel::builder().events_capacity(2).build();
/// let mut events = panel.subscribe();
/// for key in ["a", "b", "c"] {
///     panel.breaker(key)?.trip();
/// }
/// assert_eq!(events.next(), Some(Err(Missed(1)))); // two are kept
/// let kept: Vec<_> = std::iter::from_fn(|| events.next()).flatten().collect();
/// assert_eq!([&kept[0].key, &kept[1].key], ["b", "c"]);
/// # Ok::<(), panelboard::PanelError>(())
/// ```
#[derive(Debug)]
pub struct Subscription<K> {
    hub: Arc<Hub<K>>,
    next: u64,
}

impl<K> Subscription<K> {
    pub(crate) fn new(hub: Arc<Hub<K>>, next: u64) -> Self {
        Self { hub, next }
    }

    /// The next event if there is one; never waits. To wait, have a listener
    /// ([`on_transition`](crate::PanelBuilder::on_transition)) wake you, and then read until
    /// `None`.
    ///
    /// `Err(Missed(n))` says that the stream no longer keeps the next `n` events; the event after
    /// them is the next answer.
    ///
    /// ```
    /// use panelboard::Panel;
    /// use std::sync::mpsc;
    ///
    /// // One event wakes the reader; it reads until there are no more.
    /// let (wake, woken) = mpsc::sync_channel(1);
    /// let panel = Panel::builder().on_transition(move |_| drop(wake.try_send(()))).build();
    /// let mut events = panel.subscribe();
    /// panel.breaker("search")?.trip();
    /// woken.recv()?;
    /// let mut told = 0;
    /// while let Some(event) = events.next() {
    ///     told += u64::from(event.is_ok());
    /// }
    /// assert_eq!(told, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(clippy::should_implement_trait, reason = "`None` is not the end")]
    pub fn next(&mut self) -> Option<Result<Arc<Event<K>>, Missed>> {
        let stream = self.hub.stream.lock();
        let oldest = stream.oldest();
        if self.next < oldest {
            let missed = oldest - self.next;
            self.next = oldest;
            return Some(Err(Missed(missed)));
        }
        let event = Arc::clone(stream.ring.get((self.next - oldest) as usize)?);
        self.next += 1;
        Some(Ok(event))
    }

    /// The number of the event that [`next`](Self::next) will look for.
    ///
    /// ```
    /// use panelboard::Panel;
    ///
    /// let panel = Panel::builder().build();
    /// let mut events = panel.subscribe();
    /// panel.breaker("a")?.trip();
    /// events.next();
    /// // Kept across a restart of the reader, it goes on where that one was.
    /// let position = events.position();
    /// panel.breaker("b")?.trip();
    /// let next = panel.subscribe_from(position).next().and_then(Result::ok);
    /// assert_eq!(next.map(|event| event.key.clone()).as_deref(), Some("b"));
    /// # Ok::<(), panelboard::PanelError>(())
    /// ```
    #[must_use]
    pub fn position(&self) -> u64 {
        self.next
    }
}

/// How many events a subscription was too slow for.
///
/// ```
/// use panelboard::Missed;
///
/// assert_eq!(Missed(3).to_string(), "missed 3 events");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed(pub u64);

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "missed {} events", self.0)
    }
}

impl error::Error for Missed {}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests;
