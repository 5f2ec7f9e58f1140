//! All that was measured, a table for each row.

use super::{Told, figure, of, ratio};
use crate::{
    Row, callgrind::Counts, goal::Reached, rounds::Measured, stats::quantile, table::Table,
};

pub(super) fn print(told: &Told<'_>, base: &str) {
    for (row, results) in told.rows() {
        println!("{} (`{}`)\n{}", row.what, row.name, table(row, results, base).render(false));
    }
}

fn table(row: &Row, results: &[Measured], base: &str) -> Table {
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
    for contestant in &row.contestants {
        let Some(standing) = Told::standing(row, results, contestant.name) else { continue };
        let measured = standing.who;
        let times = |threads| base.and_then(|base| ratio(measured, base, threads));
        let spread = match measured.two.as_slice() {
            [] => "-".into(),
            two => format!("{:.1} to {:.1}", quantile(two, 0.1), quantile(two, 0.9)),
        };
        let counted = |pick: fn(&Counts) -> f64| measured.counts.as_ref().map(pick);
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
