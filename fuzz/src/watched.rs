//! Does a breaker keep its promises, whatever is done to it? One breaker of a panel, a clock that
//! also steps back, and what must hold after each operation.
//!
//! There is no second breaker to compare with, only what was told so far: the number, the deadline
//! and the counts.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use panelboard::{
    Cause, Clock, Config, Handle, IsolateGuard, ManualClock, OpenFor, OwnedPermit, Panel, Recorded,
    Rejected, Snapshot, State, TimeSource as _, Transition,
};

use super::{bytes::Bytes, options};

/// Beyond it a deadline is capped: the range of the word's field.
const LONGEST: Duration = Duration::from_millis((1 << 37) - 1);

/// A wait is told in whole milliseconds, from those that have passed.
fn after(now: Duration, wait: Duration) -> Duration {
    whole_ms(now) + wait
}

fn whole_ms(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

pub(super) struct Watched {
    real: Handle,
    hand: ManualClock,
    told: Arc<Mutex<Vec<Transition>>>,
    permits: Vec<Held>,
    guards: Vec<IsolateGuard<Handle>>,
    /// What is set by hand, beneath the guards.
    set: Option<State>,
    /// Of the last transition that was told.
    generation: u64,
    last: Option<Transition>,
    /// While open, also beneath an override.
    deadline: Option<Duration>,
    counts: Counts,
    /// Calls that hang have tripped it.
    hung: bool,
    _panel: Panel,
}

struct Held {
    permit: OwnedPermit,
    /// Given under an override that may record nothing.
    unsure: bool,
}

#[derive(Debug, Default)]
struct Counts {
    /// Told as rejected.
    rejected: u64,
    /// Let through by metrics-only, which counts those that it would have rejected.
    let_through: u64,
    failures: u64,
    late: u64,
    ignored: u64,
    cancelled: u64,
}

impl Watched {
    pub(super) fn new(config: &Config) -> Self {
        let (clock, hand) = Clock::manual();
        let told: Arc<Mutex<Vec<Transition>>> = Arc::default();
        let heard = Arc::clone(&told);
        let panel: Panel = Panel::builder()
            .defaults(config.clone())
            .clock(clock)
            .on_transition(move |event| {
                heard.lock().unwrap_or_else(PoisonError::into_inner).push(event.transition);
            })
            .build();
        let Ok(real) = panel.breaker("key") else { unreachable!("an empty panel has room") };
        Self {
            real,
            hand,
            told,
            permits: vec![],
            guards: vec![],
            set: None,
            generation: 0,
            last: None,
            deadline: None,
            counts: Counts::default(),
            hung: false,
            _panel: panel,
        }
    }

    /// One operation, and what must hold after it.
    pub(super) fn step(&mut self, bytes: &mut Bytes<'_>) {
        match bytes.byte() % 34 {
            0..9 => self.acquire(),
            9..19 => self.end(bytes),
            19..23 => self.turn(bytes),
            23 => self.wait_as_told(),
            24 => {
                let opened = self.real.open_for(bytes.time(), "fuzz");
                self.opened(opened);
            }
            25 => {
                let before = self.real.snapshot();
                let made = self.real.trip();
                assert!(made.is_none() || before.automatic != State::Open, "{before:?}");
                self.moved(before.ready_to_probe);
            }
            26 => {
                self.real.reset();
                self.set = None;
            }
            27 | 28 => self.set(bytes.byte()),
            29 => self.guards.push(self.real.isolate_owned()),
            30 => drop(self.guards.pop()),
            31 => self.restore(bytes),
            _ => {
                if let Ok(config) = options::plain(bytes).build() {
                    self.real.reconfigure(&config);
                }
            }
        }
        self.check();
    }

    fn now(&self) -> Duration {
        self.hand.now()
    }

    fn acquire(&mut self) {
        let before = self.real.snapshot();
        let admits = self.real.would_admit();
        let asked = self.real.acquire_owned();
        self.hung = false;
        self.hear();
        if self.hung {
            // Calls that hang have tripped it, under the eyes of whoever asked: he is rejected, but
            // where the deadline is capped and has passed.
            let let_by = before.state == State::MetricsOnly;
            assert!(asked.is_err() || let_by || self.now() >= LONGEST, "{before:?}");
            assert_ne!(before.state, State::Disabled, "trips, and is disabled");
            self.counts.rejected += u64::from(asked.is_err());
            self.counts.let_through += u64::from(asked.is_ok());
            self.permits.extend(asked.ok().map(|permit| Held { permit, unsure: true }));
            return;
        }
        match asked {
            Ok(permit) => {
                assert!(admits, "admitted, and said that it would not: {before:?}");
                self.admitted(permit, &before);
            }
            Err(rejected) => {
                assert!(!admits, "rejected, and said that it would not: {before:?}");
                self.rejected(&rejected, &before);
            }
        }
    }

    fn admitted(&mut self, permit: OwnedPermit, before: &Snapshot) {
        let unsure = matches!(before.state, State::Disabled | State::MetricsOnly);
        self.counts.let_through += u64::from(before.state == State::MetricsOnly);
        assert_ne!(before.state, State::ForcedOpen, "admitted while forced open");
        if !unsure {
            assert_ne!(before.state, State::Open, "admitted while open: {before:?}");
            let early = before.retry_after.is_some_and(|wait| wait > Duration::ZERO);
            assert!(!early, "admitted at {:?}, before its deadline: {before:?}", self.now());
            assert_eq!(permit.is_probe(), before.state == State::HalfOpen, "{before:?}");
        }
        let after = self.real.snapshot();
        assert_eq!(permit.generation(), after.generation);
        if permit.is_probe() {
            assert!(after.probes_in_flight <= after.half_open_max_calls, "{after:?}");
        }
        self.permits.push(Held { permit, unsure });
    }

    fn rejected(&mut self, rejected: &Rejected, before: &Snapshot) {
        self.counts.rejected += 1;
        let told = (rejected.state, rejected.generation);
        assert_eq!(told, (before.state, before.generation), "{rejected:?}");
        match before.state {
            State::Open => assert_eq!(rejected.retry_after, before.retry_after),
            State::ForcedOpen => assert_eq!(rejected.retry_after, None),
            State::HalfOpen => {
                assert!(before.probes_in_flight >= before.half_open_max_calls, "{before:?}");
                assert!(rejected.retry_after.is_some_and(|wait| wait > Duration::ZERO));
            }
            State::Recovering => {
                assert!(rejected.retry_after.is_some_and(|wait| wait > Duration::ZERO));
            }
            // Throttled.
            State::Closed => assert_eq!(rejected.retry_after, None),
            state => panic!("rejected while {state}"),
        }
    }

    fn end(&mut self, bytes: &mut Bytes<'_>) {
        if self.permits.is_empty() {
            return;
        }
        let index = usize::from(bytes.byte()) % self.permits.len();
        let Held { permit, unsure } = self.permits.swap_remove(index);
        let current = permit.generation() == self.generation;
        let assumed = if current { Recorded::Counted } else { Recorded::Late };
        let (recorded, outcome) = match bytes.byte() % 8 {
            0..4 => (permit.failure(), Counts::failed as fn(&mut Counts)),
            4 | 5 => (permit.success(), Counts::nothing as fn(&mut Counts)),
            6 if !unsure && bytes.flag() => {
                let opened = permit.open_for(bytes.time(), "fuzz");
                self.opened(opened);
                (assumed, Counts::was_ignored as fn(&mut Counts))
            }
            7 if !unsure => {
                drop(permit);
                (assumed, Counts::was_cancelled as fn(&mut Counts))
            }
            _ => (permit.ignore(), Counts::was_ignored as fn(&mut Counts)),
        };
        match recorded {
            Recorded::Unrecorded => assert!(unsure, "not recorded"),
            Recorded::Late => {
                assert!(!current, "late, and of the current generation");
                self.counts.late += 1;
            }
            _ => {
                assert!(current, "an outcome of an older generation counts");
                outcome(&mut self.counts);
            }
        }
    }

    /// Small steps, steps to around the deadline, and any place at all, back or forth.
    fn turn(&mut self, bytes: &mut Bytes<'_>) {
        let ns = Duration::from_nanos(1);
        let now = self.now();
        let deadline = self.deadline.unwrap_or(now);
        self.hand.set(match bytes.byte() % 8 {
            0 => now + ns,
            1 => now + Duration::from_millis(16),
            2 => now + Duration::from_millis(u64::from(bytes.byte()) * 10),
            3 => deadline.saturating_sub(ns),
            4 => deadline,
            5 => now.saturating_sub(Duration::from_millis(1)),
            6 => now.saturating_sub(Duration::from_secs(u64::from(bytes.byte()))),
            // Short of the end of the clock's own range, where no time can be waited for.
            _ => bytes.time().min(LONGEST * 100),
        });
    }

    /// Who waits as long as he was told gets through, and not a nanosecond before.
    fn wait_as_told(&mut self) {
        let before = self.real.snapshot();
        let waits = matches!(before.state, State::Open | State::HalfOpen);
        if !waits || self.real.would_admit() {
            return self.acquire();
        }
        let Err(rejected) = self.real.acquire_owned() else {
            panic!("admitted, and said that it would not: {before:?}")
        };
        self.rejected(&rejected, &before);
        let Some(wait) = rejected.retry_after else { return };
        self.hand.set(after(self.now(), wait) - Duration::from_nanos(1));
        assert!(!self.real.would_admit(), "admits a nanosecond early");
        self.hand.set(self.now() + Duration::from_nanos(1));
        assert!(self.real.would_admit(), "told to wait {wait:?}, and rejects after that");
        self.acquire();
    }

    /// Saved and restored, as by another process some time later.
    fn restore(&mut self, bytes: &mut Bytes<'_>) {
        let saved = self.real.save();
        assert_eq!(saved.automatic, self.real.snapshot().automatic);
        self.real.restore(&saved, bytes.time());
        self.hear();
        let (seen, now) = (self.real.snapshot(), self.now());
        self.deadline = match seen.retry_after {
            Some(wait) => Some(after(now, wait)),
            None => seen.ready_to_probe.then(|| whole_ms(now).min(LONGEST)),
        };
    }

    fn set(&mut self, choice: u8) {
        let (set, _) = match choice % 8 {
            0 => (Some(State::ForcedOpen), self.real.force_open()),
            1 => (Some(State::Disabled), self.real.disable()),
            2 => (Some(State::MetricsOnly), self.real.metrics_only()),
            _ => (None, self.real.automatic()),
        };
        self.set = set;
    }

    fn opened(&mut self, opened: OpenFor) {
        let before = self.deadline;
        self.moved(opened == OpenFor::Extended);
        if !matches!(opened, OpenFor::Tripped(_)) {
            assert!(self.deadline >= before, "a deadline shrank: {before:?} {:?}", self.deadline);
        }
    }

    /// A deadline may be moved without a transition: what is shown is the new one. None is shown
    /// where it is capped and the clock is past that.
    fn moved(&mut self, moved: bool) {
        self.hear();
        if moved {
            let shown = self.real.snapshot().retry_after;
            self.deadline = Some(shown.map_or(LONGEST, |wait| after(self.now(), wait)));
        }
    }

    /// Each transition is told once, with the next number, and goes on where the last one ended.
    fn hear(&mut self) {
        let told: Vec<Transition> =
            self.told.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        for made in told {
            assert_eq!(made.generation, self.generation + 1, "{made:?}");
            assert_eq!(made.at, self.now(), "{made:?}");
            if let Some(last) = self.last.filter(|last| !last.overridden && !made.overridden) {
                assert_eq!(made.from, last.to, "{last:?}, then {made:?}");
            }
            let by_hand = [State::ForcedOpen, State::Disabled, State::MetricsOnly];
            match made.retry_after {
                // Capped before now, or kept from before the override and passed meanwhile.
                Some(Duration::ZERO) => self.deadline = self.deadline.or(Some(LONGEST)),
                Some(wait) => self.deadline = Some(after(made.at, wait)),
                None if by_hand.contains(&made.to) && made.cause != Cause::Reset => {}
                None => self.deadline = None,
            }
            self.hung |= made.cause == Cause::SlowCallRate;
            (self.generation, self.last) = (made.generation, Some(made));
        }
    }

    fn check(&mut self) {
        self.hear();
        let (seen, now) = (self.real.snapshot(), self.now());
        assert_eq!(seen.generation, self.generation, "a transition that was not told: {seen:?}");
        assert_eq!(self.real.state(), seen.state);
        let over = if self.guards.is_empty() { self.set } else { Some(State::ForcedOpen) };
        assert_eq!(seen.state, over.unwrap_or(seen.automatic), "what was set by hand: {seen:?}");
        assert_eq!(seen.retry_after.is_some(), seen.automatic == State::Open, "{seen:?}");
        let wait = self.deadline.filter(|deadline| now < *deadline);
        let wait = wait.map(|deadline| deadline - whole_ms(now));
        assert_eq!(seen.retry_after, wait, "{seen:?} at {now:?}, deadline {:?}", self.deadline);
        let out =
            |held: &&Held| held.permit.is_probe() && held.permit.generation() == seen.generation;
        let out = self.permits.iter().filter(out).count();
        assert_eq!(seen.probes_in_flight as usize, out, "places and permits differ: {seen:?}");
        self.check_counts(&seen);
    }

    fn check_counts(&self, seen: &Snapshot) {
        let (mine, counts) = (&self.counts, seen.counts);
        let sums = [
            ("failures", counts.failures, mine.failures),
            ("late", counts.late, mine.late),
            ("ignored", counts.ignored, mine.ignored),
            ("cancelled", counts.cancelled, mine.cancelled),
            ("transitions", counts.transitions, self.generation),
        ];
        for (name, real, own) in sums {
            assert_eq!(real, own, "{name}");
        }
        let most = mine.rejected + mine.let_through;
        assert!((mine.rejected..=most).contains(&counts.rejected), "{counts:?}, {mine:?}");
    }
}

impl Counts {
    fn nothing(&mut self) {}

    fn failed(&mut self) {
        self.failures += 1;
    }

    fn was_ignored(&mut self) {
        self.ignored += 1;
    }

    fn was_cancelled(&mut self) {
        self.cancelled += 1;
    }
}
