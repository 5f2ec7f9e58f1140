//! What is left when the server is killed at any moment? Under load, again and again, on one store.

use std::time::Duration;

use rustix::process::Signal;

use crate::{
    chance::Chance,
    client::Client,
    clock, http,
    kills::{LIMIT, Mortal},
    story::Story,
};

use super::{Scene, pretend};

const SESSIONS: &str = "max_queue = 6\ngrace = \"200ms\"\nhard_grace = \"200ms\"";

/// # Errors
/// The server does not come back, or a client breaks.
pub(super) fn tell(scene: &Scene<'_>, story: &mut Story) -> Result<(), String> {
    let address = http::local(http::free_port()?);
    let config = pretend::config(scene, "kills", SESSIONS)?;
    let server = Mortal { program: scene.program.to_owned(), address, config, within_ms: 600 };

    let record = scene.folder.join("kills.jsonl");
    let mut command = scene.kit.scripts.script("kills.py", address);
    command.arg(scene.extent.seed.to_string()).arg(record);
    let mut clients = Client::start("the clients", command)?;
    let mut chance = Chance::new(scene.extent.seed);
    server.die(scene.extent.kills, &mut chance, &mut clients, story)?;
    told_to_end(&server, &mut clients, story)?;
    server.conclude(clients, LIMIT * 2, story)
}

/// SIGTERM in the middle of the load: sockets are told, and everything acknowledged is kept.
fn told_to_end(server: &Mortal, clients: &mut Client, story: &mut Story) -> Result<(), String> {
    let (mut running, started) = server.start()?;
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
    clients.wait(LIMIT, "the word of the sockets", |line| (line["check"] == "goaway").then_some(()))
}
