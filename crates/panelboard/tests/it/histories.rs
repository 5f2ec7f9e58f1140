//! What do threads see of one breaker? Histories of real races, recorded and checked to be an order
//! of calls on the reference (`linear.rs`). `PANELBOARD_HISTORIES` says how many by 4 to 64
//! threads, `PANELBOARD_SEED` which ones; what the threads choose repeats itself, how they race
//! does not.

use std::{
    mem,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use panelboard::{Breaker, IsolateGuard, ManualClock, Outcome, Permit, TimeSource};

use crate::{
    linear::{Call, Entry, Seen, Verdict, order},
    observed::config,
    reference::{Asked, Bad, Change, Kind, Over, Policy, Rules, Span, Ticket, Told},
    support::{Gate, from_environment, makes_way, ms},
};

/// What the histories are divided among: the tests below.
const KINDS: u64 = 5;
/// Phases of a history. The clock stands still within each, so that every call has one time.
const PHASES: usize = 3;
/// Threads, and how many calls each makes in a phase.
const SIZES: [(usize, usize); 5] = [(4, 4), (8, 3), (16, 2), (32, 1), (64, 1)];
/// Beside them, one for each row of sizes.
const TWO: (usize, usize) = (2, 5);

/// Threads on one word: failures in a row, probes, overrides, by hand.
#[test]
fn what_threads_saw_is_an_order_of_calls_on_the_reference() {
    check("failures in a row", |seed| rules(seed, run(seed)));
}

/// Threads on one word: verdicts by share, and the ramp after them.
#[test]
fn what_threads_saw_of_a_ramp_is_an_order_of_calls_on_the_reference() {
    check("a verdict by share and a ramp", |seed| {
        let calls = 1 + (seed / 5 % 4) as u32;
        let by_share = Some(([50, 34, 100][(seed / 7 % 3) as usize], calls));
        let ramp = [100, 150, 300][(seed / 2 % 3) as usize];
        Rules { probes: 1 + (seed / 3 % 3) as u32, by_share, ramp, ..rules(seed, run(seed)) }
    });
}

/// With a window beside the word: what is counted and what is judged.
#[test]
fn what_threads_saw_of_a_window_is_an_order_of_calls_on_the_reference() {
    check("a time window", |seed| rules(seed, rate(seed, Span::Time(1_000), 4)));
}

#[test]
fn what_threads_saw_of_a_count_window_is_an_order_of_calls_on_the_reference() {
    check("a count window", |seed| {
        let n = [2, 3, 8, 9][(seed / 2 % 4) as usize];
        rules(seed, rate(seed, Span::Last(n), n as u64))
    });
}

/// With a window beside the run, as most people set it.
#[test]
fn what_threads_saw_of_a_run_or_a_share_is_an_order_of_calls_on_the_reference() {
    check("failures in a row or a share", |seed| {
        let over = if seed.is_multiple_of(2) { Span::Time(1_000) } else { Span::Last(8) };
        rules(seed, Policy::Any(vec![run(seed), rate(seed, over, 8)]))
    });
}

fn run(seed: u64) -> Policy {
    Policy::Run(1 + (seed / 3 % 3) as u32)
}

fn rate(seed: u64, over: Span, most: u64) -> Policy {
    let percent = [100, 50, 34][(seed / 3 % 3) as usize];
    let minimum = (2 + seed / 5 % 3).min(most);
    Policy::Rate { bad: Bad::Failed, percent, over, minimum }
}

#[expect(clippy::print_stdout, reason = "a test says how much it has tried")]
fn check(name: &str, rules: impl Fn(u64) -> Rules) {
    let many = from_environment("PANELBOARD_HISTORIES", 2_000) / KINDS;
    let first = from_environment("PANELBOARD_SEED", 0);
    let by_two = many / SIZES.len() as u64;
    let histories = many + by_two;
    let (mut overlapping, mut spoilt, mut undecided) = (0, 0, 0);
    let (mut calls, mut decided) = (0, 0);
    for index in 0..histories {
        let seed = first.wrapping_add(index);
        let size = index.checked_sub(by_two).map(|index| SIZES[index as usize % SIZES.len()]);
        let (threads, each) = size.unwrap_or(TWO);
        let rules = rules(seed);
        let history = record(seed, (threads, each), &rules);
        calls += history.len();
        overlapping += u64::from(overlaps(&history));
        decided += history.iter().filter(|entry| is_decided(entry)).count();
        match order(&rules, &history) {
            Verdict::AnOrder => {}
            Verdict::Undecided => undecided += 1,
            Verdict::NoOrder => {
                let mut h = history.clone();
                h.sort_by_key(|e| e.began);
                for e in &h {
                    println!("{:?}", e);
                }
                panic!("seed {seed}, {rules:?}")
            }
        }
        // What the checker would say of a breaker that answers a little differently.
        if threads <= 4
            && let Some(wrong) = spoiled(&history, seed)
        {
            let verdict = order(&rules, &wrong);
            assert_ne!(verdict, Verdict::AnOrder, "seed {seed}: a wrong answer went unseen");
            spoilt += u64::from(verdict == Verdict::NoOrder);
        }
    }
    println!(
        "{name}, seed {first}: {many} histories by 4 to 64 threads and {by_two} by two, {calls} \
         calls; in {overlapping} calls overlapped, {decided} calls decided, {undecided} took too \
         long"
    );
    assert!(overlapping * 2 > histories, "calls overlapped in {overlapping} of {histories} only");
    assert!(decided as u64 * 2 > histories, "only {decided} outcomes made a transition");
    assert!(spoilt * 10 > histories, "only {spoilt} histories could be spoiled");
    assert!(undecided * 100 < histories, "{undecided} of {histories} took too long to check");
}

fn rules(seed: u64, policy: Policy) -> Rules {
    let probes = 1 + (seed / 7 % 2) as u32;
    Rules { probes, successes: 1 + (seed / 11 % 2) as u32, ..Rules::plain(policy) }
}

/// One thread's part.
struct Recorder<'a> {
    breaker: &'a Breaker,
    hand: &'a ManualClock,
    time: &'a AtomicU64,
    /// With the entry of its admission.
    permits: Vec<(Permit<&'a Breaker>, usize)>,
    guards: Vec<IsolateGuard<&'a Breaker>>,
    chance: u64,
    /// Nothing is done by hand.
    calm: bool,
    entries: Vec<Entry>,
}

fn record(seed: u64, (threads, each): (usize, usize), rules: &Rules) -> Vec<Entry> {
    let (clock, hand) = makes_way();
    let breaker = Breaker::with_clock(config(rules, 0.0), clock);
    let (time, gate) = (AtomicU64::new(0), Gate::new(threads));
    let all = Mutex::new(vec![]);
    thread::scope(|scope| {
        for thread in 0..threads {
            let (breaker, hand, time, gate, all) = (&breaker, &hand, &time, &gate, &all);
            scope.spawn(move || {
                let chance = seed.wrapping_mul(31).wrapping_add(thread as u64);
                let (permits, guards, entries) = (vec![], vec![], vec![]);
                let calm = !seed.is_multiple_of(3);
                let mut own =
                    Recorder { breaker, hand, time, permits, guards, chance, calm, entries };
                for phase in 0..PHASES {
                    gate.wait();
                    (0..each).for_each(|_| own.call());
                    gate.wait();
                    if thread == 0 {
                        hand.advance(ms([100, 200, 40][(seed as usize + phase) % 3]));
                    }
                }
                own.name_what_is_held();
                own.guards.into_iter().for_each(mem::forget);
                all.lock().expect("no panic").extend(own.entries);
            });
        }
    });
    all.into_inner().expect("no panic")
}

impl Recorder<'_> {
    fn call(&mut self) {
        let choice = self.draw(if self.calm { 25 } else { 32 });
        let pick = self.draw(self.permits.len().max(1) as u64) as usize;
        let (began, now) = (self.tick(), self.hand.now());
        let call = match choice {
            0..12 => self.acquire(),
            12..23 if !self.permits.is_empty() => self.end(pick, choice),
            12..23 => Call::State(self.breaker.state()),
            23..25 => Call::Snapshot(self.snapshot()),
            25 => Call::Trip(self.breaker.trip().as_ref().map(Change::from)),
            26 => Call::Reset(Some(Change::from(&self.breaker.reset()))),
            27 | 28 => self.set(pick as u64 + began),
            29 => {
                let time = ms(50 + 100 * (began % 3));
                Call::OpenFor(time, (&self.breaker.open_for(time, "test")).into())
            }
            _ => match self.guards.pop() {
                Some(guard) => {
                    drop(guard);
                    Call::Release
                }
                None => {
                    self.guards.push(self.breaker.isolate());
                    Call::Isolate
                }
            },
        };
        let ended = self.tick();
        self.entries.push(Entry { began, ended, now, call });
    }

    fn acquire(&mut self) -> Call {
        Call::Acquire(match self.breaker.acquire() {
            Ok(permit) => {
                let kind = if permit.is_probe() { Kind::Probe } else { Kind::Plain };
                let generation = permit.generation();
                self.permits.push((permit, self.entries.len()));
                Asked::Admitted(Ticket { generation, kind, at: None })
            }
            Err(rejected) => Asked::Rejected {
                state: rejected.state,
                retry_after: rejected.retry_after,
                generation: rejected.generation,
            },
        })
    }

    fn end(&mut self, pick: usize, choice: u64) -> Call {
        let (permit, admission) = self.permits.swap_remove(pick);
        let outcome = match choice {
            12..18 => Outcome::Failure,
            18..21 => Outcome::Success,
            21 => Outcome::Ignored,
            _ => Outcome::Cancelled,
        };
        let told = Told::from(&permit.end(outcome));
        Call::End(self.ticket(admission, told), outcome, told)
    }

    /// That a permit is one whose outcome is not recorded, it tells at its end only; then it stands
    /// at its admission, too.
    fn ticket(&mut self, admission: usize, told: Told) -> Ticket {
        let Call::Acquire(Asked::Admitted(ticket)) = &mut self.entries[admission].call else {
            unreachable!("a permit comes from an admission")
        };
        if told == Told::Unrecorded {
            ticket.kind = Kind::Unrecorded;
        }
        *ticket
    }

    /// After the history: what kinds the permits are that are still held.
    fn name_what_is_held(&mut self) {
        for (permit, admission) in mem::take(&mut self.permits) {
            let told = Told::from(&permit.ignore());
            self.ticket(admission, told);
        }
    }

    fn set(&self, draw: u64) -> Call {
        let (over, made) = match draw % 4 {
            0 => (Over::ForcedOpen, self.breaker.force_open()),
            1 => (Over::Disabled, self.breaker.disable()),
            2 => (Over::MetricsOnly, self.breaker.metrics_only()),
            _ => (Over::None, self.breaker.automatic()),
        };
        Call::Set(over, made.as_ref().map(Change::from))
    }

    fn snapshot(&self) -> Seen {
        let seen = self.breaker.snapshot();
        Seen {
            generation: seen.generation,
            state: seen.state,
            automatic: seen.automatic,
            failures: seen.consecutive_failures,
            probes: seen.probes_in_flight,
            successes: seen.probe_successes,
            bad_probes: seen.probe_failures,
            step: seen.backoff_step,
        }
    }

    fn tick(&self) -> u64 {
        self.time.fetch_add(1, Ordering::SeqCst)
    }

    /// A number below `below`, by SplitMix64.
    fn draw(&mut self, below: u64) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

/// The same history with one answer changed to one that no order explains; none if it has no
/// answer that can be.
fn spoiled(history: &[Entry], seed: u64) -> Option<Vec<Entry>> {
    let mut wrong = history.to_vec();
    let start = seed as usize % wrong.len();
    let index = (0..wrong.len()).map(|step| (start + step) % wrong.len()).find(|index| {
        matches!(wrong[*index].call, Call::Acquire(_) | Call::Snapshot(_) | Call::Reset(Some(_)))
    })?;
    match &mut wrong[index].call {
        Call::Acquire(Asked::Admitted(ticket)) => ticket.generation += 100,
        Call::Acquire(Asked::Rejected { generation, .. }) => *generation += 100,
        Call::Snapshot(seen) => seen.step = 31 - seen.step,
        Call::Reset(Some(change)) => change.overridden = !change.overridden,
        _ => return None,
    }
    Some(wrong)
}

/// Whether it was the outcome of a call that made a transition.
fn is_decided(entry: &Entry) -> bool {
    matches!(entry.call, Call::End(_, _, Told::Changed(_)))
}

/// Whether a call began while one of another thread ran.
fn overlaps(history: &[Entry]) -> bool {
    let within = |a: &Entry, b: &Entry| a.began > b.began && a.began < b.ended;
    history.iter().any(|a| history.iter().any(|b| within(a, b)))
}
