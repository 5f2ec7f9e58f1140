//! How long do the rare long calls take, where two threads meet?

use super::{Told, figure};
use crate::{Row, goal::Reached, rounds::Measured, table::Table};

/// By row that timed each call: what it is, and a line for each contestant.
pub(super) fn tables(told: &Told<'_>) -> Vec<(String, Table)> {
    let timed = told.rows().filter(|(row, _)| row.each_timed);
    timed
        .map(|(row, results)| {
            let what = format!("Two threads, each call timed, {} (ns)", row.what);
            (what, table(row, results))
        })
        .collect()
}

fn table(row: &Row, results: &[Measured]) -> Table {
    let heading = ["", "million calls/s each", "p50", "p99", "p99.9", "longest"];
    let mut table = Table::new(heading);
    for contestant in &row.contestants {
        let Some(standing) = Told::standing(row, results, contestant.name) else { continue };
        let Some(each) = &standing.who.each else { continue };
        let mut cells = vec![contestant.name.to_owned()];
        cells.push(figure(standing.two().map(|nanos| 1_000.0 / nanos)));
        cells.extend([0.5, 0.99, 0.999].map(|share| whole(each.quantile(share))));
        cells.push(whole(Some(each.longest())));
        table.push(cells);
    }
    table
}

fn whole(nanos: Option<f64>) -> String {
    nanos.map_or("-".into(), |nanos| format!("{nanos:.0}"))
}
