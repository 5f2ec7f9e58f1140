//! Do two sinks write to one file? Told by the file itself: paths have many spellings.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path};

use crate::config::{BuildError, SinkConfig};

/// # Errors
/// Two that do.
pub(super) fn check(sinks: &[SinkConfig]) -> Result<(), BuildError> {
    let mut known: Vec<((u64, u64), &str)> = Vec::new();
    for config in sinks {
        let Some((path, id)) = config.sink.file().and_then(|path| Some((path, id(path)?))) else {
            continue;
        };
        if let Some((_, other)) = known.iter().find(|(others, _)| *others == id) {
            let (sink, other) = (config.name.clone(), (*other).to_owned());
            return Err(BuildError::SameFile { sink, other, file: path.display().to_string() });
        }
        known.push((id, &config.name));
    }
    Ok(())
}

/// The device and the number of a file. None for what is no regular file, such as `/dev/null`,
/// which many may write to, and for what is not there (any more).
fn id(path: &Path) -> Option<(u64, u64)> {
    let meta = fs::metadata(path).ok()?;
    meta.is_file().then(|| (meta.dev(), meta.ino()))
}
