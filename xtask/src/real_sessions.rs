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

mod connects;
mod history;
mod kills;
mod people;
mod pretend;
mod wire;

use std::{fs, path::Path};

use crate::{
    cache,
    counts::Counts,
    extent::{Extent, Parts},
    llama::Llama,
    report::closing_line,
    scripts::Scripts,
    server,
    story::Story,
    workspace::Workspace,
};

const PARTS: Parts = Parts {
    task: "real-sessions",
    all: &["people", "kills", "wire", "connects"],
    // What the gate has no time for.
    long: &["connects"],
    kills: (20, 200),
};

/// `cargo xtask real-sessions [--short] [--kills N] [--seed N] [--only PART] [--program PATH]`.
///
/// # Errors
/// An unknown argument, something that cannot be installed or started.
pub(crate) fn run(arguments: &[String]) -> Result<bool, String> {
    let extent = Extent::read(&PARTS, arguments)?;
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
    scripts: Scripts,
}

impl Kit {
    /// # Errors
    /// Something is not there and cannot be installed.
    fn install(workspace: &Workspace) -> Result<Self, String> {
        let llama = Llama::install(workspace)?.brief(people::LONGEST_ANSWER);
        Ok(Self { llama, scripts: Scripts::install(workspace, "xtask/real-sessions")? })
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
    kit.scripts.test_the_checker(&mut story)?;
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
