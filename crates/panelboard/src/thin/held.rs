//! Which permits wait for an outcome: by age and by context.

use std::collections::{
    BTreeMap, HashMap,
    hash_map::Entry::{Occupied, Vacant},
};

use foldhash::fast::RandomState;

use crate::fault;

/// Calls of one context that may be out at once.
const DEPTH: usize = 8;
/// How many leases are ended at once, so that the lock is held for a short time.
const AT_ONCE: usize = 64;

/// The permits that are held. Each is in both maps.
pub(super) struct Held<P> {
    by_age: BTreeMap<u64, Waiting<P>>,
    by_context: HashMap<u64, Stack, RandomState>,
    /// The age of the next.
    next: u64,
}

struct Waiting<P> {
    permit: P,
    context: u64,
    /// The end of its lease.
    until_ms: u64,
}

/// Ages of the permits of one context, the newest last.
#[derive(Default)]
struct Stack {
    ages: [u64; DEPTH],
    len: usize,
}

impl<P> Held<P> {
    pub(super) fn new() -> Self {
        Self { by_age: BTreeMap::new(), by_context: HashMap::default(), next: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.by_age.len()
    }

    /// The end of the oldest permit's lease.
    pub(super) fn oldest_until_ms(&self) -> Option<u64> {
        self.by_age.first_key_value().map(|(_, oldest)| oldest.until_ms)
    }

    /// Holds `permit` for `context`. The answer has made room for it.
    #[must_use = "the permit must be ended"]
    pub(super) fn put(
        &mut self,
        context: u64,
        permit: P,
        until_ms: u64,
        max_held: usize,
    ) -> Option<P> {
        let of_context = self.by_context.get(&context).and_then(Stack::oldest_if_full);
        let of_all = || self.by_age.keys().next().copied().filter(|_| self.len() >= max_held);
        let displaced = of_context.or_else(of_all).and_then(|age| self.take(age));
        let age = self.next;
        self.next += 1;
        self.by_context.entry(context).or_default().push(age);
        self.by_age.insert(age, Waiting { permit, context, until_ms });
        displaced
    }

    /// The newest permit of `context` whose lease runs.
    pub(super) fn take_newest(&mut self, context: u64, now_ms: u64) -> Option<P> {
        let age = self.by_context.get(&context)?.newest()?;
        let runs = self.by_age.get(&age).is_some_and(|waiting| waiting.until_ms > now_ms);
        // Those below it are older. The next look at the leases takes them.
        if runs || fault::THIN_ENDS_EXPIRED.planted() { self.take(age) } else { None }
    }

    /// The oldest permits as far as their leases are over, but not all of very many.
    #[must_use = "the permits must be ended"]
    pub(super) fn take_expired(&mut self, now_ms: u64) -> Vec<P> {
        let mut expired = Vec::new();
        while expired.len() < AT_ONCE
            && let Some((&age, oldest)) = self.by_age.first_key_value()
            && oldest.until_ms <= now_ms
        {
            expired.extend(self.take(age));
        }
        expired
    }

    pub(super) fn into_permits(self) -> impl Iterator<Item = P> {
        self.by_age.into_values().map(|waiting| waiting.permit)
    }

    fn take(&mut self, age: u64) -> Option<P> {
        let waiting = self.by_age.remove(&age)?;
        match self.by_context.entry(waiting.context) {
            Occupied(mut stack) => {
                stack.get_mut().remove(age);
                if stack.get().len == 0 {
                    stack.remove();
                }
            }
            Vacant(_) => debug_assert!(false, "each permit is in both maps"),
        }
        Some(waiting.permit)
    }
}

impl Stack {
    fn push(&mut self, age: u64) {
        debug_assert!(self.len < DEPTH, "room was made");
        self.ages[self.len] = age;
        self.len += 1;
    }

    fn remove(&mut self, age: u64) {
        if let Some(place) = self.ages[..self.len].iter().position(|&other| other == age) {
            self.ages.copy_within(place + 1..self.len, place);
            self.len -= 1;
        }
    }

    fn newest(&self) -> Option<u64> {
        self.ages[..self.len].last().copied()
    }

    fn oldest_if_full(&self) -> Option<u64> {
        (self.len == DEPTH).then_some(self.ages[0])
    }
}
