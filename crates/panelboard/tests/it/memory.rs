//! I. Memory: flat under transitions and under keys that come and go, and all given back at the
//! end (B11).

use std::{
    fs,
    hash::{Hash, Hasher},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use panelboard::Panel;

use crate::support::{built, trips_at};

/// A key that counts how many of it there are.
#[derive(Debug)]
pub(crate) struct Counted(u64, Arc<AtomicUsize>);

impl Counted {
    pub(crate) fn new(key: u64, alive: &Arc<AtomicUsize>) -> Self {
        alive.fetch_add(1, Ordering::Relaxed);
        Self(key, Arc::clone(alive))
    }
}

impl Clone for Counted {
    fn clone(&self) -> Self {
        Self::new(self.0, &self.1)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::Relaxed);
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Counted {}

impl Hash for Counted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// Resident kilobytes of this process; none where the system does not tell.
fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// In a process of its own: other tests of this binary take memory, too.
#[test]
fn i52_a_million_transitions_leave_memory_flat() {
    const ALONE: &str = "PANELBOARD_TEST_ALONE";
    if std::env::var_os(ALONE).is_none() {
        let own = std::env::current_exe().unwrap();
        let name = "memory::i52_a_million_transitions_leave_memory_flat";
        let ended = Command::new(own).args(["--exact", name]).env(ALONE, "yes").output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
        return;
    }
    let alive = Arc::default();
    let panel = Panel::builder().defaults(built(trips_at(1))).build();
    let handle = panel.breaker(&Counted::new(1, &alive)).unwrap();
    let rounds = |n: u64| {
        for _ in 0..n {
            handle.trip();
            handle.reset();
        }
    };
    rounds(10_000);
    let (keys, before) = (alive.load(Ordering::Relaxed), resident());
    rounds(490_000);
    assert_eq!(handle.snapshot().generation, 1_000_000);
    assert_eq!(alive.load(Ordering::Relaxed), keys, "as many events are kept as before");
    if let (Some(before), Some(after)) = (before, resident()) {
        // A leak of four bytes a transition would show.
        assert!(after < before + 4_000, "{before} kB, then {after} kB");
    }
}

#[test]
fn i53_a_call_that_lasts_stalls_no_reclamation() {
    let alive = Arc::default();
    let panel = Panel::builder().defaults(built(trips_at(1))).max_breakers(100).build();
    let long = panel.breaker(&Counted::new(0, &alive)).unwrap().acquire_owned().unwrap();
    for key in 1..50_000 {
        let key = Counted::new(key, &alive);
        panel
            .with(&key, |breaker| breaker.acquire().map(|permit| permit.success()).is_ok())
            .unwrap();
    }
    let kept = alive.load(Ordering::Relaxed);
    // Three for each breaker that there is, and what waits to be freed in batches.
    assert!(kept < 5_000, "{kept} keys are kept of 50,000");
    long.success();
    assert!(panel.get(&Counted::new(0, &alive)).is_some(), "held all the while");
}

#[test]
fn i55_a_panel_that_is_dropped_gives_everything_back() {
    let alive: Arc<AtomicUsize> = Arc::default();
    let listener: Arc<()> = Arc::default();
    let own = Arc::clone(&listener);
    let panel = Panel::builder()
        .defaults(built(trips_at(1)))
        .on_transition(move |_| drop(Arc::clone(&own)))
        .build();
    let mut events = panel.subscribe();
    for key in 0..1_000 {
        let handle = panel.breaker(&Counted::new(key, &alive)).unwrap();
        handle.trip();
        if key % 3 == 0 {
            panel.remove(&Counted::new(key, &alive));
        }
    }
    let handle = panel.breaker(&Counted::new(1, &alive)).unwrap();
    handle.reset();
    let permit = handle.acquire_owned().unwrap();
    drop(panel);
    // What is held goes on working without its panel.
    assert!(permit.failure().transition().is_some());
    assert!(std::iter::from_fn(|| events.next()).flatten().count() > 900);
    drop(handle);
    drop(events);
    assert_eq!(alive.load(Ordering::Relaxed), 0, "every key is gone");
    assert_eq!(Arc::strong_count(&listener), 1, "the listener is gone");
}
