//! The whole concurrent state of a breaker, in one atomic word.
//!
//! | bits   | field      | meaning                                                               |
//! | ------ | ---------- | --------------------------------------------------------------------- |
//! | 0..2   | state      | 0 closed, 1 open, 2 half-open, 3 recovering                           |
//! | 2..4   | override   | 0 none, 1 forced open, 2 disabled, 3 metrics-only                     |
//! | 4..22  | generation | low 18 bits; +1 with each transition, and with nothing else           |
//! | 22..27 | step       | which open time the next trip takes; stays at 31                      |
//! | 27..64 | body       | what the state needs, below                                           |
//!
//! | state      | body, from its low end                                                          |
//! | ---------- | ------------------------------------------------------------------------------- |
//! | closed     | 23 bits failures in a row; 14 bits life: the generation in which it closed      |
//! | recovering | the same; the life goes on when it is closed                                    |
//! | open       | 37 bits deadline: milliseconds since the clock's origin, rounded up             |
//! | half-open  | 7 bits probes in flight; 7 successes; 7 failures; 16 admissions                 |
//!
//! # When a field would wrap
//!
//! - *generation*: a permit carries the full 64-bit number, worked out with the help of a second
//!   word ([`full`]), so 2^18 generations later it is late and not current. Within one
//!   load-to-exchange of one thread the word could return to the same bits only after exactly a
//!   multiple of 262,144 transitions: by the automatic ones, which take a millisecond each, after
//!   more than four minutes of not being scheduled.
//! - *step* stays at 31; the table of open times has as many rows.
//! - *failures*: the threshold has as many bits. They stay at the most that fits where a trip is
//!   held back or another policy has to agree, and 0 where no policy counts them.
//! - *life* wraps after 16,384 transitions. It tells the counts of one closed life from those of
//!   another within one window's length (`window.rs`), and takes one of 15,360 and more transitions
//!   ago for a later one: 5 s or more of flapping at the shortest open time, within one window.
//!   After so many overrides within one life, a call that stands in its window when one of them is
//!   set may be left out of the run.
//! - *deadline*: 4.3 years after the clock's origin. Later ones are capped there, and a clock
//!   beyond it finds every deadline passed: the breaker errs towards letting calls through.
//! - *probes*, *successes* and *failures* of probes: their limits have as many bits.
//! - *admissions* only make two words differ that are the same but for which probe is out. It takes
//!   65,536 probes admitted and ignored within one load-to-exchange to miss that, and what then
//!   happens is that a probe loses its lease early, that is, becomes late.

/// What a person has set beside the automatic state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Override {
    None,
    ForcedOpen,
    Disabled,
    MetricsOnly,
}

/// What the automatic state is, with what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Closed { failures: u32, life: u16 },
    Open { until_ms: u64 },
    HalfOpen { in_flight: u8, successes: u8, failures: u8, admissions: u16 },
    Recovering { failures: u32, life: u16 },
}

impl Body {
    /// True if calls go through and are judged by the policy: closed or recovering.
    pub(crate) fn is_serving(self) -> bool {
        matches!(self, Self::Closed { .. } | Self::Recovering { .. })
    }
}

/// A word taken apart: a copy, of which the breaker may already be past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) body: Body,
    pub(crate) over: Override,
    /// Low 18 bits.
    pub(crate) generation: u32,
    pub(crate) step: u8,
}

/// State and override: both 0 means closed, and nobody has set anything.
pub(crate) const PLAIN_CLOSED_MASK: u64 = 0b1111;
/// The same bits of an open, of a half-open and of a recovering word without an override.
pub(crate) const PLAIN_OPEN: u64 = 1;
pub(crate) const PLAIN_HALF_OPEN: u64 = 2;
/// State, override and the failures in a row: all 0 means that a success changes nothing.
pub(crate) const NO_FAILURES_MASK: u64 = PLAIN_CLOSED_MASK | (FAILURES << BODY_SHIFT);
/// One more failure in a row, added to a closed word below its threshold.
pub(crate) const ONE_FAILURE: u64 = 1 << BODY_SHIFT;

pub(crate) const GENERATION_BITS: u32 = 18;
const GENERATION: u64 = (1 << GENERATION_BITS) - 1;
const GENERATION_SHIFT: u32 = 4;
const STEP_SHIFT: u32 = 22;
const STEP: u64 = 31;
const BODY_SHIFT: u32 = 27;
const FAILURES: u64 = (1 << 23) - 1;
const LIFE_SHIFT: u32 = BODY_SHIFT + 23;
pub(crate) const LIFE_BITS: u32 = 14;
const PROBES: u64 = (1 << 7) - 1;
const SUCCESSES_SHIFT: u32 = BODY_SHIFT + 7;
const PROBE_FAILURES_SHIFT: u32 = BODY_SHIFT + 14;
const ADMISSIONS_SHIFT: u32 = BODY_SHIFT + 21;

impl Word {
    /// A new breaker: closed, nothing counted, generation 0.
    pub(crate) const NEW: Self = Self {
        body: Body::Closed { failures: 0, life: 0 },
        over: Override::None,
        generation: 0,
        step: 0,
    };

    #[inline]
    pub(crate) fn unpack(bits: u64) -> Self {
        let body = match bits & 3 {
            0 => Body::Closed { failures: failures(bits), life: life(bits) },
            1 => Body::Open { until_ms: until_ms(bits) },
            2 => Body::HalfOpen {
                in_flight: (bits >> BODY_SHIFT & PROBES) as u8,
                successes: (bits >> SUCCESSES_SHIFT & PROBES) as u8,
                failures: (bits >> PROBE_FAILURES_SHIFT & PROBES) as u8,
                admissions: (bits >> ADMISSIONS_SHIFT) as u16,
            },
            _ => Body::Recovering { failures: failures(bits), life: life(bits) },
        };
        let over = match bits >> 2 & 3 {
            0 => Override::None,
            1 => Override::ForcedOpen,
            2 => Override::Disabled,
            _ => Override::MetricsOnly,
        };
        Self {
            body,
            over,
            generation: (bits >> GENERATION_SHIFT & GENERATION) as u32,
            step: (bits >> STEP_SHIFT & STEP) as u8,
        }
    }

    pub(crate) fn pack(self) -> u64 {
        let serving = |failures: u32, life: u16| {
            u64::from(failures) << BODY_SHIFT | u64::from(life) << LIFE_SHIFT
        };
        let (state, body) = match self.body {
            Body::Closed { failures, life } => (0, serving(failures, life)),
            Body::Open { until_ms } => (1, until_ms << BODY_SHIFT),
            Body::HalfOpen { in_flight, successes, failures, admissions } => (
                2,
                u64::from(in_flight) << BODY_SHIFT
                    | u64::from(successes) << SUCCESSES_SHIFT
                    | u64::from(failures) << PROBE_FAILURES_SHIFT
                    | u64::from(admissions) << ADMISSIONS_SHIFT,
            ),
            Body::Recovering { failures, life } => (3, serving(failures, life)),
        };
        let over = self.over as u64;
        state
            | over << 2
            | u64::from(self.generation) << GENERATION_SHIFT
            | u64::from(self.step) << STEP_SHIFT
            | body
    }

    /// The same word, one generation later.
    pub(crate) fn next_generation(self) -> Self {
        if crate::fault::GENERATION_STAYS.planted() {
            return self;
        }
        Self { generation: (self.generation + 1) & GENERATION as u32, ..self }
    }

    /// The life that a breaker begins when it closes in this word's generation.
    pub(crate) fn life(self) -> u16 {
        (self.generation & ((1 << LIFE_BITS) - 1)) as u16
    }

    /// True if it holds a place in its group: if it is forced open, or open or half-open beneath
    /// whatever is set.
    pub(crate) fn is_out(self) -> bool {
        let forced =
            self.over == Override::ForcedOpen && !crate::fault::FORCED_TAKES_NO_PLACE.planted();
        forced || !self.body.is_serving()
    }

    /// How many transitions ago its life began; none if it is not serving.
    pub(crate) fn age(self) -> Option<u64> {
        let (Body::Closed { life, .. } | Body::Recovering { life, .. }) = self.body else {
            return None;
        };
        Some(u64::from(self.life().wrapping_sub(life) & ((1 << LIFE_BITS) - 1)))
    }
}

/// The failures in a row of a closed or recovering word.
#[inline]
pub(crate) fn failures(bits: u64) -> u32 {
    (bits >> BODY_SHIFT & FAILURES) as u32
}

/// The life of a closed or recovering word.
#[inline]
pub(crate) fn life(bits: u64) -> u16 {
    (bits >> LIFE_SHIFT) as u16
}

/// The deadline of an open word.
#[inline]
pub(crate) fn until_ms(bits: u64) -> u64 {
    bits >> BODY_SHIFT
}

/// A half-open word with one more probe in flight; none if its places are taken.
#[inline]
pub(crate) fn with_a_probe(bits: u64, half_open_max_calls: u8) -> Option<u64> {
    let room = bits >> BODY_SHIFT & PROBES < u64::from(half_open_max_calls);
    let room = room || crate::fault::PROBES_UNLIMITED.planted();
    // The admissions are the highest field: their carry falls off the word's end.
    room.then(|| (bits + (1 << BODY_SHIFT)).wrapping_add(1 << ADMISSIONS_SHIFT))
}

/// A half-open word in which a probe has succeeded; none if that decides.
#[inline]
pub(crate) fn with_a_success(bits: u64, success_threshold: u8) -> Option<u64> {
    let below = (bits >> SUCCESSES_SHIFT & PROBES) + 1 < u64::from(success_threshold);
    let out = bits >> BODY_SHIFT & PROBES > 0;
    (below && out).then(|| bits + (1 << SUCCESSES_SHIFT) - (1 << BODY_SHIFT))
}

/// True if both words are of the same generation, as far as its low bits tell.
#[inline]
pub(crate) fn same_generation(a: u64, b: u64) -> bool {
    (a ^ b) >> GENERATION_SHIFT & GENERATION == 0
}

/// True if the word's state is half-open.
pub(crate) fn is_half_open(bits: u64) -> bool {
    bits & 3 == 2
}

/// The full generation of a word, given a full one that is less than 2^17 transitions away.
///
/// `near` comes from the breaker's second word. Whoever makes a transition raises that word to the
/// generation that he leaves *before* he publishes the new one; so whoever has read a generation in
/// the word finds at least the one before it there: the distance is 1, plus what has happened
/// since the word was read.
#[inline]
pub(crate) fn full(bits: u64, near: u64) -> u64 {
    let ahead = (bits >> GENERATION_SHIFT).wrapping_sub(near) & GENERATION;
    // Sign-extends the 18-bit distance: `near` may also be the newer one.
    let ahead = (ahead << (64 - GENERATION_BITS)) as i64 >> (64 - GENERATION_BITS);
    near.wrapping_add_signed(ahead)
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn every_word_survives_packing() {
        let bodies = [
            Body::Closed { failures: 0, life: 0 },
            Body::Closed { failures: FAILURES as u32, life: (1 << LIFE_BITS) - 1 },
            Body::Open { until_ms: 0 },
            Body::Open { until_ms: (1 << 37) - 1 },
            Body::HalfOpen { in_flight: 0, successes: 127, failures: 0, admissions: 0 },
            Body::HalfOpen { in_flight: 127, successes: 0, failures: 0, admissions: u16::MAX },
            Body::HalfOpen { in_flight: 0, successes: 0, failures: 127, admissions: 1 },
            Body::Recovering { failures: 0, life: 1 },
            Body::Recovering { failures: FAILURES as u32, life: (1 << LIFE_BITS) - 1 },
        ];
        let overs =
            [Override::None, Override::ForcedOpen, Override::Disabled, Override::MetricsOnly];
        for (body, over) in bodies.into_iter().flat_map(|body| overs.map(|over| (body, over))) {
            for (generation, step) in [(0, 0), (GENERATION as u32, 31), (1, 30)] {
                let word = Word { body, over, generation, step };
                assert_eq!(Word::unpack(word.pack()), word);
            }
        }
        assert_eq!(Word::NEW.pack(), 0, "a new breaker is all zeroes");
    }

    #[test]
    fn a_full_generation_is_found_across_the_wrap_and_behind() {
        let at =
            |generation: u64| Word { generation: (generation & GENERATION) as u32, ..Word::NEW };
        for current in [0, 1, GENERATION - 1, GENERATION, GENERATION + 1, 7 << 40, u64::MAX >> 1] {
            for near in [current.saturating_sub(1), current, current + 1, current + 100_000] {
                assert_eq!(full(at(current).pack(), near), current, "{current} near {near}");
            }
        }
    }

    /// Every other field set, so that a shift into a neighbour shows.
    fn serving(failures: u32, recovering: bool) -> Word {
        let life = (1 << LIFE_BITS) - 1;
        let body = match recovering {
            true => Body::Recovering { failures, life },
            false => Body::Closed { failures, life },
        };
        Word { body, over: Override::None, generation: GENERATION as u32, step: STEP as u8 }
    }

    #[test]
    fn the_mask_tells_a_closed_word_without_failures_from_all_others() {
        let quiet = |word: Word| word.pack() & NO_FAILURES_MASK == 0;
        assert!(quiet(serving(0, false)));
        for failures in [1, 2, 1 << 22, FAILURES as u32] {
            assert!(!quiet(serving(failures, false)), "{failures} failures");
        }
        assert!(!quiet(serving(0, true)), "recovering");
        for over in [Override::ForcedOpen, Override::Disabled, Override::MetricsOnly] {
            assert!(!quiet(Word { over, ..serving(0, false) }), "{over:?}");
        }
    }

    #[test]
    fn one_failure_more_changes_nothing_else() {
        for failures in [0, 1, FAILURES as u32 - 1] {
            let more = Word::unpack(serving(failures, false).pack() + ONE_FAILURE);
            assert_eq!(more, serving(failures + 1, false));
        }
    }

    fn half_open(in_flight: u8, successes: u8, admissions: u16) -> Word {
        let body = Body::HalfOpen { in_flight, successes, failures: 127, admissions };
        Word { body, ..serving(0, false) }
    }

    #[test]
    fn a_probe_more_is_one_in_flight_and_one_admission_while_there_is_room() {
        for (in_flight, most) in [(0, 1), (1, 2), (2, 127), (126, 127)] {
            for admissions in [0, 1, u16::MAX] {
                let word = half_open(in_flight, 127, admissions);
                let next = with_a_probe(word.pack(), most).map(Word::unpack);
                let expected = half_open(in_flight + 1, 127, admissions.wrapping_add(1));
                assert_eq!(next, Some(expected));
            }
        }
        for (in_flight, most) in [(1, 1), (2, 1), (127, 127)] {
            assert_eq!(with_a_probe(half_open(in_flight, 0, 7).pack(), most), None);
        }
    }

    #[test]
    fn a_success_that_decides_nothing_frees_its_place() {
        for (in_flight, successes, threshold) in [(1, 0, 2), (3, 1, 3), (127, 125, 127)] {
            let word = half_open(in_flight, successes, 7).pack();
            let next = with_a_success(word, threshold).map(Word::unpack);
            assert_eq!(next, Some(half_open(in_flight - 1, successes + 1, 7)));
        }
        for (in_flight, successes, threshold) in [(1, 0, 1), (1, 1, 2), (1, 126, 127), (0, 0, 5)] {
            let word = half_open(in_flight, successes, 7).pack();
            assert_eq!(with_a_success(word, threshold), None, "{in_flight} {successes}");
        }
    }

    #[test]
    fn words_of_one_generation_are_told_whatever_else_differs() {
        let of = |generation: u32| Word { generation, ..half_open(1, 2, 3) }.pack();
        for generation in [0, 1, 1 << 17, GENERATION as u32] {
            let other = Word { generation, ..Word::NEW }.pack();
            assert!(same_generation(of(generation), other), "{generation}");
            for bit in 0..GENERATION_BITS {
                assert!(!same_generation(of(generation ^ 1 << bit), other), "bit {bit}");
            }
        }
    }

    #[test]
    fn a_generation_follows_the_last_one_and_wraps() {
        assert_eq!(Word::NEW.next_generation().generation, 1);
        let last = Word { generation: GENERATION as u32, ..Word::NEW };
        assert_eq!(last.next_generation(), Word::NEW);
        assert_eq!(Word { generation: 5 + (3 << LIFE_BITS), ..Word::NEW }.life(), 5);
    }

    #[test]
    fn a_life_is_as_old_as_it_has_seen_transitions() {
        let word = |generation, life| Word {
            generation,
            body: Body::Closed { failures: 1, life },
            ..serving(0, false)
        };
        let wrap = 1 << LIFE_BITS;
        for (generation, life, age) in [
            (0, 0, 0),
            (7, 7, 0),
            (9, 7, 2),
            (wrap + 1, wrap as u16 - 1, 2),
            (3 * wrap + 7, 7, 0),
            (GENERATION as u32, 0, u64::from(wrap) - 1),
        ] {
            assert_eq!(word(generation, life).age(), Some(age), "{generation} {life}");
        }
        assert_eq!(half_open(1, 0, 0).age(), None);
    }

    #[test]
    fn half_open_is_one_of_four() {
        let open = Word { body: Body::Open { until_ms: (1 << 37) - 1 }, ..serving(0, false) };
        let others = [serving(7, false), serving(7, true), open].map(|word| word.pack());
        assert!(is_half_open(half_open(0, 0, 0).pack()));
        assert!(others.iter().all(|bits| !is_half_open(*bits)));
    }
}
