//! What windows count, under a lock: stands in until the lock-free ones are there.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::{clock::floor_ms, sync::QuietMutex, window::WindowCounts};

type Last = (usize, u16, VecDeque<(bool, bool)>);

#[derive(Debug)]
pub(crate) struct LastWindow(QuietMutex<Last>);

impl LastWindow {
    pub(crate) fn new(n: u32) -> Self {
        Self(QuietMutex::new((n as usize, 0, VecDeque::new())))
    }

    pub(crate) fn set_length(&self, n: u32) {
        let mut held = self.0.lock();
        if held.0 != n as usize {
            *held = (n as usize, held.1, VecDeque::new());
        }
    }

    pub(crate) fn record(&self, life: u16, failed: bool, slow: bool) {
        let mut held = self.0.lock();
        if held.1 != life {
            held.1 = life;
            held.2.clear();
        }
        held.2.push_back((failed, slow));
        while held.2.len() > held.0 {
            held.2.pop_front();
        }
    }

    pub(crate) fn counts(&self, life: u16) -> WindowCounts {
        let held = self.0.lock();
        if held.1 != life {
            return WindowCounts::default();
        }
        let count = |which: fn(&(bool, bool)) -> bool| held.2.iter().filter(|c| which(c)).count();
        WindowCounts {
            calls: held.2.len() as u64,
            failures: count(|call| call.0) as u64,
            slow: count(|call| call.1) as u64,
        }
    }
}

type Out = (u64, BTreeMap<(u16, u64), u64>);

#[derive(Debug)]
pub(crate) struct InFlight(QuietMutex<Out>);

impl InFlight {
    pub(crate) fn new(slow: Duration) -> Self {
        Self(QuietMutex::new((floor_ms(slow), BTreeMap::new())))
    }

    pub(crate) fn set_slow(&self, slow: Duration) {
        self.0.lock().0 = floor_ms(slow);
    }

    pub(crate) fn started(&self, now_ms: u64, life: u16) {
        *self.0.lock().1.entry((life, now_ms)).or_default() += 1;
    }

    pub(crate) fn ended(&self, start_ms: u64, life: u16) {
        if let Some(count) = self.0.lock().1.get_mut(&(life, start_ms)) {
            *count = count.saturating_sub(1);
        }
    }

    pub(crate) fn overdue(&self, now_ms: u64, life: u16) -> u64 {
        let held = self.0.lock();
        let old = |key: &(u16, u64)| key.0 == life && key.1 + held.0 <= now_ms;
        held.1.iter().filter(|(key, _)| old(key)).map(|(_, count)| count).sum()
    }
}
