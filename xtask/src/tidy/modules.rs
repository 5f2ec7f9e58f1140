//! Is every file included, under the name that we give modules?

use std::collections::BTreeSet;

use super::{File, Finding, Tree};

/// `name.rs` beside `name/`, so that an editor's tabs tell files apart.
pub(super) fn no_mod_rs(tree: &Tree) -> Vec<Finding> {
    tree.rust()
        .filter(|file| file.name() == "mod.rs")
        .map(|file| file.finding(0, "name it after its module, beside the folder: `name.rs`"))
        .collect()
}

/// A file that no `mod` names is never compiled.
pub(super) fn no_orphans(tree: &Tree) -> Vec<Finding> {
    let targets = tree.workspace.packages.iter().flat_map(|package| &package.targets);
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<String> = targets.map(|target| target.source.clone()).collect();
    while let Some(path) = open.pop() {
        let Some(file) = tree.file(&path) else { continue };
        if seen.insert(path) {
            open.extend(included(file, tree));
        }
    }
    let folders: Vec<String> =
        tree.workspace.packages.iter().map(|package| format!("{}/", package.folder)).collect();
    tree.rust()
        .filter(|file| folders.iter().any(|folder| file.path.starts_with(folder)))
        .filter(|file| !seen.contains(&file.path))
        .map(|file| file.finding(0, "no `mod` includes it: include it or delete it"))
        .collect()
}

/// Each further binary links everything again; modules of `tests/it/main.rs` do not.
pub(super) fn one_integration_binary(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &tree.workspace.packages {
        let wanted = format!("{}/tests/it/main.rs", package.folder);
        let tests = package.targets.iter().filter(|target| target.kind == "test");
        for target in tests.filter(|target| target.source != wanted) {
            let what = format!("make it a module of {wanted}");
            findings.push(Finding { path: target.source.clone(), line: 0, what });
        }
    }
    findings
}

/// The files that `file` includes by `mod`, by `#[path]` or by `include!`.
fn included(file: &File, tree: &Tree) -> Vec<String> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let stem = file.name().trim_end_matches(".rs");
    // A crate's root and `name.rs` look for their modules in different places.
    let is_root = tree
        .workspace
        .packages
        .iter()
        .flat_map(|package| &package.targets)
        .any(|target| target.source == file.path);
    let base = if is_root { folder.to_owned() } else { format!("{folder}/{stem}") };
    let mut files = Vec::new();
    let mut path_attribute: Option<String> = None;
    for (_, line) in file.code() {
        let line = line.trim();
        if let Some(path) = between(line, "#[path = \"", "\"]") {
            path_attribute = Some(join(folder, path));
        } else if let Some(path) = between(line, "include!(\"", "\")") {
            files.push(join(folder, path));
        } else if let Some(name) = module(line) {
            files.push(path_attribute.take().unwrap_or_else(|| format!("{base}/{name}.rs")));
        }
    }
    files
}

/// The name in `mod name;`, whatever stands before it.
fn module(line: &str) -> Option<&str> {
    let line = line.strip_suffix(';')?;
    let (before, name) = line.rsplit_once("mod ")?;
    let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let ends_well = before.is_empty() || before.ends_with(' ');
    (is_name && ends_well).then_some(name)
}

fn between<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let start = line.find(before)? + before.len();
    let length = line[start..].find(after)?;
    Some(&line[start..start + length])
}

fn join(folder: &str, path: &str) -> String {
    let mut parts: Vec<&str> = folder.split('/').collect();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::super::samples::{package, places as at, tree};
    use super::*;
    use crate::workspace::Target;

    #[test]
    fn a_mod_rs_is_found() {
        let found = no_mod_rs(&tree(&[("crates/a/src/b/mod.rs", ""), ("crates/a/src/b.rs", "")]));
        assert_eq!(at(&found), [("crates/a/src/b/mod.rs".into(), 0)]);
    }

    #[test]
    fn a_file_that_no_mod_names_is_found() {
        let mut tree = tree(&[
            ("crates/a/src/lib.rs", "//! A.\npub(crate) mod b;\n#[path = \"odd/d.rs\"]\nmod e;\n"),
            ("crates/a/src/b.rs", "mod c;\n// mod gone;\n"),
            ("crates/a/src/b/c.rs", ""),
            ("crates/a/src/odd/d.rs", ""),
            ("crates/a/src/gone.rs", ""),
            ("other/free.rs", ""),
        ]);
        tree.workspace.packages = vec![package("a", &[])];
        assert_eq!(at(&no_orphans(&tree)), [("crates/a/src/gone.rs".into(), 0)]);
    }

    #[test]
    fn a_second_integration_binary_is_found() {
        let mut tree = tree(&[]);
        let mut a = package("a", &[]);
        for source in ["crates/a/tests/it/main.rs", "crates/a/tests/more.rs"] {
            let (name, source) = ("x".into(), source.into());
            a.targets.push(Target { name, kind: "test".into(), source });
        }
        tree.workspace.packages = vec![a];
        assert_eq!(at(&one_integration_binary(&tree)), [("crates/a/tests/more.rs".into(), 0)]);
    }
}
