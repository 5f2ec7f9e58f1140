//! What did the breakers do? Read from the gateway's numbered transitions, judged here.

use std::net::SocketAddr;

use serde_json::Value;

use crate::http;

/// A transition, as `GET /v1/events?format=json` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) key: String,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) reason: String,
    /// Milliseconds since 1970.
    pub(crate) at: u64,
}

/// Reads transitions in order, each once.
#[derive(Debug)]
pub(crate) struct Watch {
    gateway: SocketAddr,
    after: u64,
    pub(crate) events: Vec<Event>,
}

impl Watch {
    pub(crate) fn new(gateway: SocketAddr) -> Self {
        Self { gateway, after: 0, events: Vec::new() }
    }

    /// Fetches what is new.
    ///
    /// # Errors
    /// The gateway does not answer, or has dropped events: nothing can be said then.
    pub(crate) fn look(&mut self) -> Result<(), String> {
        let path = format!("/v1/events?format=json&after={}", self.after);
        let answer = http::get(self.gateway, &path)?;
        if let Some(missed) = answer["missed"].as_u64().filter(|missed| *missed > 0) {
            return Err(format!("the gateway dropped {missed} events before we asked"));
        }
        for item in answer["items"].as_array().into_iter().flatten() {
            self.after = self.after.max(item["seq"].as_u64().unwrap_or_default());
            self.events.push(read(item)?);
        }
        Ok(())
    }

    /// Transitions of the breakers of `provider`, its own and its keys', from `first` on.
    pub(crate) fn of(&self, provider: &str, first: usize) -> Vec<&Event> {
        let events = self.events.iter().skip(first);
        events.filter(|event| belongs(&event.key, provider)).collect()
    }
}

/// Whether every breaker of `provider` is closed and at least one was asked about.
///
/// # Errors
/// The gateway does not answer.
pub(crate) fn all_closed(gateway: SocketAddr, provider: &str) -> Result<bool, String> {
    let states: Vec<bool> = items(gateway, provider)?
        .iter()
        .map(|item| item["state"].as_str() == Some("closed"))
        .collect();
    Ok(!states.is_empty() && states.into_iter().all(|closed| closed))
}

/// The most probes in flight at any of `provider`'s breakers, now.
///
/// # Errors
/// The gateway does not answer.
pub(crate) fn probes(gateway: SocketAddr, provider: &str) -> Result<u64, String> {
    let items = items(gateway, provider)?;
    Ok(items.iter().filter_map(|item| item["probes_in_flight"].as_u64()).max().unwrap_or(0))
}

fn items(gateway: SocketAddr, provider: &str) -> Result<Vec<Value>, String> {
    let answer = http::get(gateway, "/v1/breakers")?;
    let items = answer["items"].as_array().cloned().unwrap_or_default();
    Ok(items
        .into_iter()
        .filter(|item| belongs(item["key"].as_str().unwrap_or_default(), provider))
        .collect())
}

fn belongs(key: &str, provider: &str) -> bool {
    key.strip_prefix(provider).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn read(item: &Value) -> Result<Event, String> {
    let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
    let at = text("at");
    Ok(Event {
        key: text("key"),
        from: text("from"),
        to: text("to"),
        reason: text("reason"),
        at: parse_time(&at).ok_or_else(|| format!("no RFC 3339 time: `{at}`"))?,
    })
}

/// One outage and its end, told by transitions: tripped, probed, closed again.
///
/// Each half-open generation of a breaker must end by one verdict: open again or closed. Answers
/// when the last breaker closed.
///
/// # Errors
/// What is missing, or out of order.
pub(crate) fn one_outage(events: &[&Event]) -> Result<u64, String> {
    if !events.iter().any(|event| event.to == "open") {
        return Err("no breaker opened".into());
    }
    let mut keys: Vec<&str> = events.iter().map(|event| event.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut closed_at = 0;
    for key in keys {
        let path: Vec<&Event> = events.iter().filter(|event| event.key == key).copied().collect();
        for pair in path.windows(2) {
            if pair[0].to != pair[1].from {
                return Err(format!("{key}: went to {} and left {}", pair[0].to, pair[1].from));
            }
        }
        let last = path.last().ok_or("no events")?;
        if last.to != "closed" {
            return Err(format!("{key}: is left {}", last.to));
        }
        if last.from != "half-open" {
            return Err(format!("{key}: closed without a probe"));
        }
        closed_at = closed_at.max(last.at);
    }
    Ok(closed_at)
}

/// Milliseconds since 1970 of a time such as `2026-11-21T06:52:33.123Z`.
pub(crate) fn parse_time(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut clock = clock.split(':').map(|part| part.parse::<i64>().ok());
    let seconds = clock.next()?? * 3600 + clock.next()?? * 60 + clock.next()??;
    let thousandths: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    // Days from the civil calendar, the year beginning in March so that the leap day is its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468;
    u64::try_from((days * 86_400 + seconds) * 1000 + thousandths).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(key: &str, from: &str, to: &str) -> Event {
        Event { key: key.into(), from: from.into(), to: to.into(), reason: String::new(), at: 7 }
    }

    fn judged(events: &[Event]) -> Result<u64, String> {
        one_outage(&events.iter().collect::<Vec<_>>())
    }

    #[test]
    fn an_outage_that_heals_is_accepted() {
        let events = [
            event("a/1", "closed", "open"),
            event("a/1", "open", "half-open"),
            event("a/1", "half-open", "open"),
            event("a/1", "open", "half-open"),
            event("a/1", "half-open", "closed"),
        ];
        assert_eq!(judged(&events), Ok(7));
    }

    #[test]
    fn what_is_missing_is_told() {
        let open = event("a/1", "closed", "open");
        let probe = event("a/1", "open", "half-open");
        let close = event("a/1", "half-open", "closed");
        assert!(judged(&[]).unwrap_err().contains("no breaker opened"));
        assert!(judged(std::slice::from_ref(&open)).unwrap_err().contains("left open"));
        assert!(judged(&[open.clone(), probe.clone()]).unwrap_err().contains("left half-open"));
        // Two verdicts in one half-open generation: the second comes from nowhere.
        let twice = [open.clone(), probe, close.clone(), close];
        assert!(judged(&twice).unwrap_err().contains("went to closed and left half-open"));
        let by_hand = [open, event("a/1", "open", "closed")];
        assert!(judged(&by_hand).unwrap_err().contains("without a probe"));
    }

    #[test]
    fn a_providers_breakers_are_its_own_and_its_keys() {
        assert!(belongs("llama-a", "llama-a") && belongs("llama-a/key-1", "llama-a"));
        assert!(!belongs("llama-ab/key-1", "llama-a"));
    }

    #[test]
    fn times_are_read() {
        assert_eq!(parse_time("1970-01-01T00:00:00.001Z"), Some(1));
        assert_eq!(parse_time("2024-02-29T12:00:00Z"), Some(1_709_208_000_000));
        assert_eq!(parse_time("2026-11-21T06:52:33.5Z"), Some(1_795_243_953_500));
        assert_eq!(parse_time("yesterday"), None);
    }
}
