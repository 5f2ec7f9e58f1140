//! Do the links between the documents lead somewhere?
//!
//! Links to other hosts are not followed: a check must not depend on who is reachable.

use super::{File, Finding, Tree};

/// Each relative link leads to a file or folder of ours, and each `#part` to a heading in it.
pub(super) fn lead_somewhere(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files.iter().filter(|file| file.path.ends_with(".md")) {
        for (line, link) in links(&file.text) {
            if let Some(what) = broken(tree, file, link) {
                findings.push(file.finding(line, format!("`{link}` leads nowhere: {what}")));
            }
        }
    }
    findings
}

/// What is wrong with a link of `file`.
fn broken(tree: &Tree, file: &File, link: &str) -> Option<String> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (path, part) = link.split_once('#').unwrap_or((link, ""));
    let path = if path.is_empty() { file.path.clone() } else { beside(&file.path, path) };
    let Some(target) = tree.file(&path) else {
        // What is no text (a picture, a folder) is not in the tree.
        let exists = tree.workspace.root.join(&path).exists();
        return (!exists).then(|| format!("there is no {path}"));
    };
    let found = part.is_empty() || headings(&target.text).any(|heading| heading == part);
    (!found).then(|| format!("{path} has no heading of that name"))
}

/// The targets in `[text](target)` and `[name]: target`, outside of code.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut links = Vec::new();
    for (line, text) in outside_blocks(text) {
        // What stands between backticks is code: every other part.
        for text in text.split('`').step_by(2) {
            let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            links.extend(targets.map(|target| (line, target)));
        }
        let reference = text.strip_prefix('[').and_then(|text| text.split_once("]: "));
        links.extend(reference.map(|(_, target)| (line, target.trim())));
    }
    links
}

/// The headings' anchors: lowercase, words joined by `-`, without punctuation.
fn headings(text: &str) -> impl Iterator<Item = String> {
    outside_blocks(text).filter(|(_, line)| line.starts_with('#')).map(|(_, line)| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|&c| c.is_alphanumeric() || " -_".contains(c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    })
}

fn outside_blocks(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_block = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        in_block ^= fence;
        (!in_block && !fence).then_some((index + 1, line))
    })
}

/// `path` as seen from the folder of `file`.
fn beside(file: &str, path: &str) -> String {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::super::samples::{places as at, tree};
    use super::*;

    const OTHER: &str = "# Other\n\n## B1: half-open, at most `n` of them\n";

    fn findings(text: &str) -> Vec<usize> {
        let tree = tree(&[("docs/a.md", text), ("docs/b.md", OTHER), ("README.md", "# Top\n")]);
        at(&lead_somewhere(&tree)).into_iter().map(|(_, line)| line).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        let good = "[b](b.md) [top](../README.md#top) [here](#b)\n## B\n\
                    [b1](b.md#b1-half-open-at-most-n-of-them) [out](https://example.org/x)\n\
                    `[no](link.md)`\n```text\n[no](link.md)\n```\n[ref]: b.md\n";
        assert_eq!(findings(good), [0; 0]);
    }

    #[test]
    fn a_link_to_no_file_or_no_heading_is_found() {
        let bad = "[c](c.md)\n[c](../c.md) [b](b.md)\n[b](b.md#b2)\n[here](#gone)\n[ref]: c.md\n";
        assert_eq!(findings(bad), [1, 2, 3, 4, 5]);
    }
}
