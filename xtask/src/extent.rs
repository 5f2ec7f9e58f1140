//! How much does a long run on the real program do? Its parts, its kills, its seed.

use std::path::PathBuf;

use crate::clock;

/// What such a run consists of.
#[derive(Debug)]
pub(crate) struct Parts {
    /// The task's name, for messages.
    pub(crate) task: &'static str,
    pub(crate) all: &'static [&'static str],
    /// Those that the short form leaves out: they take minutes.
    pub(crate) long: &'static [&'static str],
    /// How often the server is killed, in the short form and in the long one.
    pub(crate) kills: (u32, u32),
}

/// How much is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) short: bool,
    pub(crate) kills: u32,
    pub(crate) seed: u64,
    pub(crate) parts: Vec<String>,
    /// A server that is there already; otherwise it is built.
    pub(crate) program: Option<PathBuf>,
}

impl Extent {
    /// The short form.
    pub(crate) fn short(of: &Parts) -> Self {
        let parts = of.all.iter().filter(|part| !of.long.contains(part));
        let parts = parts.map(|&part| part.to_owned()).collect();
        Self { short: true, kills: of.kills.0, seed: clock::wall_ms(), parts, program: None }
    }

    /// What the command line asks for.
    ///
    /// # Errors
    /// An option that there is none of, or a value that it does not take.
    pub(crate) fn read(of: &Parts, arguments: &[String]) -> Result<Self, String> {
        let short = arguments.iter().any(|argument| argument == "--short");
        let mut extent = Self { short, ..Self::short(of) };
        if !short {
            extent.kills = of.kills.1;
            extent.parts = of.all.iter().map(|&part| part.to_owned()).collect();
        }
        let mut rest = arguments.iter().filter(|argument| *argument != "--short");
        while let Some(option) = rest.next() {
            let value = rest.next().ok_or_else(|| format!("`{option}` needs a value"))?;
            let number = || value.parse().map_err(|e| format!("{option} {value}: {e}"));
            match option.as_str() {
                "--kills" => extent.kills = u32::try_from(number()?).unwrap_or(u32::MAX),
                "--seed" => extent.seed = number()?,
                "--program" => extent.program = Some(program(value)?),
                "--only" if of.all.contains(&value.as_str()) => extent.parts = vec![value.clone()],
                "--only" => return Err(format!("no part `{value}`; there are {:?}", of.all)),
                _ => {
                    return Err(format!(
                        "`{}` takes --short, --kills N, --seed N, --only PART and --program PATH, \
                         not `{option}`",
                        of.task
                    ));
                }
            }
        }
        Ok(extent)
    }
}

/// The value of `--program`: a path from here, though the program is started elsewhere.
///
/// # Errors
/// It is empty.
pub(crate) fn program(value: &str) -> Result<PathBuf, String> {
    std::path::absolute(value).map_err(|error| format!("--program {value}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: Parts =
        Parts { task: "real-x", all: &["kills", "wire", "hours"], long: &["hours"], kills: (2, 9) };

    fn read(line: &str) -> Result<Extent, String> {
        Extent::read(&PARTS, &line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_in_any_order() {
        assert_eq!(read("").map(|extent| (extent.short, extent.kills)), Ok((false, 9)));
        assert_eq!(read("--short").map(|extent| (extent.short, extent.kills)), Ok((true, 2)));
        let some = read("--seed 7 --short --kills 3 --only kills").unwrap();
        let parts = vec!["kills".to_owned()];
        assert_eq!(some, Extent { short: true, kills: 3, seed: 7, parts, program: None });
    }

    #[test]
    fn a_program_is_found_from_wherever_it_is_started() {
        let program = read("--program target/it").unwrap().program;
        assert!(program.is_some_and(|path| path.is_absolute() && path.ends_with("target/it")));
    }

    #[test]
    fn the_short_form_leaves_out_what_takes_minutes() {
        assert_eq!(read("--short").unwrap().parts, ["kills", "wire"]);
        assert_eq!(read("").unwrap().parts, PARTS.all);
        assert_eq!(read("--short --only hours").unwrap().parts, ["hours"]);
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for line in ["--long", "--kills", "--kills many", "--only tea", "--seed -1 x"] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
