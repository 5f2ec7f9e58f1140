//! How are an error, a transition and the server's audit log brought together? By one id a call.

use std::fmt::{self, Write as _};

/// The id of one call: on its error, on each transition that it causes, and sent to the server in
/// `x-correlation-id`. Shown as 32 hexadecimal digits.
///
/// ```
/// use panelboard_vault::CorrelationId;
///
/// let id = CorrelationId::new();
/// assert_ne!(id, CorrelationId::new());
/// assert_eq!(id.to_string().len(), 32);
/// assert_eq!(CorrelationId::from(0xbeef).to_string().trim_start_matches('0'), "beef");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CorrelationId(u128);

impl CorrelationId {
    /// A random one; no secret, so not from a source for secrets.
    #[must_use]
    pub fn new() -> Self {
        Self(fastrand::u128(..))
    }

    /// As it is shown.
    pub(crate) fn digits(self) -> [u8; 32] {
        const HEXADECIMAL: &[u8; 16] = b"0123456789abcdef";
        let mut digits = [0; 32];
        for (two, byte) in digits.chunks_exact_mut(2).zip(self.0.to_be_bytes()) {
            two[0] = HEXADECIMAL[usize::from(byte >> 4)];
            two[1] = HEXADECIMAL[usize::from(byte & 0xf)];
        }
        digits
    }
}

impl Default for CorrelationId {
    fn default() -> Self {
        Self::new()
    }
}

impl From<u128> for CorrelationId {
    fn from(id: u128) -> Self {
        Self(id)
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.digits().iter().try_for_each(|digit| f.write_char(char::from(*digit)))
    }
}

impl fmt::Debug for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
