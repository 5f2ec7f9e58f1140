//! Which models may a key not use? One bench for each pair of key and model that got a 403.
//!
//! A benched pair is left alone until its deadline: 5 min, doubling to 1 h. Then one call tries it;
//! while that call is under way, and for [`LEASE`] if it never ends, the others stay away. The
//! models come from the settings, never from a client, so there are never more benches than
//! targets.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// A 403 takes a pair out for so long, doubling.
pub(crate) const FIRST: Duration = Duration::from_secs(5 * 60);
/// But never longer.
pub(crate) const LONGEST: Duration = Duration::from_secs(60 * 60);
/// A try that never ends blocks the next one for so long.
const LEASE: Duration = Duration::from_secs(60);

/// The benches of one key.
#[derive(Debug, Default)]
pub(crate) struct Benches {
    /// How many there are: a key without any costs one load.
    count: AtomicUsize,
    all: Mutex<Vec<Bench>>,
}

#[derive(Debug)]
struct Bench {
    model: Arc<str>,
    until: Duration,
    times: u32,
}

/// Leave to try a benched pair. Dropping it lets the next call try.
#[derive(Debug)]
#[must_use]
pub(crate) struct Try {
    benches: Arc<Benches>,
    model: Arc<str>,
    lease: Duration,
}

impl Benches {
    /// Whether the pair is out at `now`. A read.
    pub(crate) fn is_out(&self, model: &str, now: Duration) -> bool {
        self.wait(model, now).is_some()
    }

    /// How long the pair is still out.
    pub(crate) fn wait(&self, model: &str, now: Duration) -> Option<Duration> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let all = self.lock();
        let bench = all.iter().find(|bench| &*bench.model == model)?;
        bench.until.checked_sub(now).filter(|wait| !wait.is_zero())
    }

    /// Leave to use the pair: `Ok(None)` if it is not benched, a try if its time has come.
    ///
    /// # Errors
    /// How long it is still out.
    pub(crate) fn enter(
        self: &Arc<Self>,
        model: &Arc<str>,
        now: Duration,
    ) -> Result<Option<Try>, Duration> {
        if self.count.load(Ordering::Acquire) == 0 {
            return Ok(None);
        }
        let mut all = self.lock();
        let Some(bench) = all.iter_mut().find(|bench| bench.model == *model) else {
            return Ok(None);
        };
        if bench.until > now {
            return Err(bench.until - now);
        }
        bench.until = now + LEASE;
        let lease = bench.until;
        drop(all);
        Ok(Some(Try { benches: Arc::clone(self), model: Arc::clone(model), lease }))
    }

    /// The pair got a 403. Says for how long it is out, and how many models of this key are.
    pub(crate) fn refused(&self, model: &Arc<str>, now: Duration) -> (Duration, usize) {
        let mut all = self.lock();
        let index = all.iter().position(|bench| bench.model == *model).unwrap_or_else(|| {
            all.push(Bench { model: Arc::clone(model), until: now, times: 0 });
            all.len() - 1
        });
        let bench = &mut all[index];
        let wait = FIRST.saturating_mul(1 << bench.times.min(8)).min(LONGEST);
        // Several calls that were under way together are one refusal.
        let out_already = bench.times > 0 && bench.until > now + LEASE;
        if !out_already {
            bench.until = now + wait;
            bench.times += 1;
        }
        let until = bench.until;
        self.count.store(all.len(), Ordering::Release);
        (until - now, all.len())
    }

    /// The pair got an answer: it is out no more.
    pub(crate) fn served(&self, model: &str) {
        if self.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut all = self.lock();
        all.retain(|bench| &*bench.model != model);
        self.count.store(all.len(), Ordering::Release);
    }

    /// The models that are out, or wait for the call that tries them.
    pub(crate) fn models(&self) -> Vec<String> {
        self.lock().iter().map(|bench| bench.model.to_string()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Bench>> {
        // Each operation leaves the list whole.
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Try {
    fn drop(&mut self) {
        let mut all = self.benches.lock();
        if let Some(bench) = all.iter_mut().find(|bench| bench.model == self.model)
            && bench.until == self.lease
        {
            bench.until = Duration::ZERO; // nobody refused it: the next call may try
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::{Benches, FIRST, LEASE, LONGEST};

    const NOW: Duration = Duration::from_secs(10);

    #[test]
    fn out_then_one_try_then_out_for_longer() {
        let (benches, model) = (Arc::new(Benches::default()), Arc::from("m"));
        assert!(benches.enter(&model, NOW).expect("not benched").is_none());
        assert_eq!(benches.refused(&model, NOW), (FIRST, 1));
        assert_eq!(benches.refused(&model, NOW), (FIRST, 1), "the same wave is one refusal");
        assert_eq!(benches.enter(&model, NOW).expect_err("out"), FIRST);

        let later = NOW + FIRST;
        let one = benches.enter(&model, later).expect("its time has come");
        assert_eq!(benches.enter(&model, later).expect_err("one at a time"), LEASE);
        assert_eq!(benches.refused(&model, later), (FIRST * 2, 1));
        drop(one);
        assert!(benches.is_out("m", later + FIRST), "the try's end does not undo the refusal");
        let _ = (0..9).fold(later, |now, _| now + benches.refused(&model, now).0);
        assert_eq!(benches.refused(&model, Duration::from_secs(1 << 30)).0, LONGEST);
    }

    #[test]
    fn a_try_without_a_verdict_frees_its_place_and_an_answer_ends_the_bench() {
        let (benches, model) = (Arc::new(Benches::default()), Arc::from("m"));
        let _ = benches.refused(&model, NOW);
        let later = NOW + FIRST;
        drop(benches.enter(&model, later).expect("a try"));
        drop(benches.enter(&model, later).expect("another"));
        benches.served("m");
        assert!(benches.enter(&model, NOW).expect("not benched").is_none());
        assert!(benches.models().is_empty());
    }
}
