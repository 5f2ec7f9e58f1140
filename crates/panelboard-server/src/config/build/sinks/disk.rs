//! Could a sink write where it is to? Looked at without writing anything.

use std::path::Path;

use panelboard_mistakes::Found;
use rustix::fs::{Access, access};

use crate::config::values::Table;

/// Notes files that can't be opened and folders that can't be made or written to.
pub(super) fn check(table: &Table, found: &mut Vec<Found>) {
    for (field, is_folder) in [("path", false), ("spill", true)] {
        let Some(path) = table.text(field) else { continue };
        let Some(wrong) = wrong_with(Path::new(path), is_folder) else { continue };
        let mistake = Found::new(table.place(field), table.key(field), wrong);
        found.push(mistake.expected("a place that can be written to"));
    }
}

fn wrong_with(path: &Path, is_folder: bool) -> Option<String> {
    if path.is_dir() != is_folder && path.exists() {
        let what = if is_folder { "no folder" } else { "a folder" };
        return Some(format!("{} is {what}", path.display()));
    }
    // Of what is not there, the nearest that is: it is to be made in there.
    let there = path.ancestors().map(known).find(|place| place.exists())?;
    if !there.is_dir() && there != path {
        return Some(format!("{} is no folder", there.display()));
    }
    let wanted = if there.is_dir() { Access::WRITE_OK | Access::EXEC_OK } else { Access::WRITE_OK };
    let refused = access(there, wanted).err()?;
    Some(format!("{} can't be written to: {}", there.display(), std::io::Error::from(refused)))
}

/// The folder that the process runs in has no name in a relative path.
fn known(place: &Path) -> &Path {
    if place.as_os_str().is_empty() { Path::new(".") } else { place }
}
