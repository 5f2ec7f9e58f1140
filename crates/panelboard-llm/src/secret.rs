//! How a provider's key is held so that it shows nowhere: no text form, wiped on drop.

use std::fmt::Write as _;

use zeroize::Zeroizing;

/// A provider's key. It has no `Debug`, `Display` or `Serialize`; its memory is wiped on drop.
///
/// What may be shown of it is its [`fingerprint`](Self::fingerprint). The copies that the transport
/// writes to a socket are short-lived and are not wiped.
///
/// It may be [`awaited`](Self::awaited): a key whose secret is still to come takes no calls.
///
/// ```
/// use panelboard_llm::Secret;
///
/// assert!(Secret::awaited().is_awaited());
/// // None is another thing: a service that wants no credential is called without one.
/// assert!(!Secret::new(String::new()).is_awaited());
/// ```
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "a secret must not have a text form")]
pub struct Secret(Option<Zeroizing<Box<str>>>);

impl Secret {
    /// Takes a secret over. White space at its ends (a file's last line feed) is dropped.
    #[must_use]
    pub fn new(secret: String) -> Self {
        let secret = Zeroizing::new(secret);
        Self(Some(Zeroizing::new(Box::from(secret.trim()))))
    }

    /// One that is not there yet. A later [`reload`](crate::Gateway::reload) brings it.
    #[must_use]
    pub fn awaited() -> Self {
        Self(None)
    }

    /// Whether it is still to come.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.0.is_none()
    }

    /// The first eight hexadecimal digits of its SHA-256: tells two keys apart, gives neither away.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, self.expose().as_bytes());
        digest.as_ref().iter().take(4).fold(String::with_capacity(8), |mut text, byte| {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// Whether nothing but white space was given, or nothing yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }

    /// The secret itself, for the one header that carries it.
    pub(crate) fn expose(&self) -> &str {
        self.0.as_deref().map_or("", |secret| secret)
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Secret {}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn a_fingerprint_tells_keys_apart_and_holds_nothing_of_them() {
        let one = Secret::new("sk-canary-1".to_owned());
        let other = Secret::new("sk-canary-2".to_owned());
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert_eq!(one.fingerprint().len(), 8);
        assert!(!one.fingerprint().contains("canary"));
    }

    #[test]
    fn a_secret_that_is_awaited_is_no_empty_one() {
        assert!(Secret::awaited() != Secret::new(String::new()));
        assert!(Secret::awaited() == Secret::awaited());
    }

    #[test]
    fn a_line_feed_at_the_end_of_a_file_is_no_part_of_the_key() {
        assert!(Secret::new("sk-1\n".to_owned()) == Secret::new("sk-1".to_owned()));
        assert!(Secret::new(" \n".to_owned()).is_empty());
    }
}
