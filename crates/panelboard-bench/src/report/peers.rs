//! How do the peers stand beside ours, row by row?

use super::{Told, notes::Notes, pair, times};
use crate::{Row, goal::Reached, rounds::Measured, table::Table};

/// A line for each peer, and the notes that its marks stand for.
pub(super) fn table(told: &Told<'_>) -> (Table, String) {
    let mut heading = vec![String::new()];
    heading.extend(told.bench.rows.iter().map(|row| row.short.to_owned()));
    let mut table = Table::from_heading(heading);
    let mut notes = Notes::default();
    for peer in told.bench.peers {
        let mut cells = vec![(*peer).to_owned()];
        for (row, results) in told.rows() {
            let cell = cell(row, results, told.bench.ours, peer);
            let found = row.contestants.iter().find(|contestant| contestant.name == *peer);
            let mark = found.and_then(|it| it.note).map(|note| notes.mark(note));
            cells.push([Some(cell), mark].into_iter().flatten().collect::<Vec<_>>().join(" "));
        }
        table.push(cells);
    }
    (table, notes.text())
}

fn cell(row: &Row, results: &[Measured], ours: &str, peer: &str) -> String {
    let Some(ours) = Told::standing(row, results, ours) else { return "-".into() };
    if row.added {
        times(ours.times_added(peer))
    } else {
        pair(times(ours.times(peer, 1)), times(ours.times(peer, 2)))
    }
}
