//! Do the tests, models and planted faults that the documents name exist?
//!
//! A name stands in backticks: a path (`probes::b1_one_probe`), a group (`b1_*`, `reload::*`), or,
//! in a column of tests, a test's bare name. The document on correctness tells each row of the
//! table of planted faults, and no others.

use std::collections::BTreeSet;

use super::{File, Finding, Tree};

const FAULTS: &str = "xtask/src/faults/table.rs";
const FAULTS_OF_JOBS: &str = "xtask/src/faults/table/jobs.rs";
const FAULTS_OF_VAULT: &str = "xtask/src/faults/table/vault.rs";
const FAULTS_OF_SINKS: &str = "xtask/src/faults/table/sinks.rs";
/// Where each of its rows must be told.
const CORRECTNESS: &str = "docs/correctness.md";
/// First parts of paths that are not ours.
const OTHERS: [&str; 7] = ["std", "core", "clippy", "tokio", "loom", "shuttle", "cfg"];

/// Each test and model that a document names is a function of the file that it names.
pub(super) fn exist(tree: &Tree) -> Vec<Finding> {
    let functions: Vec<Functions<'_>> = tree.rust().map(Functions::of).collect();
    let mut findings = Vec::new();
    for (file, span) in spans(tree) {
        if !span.names_a_test() || found(span.text, &functions) {
            continue;
        }
        let what = format!("no test is called `{}`: name one that exists", span.text);
        findings.push(file.finding(span.line, what));
    }
    findings
}

/// The tables of planted faults in the document say what the table says that is run.
pub(super) fn explained(tree: &Tree) -> Vec<Finding> {
    let Some(document) = tree.file(CORRECTNESS) else { return Vec::new() };
    let tables = [FAULTS, FAULTS_OF_JOBS, FAULTS_OF_VAULT, FAULTS_OF_SINKS]
        .into_iter()
        .filter_map(|path| tree.file(path));
    let run: BTreeSet<_> = tables.flat_map(rows_run).collect();
    let mut told = BTreeSet::new();
    let mut findings = Vec::new();
    for (line, row) in rows_told(&document.text) {
        let Some((fault, tests)) = row.split_first() else { continue };
        for test in tests {
            if !run.contains(&(*fault, *test)) {
                let what = format!("{FAULTS} has no row `{fault}`, `{test}`: say what is run");
                findings.push(document.finding(line, what));
            }
            told.insert((*fault, *test));
        }
    }
    for (fault, test) in run.difference(&told) {
        let what = format!("no table says that `{fault}` turns `{test}` red: add it");
        findings.push(document.finding(0, what));
    }
    findings
}

/// Fault and tests of each row of a table whose columns are a planted fault, what it does and what
/// it turns red, with the rows' lines.
fn rows_told(text: &str) -> Vec<(usize, Vec<&str>)> {
    let mut rows: Vec<(usize, Vec<&str>)> = Vec::new();
    for span in spans_of(text) {
        match (span.column, rows.last_mut()) {
            ("planted fault", _) => rows.push((span.line, vec![span.text])),
            ("turns red", Some((line, row))) if *line == span.line => row.push(span.text),
            _ => {}
        }
    }
    rows
}

/// Fault and test of each `row("fault", "B1", Kind::It, "test")`.
fn rows_run(file: &File) -> BTreeSet<(&str, &str)> {
    let texts = file.code().flat_map(|(_, line)| line.split('"').skip(1).step_by(2));
    let texts: Vec<&str> = texts.collect();
    texts.chunks_exact(3).map(|row| (row[0], row[2])).collect()
}

/// Code within a line of a document.
struct Span<'a> {
    text: &'a str,
    line: usize,
    /// The head of its column; empty outside of tables.
    column: &'a str,
}

impl Span<'_> {
    fn names_a_test(&self) -> bool {
        let text = self.text.strip_suffix('*').unwrap_or(self.text);
        let lowercase =
            |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == ':';
        if text.is_empty() || !text.chars().all(lowercase) {
            return false;
        }
        let ours = !OTHERS.contains(&self.text.split("::").next().unwrap_or_default());
        let in_column = ["test", "model", "held by"].iter().any(|it| self.column.starts_with(it));
        let group = text.len() < self.text.len();
        ours && (self.text.contains("::") || group || (in_column && text.contains('_')))
    }
}

/// What a file defines.
struct Functions<'a> {
    /// Its module, and the module around it.
    module: &'a str,
    around: &'a str,
    names: BTreeSet<&'a str>,
}

impl<'a> Functions<'a> {
    fn of(file: &'a File) -> Self {
        let mut parts = file.path.rsplit('/');
        let module = parts.next().unwrap_or_default().trim_end_matches(".rs");
        let around = parts.next().unwrap_or_default();
        Self { module, around, names: file.code().filter_map(|(_, line)| function(line)).collect() }
    }

    fn has(&self, name: &str) -> bool {
        match name.strip_suffix('*') {
            Some(start) => self.names.iter().any(|name| name.starts_with(start)),
            None => self.names.contains(name),
        }
    }
}

/// `name`, `module::name`, `module::tests::name` or `module::tests`; `*` stands for any end.
fn found(path: &str, functions: &[Functions<'_>]) -> bool {
    let parts: Vec<&str> = path.split("::").collect();
    match parts[..] {
        [name] => functions.iter().any(|file| file.has(name)),
        [.., module, "tests"] => functions.iter().any(|file| file.is_tests_of(module)),
        [.., module, "tests", name] => {
            functions.iter().any(|file| file.is_tests_of(module) && file.has(name))
        }
        [.., module, name] => functions.iter().any(|file| file.module == module && file.has(name)),
        [] => false,
    }
}

impl Functions<'_> {
    fn is_tests_of(&self, module: &str) -> bool {
        self.module == module || (self.module == "tests" && self.around == module)
    }
}

/// The name in `pub(crate) async fn name(…`.
fn function(line: &str) -> Option<&str> {
    let (before, rest) = line.trim_start().split_once("fn ")?;
    let plain = |c: char| c.is_ascii_lowercase() || "() ".contains(c);
    let name = rest.split(['(', '<']).next()?;
    before.chars().all(plain).then_some(name)
}

/// Code in the documents' lines, but not in their blocks.
fn spans(tree: &Tree) -> impl Iterator<Item = (&File, Span<'_>)> {
    let documents = tree.files.iter().filter(|file| {
        let in_docs = file.path.starts_with("docs/") && file.path.ends_with(".md");
        in_docs || file.path == "README.md" || file.path == "ARCHITECTURE.md"
    });
    documents.flat_map(|file| spans_of(&file.text).into_iter().map(move |span| (file, span)))
}

fn spans_of(text: &str) -> Vec<Span<'_>> {
    let mut spans = Vec::new();
    let mut in_block = false;
    let mut head: Vec<&str> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        if in_block {
            continue;
        }
        let is_row = line.starts_with('|');
        let cells: Vec<&str> = if is_row { cells(line) } else { vec![line] };
        match (is_row, head.is_empty()) {
            (true, true) => head.clone_from(&cells),
            (false, _) => head.clear(),
            (true, false) => {}
        }
        for (cell, text) in cells.iter().enumerate() {
            let column = head.get(cell).copied().unwrap_or_default();
            let code = text.split('`').skip(1).step_by(2);
            spans.extend(code.map(|text| Span { text, line: index + 1, column }));
        }
    }
    spans
}

fn cells(row: &str) -> Vec<&str> {
    row.trim_matches('|').split('|').map(str::trim).collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{places as at, tree};
    use super::*;

    const PROBES: &str = "#[test]\nfn b1_one() {}\nasync fn b10_two() {}\n// fn b9_gone() {}\n";
    const WINDOW: &str = "mod tests {\n    fn it_slides() {}\n}\npub(crate) fn full<T>() {}\n";

    fn findings(path: &str, text: &str) -> Vec<(String, usize)> {
        at(&exist(&tree(&[
            (path, text),
            ("crates/a/src/models/probes.rs", PROBES),
            ("crates/a/src/window.rs", WINDOW),
            ("crates/a/src/state/tests.rs", "fn all() {}\n"),
        ])))
    }

    #[test]
    fn names_that_exist_are_fine() {
        let good = "`probes::b1_one` `models::probes::b10_two` `probes::*` `b1_*` `state::tests`\n\
                    `state::tests::all` `window::tests::it_slides` `window::full` `b1_one`\n\
                    `Breaker::gone` `std::mem::gone` `half_open` `a * b`\n\
                    ```\n`probes::gone`\n```\n";
        assert_eq!(findings("docs/a.md", good), []);
    }

    #[test]
    fn a_name_that_does_not_exist_is_found() {
        let bad = "`probes::b2_one`\n`window::b1_one`\n`b2_*`\n`gone::*`\n`probes::b9_gone`\n\
                   `window::tests::gone`\n";
        for path in ["docs/a.md", "README.md"] {
            let expected: Vec<_> = (1..=6).map(|line| (path.to_owned(), line)).collect();
            assert_eq!(findings(path, bad), expected);
        }
        assert_eq!(findings("CHANGELOG.md", bad), []);
    }

    #[test]
    fn a_column_of_tests_holds_bare_names() {
        let table = "| what | test |\n| --- | --- |\n| `half_open` | `b1_one`, `b2_gone` |\n";
        assert_eq!(findings("docs/a.md", table), [("docs/a.md".into(), 3)]);
    }

    #[test]
    fn what_is_told_of_planted_faults_is_what_is_run() {
        let told = "| planted fault | what it does | turns red |\n| --- | --- | --- |\n\
                    | `no-lease` | waits for `x` | `permits::b15`, `probes::b8` |\n\
                    | `gone-now` | | `permits::b15` |\n";
        let run = "// row(\"a\", \"B\", \"c\")\n\
                   row(\"no-lease\", \"B8\", Kind::It, \"permits::b15\"),\n\
                   row(\n\"no-lease\",\n\"B8\",\nKind::Loom,\n\"probes::b8\",\n),\n\
                   row(\"late\", \"B2\", Kind::It, \"a::a01\"),\n";
        let found = explained(&tree(&[(CORRECTNESS, told), (FAULTS, run)]));
        assert_eq!(at(&found), [(CORRECTNESS.into(), 4), (CORRECTNESS.into(), 0)]);
        assert!(found[1].what.contains("`late`"), "{found:?}");
    }
}
