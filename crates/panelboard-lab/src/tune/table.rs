//! How does a person read in a terminal what a search came to?

use std::{fmt::Write as _, time::Duration};

use super::{Candidate, Tuning, Waste};
use crate::report::table::{number, push_aligned, push_wrapped};

/// Rows of the front that are shown.
const ROWS: usize = 12;
/// Episodes that are shown.
const EPISODES: usize = 5;

impl Tuning {
    /// The result as plain text: what was recorded, the current settings beside the recommended
    /// ones, the front, the reason, and what is to be pasted. `source` is what was read.
    ///
    /// ```
    /// # use panelboard_lab::{Recorder, TuneOptions, tune};
    /// # use std::ops::ControlFlow;
    /// let nothing = Recorder::default().finish();
    /// let tuning = tune(&nothing, &TuneOptions::default(), |_| ControlFlow::Continue(()))?;
    /// assert!(tuning.table("calls.csv").starts_with("calls.csv: 0 calls"));
    /// # Ok::<(), panelboard_lab::Stopped>(())
    /// ```
    #[must_use]
    pub fn table(&self, source: &str) -> String {
        let mut text = self.head(source);
        text.push('\n');
        push_aligned(&mut text, &self.compared());
        let _ = writeln!(
            text,
            "\nfront: {} of {} settings that were tried; figures are the worst with open times \
             \u{d7}0.6, \u{d7}0.9, \u{d7}1, \u{d7}1.4\n",
            self.front_size, self.tried
        );
        // Figures stand at the right, and what they are of begins in one column.
        let (figures, settings) = self.front_rows();
        let mut aligned = String::new();
        push_aligned(&mut aligned, &figures);
        let width = aligned.lines().map(|line| line.chars().count()).max().unwrap_or(0);
        for (line, settings) in aligned.lines().zip(settings) {
            let _ = writeln!(text, "{line:<width$}   {settings}");
        }
        let [now, then] = [&self.current, &self.recommended].map(|c| c.settings.line());
        let _ = writeln!(text, "\ncurrent:     {now}\nrecommended: {then}");
        push_wrapped(&mut text, &self.reason);
        let _ = write!(text, "\n{}", self.toml.trim_end());
        text
    }

    fn head(&self, source: &str) -> String {
        let share = 100.0 * self.bad_calls as f64 / self.calls.max(1) as f64;
        let slow =
            self.slow_us.map(|slow| format!(" or took {} or longer", time(slow as f64 / 1e6)));
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "{source}: {} to {} in {}, {} of them failed{} ({} %)",
            counted(self.calls, "call"),
            counted(self.keys, "key"),
            time(self.lasts_s),
            number(self.bad_calls as f64),
            slow.unwrap_or_default(),
            number(share),
        );
        let episodes = self.episodes_s.iter().take(EPISODES);
        let shown = episodes.map(|(from, to)| format!("{} from {}", time(to - from), time(*from)));
        let shown: Vec<String> = shown.collect();
        let more = match self.episodes_s.len().saturating_sub(EPISODES) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        let shown = if shown.is_empty() { "none".to_owned() } else { shown.join(", ") };
        push_wrapped(&mut text, &format!("bad episodes: {shown}{more}"));
        let held = match self.held_out_from_s {
            Some(from) => format!(
                "the settings were chosen on the calls of the first {}, and checked on the others",
                time(from)
            ),
            None => {
                "the settings were chosen on all calls: nothing is left to check them on".to_owned()
            }
        };
        push_wrapped(&mut text, &held);
        text
    }

    fn compared(&self) -> Vec<Vec<String>> {
        let both = [&self.current, &self.recommended];
        let row = |label: &str, cell: &dyn Fn(&Candidate) -> String| {
            let cells = both.iter().map(|candidate| cell(candidate));
            std::iter::once(label.to_owned()).chain(cells).collect::<Vec<_>>()
        };
        let n = |n: u64| number(n as f64);
        let mut rows = vec![
            vec![String::new(), "current".to_owned(), "recommended".to_owned()],
            row("wasted calls", &|c| n(c.all.wasted_calls)),
            row("  their time, s", &|c| number(c.all.wasted_us as f64 / 1e6)),
            row("wrongly rejected", &|c| n(c.all.rejected_wrongly)),
            row("rightly rejected", &|c| n(c.all.rejected_rightly)),
            row("time to detect, s", &detect),
            row("trips", &|c| n(c.all.trips)),
            row("not closed, s", &|c| number(c.all.not_closed_us as f64 / 1e6)),
        ];
        if self.current.held_out.is_some() {
            let held = |of: fn(&crate::Figures) -> u64| {
                move |c: &Candidate| c.held_out.as_ref().map_or(String::new(), |held| n(of(held)))
            };
            rows.push(row("held out: wasted calls", &held(|f| f.wasted_calls)));
            rows.push(row("held out: wrongly rejected", &held(|f| f.rejected_wrongly)));
        }
        rows
    }

    /// The figures of each row, and its settings.
    fn front_rows(&self) -> (Vec<Vec<String>>, Vec<String>) {
        let wasted = match self.by {
            Waste::Calls => "wasted",
            Waste::Time => "wasted, s",
        };
        let head = [wasted, "wrongly rejected", ""].map(str::to_owned).to_vec();
        let shown: Vec<&Candidate> = match self.front.len() {
            len if len <= ROWS => self.front.iter().collect(),
            len => (0..ROWS).map(|i| &self.front[i * (len - 1) / (ROWS - 1)]).collect(),
        };
        let mut all = shown;
        for own in [&self.current, &self.recommended] {
            if !all.iter().any(|candidate| candidate.settings == own.settings) {
                all.push(own);
            }
        }
        all.sort_by_key(|c| (c.judged, c.settings != self.current.settings));
        let settings = all.iter().map(|c| c.settings.line());
        let settings = std::iter::once("settings".to_owned()).chain(settings).collect();
        let rows = all.iter().map(|c| {
            let mark = match c.settings {
                settings if settings == self.recommended.settings => "*",
                settings if settings == self.current.settings => "now",
                _ => "",
            };
            vec![number(self.wasted(c.judged.0)), number(c.judged.1 as f64), mark.to_owned()]
        });
        (std::iter::once(head).chain(rows).collect(), settings)
    }
}

fn detect(candidate: &Candidate) -> String {
    let figures = &candidate.all;
    let episodes = figures.detected + figures.missed;
    match figures.time_to_detect_s() {
        None if episodes == 0 => "-".to_owned(),
        None => format!("never ({episodes} missed)"),
        Some(mean) if figures.missed == 0 => number(mean),
        Some(mean) => format!("{} ({}/{episodes} seen)", number(mean), figures.detected),
    }
}

fn counted(n: u64, what: &str) -> String {
    format!("{} {what}{}", number(n as f64), if n == 1 { "" } else { "s" })
}

/// Whole seconds, or milliseconds of a short time.
pub(super) fn time(seconds: f64) -> String {
    let millis = (seconds * 1e3).round().max(0.0) as u64;
    let millis = if millis < 10_000 { millis } else { (millis + 500) / 1_000 * 1_000 };
    humantime::format_duration(Duration::from_millis(millis)).to_string()
}
