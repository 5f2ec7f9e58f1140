//! Do sessions hold under real clients? `cargo xtask real-sessions [--short]`.
//!
//! `panelboard serve` with a store file, and clients that we didn't write (Python's `websockets`
//! and `httpx`), in four parts:
//!
//! - `people`: 20 sessions on a real model. Submissions race from several sockets and over HTTP
//!   under each policy; clears, cancels, sockets that come and go; the model's server is killed and
//!   restarted, in the long form also stopped. The record of all that clients saw is judged by
//!   `checker.py`, and each session's calls must be an order of calls on a naive session
//!   (`panelboard-histories`).
//! - `kills`: the server is killed by `kill -9` at random moments under load, and once told to end.
//!   Nothing shown or acknowledged may be gone, no run may still run, no number be used again, and
//!   each key has one run.
//! - `wire`: frames, ids and requests that no client should send, and connections that come and go.
//!   Each is refused by name or kept apart; memory and open files return to where they were.
//! - `connects`, in the long form: 10,000 connects and disconnects a minute, for minutes. Memory,
//!   open files, and the tasks, sockets and streams that the server counts return to where they
//!   were.
//!
//! The checker is tested first, on forged records. Every program is ended by its process id.

mod client;
mod connects;
mod history;
mod kills;
mod people;
mod pretend;
mod wire;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    cache, clock, counts::Counts, install, llama::Llama, process, report::closing_line, server,
    story::Story, workspace::Workspace,
};

const PARTS: [&str; 4] = ["people", "kills", "wire", "connects"];
/// What the gate has no time for.
const LONG_PARTS: [&str; 1] = ["connects"];

/// How much is done.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Extent {
    short: bool,
    kills: u32,
    seed: u64,
    parts: Vec<String>,
    /// A server that is there already; otherwise it is built.
    program: Option<PathBuf>,
}

impl Extent {
    fn short() -> Self {
        let parts = PARTS.iter().filter(|part| !LONG_PARTS.contains(part));
        let parts = parts.map(|&part| part.to_owned()).collect();
        Self { short: true, kills: 20, seed: clock::wall_ms(), parts, program: None }
    }

    fn read(arguments: &[String]) -> Result<Self, String> {
        let short = arguments.iter().any(|argument| argument == "--short");
        let mut extent = Self { short, ..Self::short() };
        if !short {
            extent.kills = 200;
            extent.parts = PARTS.map(str::to_owned).to_vec();
        }
        let mut rest = arguments.iter().filter(|argument| *argument != "--short");
        while let Some(option) = rest.next() {
            let value = rest.next().ok_or_else(|| format!("`{option}` needs a value"))?;
            let number = || value.parse().map_err(|e| format!("{option} {value}: {e}"));
            match option.as_str() {
                "--kills" => extent.kills = u32::try_from(number()?).unwrap_or(u32::MAX),
                "--seed" => extent.seed = number()?,
                "--program" => extent.program = Some(PathBuf::from(value)),
                "--only" if PARTS.contains(&value.as_str()) => extent.parts = vec![value.clone()],
                "--only" => return Err(format!("no part `{value}`; there are {PARTS:?}")),
                _ => {
                    return Err(format!(
                        "`real-sessions` takes --short, --kills N, --seed N, --only PART and \
                         --program PATH, not `{option}`"
                    ));
                }
            }
        }
        Ok(extent)
    }
}

/// `cargo xtask real-sessions [--short] [--kills N] [--seed N] [--only PART] [--program PATH]`.
///
/// # Errors
/// An unknown argument, something that cannot be installed or started.
pub(crate) fn run(arguments: &[String]) -> Result<bool, String> {
    let extent = Extent::read(arguments)?;
    let workspace = Workspace::load()?;
    let kit = Kit::install(&workspace)?;
    let counts = tell(&workspace, &kit, &extent)?;
    println!("{}", closing_line(counts));
    Ok(counts.failed == 0)
}

/// What is needed, on disk.
#[derive(Debug)]
struct Kit {
    llama: Llama,
    python: PathBuf,
    scripts: PathBuf,
}

impl Kit {
    /// # Errors
    /// Something is not there and cannot be installed.
    fn install(workspace: &Workspace) -> Result<Self, String> {
        let scripts = workspace.root.join("xtask/real-sessions");
        let llama = Llama::install(workspace)?.brief(people::LONGEST_ANSWER);
        let python = install::environment("session-clients", &scripts.join("requirements.txt"))?;
        Ok(Self { llama, python, scripts })
    }

    /// A script of ours, with the libraries of the environment.
    fn script(&self, name: &str, server: SocketAddr) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(self.scripts.join(name)).arg(format!("http://{server}"));
        command
    }

    /// The checker's own tests.
    fn test_the_checker(&self, story: &mut Story) -> Result<(), String> {
        let mut command = Command::new(&self.python);
        command.current_dir(&self.scripts).args(["-m", "unittest", "-q"]);
        let ended = process::run(command, Duration::from_secs(60), false)?;
        let ran = ended.lines.iter().find(|line| line.starts_with("Ran ")).cloned();
        story.check(
            ended.success() && ran.is_some(),
            format!("the checker finds forged records: {}", ran.unwrap_or_default()),
        );
        if !ended.success() {
            println!("{}", ended.lines.join("\n"));
        }
        Ok(())
    }
}

/// What one part works with.
struct Scene<'a> {
    kit: &'a Kit,
    extent: &'a Extent,
    program: &'a Path,
    /// Of this run alone: stores, configurations, records.
    folder: &'a Path,
}

fn tell(workspace: &Workspace, kit: &Kit, extent: &Extent) -> Result<Counts, String> {
    let program = match &extent.program {
        Some(program) => program.clone(),
        None => server::build(workspace, if extent.short { "debug" } else { "release" })?,
    };
    let folder = cache::folder()?.join(format!("real-sessions-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut story = Story::new();
    story.say(format!("seed {}: `--seed {0}` makes the same choices again", extent.seed));
    kit.test_the_checker(&mut story)?;
    let scene = Scene { kit, extent, program: &program, folder: &folder };
    for part in &extent.parts {
        story.say(format!("--- {part}"));
        match part.as_str() {
            "people" => people::tell(&scene, &mut story)?,
            "kills" => kills::tell(&scene, &mut story)?,
            "connects" => connects::tell(&scene, &mut story)?,
            _ => wire::tell(&scene, &mut story)?,
        }
    }
    // What was found can be looked at: the records stay where something failed.
    match story.counts.failed {
        0 => drop(fs::remove_dir_all(&folder)),
        _ => story.say(format!("records and stores are in {}", folder.display())),
    }
    Ok(story.counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Extent, String> {
        Extent::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_in_any_order() {
        assert_eq!(read("").map(|extent| (extent.short, extent.kills)), Ok((false, 200)));
        assert_eq!(read("--short").map(|extent| (extent.short, extent.kills)), Ok((true, 20)));
        let some = read("--seed 7 --short --kills 3 --only kills").unwrap();
        let parts = vec!["kills".to_owned()];
        assert_eq!(some, Extent { short: true, kills: 3, seed: 7, parts, program: None });
    }

    #[test]
    fn the_short_form_leaves_out_what_takes_minutes() {
        let short = read("--short").unwrap().parts;
        assert_eq!(short, ["people", "kills", "wire"]);
        assert_eq!(read("").unwrap().parts, PARTS);
        assert_eq!(read("--short --only connects").unwrap().parts, ["connects"]);
    }

    #[test]
    fn what_is_no_option_is_refused() {
        for line in ["--long", "--kills", "--kills many", "--only tea", "--seed -1 x"] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
