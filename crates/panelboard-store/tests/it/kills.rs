//! Does a real process that is killed with `kill -9` lose anything that it has acknowledged? The
//! test's own binary runs again as the process, and is killed at a moment drawn from a seed.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use panelboard_store::{Append, Change, Class, Config, Create, Effect, Receipt, Store};

use crate::support::{config, end, from_environment, id, kept};

const SESSIONS: u64 = 3;
/// Names the file to the process that is to be killed.
const FILE: &str = "PANELBOARD_KILLED_FILE";
/// Writes that it has under way.
const AHEAD: usize = 48;
/// Each so many of a session is a clear.
const CLEAR_EVERY: u64 = 64;

fn name(session: u64) -> String {
    format!("killed/{session}")
}

fn class(number: u64) -> Class {
    if number.is_multiple_of(3) { Class::Os } else { Class::Disk }
}

/// How far the sessions have come: the number of all records. Sessions take turns, so one number
/// says all of it, if what is there is a prefix.
fn written(heads: &[u64]) -> u64 {
    heads.iter().sum()
}

fn heads(store: &Store) -> Vec<u64> {
    (0..SESSIONS).map(|session| store.session(&id(&name(session))).unwrap().tag.seq).collect()
}

fn submit(store: &Store, number: u64) -> Receipt {
    let (session, seq) = (id(&name(number % SESSIONS)), number / SESSIONS + 1);
    if seq.is_multiple_of(CLEAR_EVERY) {
        let tag = panelboard_store::Tag { era: seq / CLEAR_EVERY - 1, seq: seq - 1 };
        return store.change(Change::clear(&session, tag)).unwrap();
    }
    let body = format!(r#"{{"seq":{seq},"filler":"{}"}}"#, "x".repeat((seq % 900) as usize));
    let append = Append::new(&session, "message", body).unwrap();
    store.append(append.seq(seq).class(class(number))).unwrap()
}

/// Goes on where the file ends, for ever; says each write that is acknowledged.
fn process(file: &str) -> ! {
    let config = Config::new().snapshot_every(20).keep_records(10);
    let store = Store::open(file, config).unwrap();
    for session in 0..SESSIONS {
        kept(&store.create(Create::new(&id(&name(session)), "{}").unwrap()).unwrap());
    }
    let mut next = written(&heads(&store));
    let mut under_way = VecDeque::new();
    let mut out = std::io::stdout().lock();
    loop {
        while under_way.len() < AHEAD {
            under_way.push_back((next, submit(&store, next)));
            next += 1;
        }
        let (number, receipt) = under_way.pop_front().unwrap();
        end(&receipt).unwrap();
        // One write call each: whole lines reach the pipe, or none.
        out.write_all(format!("acknowledged {number}\n").as_bytes()).unwrap();
        out.flush().unwrap();
    }
}

/// Not a test by itself: the process that is killed.
#[test]
fn the_process() {
    if let Ok(file) = std::env::var(FILE) {
        process(&file);
    }
}

/// Starts the process, and kills it when it has said so many lines. Answers the last that it said.
fn killed_after(file: &Path, lines: u64) -> Option<u64> {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kills::the_process", "--nocapture", "--test-threads=1"])
        .env(FILE, file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut last = None;
    let mut said = 0;
    for line in BufReader::new(process.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let Some(number) = line.strip_prefix("acknowledged ") else { continue };
        last = Some(number.parse().unwrap());
        said += 1;
        if said == lines {
            // SIGKILL. What it had said before, and is not read yet, follows.
            process.kill().unwrap();
        }
    }
    process.wait().unwrap();
    assert!(said >= lines, "it was killed by this test and by nothing else");
    last
}

fn look(file: &Path, acknowledged: u64) -> u64 {
    let store = Store::open(file, config(&Default::default())).unwrap();
    let heads = heads(&store);
    let all = written(&heads);
    assert!(all > acknowledged, "{acknowledged} was acknowledged, {all} are there");
    for (session, head) in (0..SESSIONS).zip(heads) {
        let id = id(&name(session));
        store.check(&id).unwrap();
        // A prefix: of each session as many as its turns give it.
        assert_eq!(head, (all + SESSIONS - 1 - session) / SESSIONS, "session {session} of {all}");
        let page = store.memory(&id, None, 1_000).unwrap();
        let start = page.tag.era * CLEAR_EVERY;
        let seqs: Vec<u64> = page.items.iter().map(|item| item.seq).collect();
        assert_eq!(seqs, (start + 1..=head).collect::<Vec<_>>(), "what came since the clear");
        for item in page.items {
            assert!(item.body.starts_with(&format!(r#"{{"seq":{},"#, item.seq)));
        }
        let log = store.log(&id, head.saturating_sub(5).max(start.saturating_sub(1)), 10).unwrap();
        assert!(log.records.iter().all(|record| {
            (record.effect == Effect::Clear) == record.seq.is_multiple_of(CLEAR_EVERY)
        }));
    }
    all
}

/// `PANELBOARD_KILLS` times; 20 if not said. `PANELBOARD_SEED` says when.
#[test]
fn m03_kill_9_at_random_moments_leaves_a_prefix_with_all_that_was_acknowledged() {
    let kills = from_environment("PANELBOARD_KILLS", 20);
    let seed = from_environment("PANELBOARD_SEED", 1);
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("panelboard.db");
    let mut all = 0;
    for kill in 0..kills {
        let lines = random.u64(1..200);
        let last = killed_after(&file, lines).expect("it said some");
        let before = all;
        all = look(&file, last);
        assert!(all > before, "seed {seed}, kill {kill}: nothing that was there has gone");
    }
    println!("\n{kills} kills, seed {seed}: {all} records");
}
