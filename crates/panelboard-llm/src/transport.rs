//! How a request reaches a provider: connections over HTTP/1.1, kept and used again.
//!
//! One [`Transport`] a provider. Each connection serves one call at a time; dropping the call
//! closes the connection at once, so that the provider stops working for a client that has left.
//! HTTP/2 is absent on purpose: one call a connection is what makes that certain, and keeps a slow
//! stream from holding up its neighbours.

mod base;
mod connect;
mod connection;
mod tls;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

pub(crate) use self::{
    base::Base,
    connect::ConnectError,
    connection::{Body, Connection, Sent},
    tls::Tls,
};

/// A connection that nobody used for so long is closed. Most servers close theirs after 60 s or
/// more; those that are quicker are met by the re-send on a stale connection.
const IDLE_MAX: Duration = Duration::from_secs(50);

/// The way to one provider's address.
#[derive(Debug)]
pub(crate) struct Transport {
    base: Base,
    tls: Option<Tls>,
    idle: Mutex<VecDeque<Idle>>,
    max_idle: usize,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

impl Transport {
    pub(crate) fn new(base: Base, tls: Option<Tls>, max_idle: usize) -> Arc<Self> {
        Arc::new(Self { base, tls, idle: Mutex::default(), max_idle })
    }

    pub(crate) fn base(&self) -> &Base {
        &self.base
    }

    /// An idle connection that looks alive, if there is one. The youngest first: the others may age
    /// and be closed.
    pub(crate) async fn reuse(self: &Arc<Self>) -> Option<Connection> {
        loop {
            let Idle { mut connection, since } = self.lock().pop_back()?;
            if since.elapsed() < IDLE_MAX && connection.ready().await {
                return Some(connection);
            }
        }
    }

    /// A new connection.
    pub(crate) async fn connect(
        self: &Arc<Self>,
        within: Duration,
    ) -> Result<Connection, ConnectError> {
        let reach = connect::connect(&self.base, self.tls.as_ref());
        match tokio::time::timeout(within, reach).await {
            Ok(socket) => Connection::new(socket?, self).await,
            Err(_) => Err(ConnectError::timeout(within)),
        }
    }

    /// Takes a connection back whose answer has been read to its end. Beyond the bound it is
    /// closed.
    fn give_back(&self, connection: Connection) {
        let now = Instant::now();
        let mut closed = Vec::new();
        let mut idle = self.lock();
        while idle.front().is_some_and(|oldest| now - oldest.since >= IDLE_MAX) {
            closed.extend(idle.pop_front());
        }
        if idle.len() < self.max_idle {
            idle.push_back(Idle { connection, since: now });
        }
        drop(idle); // before the closed connections are dropped
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Idle>> {
        // A queue of connections is whole between any two of its operations.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
