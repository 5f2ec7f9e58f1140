//! How is a record read? Sent and answered become intervals, what was shown becomes a log.

use std::{
    collections::{BTreeMap, HashMap},
    error, fmt,
};

use serde_json::Value;

use crate::{
    call::{Asked, Call, Told, number, text},
    event::{Event, Log},
    rule::Rules,
    search::{self, Verdict},
};

/// What clients asked of one session and saw of it.
///
/// ```
/// let history = &panelboard_histories::histories(&[
///     serde_json::json!({ "k": "sent", "session": "s", "call": 1, "op": "queue", "ask": {} }),
///     serde_json::json!({ "k": "answered", "call": 1, "ok": true, "body": { "items": [] } }),
/// ], 6)?[0];
/// assert_eq!((history.session(), history.calls(), history.overlapping()), ("s", 1, 0));
/// # Ok::<(), panelboard_histories::Malformed>(())
/// ```
#[derive(Clone, Debug)]
pub struct History {
    session: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) log: Log,
    pub(crate) rules: Rules,
}

impl History {
    /// Its session's name.
    ///
    /// ```
    /// assert!(panelboard_histories::histories(&[], 6)?.is_empty());
    /// # Ok::<(), panelboard_histories::Malformed>(())
    /// ```
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }

    /// How many calls it has.
    ///
    /// ```
    /// # use panelboard_histories::{History, Malformed, histories};
    /// let all: usize = histories(&[], 6)?.iter().map(History::calls).sum();
    /// assert_eq!(all, 0);
    /// # Ok::<(), Malformed>(())
    /// ```
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.len()
    }

    /// How many calls began while another one ran: without any, there was no race.
    ///
    /// ```
    /// # use panelboard_histories::{History, Malformed, histories};
    /// assert_eq!(histories(&[], 6)?.iter().map(History::overlapping).sum::<usize>(), 0);
    /// # Ok::<(), Malformed>(())
    /// ```
    #[must_use]
    pub fn overlapping(&self) -> usize {
        let within = |a: &Call, b: &Call| a.began > b.began && a.began < b.ended;
        self.calls.iter().filter(|a| self.calls.iter().any(|b| within(a, b))).count()
    }

    /// How many places of the log nobody saw. Each may hold anything that can stand there.
    ///
    /// ```
    /// # use panelboard_histories::{History, Malformed, histories};
    /// assert!(histories(&[], 6)?.iter().all(|history| history.holes() == 0));
    /// # Ok::<(), Malformed>(())
    /// ```
    #[must_use]
    pub fn holes(&self) -> usize {
        self.log.holes()
    }

    /// Whether it is some order of calls on a naive session. An example stands in the crate's own
    /// documentation.
    #[must_use]
    pub fn judge(&self) -> Verdict {
        search::order(self)
    }
}

/// What a record holds that none can, and where.
///
/// ```
/// let record = [serde_json::json!({ "k": "answered", "call": 7, "ok": true, "body": {} })];
/// let why = panelboard_histories::histories(&record, 6).unwrap_err();
/// assert_eq!(why.to_string(), "entry 0: nobody sent call 7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(String);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for Malformed {}

/// The histories in a record, one a session, by name. `queue` is how many may wait in a session.
///
/// # Errors
/// An entry is none that a client can have written, or two were shown different logs.
///
/// ```
/// let record = [serde_json::json!({ "k": "sent", "session": "s", "call": 1, "op": "dance" })];
/// assert!(panelboard_histories::histories(&record, 6).is_err());
/// ```
pub fn histories(record: &[Value], queue: usize) -> Result<Vec<History>, Malformed> {
    let mut reader = Reader { queue, ..Reader::default() };
    for (at, entry) in (0..).zip(record) {
        reader.read(at, entry).map_err(|why| Malformed(format!("entry {at}: {why}")))?;
    }
    Ok(reader.sessions.into_values().map(without_single_keys).collect())
}

/// A key that one call has does nothing, and would make every session that remembers it another.
fn without_single_keys(mut history: History) -> History {
    let mut uses: HashMap<String, usize> = HashMap::new();
    for key in history.calls.iter().filter_map(|call| call.key.clone()) {
        *uses.entry(key).or_default() += 1;
    }
    for call in &mut history.calls {
        call.key.take_if(|key| uses[key] == 1);
    }
    history
}

#[derive(Default)]
struct Reader {
    queue: usize,
    sessions: BTreeMap<String, History>,
    /// The last seq that was shown, by session.
    seen: HashMap<String, u64>,
    /// Session and place of each call.
    calls: HashMap<u64, (String, usize)>,
}

impl Reader {
    fn read(&mut self, at: u64, entry: &Value) -> Result<(), String> {
        match entry["k"].as_str() {
            Some("sent") => self.sent(at, entry),
            Some("answered") => self.answered(at, entry),
            Some("frame") if entry["frame"]["type"] == "event" => self.shown(&entry["frame"]),
            Some("log") => {
                let events = entry["events"].as_array().into_iter().flatten();
                events.into_iter().try_for_each(|event| self.shown(event))
            }
            _ => Ok(()),
        }
    }

    fn history(&mut self, session: &str) -> &mut History {
        let rules = Rules { queue: self.queue, without: None };
        let new = || {
            let (calls, log) = (Vec::new(), Log::default());
            History { session: session.to_owned(), calls, log, rules }
        };
        self.sessions.entry(session.to_owned()).or_insert_with(new)
    }

    fn sent(&mut self, at: u64, entry: &Value) -> Result<(), String> {
        let session = entry["session"].as_str().ok_or("it names no session")?;
        let call = entry["call"].as_u64().ok_or("it has no number")?;
        let (op, ask) = (entry["op"].as_str().unwrap_or_default(), &entry["ask"]);
        let asked = Asked::read(op, ask).ok_or_else(|| format!("nobody can ask {op} {ask}"))?;
        let seen = self.seen.get(session).copied().unwrap_or(0);
        // Each kind of call has its own keys.
        let key = text(&entry["key"]).map(|key| format!("{op} {key}"));
        let (ended, told) = (u64::MAX, Told::Unknown);
        let calls = &mut self.history(session).calls;
        calls.push(Call { began: at, ended, seen, key, asked, told });
        let place = calls.len() - 1;
        self.calls.insert(call, (session.to_owned(), place));
        Ok(())
    }

    fn answered(&mut self, at: u64, entry: &Value) -> Result<(), String> {
        let call = entry["call"].as_u64().ok_or("it has no number")?;
        let known = self.calls.remove(&call);
        let (session, place) = known.ok_or_else(|| format!("nobody sent call {call}"))?;
        let history = self.history(&session);
        let asked = history.calls[place].asked.clone();
        let (ok, body) = (entry["ok"] == true, &entry["body"]);
        let told = Told::read(&asked, ok, body);
        let told = told.ok_or_else(|| format!("{asked:?} is not answered so: {body}"))?;
        let call = &mut history.calls[place];
        match told {
            // Its place stays, so that no other call's moves; nobody asks that it was done.
            None => (call.asked, call.began) = (Asked::Queue, u64::MAX),
            Some(Told::Unknown) => {}
            Some(told) => (call.told, call.ended) = (told, at),
        }
        // One that waited for its run's end is told the run as well.
        let of_run = matches!(asked, Asked::Submit { .. }) && body["input"].is_string();
        if let (true, true, Some(run)) = (ok, of_run, number(&body["run"])) {
            let Call { began, ended, seen, .. } = *call;
            let asked = Asked::Run(run);
            let told = Told::read(&asked, true, body).flatten().ok_or("it shows no run")?;
            history.calls.push(Call { began, ended, seen, key: None, asked, told });
        }
        Ok(())
    }

    fn shown(&mut self, event: &Value) -> Result<(), String> {
        let session = event["session"].as_str().ok_or("an event of no session")?;
        let seq = event["seq"].as_u64().ok_or("an event without a seq")?;
        let read = Event::read(event).ok_or_else(|| format!("no session writes {event}"))?;
        let last = self.seen.entry(session.to_owned()).or_insert(0);
        *last = seq.max(*last);
        self.history(session).log.show(seq, read)
    }
}
