//! Where is a secret, and what is it?

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use panelboard_mistakes::nearest;
use panelboard_vault::{Secret, SecretRef};
use zeroize::Zeroizing;

use super::Environment;

/// The longest secret that a file may hold, in bytes.
const MAX_SECRET_BYTES: usize = 64 * 1024;

/// Where a secret is. This is not a secret itself and may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reference {
    /// A variable of the environment.
    Env(String),
    /// A file.
    File(PathBuf),
    /// A field of a secret in the Vault of the section `[vault]`.
    Vault(SecretRef),
}

/// What a reference should look like, for messages.
pub(super) const EXPECTED: &str =
    "a reference: \"env:NAME\", \"file:PATH\" or \"vault:MOUNT/PATH#FIELD\"";

/// The same where a Vault is of no use: for what guards the program's own door, which must be
/// closed before anybody has been asked, and for what the Vault itself is asked with.
pub(super) const AT_HAND: &str = "a reference: \"env:NAME\" or \"file:PATH\"";

impl Reference {
    /// Reads a reference.
    ///
    /// # Errors
    ///
    /// What is wrong with it; never with the text itself, which may be a secret.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = match text.split_once(':') {
            Some(("env", name)) if variable_name(name) => return Ok(Self::Env(name.to_owned())),
            Some(("env", _)) => "is not the name of an environment variable",
            Some(("file", "")) => "names no file",
            Some(("file", path)) => return Ok(Self::File(PathBuf::from(path))),
            Some(("vault", place)) => {
                // The message names the part and not the text.
                let of = place.parse().map_err(|wrong| format!("is a vault: reference, {wrong}"));
                return of.map(Self::Vault);
            }
            _ => "is a secret in plain text (not shown)",
        };
        Err(wrong.to_owned())
    }

    /// The secret itself.
    ///
    /// # Errors
    ///
    /// What is wrong: nothing there, nothing in it, or not at hand.
    pub(super) fn follow(
        &self,
        env: &Environment,
        folder: &Path,
    ) -> Result<Zeroizing<String>, String> {
        match self {
            Self::Env(name) => env
                .get(name)
                .map(|value| Zeroizing::new(value.trim().to_owned()))
                .ok_or_else(|| {
                    let nearest = nearest(name, env.names().filter(|n| env.get(n).is_some()));
                    let hint =
                        nearest.map_or(String::new(), |n| format!(", did you mean `env:{n}`?"));
                    format!("the environment variable {name} is not set{hint}")
                }),
            Self::File(path) => read(&folder.join(path)),
            Self::Vault(_) => {
                Err("is a vault: reference, which only a provider's key may be".to_owned())
            }
        }
    }

    /// The file that a reload should watch, if it is one.
    pub(super) fn file(&self, folder: &Path) -> Option<PathBuf> {
        match self {
            Self::File(path) => Some(folder.join(path)),
            Self::Env(_) | Self::Vault(_) => None,
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Vault(of) => write!(f, "vault:{of}"),
        }
    }
}

/// A secret that was at hand: for what is asked with it. It has no text form, and is wiped when
/// nobody needs it any more.
#[derive(Clone)]
pub struct Held(Arc<Secret<String>>);

impl Held {
    pub(super) fn new(secret: &str) -> Self {
        Self(Arc::new(Secret::new(secret.to_owned())))
    }

    /// The secret itself, for the one header that carries it.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held(..)")
    }
}

/// Whether a secret can stand in the header of a call.
pub(crate) fn fits_header(secret: &str) -> bool {
    secret.chars().all(|c| c.is_ascii_graphic() || c == ' ')
}

fn variable_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let shown = path.display();
    let wrong = |e: io::Error| format!("the secret file {shown} cannot be read: {e}");
    let bytes = whole(path).map_err(wrong)?;
    if bytes.len() > MAX_SECRET_BYTES {
        return Err(format!("the secret file {shown} is longer than {MAX_SECRET_BYTES} bytes"));
    }
    let text = std::str::from_utf8(&bytes).map_err(|e| wrong(io::Error::other(e)))?;
    match text.trim() {
        "" => Err(format!("the secret file {shown} is empty")),
        secret => Ok(Zeroizing::new(secret.to_owned())),
    }
}

/// Up to a byte more than it may hold, in memory that is wiped and has room for all of it: what
/// grows leaves copies behind.
fn whole(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let most = MAX_SECRET_BYTES + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(most));
    File::open(path)?.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secrets_file_is_read_up_to_its_bound_and_what_is_wrong_with_it_is_told_without_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        let said = |bytes: &[u8]| {
            std::fs::write(&path, bytes).expect("written");
            let read =
                Reference::File("secret".into()).follow(&Environment::empty(), folder.path());
            read.map(|secret| secret.to_string())
        };
        assert_eq!(said(b" canary\n").as_deref(), Ok("canary"));
        let longest = "a".repeat(MAX_SECRET_BYTES);
        assert_eq!(said(longest.as_bytes()), Ok(longest.clone()));
        let mut halved = longest.into_bytes();
        halved.extend("ü".bytes());
        let rows: [(&[u8], &str); 3] = [
            (&halved, "is longer than 65536 bytes"),
            (b" \n", "is empty"),
            (b"canary \xff", "cannot be read: invalid utf-8"),
        ];
        for (bytes, wrong) in rows {
            let message = said(bytes).expect_err(wrong);
            assert!(message.contains(wrong) && !message.contains("canary"), "{message}");
        }
    }
}
