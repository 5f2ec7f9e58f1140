//! How many instructions and locked operations does a call take, by contestant and row? The part
//! that is the same on every machine.

use super::{Told, counts};
use crate::table::Table;

/// None if nobody but ours was counted.
pub(super) fn table(told: &Told<'_>) -> Option<Table> {
    let counted = || told.rows().filter(|(row, _)| !row.added);
    let mut heading = vec![String::new()];
    heading.extend(counted().map(|(row, _)| row.short.to_owned()));
    let mut table = Table::from_heading(heading);
    let mut any = false;
    for name in std::iter::once(told.bench.ours).chain(told.bench.peers.iter().copied()) {
        let cells = counted().map(|(row, results)| {
            let standing = Told::standing(row, results, name);
            let who = standing.map(|standing| standing.who).filter(|who| who.counts.is_some());
            any |= who.is_some() && name != told.bench.ours;
            who.map_or("-".into(), counts)
        });
        let cells: Vec<String> = std::iter::once(name.to_owned()).chain(cells).collect();
        table.push(cells);
    }
    any.then_some(table)
}
