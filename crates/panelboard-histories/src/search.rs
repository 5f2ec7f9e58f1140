//! Is there an order? The search of Wing and Gong, with Lowe's memory of what was tried.

use std::{
    collections::HashSet,
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::{
    call::{Asked, Call, Told},
    event::At,
    record::History,
    rule::Rule,
    session::Session,
};

/// Places after which a search is given up.
const PATIENCE: usize = 300_000;

/// What a search for an order came to.
///
/// ```
/// assert_ne!(panelboard_histories::Verdict::AnOrder, panelboard_histories::Verdict::Undecided);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// There is one.
    AnOrder,
    /// There is none; how far it goes.
    NoOrder(Stuck),
    /// It would have taken longer than anybody waits.
    Undecided,
}

/// How far the best order goes, in words: what the log has next, which calls are to be answered,
/// and what the session is then.
///
/// ```
/// # use serde_json::json;
/// # let record = [
/// #     json!({ "k": "sent", "session": "s", "call": 1, "op": "run", "ask": { "run": "1" } }),
/// #     json!({ "k": "answered", "call": 1, "ok": true,
/// #         "body": { "run": "1", "status": "succeeded", "input": "hi" } }),
/// # ];
/// // A record in which a run was shown that was never there.
/// let verdict = panelboard_histories::histories(&record, 6)?[0].judge();
/// let panelboard_histories::Verdict::NoOrder(stuck) = verdict else { unreachable!() };
/// assert!(stuck.to_string().contains("0 of 1 calls"), "{stuck}");
/// # Ok::<(), panelboard_histories::Malformed>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Stuck(String);

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A place in the search.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place {
    done: Vec<u64>,
    /// What cancels without a run have found.
    aimed: Vec<(usize, u64)>,
    session: Session,
}

pub(crate) fn order(history: &History) -> Verdict {
    let done = vec![0; history.calls.len().div_ceil(64)];
    let start = Place { done, aimed: Vec::new(), session: Session::default() };
    let (mut tried, mut best) = (HashSet::new(), start.clone());
    let mut stack = vec![start];
    while let Some(place) = stack.pop() {
        if place.is_whole(history) {
            return Verdict::AnOrder;
        }
        if tried.len() > PATIENCE {
            return Verdict::Undecided;
        }
        if place.far() > best.far() {
            best = place.clone();
        }
        stack.extend(place.next(history).into_iter().filter(|next| tried.insert(next.digest())));
    }
    Verdict::NoOrder(Stuck(best.told(history)))
}

impl Place {
    /// Of 128 bits, since whole places would fill the memory.
    fn digest(&self) -> (u64, u64) {
        let of = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            (salt, self).hash(&mut hasher);
            hasher.finish()
        };
        (of(0), of(1))
    }

    fn has(&self, index: usize) -> bool {
        self.done[index / 64] & 1 << (index % 64) != 0
    }

    fn far(&self) -> (u64, u32) {
        (self.session.head, self.done.iter().map(|word| word.count_ones()).sum())
    }

    fn is_whole(&self, history: &History) -> bool {
        let answered = |call: &Call| call.told != Told::Unknown;
        let all = (0..).zip(&history.calls).all(|(index, call)| self.has(index) || !answered(call));
        let told = self.session.head == history.log.head();
        all && (told || !history.rules.has(Rule::Caused))
    }

    /// Calls that may take effect next.
    fn ready<'a>(&self, history: &'a History) -> Vec<(usize, &'a Call)> {
        let left = || history.calls.iter().enumerate().filter(|(index, _)| !self.has(*index));
        let first_end = left().map(|(_, call)| call.ended).min().unwrap_or(u64::MAX);
        let first_end = if history.rules.has(Rule::Time) { first_end } else { u64::MAX };
        let shown = |call: &Call| call.seen <= self.session.head || !history.rules.has(Rule::Seen);
        left().filter(|(_, call)| call.began < first_end && shown(call)).collect()
    }

    /// The places after one more step; what is tried first stands last.
    fn next(&self, history: &History) -> Vec<Self> {
        let mut places = Vec::new();
        let (log, rules) = (&history.log, history.rules);
        for after in self.session.by_itself(log, rules) {
            places.push(Self { session: after, ..self.clone() });
        }
        for (index, call) in self.ready(history) {
            let aimed = self.aimed.iter().find(|(aimed, _)| *aimed == index).map(|(_, run)| *run);
            if aimed.is_none()
                && let Some(run) = self.aims(call)
            {
                let mut next = self.clone();
                next.aimed.push((index, run));
                next.aimed.sort_unstable();
                if call.told != Told::Unknown {
                    // It found out what it was told, and has done nothing yet.
                    return vec![next];
                }
                places.push(next);
            }
            let Some(after) = self.session.after(call, aimed, log, rules) else { continue };
            let still = after == self.session;
            let mut next = Self { session: after, ..self.clone() };
            next.done[index / 64] |= 1 << (index % 64);
            next.aimed.retain(|(aimed, _)| *aimed != index);
            if still && call.told != Told::Unknown {
                // What changes nothing may as well be the first of all.
                return vec![next];
            }
            if !still {
                places.push(next);
            }
        }
        places
    }

    /// The run that a cancel without one finds now, if it may be what it was told of.
    fn aims(&self, call: &Call) -> Option<u64> {
        let Asked::Cancel { run: None, .. } = call.asked else { return None };
        let run = self.session.active()?;
        let may = match &call.told {
            Told::Stopped { run: told, .. } => *told == Some(run),
            told => *told == Told::Unknown,
        };
        may.then_some(run)
    }

    fn told(&self, history: &History) -> String {
        let (head, done) = self.far();
        let next = match history.log.at(head + 1) {
            At::Event(event) => format!("{event:?}"),
            At::Hole => "something nobody saw".to_owned(),
            At::End => "nothing more".to_owned(),
        };
        let mut text = format!(
            "{done} of {} calls and {head} of {} events have an order; then the log has {next}, \
             the session is {:?}, and these are to be answered:",
            history.calls.len(),
            history.log.head(),
            self.session
        );
        for (_, call) in self.ready(history).into_iter().take(8) {
            text.push_str(&format!(
                "\n  {:?} told {:?}, from {} to {}, shown {}",
                call.asked, call.told, call.began, call.ended, call.seen
            ));
        }
        text
    }
}
