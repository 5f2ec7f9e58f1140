//! Is a record still what was written? CRC-32 as in zlib, gzip and Ethernet.
//!
//! SQLite keeps no checksum of its own over what it has moved from its log into the file. A table
//! of one byte a step is some 400 MB/s, and bodies are summed by the thread that submits them.

/// The reflected polynomial.
const POLYNOMIAL: u32 = 0xEDB8_8320;

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ POLYNOMIAL } else { sum >> 1 };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
}

/// A sum that grows by what it is given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crc(u32);

impl Crc {
    pub(crate) fn new() -> Self {
        Self(u32::MAX)
    }

    #[must_use]
    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        let next = |sum: u32, byte: &u8| TABLE[usize::from(sum as u8 ^ byte)] ^ (sum >> 8);
        Self(bytes.iter().fold(self.0, next))
    }

    /// A number of fixed width, so that two fields never run into each other.
    #[must_use]
    pub(crate) fn number(self, number: u64) -> Self {
        self.bytes(&number.to_le_bytes())
    }

    /// A text with its length before it, for the same reason.
    #[must_use]
    pub(crate) fn text(self, text: &str) -> Self {
        self.number(text.len() as u64).bytes(text.as_bytes())
    }

    pub(crate) fn end(self) -> u32 {
        !self.0
    }
}

/// The sum of a text alone.
pub(crate) fn of(text: &[u8]) -> u32 {
    Crc::new().bytes(text).end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_sum_that_others_compute() {
        // The check value of the catalogue of CRCs, and the sum of nothing.
        assert_eq!(of(b"123456789"), 0xCBF4_3926);
        assert_eq!(of(b""), 0);
    }

    #[test]
    fn every_changed_bit_changes_it() {
        let text = *b"a record of a session";
        for bit in 0..text.len() * 8 {
            let mut other = text;
            other[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(of(&other), of(&text), "bit {bit}");
        }
    }

    #[test]
    fn fields_do_not_run_into_each_other() {
        let sum = |a, b| Crc::new().text(a).text(b).end();
        assert_ne!(sum("ab", "c"), sum("a", "bc"));
    }
}
