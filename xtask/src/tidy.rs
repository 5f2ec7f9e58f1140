//! Are the conventions kept that lints cannot check? `cargo xtask tidy`, one rule a function.
//!
//! A rule takes the whole tree as text and answers findings; each says where and what to do. The
//! tests beside each rule show a bad sample that it finds.

mod diagram;
mod docs;
mod imports;
mod links;
mod modules;
mod named_tests;
mod text;

use std::{fmt, fs, path::Path};

use crate::{
    counts::Counts,
    report::{Outcome, closing_line},
    workspace::{self, Workspace},
};

/// What the rules look at.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    workspace: Workspace,
    files: Vec<File>,
}

/// A text file of ours; `path` is relative to the root.
#[derive(Debug)]
struct File {
    path: String,
    text: String,
}

/// One breach of a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// From 1; 0 for the file as a whole.
    line: usize,
    what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.what),
            line => write!(f, "{}:{line}: {}", self.path, self.what),
        }
    }
}

type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: [(&str, Rule); 14] = [
    ("crates import downwards only", imports::downwards),
    ("atomics and locks are named in sync.rs only", text::atomics_and_locks),
    ("the clock is read in clock.rs only", text::clocks),
    ("no machine paths, no registry hosts", text::places),
    ("100 columns", text::columns),
    ("no mod.rs", modules::no_mod_rs),
    ("every file is included", modules::no_orphans),
    ("one integration binary a crate", modules::one_integration_binary),
    ("each file says what it answers", docs::header),
    ("each lib.rs says what it does not do", docs::limits),
    ("the state diagram is the table", diagram::same),
    ("links between documents lead somewhere", links::lead_somewhere),
    ("the tests that documents name exist", named_tests::exist),
    ("each planted fault is explained", named_tests::explained),
];

/// `cargo xtask tidy`.
///
/// # Errors
/// The workspace cannot be read.
pub(crate) fn run() -> Result<bool, String> {
    let counts = check(&Tree::load(&Workspace::load()?)?);
    println!("{}", closing_line(counts));
    Ok(counts.failed == 0)
}

/// The same as a step of the gate.
pub(crate) fn step(workspace: &Workspace) -> Outcome {
    match Tree::load(workspace) {
        Err(why) => Outcome::failed(why),
        Ok(tree) => match check(&tree) {
            counts @ Counts { failed: 0, .. } => Outcome::passed(counts),
            counts => Outcome { counts, ..Outcome::failed("see the findings above") },
        },
    }
}

/// Each rule is one check.
fn check(tree: &Tree) -> Counts {
    let mut counts = Counts::default();
    for (name, rule) in RULES {
        let findings = rule(tree);
        let result = if findings.is_empty() { "ok" } else { "FAILED" };
        println!("tidy: {name} ... {result}");
        for finding in &findings {
            println!("    {finding}");
        }
        match findings.is_empty() {
            true => counts.passed += 1,
            false => counts.failed += 1,
        }
    }
    counts
}

impl Tree {
    fn load(workspace: &Workspace) -> Result<Self, String> {
        let mut files = Vec::new();
        collect(&workspace.root, workspace, &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { workspace: workspace.clone(), files })
    }

    fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }
}

impl File {
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Lines with their numbers, without those that are comments as a whole.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn finding(&self, line: usize, what: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, what: what.into() }
    }
}

/// Folders of others' files, or of none that we write by hand.
const NOT_OURS: [&str; 5] = ["target", ".git", "node_modules", "__pycache__", "fuzz/target"];

fn collect(folder: &Path, workspace: &Workspace, files: &mut Vec<File>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let relative = workspace::relative(&path, &workspace.root);
        let name = entry.file_name();
        let ours = !NOT_OURS.iter().any(|other| name == *other || relative == *other);
        if !ours || path == workspace.target {
            continue;
        }
        // Links are not followed: what they point to is checked where it is.
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            collect(&path, workspace, files)?;
        } else if kind.is_file() {
            // What is no text (a picture) is none of our business.
            if let Ok(text) = fs::read_to_string(&path) {
                files.push(File { path: relative, text });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod samples {
    //! Trees for the rules' tests.

    use super::{File, Tree};
    use crate::workspace::{Package, Target, Workspace};

    pub(super) fn tree(files: &[(&str, &str)]) -> Tree {
        let file = |(path, text): &(&str, &str)| File {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        };
        Tree { files: files.iter().map(file).collect(), workspace: Workspace::default() }
    }

    pub(super) fn package(name: &str, members: &[&str]) -> Package {
        Package {
            name: name.into(),
            folder: format!("crates/{name}"),
            members: members.iter().map(|member| (*member).to_owned()).collect(),
            targets: vec![Target {
                name: name.into(),
                kind: "lib".into(),
                source: format!("crates/{name}/src/lib.rs"),
            }],
        }
    }

    /// Where a rule found something.
    pub(super) fn places(findings: &[super::Finding]) -> Vec<(String, usize)> {
        findings.iter().map(|finding| (finding.path.clone(), finding.line)).collect()
    }
}
