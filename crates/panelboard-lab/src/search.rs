//! Which settings are tried, and in which order?
//!
//! A coarse grid first, some points by chance, and then Pareto local search (Paquete, Chiarandini,
//! Stützle: *Pareto Local Optimum Sets in the Biobjective Traveling Salesman Problem*, 2004): the
//! neighbours of every setting that nothing tried is better than, one step in one setting each,
//! until there is none left or enough have been tried. Each round is known before it begins, and
//! figures do not depend on threads, so neither does what comes out.

mod front;
mod space;

use std::collections::BTreeSet;

use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

pub(crate) use self::front::{Pair, front, knee};
use self::space::{Point, Space};
use crate::{replay::Figures, settings::Settings};

/// Points by chance: so many for each hundred of the grid.
const BY_CHANCE: usize = 30;

/// Settings that were tried.
#[derive(Clone, Debug)]
pub(crate) struct Tried {
    pub(crate) settings: Settings,
    pub(crate) judged: Judged,
}

/// What settings would have done, and what they are judged by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged {
    pub(crate) figures: Figures,
    pub(crate) pair: Pair,
}

/// Tries at most `most` settings beside `current`. `evaluate` has a figure for each of those it is
/// given, or none if it was stopped. Answers them with the simplest first, `current` at their head.
pub(crate) fn search(
    (current, slow): (Settings, Option<std::time::Duration>),
    (seed, most): (u64, usize),
    mut evaluate: impl FnMut(&[Settings]) -> Option<Vec<Judged>>,
) -> Option<Vec<Tried>> {
    let space = Space::new(current, slow);
    let mut chance = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut round = space.grid();
    shuffle(&mut round, &mut chance);
    for _ in 0..round.len() * BY_CHANCE / 100 {
        round.push(space.any(|most| below(&mut chance, most)));
    }
    let mut seen: BTreeSet<Point> = BTreeSet::new();
    let mut explored: BTreeSet<Point> = BTreeSet::new();
    let mut tried: Vec<(Point, Tried)> = Vec::new();
    let judged = evaluate(&[current])?.first().copied()?;
    let mut all = vec![Tried { settings: current, judged }];
    loop {
        round.retain(|point| seen.insert(*point));
        round.truncate(most.saturating_sub(tried.len()));
        let settings: Vec<Settings> = round.iter().map(|point| space.settings(*point)).collect();
        let judged = evaluate(&settings)?;
        let new = round.iter().zip(settings).zip(judged);
        tried.extend(new.map(|((point, settings), judged)| (*point, Tried { settings, judged })));
        if tried.len() >= most {
            break;
        }
        let pairs: Vec<Pair> = tried.iter().map(|(_, tried)| tried.judged.pair).collect();
        let best = front(&pairs).into_iter().map(|number| tried[number].0);
        let next: Vec<Point> = best.filter(|point| explored.insert(*point)).collect();
        round = next.iter().flat_map(|point| space.neighbours(*point)).collect();
        round.retain(|point| !seen.contains(point));
        if round.is_empty() {
            break;
        }
        shuffle(&mut round, &mut chance);
    }
    tried.sort_by_key(|(point, tried)| (tried.settings.keys(), *point));
    all.extend(tried.into_iter().map(|(_, tried)| tried));
    Some(all)
}

/// Fisher and Yates.
fn shuffle(points: &mut [Point], chance: &mut Xoshiro256PlusPlus) {
    for last in (1..points.len()).rev() {
        points.swap(last, below(chance, last + 1));
    }
}

/// By the high half of a product: of a few values the unevenness cannot be seen.
fn below(chance: &mut Xoshiro256PlusPlus, most: usize) -> usize {
    ((u128::from(chance.next_u64()) * most as u128) >> 64) as usize
}

#[cfg(test)]
mod tests;
