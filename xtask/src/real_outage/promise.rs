//! What did `panelboard tune` promise, and was it kept?

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;

use crate::process;

use super::measure::{Measures, RIGHTLY, TO_OPEN, WASTED, WRONGLY};

/// What settings were recommended for, and what they would have done.
#[derive(Clone, Debug)]
pub(super) struct Promise {
    pub(super) now: Measures,
    pub(super) then: Measures,
    /// What is to be pasted.
    pub(super) toml: String,
    pub(super) reason: String,
    /// It recommends to leave all as it is.
    pub(super) keeps: bool,
    pub(super) episodes: usize,
    pub(super) held_out: bool,
    pub(super) report: Value,
}

/// How a measure on the wire compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compared {
    Better,
    Same,
    Worse,
}

impl Promise {
    /// Asks `panelboard tune` about recorded calls; its table and its chart stay beside them.
    ///
    /// # Errors
    /// It does not take them.
    pub(super) fn of(program: &Path, csv: &Path) -> Result<Self, String> {
        let beside = |end: &str| -> PathBuf { csv.with_extension(end) };
        let tune = |arguments: &[&str]| {
            let mut command = Command::new(program);
            command.arg("tune").arg(csv).args(arguments);
            let ended = process::run(command, Duration::from_secs(300), false)?;
            match ended.success() {
                true => Ok(ended.lines),
                false => Err(format!("tune: {}\n{}", ended.how(), ended.lines.join("\n"))),
            }
        };
        let svg = beside("svg").display().to_string();
        let table = tune(&["--svg", &svg])?.join("\n");
        let file = beside("txt");
        std::fs::write(&file, table).map_err(|e| format!("{}: {e}", file.display()))?;
        let lines = tune(&["--json"])?;
        let line = lines.iter().find(|line| line.starts_with('{')).ok_or("tune wrote no JSON")?;
        let report = serde_json::from_str(line).map_err(|e| format!("tune wrote no JSON: {e}"))?;
        Self::read(report)
    }

    /// # Errors
    /// It is not what `tune` writes.
    fn read(report: Value) -> Result<Self, String> {
        let text = |name: &str| report[name].as_str().map(str::to_owned);
        let read = || {
            Some(Self {
                now: figures(&report["current"]["all"])?,
                then: figures(&report["recommended"]["all"])?,
                toml: text("toml")?,
                reason: text("reason")?,
                keeps: report["current"]["settings"] == report["recommended"]["settings"],
                episodes: report["episodes_s"].as_array()?.len(),
                held_out: report["held_out_from_s"].is_number(),
                report: Value::Null,
            })
        };
        let read = read().ok_or_else(|| format!("not what tune writes: {report}"))?;
        Ok(Self { report, ..read })
    }
}

fn figures(of: &Value) -> Option<Measures> {
    let number = |name: &str| of[name].as_f64();
    let detected = number("detected")?;
    let to_open = (detected > 0.0).then(|| number("detect_us").map(|us| us / 1e6 / detected));
    Some(Measures(vec![
        (WASTED, Some(number("wasted_calls")?)),
        (WRONGLY, Some(number("rejected_wrongly")?)),
        (RIGHTLY, Some(number("rejected_rightly")?)),
        (TO_OPEN, to_open.flatten()),
    ]))
}

/// How many calls two counts may differ by without saying anything: twice the standard deviation of
/// the difference of two counts of independent events.
pub(super) fn noise(now: f64, then: f64) -> f64 {
    2.0 * (now + then).sqrt()
}

/// Fewer is better.
pub(super) fn compare(now: f64, then: f64) -> Compared {
    let noise = noise(now, then);
    match then - now {
        less if less < -noise => Compared::Better,
        more if more > noise => Compared::Worse,
        _ => Compared::Same,
    }
}

impl Compared {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::Same => "the same within noise",
            Self::Worse => "worse",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Value {
        let figures = |wasted: u64| {
            serde_json::json!({ "wasted_calls": wasted, "rejected_wrongly": 2 * wasted,
                "rejected_rightly": 7, "detected": 2, "detect_us": 3_000_000 })
        };
        serde_json::json!({
            "current": { "settings": { "failure_threshold": 5 }, "all": figures(40) },
            "recommended": { "settings": { "failure_threshold": 2 }, "all": figures(10) },
            "toml": "[breaker]\nfailure_threshold = 2\n", "reason": "It wastes less.",
            "episodes_s": [[1.0, 2.0], [3.0, 4.0]], "held_out_from_s": 2.5,
        })
    }

    #[test]
    fn a_promise_is_read_from_what_tune_writes() {
        let promise = Promise::read(report()).unwrap();
        assert_eq!((promise.now.get(WASTED), promise.then.get(WASTED)), (Some(40.0), Some(10.0)));
        assert_eq!(promise.then.get(WRONGLY), Some(20.0));
        assert_eq!(promise.now.get(TO_OPEN), Some(1.5));
        assert!(promise.held_out && !promise.keeps && promise.episodes == 2);
        let mut same = report();
        same["recommended"] = same["current"].clone();
        assert!(Promise::read(same).unwrap().keeps);
    }

    #[test]
    fn what_is_no_report_is_refused() {
        let mut broken = report();
        broken["current"]["all"]["wasted_calls"] = Value::Null;
        assert!(Promise::read(broken).unwrap_err().contains("not what tune writes"));
    }

    #[test]
    fn a_difference_counts_only_above_the_noise() {
        assert_eq!(compare(100.0, 60.0), Compared::Better);
        assert_eq!(compare(60.0, 100.0), Compared::Worse);
        assert_eq!(compare(50.0, 40.0), Compared::Same);
        assert_eq!(compare(40.0, 50.0), Compared::Same);
        assert_eq!(compare(0.0, 0.0), Compared::Same);
    }
}
