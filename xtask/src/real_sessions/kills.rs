//! What is left when the server is killed at any moment? Under load, again and again, on one store.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use rustix::process::Signal;

use crate::{chance::Chance, client::Client, clock, http, process::Running, server, story::Story};

use super::{Scene, pretend};

/// For what the clients do on their own.
const LIMIT: Duration = Duration::from_secs(90);

const SESSIONS: &str = "max_queue = 6\ngrace = \"200ms\"\nhard_grace = \"200ms\"";

struct Server<'a> {
    scene: &'a Scene<'a>,
    address: SocketAddr,
    config: PathBuf,
}

/// # Errors
/// The server does not come back, or a client breaks.
pub(super) fn tell(scene: &Scene<'_>, story: &mut Story) -> Result<(), String> {
    let kills = scene.extent.kills;
    let mut chance = Chance::new(scene.extent.seed);
    let address = http::local(http::free_port()?);
    let config = pretend::config(scene, "kills", SESSIONS)?;
    let server = Server { scene, address, config };

    let record = scene.folder.join("kills.jsonl");
    let mut command = scene.kit.scripts.script("kills.py", address);
    command.arg(scene.extent.seed.to_string()).arg(record);
    let mut clients = Client::start("the clients", command)?;
    let (mut early, mut checking) = (0, 0);
    for kill in 1..=kills {
        match chance.below(8) {
            // Before it listens, or while it takes up what the last one left.
            0 => {
                let mut running = server.spawn()?;
                clock::pause(Duration::from_millis(chance.below(150)));
                running.kill();
                early += 1;
            }
            // While clients look what is there and send again what was not answered.
            1 => {
                server.life(&mut clients, false, Duration::from_millis(chance.below(200)))?;
                checking += 1;
            }
            _ => server.life(&mut clients, true, Duration::from_millis(5 + chance.below(600)))?,
        }
        if kill % 20 == 0 {
            story.say(format!("killed {kill} of {kills} times"));
        }
    }
    story.say(format!(
        "kill -9: {kills} times, {early} of them at the start, {checking} while clients looked"
    ));
    server.told_to_end(&mut clients, story)?;

    let (running, started) = server.start()?;
    clients.tell(&format!("end {started}"))?;
    clients
        .conclude(LIMIT * 2, story)
        .map_err(|why| format!("{why}\nthe server's last lines:\n{}", running.lines.last(15)))
}

impl Server<'_> {
    fn spawn(&self) -> Result<Running, String> {
        server::spawn(self.scene.program, self.address, &self.config)
    }

    /// Ready, and when it was started, in seconds since 1970.
    fn start(&self) -> Result<(Running, String), String> {
        let started = clock::wall_ms();
        let mut running = self.spawn()?;
        server::wait_for(&mut running, self.address, "/ready")?;
        Ok((running, format!("{}.{:03}", started / 1000, started % 1000)))
    }

    /// From a start to a kill, `after` the clients load it or have begun to look.
    fn life(&self, clients: &mut Client, loaded: bool, after: Duration) -> Result<(), String> {
        let (mut running, started) = self.start()?;
        let with_log = |why: String, running: &Running| {
            format!("{why}\nthe server's last lines:\n{}", running.lines.last(15))
        };
        clients.tell(&format!("up {started}"))?;
        if loaded {
            clients
                .wait(LIMIT, "the load", |line| line["loading"].as_u64())
                .map_err(|why| with_log(why, &running))?;
        }
        clock::pause(after);
        if !running.alive() {
            return Err(with_log("the server ended by itself".into(), &running));
        }
        running.kill();
        clients.wait(LIMIT, "the server's end", |line| line["down"].as_u64()).map(drop)
    }

    /// SIGTERM in the middle of the load: sockets are told, and everything acknowledged is kept.
    fn told_to_end(&self, clients: &mut Client, story: &mut Story) -> Result<(), String> {
        let (mut running, started) = self.start()?;
        clients.tell(&format!("up {started}"))?;
        clients.wait(LIMIT, "the load", |line| line["loading"].as_u64())?;
        clock::pause(Duration::from_millis(400));
        let start = clock::now();
        running.signal(Signal::TERM)?;
        let ended = clock::wait_until(Duration::from_secs(35), || !running.alive());
        let took = start.elapsed().as_secs_f64();
        story.check(ended, format!("{running:?} ended {took:.1} s after SIGTERM, under load"));
        if !ended {
            running.kill();
        }
        clients.wait(LIMIT, "the server's end", |line| line["down"].as_u64())?;
        clients.tell("goaway")?;
        clients.wait(LIMIT, "the word of the sockets", |line| {
            (line["check"] == "goaway").then_some(())
        })
    }
}
