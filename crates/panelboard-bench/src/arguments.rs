//! What does the command line ask for?

/// The command line, checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) mode: Mode,
    pub(crate) rounds: usize,
    /// Callgrind for ours only, which takes most of the time otherwise.
    pub(crate) quick: bool,
    pub(crate) markdown: bool,
    pub(crate) counts: bool,
    pub(crate) against: Option<String>,
    rows: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Measure,
    List,
    /// Within callgrind: run so many calls of one contestant.
    Counted {
        row: String,
        contestant: String,
        calls: usize,
    },
}

/// Enough for a median that a busy minute does not move.
const ROUNDS: usize = 41;
const QUICK_ROUNDS: usize = 5;

impl Arguments {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut words = words;
        let mut parsed = Self {
            mode: Mode::Measure,
            rounds: ROUNDS,
            quick: false,
            markdown: false,
            counts: true,
            against: None,
            rows: Vec::new(),
        };
        while let Some(word) = words.next() {
            let mut next = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                // What cargo passes to every benchmark.
                "--bench" => {}
                "--markdown" => parsed.markdown = true,
                "--quick" => (parsed.quick, parsed.rounds) = (true, QUICK_ROUNDS),
                "--rounds" => parsed.rounds = number(&next()?)?,
                "--row" => parsed.rows.push(next()?),
                "--against" => parsed.against = Some(next()?),
                "--no-counts" => parsed.counts = false,
                "--list" => parsed.mode = Mode::List,
                "--callgrind" => {
                    let (row, contestant) = (next()?, next()?);
                    parsed.mode = Mode::Counted { row, contestant, calls: number(&next()?)? };
                }
                _ => return Err(format!("no option {word}")),
            }
        }
        Ok(parsed)
    }

    /// True if the row was asked for, or none was.
    pub(crate) fn wants(&self, row: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|part| row.contains(part.as_str()))
    }
}

fn number(word: &str) -> Result<usize, String> {
    match word.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{word} is not a number above 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_taken_and_others_refused() {
        let parsed = parse("--markdown --quick --row open --bench").expect("all are options");
        assert_eq!((parsed.rounds, parsed.markdown, parsed.counts), (5, true, true));
        assert!(parsed.wants("half-open") && !parsed.wants("closed"));
        assert_eq!(parse("--fast"), Err("no option --fast".into()));
        assert_eq!(parse("--rounds"), Err("--rounds needs a value".into()));
        assert_eq!(parse("--rounds 0"), Err("0 is not a number above 0".into()));
    }
}
