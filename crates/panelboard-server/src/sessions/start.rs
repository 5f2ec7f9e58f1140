//! How are the sessions started, and how do they stop?

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use panelboard_llm::Gateway;
use panelboard_store::{MAX_STATE, OpenError, Store};
use panelboard_tasks::{
    DrainMode, Exclusive, HubLimits, Journal, RunContext, SessionLimits, Sessions,
};

use super::compact::Every;
use super::keeper::Keeper;
use super::service::{MAX_RECORD, Service};
use super::snapshot::REMEMBERED;
use super::turn::{MAX_ANSWER, Turns};
use crate::config::{Config, Sessions as Settings};
use crate::scratch::Scratch;

/// Rows of the store: each session has up to two, and bytes are the tighter bound.
const MAX_ROWS: u64 = 10_000_000;

/// Writes that wait for the disk, and their bytes: beside them there is room for a snapshot, so
/// that it keeps no record out.
const QUEUE: usize = 4_096;
const QUEUE_BYTES: usize = 64 << 20;

/// Events that are read from the store at once.
const PAGE: usize = 500;

/// The sessions and what goes with them.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) service: Arc<Service>,
    /// A store that nobody asked to be kept.
    scratch: Option<Scratch>,
}

/// Opens the store and makes the sessions. Their runs are tasks of this runtime.
pub(crate) async fn start(config: &Config, gateway: &Gateway) -> Result<Started, OpenError> {
    let (path, scratch) = match &config.store.path {
        Some(path) => (path.clone(), None),
        None => {
            let scratch = Scratch::new();
            (scratch.folder().join("sessions.db"), Some(scratch))
        }
    };
    let settings = panelboard_store::Config::new()
        .max_bytes(config.store.max_bytes)
        .max_sessions(MAX_ROWS)
        .session_ttl(None)
        .keep_records(config.sessions.keep_events)
        .queue(QUEUE, QUEUE_BYTES + MAX_STATE)
        // What stands in for records is for the fold of the sessions to say.
        .snapshot_every(u64::MAX);
    let open = tokio::task::spawn_blocking(move || Store::open(path, settings));
    let store = open.await.expect("opening does not panic")?;
    Ok(Started { service: assemble(store, &config.sessions, gateway), scratch })
}

/// Makes the sessions over an open store. Their runs are tasks of this runtime.
pub(super) fn assemble(store: Store, settings: &Settings, gateway: &Gateway) -> Arc<Service> {
    let term = store.term();
    let every = Every { records: settings.snapshot_every, bytes: settings.snapshot_bytes };
    let keeper = Arc::new(Keeper::new(store, hub_limits(settings), every));
    let turns = Arc::new(Turns::new(gateway.clone(), Arc::clone(&keeper)));
    let limits = SessionLimits {
        queue: settings.max_queue,
        input_bytes: MAX_RECORD,
        key_bytes: 255,
        keys: REMEMBERED,
        ended: REMEMBERED,
        connections: settings.max_connections,
        grace: settings.grace,
        abort_grace: settings.hard_grace,
        exclusive: match settings.exclusive.as_str() {
            "logical" => Exclusive::Logical,
            _ => Exclusive::Physical,
        },
        ..SessionLimits::default()
    };
    let built = Sessions::builder()
        .limits(limits)
        .max_sessions(settings.max_sessions)
        .term(term)
        .journal(Arc::clone(&keeper) as Arc<dyn Journal>)
        .build(move |context: RunContext, input: Bytes| {
            let turns = Arc::clone(&turns);
            async move { turns.run(context, input).await }
        });
    let built = built.expect("it is called within a runtime");
    Arc::new(Service::new(built, keeper, gateway.clone(), settings.clone()))
}

/// Text goes out this often at most: about what an eye can follow.
const TEXT_EVERY: Duration = Duration::from_millis(20);

/// With more readers than these, nobody is woken only because one came or went.
const MAX_PRESENT: usize = 64;

fn hub_limits(settings: &Settings) -> HubLimits {
    HubLimits {
        sessions: settings.max_sessions,
        connections: settings.max_connections.saturating_mul(settings.max_subscriptions),
        connections_of_a_session: settings.max_connections,
        ring_events: settings.ring_events,
        page_events: PAGE,
        // Nothing of an answer is ever too old to be told.
        message_bytes: MAX_ANSWER,
        presence: MAX_PRESENT,
        transient_interval: TEXT_EVERY,
        ..HubLimits::default()
    }
}

impl Started {
    /// Takes no new runs, and waits for those that are there; after `budget` they are told to stop.
    /// What waits stays in the store for the next process, if there is one to come.
    pub(crate) async fn drain(&self, budget: Duration) {
        let mode =
            if self.scratch.is_some() { DrainMode::CancelQueued } else { DrainMode::KeepQueued };
        let drained = self.service.sessions.drain(mode, budget).await;
        if !drained.in_time {
            tracing::warn!(left = drained.left, "runs were stopped that did not end in time");
        }
    }

    /// Ends the store: what was given to it is on disk when this returns.
    pub(crate) async fn end(self) {
        let store = self.service.keeper.store.clone();
        // A panic there has been told of by the store itself.
        tokio::task::spawn_blocking(move || store.shut()).await.ok();
    }
}
