//! What do the sections `[log]` and `[[sink]]` mean?

mod between;
mod disk;
mod kind;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use panelboard_lab::{Setting, SettingValue};
use panelboard_mistakes::Found;
use panelboard_tracing::{BuildError, DropPolicy, FanOut, Format, Redaction};
use tracing::Level;

pub use self::kind::{Address, Auth, File, Http, To};
use super::{Builder, breakers};
use crate::config::values::Table;

/// The sections `[log]` and `[[sink]]`: where the program's own logs go.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Log {
    /// Whether all sinks write at once.
    pub fan_out: FanOut,
    /// Records between the program and its sinks.
    pub queue: usize,
    /// Bytes of a record.
    pub record_bytes: usize,
    /// Bytes of a message or value.
    pub value_bytes: usize,
    /// Fields whose values no sink gets, beside the usual ones.
    pub redact_names: Vec<String>,
    /// Regular expressions of what no sink gets.
    pub redact_patterns: Vec<String>,
    /// The sinks. With none, who starts the program chooses: it takes
    /// [`to_standard_error`](Self::to_standard_error).
    pub sinks: Vec<Sink>,
}

impl Log {
    /// The same with one sink, which is called and is `stderr`.
    ///
    /// # Panics
    ///
    /// Never: the core tests the preset of the sink's breaker.
    #[must_use]
    pub fn to_standard_error(&self, format: Format, level: Level) -> Self {
        let breaker = panelboard::Config::sink().build().expect("the core tests its presets");
        let nothing = Table::default();
        let sink = Sink::read(&nothing, "stderr".into(), To::Stderr(format), breaker);
        Self { sinks: vec![Sink { level, ..sink }], ..self.clone() }
    }
}

/// A place where the program's own logs go.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sink {
    /// Its name.
    pub name: String,
    /// What it is.
    pub to: To,
    /// The least that it gets.
    pub level: Level,
    /// The most that it gets.
    pub up_to: Level,
    /// Prefixes of targets that have another least.
    pub targets: Vec<(String, Level)>,
    /// Who takes over what it can't be given.
    pub fallback: Option<String>,
    /// Whether it gets only what others hand over.
    pub standby: bool,
    /// The folder of its spill, and the size that it may grow to.
    pub spill: Option<(PathBuf, u64)>,
    /// Records that wait in memory.
    pub buffer_records: usize,
    /// The same in bytes.
    pub buffer_bytes: usize,
    /// Who goes when there is no room.
    pub drop: DropPolicy,
    /// Records of one write.
    pub batch_records: usize,
    /// The same in bytes.
    pub batch_bytes: usize,
    /// How long a record waits for others; none: as its kind does.
    pub batch_delay: Option<Duration>,
    /// How long a write may take.
    pub timeout: Duration,
    /// Writes of one batch that may fail; none: without end.
    pub attempts: Option<u32>,
    /// Between the first two writes of a batch.
    pub backoff: Duration,
    /// The longest time between two.
    pub max_backoff: Duration,
    /// Its breaker.
    pub breaker: panelboard::Config,
}

/// Sinks that there may be: as many as a pipeline takes.
const MAX_SINKS: usize = 64;

const TIMEOUT: Duration = Duration::from_secs(10);
const BACKOFF: Duration = Duration::from_millis(100);
const MAX_BACKOFF: Duration = Duration::from_secs(10);

impl Sink {
    /// What is written of it, and else the defaults.
    fn read(table: &Table, name: String, to: To, breaker: panelboard::Config) -> Self {
        let spill = table
            .text("spill")
            .map(|folder| (PathBuf::from(folder), table.count("spill_bytes").unwrap_or(256 << 20)));
        Self {
            name,
            to,
            level: table.text("level").and_then(level).unwrap_or(Level::INFO),
            up_to: table.text("up_to").and_then(level).unwrap_or(Level::ERROR),
            targets: table.tables("targets").filter_map(target).collect(),
            fallback: table.text("fallback").map(str::to_owned),
            standby: table.switch("standby").unwrap_or(false),
            spill,
            buffer_records: table.size("buffer_records").unwrap_or(8_192),
            buffer_bytes: table.size("buffer_bytes").unwrap_or(16 << 20),
            drop: match table.text("drop") {
                Some("newest") => DropPolicy::Newest,
                Some("by-level") => DropPolicy::ByLevel,
                _ => DropPolicy::Oldest,
            },
            batch_records: table.size("batch_records").unwrap_or(512),
            batch_bytes: table.size("batch_bytes").unwrap_or(512 << 10),
            batch_delay: table.duration("batch_delay"),
            timeout: table.duration("timeout").unwrap_or(TIMEOUT),
            attempts: table.count32("attempts"),
            backoff: table.duration("backoff").unwrap_or(BACKOFF),
            max_backoff: table.duration("max_backoff").unwrap_or(MAX_BACKOFF),
            breaker,
        }
    }
}

impl Builder<'_> {
    pub(super) fn log(&mut self, file: &Table) -> Log {
        let nothing = Table::default();
        let table = file.table("log").unwrap_or(&nothing);
        let texts = |field| table.texts(field).map(|(_, text, _)| text.to_owned()).collect();
        self.patterns(table);
        let mut seen = HashSet::new();
        let mut sinks = Vec::new();
        for sink in file.tables("sink") {
            self.once(&mut seen, sink, "sink");
            sinks.extend(self.sink(sink));
        }
        let tables: Vec<&Table> = file.tables("sink").collect();
        if let Some(first) = tables.get(MAX_SINKS) {
            let mistake = Found::new(first.at, &*first.path, format!("{} sinks", tables.len()));
            self.found.push(mistake.expected(format!("at most {MAX_SINKS}")));
        }
        let record_bytes = table.size("record_bytes").unwrap_or(16 << 10);
        between::check(&tables, record_bytes, self.found);
        if self.looks_at_disks {
            tables.iter().for_each(|table| disk::check(table, self.found));
        }
        Log {
            fan_out: match table.text("fan_out") {
                Some("sequence") => FanOut::Sequence,
                _ => FanOut::Parallel,
            },
            queue: table.size("queue").unwrap_or(8_192),
            record_bytes,
            value_bytes: table.size("value_bytes").unwrap_or(8 << 10),
            redact_names: texts("redact_names"),
            redact_patterns: texts("redact_patterns"),
            sinks,
        }
    }

    fn patterns(&mut self, table: &Table) {
        for (i, pattern, at) in table.texts("redact_patterns") {
            let Err(BuildError::Pattern { why, .. }) = Redaction::none().pattern(pattern).check()
            else {
                continue;
            };
            // It is drawn over several lines; the last one says what is wrong.
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let key = format!("{}[{i}]", table.key("redact_patterns"));
            let mistake = Found::new(at, key, format!("is no regular expression: {why}"));
            self.found.push(mistake);
        }
    }

    fn sink(&mut self, table: &Table) -> Option<Sink> {
        let to = self.kind(table);
        let breaker = self.breaker_of_sink(table);
        Some(Sink::read(table, table.text("name")?.to_owned(), to?, breaker?))
    }

    /// The core's preset for sinks, with what is written.
    fn breaker_of_sink(&mut self, table: &Table) -> Option<panelboard::Config> {
        let nothing = Table::default();
        let own = table.table("breaker").unwrap_or(&nothing);
        let preset = |setting: &Setting| preset(setting.name, |field| own.has(field));
        breakers::read_beside(own, preset, self.found).map(|(_, config)| config)
    }
}

/// What the core's preset for sinks has under a key, if it fits beside what is written.
fn preset(key: &str, is_written: impl Fn(&str) -> bool) -> Option<SettingValue> {
    use SettingValue::{Count, Flag, Number, Time};
    let seconds = |seconds| Some(Time(Duration::from_secs(seconds)));
    // A throttle stands alone.
    let trips = !is_written("adaptive_k");
    match key {
        "recovery_timeout" => seconds(5),
        "max_recovery_timeout" => seconds(60),
        "probe_timeout" => seconds(30),
        "window" if !is_written("window_calls") => seconds(10),
        "failure_threshold" if trips => Some(Count(5)),
        "slow_call_rate" if trips => Some(Number(0.5)),
        "count_slow_in_flight" if trips => Some(Flag(true)),
        "slow_call" => seconds(2),
        // The window may have fewer.
        "minimum_calls" if !is_written("window_calls") => Some(Count(10)),
        _ => None,
    }
}

fn target(table: &Table) -> Option<(String, Level)> {
    Some((table.text("prefix")?.to_owned(), level(table.text("level")?)?))
}

fn level(text: &str) -> Option<Level> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_word_the_breaker_is_the_cores_preset() {
        let read = breakers::read_beside(
            &Table::default(),
            |setting| preset(setting.name, |_| false),
            &mut Vec::new(),
        );
        assert_eq!(read.unwrap().1, panelboard::Config::sink().build().unwrap());
    }
}
