//! What does a configuration file mean?
//!
//! A file goes through four steps, each in a file of its own:
//!
//! 1. `fields` is the one table of every section, field, range and default;
//! 2. `check` walks the text beside that table and collects *every* mistake with its place;
//! 3. `build` turns checked values into the types that the server and the engine run on, and finds
//!    the mistakes that need two values to see (duplicates, unknown providers, a bare listen
//!    address);
//! 4. `secret` follows the references (`env:NAME`, `file:PATH`), never printing what it finds;
//!    those to a Vault (`vault:MOUNT/PATH#FIELD`) are followed by the running server alone.
//!
//! `schema` prints the same table as a JSON schema, and `discover` writes the file that a start
//! without a file stands for, which then takes the same way as any other.

mod build;
mod check;
mod discover;
mod environment;
mod fields;
mod schema;
mod secret;
mod values;

use std::fmt;
use std::path::{Path, PathBuf};

pub(crate) use build::LISTEN;
use build::Origin;
pub use build::{
    Address, Auth, Breakers, Calls, Config, File, Http, Jobs, Log, Seen, Server, Sessions, Sink,
    Store, To, Vault, VaultKey,
};
pub(crate) use discover::OWNED_BY;
pub use discover::discover;
pub use environment::Environment;
pub(crate) use panelboard_mistakes::nearest;
pub use panelboard_mistakes::{Mistake, Mistakes};
pub use schema::schema;
pub use secret::Held;
pub(crate) use secret::fits_header;

/// The largest configuration file that is read, in bytes. A larger one is refused.
pub const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Where a configuration came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nothing was found: the two pretend providers.
    BuiltIn,
    /// Keys in the environment or servers on their usual ports.
    Environment,
    /// A file.
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::BuiltIn => f.write_str("built-in"),
            Source::Environment => f.write_str("environment"),
            Source::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Reads, checks and builds the file at `path`.
///
/// `listen` takes the place of `server.listen` if given. Relative `file:` references are looked up
/// beside the file.
///
/// # Errors
///
/// Every mistake of the file, in the order of its lines; or the one that it can not be read.
pub fn load(path: &Path, listen: Option<&str>, env: &Environment) -> Result<Config, Mistakes> {
    load_file(path, listen, env, true)
}

/// As [`load`], for a server that runs: files of logs, which hold until the next start, are not
/// looked at. A disk that is read-only by now keeps nobody from taking over another key.
///
/// # Errors
///
/// As [`load`].
pub fn load_again(
    path: &Path,
    listen: Option<&str>,
    env: &Environment,
) -> Result<Config, Mistakes> {
    load_file(path, listen, env, false)
}

fn load_file(
    path: &Path,
    listen: Option<&str>,
    env: &Environment,
    looks_at_disks: bool,
) -> Result<Config, Mistakes> {
    // Looked at before it is read: what changes in between is found at the next look.
    let seen = Seen::now(path);
    let text = read(path).map_err(|wrong| Mistakes::unreadable(path.display(), wrong))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let source = Source::File(path.to_owned());
    understand(&text, Origin { source, seen: Some(seen), listen, env, folder, looks_at_disks })
}

/// Reads the settings of breakers out of the file at `path`, and checks every value in it. Secrets
/// are not looked up: whoever replays calls need not have them.
///
/// # Errors
///
/// Every mistake that takes one value to see, and those of breakers, in the order of the file's
/// lines; or the one that it can not be read.
pub fn load_breakers(path: &Path) -> Result<Breakers, Mistakes> {
    let text = read(path).map_err(|wrong| Mistakes::unreadable(path.display(), wrong))?;
    let (values, mut found) = check::check(&text);
    let breakers = build::breakers(&values, &mut found);
    if found.is_empty() { Ok(breakers) } else { Err(Mistakes::new(path.display(), &text, found)) }
}

/// Checks and builds `text`, which came from `source`. See [`load`].
///
/// # Errors
///
/// Every mistake of the text, in the order of its lines.
pub fn parse(
    text: &str,
    source: Source,
    listen: Option<&str>,
    env: &Environment,
) -> Result<Config, Mistakes> {
    let (folder, looks_at_disks) = (Path::new(""), false);
    understand(text, Origin { source, seen: None, listen, env, folder, looks_at_disks })
}

fn understand(text: &str, origin: Origin<'_>) -> Result<Config, Mistakes> {
    let source = origin.source.clone();
    let (values, mut found) = check::check(text);
    match build::build(&values, origin, &mut found) {
        Some(config) if found.is_empty() => Ok(config),
        _ => Err(Mistakes::new(source, text, found)),
    }
}

/// The text of the file at `path`, or what is wrong with it.
fn read(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|e| format!("cannot be read: {e}"))?.len();
    if size > MAX_FILE_BYTES {
        return Err(format!("is {size} bytes long, expected at most {MAX_FILE_BYTES}"));
    }
    let bytes = std::fs::read(path).map_err(|e| format!("cannot be read: {e}"))?;
    String::from_utf8(bytes).map_err(|e| {
        format!("is not UTF-8 (byte {}), expected a TOML file", e.utf8_error().valid_up_to())
    })
}
