//! Where do runs, jobs and timers run? On tokio and on threads, or under the model checker, which
//! has no time.

use std::time::Duration;

use crate::clock::Clock;

#[cfg(not(panelboard_shuttle))]
#[derive(Clone, Debug)]
pub(crate) struct Runtime(tokio::runtime::Handle);

#[cfg(not(panelboard_shuttle))]
impl Runtime {
    pub(crate) fn current() -> Option<Self> {
        tokio::runtime::Handle::try_current().ok().map(Self)
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        // Not joined: what a task has to say is said by its guard.
        drop(self.0.spawn(task));
    }

    /// A thread of its own, from which the runtime and its clock can be reached. Not joined, as a
    /// task is not. `false`: there is none to be had, and `work` was dropped.
    pub(crate) fn thread(&self, name: String, work: impl FnOnce() + Send + 'static) -> bool {
        let runtime = self.0.clone();
        let work = move || {
            let _inside = runtime.enter();
            work();
        };
        std::thread::Builder::new().name(name).spawn(work).is_ok()
    }
}

#[cfg(not(panelboard_shuttle))]
pub(crate) async fn sleep_until(clock: Clock, at: Duration) {
    tokio::time::sleep_until(clock.instant(at)).await;
}

/// The checker's tasks. A model lets time pass by its own commands.
#[cfg(panelboard_shuttle)]
#[derive(Clone, Debug)]
pub(crate) struct Runtime;

#[cfg(panelboard_shuttle)]
impl Runtime {
    pub(crate) fn current() -> Option<Self> {
        Some(Self)
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(shuttle::future::spawn(task));
    }

    pub(crate) fn thread(&self, _: String, work: impl FnOnce() + Send + 'static) -> bool {
        drop(shuttle::thread::spawn(work));
        true
    }
}

#[cfg(panelboard_shuttle)]
pub(crate) async fn sleep_until(_: Clock, _: Duration) {
    std::future::pending().await
}
