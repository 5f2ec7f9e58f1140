//! Do log sinks hold on real receivers? `cargo xtask real-sinks`.
//!
//! A program that logs a number a message, through `panelboard-tracing` with spills, to rsyslog
//! (Debian) over TCP and UDP, to two OpenTelemetry collectors (rotel, from the Python package
//! index) over gRPC and HTTP, and to an HTTP collector. Each is stopped (SIGSTOP), killed and
//! restarted under load, and the program itself is killed; the way to those over TCP is narrowed to
//! a trickle. Asserted, by what they wrote down: no number is missing at any of them, and each
//! first came in its order. Numbers that came twice are told: a receiver that was stopped has taken
//! what it did not answer in time. Over UDP nobody answers: there none may come twice, and none may
//! be missing but of those that were said while nobody was there to take them.
//!
//! A killed collector may have answered for records that it had not written down: those it loses,
//! whoever sent them. So what rotel and rsyslog may miss when they are killed under load is one run
//! of numbers, said before the kill was noticed; the HTTP collector, which writes before it
//! answers, may miss nothing, and neither may they when they are killed after they have written
//! all.

mod narrow;
mod receivers;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    clock, process, process::Running, report::closing_line, story::Story, workspace::Workspace,
};
use receivers::{Kind, Receiver};

/// `cargo xtask real-sinks`.
///
/// # Errors
/// An argument, something that cannot be installed or started.
pub(crate) fn run(arguments: &[String]) -> Result<bool, String> {
    if !arguments.is_empty() {
        return Err("`real-sinks` takes no arguments".into());
    }
    let workspace = Workspace::load()?;
    let program = build(&workspace)?;
    let folder = std::env::temp_dir().join(format!("panelboard-real-sinks-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut story = Story::new();
    let told = tell(&workspace, &program, &folder, &mut story);
    if told.is_ok() && story.counts.failed == 0 {
        let _ = fs::remove_dir_all(&folder);
    } else {
        story.say(format!("what was written is in {}", folder.display()));
    }
    told?;
    println!("{}", closing_line(story.counts));
    Ok(story.counts.failed == 0)
}

fn build(workspace: &Workspace) -> Result<PathBuf, String> {
    let mut command = Command::new("cargo");
    command.current_dir(&workspace.root);
    command.args(["build", "--quiet", "-p", "panelboard-tracing", "--example", "talker"]);
    let ended = process::run(command, Duration::from_secs(900), true)?;
    match ended.success() {
        true => Ok(workspace.target.join("debug/examples/talker")),
        false => Err(format!("the program that logs cannot be built: {}", ended.how())),
    }
}

/// The programs of one run.
struct Scene<'a> {
    program: &'a Path,
    folder: &'a Path,
    receivers: Vec<Receiver>,
    talker: Running,
    /// Lines of the talker that were looked at.
    heard: usize,
    /// The next number to be said.
    next: u32,
}

fn tell(
    workspace: &Workspace,
    program: &Path,
    folder: &Path,
    story: &mut Story,
) -> Result<(), String> {
    let mut receivers = Vec::new();
    for kind in Kind::ALL {
        let receiver = Receiver::start(kind, workspace, folder)?;
        story.say(format!("{} listens on port {}", receiver.name(), receiver.port));
        receivers.push(receiver);
    }
    let talker = start_talker(program, folder, &receivers)?;
    let mut scene = Scene { program, folder, receivers, talker, heard: 0, next: 0 };
    scene.hears("ready")?;

    let healthy = scene.says_best()?;
    scene.all_have_it(story, "with all well")?;

    story.say("SIGSTOP to all of them");
    scene.signal(Signal::STOP)?;
    let hanging = scene.says_best()?;
    scene.signal(Signal::CONT)?;
    story.say("SIGCONT");
    scene.goes_on_over_udp()?;
    scene.all_have_it(story, "after all have hung")?;
    // A percentile of so few wanders, at the least by what the machine's clock resolves.
    for (what, before, then, least, times) in [
        ("half", healthy.p50_ns, hanging.p50_ns, 5_000, 2),
        ("99 of 100", healthy.p99_ns, hanging.p99_ns, 20_000, 3),
    ] {
        let same = then < times * before.max(least);
        story.check(same, format!("{what} are said in {before} ns, and {then} ns while all hang"));
    }

    for kind in Kind::ALL.into_iter().filter(|kind| kind.answers()) {
        scene.kill_under_load(story, kind)?;
        scene.all_have_it(story, &format!("after {} was killed under load", kind.name()))?;
    }
    let others = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Http);
    for kind in others.clone() {
        scene.receiver(kind)?.kill();
        story.say(format!("kill -9 of {}", kind.name()));
    }
    scene.says(1_000)?;
    for kind in others {
        scene.receiver(kind)?.restart()?;
    }
    scene.goes_on_over_udp()?;
    scene.all_have_it(story, "after the others were away")?;

    scene.receivers.iter().for_each(|receiver| receiver.narrow(Some(2_000)));
    story.say("2,000 bytes a second come to each of them");
    scene.says(800)?;
    for kind in [Kind::OtlpGrpc, Kind::OtlpHttp, Kind::Http] {
        let waiting = scene.standing(kind)?.waiting;
        story.check(waiting > 0, format!("{}: {waiting} wait for so narrow a way", kind.name()));
    }
    scene.receivers.iter().for_each(|receiver| receiver.narrow(None));
    scene.all_have_it(story, "after a trickle")?;

    scene.killed_itself(story)?;
    scene.all_have_it(story, "after the program itself was killed")?;
    scene.end(story)
}

fn start_talker(program: &Path, folder: &Path, receivers: &[Receiver]) -> Result<Running, String> {
    let mut command = Command::new(program);
    command.arg(format!("spill={}", folder.join("spill").display()));
    command.args(receivers.iter().map(Receiver::sink));
    Running::start("talker", command)
}

/// How long one event took.
struct Said {
    p50_ns: u64,
    p99_ns: u64,
}

/// What the talker says of a sink.
struct Standing {
    closed: bool,
    waiting: u64,
}

const LIMIT: Duration = Duration::from_secs(90);

impl Scene<'_> {
    fn receiver(&mut self, kind: Kind) -> Result<&mut Receiver, String> {
        let receiver = self.receivers.iter_mut().find(|receiver| receiver.kind == kind);
        receiver.ok_or_else(|| "there is one of each".into())
    }

    fn signal(&self, signal: Signal) -> Result<(), String> {
        self.receivers.iter().try_for_each(|receiver| receiver.signal(signal))
    }

    /// The next line of the talker that begins so.
    fn hears(&mut self, start: &str) -> Result<String, String> {
        let mut found = None;
        clock::wait_until(LIMIT, || {
            let lines = self.talker.lines.all();
            let mut new = lines.iter().enumerate().skip(self.heard);
            found = new.find(|(_, (_, line))| line.starts_with(start)).map(|(index, (_, line))| {
                self.heard = index + 1;
                line.clone()
            });
            found.is_some() || !self.talker.alive()
        });
        found.ok_or_else(|| format!("no `{start}`; its last lines:\n{}", self.talker.lines.last(9)))
    }

    fn begins_to_say(&mut self, count: u32) -> Result<(), String> {
        let first = self.next;
        self.next += count;
        self.talker.tell(&format!("say {first} {count}"))
    }

    fn says(&mut self, count: u32) -> Result<Said, String> {
        self.begins_to_say(count)?;
        let line = self.hears("said")?;
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words.get(at)?.parse().ok();
        let (Some(p50_ns), Some(p99_ns)) = (number(4), number(6)) else {
            return Err(format!("no times: {line}"));
        };
        Ok(Said { p50_ns, p99_ns })
    }

    /// The best of a few times: nobody else was in the way then.
    fn says_best(&mut self) -> Result<Said, String> {
        let mut best = self.says(500)?;
        for _ in 0..2 {
            let said = self.says(500)?;
            best.p50_ns = best.p50_ns.min(said.p50_ns);
            best.p99_ns = best.p99_ns.min(said.p99_ns);
        }
        Ok(best)
    }

    fn standing(&mut self, of: Kind) -> Result<Standing, String> {
        self.talker.tell("status")?;
        let status = self.hears("status")?;
        let sinks = status.trim_start_matches("status ").split(';').map(str::split_whitespace);
        let all: Vec<Vec<&str>> = sinks.map(Iterator::collect).collect();
        let sink = all.iter().find(|words| words.first() == Some(&of.sink()));
        let standing = sink.and_then(|words| {
            let closed = *words.get(1)? == "closed";
            Some(Standing { closed, waiting: words.get(3)?.parse().ok()? })
        });
        standing.ok_or_else(|| format!("no {}: {status}", of.sink()))
    }

    fn kill_under_load(&mut self, story: &mut Story, kind: Kind) -> Result<(), String> {
        let first = self.next;
        self.begins_to_say(2_000)?;
        self.hears(&format!("at {}.", first + 500))?;
        self.receiver(kind)?.kill();
        story.say(format!("kill -9 of {} under load", kind.name()));
        self.hears(&format!("at {}.", first + 1_000))?;
        self.receiver(kind)?.restart()?;
        story.say("restarted");
        self.hears("said")?;
        let last = self.next - 1;
        let receiver = self.receiver(kind)?;
        // They come in their order: then there is no more to come.
        clock::wait_until(LIMIT, || receiver.seen().has(last));
        let missing = receiver.seen().missing(first..last + 1);
        let (Some(&start), Some(&end)) = (missing.first(), missing.last()) else { return Ok(()) };
        let run = (end - start) as usize + 1 == missing.len();
        let fine = !kind.writes_first() && run && end < first + 1_000;
        story.check(fine, format!("{} lost {start} to {end}, of which it had them", kind.name()));
        receiver.lost.extend(missing);
        Ok(())
    }

    /// The receiver of datagrams is there again: from here on it must have all.
    fn goes_on_over_udp(&mut self) -> Result<(), String> {
        let start = clock::now();
        loop {
            // Without anything to write a sink does not look again.
            self.says(20)?;
            let Standing { closed, waiting } = self.standing(Kind::SyslogUdp)?;
            if closed && waiting == 0 {
                break;
            }
            if start.elapsed() > LIMIT {
                return Err("the sink over UDP does not go on".into());
            }
        }
        self.receiver(Kind::SyslogUdp)?.sure_from = self.next;
        self.says(200).map(drop)
    }

    /// Killed while a receiver is away, and started again: what was on disk is delivered.
    fn killed_itself(&mut self, story: &mut Story) -> Result<(), String> {
        self.receiver(Kind::Http)?.kill();
        self.says(1_000)?;
        self.talker.tell("flush")?;
        self.hears("flushed")?;
        story.say(format!("kill -9 of {:?} while the HTTP collector is away", self.talker));
        self.talker.kill();
        self.receiver(Kind::Http)?.restart()?;
        self.talker = start_talker(self.program, self.folder, &self.receivers)?;
        self.heard = 0;
        self.hears("ready")?;
        story.say(format!("started again as {:?}", self.talker));
        Ok(())
    }

    /// Every number that was said is at every receiver, and each first came in its order.
    fn all_have_it(&mut self, story: &mut Story, when: &str) -> Result<(), String> {
        let next = self.next;
        for receiver in &mut self.receivers {
            let sure = receiver.sure_from..next;
            clock::wait_until(LIMIT, || receiver.seen().has_all(sure.clone()));
            let seen = receiver.seen();
            let once = receiver.kind.answers() || seen.twice == 0;
            let good = seen.has_all(sure.clone()) && seen.in_order && once;
            let since = match sure.start {
                0 => String::new(),
                start => format!(" (all since {start})"),
            };
            story.check(
                good,
                format!(
                    "{when}: {} has {} of {next}{since}, {}, {} twice",
                    receiver.name(),
                    seen.distinct(),
                    if seen.in_order { "in order" } else { "NOT in order" },
                    seen.twice,
                ),
            );
        }
        self.talker.tell("status")?;
        let status = self.hears("status")?;
        story.say(status);
        Ok(())
    }

    fn end(&mut self, story: &mut Story) -> Result<(), String> {
        let ended = self.talker.finish(Duration::from_secs(30));
        let report = self.hears("ended")?;
        story.check(ended && !report.contains("dropped"), report);
        Ok(())
    }
}
