//! How long does a call of each contestant take, round by round?

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use crate::{Row, callgrind::Counts, clock::now, contestant::Work, pin};

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
    pub(crate) counts: Option<Counts>,
}

/// A contestant with a number of threads, and what has come of it.
struct Cell<'a> {
    row: usize,
    contestant: usize,
    threads: usize,
    calls: usize,
    row_of: &'a Row,
    work: &'a Work,
}

/// By row and contestant. Fails if a contestant has left the state that its row is about.
pub(crate) fn measure(rows: &[Row], rounds: usize) -> Result<Vec<Vec<Measured>>, String> {
    let works: Vec<Vec<Work>> =
        rows.iter().map(|row| row.contestants.iter().map(|it| (it.make)()).collect()).collect();
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
            let nanos = sample(cell, cell.calls, round);
            let measured = &mut results[cell.row][cell.contestant];
            if cell.threads == 1 { &mut measured.one } else { &mut measured.two }.push(nanos);
            if !cell.work.holds() {
                let (row, name) =
                    (&rows[cell.row], rows[cell.row].contestants[cell.contestant].name);
                return Err(format!("{name} has left the state of the row {}", row.name));
            }
        }
    }
    Ok(results)
}

fn cells<'a>(rows: &'a [Row], works: &'a [Vec<Work>]) -> Vec<Cell<'a>> {
    let most = pin::processors().len().min(2);
    let mut cells = Vec::new();
    for (row, works) in works.iter().enumerate() {
        for (contestant, work) in works.iter().enumerate() {
            let row_of = &rows[row];
            cells.extend((1..=most).map(|threads| Cell {
                row,
                contestant,
                threads,
                calls: 0,
                row_of,
                work,
            }));
        }
    }
    cells
}

/// How many calls make a sample of about the right length.
fn calibrate(cell: &Cell<'_>) -> usize {
    let mut calls = 500;
    loop {
        let took = sample(cell, calls, 0) * calls as f64;
        let share = SAMPLE.as_nanos() as f64 / took.max(1.0);
        if share < 4.0 || calls >= 10_000_000 {
            return ((calls as f64 * share) as usize).max(200);
        }
        calls *= 2;
    }
}

/// Nanoseconds per call of the slower thread.
fn sample(cell: &Cell<'_>, calls: usize, round: usize) -> f64 {
    let processors = pin::processors();
    let together = Together { threads: cell.threads, ..Together::default() };
    let slowest = thread::scope(|scope| {
        let threads: Vec<_> = (0..cell.threads)
            .map(|number| {
                let processor = processors[(round + number) % processors.len()];
                let together = &together;
                scope.spawn(move || {
                    pin::stay_on(processor);
                    timed(cell, calls, number, together)
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).max()
    });
    slowest.unwrap_or_default().as_nanos() as f64 / calls as f64
}

/// What one thread does for a sample.
fn timed(cell: &Cell<'_>, calls: usize, thread: usize, together: &Together) -> Duration {
    let first = thread * APART;
    let whole = cell.row_of.stretch.is_none();
    let stretch = cell.row_of.stretch.unwrap_or(calls);
    if whole {
        cell.work.repeat(first, cell.row_of.warm_up.max(calls / 8));
    }
    let mut took = Duration::ZERO;
    let mut phase = 0;
    for from in (0..calls).step_by(stretch) {
        together.meet(&mut phase);
        if thread == 0 {
            cell.work.prepare();
        }
        together.meet(&mut phase);
        let begun = now();
        cell.work.repeat(first + from, stretch.min(calls - from));
        took += begun.elapsed();
    }
    if whole {
        // Whoever is done first must not leave the other one alone for the rest.
        together.done.fetch_add(1, Ordering::Relaxed);
        while together.done.load(Ordering::Relaxed) < together.threads {
            cell.work.repeat(first, COMPANY);
        }
    }
    took
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
