//! What happened when, to the key with the most bad calls?

use std::ops::ControlFlow;

use serde::Serialize;

use super::{Candidate, split::Split, work::Work};
use crate::{
    calls::Recording,
    replay::{Changes, Track, is_bad},
    simulate::Stopped,
};

/// Steps of a timeline.
const STEPS: u64 = 240;
/// Changes of a breaker that are told. A key that flaps for years has more.
const MOST_CHANGES: usize = 10_000;

/// Traffic and failures of one key as they were recorded, and the states in which breakers would
/// have been. Times are seconds from the recording's beginning.
///
/// ```
/// # use panelboard_lab::{Recorder, TuneOptions, tune};
/// # use std::ops::ControlFlow;
/// let nothing = Recorder::default().finish();
/// let tuning = tune(&nothing, &TuneOptions::default(), |_| ControlFlow::Continue(()))?;
/// assert_eq!(tuning.timeline.key, "");
/// # Ok::<(), panelboard_lab::Stopped>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct KeyTimeline {
    /// The key.
    pub key: String,
    /// The length of a step.
    pub step_s: f64,
    /// Calls that began in each step.
    pub calls: Vec<u32>,
    /// Those of them that are bad.
    pub bad: Vec<u32>,
    /// When the key was bad.
    pub episodes_s: Vec<(f64, f64)>,
    /// When a breaker with the current settings would have changed, and into which state. It begins
    /// closed; an open one is half-open from its first probe on. At most 10,000 are told.
    pub current: Vec<(f64, String)>,
    /// The same with the recommended ones.
    pub recommended: Vec<(f64, String)>,
}

impl KeyTimeline {
    pub(super) fn new<W: FnMut(f64) -> ControlFlow<()> + Send>(
        recording: &Recording,
        split: &Split,
        slow_us: Option<u64>,
        of: &[&Candidate; 2],
        work: &Work<W>,
    ) -> Result<Self, Stopped> {
        let Some(key) = recording.keys.get(split.worst) else { return Ok(Self::default()) };
        let episodes = &split.episodes[split.worst];
        let track = Track::new(&key.calls, &split.all, recording.from, slow_us, episodes);
        let seconds = |micros: u64| micros as f64 / 1e6;
        let step = (recording.lasts_us() / STEPS + 1).max(1);
        let mut timeline = Self {
            key: key.name.clone(),
            step_s: seconds(step),
            calls: vec![0; STEPS as usize],
            bad: vec![0; STEPS as usize],
            episodes_s: episodes.iter().map(|e| (seconds(e.from), seconds(e.to))).collect(),
            ..Self::default()
        };
        for call in &key.calls {
            let at = (call.at.abs_diff(recording.from) / step).min(STEPS - 1) as usize;
            timeline.calls[at] += 1;
            timeline.bad[at] += u32::from(is_bad(*call, slow_us));
        }
        let told = |changes: Changes| {
            let first = changes.into_iter().take(MOST_CHANGES);
            first.map(|(at, state)| (seconds(at), state.to_string())).collect()
        };
        let changes =
            |settings| work.changes(settings, (&track, split.worst)).ok_or(Stopped).map(told);
        timeline.current = changes(&of[0].settings)?;
        timeline.recommended = changes(&of[1].settings)?;
        Ok(timeline)
    }
}
