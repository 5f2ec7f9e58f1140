//! How are arbitrary bytes read as numbers? In order; after the last one, numbers that follow from
//! how many there were.

use std::time::Duration;

pub(super) struct Bytes<'a> {
    rest: &'a [u8],
    /// Goes on after the end, by SplitMix64.
    state: u64,
}

impl<'a> Bytes<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest, state: rest.len() as u64 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((first, rest)) => {
                self.rest = rest;
                *first
            }
            None => self.beyond() as u8,
        }
    }

    fn beyond(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// True for half of the bytes.
    pub(super) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// One of these.
    pub(super) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::from(self.byte()) % all.len()]
    }

    pub(super) fn wide(&mut self) -> u64 {
        u64::from_le_bytes([(); 8].map(|()| self.byte()))
    }

    /// Often at an edge, otherwise anything.
    pub(super) fn number(&mut self) -> u32 {
        let edges = [0, 1, 2, 3, 5, 10, 126, 127, 128, 65_536, 65_537, 8_388_607, 8_388_608];
        match self.byte() {
            0..200 => self.of(&edges),
            _ => self.wide() as u32,
        }
    }

    /// A share or a factor: often a sensible one or none at all, otherwise any bits.
    pub(super) fn float(&mut self) -> f64 {
        const USUAL: [f64; 9] = [0.0, 0.01, 0.1, 0.5, 0.999, 1.0, 1.000_001, 2.0, 10.0];
        const ODD: [f64; 9] = [
            -0.0,
            10.1,
            -1.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            f64::MIN_POSITIVE,
            f64::MAX,
            f64::EPSILON,
        ];
        match self.byte() {
            0..120 => self.of(&USUAL),
            120..200 => self.of(&ODD),
            _ => f64::from_bits(self.wide()),
        }
    }

    /// Often around a limit, otherwise anything.
    pub(super) fn time(&mut self) -> Duration {
        const USUAL: [u64; 10] = [1, 9, 10, 16, 17, 100, 1_000, 30_000, 60_000, 86_400_000];
        const LEASE: u64 = ((1 << 27) - 1) * 16;
        const LONGEST: u64 = (1 << 37) - 1;
        match self.byte() {
            0..130 => Duration::from_millis(self.of(&USUAL)),
            130..180 => {
                let edges = [86_400_001, LEASE, LEASE + 1, LONGEST, LONGEST + 1, u64::MAX];
                Duration::from_millis(self.of(&edges))
            }
            180..210 => Duration::from_nanos(self.of(&[0, 1, 999_999, 1_000_001])),
            210..230 => Duration::from_nanos(self.wide()),
            230..250 => Duration::new(self.wide(), self.wide() as u32 % 1_000_000_000),
            _ => Duration::MAX,
        }
    }
}
