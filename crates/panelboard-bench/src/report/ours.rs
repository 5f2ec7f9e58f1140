//! What does a call of ours cost, by row, and by each variant of ours?

use super::{Told, counts, figure, pair};
use crate::{goal::Reached, table::Table};

pub(super) fn table(told: &Told<'_>) -> Table {
    let mut table = Table::new(["what the call must do", "ns, 1 / 2 threads", "instr., locked"]);
    for (row, results) in told.rows() {
        let names = std::iter::once(told.bench.ours).chain(row.variants.iter().map(|it| it.name));
        for name in names {
            let Some(standing) = Told::standing(row, results, name) else { continue };
            let what = match name {
                name if name == told.bench.ours => row.what.to_owned(),
                variant => format!("the same, {variant}"),
            };
            let figures = if row.added {
                format!("adds {}", figure(standing.added()))
            } else {
                pair(figure(standing.one()), figure(standing.two()))
            };
            table.push(vec![what, figures, counts(standing.who)]);
        }
    }
    table
}
