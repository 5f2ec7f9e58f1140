//! How does a record come from the line to the sinks that want it? By one thread, which also looks
//! for writes that hang.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use crate::{
    event::Event,
    fault,
    record::Record,
    shared::{Shared, become_ours},
    sync::Ordering,
};

/// Records that are taken from the line in one go.
const CHUNK: usize = 256;
/// How long the line may be empty until whoever puts something has to wake us.
const NAP: Duration = Duration::from_micros(500);
const NAPS: u32 = 20;
/// Between two looks for writes that hang, while any sink has something to write.
const WATCH: Duration = Duration::from_millis(50);
/// Between two looks at nothing.
const IDLE: Duration = Duration::from_secs(60);

/// The dispatcher's thread, until the end.
pub(crate) fn run(shared: &Shared) {
    become_ours();
    let mut desk = Desk::new(shared.cells.len());
    while contained(|| sort(shared, &mut desk)).is_none() {
        desk.lose(shared);
        // Not at once, should it be the same again.
        shared.settle.wait_a_little(WATCH);
    }
    shared.settle.end_line();
    // The sinks are still at work.
    while !shared.settle.is_over() {
        let _ = contained(|| shared.watch());
        shared.settle.wait_a_little(WATCH);
    }
}

/// Brings records to the sinks until the line is at its end.
fn sort(shared: &Shared, desk: &mut Desk) {
    let mut quiet = 0;
    let mut last_watch = shared.now();
    loop {
        let wanted = shared.settle.wanted();
        let ending = shared.line.is_ending();
        desk.fill(shared);
        let now = shared.now();
        if !desk.is_empty() {
            desk.dispatch(shared, now);
            quiet = 0;
        } else {
            if shared.settle.reach(wanted) {
                shared.cells.iter().for_each(|cell| cell.book.hurry(now));
            }
            if ending {
                break;
            }
            quiet += 1;
        }
        if quiet > NAPS || now.saturating_sub(last_watch) >= WATCH {
            last_watch = now;
            shared.watch();
        }
        match quiet {
            0 => {}
            1..=NAPS => shared.line.nap(NAP),
            _ if shared.is_settled(false) => shared.line.rest(IDLE),
            _ => shared.line.rest(WATCH),
        }
    }
    shared.line.stop();
    let now = shared.now();
    while {
        desk.fill(shared);
        !desk.is_empty()
    } {
        desk.dispatch(shared, now);
    }
    shared.cells.iter().for_each(|cell| cell.book.hurry(now));
}

/// Where a chunk is sorted. What is on it outlives a panic of ours.
struct Desk {
    /// The next one last.
    raw: Vec<Vec<u8>>,
    /// What each sink gets of it.
    sorted: Vec<Vec<Arc<Event>>>,
    /// How many have left `raw`, and have not come to their sinks.
    between: u64,
    gone: Vec<Arc<Event>>,
    spare: Vec<u8>,
}

impl Desk {
    fn new(sinks: usize) -> Self {
        Self {
            raw: Vec::with_capacity(CHUNK),
            sorted: (0..sinks).map(|_| Vec::with_capacity(CHUNK)).collect(),
            between: 0,
            gone: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// Takes the next ones from the line, if there are none left.
    fn fill(&mut self, shared: &Shared) {
        if self.is_empty() {
            shared.line.take(&mut self.raw, CHUNK);
            shared.taken.fetch_add(self.raw.len() as u64, Ordering::Relaxed);
            self.raw.reverse();
        }
    }

    fn is_empty(&self) -> bool {
        self.raw.is_empty() && self.between == 0
    }

    fn dispatch(&mut self, shared: &Shared, now: Duration) {
        while let Some(mut bytes) = self.raw.pop() {
            self.between += 1;
            if !fault::LEAVES_UNREDACTED.planted()
                && shared.redactor.apply(&mut bytes, &mut self.spare)
            {
                shared.redacted.fetch_add(1, Ordering::Relaxed);
            }
            let record = Record::new(&bytes);
            let wanting = shared.cells.iter().filter(|cell| cell.route.wants(record));
            let given = wanting.fold(0, |given, cell| given | 1 << cell.index);
            if given == 0 {
                shared.unwanted.fetch_add(1, Ordering::Relaxed);
                shared.pool.give_back(bytes);
                continue;
            }
            let event = Arc::new(Event::new(bytes, given));
            for (index, sorted) in self.sorted.iter_mut().enumerate() {
                if given & 1 << index != 0 {
                    sorted.push(Arc::clone(&event));
                }
            }
        }
        for (cell, sorted) in shared.cells.iter().zip(&mut self.sorted) {
            cell.book.offer(sorted, now, &mut self.gone);
        }
        shared.sorted.fetch_add(std::mem::take(&mut self.between), Ordering::Relaxed);
        shared.pool.recycle(self.gone.drain(..));
    }

    /// After a panic nobody knows how far it had come with the record that was in hand.
    fn lose(&mut self, shared: &Shared) {
        shared.lost.fetch_add(u64::from(self.between > 0), Ordering::Relaxed);
    }
}

/// Does it, and contains a panic of ours: then there is no answer, and the thread goes on.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Starts a thread of ours.
pub(crate) fn spawn(
    name: &str,
    work: impl FnOnce() + Send + 'static,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    // The name is cut by the kernel after 15 bytes; ours says whose it is first.
    std::thread::Builder::new().name(format!("pb-log {name}")).spawn(work)
}

/// What a panic said, for people.
pub(crate) fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
}
