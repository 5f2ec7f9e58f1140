//! What windows count, under a lock: stands in until the lock-free ones are there.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use crate::{clock::floor_ms, sync::QuietMutex, window::WindowCounts};

/// Length of a bucket, and what each bucket of each life holds: good, bad, failed, slow, rejected.
#[derive(Debug)]
pub(crate) struct TimeWindow(QuietMutex<(u64, BTreeMap<(u16, u64), [u64; 5]>)>);

impl TimeWindow {
    pub(crate) fn new(length: Duration) -> Self {
        Self(QuietMutex::new((floor_ms(length).div_ceil(10).max(1), BTreeMap::new())))
    }

    pub(crate) fn set_length(&self, length: Duration) {
        let mut held = self.0.lock();
        let width = floor_ms(length).div_ceil(10).max(1);
        if held.0 != width {
            *held = (width, BTreeMap::new());
        }
    }

    fn add(&self, now_ms: u64, life: u16, what: [u64; 5]) {
        let mut held = self.0.lock();
        let bucket = now_ms / held.0;
        held.1.retain(|key, _| key.1 + 10 > bucket);
        let cell = held.1.entry((life, bucket)).or_default();
        cell.iter_mut().zip(what).for_each(|(count, more)| *count += more);
    }

    fn sum(&self, now_ms: u64, life: u16) -> [u64; 5] {
        let held = self.0.lock();
        let bucket = now_ms / held.0;
        let mut sum = [0; 5];
        for (key, cell) in &held.1 {
            if key.0 == life && key.1 <= bucket && key.1 + 10 > bucket {
                sum.iter_mut().zip(cell).for_each(|(count, more)| *count += more);
            }
        }
        sum
    }

    pub(crate) fn good(&self, now_ms: u64, life: u16) {
        self.add(now_ms, life, [1, 0, 0, 0, 0]);
    }

    pub(crate) fn bad(&self, now_ms: u64, life: u16, failed: bool, slow: bool) {
        self.add(now_ms, life, [0, 1, u64::from(failed), u64::from(slow), 0]);
    }

    pub(crate) fn rejected(&self, now_ms: u64, life: u16) {
        self.add(now_ms, life, [0, 0, 0, 0, 1]);
    }

    pub(crate) fn counts(&self, now_ms: u64, life: u16) -> WindowCounts {
        let [good, bad, failures, slow, _] = self.sum(now_ms, life);
        WindowCounts { calls: good + bad, failures, slow }
    }

    pub(crate) fn rejections(&self, now_ms: u64, life: u16) -> u64 {
        self.sum(now_ms, life)[4]
    }
}

#[derive(Debug)]
pub(crate) struct LastWindow(QuietMutex<(usize, u16, VecDeque<(bool, bool)>)>);

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

#[derive(Debug)]
pub(crate) struct InFlight(QuietMutex<(u64, BTreeMap<(u16, u64), u64>)>);

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
