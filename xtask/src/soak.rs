//! What is found by searching for hours? `cargo xtask soak --for 2h`: the long searches in turn,
//! each time from a fresh seed, and a line in the ledger that is written again after each turn.

use std::time::{Duration, Instant};

use crate::{
    clock,
    counts::Counts,
    ledger::Ledger,
    models::{CORE_AND_OTHERS, Checker},
    report::closing_line,
    verify::{
        self,
        figures::{Figures, grouped},
        job::{Finding, Found, Job, Kind},
    },
    workspace::Workspace,
};

/// How long a turn is meant to take; the first of each kind is shorter, to see how fast it goes.
const TURN: Duration = Duration::from_secs(120);

/// A kind of search, and how it is told how much to do.
#[derive(Clone, Copy)]
struct Search {
    name: &'static str,
    /// Of its first turn.
    amount: u64,
    run: fn(&Workspace, &Turn) -> Result<Found, String>,
}

/// What one turn of a search is told.
struct Turn<'a> {
    amount: u64,
    seed: u64,
    left: Duration,
    /// The models that draw by chance, as the first turn of this search has found them.
    by_chance: &'a [String],
}

const SEARCHES: [Search; 7] = [
    Search {
        name: "shuttle core",
        amount: 20_000,
        run: |w, turn| shuttle(w, CORE_AND_OTHERS.0, turn),
    },
    Search {
        name: "shuttle others",
        amount: 20_000,
        run: |w, turn| shuttle(w, CORE_AND_OTHERS.1, turn),
    },
    Search { name: "operations", amount: 20_000, run: operations },
    Search { name: "histories", amount: 5_000, run: histories },
    Search { name: "seeds", amount: 1_000, run: seeds },
    Search { name: "fuzz config", amount: 30, run: |w, turn| fuzz(w, 0, turn.amount) },
    Search { name: "fuzz script", amount: 30, run: |w, turn| fuzz(w, 1, turn.amount) },
];

/// `cargo xtask soak --for 2h [--only shuttle]`.
///
/// # Errors
/// No time is stated, there is no such search, or it cannot be built.
pub(crate) fn run(arguments: &[String]) -> Result<bool, String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (time, only) = match words[..] {
        ["--for", time] => (duration(time)?, None),
        ["--for", time, "--only", name] => (duration(time)?, Some(name)),
        _ => {
            let how = "`soak` takes `--for TIME`, such as `--for 2h` or `--for 90m`";
            return Err(format!("{how}, and then `--only NAME`: {}", names(&SEARCHES)));
        }
    };
    let searches = chosen(only)?;
    let by_chance = vec![Vec::new(); searches.len()];
    let workspace = Workspace::load()?;
    let mut soak = Soak {
        ledger: Ledger::new(&workspace),
        workspace,
        searches,
        what: only.map_or_else(|| "soak".into(), |name| format!("soak {name}")),
        start: clock::now(),
        time,
        figures: Figures::default(),
        findings: Vec::new(),
        by_chance,
        failures: 0,
    };
    // From the first moment on: a run that is ended from outside has its line too.
    soak.write()?;
    soak.turns()?;
    for finding in &soak.findings {
        finding.tell();
    }
    let failed = soak.findings.len() as u64 + soak.failures;
    println!("{}", closing_line(Counts { passed: 0, failed, skipped: 0 }));
    Ok(failed == 0)
}

struct Soak {
    workspace: Workspace,
    ledger: Ledger,
    searches: Vec<Search>,
    /// As it stands in the ledger.
    what: String,
    start: Instant,
    time: Duration,
    figures: Figures,
    findings: Vec<Finding>,
    /// Of each search.
    by_chance: Vec<Vec<String>>,
    /// Turns that could not be run.
    failures: u64,
}

impl Soak {
    fn turns(&mut self) -> Result<(), String> {
        let mut amounts: Vec<u64> = self.searches.iter().map(|search| search.amount).collect();
        let mut turn = 0;
        while let Some(left) = self.left() {
            let index = turn % self.searches.len();
            let (search, amount) = (self.searches[index], amounts[index]);
            // A wall clock is no generator, but no two turns have the same.
            let seed = clock::wall_ms();
            let began = clock::now();
            let told = Turn { amount, seed, left, by_chance: &self.by_chance[index] };
            let result = (search.run)(&self.workspace, &told);
            let took = began.elapsed();
            turn += 1;
            match result {
                Ok(found) => {
                    let told = &found.figures;
                    let (name, seconds) = (search.name, took.as_secs_f64());
                    println!("turn {turn}: {name}, seed {seed}: {told} in {seconds:.0} s");
                    self.figures += found.figures;
                    self.findings.extend(found.findings);
                    if self.by_chance[index].is_empty() {
                        self.by_chance[index] = found.by_chance;
                    }
                }
                Err(why) => {
                    println!("turn {turn}: {} could not be run: {why}", search.name);
                    self.failures += 1;
                }
            }
            println!("  so far: {}; {} findings", self.figures, self.findings.len());
            self.write()?;
            if !search.name.starts_with("fuzz") {
                amounts[index] = next_amount(amount, took, self.left().unwrap_or(TURN).min(TURN));
            }
            if turn == self.searches.len() && self.failures == turn as u64 {
                return Err("nothing could be run".into());
            }
        }
        Ok(())
    }

    fn left(&self) -> Option<Duration> {
        let left = self.time.checked_sub(self.start.elapsed())?;
        (left > Duration::from_secs(5)).then_some(left)
    }

    fn write(&mut self) -> Result<(), String> {
        let findings = self.findings.len();
        self.ledger.write(&self.what, self.start.elapsed(), &self.figures, findings)
    }
}

/// All, or those of this name: one, or a kind.
fn chosen(only: Option<&str>) -> Result<Vec<Search>, String> {
    let Some(name) = only else {
        return Ok(SEARCHES.to_vec());
    };
    let is_meant = |search: &Search| {
        search.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    };
    let searches: Vec<Search> = SEARCHES.into_iter().filter(is_meant).collect();
    match searches.is_empty() {
        false => Ok(searches),
        true => Err(format!("there is no search `{name}`, only {}", names(&SEARCHES))),
    }
}

fn names(searches: &[Search]) -> String {
    let names: Vec<_> = searches.iter().map(|search| format!("`{}`", search.name)).collect();
    names.join(", ")
}

/// As much as fits `time`, if the last turn tells how fast it goes; at most ten times as much.
fn next_amount(amount: u64, took: Duration, time: Duration) -> u64 {
    let factor = time.as_secs_f64() / took.as_secs_f64().max(0.1);
    ((amount as f64 * factor.clamp(0.1, 10.0)) as u64).max(1)
}

/// All models of these crates once; then those that draw by chance, as the others would only search
/// to the same end again.
fn shuttle(w: &Workspace, crates: &'static [&'static str], turn: &Turn) -> Result<Found, String> {
    let job = Job::new(Kind::Models(Checker::Shuttle), &just(turn.by_chance))
        .of(crates)
        .with("PANELBOARD_SCHEDULES", turn.amount)
        .with("PANELBOARD_SEED", turn.seed);
    println!("shuttle: {} schedules of each model", grouped(2 * turn.amount));
    job.run(w, turn.left, false)
}

/// The filters by which these models are run and no others; all, if none are named.
fn just(names: &[String]) -> Vec<&str> {
    let exact = if names.is_empty() { None } else { Some("--exact") };
    exact.into_iter().chain(names.iter().map(String::as_str)).collect()
}

fn operations(w: &Workspace, turn: &Turn) -> Result<Found, String> {
    let job = Job::new(Kind::Tests, &["script::"])
        .with("PANELBOARD_CASES", turn.amount)
        .with("PANELBOARD_SEED", turn.seed);
    job.run(w, turn.left, false)
}

fn histories(w: &Workspace, turn: &Turn) -> Result<Found, String> {
    let job = Job::new(Kind::Tests, &["histories::"])
        .with("PANELBOARD_HISTORIES", turn.amount)
        .with("PANELBOARD_SEED", turn.seed);
    job.run(w, turn.left, false)
}

fn seeds(w: &Workspace, turn: &Turn) -> Result<Found, String> {
    let job = Job::new(Kind::Tests, &["seeds::"]).with("PANELBOARD_REPEATS", turn.amount);
    job.run(w, turn.left, false)
}

fn fuzz(w: &Workspace, target: usize, seconds: u64) -> Result<Found, String> {
    match verify::fuzz(w, verify::FUZZ_TARGETS[target], seconds)? {
        verify::End::Ran(found) => Ok(found),
        verify::End::Skipped(why) => Err(why),
    }
}

/// `90s`, `45m`, `2h`, `1h30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time: write it as `2h`, `90m` or `1h30m`");
    let mut seconds = 0_u64;
    let mut number = String::new();
    for c in text.chars() {
        let unit = match c {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return Err(wrong()),
        };
        let count: u64 = number.parse().map_err(|_| wrong())?;
        seconds =
            count.checked_mul(unit).and_then(|more| seconds.checked_add(more)).ok_or_else(wrong)?;
        number.clear();
    }
    match number.is_empty() && seconds > 0 {
        true => Ok(Duration::from_secs(seconds)),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let rows = [("2h", 7_200), ("90m", 5_400), ("1h30m", 5_400), ("45s", 45)];
        for (text, seconds) in rows {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "2", "h", "0s", "2d", "1h30", "99999999999999999999h"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn all_searches_or_those_of_a_name() {
        let told = |only| chosen(only).map(|searches| searches.len());
        assert_eq!(told(None), Ok(SEARCHES.len()));
        assert_eq!(told(Some("fuzz config")), Ok(1));
        assert_eq!(told(Some("fuzz")), Ok(2), "a kind");
        for name in ["fizz", "fuz", "", "fuzz "] {
            let wrong = told(Some(name)).unwrap_err();
            let say = format!("there is no search `{name}`, only `shuttle core`, ");
            assert!(wrong.starts_with(&say), "{wrong}");
        }
    }

    #[test]
    fn what_searches_to_its_end_is_searched_once() {
        assert_eq!(just(&[]), <[&str; 0]>::default(), "all, as long as nobody knows");
        let names = ["models::a".into(), "models::b".into()];
        assert_eq!(just(&names), ["--exact", "models::a", "models::b"]);
    }

    #[test]
    fn the_next_turn_is_as_long_as_it_is_meant_to_be() {
        let seconds = Duration::from_secs;
        assert_eq!(next_amount(1_000, seconds(60), seconds(120)), 2_000);
        assert_eq!(next_amount(1_000, seconds(1), seconds(120)), 10_000, "at most ten times");
        assert_eq!(next_amount(1_000, seconds(120), seconds(60)), 500);
        assert_eq!(next_amount(1, seconds(600), seconds(6)), 1, "and never nothing");
    }
}
