//! Does the main job work on a real model? `cargo xtask real-llm [--short]`.
//!
//! A llama.cpp server with a small model is the first provider. In the long form a second such
//! server is the spare, in the short form the gateway's pretend provider. The unmodified `openai`
//! SDK calls through the gateway, streamed and whole, while the first provider is killed and
//! restarted, and in the long form also stopped (SIGSTOP) and continued. Asserted: no client saw an
//! error that the spare could have hidden; the breaker opened; exactly one probe went out; it
//! closed. Every program is ended by its process id, whatever happened.

mod traffic;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::Signal;

use crate::{
    clock,
    counts::Counts,
    http, install,
    llama::{Llama, SERVED, provider, with_a_spare},
    process::{self, Running},
    report::{Outcome, closing_line},
    server,
    story::Story,
    watch::{self, Watch},
    workspace::Workspace,
};
pub(crate) use traffic::Tally;

const FIRST: &str = "llama-a";
const SPARE: &str = "spare";

/// `cargo xtask real-llm [--short]`.
///
/// # Errors
/// An unknown argument, something that cannot be installed or started.
pub(crate) fn run(arguments: &[String]) -> Result<bool, String> {
    let short = match arguments {
        [] => false,
        [one] if one == "--short" => true,
        other => return Err(format!("`real-llm` takes `--short` or nothing, not {other:?}")),
    };
    let workspace = Workspace::load()?;
    let kit = Kit::install(&workspace)?;
    let counts = tell(&workspace, &kit, short)?;
    println!("{}", closing_line(counts));
    Ok(counts.failed == 0)
}

/// The short form as a step of the gate.
pub(crate) fn step(workspace: &Workspace) -> Outcome {
    let kit = match Kit::install(workspace) {
        Ok(kit) => kit,
        Err(why) => return Outcome::skipped(why),
    };
    Outcome::told(tell(workspace, &kit, true))
}

/// What is needed, on disk.
#[derive(Debug)]
pub(crate) struct Kit {
    pub(crate) llama: Llama,
    sdk: PathBuf,
    script: PathBuf,
}

impl Kit {
    /// # Errors
    /// Something is not there and cannot be installed.
    pub(crate) fn install(workspace: &Workspace) -> Result<Self, String> {
        let scripts = workspace.root.join("xtask/real-llm");
        let llama = Llama::install(workspace)?;
        let sdk = install::environment("openai-sdk", &scripts.join("requirements.txt"))?;
        Ok(Self { llama, sdk, script: scripts.join("client.py") })
    }

    /// The SDK's script.
    pub(crate) fn client(&self, gateway: SocketAddr, mode: &[&str]) -> Command {
        let mut command = Command::new(&self.sdk);
        command.arg(&self.script).arg(format!("http://{gateway}/v1")).arg("fast").args(mode);
        command
    }
}

/// The programs of one run. They end with it, in the order of the fields.
struct Scene<'a> {
    kit: &'a Kit,
    short: bool,
    address: SocketAddr,
    llama_port: u16,
    traffic: Running,
    gateway: Running,
    llama: Running,
    _spare: Option<Running>,
}

fn tell(workspace: &Workspace, kit: &Kit, short: bool) -> Result<Counts, String> {
    let program = server::build(workspace, if short { "debug" } else { "release" })?;
    let mut story = Story::new();
    let (llama_port, spare_port) = (http::free_port()?, http::free_port()?);
    let address = http::local(http::free_port()?);
    let llama = kit.llama.start(FIRST, llama_port)?;
    story.say(format!("{llama:?} answers on port {llama_port}: a llama.cpp server, {SERVED}"));
    let spare = match short {
        true => None,
        false => Some(kit.llama.start(SPARE, spare_port)?),
    };
    match &spare {
        Some(spare) => story.say(format!("{spare:?} answers on port {spare_port}: another one")),
        None => story.say("the spare is the gateway's own pretend provider"),
    }
    let gateway = gateway(&program, address, &config(short, llama_port, spare_port))?;
    story.say(format!("{gateway:?} is ready on {address}"));

    let once = process::run(kit.client(address, &["once"]), Duration::from_secs(90), false)?;
    let first = Tally::read(&once.lines);
    let both = first.whole == 1 && first.streamed == 1 && first.errors.is_empty();
    let slowest = first.slowest_ms;
    story.check(both, format!("the SDK got a whole and a streamed answer, within {slowest} ms"));
    if !both {
        return Err(format!("{first:?}\nthe gateway's last lines:\n{}", gateway.lines.last(15)));
    }

    let workers = if short { "1" } else { "2" };
    let traffic = Running::start("the SDK", kit.client(address, &["traffic", workers]))?;
    let mut scene =
        Scene { kit, short, address, llama_port, traffic, gateway, llama, _spare: spare };
    scene.some_answers(3)?;
    story.say(format!("traffic: {workers} at a time, in a row, streamed and whole by turns"));
    scene.killed(&mut story)?;
    if !short {
        scene.hung(&mut story)?;
    }
    scene.end(&mut story)?;
    Ok(story.counts)
}

impl Scene<'_> {
    /// The provider is killed during traffic and comes back.
    fn killed(&mut self, story: &mut Story) -> Result<(), String> {
        let mut watch = self.watch()?;
        let seen = watch.events.len();
        story.say(format!("kill -9 of {:?}", self.llama));
        self.llama.kill();
        self.opens(&mut watch, seen, story)?;
        self.some_answers(if self.short { 3 } else { 6 })?;
        story.say("it is down, and clients get answers from the spare");
        self.llama = self.kit.llama.start(FIRST, self.llama_port)?;
        story.say(format!("restarted as {:?}", self.llama));
        if let Some(closed_at) = self.closes(&mut watch, seen, story)? {
            let calls = launches(&self.llama, closed_at);
            story.check(calls == 1, format!("the provider saw {calls} call before it closed"));
        }
        self.some_answers(3)
    }

    /// The provider is stopped, so that it accepts connections and never answers, and goes on.
    fn hung(&mut self, story: &mut Story) -> Result<(), String> {
        let mut watch = self.watch()?;
        let seen = watch.events.len();
        story.say(format!("SIGSTOP to {:?}", self.llama));
        self.llama.signal(Signal::STOP)?;
        self.opens(&mut watch, seen, story)?;
        self.some_answers(6)?;
        story.say("it hangs, and clients get answers from the spare");
        self.llama.signal(Signal::CONT)?;
        story.say(format!("SIGCONT to {:?}", self.llama));
        self.closes(&mut watch, seen, story)?;
        self.some_answers(3)
    }

    fn watch(&self) -> Result<Watch, String> {
        let mut watch = Watch::new(self.address);
        watch.look()?;
        Ok(watch)
    }

    /// Waits for the breaker to open.
    fn opens(&mut self, watch: &mut Watch, seen: usize, story: &mut Story) -> Result<(), String> {
        let start = clock::now();
        let mut problem = None;
        let opened = clock::wait_until(Duration::from_secs(60), || {
            problem = watch.look().err();
            problem.is_some() || watch.of(FIRST, seen).iter().any(|event| event.to == "open")
        });
        if let Some(why) = problem {
            return Err(self.with_log(&why));
        }
        let events = watch.of(FIRST, seen);
        let which = events.iter().find(|event| event.to == "open");
        let what = which.map_or_else(String::new, |e| format!(": {}, {}", e.key, e.reason));
        let after = start.elapsed().as_secs_f64();
        story.check(opened, format!("the breaker opened after {after:.1} s{what}"));
        Ok(())
    }

    /// Waits for the breaker to close, with never more than one probe out. Answers when it did.
    fn closes(
        &mut self,
        watch: &mut Watch,
        seen: usize,
        story: &mut Story,
    ) -> Result<Option<u64>, String> {
        let start = clock::now();
        let mut most_probes = 0;
        let mut problem = None;
        let closed = clock::wait_until(Duration::from_secs(60), || {
            let look =
                watch.look().and_then(|()| watch::probes(self.address, FIRST)).and_then(|probes| {
                    most_probes = most_probes.max(probes);
                    watch::all_closed(self.address, FIRST)
                });
            match look {
                Ok(closed) => closed,
                Err(why) => {
                    problem = Some(why);
                    true
                }
            }
        });
        if let Some(why) = problem {
            return Err(self.with_log(&why));
        }
        watch.look()?;
        let after = start.elapsed().as_secs_f64();
        story.check(closed, format!("the breaker closed {after:.1} s after the provider was back"));
        let events = watch.of(FIRST, seen);
        for event in &events {
            let watch::Event { key, from, to, reason, .. } = event;
            println!("             {key}: {from} -> {to} ({reason})");
        }
        let probes = events.iter().filter(|event| event.to == "half-open").count();
        story.say(format!("{probes} half-open times in this outage"));
        story.check(most_probes <= 1, format!("never more than one probe out: {most_probes} seen"));
        match watch::one_outage(&events) {
            Ok(closed_at) => {
                story.check(true, "each half-open time ended by exactly one verdict");
                Ok(Some(closed_at))
            }
            Err(why) => {
                story.check(false, format!("the transitions make no outage: {why}"));
                Ok(None)
            }
        }
    }

    /// Waits until so many more calls ended well.
    fn some_answers(&mut self, count: u64) -> Result<(), String> {
        let wanted = self.tally().good() + count;
        match clock::wait_until(Duration::from_secs(90), || self.tally().good() >= wanted) {
            true => Ok(()),
            false => Err(self.with_log("the SDK's calls do not end")),
        }
    }

    fn tally(&self) -> Tally {
        let lines: Vec<String> =
            self.traffic.lines.all().into_iter().map(|(_, line)| line).collect();
        Tally::read(&lines)
    }

    /// Ends traffic and gateway, and sums up.
    fn end(mut self, story: &mut Story) -> Result<(), String> {
        let ended = self.traffic.finish(Duration::from_secs(90));
        story.check(ended, "the clients ended");
        let Tally { whole, streamed, cut, errors, slowest_ms } = self.tally();
        story.check(
            errors.is_empty(),
            format!("{} errors at clients that the spare could have hidden", errors.len()),
        );
        for error in errors.iter().chain(&cut) {
            println!("             {error}");
        }
        story.say(format!(
            "{whole} whole and {streamed} streamed answers, the slowest {slowest_ms} ms; \
             {} streams broke after output had reached the client, and said so",
            cut.len()
        ));
        let start = clock::now();
        self.gateway.signal(Signal::TERM)?;
        let ended = clock::wait_until(Duration::from_secs(15), || !self.gateway.alive());
        let took = start.elapsed().as_secs_f64();
        story.check(ended, format!("the gateway ended {took:.1} s after SIGTERM"));
        Ok(())
    }

    fn with_log(&self, why: &str) -> String {
        format!("{why}\nthe gateway's last lines:\n{}", self.gateway.lines.last(15))
    }
}

/// Calls that a llama.cpp server began before `time`, by its own log.
fn launches(server: &Running, time: u64) -> usize {
    let lines = server.lines.all();
    lines.iter().filter(|(at, line)| *at <= time && line.contains("launch_slot_")).count()
}

/// The gateway, ready to serve, with `config` as its file.
fn gateway(program: &Path, address: SocketAddr, config: &str) -> Result<Running, String> {
    let file = server::config_file("real-llm", config)?;
    let ready = server::start(program, address, &file);
    let _ = fs::remove_file(&file);
    ready
}

/// Two failures in a row trip; open times are short, so that the story is.
fn config(short: bool, llama_port: u16, spare_port: u16) -> String {
    let spare = match short {
        true => "kind = \"pretend\"\nkeys = [{ name = \"key-1\" }]".to_owned(),
        false => provider(spare_port),
    };
    let models = with_a_spare([(FIRST, &provider(llama_port)), (SPARE, &spare)]);
    format!(
        r#"[breaker]
failure_threshold = 2
recovery_timeout = "1s"
max_recovery_timeout = "2s"

[timeouts]
connect = "1s"
first_byte = "4s"
idle = "4s"
total = "60s"

{models}"#
    )
}
