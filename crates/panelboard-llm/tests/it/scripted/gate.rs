//! How does a test hold a reply at a certain point, without sleeping?

use std::sync::Arc;

use tokio::sync::{Semaphore, watch};

/// A place where a reply waits until the test lets it pass. Clones are the same gate.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    passes: Arc<Semaphore>,
    reached: Arc<watch::Sender<usize>>,
}

impl Gate {
    /// A gate that nobody may pass yet.
    pub(crate) fn new() -> Self {
        Self { passes: Arc::new(Semaphore::new(0)), reached: Arc::new(watch::Sender::new(0)) }
    }

    /// Lets `n` more replies pass, now or when they come.
    pub(crate) fn pass(&self, n: usize) {
        self.passes.add_permits(n);
    }

    /// Lets everybody pass from now on.
    pub(crate) fn pass_all(&self) {
        self.passes.close();
    }

    /// Waits until `n` replies in all have come to this gate.
    pub(crate) async fn reached(&self, n: usize) {
        let mut reached = self.reached.subscribe();
        let wait = reached.wait_for(|&so_far| so_far >= n);
        let came = tokio::time::timeout(super::server::PATIENCE, wait).await;
        assert!(came.is_ok(), "only {} of {n} replies came to the gate", *self.reached.borrow());
    }

    /// The server's side: says that it is here, then waits for leave.
    pub(super) async fn wait(&self) {
        self.reached.send_modify(|so_far| *so_far += 1);
        // An error means that the gate lets everybody pass.
        if let Ok(pass) = self.passes.acquire().await {
            pass.forget();
        }
    }
}
