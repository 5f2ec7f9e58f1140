//! Which setting is recommended, and why?
//!
//! 1. Of the settings on the front that are in neither figure worse than the current ones, by what
//!    they are judged by and with their own open times alone: the one with the least sum of both,
//!    each as a share of what it is now.
//! 2. If there is none, the current ones are on the front, and less of one figure costs more of the
//!    other. Then the knee of the whole front, if wasted calls and wrongly rejected ones together
//!    are fewer than now; or else the current ones.
//! 3. What was chosen is checked on the calls that were held out: if it is worse there, the current
//!    ones are kept.

use super::{Candidate, Waste, split::Split};
use crate::{
    replay::Figures,
    search::{Pair, Tried, knee},
};

/// The number of the one that is recommended; 0 is the current one.
pub(super) fn choose(by: Waste, tried: &[Tried], pairs: &[Pair], front: &[usize]) -> usize {
    let now = pairs[0];
    let own = |number: usize| by.pair(&tried[number].judged.figures);
    let none_above = |pair: Pair, most: Pair| pair.0 <= most.0 && pair.1 <= most.1;
    let no_worse = |number: &usize| {
        let pair = pairs[*number];
        pair != now && none_above(pair, now) && none_above(own(*number), own(0))
    };
    let better: Vec<usize> = front.iter().copied().filter(no_worse).collect();
    if let Some(best) = knee(pairs, &better, (0, 0), now) {
        return best;
    }
    let (Some(first), Some(last)) = (front.first(), front.last()) else { return 0 };
    let (least, most) = ((pairs[*first].0, pairs[*last].1), (pairs[*last].0, pairs[*first].1));
    let spared = |figures: &Figures| figures.wasted_calls + figures.rejected_wrongly;
    let of = |number: usize| spared(&tried[number].judged.figures);
    let fewer = |number: &usize| of(*number) < of(0);
    knee(pairs, front, least, most).filter(fewer).unwrap_or(0)
}

/// At most `most` of a front, evenly, with both ends.
pub(super) fn thinned(front: &[usize], most: usize) -> Vec<usize> {
    if front.len() <= most {
        return front.to_vec();
    }
    (0..most).map(|i| front[i * (front.len() - 1) / (most - 1)]).collect()
}

/// The choice once it was checked, and the reason.
pub(super) fn checked(
    current: &Candidate,
    chosen: &Candidate,
    split: &Split,
) -> (Candidate, String) {
    if split.bad_calls == 0 {
        return (*current, "No call is bad: there is nothing to choose by.".to_owned());
    }
    let (now, then) = (current.judged, chosen.judged);
    if chosen.settings == current.settings || now == then {
        let reason = "Nothing that was tried is better in both figures, or worth what it costs in \
                      the other one: the current settings are kept.";
        return (*current, reason.to_owned());
    }
    let done = compared(&current.chosen_on, &chosen.chosen_on);
    let why = if then.0 <= now.0 && then.1 <= now.1 {
        "of the settings that are in neither worse than now, it has the least sum of both"
    } else {
        "no setting is better in both, and this is the knee of the front"
    };
    let Some((now, then)) = current.held_out.zip(chosen.held_out) else {
        let unchecked = match split.troubles.len() {
            0 => "There is no bad episode, so nothing could be held out to check it",
            _ => "There is one bad episode only, so nothing could be held out to check it",
        };
        return (*chosen, format!("It {done}: {why}. {unchecked}."));
    };
    if holds(current.held_out_judged, chosen.held_out_judged) {
        let held = compared(&now, &then);
        return (*chosen, format!("It {done}: {why}. On the calls held out it {held}."));
    }
    let reason = format!(
        "The best on the calls that chose ({}) {done}, but on those held out it {}: the current \
         settings are kept.",
        chosen.settings.line(),
        compared(&now, &then),
    );
    (*current, reason)
}

/// Whether a choice is as good as the current settings where it was not chosen: the sum of both
/// figures, each as a share of what it is now, is not above two. One is added to each, so that
/// nothing is not infinitely better than a little.
fn holds(now: Option<Pair>, then: Option<Pair>) -> bool {
    let (now, then) = (now.unwrap_or_default(), then.unwrap_or_default());
    let share = |now: u64, then: u64| (then as f64 + 1.0) / (now as f64 + 1.0);
    share(now.0, then.0) + share(now.1, then.1) <= 2.0
}

fn compared(now: &Figures, then: &Figures) -> String {
    let n = |n: u64| crate::report::table::number(n as f64);
    format!(
        "wastes {} calls instead of {} and rejects {} good ones instead of {}",
        n(then.wasted_calls),
        n(now.wasted_calls),
        n(then.rejected_wrongly),
        n(now.rejected_wrongly)
    )
}

#[cfg(test)]
mod tests;
