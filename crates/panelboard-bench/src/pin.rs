//! Which processors are there, and how does a thread stay on one?

/// The processors that this process may use.
#[cfg(target_os = "linux")]
pub(crate) fn processors() -> Vec<usize> {
    use rustix::thread::{CpuSet, sched_getaffinity};
    match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU).filter(|&processor| set.is_set(processor)).collect(),
        Err(_) => counted(),
    }
}

/// Keeps the calling thread on one processor. Where it can't, figures get noisier and nothing else.
#[cfg(target_os = "linux")]
pub(crate) fn stay_on(processor: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(processor);
    let _noisier = rustix::thread::sched_setaffinity(None, &set);
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn processors() -> Vec<usize> {
    counted()
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn stay_on(_: usize) {}

fn counted() -> Vec<usize> {
    (0..std::thread::available_parallelism().map_or(1, usize::from)).collect()
}
