//! A clock that can be put forward, and is as dear as the real one.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use panelboard::{Clock, TimeSource};

/// The machine's clock, as far ahead of it as was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Ahead {
    machine: Clock,
    /// Carries only itself.
    nanos: Arc<AtomicU64>,
}

impl Default for Ahead {
    fn default() -> Self {
        Self { machine: Clock::system(), nanos: Arc::default() }
    }
}

impl Ahead {
    pub(crate) fn clock(&self) -> Clock {
        Clock::custom(Arc::new(self.clone()))
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.nanos.fetch_add(by.as_nanos() as u64, Ordering::Relaxed);
    }

    fn offset(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}

impl TimeSource for Ahead {
    fn now(&self) -> Duration {
        self.machine.now() + self.offset()
    }

    fn coarse(&self) -> Duration {
        self.machine.coarse() + self.offset()
    }
}

impl breaker_machines::Clock for Ahead {
    fn now_secs(&self) -> f64 {
        self.now().as_secs_f64()
    }
}
