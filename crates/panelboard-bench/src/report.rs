//! What do the figures come to, for a reader?

mod counted;
mod detail;
mod goals;
mod notes;
mod ours;
mod peers;
mod tails;

use crate::{
    Bench, Row,
    arguments::Arguments,
    goal::Reached,
    rounds::Measured,
    stats::{median, paired},
};

/// Below this a difference is noise, and no ratio is built on it.
const LEAST_ADDED_NS: f64 = 0.1;

/// What is published: ours, the peers, the rare long calls, the goals. In a terminal then all of
/// it, row by row.
pub(crate) fn print(
    bench: &Bench,
    results: &[Vec<Measured>],
    arguments: &Arguments,
    notes: &[String],
) {
    let markdown = arguments.markdown;
    let told = Told { bench, results };
    println!("{}{}\n", if markdown { "### " } else { "" }, bench.title);
    println!("{}", ours::table(&told).render(markdown));
    let (peers, footnotes) = peers::table(&told);
    println!("How many times the time of `{}`, with 1 / 2 threads:\n", bench.ours);
    println!("{}", peers.render(markdown));
    println!("{footnotes}");
    if let Some(counted) = counted::table(&told) {
        println!("Instructions, locked operations of a call:\n\n{}", counted.render(markdown));
    }
    for (what, table) in tails::tables(&told) {
        println!("{what}:\n\n{}", table.render(markdown));
    }
    println!("{}", goals::list(&told));
    println!("{}", goals::wrapped(&described(bench, arguments), ""));
    if !markdown {
        let base = arguments.against.as_deref().unwrap_or(bench.ours);
        detail::print(&told, base);
    }
    for note in notes {
        println!("{note}");
    }
}

fn described(bench: &Bench, arguments: &Arguments) -> String {
    format!(
        "`cargo xtask bench {}`: medians of {} rounds in shuffled order; ratios are medians of the \
         ratios within a round.",
        bench.name, arguments.rounds
    )
}

/// All that there is to tell.
struct Told<'a> {
    bench: &'a Bench,
    results: &'a [Vec<Measured>],
}

impl Told<'_> {
    fn rows(&self) -> impl Iterator<Item = (&Row, &[Measured])> {
        self.bench.rows.iter().zip(self.results.iter().map(Vec::as_slice))
    }

    /// How a contestant of a row stands; None where it takes no part.
    fn standing<'a>(row: &'a Row, results: &'a [Measured], name: &str) -> Option<Standing<'a>> {
        let who = of(row, results, name)?;
        (!who.one.is_empty()).then_some(Standing { row, results, who })
    }
}

/// One's figures in a row. None where it takes no part in it.
fn of<'a>(row: &Row, results: &'a [Measured], name: &str) -> Option<&'a Measured> {
    let position = row.contestants.iter().position(|contestant| contestant.name == name)?;
    results.get(position)
}

/// How one contestant of a row stands.
struct Standing<'a> {
    row: &'a Row,
    results: &'a [Measured],
    who: &'a Measured,
}

impl Reached for Standing<'_> {
    fn one(&self) -> Option<f64> {
        some_median(&self.who.one)
    }

    fn two(&self) -> Option<f64> {
        some_median(&self.who.two)
    }

    fn flat(&self) -> Option<f64> {
        let Measured { one, two, .. } = self.who;
        (!two.is_empty()).then(|| paired(two, one, |two, one| two / one))
    }

    fn added(&self) -> Option<f64> {
        let Measured { one, two, .. } = self.who;
        (!two.is_empty()).then(|| paired(two, one, |two, one| two - one))
    }

    fn locked(&self) -> Option<f64> {
        self.who.counts.map(|counts| counts.locked)
    }

    fn times(&self, peer: &str, threads: usize) -> Option<f64> {
        ratio(of(self.row, self.results, peer)?, self.who, threads)
    }

    fn times_added(&self, peer: &str) -> Option<f64> {
        let peer = Standing { who: of(self.row, self.results, peer)?, ..*self };
        Some(peer.added()? / self.added()?.max(LEAST_ADDED_NS))
    }
}

/// The time of `a` over the time of `b`.
fn ratio(a: &Measured, b: &Measured, threads: usize) -> Option<f64> {
    let (a, b) = if threads == 1 { (&a.one, &b.one) } else { (&a.two, &b.two) };
    (!a.is_empty() && !b.is_empty()).then(|| paired(a, b, |a, b| a / b))
}

fn some_median(samples: &[f64]) -> Option<f64> {
    (!samples.is_empty()).then(|| median(samples))
}

/// In whole instructions; of locked operations a half tells that not every call makes it.
fn counts(measured: &Measured) -> String {
    let Some(counts) = measured.counts else { return "-".into() };
    let locked = (counts.locked * 10.0).round() / 10.0;
    format!("{:.0}, {locked}", counts.instructions)
}

/// Three digits are more than the measurement is worth.
fn figure(value: Option<f64>) -> String {
    match value {
        None => "-".into(),
        Some(value) if value.abs() < 0.005 => "0".into(),
        Some(value) if value.abs() < 9.95 => format!("{value:.2}"),
        Some(value) if value.abs() < 99.5 => format!("{value:.1}"),
        Some(value) => format!("{value:.0}"),
    }
}

/// A ratio: two digits tell enough.
fn times(value: Option<f64>) -> String {
    match value {
        Some(value) if value.abs() < 0.095 => format!("{value:.2}"),
        Some(value) if value.abs() < 9.5 => format!("{value:.1}"),
        other => other.map_or("-".into(), |value| format!("{value:.0}")),
    }
}

/// Two figures of one cell, or the one that there is.
fn pair(one: String, two: String) -> String {
    if two == "-" { one } else { format!("{one} / {two}") }
}
