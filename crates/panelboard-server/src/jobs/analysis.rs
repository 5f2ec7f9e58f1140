//! What does an analysis do? It looks for better settings for calls that were recorded, in our own
//! log or in a CSV file, as `panelboard tune` does.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use panelboard_lab::{CallReader, Recording, Settings, TuneOptions, Waste};
use panelboard_store::CallQuery;
use panelboard_tasks::{Checkpoint, Failure, JobContext};
use serde::Deserialize;
use serde_json::{Value, json};

use super::kinds::{args, is_done, watch};
use super::trouble::JobTrouble;
use crate::app::Holds;
use crate::calls::{Calls, Recorded};
use crate::clock;

pub(super) const KIND: &str = "analysis";

/// What a mistake in the rows is told to be in.
const SOURCE: &str = "args.calls_csv";

/// Calls that are read between two looks whether to go on.
const STRIDE: u64 = 10_000;

/// How long the last calls are waited for on their way into the log.
const FLUSH: Duration = Duration::from_secs(1);

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Args {
    /// Rows as `panelboard calls --csv` prints them, in place of our own log.
    calls_csv: Option<String>,
    /// Calls that began then or later.
    since: Option<String>,
    /// Calls that began earlier than that.
    until: Option<String>,
    /// Of this provider only.
    provider: Option<String>,
    /// Of this breaker only: `provider/key`.
    key: Option<String>,
    /// To this model only.
    model: Option<String>,
    /// A call that took so long is bad, also if it succeeded: such as `5s`.
    slow: Option<String>,
    /// What counts as waste: `calls`, or the `time` that they took.
    by: Option<By>,
    seed: Option<u64>,
    /// Settings to try.
    candidates: Option<usize>,
}

/// What counts as waste.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    #[default]
    Calls,
    Time,
}

impl From<By> for Waste {
    fn from(by: By) -> Self {
        match by {
            By::Calls => Self::Calls,
            By::Time => Self::Time,
        }
    }
}

/// Times as they were understood.
struct Times {
    since: Option<SystemTime>,
    until: Option<SystemTime>,
    slow: Option<Duration>,
}

impl Args {
    fn times(&self) -> Result<Times, JobTrouble> {
        let date = |name: &str, text: &Option<String>| {
            let Some(text) = text else { return Ok(None) };
            let wrong = || JobTrouble::BadArgs {
                what: format!("`{name}` must be a time such as 2026-01-01T00:00:00Z"),
            };
            clock::read(text).map(Some).ok_or_else(wrong)
        };
        let slow = |text: &String| {
            let time = humantime::parse_duration(text).ok().filter(|time| !time.is_zero());
            let what = "`slow` must be a duration such as 5s".to_owned();
            time.ok_or(JobTrouble::BadArgs { what })
        };
        Ok(Times {
            since: date("since", &self.since)?,
            until: date("until", &self.until)?,
            slow: self.slow.as_ref().map(slow).transpose()?,
        })
    }
}

pub(super) fn check(given: &Value) -> Result<(), JobTrouble> {
    let args: Args = args(given)?;
    let times = args.times()?;
    match &args.calls_csv {
        Some(csv) => read_csv(csv, &args, &times).map(drop),
        None => Ok(()),
    }
}

fn read_csv(csv: &str, args: &Args, times: &Times) -> Result<Recording, JobTrouble> {
    let mut reader = CallReader::default();
    if let Some(key) = &args.key {
        reader = reader.key(key);
    }
    if let Some(model) = &args.model {
        reader = reader.model(model);
    }
    if let Some(provider) = &args.provider {
        reader = reader.provider(provider);
    }
    if let Some(since) = times.since {
        reader = reader.since_us(clock::micros(since));
    }
    if let Some(until) = times.until {
        reader = reader.until_us(clock::micros(until));
    }
    let read = reader.csv(SOURCE, csv.as_bytes());
    let read = read.map_err(|error| JobTrouble::Mistakes { what: error.to_string() })?;
    Ok(read.recording)
}

/// Runs it. It writes nothing but its result, so it may be run again.
pub(super) fn run(
    mut job: JobContext,
    given: &Bytes,
    (log, config): (&Calls, &Holds),
) -> Result<Bytes, Failure> {
    let args: Args = serde_json::from_slice(given)?;
    let times = args.times()?;
    let recording = match &args.calls_csv {
        Some(csv) => read_csv(csv, &args, &times)?,
        None => match read_log(&mut job, (&args, &times), log)? {
            Some(recording) => recording,
            // Whatever is answered now is late.
            None => return Ok(Bytes::new()),
        },
    };
    if recording.calls() == 0 {
        return Err(Failure::new("there are no calls to replay"));
    }
    let source = if args.calls_csv.is_some() { SOURCE } else { "the log of calls" };
    let current = current(config, &recording)?;
    let mut options =
        TuneOptions::default().threads(1).by(args.by.unwrap_or_default().into()).current(current);
    // What a breaker is told is slow is not good.
    let slow = times.slow.or(current.slow_call_rate.map(|_| current.slow_call));
    options = slow.map_or(options.clone(), |slow| options.slow(slow));
    options = args.seed.map_or(options.clone(), |seed| options.seed(seed));
    options = args.candidates.map_or(options.clone(), |most| options.candidates(most));
    let reporter = job.reporter();
    let tuning = panelboard_lab::tune(&recording, &options, watch(job))?;
    is_done(&reporter);
    let result = json!({
        "report": tuning,
        "table": tuning.table(source),
        "svg": tuning.svg()?,
    });
    Ok(result.to_string().into())
}

/// What holds now for the breakers of these calls.
fn current(config: &Holds, recording: &Recording) -> Result<Settings, Failure> {
    let shared = config.now().breakers.shared_by(recording.keys());
    shared.map_err(|wrong| Failure::new(format!("{wrong}: say which with `provider`")))
}

/// The calls of our own log; none if it is to stop.
fn read_log(
    job: &mut JobContext,
    (args, times): (&Args, &Times),
    log: &Calls,
) -> Result<Option<Recording>, Failure> {
    let log = log.log().ok_or_else(|| Failure::new("calls are not logged here, see calls.log"))?;
    // What is logged so far is read too; if the disk is late, what it has.
    log.flush(FLUSH);
    let mut query = CallQuery::new();
    query = times.since.map_or(query.clone(), |since| query.since(since));
    query = times.until.map_or(query.clone(), |until| query.until(until));
    query = args.provider.as_ref().map_or(query.clone(), |provider| query.provider(provider));
    let mut recorded = Recorded::of(args.key.clone(), args.model.clone());
    for call in log.reader().calls(query) {
        recorded.take(&call?)?;
        let read = recorded.rows;
        if read.is_multiple_of(STRIDE) {
            job.progress(0, 0, &format!("{read} calls read"));
            if job.checkpoint() == Checkpoint::Stop {
                return Ok(None);
            }
        }
    }
    Ok(Some(recorded.finish()))
}
