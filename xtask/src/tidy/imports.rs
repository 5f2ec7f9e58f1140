//! Do crates import downwards only, as the table of ARCHITECTURE.md says?

use super::{Finding, Tree};

const WHERE: &str = "ARCHITECTURE.md";

/// What no crate imports, and what may import any: the tasks and the benches.
const OUTSIDE: [&str; 2] = ["xtask", "panelboard-bench"];

/// A crate may name crates of lower rows, never of its own or a higher one.
pub(super) fn downwards(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.file(WHERE) else {
        let what = "is missing: write it, with the import table (lines `row N  name  crate crate`)";
        return vec![Finding { path: WHERE.into(), line: 0, what: what.into() }];
    };
    let rows = table(&file.text);
    let row_of = |name: &str| rows.iter().find(|(_, crates)| crates.contains(&name)).map(|r| r.0);
    let mut findings = Vec::new();
    let inside = |name: &str| !OUTSIDE.contains(&name);
    for package in tree.workspace.packages.iter().filter(|package| inside(&package.name)) {
        let name = &package.name;
        let Some(row) = row_of(name) else {
            findings.push(file.finding(0, format!("`{name}` has no row: add it to the table")));
            continue;
        };
        for member in package.members.iter().filter(|member| *member != name) {
            let allowed = row_of(member).is_some_and(|its_row| its_row < row);
            if !allowed {
                findings.push(Finding {
                    path: format!("{}/Cargo.toml", package.folder),
                    line: 0,
                    what: format!(
                        "`{name}` (row {row}) imports `{member}`, which is not below it in the \
                         table of {WHERE}: move what both need downwards, or pass it in"
                    ),
                });
            }
        }
    }
    findings
}

/// Lines such as `row 2   clients   panelboard-vault   panelboard-llm`.
fn table(text: &str) -> Vec<(u32, Vec<&str>)> {
    text.lines()
        .filter_map(|line| {
            let (row, rest) = line.trim().strip_prefix("row ")?.split_once(' ')?;
            let crates = rest.split_whitespace().filter(|word| word.starts_with("panelboard"));
            Some((row.parse().ok()?, crates.collect()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::samples::{package, tree};
    use super::*;

    const TABLE: &str = "row 1   adapters    panelboard-tower  panelboard-store\n\
                         row 0   the cores   panelboard  panelboard-tasks\n";

    fn findings(packages: Vec<crate::workspace::Package>) -> Vec<String> {
        let mut tree = tree(&[(WHERE, TABLE)]);
        tree.workspace.packages = packages;
        downwards(&tree).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn downwards_is_allowed_and_tasks_and_benches_stand_outside() {
        let found = findings(vec![
            package("panelboard-tower", &["panelboard"]),
            package("panelboard", &[]),
            package("xtask", &["panelboard-tower"]),
            package("panelboard-bench", &["panelboard-tower"]),
        ]);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn sideways_and_upwards_are_found() {
        for (name, member) in [
            ("panelboard-tower", "panelboard-store"),
            ("panelboard", "panelboard-tasks"),
            ("panelboard", "panelboard-tower"),
            ("panelboard", "panelboard-bench"),
        ] {
            let found = findings(vec![package(name, &[member])]);
            assert_eq!(found.len(), 1, "{name} -> {member}");
            assert!(found[0].contains(member), "{found:?}");
        }
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        let found = findings(vec![package("panelboard-new", &[])]);
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("panelboard-new"), "{found:?}");
    }

    #[test]
    fn a_missing_table_is_found() {
        assert_eq!(downwards(&tree(&[])).len(), 1);
    }
}
