//! Are the settings that `panelboard tune` recommends better on the wire, too?
//! `cargo xtask real-outage [--short] [--passes N] [--rate N] [--tokens N] [--seed N]
//! [--program PATH]`.
//!
//! Two llama.cpp servers with a small model stand behind the gateway, one as the other's spare, and
//! the unmodified `openai` SDK calls at a rate, whatever becomes of the calls before. The first
//! server is killed and restarted, stopped and continued, throttled, by a script. The outage is
//! played
//!
//! 1. with a patient breaker, that never trips: the gateway's log of these calls is what `tune` is
//!    given. (What a breaker rejects is not made and not in the log, so a log that was written
//!    under the settings that are to be judged hides their mistakes.) It chooses on the first two
//!    episodes and checks on the others;
//! 2. with the defaults;
//! 3. with what `tune` recommends, pasted into the configuration.
//!
//! The last two, `--passes` times each and by turns, are measured and set beside what was promised.
//! Every program is ended by its process id.

mod measure;
mod play;
mod promise;
mod script;

use std::{fs, path::PathBuf};

use serde_json::json;

use crate::{
    counts::Counts,
    http, install,
    llama::{Llama, SERVED},
    report::closing_line,
    server,
    story::Story,
    workspace::Workspace,
};
use measure::{Measures, RIGHTLY, Record, STRAY, TO_OPEN, WASTED, WRONGLY, medians};
use play::{Stage, write};
use promise::{Compared, Promise, compare, noise};
use script::Script;

const FIRST: &str = "llama-a";
const SPARE: &str = "spare";

/// The most failures in a row that a breaker takes: it never trips by them.
const PATIENT: &str = "[breaker]\nfailure_threshold = 8388607\n";

#[derive(Clone, Debug, PartialEq, Eq)]
struct Extent {
    short: bool,
    passes: u32,
    /// Calls a second.
    rate: u32,
    seed: u64,
    /// Of an answer at most.
    tokens: u32,
    program: Option<PathBuf>,
}

impl Extent {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let short = arguments.iter().any(|argument| argument == "--short");
        let mut extent = Self { short, passes: 1, rate: 5, seed: 1, tokens: 4, program: None };
        let mut rest = arguments.iter().filter(|argument| *argument != "--short");
        while let Some(option) = rest.next() {
            let value = rest.next().ok_or_else(|| format!("`{option}` needs a value"))?;
            let wrong = |e| format!("{option} {value}: {e}");
            match option.as_str() {
                "--passes" => extent.passes = value.parse::<u32>().map_err(wrong)?.clamp(1, 100),
                "--rate" => extent.rate = value.parse::<u32>().map_err(wrong)?.clamp(1, 100),
                "--tokens" => extent.tokens = value.parse::<u32>().map_err(wrong)?.clamp(1, 100),
                "--seed" => extent.seed = value.parse().map_err(wrong)?,
                "--program" => extent.program = Some(crate::extent::program(value)?),
                _ => {
                    return Err(format!(
                        "`real-outage` takes --short, --passes N, --rate N, --tokens N, --seed N \
                         and --program PATH, not `{option}`"
                    ));
                }
            }
        }
        Ok(extent)
    }
}

/// Runs it, and says what was promised and what came of it.
///
/// # Errors
/// An unknown argument, something that cannot be installed or started.
pub(crate) fn run(arguments: &[String]) -> Result<bool, String> {
    let extent = Extent::read(arguments)?;
    let workspace = Workspace::load()?;
    let counts = tell(&workspace, &extent)?;
    println!("{}", closing_line(counts));
    Ok(counts.failed == 0)
}

fn tell(workspace: &Workspace, extent: &Extent) -> Result<Counts, String> {
    let scripts = workspace.root.join("xtask/real-llm");
    let kit = Llama::install(workspace)?;
    let sdk = install::environment("openai-sdk", &scripts.join("requirements.txt"))?;
    let program = match &extent.program {
        Some(program) => program.clone(),
        None => server::build(workspace, if extent.short { "debug" } else { "release" })?,
    };
    let folder = workspace.target.join("real-outage");
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let script = Script::new(extent.short);
    let mut story = Story::new();
    let (first_port, spare_port) = (http::free_port()?, http::free_port()?);
    let first = kit.start(FIRST, first_port)?;
    let spare = kit.start(SPARE, spare_port)?;
    story.say(format!("{first:?} and {spare:?}: llama.cpp servers, {SERVED}, on one thread each"));
    story.say(format!("{} calls a second by chance of seed {}", extent.rate, extent.seed));
    story.say(format!("{FIRST} is {}", script.told()));
    let mut stage = Stage {
        program: &program,
        kit: &kit,
        client: (&sdk, &scripts.join("client.py")),
        folder: &folder,
        script: &script,
        rate: extent.rate,
        seed: extent.seed,
        tokens: extent.tokens,
        first,
        first_port,
        spare_port,
    };

    story.say("--- the recording: a breaker that never trips");
    let (record, calls) = stage.play("recorded", PATIENT, &mut story)?;
    let recorded = record.measures()?;
    keeps_up(&record, &recorded, &mut story);
    let promise = Promise::of(&program, &calls)?;
    story.say(format!("tune saw {} bad episodes. {}", promise.episodes, promise.reason));
    println!("\n{}", promise.toml);
    story.check(!promise.keeps, "tune recommends other settings than the defaults");
    story.check(promise.held_out, "and has checked them on episodes that did not choose");
    if promise.keeps {
        story.say("there is nothing to compare; its table and chart are in recorded.txt and .svg");
        return Ok(story.counts);
    }

    let (mut before, mut after, mut hindsight) = (Vec::new(), Vec::new(), None);
    for pass in 1..=extent.passes {
        story.say(format!("--- pass {pass} of {}: the defaults", extent.passes));
        let (record, calls) = stage.play(&format!("defaults-{pass}"), "", &mut story)?;
        let measures = record.measures()?;
        keeps_up(&record, &measures, &mut story);
        before.push(measures);
        hindsight.get_or_insert(calls);
        story.say(format!("--- pass {pass} of {}: what was recommended", extent.passes));
        let name = format!("recommended-{pass}");
        let (record, _) = stage.play(&name, &promise.toml, &mut story)?;
        let measures = record.measures()?;
        keeps_up(&record, &measures, &mut story);
        after.push(measures);
    }
    let (now, then) = (medians(&before), medians(&after));
    table(&promise, &now, &then);
    judge(&promise, (&now, &then), &mut story);
    if let Some(calls) = hindsight {
        // Not judged: it shows why the recording is one without a breaker.
        let from_defaults = Promise::of(&program, &calls)?;
        story.say(format!("tune on the log of the defaults: {}", from_defaults.reason));
    }

    let all = |passes: &[Measures]| passes.iter().map(Measures::json).collect::<Vec<_>>();
    let kept = json!({
        "command": "cargo xtask real-outage",
        "script": script.told(), "rate": extent.rate, "seed": extent.seed,
        "tokens": extent.tokens,
        "recommended": promise.toml, "reason": promise.reason,
        "promised": { "defaults": promise.now.json(), "recommended": promise.then.json() },
        "measured": { "defaults": now.json(), "recommended": then.json() },
        "passes": { "recorded": recorded.json(), "defaults": all(&before),
            "recommended": all(&after) },
        "failed": story.counts.failed, "tune": promise.report,
    });
    let file = folder.join("result.json");
    write(&file, &kept.to_string())?;
    story.say(format!("{}; logs, configurations and charts beside it", file.display()));
    Ok(story.counts)
}

/// What fails though nothing is done to it fails because the machine is too slow for the rate: then
/// the figures say nothing.
fn keeps_up(record: &Record, measures: &Measures, story: &mut Story) {
    let (calls, stray) = (record.made(), measures.get(STRAY).unwrap_or_default());
    story.check(
        stray <= calls as f64 / 50.0,
        format!("the machine keeps up: {stray} of {calls} calls failed while all was well"),
    );
}

/// Promised and measured, side by side.
fn table(promise: &Promise, now: &Measures, then: &Measures) {
    println!(
        "\n| | promised: defaults | promised: recommended | on the wire: defaults | on the wire: \
         recommended |\n| --- | --: | --: | --: | --: |"
    );
    for (name, _) in &now.0 {
        let cells = [&promise.now, &promise.then, now, then].map(|of| shown(of.get(name)));
        println!("| {name} | {} |", cells.join(" | "));
    }
    println!();
}

fn shown(figure: Option<f64>) -> String {
    match figure {
        Some(whole) if whole.fract() == 0.0 => format!("{whole:.0}"),
        Some(other) => format!("{other:.1}"),
        None => String::new(),
    }
}

/// Whether what was promised to be fewer is fewer, and nothing is more than it was or was promised
/// to be.
fn judge(promise: &Promise, (now, then): (&Measures, &Measures), story: &mut Story) {
    let mut better = 0;
    for name in [WASTED, WRONGLY] {
        let [promised_now, promised, was, is] =
            [&promise.now, &promise.then, now, then].map(|of| of.get(name).unwrap_or_default());
        let compared = compare(was, is);
        better += usize::from(compared == Compared::Better && promised < promised_now);
        // Less of one may have been said to cost more of the other.
        let told = (promised - promised_now).max(0.0);
        let what = format!(
            "{name}: promised {} instead of {}, on the wire {} instead of {}: {} (noise ±{:.0})",
            shown(Some(promised)),
            shown(Some(promised_now)),
            shown(Some(is)),
            shown(Some(was)),
            compared.words(),
            noise(was, is),
        );
        story.check(compare(was + told, is) != Compared::Worse, what);
    }
    story.check(better > 0, format!("{better} of the figures that were promised to be fewer are"));
    for name in [RIGHTLY, TO_OPEN, "errors at clients"] {
        let [was, is] = [now, then].map(|of| shown(of.get(name)));
        story.say(format!("{name}: {is} instead of {was}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Extent, String> {
        Extent::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_in_any_order() {
        let plain = Extent { short: false, passes: 1, rate: 5, seed: 1, tokens: 4, program: None };
        assert_eq!(read(""), Ok(plain.clone()));
        assert_eq!(read("--passes 3 --short"), Ok(Extent { short: true, passes: 3, ..plain }));
        for line in ["--minutes 3", "--passes", "--passes some", "--seed -1"] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    fn figures(wasted: f64, wrongly: f64) -> Measures {
        Measures(vec![(WASTED, Some(wasted)), (WRONGLY, Some(wrongly))])
    }

    /// How many of the three checks fail, where 40 and 200 were promised to become 60 and 50.
    fn failed(is: (f64, f64)) -> u64 {
        let promise = Promise {
            now: figures(40.0, 200.0),
            then: figures(60.0, 50.0),
            toml: String::new(),
            reason: String::new(),
            keeps: false,
            episodes: 4,
            held_out: true,
            report: serde_json::Value::Null,
        };
        let mut story = Story::new();
        judge(&promise, (&figures(42.0, 210.0), &figures(is.0, is.1)), &mut story);
        story.counts.failed
    }

    #[test]
    fn a_promise_is_kept_by_what_it_said_would_be_fewer() {
        assert_eq!(failed((42.0, 60.0)), 0);
        assert_eq!(failed((75.0, 60.0)), 0, "it was said to cost so much");
        assert_eq!(failed((120.0, 60.0)), 1, "it was not said to cost so much");
        assert_eq!(failed((42.0, 200.0)), 1, "nothing is fewer by more than noise");
        assert_eq!(failed((42.0, 300.0)), 2, "they are more");
    }

    #[test]
    fn figures_are_shown_as_people_write_them() {
        assert_eq!(shown(Some(12.0)), "12");
        assert_eq!(shown(Some(1.25)), "1.2");
        assert_eq!(shown(None), "");
    }
}
