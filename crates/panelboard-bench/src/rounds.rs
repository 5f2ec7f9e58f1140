//! How long does a call of each contestant take, round by round?

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use crate::{Row, callgrind::Counts, clock::now, contestant::Work, latencies::Latencies, pin};

/// How long a sample should take: long beside the start of a thread, short beside a turn of the
/// scheduler.
const SAMPLE: Duration = Duration::from_millis(2);
/// Calls of a thread that only keeps the other one company.
const COMPANY: usize = 32;
/// Where the numbers of a thread's calls begin, by thread: two threads ask for different keys.
const APART: usize = 7_919;

/// What was measured of one contestant of one row.
#[derive(Debug, Default)]
pub(crate) struct Measured {
    /// Nanoseconds per call with one thread, by round.
    pub(crate) one: Vec<f64>,
    /// The same of the slower of two threads; empty on one processor.
    pub(crate) two: Vec<f64>,
    /// How long each call of two threads took, in a row that asks for it.
    pub(crate) each: Option<Latencies>,
    pub(crate) counts: Option<Counts>,
}

/// How a contestant is sampled.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Alone,
    Together,
    /// Together, and each call is timed.
    Timed,
}

/// A contestant that is sampled in one way.
struct Cell<'a> {
    row: usize,
    contestant: usize,
    way: Way,
    calls: usize,
    row_of: &'a Row,
    work: &'a Work,
}

/// By row and contestant; of one that is absent nothing. Fails if a contestant has left the state
/// that its row is about.
pub(crate) fn measure(rows: &[Row], rounds: usize) -> Result<Vec<Vec<Measured>>, String> {
    let works: Vec<Vec<Option<Work>>> =
        rows.iter().map(|row| row.contestants.iter().map(|it| it.work()).collect()).collect();
    let mut cells = cells(rows, &works);
    for cell in &mut cells {
        cell.calls = calibrate(cell);
    }
    let mut results: Vec<Vec<Measured>> =
        works.iter().map(|row| row.iter().map(|_| Measured::default()).collect()).collect();
    let mut shuffle = Shuffle(1);
    for round in 0..rounds {
        shuffle.shuffle(&mut cells);
        for cell in &cells {
            let sample = sample(cell, cell.calls, round);
            let measured = &mut results[cell.row][cell.contestant];
            match cell.way {
                Way::Alone => measured.one.push(sample.nanos),
                Way::Together => measured.two.push(sample.nanos),
                Way::Timed => {
                    measured.each.get_or_insert_with(Latencies::default).merge(&sample.each);
                }
            }
            if !cell.work.holds() {
                let (row, name) =
                    (&rows[cell.row], rows[cell.row].contestants[cell.contestant].name);
                return Err(format!("{name} has left the state of the row {}", row.name));
            }
        }
    }
    Ok(results)
}

fn cells<'a>(rows: &'a [Row], works: &'a [Vec<Option<Work>>]) -> Vec<Cell<'a>> {
    let many = pin::processors().len() >= 2;
    let mut cells = Vec::new();
    for (row, works) in works.iter().enumerate() {
        let row_of = &rows[row];
        for (contestant, work) in works.iter().enumerate() {
            let Some(work) = work else { continue };
            let mut ways = vec![Way::Alone];
            ways.extend((many && !row_of.alone).then_some(Way::Together));
            ways.extend((many && row_of.each_timed && work.can_be_timed()).then_some(Way::Timed));
            let cell = |way| Cell { row, contestant, way, calls: 0, row_of, work };
            cells.extend(ways.into_iter().map(cell));
        }
    }
    cells
}

/// How many calls make a sample of about the right length.
fn calibrate(cell: &Cell<'_>) -> usize {
    if let Some(calls) = cell.row_of.calls {
        return calls;
    }
    let mut calls = 500;
    loop {
        let took = sample(cell, calls, 0).nanos * calls as f64;
        let share = SAMPLE.as_nanos() as f64 / took.max(1.0);
        if share < 4.0 || calls >= 10_000_000 {
            return ((calls as f64 * share) as usize).max(200);
        }
        calls *= 2;
    }
}

/// What a sample came to.
#[derive(Default)]
struct Sample {
    /// Per call, of the slower thread.
    nanos: f64,
    /// Of all threads; empty unless each call was timed.
    each: Latencies,
}

fn sample(cell: &Cell<'_>, calls: usize, round: usize) -> Sample {
    let processors = pin::processors();
    let threads = if cell.way == Way::Alone { 1 } else { 2 };
    let together = Together { threads, ..Together::default() };
    thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|number| {
                let processor = processors[(round + number) % processors.len()];
                let together = &together;
                scope.spawn(move || {
                    pin::stay_on(processor);
                    of_thread(cell, calls, number, together)
                })
            })
            .collect();
        let mut whole = Sample::default();
        for (took, each) in threads.into_iter().filter_map(|thread| thread.join().ok()) {
            whole.nanos = whole.nanos.max(took.as_nanos() as f64 / calls as f64);
            whole.each.merge(&each);
        }
        whole
    })
}

/// What one thread does for a sample.
fn of_thread(
    cell: &Cell<'_>,
    calls: usize,
    thread: usize,
    together: &Together,
) -> (Duration, Latencies) {
    let first = thread * APART;
    let whole = cell.row_of.stretch.is_none();
    let stretch = cell.row_of.stretch.unwrap_or(calls);
    if whole {
        cell.work.repeat(first, cell.row_of.warm_up.max(calls / 8));
    }
    let (mut took, mut each) = (Duration::ZERO, Latencies::default());
    let mut phase = 0;
    for from in (0..calls).step_by(stretch) {
        together.meet(&mut phase);
        if thread == 0 {
            cell.work.prepare();
        }
        together.meet(&mut phase);
        let (number, count) = (first + from, stretch.min(calls - from));
        let begun = now();
        match cell.way {
            Way::Timed => cell.work.timed(number, count, &mut each),
            Way::Alone | Way::Together => cell.work.repeat(number, count),
        }
        took += begun.elapsed();
    }
    if whole {
        // Whoever is done first must not leave the other one alone for the rest.
        together.done.fetch_add(1, Ordering::Relaxed);
        let mut number = first + calls;
        while together.done.load(Ordering::Relaxed) < together.threads {
            cell.work.repeat(number, COMPANY);
            number += COMPANY;
        }
    }
    (took, each)
}

/// Where the threads of a sample meet. The counters carry only themselves.
#[derive(Default)]
struct Together {
    threads: usize,
    met: AtomicUsize,
    done: AtomicUsize,
}

impl Together {
    /// Returns when all threads are here for the same time; `phase` is the caller's own count.
    fn meet(&self, phase: &mut usize) {
        *phase += self.threads;
        // AcqRel and Acquire: what `prepare` did is seen by the threads that it was done for.
        self.met.fetch_add(1, Ordering::AcqRel);
        let mut turns = 0_u32;
        while self.met.load(Ordering::Acquire) < *phase {
            turns += 1;
            if turns.is_multiple_of(1_000) { thread::yield_now() } else { std::hint::spin_loop() }
        }
    }
}

/// Fisher and Yates, with a xorshift generator: the order need only be different each time.
struct Shuffle(u64);

impl Shuffle {
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            items.swap(last, (self.0 % (last as u64 + 1)) as usize);
        }
    }
}
