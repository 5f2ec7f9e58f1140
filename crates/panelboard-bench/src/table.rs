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

    /// In a terminal the columns line up. In Markdown they need not, and a page is narrow.
    pub(crate) fn render(&self, markdown: bool) -> String {
        if markdown { self.markdown() } else { self.aligned() }
    }

    fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = line(&self.rows[0]);
        text += &format!("| --- |{}\n", " --: |".repeat(self.rows[0].len() - 1));
        text + &self.rows[1..].iter().map(|row| line(row)).collect::<String>()
    }

    fn aligned(&self) -> String {
        let widths: Vec<usize> = (0..self.rows[0].len())
            .map(|column| self.rows.iter().map(|row| row[column].chars().count()).max())
            .map(|widest| widest.unwrap_or(0))
            .collect();
        self.rows.iter().map(|row| aligned(row, &widths)).collect()
    }
}

fn aligned(row: &[String], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, &width))| {
        if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    });
    cells.collect::<Vec<_>>().join("   ") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(["who", "ns"]);
        table.push(vec!["ours".into(), "1.2".into()]);
        assert_eq!(table.render(false), "who     ns\nours   1.2\n");
        let markdown = "| who | ns |\n| --- | --: |\n| ours | 1.2 |\n";
        assert_eq!(table.render(true), markdown);
    }
}
