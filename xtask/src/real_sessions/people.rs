//! Twenty sessions on a real model: what do people see who race each other while it is killed?

use std::{fs, net::SocketAddr, time::Duration};

use rustix::process::Signal;

use crate::{
    client::Client,
    clock, http,
    llama::{SERVED, provider},
    process::Running,
    server,
    story::Story,
};

use super::{Scene, history};

const MODEL: &str = "llama-a";
const SESSIONS: u32 = 20;
/// How many may wait in a session.
const MAX_QUEUE: usize = 6;
/// In tokens: a turn takes about a second, so that there are many.
pub(super) const LONGEST_ANSWER: u32 = 16;

/// # Errors
/// A program does not start, or ends too soon.
pub(super) fn tell(scene: &Scene<'_>, story: &mut Story) -> Result<(), String> {
    let extent = scene.extent;
    let port = http::free_port()?;
    let address = http::local(http::free_port()?);
    let mut llama = scene.kit.llama.start(MODEL, port)?;
    story.say(format!("{llama:?} answers on port {port}: a llama.cpp server, {SERVED}"));
    let file = scene.folder.join("people.toml");
    let store = scene.folder.join("people.db");
    fs::write(&file, config(port, &store.display().to_string()))
        .map_err(|e| format!("{}: {e}", file.display()))?;
    let mut panelboard = server::start(scene.program, address, &file)?;
    story.say(format!("{panelboard:?} is ready on {address}, its store is a file"));

    let record = scene.folder.join("people.jsonl");
    let mut command = scene.kit.scripts.script("traffic.py", address);
    command.args([SESSIONS.to_string(), extent.seed.to_string()]).arg(&record);
    let mut clients = Client::start("the clients", command)?;
    story.say(format!("{SESSIONS} sessions, up to three people and a follower in each"));
    let more = if extent.short { 100 } else { 400 };
    let with_logs = |why: String, server: &Running| {
        format!("{why}\nthe server's last lines:\n{}", server.lines.last(15))
    };
    let ended = ended_runs(&mut clients, more).map_err(|why| with_logs(why, &panelboard))?;
    let enough = if extent.short { 6 } else { 50 };
    let called = clock::wait_until(Duration::from_secs(60), || launches(&llama) >= enough);
    let calls = launches(&llama);
    story.check(called, format!("{ended} runs have ended, {calls} calls reached the model"));

    story.say(format!("kill -9 of {llama:?}"));
    llama.kill();
    let ended = ended_runs(&mut clients, ended + more).map_err(|e| with_logs(e, &panelboard))?;
    story.say(format!("it is down, and {ended} runs have ended"));
    llama = scene.kit.llama.start(MODEL, port)?;
    story.say(format!("restarted as {llama:?}"));
    let mut ended =
        ended_runs(&mut clients, ended + more).map_err(|e| with_logs(e, &panelboard))?;
    let back = clock::wait_until(Duration::from_secs(30), || launches(&llama) > 0);
    story.check(back, format!("{ended} runs have ended, and the model is called again"));
    if !extent.short {
        for turn in 1..=2 {
            ended = hung(&mut clients, &llama, ended + more, more, story)
                .map_err(|why| with_logs(format!("hang {turn}: {why}"), &panelboard))?;
        }
    }
    clients.tell("end")?;
    story.say(format!("{ended} runs have ended; everything comes to rest, the record is judged"));
    clients.conclude(Duration::from_secs(300), story).map_err(|why| with_logs(why, &panelboard))?;
    history::judge(&record, MAX_QUEUE, story)?;
    ends_in_time(&mut panelboard, address, story)
}

/// The model's server is stopped, so that it accepts connections and never answers, and goes on.
fn hung(
    clients: &mut Client,
    llama: &Running,
    ended: u64,
    more: u64,
    story: &mut Story,
) -> Result<u64, String> {
    llama.signal(Signal::STOP)?;
    story.say(format!("SIGSTOP to {llama:?}"));
    let ended = ended_runs(clients, ended);
    llama.signal(Signal::CONT)?;
    story.say(format!("SIGCONT to {llama:?}"));
    ended_runs(clients, ended? + more)
}

/// Waits until so many runs have ended.
fn ended_runs(clients: &mut Client, wanted: u64) -> Result<u64, String> {
    clients.wait(Duration::from_secs(120), &format!("{wanted} ends of runs"), |line| {
        line["progress"].as_u64().filter(|ended| *ended >= wanted)
    })
}

fn ends_in_time(
    panelboard: &mut Running,
    address: SocketAddr,
    story: &mut Story,
) -> Result<(), String> {
    let start = clock::now();
    panelboard.signal(Signal::TERM)?;
    let ended = clock::wait_until(Duration::from_secs(15), || !panelboard.alive());
    let took = start.elapsed().as_secs_f64();
    story.check(ended, format!("the server on {address} ended {took:.1} s after SIGTERM"));
    Ok(())
}

/// Calls that a llama.cpp server began, by its own log.
fn launches(server: &Running) -> usize {
    server.lines.all().iter().filter(|(_, line)| line.contains("launch_slot_")).count()
}

/// The real model first, a pretend provider as its spare and for quick turns.
fn config(llama_port: u16, store: &str) -> String {
    let first = provider(llama_port);
    format!(
        r#"[store]
path = "{store}"

[sessions]
max_queue = {MAX_QUEUE}
grace = "1s"
hard_grace = "1s"
ring_events = 256

[breaker]
failure_threshold = 2
recovery_timeout = "1s"
max_recovery_timeout = "2s"

[timeouts]
connect = "1s"
first_byte = "15s"
idle = "5s"
total = "60s"

[[provider]]
name = "{MODEL}"
{first}

[[provider]]
name = "spare"
kind = "pretend"
keys = [{{ name = "key-1" }}]

[[model]]
name = "real"
targets = ["{MODEL}/{SERVED}", "spare/pretend-1"]

[[model]]
name = "quick"
targets = ["spare/pretend-1"]
"#
    )
}
