//! How is a table printed, for a terminal or in Markdown?

/// A heading and rows of cells. The first column is text, the others are figures.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<const N: usize>(heading: [&str; N]) -> Self {
        Self::from_heading(heading.map(str::to_owned).to_vec())
    }

    pub(crate) fn from_heading(heading: Vec<String>) -> Self {
        Self { rows: vec![heading] }
    }

    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    pub(crate) fn render(&self, markdown: bool) -> String {
        let widths: Vec<usize> = (0..self.rows[0].len())
            .map(|column| self.rows.iter().map(|row| row[column].chars().count()).max())
            .map(|widest| widest.unwrap_or(0).max(3))
            .collect();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            text += &line(row, &widths, markdown);
            if number == 0 && markdown {
                text += &rule(&widths);
            }
        }
        text
    }
}

fn line(row: &[String], widths: &[usize], markdown: bool) -> String {
    let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, &width))| {
        if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    });
    let cells: Vec<String> = cells.collect();
    if markdown { format!("| {} |\n", cells.join(" | ")) } else { cells.join("   ") + "\n" }
}

fn rule(widths: &[usize]) -> String {
    let cells = widths.iter().enumerate().map(|(column, &width)| {
        if column == 0 { "-".repeat(width) } else { "-".repeat(width - 1) + ":" }
    });
    format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(["who", "ns"]);
        table.push(vec!["ours".into(), "1.2".into()]);
        assert_eq!(table.render(false), "who     ns\nours   1.2\n");
        let markdown = "| who  |  ns |\n| ---- | --: |\n| ours | 1.2 |\n";
        assert_eq!(table.render(true), markdown);
    }
}
