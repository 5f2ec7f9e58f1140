//! Is the machine's own clock read right, to the millisecond?

#[cfg(target_os = "linux")]
mod system {
    use rustix::time::Timespec;

    use super::super::{System, TICK_MS, whole_ms};

    /// As the machine counts.
    const MACHINE: System = System { origin_ms: 0 };

    #[test]
    fn a_reading_is_rounded_down_to_whole_milliseconds() {
        let read = |tv_sec, tv_nsec| whole_ms(Timespec { tv_sec, tv_nsec });
        assert_eq!([read(0, 0), read(0, 999_999), read(0, 1_000_000)], [0, 0, 1]);
        assert_eq!([read(3, 4_999_999), read(3, 999_999_999), read(4, 0)], [3_004, 3_999, 4_000]);
    }

    #[test]
    fn the_coarse_reading_lags_by_no_more_than_a_tick() {
        for _ in 0..100 {
            let (before, exact) = (MACHINE.coarse(), MACHINE.now());
            let (coarse_ms, after) = (MACHINE.coarse_ms(), MACHINE.coarse());
            assert!(before <= exact && before.as_millis() > 0, "{before:?} after {exact:?}");
            assert!(before.as_millis() <= coarse_ms.into());
            assert!(after.as_millis() >= coarse_ms.into());
        }
    }

    #[test]
    fn what_is_not_before_now_is_a_tick_and_a_millisecond_after_the_coarse_reading() {
        // Between two ticks: a reading before and one after are the same.
        let (coarse, not_before) = loop {
            let (before, told, after) =
                (MACHINE.coarse_ms(), MACHINE.not_before_ms(), MACHINE.coarse_ms());
            if before == after {
                break (before, told);
            }
        };
        assert_eq!(not_before, coarse + 1 + TICK_MS);
    }

    #[test]
    fn a_clock_begins_at_its_origin() {
        let later = System { origin_ms: MACHINE.coarse_ms() + 3_600_000 };
        assert!(later.now().is_zero() && later.coarse().is_zero(), "before its origin");
        assert_eq!(later.coarse_ms(), 0);
        let earlier = System { origin_ms: MACHINE.coarse_ms() };
        assert!(earlier.now().as_secs() < 60);
    }
}

mod cached {
    use std::time::Duration;

    use super::super::{Clock, Ordering, Source, floor_ms};

    #[test]
    fn a_refresh_is_told_in_both_units_until_the_next() {
        let (clock, ticker) = Clock::cached();
        assert_eq!((clock.coarse(), clock.coarse_ms()), (Duration::ZERO, 0), "nobody refreshed it");
        let late = clock.coarse_ms() + 3;
        while clock.now().as_millis() < late.into() {
            std::hint::spin_loop();
        }
        ticker.refresh();
        let (told, now) = (clock.coarse(), clock.now());
        // One that is half a millisecond old is not worth a write.
        assert!(told.as_millis() + 1 >= late.into() && told <= now, "{told:?} at {now:?}");
        assert_eq!(clock.coarse_ms(), floor_ms(clock.coarse()));
        assert_eq!(clock.at_hand_ms(), Some(clock.coarse_ms()));
    }

    #[test]
    fn a_reading_that_is_ahead_is_never_taken_back() {
        let (clock, ticker) = Clock::cached();
        let Source::Cached(cached) = &clock.0 else { unreachable!("made so") };
        let ahead = 3_600_000;
        cached.nanos.store(ahead * 1_000_000, Ordering::Relaxed);
        cached.millis.store(ahead, Ordering::Relaxed);
        ticker.refresh();
        assert_eq!((clock.coarse_ms(), floor_ms(clock.coarse())), (ahead, ahead));
        assert!(floor_ms(clock.now()) < ahead, "what is exact is as it is");
    }

    #[test]
    fn without_its_ticker_every_reading_is_exact() {
        let (clock, ticker) = Clock::cached();
        drop(ticker);
        assert_eq!(clock.at_hand_ms(), None);
        let before = clock.now();
        let between = clock.coarse();
        assert!(before <= between && between <= clock.now());
        let (before, ms, after) = (floor_ms(clock.now()), clock.coarse_ms(), floor_ms(clock.now()));
        assert!(before <= ms && ms <= after);
    }
}
