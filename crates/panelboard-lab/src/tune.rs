//! Which settings would have been better for the calls that were recorded?
//!
//! # Where is what
//!
//! | question | file |
//! | --- | --- |
//! | which part of the calls chooses, and which one checks | `split` |
//! | which setting is recommended, and why | `choice` |
//! | how are many replays made on many threads | `work` |
//! | how does it read, as a table and as a picture | `table`, `picture` |

mod choice;
mod options;
mod picture;
mod split;
mod table;
mod timeline;
mod work;

use std::{ops::ControlFlow, time::Duration};

use serde::Serialize;

pub use self::{
    options::{TuneOptions, Waste},
    timeline::KeyTimeline,
};
use self::{split::Split, work::Work};
use crate::{
    calls::Recording,
    replay::Figures,
    search::{Judged, Pair, Tried, front, search},
    settings::Settings,
    simulate::Stopped,
};

/// Settings of the front that are told one by one.
const TOLD: usize = 24;

/// What a search came to. As JSON its fields have these names.
///
/// ```
/// # let mut text = "time,key,duration_ms,outcome\n".to_owned();
/// # for second in 0..300 {
/// #     let outcome = if (100..130).contains(&second) { "failure" } else { "ok" };
/// #     text += &format!("{},a,100,{outcome}\n", 1_790_000_000 + second);
/// # }
/// use panelboard_lab::{CallReader, TuneOptions, tune};
/// use std::ops::ControlFlow;
///
/// let recording = CallReader::default().csv("calls.csv", text.as_bytes())?.recording;
/// let tuning = tune(&recording, &TuneOptions::default(), |_| ControlFlow::Continue(()))?;
/// assert!(tuning.recommended.all.wasted_calls <= tuning.current.all.wasted_calls);
/// assert!(tuning.table("calls.csv").contains("wrongly rejected"));
/// let json = serde_json::to_value(&tuning)?;
/// assert_eq!(json["current"]["settings"]["failure_threshold"], 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Tuning {
    /// Calls that were replayed.
    pub calls: u64,
    /// Those of them that are bad.
    pub bad_calls: u64,
    /// Keys.
    pub keys: u64,
    /// When the first call began, in microseconds since the epoch.
    pub from_us: i64,
    /// From there to the beginning of the last call, in seconds.
    pub lasts_s: f64,
    /// When some key was bad, in seconds from the beginning.
    pub episodes_s: Vec<(f64, f64)>,
    /// Where what was left out of the search begins, in seconds from the beginning; none if there
    /// was nothing to spare.
    pub held_out_from_s: Option<f64>,
    /// What counted as waste.
    pub by: Waste,
    /// What counted as slow, in microseconds.
    pub slow_us: Option<u64>,
    /// The seed of the search and of the breakers' jitter.
    pub seed: u64,
    /// Settings that were tried.
    pub tried: u64,
    /// What is now.
    pub current: Candidate,
    /// What is recommended; the same as `current` if nothing better was found.
    pub recommended: Candidate,
    /// Why, in a sentence or two.
    pub reason: String,
    /// What is to be pasted into the configuration.
    pub toml: String,
    /// Settings that nothing tried is better than, on the calls that chose; of many an even choice.
    pub front: Vec<Candidate>,
    /// How many there are.
    pub front_size: u64,
    /// What they are judged by: of all settings that were tried and, in order, of those on the
    /// front.
    pub pairs: Pairs,
    /// What happened to the key with the most bad calls.
    pub timeline: KeyTimeline,
}

/// What settings are judged by: see [`Candidate::judged`].
///
/// ```
/// assert!(panelboard_lab::Pairs::default().front.is_empty());
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Pairs {
    /// Of each setting.
    pub all: Vec<(u64, u64)>,
    /// Of those on the front.
    pub front: Vec<(u64, u64)>,
}

/// Settings, and what they would have done.
///
/// ```
/// # use panelboard_lab::{Recorder, TuneOptions, tune};
/// # use std::ops::ControlFlow;
/// let nothing = Recorder::default().finish();
/// let tuning = tune(&nothing, &TuneOptions::default(), |_| ControlFlow::Continue(()))?;
/// assert_eq!(tuning.current, tuning.recommended);
/// # Ok::<(), panelboard_lab::Stopped>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Candidate {
    /// The settings.
    pub settings: Settings,
    /// Over all calls.
    pub all: Figures,
    /// Over those that chose.
    pub chosen_on: Figures,
    /// What it is judged by: what is wasted, and what is wrongly rejected, over the calls that
    /// chose; of each the worst with its open times as they are, 0.6, 0.9 and 1.4 times as long.
    pub judged: (u64, u64),
    /// Over those that were left out of the search.
    pub held_out: Option<Figures>,
    /// As `judged`, over those.
    pub held_out_judged: Option<(u64, u64)>,
}

/// Searches for settings that waste less and reject less wrongly.
///
/// `watch` is told the share that is done, from 0 to 1, and says whether to go on; it is called by
/// the threads that replay, one at a time, and never comes back to a smaller share. The same
/// recording and options give the same result, to the last bit, whatever the number of threads.
///
/// About 200 ns for each call and setting; 48 bytes a call beside the recording.
///
/// ```
/// # let mut text = "time,key,duration_ms,outcome\n".to_owned();
/// # for second in 0..300 {
/// #     let outcome = if (100..130).contains(&second) { "failure" } else { "ok" };
/// #     text += &format!("{},a,100,{outcome}\n", 1_790_000_000 + second);
/// # }
/// use panelboard_lab::{CallReader, TuneOptions, tune};
/// use std::ops::ControlFlow;
///
/// let recording = CallReader::default().csv("calls.csv", text.as_bytes())?.recording;
/// let tuning = tune(&recording, &TuneOptions::default().seed(7), |_| ControlFlow::Continue(()))?;
/// println!("{}\n{}", tuning.reason, tuning.toml);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Stopped`], if `watch` said so.
pub fn tune(
    recording: &Recording,
    options: &TuneOptions,
    watch: impl FnMut(f64) -> ControlFlow<()> + Send,
) -> Result<Tuning, Stopped> {
    let slow_us = options.slow.map(micros);
    let split = Split::new(recording, slow_us);
    let calls = |part: &std::ops::Range<i64>| split.calls(recording, part);
    let later = (TOLD + 2) * (calls(&split.all) + split.held_out.as_ref().map_or(0, calls));
    let search_events = (options.candidates + 1) * calls(&split.chooses);
    let events = |calls: usize| 2 * work::REPLAYS * calls;
    let work = Work::new(options, events(later + search_events), watch);
    let tried = {
        let tracks = split.tracks(recording, &split.chooses, slow_us);
        search((options.current, options.slow), (options.seed, options.candidates), |settings| {
            work.replay(settings, &tracks)
        })
        .ok_or(Stopped)?
    };
    work.reach(events(search_events)).continue_value().ok_or(Stopped)?;
    let pairs: Vec<Pair> = tried.iter().map(|tried| tried.judged.pair).collect();
    let best = front(&pairs);
    let chosen = choice::choose(options.by, &tried, &pairs, &best);
    let mut told = choice::thinned(&best, TOLD);
    told.extend([0, chosen]);
    let candidates = candidates(recording, &split, (&tried, &told), &work, slow_us)?;
    let [front @ .., current, recommended] = &candidates[..] else { return Err(Stopped) };
    let (recommended, reason) = choice::checked(current, recommended, &split);
    let timeline = KeyTimeline::new(recording, &split, slow_us, &[current, &recommended], &work)?;
    work.finish().continue_value().ok_or(Stopped)?;
    let seconds = |micros: u64| micros as f64 / 1e6;
    Ok(Tuning {
        calls: recording.calls(),
        bad_calls: split.bad_calls,
        keys: recording.keys.len() as u64,
        from_us: recording.from,
        lasts_s: seconds(recording.lasts_us()),
        episodes_s: split.troubles.iter().map(|t| (seconds(t.from), seconds(t.to))).collect(),
        held_out_from_s: split
            .held_out
            .as_ref()
            .map(|part| seconds(part.start.abs_diff(recording.from))),
        by: options.by,
        slow_us,
        seed: options.seed,
        tried: tried.len() as u64,
        current: *current,
        toml: recommended.settings.toml(),
        recommended,
        reason,
        front: front.to_vec(),
        front_size: best.len() as u64,
        pairs: Pairs { front: best.iter().map(|number| pairs[*number]).collect(), all: pairs },
        timeline,
    })
}

/// Replays those that are told on the other parts as well.
fn candidates<W: FnMut(f64) -> ControlFlow<()> + Send>(
    recording: &Recording,
    split: &Split,
    (tried, told): (&[Tried], &[usize]),
    work: &Work<W>,
    slow_us: Option<u64>,
) -> Result<Vec<Candidate>, Stopped> {
    let settings: Vec<Settings> = told.iter().map(|number| tried[*number].settings).collect();
    let over = |part| {
        let tracks = split.tracks(recording, part, slow_us);
        work.replay(&settings, &tracks).ok_or(Stopped)
    };
    let held_out = split.held_out.as_ref().map(over).transpose()?;
    // Without a part that is held out all calls have chosen.
    let all = if held_out.is_some() { Some(over(&split.all)?) } else { None };
    let each = told.iter().enumerate().map(|(i, number)| {
        let Judged { figures: chosen_on, pair } = tried[*number].judged;
        let held_out = held_out.as_ref().map(|held_out| held_out[i]);
        Candidate {
            settings: tried[*number].settings,
            all: all.as_ref().map_or(chosen_on, |all| all[i].figures),
            chosen_on,
            judged: pair,
            held_out: held_out.map(|held_out| held_out.figures),
            held_out_judged: held_out.map(|held_out| held_out.pair),
        }
    });
    Ok(each.collect())
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
