//! Where are files that nobody asked to be kept? In a folder that goes when the process does.

use std::path::{Path, PathBuf};

/// A folder for such files. Removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// In memory, where the system has a place for that. If it can't be made, who makes a file in
    /// it says so.
    pub(crate) fn new() -> Self {
        let memory = PathBuf::from("/dev/shm");
        let parent = if memory.is_dir() { memory } else { std::env::temp_dir() };
        let name = format!("panelboard-{}-{:016x}", std::process::id(), fastrand::u64(..));
        let folder = parent.join(name);
        let _ = std::fs::create_dir_all(&folder);
        Self(folder)
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left is a file in a folder for such files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
