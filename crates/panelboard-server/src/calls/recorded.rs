//! Which calls of the log are replayed, and as what?
//!
//! The same as if `panelboard calls --csv` had printed them and the lab had read that: the breaker
//! is `provider/key`, and a target that was passed by is no call.

use panelboard_lab::{Ended, RecordedCall, Recorder, Recording, Unfit};
use panelboard_store::Call;

use crate::clock::micros;

/// What the gateway writes down of a target that it went past. Not a call: it was not made.
const REJECTED: &str = "rejected";

/// Takes calls of the log, and counts those that it leaves out.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    key: Option<String>,
    model: Option<String>,
    recorder: Recorder,
    /// Lines of the log.
    pub(crate) rows: u64,
    /// Lines of targets that were passed by.
    pub(crate) rejected: u64,
    /// Calls of other breakers, or to other models.
    pub(crate) others: u64,
}

impl Recorded {
    /// Takes those of this breaker only, `provider/key`, and to this model only.
    pub(crate) fn of(key: Option<String>, model: Option<String>) -> Self {
        Self { key, model, ..Self::default() }
    }

    pub(crate) fn take(&mut self, call: &Call) -> Result<(), Unfit> {
        self.rows += 1;
        if &*call.outcome == REJECTED {
            self.rejected += 1;
            return Ok(());
        }
        let key = format!("{}/{}", call.provider, call.key);
        let wanted =
            |is: &str, wanted: &Option<String>| wanted.as_deref().is_none_or(|wanted| is == wanted);
        if !wanted(&key, &self.key) || !wanted(&call.model, &self.model) {
            self.others += 1;
            return Ok(());
        }
        // Every class that the gateway knows is known; what a newer one writes says nothing here.
        let ended = Ended::of(&call.outcome).unwrap_or(Ended::Ignored);
        let took_us = u64::try_from(call.took.as_micros()).unwrap_or(u64::MAX);
        self.recorder.push(&RecordedCall::new(micros(call.at), &key, took_us, ended))
    }

    pub(crate) fn finish(self) -> Recording {
        self.recorder.finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn call(key: &str, model: &str, outcome: &str) -> Call {
        Call {
            at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000),
            provider: "p".into(),
            key: key.into(),
            model: model.into(),
            outcome: outcome.into(),
            status: None,
            took: Duration::from_millis(30),
            first_byte: None,
            tokens: None,
        }
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let mut recorded = Recorded::of(Some("p/a".to_owned()), Some("m".to_owned()));
        let rows = [
            ("a", "m", "success"),
            ("a", "m", "server_error"),
            ("", "m", "rejected"),
            ("b", "m", "success"),
            ("a", "n", "success"),
            ("a", "m", "a word of tomorrow"),
        ];
        for (key, model, outcome) in rows {
            recorded.take(&call(key, model, outcome)).unwrap();
        }
        let counts = (recorded.rows, recorded.rejected, recorded.others);
        let recording = recorded.finish();
        assert_eq!((counts, recording.calls()), ((6, 1, 2), 3));
        assert_eq!(recording.keys().collect::<Vec<_>>(), ["p/a"]);
    }
}
