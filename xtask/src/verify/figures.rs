//! How much was searched? Read from what the models, the tests and the tools print.

use std::{fmt, ops::AddAssign};

use crate::models::Checker;

/// Sums over a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Random and PCT schedules under shuttle.
    pub(crate) schedules: u64,
    /// Executions of searches without chance: loom, and shuttle's depth-first search; states of
    /// the models of a step.
    pub(crate) executions: u64,
    /// Searches that a limit has cut off.
    pub(crate) cut_off: u64,
    /// Steps of random scripts, compared with the reference.
    pub(crate) operations: u64,
    /// Histories of real threads.
    pub(crate) histories: u64,
    /// Rounds of the races that must give one answer.
    pub(crate) rounds: u64,
    /// Inputs that the fuzz targets ran.
    pub(crate) fuzzed: u64,
    pub(crate) mutants: Mutants,
}

/// Mutants by how they ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mutants {
    pub(crate) caught: u64,
    pub(crate) missed: u64,
    pub(crate) unviable: u64,
    pub(crate) timeouts: u64,
}

impl AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.executions += other.executions;
        self.cut_off += other.cut_off;
        self.operations += other.operations;
        self.histories += other.histories;
        self.rounds += other.rounds;
        self.fuzzed += other.fuzzed;
        self.mutants.caught += other.mutants.caught;
        self.mutants.missed += other.mutants.missed;
        self.mutants.unviable += other.mutants.unviable;
        self.mutants.timeouts += other.mutants.timeouts;
    }
}

impl Figures {
    /// What a run of the core's models says with `PANELBOARD_COUNT` set.
    pub(crate) fn of_models<S: AsRef<str>>(checker: Checker, lines: &[S]) -> Self {
        let mut sum = Self::default();
        for line in lines.iter().map(AsRef::as_ref) {
            // The runner may have begun the line: `test models::a ... model models::a: 7 ..`.
            if let Some((_, told)) = after(line, "model ") {
                sum.executions += number_before(told, "executions");
            } else if let Some((_, told)) = after(line, "searched ") {
                sum.schedules += number_before(told, "schedules");
                sum.cut_off += u64::from(told.starts_with("cut off"));
            }
        }
        if checker == Checker::Shuttle {
            // A model's executions hold its random schedules.
            sum.executions = sum.executions.saturating_sub(sum.schedules);
        }
        sum
    }

    /// What a run of tests says.
    pub(crate) fn of_tests<S: AsRef<str>>(lines: &[S]) -> Self {
        let mut sum = Self::default();
        for line in lines.iter().map(AsRef::as_ref) {
            if let Some((_, told)) = after(line, "repeated ") {
                sum.rounds += number_before(told, "rounds");
            } else if let Some((_, told)) = after(line, "model ") {
                sum.executions += number_before(told, "states");
            } else if line.contains(" operations in ") {
                sum.operations += number_before(line, "operations");
            } else if line.contains(" histories") {
                sum.histories += number_before(line, "histories");
            }
        }
        sum
    }

    /// What the fuzzer says: `Done 55545 runs in 26 second(s)`.
    pub(crate) fn of_fuzzer<S: AsRef<str>>(lines: &[S]) -> Self {
        let done = lines.iter().map(AsRef::as_ref).filter(|line| line.starts_with("Done "));
        Self { fuzzed: done.map(|line| number_before(line, "runs")).sum(), ..Self::default() }
    }

    /// What cargo-mutants says: `104 mutants tested in 4m: 15 missed, 82 caught, 6 unviable`.
    pub(crate) fn of_mutants<S: AsRef<str>>(lines: &[S]) -> Self {
        let is_sum =
            |line: &&str| line.contains(" mutants tested") || line.contains(" mutant tested");
        let Some(line) = lines.iter().map(AsRef::as_ref).rfind(is_sum) else {
            return Self::default();
        };
        let mutants = Mutants {
            caught: number_before(line, "caught"),
            missed: number_before(line, "missed"),
            unviable: number_before(line, "unviable"),
            timeouts: number_before(line, "timeouts") + number_before(line, "timeout"),
        };
        Self { mutants, ..Self::default() }
    }
}

/// What follows `word` and a name with a colon: `repeated NAME: told`.
fn after<'a>(line: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let start = line.rfind(word).filter(|at| *at == 0 || line[..*at].ends_with(' '))?;
    line[start + word.len()..].split_once(": ")
}

/// The number right before `unit`; 0 if there is none.
fn number_before(text: &str, unit: &str) -> u64 {
    let words: Vec<&str> = text.split_whitespace().collect();
    let is_unit = |word: &str| word.trim_end_matches([',', ';', '.']) == unit;
    let pairs = words.windows(2).filter(|pair| is_unit(pair[1]));
    pairs.filter_map(|pair| pair[0].parse::<u64>().ok()).sum()
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mutants { caught, missed, unviable, timeouts } = self.mutants;
        let all = [
            (self.schedules, "random schedules"),
            (self.executions, "executions"),
            (self.cut_off, "searches cut off"),
            (self.operations, "operations"),
            (self.histories, "histories"),
            (self.rounds, "rounds"),
            (self.fuzzed, "inputs"),
            (caught, "mutants caught"),
            (missed, "missed"),
            (unviable, "unviable"),
            (timeouts, "timeouts"),
        ];
        let told = all.iter().filter(|(number, _)| *number > 0);
        let told: Vec<String> =
            told.map(|(number, unit)| format!("{} {unit}", grouped(*number))).collect();
        f.write_str(if told.is_empty() { "no figures" } else { "" })?;
        f.write_str(&told.join(", "))
    }
}

/// `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut told = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            told.push(',');
        }
        told.push(digit);
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_schedules_are_told_from_exhaustive_ones() {
        let lines = [
            "test models::a ... model models::a: 700 executions",
            "searched models::b: 40000 schedules, random and PCT, seed 1",
            "model models::b: 40000 executions",
            "searched models::c: cut off by its limit",
            "searched for nothing",
        ];
        let shuttle = Figures::of_models(Checker::Shuttle, &lines);
        assert_eq!((shuttle.schedules, shuttle.executions, shuttle.cut_off), (40_000, 700, 1));
        assert_eq!(Figures::of_models(Checker::Loom, &lines[..1]).executions, 700);
    }

    #[test]
    fn what_the_tests_print_adds_up() {
        let sum = Figures::of_tests(&[
            "without jitter: 1003453 operations in 5000 scripts, seed 1",
            "with jitter: 7 operations in 1 scripts, seed 1",
            "2000 histories, 1990 with calls that overlapped",
            "repeated late outcomes: 21 rounds, 20 of them met, one answer",
            "test histories::a ... ok",
        ]);
        assert_eq!((sum.operations, sum.histories, sum.rounds), (1_003_460, 2_000, 21));
    }

    #[test]
    fn what_the_tools_print_is_understood() {
        assert_eq!(Figures::of_fuzzer(&["Done 55545 runs in 26 second(s)"]).fuzzed, 55_545);
        let told = "104 mutants tested in 4m: 15 missed, 82 caught, 6 unviable, 1 timeouts";
        let mutants = Mutants { caught: 82, missed: 15, unviable: 6, timeouts: 1 };
        assert_eq!(Figures::of_mutants(&["x", told]).mutants, mutants);
    }

    #[test]
    fn figures_are_told_in_groups_and_only_those_that_there_are() {
        let figures = Figures { schedules: 100_040_000, rounds: 7, ..Figures::default() };
        assert_eq!(figures.to_string(), "100,040,000 random schedules, 7 rounds");
        assert_eq!(Figures::default().to_string(), "no figures");
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped).join(" "), "0 999 1,000 1,234,567");
    }
}
