//! How is a secret held so that it shows nowhere? No text form, wiped on drop.

use std::fmt::Write as _;

use zeroize::Zeroize;

/// Something that must not be shown. It has no `Debug`, `Display` or `Serialize`, and its memory is
/// wiped on drop.
///
/// What may be shown of a text is its [`fingerprint`](Self::fingerprint). Not wiped are the buffers
/// of the HTTP client and of TLS, which a request is copied into, and what whoever
/// [exposes](Self::expose) it copies out.
///
/// ```
/// use panelboard_vault::Secret;
///
/// let secret = Secret::new("hunter2".to_owned());
/// assert_eq!(secret.expose(), "hunter2");
/// assert_eq!(secret.fingerprint().len(), 8);
/// ```
///
/// It can't be printed:
///
/// ```compile_fail
/// println!("{:?}", panelboard_vault::Secret::new("hunter2".to_owned()));
/// ```
#[expect(missing_debug_implementations, reason = "a secret must not have a text form")]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes a secret over.
    #[must_use]
    pub fn new(secret: T) -> Self {
        Self(secret)
    }

    /// The secret itself, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl Secret<String> {
    /// The first eight hexadecimal digits of its SHA-256: tells two secrets apart. It gives nothing
    /// of a long random one away; of a short one it confirms a guess.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, self.0.as_bytes());
        digest.as_ref().iter().take(4).fold(String::with_capacity(8), |mut text, byte| {
            // Writing to a String does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        if crate::fault::SECRET_NOT_WIPED.planted() {
            return;
        }
        self.0.zeroize();
    }
}

impl From<String> for Secret<String> {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, rc::Rc};

    use super::*;

    struct Watched(Rc<Cell<u32>>);

    impl Zeroize for Watched {
        fn zeroize(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }

    #[test]
    fn a_secret_is_wiped_when_it_is_dropped() {
        let wiped = Rc::new(Cell::new(0));
        let secret = Secret::new(Watched(Rc::clone(&wiped)));
        assert_eq!(wiped.get(), 0);
        drop(secret);
        assert_eq!(wiped.get(), 1);
    }

    #[test]
    fn a_fingerprint_tells_secrets_apart_and_holds_nothing_of_them() {
        let (one, two) = (Secret::new("canary-1".to_owned()), Secret::new("canary-2".to_owned()));
        assert_ne!(one.fingerprint(), two.fingerprint());
        assert!(!one.fingerprint().contains("canary"));
    }
}
