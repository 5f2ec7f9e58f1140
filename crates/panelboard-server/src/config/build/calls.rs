//! What does the section `[calls]` mean, and which file does it come to?

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::sessions::IN_MEMORY;
use crate::config::values::Table;

/// The section `[calls]`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Calls {
    /// Whether calls are logged.
    pub log: bool,
    /// The file that is named, if one is.
    pub path: Option<PathBuf>,
    /// How long a call is kept.
    pub keep: Duration,
    /// Calls that are kept.
    pub max_rows: u64,
    /// The size that the file may grow to.
    pub max_bytes: u64,
    /// Calls that wait for the disk.
    pub queue: usize,
}

impl Calls {
    /// The file that calls are logged in, if the sessions are in `store`. None: nothing survives
    /// the process.
    #[must_use]
    pub fn file(&self, store: Option<&Path>) -> Option<PathBuf> {
        match (&self.path, store) {
            (Some(path), _) => (path != Path::new(IN_MEMORY)).then(|| path.clone()),
            (None, store) => Some(beside(store?)),
        }
    }
}

/// `panelboard-calls.db` for `panelboard.db`.
fn beside(store: &Path) -> PathBuf {
    let mut name = store.file_stem().unwrap_or_default().to_owned();
    name.push("-calls");
    if let Some(extension) = store.extension() {
        name.push(".");
        name.push(extension);
    }
    store.with_file_name(name)
}

pub(super) fn calls(table: &Table) -> Calls {
    Calls {
        log: table.switch("log").unwrap_or(true),
        path: table.text("path").map(PathBuf::from),
        keep: table.duration("keep").unwrap_or(Duration::from_secs(7 * 24 * 60 * 60)),
        max_rows: table.count("max_rows").unwrap_or(5_000_000),
        max_bytes: table.count("max_bytes").unwrap_or(512 << 20),
        queue: table.size("queue").unwrap_or(8_192),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: Option<&str>, store: Option<&str>) -> Option<String> {
        let calls = Calls { path: path.map(PathBuf::from), ..calls(&Table::default()) };
        calls.file(store.map(Path::new)).map(|file| file.display().to_string())
    }

    #[test]
    fn the_log_is_beside_the_store_unless_it_is_named() {
        let rows = [
            (None, Some("panelboard.db"), Some("panelboard-calls.db")),
            (None, Some("/var/lib/p/a.b.db"), Some("/var/lib/p/a.b-calls.db")),
            (None, Some("store"), Some("store-calls")),
            (None, None, None),
            (Some("/log/calls.db"), Some("panelboard.db"), Some("/log/calls.db")),
            (Some("calls.db"), None, Some("calls.db")),
            (Some(":memory:"), Some("panelboard.db"), None),
        ];
        for (path, store, expected) in rows {
            assert_eq!(file(path, store).as_deref(), expected, "{path:?} {store:?}");
        }
    }
}
