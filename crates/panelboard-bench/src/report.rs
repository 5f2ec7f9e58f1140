//! What do the figures come to, for a reader?

use crate::{
    Bench, Row,
    arguments::Arguments,
    goal::{Bar, Reached},
    rounds::Measured,
    stats::{median, paired, quantile},
    table::Table,
};

/// Below this a difference is noise, and no ratio is built on it.
const LEAST_ADDED_NS: f64 = 0.1;

/// The summary, a table for each row, and the notes.
pub(crate) fn print(
    bench: &Bench,
    results: &[Vec<Measured>],
    arguments: &Arguments,
    notes: &[String],
) {
    let markdown = arguments.markdown;
    let base = arguments.against.as_deref().unwrap_or(bench.ours);
    let heading = |text: &str| if markdown { format!("### {text}\n") } else { text.to_owned() };
    println!("{}", heading(bench.title));
    println!("{}", summary(bench, results).render(markdown));
    println!(
        "Times: how many times the time of `{}`, with 1 / 2 threads. Medians of {} rounds.\n",
        bench.ours, arguments.rounds
    );
    for (row, results) in bench.rows.iter().zip(results) {
        println!("{}", heading(&format!("{} (`{}`)", row.what, row.name)));
        println!("{}", detail(row, results, base).render(markdown));
    }
    for note in notes {
        println!("{note}");
    }
}

fn summary(bench: &Bench, results: &[Vec<Measured>]) -> Table {
    let fixed = ["what the call must do", "ns, 1 / 2 threads", "instr., locked"];
    let mut heading: Vec<String> = fixed.map(str::to_owned).to_vec();
    heading.extend(bench.peers.iter().map(|peer| format!("{peer}, times")));
    heading.extend(["goal", "met"].map(str::to_owned));
    let mut table = Table::from_heading(heading);
    for (row, results) in bench.rows.iter().zip(results) {
        let Some(ours) = of(row, results, bench.ours) else { continue };
        let standing = Standing { row, results, ours };
        let figures = if row.added {
            format!("adds {}", figure(standing.added()))
        } else {
            format!("{} / {}", figure(standing.one()), figure(standing.two()))
        };
        let mut cells = vec![row.what.to_owned(), figures, counts(ours)];
        cells.extend(bench.peers.iter().map(|peer| standing.times_cell(peer)));
        let goal: Vec<String> = row.goal.iter().map(Bar::to_string).collect();
        cells.extend([goal.join("; "), standing.verdict()]);
        table.push(cells);
    }
    table
}

fn detail(row: &Row, results: &[Measured], base: &str) -> Table {
    let over = format!("/ {base}, 1 thread");
    let mut table = Table::new([
        "contestant",
        "ns, 1 thread",
        "2 threads",
        "p10 to p90",
        "2 over 1",
        "added ns",
        &over,
        "2 threads",
        "instr.",
        "locked",
    ]);
    let base = of(row, results, base);
    for (contestant, measured) in row.contestants.iter().zip(results) {
        let standing = Standing { row, results, ours: measured };
        let times = |threads| base.and_then(|base| ratio(measured, base, threads));
        let spread = match measured.two.as_slice() {
            [] => "-".into(),
            two => format!("{:.1} to {:.1}", quantile(two, 0.1), quantile(two, 0.9)),
        };
        let counted =
            |pick: fn(&crate::callgrind::Counts) -> f64| measured.counts.as_ref().map(pick);
        table.push(vec![
            contestant.name.to_owned(),
            figure(standing.one()),
            figure(standing.two()),
            spread,
            figure(standing.flat()),
            figure(standing.added()),
            figure(times(1)),
            figure(times(2)),
            figure(counted(|counts| counts.instructions)),
            figure(counted(|counts| counts.locked)),
        ]);
    }
    table
}

fn of<'a>(row: &Row, results: &'a [Measured], name: &str) -> Option<&'a Measured> {
    let position = row.contestants.iter().position(|contestant| contestant.name == name)?;
    results.get(position)
}

/// How one contestant of a row stands.
struct Standing<'a> {
    row: &'a Row,
    results: &'a [Measured],
    ours: &'a Measured,
}

impl Standing<'_> {
    fn times_cell(&self, peer: &str) -> String {
        let pair = |one: Option<f64>, two: Option<f64>| match (one, two) {
            (None, None) => "-".to_owned(),
            (one, two) => format!("{} / {}", figure(one), figure(two)),
        };
        if self.row.added {
            self.times_added(peer).map_or("-".into(), |times| format!("adds {times:.0} ×"))
        } else {
            pair(self.times(peer, 1), self.times(peer, 2))
        }
    }

    /// `yes`, or which bars were missed and what they came to.
    fn verdict(&self) -> String {
        let tell = |bar: &Bar| match (bar.met(self), bar.value(self)) {
            (Some(true), _) => None,
            (Some(false), Some(value)) => Some(format!("no: {bar} is {value:.2}")),
            _ => Some(format!("{bar} not measured")),
        };
        let missed: Vec<String> = self.row.goal.iter().filter_map(tell).collect();
        if missed.is_empty() { "yes".into() } else { missed.join("; ") }
    }
}

impl Reached for Standing<'_> {
    fn one(&self) -> Option<f64> {
        some_median(&self.ours.one)
    }

    fn two(&self) -> Option<f64> {
        some_median(&self.ours.two)
    }

    fn flat(&self) -> Option<f64> {
        let Measured { one, two, .. } = self.ours;
        (!two.is_empty()).then(|| paired(two, one, |two, one| two / one))
    }

    fn added(&self) -> Option<f64> {
        let Measured { one, two, .. } = self.ours;
        (!two.is_empty()).then(|| paired(two, one, |two, one| two - one))
    }

    fn locked(&self) -> Option<f64> {
        self.ours.counts.map(|counts| counts.locked)
    }

    fn times(&self, peer: &str, threads: usize) -> Option<f64> {
        ratio(of(self.row, self.results, peer)?, self.ours, threads)
    }

    fn times_added(&self, peer: &str) -> Option<f64> {
        let peer = Standing { ours: of(self.row, self.results, peer)?, ..*self };
        Some(peer.added()? / self.added()?.max(LEAST_ADDED_NS))
    }
}

/// The time of `a` over the time of `b`.
fn ratio(a: &Measured, b: &Measured, threads: usize) -> Option<f64> {
    let (a, b) = if threads == 1 { (&a.one, &b.one) } else { (&a.two, &b.two) };
    (!a.is_empty()).then(|| paired(a, b, |a, b| a / b))
}

fn some_median(samples: &[f64]) -> Option<f64> {
    (!samples.is_empty()).then(|| median(samples))
}

fn counts(measured: &Measured) -> String {
    let counts = measured.counts;
    format!(
        "{}, {}",
        figure(counts.map(|counts| counts.instructions)),
        figure(counts.map(|counts| counts.locked))
    )
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
