//! What did one pass of the outage come to, on the wire?
//!
//! From three records: the gateway's log of calls (each attempt at the provider, and each time that
//! a call went past it), the breakers' transitions, and what the clients saw. Whether the provider
//! was well is judged by the script: by what was done to its process, and until when.

use serde_json::Value;

use crate::watch::{Event, parse_time};

/// When the provider was not well, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sick {
    pub(super) from: u64,
    /// When it answered again.
    pub(super) to: u64,
}

/// A row of the log of calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    at: u64,
    took_ms: u64,
    outcome: String,
}

/// A call as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    ok: bool,
    /// From the time at which it was due.
    ms: u64,
}

/// All that was recorded of one pass.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub(super) sick: Vec<Sick>,
    /// When the clients had ended.
    pub(super) to: u64,
    pub(super) rows: Vec<Row>,
    pub(super) events: Vec<Event>,
    pub(super) seen: Vec<Seen>,
}

/// Figures by their names, in this order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Measures(pub(super) Vec<(&'static str, Option<f64>)>);

pub(super) const WASTED: &str = "wasted calls";
/// Bad calls that were out at no time at which something was done to the provider.
pub(super) const STRAY: &str = "of them while well";
pub(super) const WRONGLY: &str = "wrongly rejected";
pub(super) const RIGHTLY: &str = "rightly rejected";
pub(super) const TO_OPEN: &str = "time to open, s";

/// The rows of `panelboard calls --csv`.
///
/// # Errors
/// One that it would not write.
pub(super) fn rows(csv: &[String]) -> Result<Vec<Row>, String> {
    csv.iter().skip(1).map(|line| row(line).ok_or_else(|| format!("no row: {line}"))).collect()
}

fn row(line: &str) -> Option<Row> {
    let mut cells = line.split(',');
    let at = parse_time(cells.next()?)?;
    let outcome = cells.nth(3)?.to_owned();
    let (ms, _) = cells.next()?.split_once('.')?;
    Some(Row { at, took_ms: ms.parse().ok()?, outcome })
}

/// What the clients' script wrote; what is none of its lines is an error of a client.
pub(super) fn seen<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Seen> {
    lines
        .map(|line| {
            let call: Value = serde_json::from_str(line).unwrap_or_default();
            Seen { ok: call["ok"] == true, ms: call["ms"].as_u64().unwrap_or_default() }
        })
        .collect()
}

impl Row {
    fn is_rejected(&self) -> bool {
        self.outcome == "rejected"
    }

    /// A breaker is told that it failed, or that the provider asks to be left alone.
    fn is_bad(&self) -> bool {
        !matches!(
            self.outcome.as_str(),
            "success" | "rejected" | "client_gone" | "request" | "permission"
        )
    }
}

impl Record {
    /// # Errors
    /// Nothing was recorded.
    pub(super) fn measures(&self) -> Result<Measures, String> {
        if self.rows.is_empty() || self.seen.is_empty() {
            return Err("the log of calls or the clients' record is empty".into());
        }
        let rows = |which: &dyn Fn(&Row) -> bool| {
            Some(count(self.rows.iter().filter(|row| which(row)).count()))
        };
        let mut times: Vec<u64> =
            self.seen.iter().filter(|seen| seen.ok).map(|seen| seen.ms).collect();
        times.sort_unstable();
        let opened = self.to_open();
        let closed = self.to_close();
        let missing = |of: &[Option<f64>]| Some(count(of.iter().filter(|t| t.is_none()).count()));
        Ok(Measures(vec![
            (WASTED, rows(&Row::is_bad)),
            (STRAY, rows(&|row| row.is_bad() && !self.overlaps(row))),
            (WRONGLY, rows(&|row| row.is_rejected() && !self.is_sick(row.at))),
            (RIGHTLY, rows(&|row| row.is_rejected() && self.is_sick(row.at))),
            ("calls of clients", Some(count(self.seen.len()))),
            ("errors at clients", Some(count(self.seen.iter().filter(|seen| !seen.ok).count()))),
            ("latency p50, ms", percentile(&times, 50)),
            ("latency p99, ms", percentile(&times, 99)),
            (TO_OPEN, mean(&opened)),
            ("episodes that opened none", missing(&opened)),
            ("time to close, s", mean(&closed)),
            ("episodes closed too late", missing(&closed)),
        ]))
    }

    /// Calls that the provider was asked for.
    pub(super) fn made(&self) -> usize {
        self.rows.iter().filter(|row| !row.is_rejected()).count()
    }

    fn is_sick(&self, at: u64) -> bool {
        self.sick.iter().any(|sick| (sick.from..=sick.to).contains(&at))
    }

    /// A call that was out while it was not well may fail by it.
    fn overlaps(&self, row: &Row) -> bool {
        self.sick.iter().any(|sick| row.at <= sick.to && row.at + row.took_ms >= sick.from)
    }

    /// From the beginning of each episode until a breaker is open; nothing if one is already, none
    /// if none opens before the next episode.
    fn to_open(&self) -> Vec<Option<f64>> {
        let each = self.sick.iter().enumerate().map(|(number, sick)| {
            if !self.all_closed(sick.from) {
                return Some(0.0);
            }
            let opens = |event: &&Event| {
                event.to == "open" && (sick.from..self.next(number)).contains(&event.at)
            };
            self.events.iter().find(opens).map(|event| seconds(event.at - sick.from))
        });
        each.collect()
    }

    /// From the end of each episode until all breakers are closed and stay so; nothing if they are
    /// already, none if they are not before the next episode.
    fn to_close(&self) -> Vec<Option<f64>> {
        let each = self.sick.iter().enumerate().map(|(number, sick)| {
            let next = self.next(number);
            if !self.all_closed(next) {
                return None;
            }
            let within = |event: &&Event| (sick.to..=next).contains(&event.at);
            let closes = self.events.iter().filter(within).filter(|event| event.to == "closed");
            Some(closes.map(|event| seconds(event.at - sick.to)).fold(0.0, f64::max))
        });
        each.collect()
    }

    /// When the episode after this one begins, or all is over.
    fn next(&self, number: usize) -> u64 {
        self.sick.get(number + 1).map_or(self.to, |next| next.from)
    }

    fn all_closed(&self, at: u64) -> bool {
        let mut keys: Vec<&str> = self.events.iter().map(|event| event.key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.iter().all(|key| {
            let mut of = self.events.iter().filter(|event| event.key == *key && event.at <= at);
            of.next_back().is_none_or(|event| event.to == "closed")
        })
    }
}

/// Of each figure the median over several passes; none where none has it.
pub(super) fn medians(passes: &[Measures]) -> Measures {
    let Some(first) = passes.first() else { return Measures(Vec::new()) };
    let of = |index: usize| {
        let mut values: Vec<f64> = passes.iter().filter_map(|pass| pass.0[index].1).collect();
        values.sort_unstable_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => None,
            even if even % 2 == 0 => Some((values[middle - 1] + values[middle]) / 2.0),
            _ => Some(values[middle]),
        }
    };
    Measures(first.0.iter().enumerate().map(|(index, (name, _))| (*name, of(index))).collect())
}

impl Measures {
    pub(super) fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(other, _)| *other == name).and_then(|(_, figure)| *figure)
    }

    pub(super) fn json(&self) -> Value {
        self.0.iter().map(|(name, figure)| ((*name).to_owned(), Value::from(*figure))).collect()
    }
}

fn percentile(sorted: &[u64], percent: usize) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get((last * percent).div_ceil(100)).map(|ms| *ms as f64)
}

fn mean(of: &[Option<f64>]) -> Option<f64> {
    let there: Vec<f64> = of.iter().flatten().copied().collect();
    (!there.is_empty()).then(|| there.iter().sum::<f64>() / count(there.len()))
}

fn count(of: usize) -> f64 {
    of as f64
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSV: &str = "\
time,provider,key,model,outcome,duration_ms,first_byte_ms,input_tokens,output_tokens
1970-01-01T00:00:01.000000Z,a,key-1,m,success,200.000,90.000,9,9
1970-01-01T00:00:09.900000Z,a,key-1,m,cut,150.500,90.000,,
1970-01-01T00:00:11.000000Z,a,key-1,m,connect,1.000,,,
1970-01-01T00:00:12.000000Z,a,,m,rejected,0.000,,,
1970-01-01T00:00:21.000000Z,a,,m,rejected,0.000,,,
1970-01-01T00:00:22.000000Z,a,,m,rejected,0.000,,,
1970-01-01T00:00:30.000000Z,a,key-1,m,timeout,3000.000,,,
1970-01-01T00:00:31.000000Z,a,key-1,m,client_gone,3000.000,,,";

    fn event(at: u64, from: &str, to: &str) -> Event {
        let (key, reason) = ("a/key-1".to_owned(), String::new());
        Event { key, from: from.into(), to: to.into(), reason, at }
    }

    /// It is sick from 10 s to 20 s, and from 40 s to 50 s.
    fn record() -> Record {
        let lines: Vec<String> = CSV.lines().map(str::to_owned).collect();
        let said = [
            r#"{"kind":"whole","ok":true,"ms":100}"#,
            r#"{"kind":"whole","ok":true,"ms":300}"#,
            r#"{"kind":"whole","ok":false,"ms":9,"error":"503"}"#,
            "Traceback",
        ];
        Record {
            sick: vec![Sick { from: 10_000, to: 20_000 }, Sick { from: 40_000, to: 50_000 }],
            to: 60_000,
            rows: rows(&lines).unwrap(),
            events: vec![
                event(11_500, "closed", "open"),
                event(23_000, "open", "half-open"),
                event(24_000, "half-open", "closed"),
                event(42_000, "closed", "open"),
            ],
            seen: seen(said.into_iter()),
        }
    }

    #[test]
    fn calls_are_counted_by_what_the_script_did() {
        let measures = record().measures().unwrap();
        // One is cut as it begins, one is refused; one times out though nothing was done to it.
        assert_eq!(measures.get(WASTED), Some(3.0));
        assert_eq!(measures.get(STRAY), Some(1.0));
        assert_eq!(record().made(), 5);
        assert_eq!(measures.get(RIGHTLY), Some(1.0));
        assert_eq!(measures.get(WRONGLY), Some(2.0));
        assert_eq!(measures.get("errors at clients"), Some(2.0));
        assert_eq!(measures.get("latency p50, ms"), Some(300.0));
    }

    #[test]
    fn times_are_from_what_was_done_to_what_the_breaker_did() {
        let mut record = record();
        assert_eq!(record.to_open(), [Some(1.5), Some(2.0)]);
        assert_eq!(record.to_close(), [Some(4.0), None], "it never closes again");
        record.events.push(event(55_000, "open", "closed"));
        assert_eq!(record.to_close(), [Some(4.0), Some(5.0)]);
        // It opens so late that it is open still when the next one begins.
        record.events.drain(1..3);
        assert_eq!(record.to_open(), [Some(1.5), Some(0.0)]);
        assert_eq!(record.to_close(), [None, Some(5.0)]);
        record.events.clear();
        assert_eq!(record.to_open(), [None, None]);
        assert_eq!(record.to_close(), [Some(0.0), Some(0.0)]);
    }

    #[test]
    fn an_empty_record_says_nothing() {
        let nothing = Record { rows: Vec::new(), ..record() };
        assert!(nothing.measures().unwrap_err().contains("empty"));
        assert!(rows(&["time".into(), "yesterday,a".into()]).is_err());
    }

    #[test]
    fn a_median_is_of_those_that_have_the_figure() {
        let pass = |figure| Measures(vec![(TO_OPEN, figure)]);
        let of = |figures: &[Option<f64>]| {
            medians(&figures.iter().copied().map(pass).collect::<Vec<_>>()).get(TO_OPEN)
        };
        assert_eq!(of(&[Some(3.0), None, Some(1.0), Some(2.0)]), Some(2.0));
        assert_eq!(of(&[Some(3.0), Some(1.0)]), Some(2.0));
        assert_eq!(of(&[None]), None);
    }
}
