//! Where does what we download stay? In one folder of the user's cache.

use std::{env, fs, path::PathBuf};

/// `$XDG_CACHE_HOME/panelboard` or `~/.cache/panelboard`, made if it is not there.
///
/// # Errors
/// There is no home folder, or it cannot be written.
pub(crate) fn folder() -> Result<PathBuf, String> {
    let base = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")))
        .ok_or("neither XDG_CACHE_HOME nor HOME is set: where may downloads stay?")?;
    let folder = base.join("panelboard");
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(folder)
}
