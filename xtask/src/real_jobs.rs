//! Do jobs hold when the server is killed, and when there are many? `cargo xtask real-jobs
//! [--short] [--kills N] [--seed N] [--only kills|queue] [--program PATH]`.
//!
//! `panelboard serve` with a store file, in two parts:
//!
//! - `kills`: fifty simulations and analyses at a time, short and long, on four places, from a
//!   client library that we didn't write (Python's `httpx`). They are paused, resumed and stopped,
//!   and the server is killed by `kill -9` at random moments until all have ended; then the next
//!   fifty come. The record of all that clients saw is judged by `checker.py`: none is lost or left
//!   running, none runs twice unless it may, an end never changes, what was acknowledged holds, a
//!   key is one job.
//! - `queue`: ten thousand jobs wait. How long do figures, lists and the page of the process take,
//!   and the start of a fresh job that has a free place?
//!
//! The checker is tested first, on forged records. Every program is ended by its process id.

mod kills;
mod queue;

use std::{fs, path::Path};

use crate::{
    cache,
    counts::Counts,
    extent::{Extent, Parts},
    report::closing_line,
    scripts::Scripts,
    server,
    story::Story,
    workspace::Workspace,
};

const PARTS: Parts =
    Parts { task: "real-jobs", all: &["kills", "queue"], long: &[], kills: (10, 100) };

/// Runs it, and says what was found.
///
/// # Errors
/// An unknown argument, something that cannot be installed or started.
pub(crate) fn run(arguments: &[String]) -> Result<bool, String> {
    let extent = Extent::read(&PARTS, arguments)?;
    let workspace = Workspace::load()?;
    let scripts = Scripts::install(&workspace, "xtask/real-jobs")?;
    let counts = tell(&workspace, &scripts, &extent)?;
    println!("{}", closing_line(counts));
    Ok(counts.failed == 0)
}

/// What one part works with.
struct Scene<'a> {
    scripts: &'a Scripts,
    extent: &'a Extent,
    program: &'a Path,
    /// Of this run alone: stores, configurations, records.
    folder: &'a Path,
}

fn tell(workspace: &Workspace, scripts: &Scripts, extent: &Extent) -> Result<Counts, String> {
    let program = match &extent.program {
        Some(program) => program.clone(),
        None => server::build(workspace, "release")?,
    };
    let folder = cache::folder()?.join(format!("real-jobs-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut story = Story::new();
    story.say(format!("seed {}: `--seed {0}` makes the same choices again", extent.seed));
    scripts.test_the_checker(&mut story)?;
    let scene = Scene { scripts, extent, program: &program, folder: &folder };
    for part in &extent.parts {
        story.say(format!("--- {part}"));
        match part.as_str() {
            "kills" => kills::tell(&scene, &mut story)?,
            _ => queue::tell(&scene, &mut story)?,
        }
    }
    // What was found can be looked at: the records stay where something failed.
    match story.counts.failed {
        0 => drop(fs::remove_dir_all(&folder)),
        _ => story.say(format!("records and stores are in {}", folder.display())),
    }
    Ok(story.counts)
}

impl Scene<'_> {
    /// Writes a part's configuration, with these lines in `[jobs]`; its store stands beside it.
    fn config(&self, part: &str, jobs: &str) -> Result<std::path::PathBuf, String> {
        let file = self.folder.join(format!("{part}.toml"));
        let store = self.folder.join(format!("{part}.db"));
        let config = format!(
            "[store]\npath = \"{}\"\n\n[jobs]\n{jobs}\n\n[[provider]]\nname = \"pretend-a\"\n\
             kind = \"pretend\"\nkeys = [{{ name = \"key-1\" }}]\n\n[[model]]\nname = \"fast\"\n\
             targets = [\"pretend-a/pretend-1\"]\n",
            store.display()
        );
        fs::write(&file, config).map_err(|e| format!("{}: {e}", file.display()))?;
        Ok(file)
    }
}
