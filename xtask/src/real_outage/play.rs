//! How is the outage played? The same calls at the same times, and the same harm at the same times.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    clock, http,
    llama::{Llama, provider, with_a_spare},
    process::{self, Running},
    server,
    story::Story,
    watch::Watch,
};

use super::{
    FIRST, SPARE,
    measure::{Record, Sick, rows, seen},
    script::{Episode, Harm, Script},
};

/// A throttled provider runs for so long, and is stopped for so long, by turns.
const RUNS: Duration = Duration::from_millis(100);
const STOPPED: Duration = Duration::from_millis(400);

/// What all passes have in common.
pub(super) struct Stage<'a> {
    pub(super) program: &'a Path,
    pub(super) kit: &'a Llama,
    /// Python with the SDK, and the script that calls.
    pub(super) client: (&'a Path, &'a Path),
    pub(super) folder: &'a Path,
    pub(super) script: &'a Script,
    pub(super) rate: u32,
    pub(super) seed: u64,
    pub(super) tokens: u32,
    pub(super) first: Running,
    pub(super) first_port: u16,
    pub(super) spare_port: u16,
}

impl Stage<'_> {
    /// Plays it with these settings in the gateway's configuration. Answers what was recorded, and
    /// the file of its calls to the first provider.
    ///
    /// # Errors
    /// A program does not start, or ends too soon.
    pub(super) fn play(
        &mut self,
        name: &str,
        settings: &str,
        story: &mut Story,
    ) -> Result<(Record, PathBuf), String> {
        let address = http::local(http::free_port()?);
        let log = self.folder.join(format!("{name}.db"));
        for old in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{old}", log.display()));
        }
        let config = self.folder.join(format!("{name}.toml"));
        write(&config, &self.config(&log, settings))?;
        let mut gateway = server::start(self.program, address, &config)?;
        let played = self.with(address, story).map_err(|why| {
            format!("{why}\nthe gateway's last lines:\n{}", gateway.lines.last(15))
        })?;
        // It writes down its last calls as it ends.
        gateway.signal(Signal::TERM)?;
        if !clock::wait_until(Duration::from_secs(20), || !gateway.alive()) {
            return Err(format!("{gateway:?} does not end"));
        }
        let mut print = Command::new(self.program);
        print.arg("calls").arg(&log).args(["--csv", "--provider", FIRST]);
        let printed = process::run(print, Duration::from_secs(60), false)?;
        if !printed.success() {
            return Err(format!("calls: {}\n{}", printed.how(), printed.lines.join("\n")));
        }
        let csv = self.folder.join(format!("{name}.csv"));
        write(&csv, &(printed.lines.join("\n") + "\n"))?;
        Ok((Record { rows: rows(&printed.lines)?, ..played }, csv))
    }

    fn with(&mut self, address: SocketAddr, story: &mut Story) -> Result<Record, String> {
        self.warm(address)?;
        let mut watch = Watch::new(address);
        let lasts = self.script.lasts.as_secs();
        let numbers = [u64::from(self.rate), lasts, self.seed, u64::from(self.tokens)];
        let mut paced = self.call(address, &["paced"]);
        paced.args(numbers.map(|number| number.to_string()));
        let mut clients = Running::start("the clients", paced)?;
        let ready = || clients.lines.all().iter().any(|(_, line)| line.contains("\"ready\""));
        if !clock::wait_until(Duration::from_secs(30), ready) {
            return Err(format!("the clients do not start:\n{}", clients.lines.last(9)));
        }
        clients.tell("go")?;
        let start = clock::now();
        let mut sick = Vec::new();
        for episode in self.script.episodes.clone() {
            until(start, episode.from);
            sick.push(self.harm(episode, start, story)?);
            watch.look()?;
        }
        until(start, self.script.lasts);
        if !clients.finish(Duration::from_secs(90)) || !clients.succeeded() {
            return Err(format!("the clients did not end well:\n{}", clients.lines.last(9)));
        }
        let to = clock::wall_ms();
        watch.look()?;
        let events = watch.of(FIRST, 0).into_iter().cloned().collect();
        let lines = clients.lines.all();
        let calls = lines.iter().map(|(_, line)| line.as_str());
        let seen = seen(calls.filter(|line| !line.contains("\"ready\"")));
        Ok(Record { sick, to, rows: Vec::new(), events, seen })
    }

    /// The first calls of a model are its slowest: they are not part of the outage.
    fn warm(&self, address: SocketAddr) -> Result<(), String> {
        let mut last = Vec::new();
        for _ in 0..5 {
            let once = self.call(address, &["once"]);
            let once = process::run(once, Duration::from_secs(90), false)?;
            if once.success() {
                return Ok(());
            }
            last = once.lines;
        }
        Err(format!("the SDK got no answer:\n{}", last.join("\n")))
    }

    /// Does what the script says, and undoes it at its time.
    fn harm(
        &mut self,
        Episode { harm, from, lasts }: Episode,
        start: Instant,
        story: &mut Story,
    ) -> Result<Sick, String> {
        let began = clock::wall_ms();
        let end = from + lasts;
        story.say(format!("{}: {:?}", harm.name(), self.first));
        match harm {
            Harm::Killed => {
                self.first.kill();
                until(start, end);
                self.first = self.kit.start(FIRST, self.first_port)?;
            }
            Harm::Hung => {
                self.first.signal(Signal::STOP)?;
                until(start, end);
                self.first.signal(Signal::CONT)?;
            }
            Harm::Throttled => {
                while start.elapsed() < end {
                    self.first.signal(Signal::STOP)?;
                    clock::pause(STOPPED);
                    self.first.signal(Signal::CONT)?;
                    clock::pause(RUNS);
                }
            }
        }
        let sick = Sick { from: began, to: clock::wall_ms() };
        let took = sick.to.saturating_sub(sick.from) / 1000;
        story.say(format!("{:?} is well again, {took} s later", self.first));
        Ok(sick)
    }

    fn call(&self, gateway: SocketAddr, mode: &[&str]) -> Command {
        let (python, script) = self.client;
        let mut command = Command::new(python);
        command.arg(script).arg(format!("http://{gateway}/v1")).arg("fast").args(mode);
        command
    }

    fn config(&self, log: &Path, settings: &str) -> String {
        let (first, spare) = (provider(self.first_port), provider(self.spare_port));
        let (log, models) = (log.display(), with_a_spare([(FIRST, &first), (SPARE, &spare)]));
        format!(
            r#"{settings}
[timeouts]
first_byte = "3s"
idle = "3s"

[store]
path = ":memory:"

[calls]
path = "{log}"

{models}"#
        )
    }
}

fn until(start: Instant, offset: Duration) {
    clock::pause((start + offset).saturating_duration_since(clock::now()));
}

pub(super) fn write(file: &Path, text: &str) -> Result<(), String> {
    fs::write(file, text).map_err(|e| format!("{}: {e}", file.display()))
}
