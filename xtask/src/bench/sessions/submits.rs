//! How many submissions a second are kept? Beside one sync for each, on the same disk.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    process::Command,
    time::Duration,
};

use crate::clock;

use super::{
    contestant::{Kit, one_line},
    sockets::Sockets,
};

const SOCKETS: usize = 16;
/// Sent and not yet acknowledged, on each socket.
const AHEAD: usize = 32;
const SESSIONS: usize = 512;
const ROUNDS: usize = 3;
const SUBMITS: usize = 8_000;
const SYNCS: u32 = 200;

/// # Errors
/// The server or the disk cannot be measured.
pub(super) fn run(kit: &Kit) -> Result<(), String> {
    let mut best = [0.0_f64; 3];
    for round in 0..ROUNDS {
        let ours = panelboard(kit, round)?;
        let synced = one_sync_each(kit.folder())?;
        let committed = one_commit_each(kit)?;
        for (best, new) in best.iter_mut().zip([ours, synced, committed]) {
            *best = best.max(new);
        }
        println!("durable submits: round {} of {ROUNDS}", round + 1);
    }
    let [ours, synced, committed] = best;
    println!("\n**Durable submissions** (goal: 15 times one sync for each)\n");
    println!("| | a second | times one sync for each |\n| --- | --: | --: |");
    let rows = [
        ("panelboard, acknowledged when it is on disk", ours),
        ("a file, written and synced for each", synced),
        ("SQLite, a transaction for each (Python's own)", committed),
    ];
    for (name, rate) in rows {
        println!("| {name} | {rate:.0} | {:.1} |", rate / synced);
    }
    println!();
    Ok(())
}

/// Each session is held by a run that never ends, so that each further one is kept and waits.
fn panelboard(kit: &Kit, round: usize) -> Result<f64, String> {
    let server = kit.panelboard(&format!("submits-{round}.db"), "max_queue = 10000")?;
    let mut sockets = Sockets::new()?;
    for _ in 0..SOCKETS {
        sockets.open(server.address, server.path(), None)?;
    }
    let mut sent = 0;
    let mut submit = |sockets: &mut Sockets, socket: usize| {
        sent += 1;
        let session = sent % SESSIONS;
        let text = format!(
            concat!(
                r#"{{"type":"submit","client_msg_id":"m-{sent}","session":"s-{session}","#,
                r#""input":"Say hello to number {sent}.","on_conflict":"enqueue"}}"#
            ),
            sent = sent,
            session = session,
        );
        sockets.send(socket, &text)
    };
    // The runs that hold the sessions.
    acknowledged(&mut sockets, SESSIONS, &mut submit)?;
    let start = clock::now();
    acknowledged(&mut sockets, SUBMITS, &mut submit)?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(f64::from(u32::try_from(SUBMITS).unwrap_or(u32::MAX)) / seconds)
}

/// Sends so many, always [`AHEAD`] of the answers, and waits for all answers.
fn acknowledged(
    sockets: &mut Sockets,
    count: usize,
    submit: &mut impl FnMut(&mut Sockets, usize) -> Result<(), String>,
) -> Result<(), String> {
    let mut sent = 0;
    for number in 0..(SOCKETS * AHEAD).min(count) {
        submit(sockets, number % SOCKETS)?;
        sent += 1;
    }
    let mut answered = 0;
    while answered < count {
        let mut answers = Vec::new();
        let mut refused = None;
        sockets.read_until(|socket, text, _| {
            if text.starts_with(br#"{"type":"ack""#) {
                answers.push(socket);
                if !text.windows(9).any(|nine| nine == br#""ok":true"#) {
                    refused = Some(String::from_utf8_lossy(text).into_owned());
                }
            } else if text.starts_with(br#"{"type":"error""#) {
                refused = Some(String::from_utf8_lossy(text).into_owned());
            }
            !answers.is_empty() || refused.is_some()
        })?;
        if let Some(why) = refused {
            return Err(format!("a submission was refused: {why}"));
        }
        answered += answers.len();
        for socket in answers {
            if sent < count {
                submit(sockets, socket)?;
                sent += 1;
            }
        }
    }
    Ok(())
}

fn one_sync_each(folder: &Path) -> Result<f64, String> {
    let path = folder.join("syncs");
    let said = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(said)?;
    let record = [b'x'; 256];
    let start = clock::now();
    for _ in 0..SYNCS {
        file.write_all(&record).and_then(|()| file.sync_data()).map_err(said)?;
    }
    let rate = f64::from(SYNCS) / start.elapsed().as_secs_f64();
    let _ = fs::remove_file(&path);
    Ok(rate)
}

fn one_commit_each(kit: &Kit) -> Result<f64, String> {
    let mut command = Command::new("python3");
    command.arg(kit.script("commits.py")).arg(kit.folder().join("commits.db"));
    command.arg(SYNCS.to_string());
    let said = one_line(command, Duration::from_secs(120))?;
    said["per_second"].as_f64().ok_or_else(|| format!("no rate: {said}"))
}
