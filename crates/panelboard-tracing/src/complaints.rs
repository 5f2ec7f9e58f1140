//! Who says that a sink is in trouble? Not the log: a line on standard error, at a bounded rate,
//! from a thread that nobody waits for.

use std::{
    io,
    sync::mpsc::{SyncSender, sync_channel},
    thread::JoinHandle,
    time::Duration,
};

use crate::{dispatch, guard::Report, shared::Shared, shared::become_ours, sync::Mutex};

/// Lines that wait for a standard error that does not take them. The rest is not said.
const BACKLOG: usize = 16;

/// What was said of each sink, and when.
#[derive(Debug)]
pub(crate) struct Complaints {
    /// None once it has ended. Held to look and to send, which does not wait.
    said: Mutex<State>,
    every: Duration,
    names: Vec<String>,
}

#[derive(Debug)]
struct State {
    thread: Option<JoinHandle<()>>,
    to: Option<SyncSender<String>>,
    sinks: Vec<Said>,
    line: Said,
}

/// What was said of one, and when.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    at: Option<Duration>,
    failures: u64,
    dropped: u64,
}

impl Said {
    /// Whether there is news that may be told now; it is noted as told.
    fn news(
        &mut self,
        failures: u64,
        dropped: u64,
        now: Duration,
        every: Duration,
    ) -> Option<Self> {
        let news = failures > self.failures || dropped > self.dropped;
        if !news || self.at.is_some_and(|at| now < at.saturating_add(every)) {
            return None;
        }
        let before = *self;
        *self = Self { at: Some(now), failures, dropped };
        let (failures, dropped) = (failures - before.failures, dropped - before.dropped);
        Some(Self { at: None, failures, dropped })
    }
}

impl Complaints {
    pub(crate) fn start(
        names: Vec<String>,
        mut to: Box<dyn io::Write + Send>,
        every: Duration,
    ) -> io::Result<Self> {
        let (sender, lines) = sync_channel::<String>(BACKLOG);
        let thread = dispatch::spawn("complain", move || {
            become_ours();
            for line in lines {
                // Where it can't be said, there is nobody to say it to.
                let _ = writeln!(to, "panelboard-tracing: {line}");
                let _ = to.flush();
            }
        })?;
        let sinks = vec![Said::default(); names.len()];
        let state = State { thread: Some(thread), to: Some(sender), sinks, line: Said::default() };
        Ok(Self { said: Mutex::new(state), every, names })
    }

    /// Says what is new.
    pub(crate) fn tell(&self, shared: &Shared, now: Duration) {
        for (index, cell) in shared.cells.iter().enumerate() {
            let seen = cell.book.seen();
            let dropped = seen.ledger.dropped.sum();
            let disk = cell.spill.as_ref().map(|spill| spill.errors()).unwrap_or_default();
            let failures = seen.failures + disk.0;
            let mut state = self.said.lock();
            let Some(news) = state.sinks[index].news(failures, dropped, now, self.every) else {
                continue;
            };
            let error = seen.last_error.map(|(_, why)| why.to_string()).or(disk.1);
            let line = format!(
                "sink {} ({}): {} failures, {} dropped since the last word; breaker {}; last: {}",
                self.names[index],
                cell.kind,
                news.failures,
                news.dropped,
                cell.breaker.state(),
                one_line(&error.unwrap_or_else(|| "nothing".into())),
            );
            state.send(line);
        }
        let mut state = self.said.lock();
        if let Some(news) = state.line.news(0, shared.line.full(), now, self.every) {
            let line = format!("{} dropped: the queue was full", news.dropped);
            state.send(line);
        }
    }

    /// Says what was not written at the end, and says no more. The thread that is to say it.
    pub(crate) fn close(&self, report: &Report) -> Option<JoinHandle<()>> {
        let mut state = self.said.lock();
        if !report.is_complete() {
            state.send(format!("at the end: {report}"));
        }
        state.to = None;
        state.thread.take()
    }
}

impl State {
    fn send(&mut self, line: String) {
        if let Some(to) = &self.to {
            let _ = to.try_send(line);
        }
    }
}

/// What a receiver answered may hold anything.
fn one_line(text: &str) -> String {
    let short: String = text.chars().take(200).collect();
    short.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_said_once_is_not_said_again() {
        let (mut said, now) = (Said::default(), Duration::from_secs(7));
        let mut news = |failures| said.news(failures, 0, now, Duration::MAX);
        assert!(news(1).is_some() && news(2).is_none());
    }
}
