//! Which instructions of a program are locked? Asked of objdump.

use std::{collections::HashSet, path::Path, process::Command};

/// The addresses of an object file's locked operations.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Locked(HashSet<u64>);

impl Locked {
    /// Of what is no file (callgrind's name for code of unknown origin) there are none.
    pub(super) fn of(object: &Path) -> Result<Self, String> {
        if !object.is_file() {
            return Ok(Self::default());
        }
        let output = Command::new("objdump")
            .args(["--disassemble", "--no-show-raw-insn"])
            .arg(object)
            .output()
            .map_err(|error| format!("objdump does not start: {error}"))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(Self::read(&String::from_utf8_lossy(&output.stdout)))
    }

    pub(super) fn contains(&self, address: u64) -> bool {
        self.0.contains(&address)
    }

    fn read(text: &str) -> Self {
        let rows = text.lines().filter_map(|line| {
            let (address, instruction) = line.split_once(":\t")?;
            let address = u64::from_str_radix(address.trim(), 16).ok()?;
            is_locked(instruction).then_some(address)
        });
        Self(rows.collect())
    }
}

/// An `xchg` with memory is locked without a prefix.
fn is_locked(instruction: &str) -> bool {
    match instruction.split_whitespace().next() {
        Some("lock" | "mfence") => true,
        Some("xchg") => instruction.contains('('),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locked_operations_are_told_from_others() {
        let text = [
            "0000000000001000 <f>:",
            "    1000:\tlock cmpxchg %rcx,(%rdi)",
            "    1005:\txchg   %eax,0x8(%rdi)",
            "    1008:\txchg   %ax,%ax",
            "    100a:\tmfence",
            "    100d:\tcmpxchg %rcx,(%rdi)",
            "    1010:\tmov    %rax,(%rdi)",
        ];
        assert_eq!(Locked::read(&text.join("\n")), Locked(HashSet::from([0x1000, 0x1005, 0x100a])));
    }
}
