//! How are many settings replayed on a bounded number of threads?

use std::{
    ops::ControlFlow,
    sync::{Mutex, PoisonError},
    thread,
};

use panelboard::Config;

use super::{TuneOptions, Waste};
use crate::{
    replay::{Changes, Figures, Track, replay},
    search::Judged,
    settings::Settings,
};

/// The open times with which settings are tried beside their own. An outage lasts as long as it
/// lasts, and of all settings the best is the one that opens for exactly so long: a search finds
/// it, and the next outage is another one. So settings are judged by the worst that they do near
/// their own open times. The mean is not enough: a third of its weight is the exact fit.
/// The nearest shorter one finds those that open for just as long as an outage lasted: a little
/// less, and the first probe fails.
const OPEN_TIMES: [f64; 3] = [0.6, 0.9, 1.4];
/// Replays of each of the settings.
pub(super) const REPLAYS: usize = OPEN_TIMES.len() + 1;

/// Threads, and who watches them.
#[derive(Debug)]
pub(super) struct Work<W> {
    threads: usize,
    seed: u64,
    by: Waste,
    /// Events of all replays together, if none of them ends the search early.
    events: usize,
    shared: Mutex<Watched<W>>,
}

/// Behind one lock that is held to take a number, to add one, or to ask `watch`.
#[derive(Debug)]
struct Watched<W> {
    watch: W,
    done: usize,
    stopped: bool,
}

impl<W: FnMut(f64) -> ControlFlow<()> + Send> Work<W> {
    pub(super) fn new(options: &TuneOptions, events: usize, watch: W) -> Self {
        let processors = || thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads: options.threads.unwrap_or_else(processors),
            seed: options.seed,
            by: options.by,
            events: events.max(1),
            shared: Mutex::new(Watched { watch, done: 0, stopped: false }),
        }
    }

    /// What each of `settings` comes to, over all tracks; none if it was stopped.
    pub(super) fn replay(&self, settings: &[Settings], tracks: &[Track]) -> Option<Vec<Judged>> {
        let results = Mutex::new((0, vec![None; settings.len()]));
        let lock = || results.lock().unwrap_or_else(PoisonError::into_inner);
        let one = || {
            let mut changes = Changes::new();
            loop {
                let number = {
                    let mut results = lock();
                    if results.0 == settings.len() {
                        return;
                    }
                    results.0 += 1;
                    results.0 - 1
                };
                let judged = self.judge(&settings[number], tracks, &mut changes);
                let Some(judged) = judged.continue_value() else { return };
                lock().1[number] = Some(judged);
            }
        };
        thread::scope(|scope| {
            for _ in 1..self.threads.min(settings.len()) {
                scope.spawn(one);
            }
            one();
        });
        results.into_inner().unwrap_or_else(PoisonError::into_inner).1.into_iter().collect()
    }

    /// What one comes to, and what it is judged by: the worst with its open times as they are, and
    /// shorter and longer.
    fn judge(
        &self,
        settings: &Settings,
        tracks: &[Track],
        changes: &mut Changes,
    ) -> ControlFlow<(), Judged> {
        let figures = self.sum((settings, 0), tracks, changes)?;
        let mut pair = self.by.pair(&figures);
        for (round, times) in (1..).zip(OPEN_TIMES) {
            let other = settings.open_times(times);
            let other = self.by.pair(&self.sum((&other, round), tracks, changes)?);
            pair = (pair.0.max(other.0), pair.1.max(other.1));
        }
        ControlFlow::Continue(Judged { figures, pair })
    }

    /// What one comes to, over all tracks.
    fn sum(
        &self,
        (settings, round): (&Settings, u64),
        tracks: &[Track],
        changes: &mut Changes,
    ) -> ControlFlow<(), Figures> {
        let mut sum = Figures::default();
        for (number, track) in tracks.iter().enumerate() {
            let config = self.config(settings, round, number);
            sum.add(&replay(track, &config, changes, &mut |events| self.tell(events))?);
        }
        ControlFlow::Continue(sum)
    }

    /// What a breaker does on one track, of that number; none if it was stopped.
    pub(super) fn changes(
        &self,
        settings: &Settings,
        (track, number): (&Track, usize),
    ) -> Option<Changes> {
        let mut changes = Changes::new();
        let config = self.config(settings, 0, number);
        replay(track, &config, &mut changes, &mut |_| self.tell(0)).continue_value()?;
        Some(changes)
    }

    /// All points of the space build, and so do current settings; see [`TuneOptions::current`].
    ///
    /// Each key has its own jitter: with one for all of them a lucky draw would look like a good
    /// setting.
    fn config(&self, settings: &Settings, round: u64, number: usize) -> Config {
        let own = (round << 32 | number as u64).wrapping_mul(0xd134_2543_de82_ef95);
        settings.builder().jitter_seed(self.seed ^ own).build().unwrap_or_default()
    }

    /// Says that so many events have gone by.
    fn tell(&self, events: usize) -> ControlFlow<()> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.done += events;
        let share = (shared.done as f64 / self.events as f64).min(1.0);
        if !shared.stopped && (shared.watch)(share).is_break() {
            shared.stopped = true;
        }
        if shared.stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// So much is done, or not needed any more.
    pub(super) fn reach(&self, events: usize) -> ControlFlow<()> {
        {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.done = shared.done.max(events);
        }
        self.tell(0)
    }

    /// All is done.
    pub(super) fn finish(&self) -> ControlFlow<()> {
        self.reach(self.events)
    }
}
