//! How is another program run? To its end and watched, or beside us and ended by its id.

use std::{
    fmt,
    io::{BufRead as _, BufReader, Read, Write as _},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::clock;

/// What a program wrote, line by line, each with its time in milliseconds since 1970.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<(u64, String)>>>);

impl Lines {
    pub(crate) fn all(&self) -> Vec<(u64, String)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn last(&self, count: usize) -> String {
        let all = self.all();
        let from = all.len().saturating_sub(count);
        all[from..].iter().map(|(_, line)| format!("  | {line}\n")).collect()
    }

    fn push(&self, line: String) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((clock::wall_ms(), line));
    }
}

/// A command that ended, or was ended because its time was over.
pub(crate) struct Ended {
    pub(crate) status: Option<ExitStatus>,
    pub(crate) lines: Vec<String>,
}

impl Ended {
    pub(crate) fn success(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// In words, for a message.
    pub(crate) fn how(&self) -> String {
        self.status.map_or_else(|| "ended: its time was over".into(), |status| status.to_string())
    }
}

/// Runs `command` to its end, keeps what it writes and, if `show`, repeats it.
///
/// When `limit` is over, the program and all that it started are ended by their ids.
///
/// # Errors
/// The program cannot be started.
pub(crate) fn run(mut command: Command, limit: Duration, show: bool) -> Result<Ended, String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| cannot_start(&command, &e))?;
    let lines = Lines::default();
    let readers = [
        child.stdout.take().map(|pipe| follow(pipe, lines.clone(), show)),
        child.stderr.take().map(|pipe| follow(pipe, lines.clone(), show)),
    ];
    let mut status = None;
    let in_time = clock::wait_until(limit, || match child.try_wait() {
        Ok(ended) => {
            status = ended;
            status.is_some()
        }
        Err(_) => true,
    });
    if !in_time {
        end_tree(&mut child);
    }
    // What the program left running may hold the pipes: its last lines have this long to come.
    clock::wait_until(Duration::from_secs(2), || {
        readers.iter().flatten().all(thread::JoinHandle::is_finished)
    });
    Ok(Ended { status, lines: lines.all().into_iter().map(|(_, line)| line).collect() })
}

/// Whether the program can be found and says its version.
pub(crate) fn there(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A program beside us. Dropping it ends it: first politely, then by force.
pub(crate) struct Running {
    pub(crate) name: String,
    pub(crate) lines: Lines,
    child: Child,
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.child.id())
    }
}

impl Running {
    /// # Errors
    /// The program cannot be started.
    pub(crate) fn start(name: &str, mut command: Command) -> Result<Self, String> {
        // Its input is our pipe: a program that watches it learns when we are gone.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|e| cannot_start(&command, &e))?;
        let lines = Lines::default();
        if let Some(pipe) = child.stdout.take() {
            follow(pipe, lines.clone(), false);
        }
        if let Some(pipe) = child.stderr.take() {
            follow(pipe, lines.clone(), false);
        }
        Ok(Self { name: name.into(), lines, child })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Whether it has ended, and well.
    pub(crate) fn succeeded(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(status)) if status.success())
    }

    /// Writes a line to the program's input.
    ///
    /// # Errors
    /// It does not read any more.
    pub(crate) fn tell(&mut self, line: &str) -> Result<(), String> {
        let input = self.child.stdin.as_mut().ok_or("its input is closed")?;
        writeln!(input, "{line}").map_err(|e| format!("{}: {line}: {e}", self.name))
    }

    /// Closes the program's input, which tells it to end, and waits for that.
    pub(crate) fn finish(&mut self, limit: Duration) -> bool {
        drop(self.child.stdin.take());
        clock::wait_until(limit, || !self.alive())
    }

    /// # Errors
    /// The process is not there any more.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), String> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).map_err(|e| format!("{self:?}: signal {signal:?}: {e}"))
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.alive() {
            return;
        }
        // A stopped process hears no SIGTERM before it goes on.
        let _ = self.signal(Signal::CONT);
        let _ = self.signal(Signal::TERM);
        if !clock::wait_until(Duration::from_secs(5), || !self.alive()) {
            self.kill();
        }
    }
}

fn follow(pipe: impl Read + Send + 'static, into: Lines, show: bool) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while matches!(reader.read_until(b'\n', &mut bytes), Ok(n) if n > 0) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            if show {
                println!("{line}");
            }
            into.push(line);
            bytes.clear();
        }
    })
}

/// Ends a child and everything beneath it, the deepest first, each by its id.
fn end_tree(child: &mut Child) {
    for id in descendants(child.id()).into_iter().rev() {
        if let Some(pid) = i32::try_from(id).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// `id` and the processes beneath it.
pub(crate) fn family(id: u32) -> Vec<u32> {
    let mut family = vec![id];
    family.extend(descendants(id));
    family
}

/// Ids of the processes that `parent` started, and those that these started.
fn descendants(parent: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut parents = vec![parent];
    let everyone = parents_of_all();
    while let Some(next) = parents.pop() {
        for (id, its_parent) in &everyone {
            if *its_parent == next {
                found.push(*id);
                parents.push(*id);
            }
        }
    }
    found
}

fn parents_of_all() -> Vec<(u32, u32)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| {
            let id: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            // The name, in brackets, may hold spaces; the parent is the second field after it.
            let (_, rest) = stat.rsplit_once(") ")?;
            Some((id, rest.split(' ').nth(1)?.parse().ok()?))
        })
        .collect()
}

fn cannot_start(command: &Command, error: &std::io::Error) -> String {
    let program = PathBuf::from(command.get_program());
    format!("cannot start {}: {error}", program.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn exists(id: &str) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // A process that has ended and that nobody has asked about is a zombie.
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    }

    #[test]
    fn what_a_program_writes_and_how_it_ends_is_kept() {
        let ended = run(shell("echo out; echo err >&2; exit 3"), LONG, false).unwrap();
        let mut lines = ended.lines.clone();
        lines.sort();
        assert_eq!(lines, ["err", "out"]);
        assert_eq!(ended.status.and_then(|status| status.code()), Some(3));
        assert!(!ended.success());
    }

    #[test]
    fn at_its_time_limit_a_program_ends_with_all_that_it_started() {
        let ended = run(shell("sleep 600 & echo $!; sleep 600"), Duration::from_millis(300), false)
            .unwrap();
        assert!(ended.status.is_none() && ended.how().contains("time"), "{}", ended.how());
        assert!(clock::wait_until(LONG, || !exists(&ended.lines[0])), "the child's child lives");
    }

    #[test]
    fn what_a_program_leaves_behind_does_not_hold_us() {
        let ended = run(shell("sleep 600 & echo $!"), LONG, false).unwrap();
        let left_running = exists(&ended.lines[0]);
        let id = ended.lines[0].parse().ok().and_then(Pid::from_raw).unwrap();
        kill_process(id, Signal::KILL).unwrap();
        assert!(ended.success() && left_running);
    }

    #[test]
    fn a_running_program_ends_when_it_is_dropped_even_if_it_is_stopped() {
        let running = Running::start("sleeper", shell("exec sleep 600")).unwrap();
        let id = running.id().to_string();
        running.signal(Signal::STOP).unwrap();
        assert!(exists(&id));
        drop(running);
        assert!(!exists(&id));
    }

    #[test]
    fn a_program_that_watches_its_input_ends_by_it() {
        let mut running = Running::start("cat", Command::new("cat")).unwrap();
        assert!(running.alive());
        assert!(running.finish(LONG));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(Command::new("no-such-program"), LONG, false).map(|_| ()).unwrap_err();
        assert!(error.contains("no-such-program"), "{error}");
    }
}
