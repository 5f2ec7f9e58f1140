//! How often was each instruction executed? Read from callgrind's file.

use std::{collections::BTreeMap, path::PathBuf};

/// By object file: address within it, and how often.
pub(super) type Executed = BTreeMap<PathBuf, Vec<(u64, u64)>>;

/// Reads a profile that was written uncompressed, with one event (instructions).
///
/// A line of costs is `0xADDRESS LINE TIMES`. The one after `calls=` is the cost of what was
/// called, which has its own lines; it is left out.
pub(super) fn executed(text: &str) -> Executed {
    let mut executed = Executed::new();
    let mut object = PathBuf::new();
    let mut of_a_call = false;
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("ob=") {
            object = PathBuf::from(path);
        } else if line.starts_with("calls=") {
            of_a_call = true;
        } else if line.starts_with("0x") && !std::mem::take(&mut of_a_call) {
            executed.entry(object.clone()).or_default().extend(parse(line));
        }
    }
    executed
}

fn parse(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_whitespace();
    let address = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    Some((address, words.nth(1)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_of_called_functions_are_not_counted_twice() {
        let text = "positions: instr line\nevents: Ir\n\nob=/bin/a\nfl=a.rs\nfn=main\n0x10 1 5\n\
                    cob=/lib/b\ncfn=inner\ncalls=5 0x99 \n0x14 1 500\n0x18 2 6\n\n\
                    ob=/lib/b\nfn=inner\n0x99 0 500\n";
        let executed = executed(text);
        assert_eq!(executed[&PathBuf::from("/bin/a")], [(0x10, 5), (0x18, 6)]);
        assert_eq!(executed[&PathBuf::from("/lib/b")], [(0x99, 500)]);
    }
}
