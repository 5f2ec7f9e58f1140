//! Which breakers stand for each other, and how many of them may be open at once? So that a fault
//! of the network can't take out the last provider.
//!
//! A breaker that is open, half-open or forced open holds one place in its group. Places are
//! counted, not marked: of two threads that race to open one breaker each takes a place, and the
//! one that loses gives its own back; for that moment the group may seem fuller than it is, and
//! another trip is held back that the next bad outcome makes.
//!
//! After the outlier detection of Envoy (`max_ejection_percent`, success-rate deviation).

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use crate::{
    breaker::{Breaker, Peers},
    config::{ConfigError, check},
    fault,
    sync::{AtomicU64, Ordering, QuietMutex, QuietU64},
};

/// What holds for the groups of a panel: see [`PanelBuilder::group`](crate::PanelBuilder::group).
///
/// It limits the trips of policies. A breaker that is opened or forced open by hand, isolated, or
/// opened by [`open_for`](crate::Breaker::open_for) takes its place in the group whatever the
/// limit, as it is no alternative then. What is open beneath another override keeps its place.
///
/// ```
/// use panelboard::{Group, Panel};
///
/// let half = Group::new(0.5)?.compare_to_siblings(0.2)?;
/// let model = |key: &String| key.split('@').next().map(str::to_owned);
/// let panel: Panel = Panel::builder().group(half, model).build();
/// panel.breaker("large@east")?;
/// panel.breaker("large@west")?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group {
    max_open_share: f64,
    margin: Option<f64>,
}

impl Group {
    /// A policy opens a breaker only if at most `share` (above 0, to 1) of its group, rounded down,
    /// are then open, half-open or forced open. A trip beyond that is held back: its outcome is
    /// [`Recorded::Held`](crate::Recorded::Held), the panel tells it once in a generation, and the
    /// next bad outcome tries again.
    ///
    /// With a share below 1 the only breaker of a group never opens by its policy.
    ///
    /// ```
    /// use panelboard::Group;
    ///
    /// assert!(Group::new(0.5).is_ok());
    /// let error = Group::new(0.0).unwrap_err();
    /// assert_eq!(error.to_string(), "max_open_share is 0.0, expected above 0, to 1");
    /// ```
    ///
    /// # Errors
    /// A share out of its range.
    pub fn new(max_open_share: f64) -> Result<Self, ConfigError> {
        let fits = max_open_share > 0.0 && max_open_share <= 1.0;
        check("max_open_share", max_open_share, fits, "above 0, to 1")?;
        Ok(Self { max_open_share, margin: None })
    }

    /// A trip is also held back unless the breaker does worse than the others of its group that
    /// are closed: unless its share of bad calls is above their mean by `margin` (above 0, to 1).
    /// So one that fails trips, and all of them do not when the network is down.
    ///
    /// The share of bad calls is that of the window; where the policy has none, the failures in a
    /// row as a share of those that trip. Not compared with are breakers whose window holds no
    /// call, and those that are forced open or disabled. A run does not say how many calls there
    /// were: by it, one that has no calls does as well as one that answers them all.
    ///
    /// ```
    /// use panelboard::{Config, Group, Panel, Recorded, State};
    ///
    /// let one_group = |_: &String| Some("all".to_owned());
    /// let panel: Panel = Panel::builder()
    ///     .defaults(Config::builder().failure_threshold(2).build()?)
    ///     .group(Group::new(1.0)?.compare_to_siblings(0.6)?, one_group)
    ///     .build();
    /// let (a, b) = (panel.breaker("a")?, panel.breaker("b")?);
    /// // Both fail: neither does worse than the other by so much.
    /// b.acquire()?.failure();
    /// a.acquire()?.failure();
    /// assert_eq!(a.acquire()?.failure(), Recorded::Held);
    /// // The other one recovers: now it does.
    /// b.acquire()?.success();
    /// a.acquire()?.failure();
    /// assert_eq!((a.state(), b.state()), (State::Open, State::Closed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A margin out of its range.
    pub fn compare_to_siblings(self, margin: f64) -> Result<Self, ConfigError> {
        let fits = margin > 0.0 && margin <= 1.0;
        check("compare_to_siblings", margin, fits, "above 0, to 1")?;
        Ok(Self { margin: Some(margin), ..self })
    }

    /// How many of `members` may be open at once.
    fn places(self, members: u64) -> u64 {
        (self.max_open_share * members as f64) as u64
    }
}

/// The groups of a panel.
pub(super) struct Groups<K> {
    rules: Group,
    name: NameOf<K>,
    /// Protects which groups there are. Held to look one up, to add one and to forget those without
    /// a breaker.
    known: QuietMutex<Known>,
}

pub(super) type NameOf<K> = Box<dyn Fn(&K) -> Option<String> + Send + Sync>;

#[derive(Default)]
struct Known {
    by_name: HashMap<String, Weak<Members>>,
    /// How many groups there may be before those without a breaker are forgotten.
    enough: usize,
}

impl<K> Groups<K> {
    pub(super) fn new(rules: Group, name: NameOf<K>) -> Self {
        Self { rules, name, known: QuietMutex::default() }
    }

    /// The place of a breaker that is about to be made for `key`; none if it has no group.
    pub(super) fn join(&self, key: &K) -> Option<Arc<Member>> {
        // The user's function: before the lock.
        let name = (self.name)(key)?;
        let mut known = self.known.lock();
        let found = known.by_name.get(&name).and_then(Weak::upgrade);
        let members = found.unwrap_or_else(|| {
            if known.by_name.len() >= known.enough {
                known.by_name.retain(|_, members| members.strong_count() > 0);
                known.enough = 16.max(2 * known.by_name.len());
            }
            let members = Arc::new(Members::default());
            known.by_name.insert(name, Arc::downgrade(&members));
            members
        });
        // Relaxed: numbers of members and of places carry only themselves.
        members.count.fetch_add(1, Ordering::Relaxed);
        Some(Arc::new(Member { rules: self.rules, members, own: AtomicU64::new(0) }))
    }
}

impl<K> fmt::Debug for Groups<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Groups").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// The breakers of a group.
#[derive(Debug)]
struct Members {
    /// How many breakers of the panel there are.
    count: QuietU64,
    /// Places that are taken: see the module.
    taken: AtomicU64,
    /// Protects the list. Held to copy it and to add to it.
    list: QuietMutex<Vec<Weak<Breaker>>>,
}

impl Default for Members {
    fn default() -> Self {
        Self {
            count: QuietU64::new(0),
            taken: AtomicU64::new(0),
            list: QuietMutex::new(Vec::new()),
        }
    }
}

/// One breaker's membership; the breaker's [`Peers`].
#[derive(Debug)]
pub(super) struct Member {
    rules: Group,
    members: Arc<Members>,
    /// The places that this breaker holds, or [`GONE`] when it has left the panel: then it is no
    /// alternative any more, holds no place and is not limited.
    own: AtomicU64,
}

const GONE: u64 = u64::MAX;

impl Member {
    fn leave_panel(&self) {
        match self.own.swap(GONE, Ordering::Relaxed) {
            GONE => {}
            places => {
                self.members.taken.fetch_sub(places, Ordering::Relaxed);
                self.members.count.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// Notes a place that was taken in the group; gives it back if the breaker has left meanwhile.
    fn note_place(&self) {
        let more = |own| (own != GONE).then_some(own + 1);
        if self.own.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            self.members.taken.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Has the siblings compare themselves with `breaker`, if that is asked for.
    pub(super) fn introduce(&self, breaker: &Arc<Breaker>) {
        if self.rules.margin.is_none() {
            return;
        }
        let mut list = self.members.list.lock();
        if list.len() == list.capacity() {
            list.retain(|member| member.strong_count() > 0);
        }
        list.push(Arc::downgrade(breaker));
    }

    /// True if `own` does worse than its siblings by `margin`, or has none to compare with.
    fn is_worse_by(&self, margin: f64, own: &Breaker, now: Duration) -> bool {
        let list = self.members.list.lock().clone();
        let siblings = list.iter().filter_map(Weak::upgrade);
        let shares: Vec<f64> = siblings
            .filter(|sibling| !std::ptr::eq(&raw const **sibling, own))
            .filter_map(|sibling| sibling.bad_share(now))
            .collect();
        // By a run, its last failure is not in the word yet: it is failing, which is all there is.
        let own = if own.has_window() { own.bad_share(now).unwrap_or(1.0) } else { 1.0 };
        shares.is_empty() || own - shares.iter().sum::<f64>() / shares.len() as f64 >= margin
    }
}

impl Peers for Member {
    fn compares(&self) -> bool {
        self.rules.margin.is_some() && self.own.load(Ordering::Relaxed) != GONE
    }

    fn is_worse(&self, own: &Breaker, now: Duration) -> bool {
        self.rules.margin.is_none_or(|margin| self.is_worse_by(margin, own, now))
    }

    fn enter(&self) -> bool {
        // Relaxed throughout: numbers of members and of places carry only themselves.
        if self.own.load(Ordering::Relaxed) == GONE {
            return true;
        }
        let Members { count, taken, .. } = &*self.members;
        let places = self.rules.places(count.load(Ordering::Relaxed));
        let entered = if fault::GROUP_CHECKS_THEN_TAKES.planted() {
            let room = taken.load(Ordering::Relaxed) < places;
            taken.fetch_add(u64::from(room), Ordering::Relaxed);
            room
        } else {
            let more = |taken| (taken < places).then_some(taken + 1);
            taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
        };
        if entered {
            self.note_place();
        }
        entered
    }

    fn enter_by_hand(&self) {
        self.members.taken.fetch_add(1, Ordering::Relaxed);
        self.note_place();
    }

    fn leave(&self) {
        let fewer = |own: u64| (own != GONE && own > 0).then(|| own - 1);
        if self.own.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer).is_ok() {
            self.members.taken.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn depart(&self) {
        self.leave_panel();
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.leave_panel();
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    fn groups() -> Groups<u32> {
        let rules = Group::new(0.5).expect("in range");
        Groups::new(rules, Box::new(|key| Some(key.to_string())))
    }

    #[test]
    fn groups_without_a_breaker_are_forgotten_and_those_with_one_are_not() {
        let groups = groups();
        let first = groups.join(&0).expect("has a name");
        for key in 1..10_000 {
            groups.join(&key);
            let known = groups.known.lock().by_name.len();
            assert!(known <= 16, "{known} after {key}");
        }
        let again = groups.join(&0).expect("has a name");
        assert!(Arc::ptr_eq(&first.members, &again.members));
        let live: Vec<_> = (0..1_000).map(|key| groups.join(&key)).collect();
        assert_eq!((live.len(), groups.known.lock().by_name.len()), (1_000, 1_000));
    }

    #[test]
    fn a_breaker_that_is_made_and_not_taken_is_no_member() {
        let groups = groups();
        let member = groups.join(&0).expect("has a name");
        let count = || member.members.count.load(Ordering::Relaxed);
        groups.join(&0);
        assert_eq!(count(), 1);
        member.depart();
        member.depart();
        assert_eq!(count(), 0);
    }
}
