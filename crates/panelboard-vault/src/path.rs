//! Which mount, path and field is meant, and is it well formed? Every mistake is named by its part,
//! and never repeats the value.

use std::{error, fmt, fmt::Write as _, str::FromStr};

use http::uri::PathAndQuery;

/// The longest mount, path or field, in bytes.
pub(crate) const LONGEST: usize = 512;

/// A field of a secret of a KV engine: `MOUNT/PATH#FIELD`. The mount is the first part.
///
/// ```
/// use panelboard_vault::SecretRef;
///
/// let one: SecretRef = "secret/team/openai#api_key".parse()?;
/// assert_eq!((one.mount(), one.path(), one.field()), ("secret", "team/openai", "api_key"));
/// assert_eq!(one.to_string(), "secret/team/openai#api_key");
///
/// let error = "secret/team/../root#x".parse::<SecretRef>().unwrap_err();
/// assert_eq!(error.to_string(), "the path has a part that is `.` or `..`");
/// # Ok::<(), panelboard_vault::Malformed>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretRef {
    mount: Box<str>,
    path: Box<str>,
    field: Box<str>,
}

impl SecretRef {
    /// One whose mount may have slashes.
    ///
    /// # Errors
    /// A part that is empty, too long or not well formed, by its name.
    pub fn new(mount: &str, path: &str, field: &str) -> Result<Self, Malformed> {
        check("mount", mount)?;
        check("path", path)?;
        let why = match field {
            "" => Some("is empty"),
            long if long.len() > LONGEST => Some("is longer than 512 bytes"),
            other if other.contains(char::is_control) => Some("has a control character"),
            _ => None,
        };
        if let Some(why) = why {
            return Err(Malformed { part: "field", why });
        }
        Ok(Self { mount: mount.into(), path: path.into(), field: field.into() })
    }

    /// The engine's mount.
    #[must_use]
    pub fn mount(&self) -> &str {
        &self.mount
    }

    /// The secret's path below the mount.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The field of the secret.
    #[must_use]
    pub fn field(&self) -> &str {
        &self.field
    }
}

impl FromStr for SecretRef {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let (place, field) =
            text.split_once('#').ok_or(Malformed { part: "field", why: "is missing" })?;
        let (mount, path) =
            place.split_once('/').ok_or(Malformed { part: "path", why: "is missing" })?;
        Self::new(mount, path, field)
    }
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}#{}", self.mount, self.path, self.field)
    }
}

/// A mount, path or field that is not well formed. The value itself is not repeated.
///
/// ```
/// use panelboard_vault::SecretRef;
///
/// let error = "secret".parse::<SecretRef>().unwrap_err();
/// assert_eq!((error.part, error.why), ("field", "is missing"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Malformed {
    /// `mount`, `path`, `field`, ..
    pub part: &'static str,
    /// What is wrong with it.
    pub why: &'static str,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} {}", self.part, self.why)
    }
}

impl error::Error for Malformed {}

/// A path that means what it says: `..`, an empty part or a slash too many would name another.
pub(crate) fn check(part: &'static str, path: &str) -> Result<(), Malformed> {
    let why = if path.is_empty() {
        "is empty"
    } else if path.len() > LONGEST {
        "is longer than 512 bytes"
    } else if path.contains(|c: char| c.is_control()) {
        "has a control character"
    } else if path.split('/').any(str::is_empty) {
        "has an empty part: a slash at an end, or two in a row"
    } else if path.split('/').any(|part| part == "." || part == "..") {
        "has a part that is `.` or `..`"
    } else if path.trim() != path {
        "begins or ends with white space"
    } else {
        return Ok(());
    };
    Err(Malformed { part, why })
}

/// The path of a request: its parts, one behind the other, below `/v1/`. The query is as it is.
pub(crate) fn whole(parts: &[&str], query: &str) -> Result<PathAndQuery, Malformed> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut url = String::with_capacity(ROOT.len() + length + query.len());
    url.push_str(ROOT);
    parts.iter().for_each(|part| encode(part, &mut url));
    url.push_str(query);
    let why = "can't stand in a request";
    url.try_into().map_err(|_| Malformed { part: "path", why })
}

/// Where the API begins.
const ROOT: &str = "/v1/";

/// The path in a URL: what is no letter, digit or `-._~/` as `%XX`.
fn encode(path: &str, into: &mut String) {
    for &byte in path.as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                into.push(char::from(byte));
            }
            // Writing to a String does not fail.
            other => drop(write!(into, "%{other:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_is_named_without_the_value() {
        let long = format!("secret/{}#f", "canary".repeat(100));
        let rows = [
            ("canary", "the field is missing"),
            ("canary#f", "the path is missing"),
            ("/canary#f", "the mount is empty"),
            ("canary/#f", "the path is empty"),
            ("secret/canary#", "the field is empty"),
            ("secret/canary#a\nb", "the field has a control character"),
            ("secret//canary#f", "the path has an empty part"),
            ("secret/canary/#f", "the path has an empty part"),
            ("secret/./canary#f", "the path has a part that is `.`"),
            ("secret/canary/..#f", "the path has a part that is `.`"),
            ("secret/ canary#f", "the path begins or ends with white space"),
            ("secret/can\u{7f}ary#f", "the path has a control character"),
            (long.as_str(), "the path is longer than 512 bytes"),
        ];
        for (text, message) in rows {
            let error = text.parse::<SecretRef>().expect_err(message).to_string();
            assert!(error.starts_with(message), "{error} / {message}");
            assert!(!error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn what_means_something_in_a_url_is_encoded() {
        let mut url = String::new();
        encode("a b/c?d#e%f/ü", &mut url);
        assert_eq!(url, "a%20b/c%3Fd%23e%25f/%C3%BC");
    }
}
