//! How is a caller's token compared without telling how much of it was right?

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A bearer token that callers must present. It is wiped on drop and has no text form.
#[derive(Clone)]
pub struct Token(Zeroizing<Box<[u8]>>);

impl Token {
    /// Takes a token over.
    pub fn new(secret: &str) -> Self {
        Self(Zeroizing::new(Box::from(secret.as_bytes())))
    }

    /// Whether `presented` is this token. Takes the same time wherever the first difference is;
    /// the length is no secret.
    pub fn is(&self, presented: &[u8]) -> bool {
        self.0.ct_eq(presented).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}
