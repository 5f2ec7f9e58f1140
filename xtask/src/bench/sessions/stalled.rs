//! What do others notice of one reader that stalls? Nothing, or its price at their 99th percentile.

use std::time::Duration;

use crate::{bench::stats::Samples, chance::Chance, clock};

use super::{
    contestant::{Contestant, Kit, is_event, is_subscribed},
    sockets::Sockets,
};

const READERS: usize = 100;
const ROUNDS: u32 = 8;
const EVENTS: u64 = 150;
/// A socket that is not read is full after so many of them.
const INPUT_BYTES: usize = 64 * 1024;

/// # Errors
/// The server cannot be measured.
pub(super) fn run(kit: &Kit, chance: &mut Chance) -> Result<(), String> {
    let server = kit.panelboard(":memory:", "max_queue = 10000\nmax_input_bytes = \"256KiB\"")?;
    let mut arms =
        [(false, Samples::default()), (false, Samples::default()), (true, Samples::default())];
    let mut number = 0;
    for round in 0..ROUNDS {
        let mut order = [0, 1, 2];
        chance.shuffle(&mut order);
        for arm in order {
            let (stalls, samples) = &mut arms[arm];
            number += 1;
            one(&server, &format!("stalled-{number}"), *stalls, samples)?;
        }
        if round % 4 == 3 {
            println!("stalled reader: round {} of {ROUNDS}", round + 1);
        }
    }
    let [(_, mut without), (_, mut again), (_, mut with)] = arms;
    let base = without.percentile(0.99);
    println!("\n**One stalled reader** beside {READERS} others (goal: their p99 within 5 %)\n");
    println!("| | median µs | p99 µs | p99, against none |");
    println!("| --- | --: | --: | --: |");
    for (name, samples) in [("none", &mut without), ("none, again", &mut again), ("one", &mut with)]
    {
        let (middle, high) = (samples.percentile(0.5), samples.percentile(0.99));
        println!("| {name} | {middle:.0} | {high:.0} | {:+.1} % |", (high / base - 1.0) * 100.0);
    }
    println!();
    Ok(())
}

/// Events one after the other, each when all readers have the last; the stalled one reads nothing.
fn one(
    server: &Contestant,
    session: &str,
    stalls: bool,
    samples: &mut Samples,
) -> Result<(), String> {
    let subscription = server.subscription(session);
    let mut stalled = Sockets::new()?;
    if stalls {
        stalled.open(server.address, server.path(), subscription.as_deref())?;
    }
    let mut sockets = Sockets::new()?;
    for _ in 0..READERS {
        sockets.open(server.address, server.path(), subscription.as_deref())?;
    }
    let mut left = READERS;
    sockets.read_until(|_, text, _| {
        left -= usize::from(is_subscribed(text));
        left == 0
    })?;
    let publisher = sockets.open(server.address, server.path(), None)?;
    let filling = "x".repeat(INPUT_BYTES);
    for number in 0..EVENTS {
        // The first run never ends, so each further one waits, and is one event that says so.
        let text = format!(
            concat!(
                r#"{{"type":"submit","client_msg_id":"{session}-{number}","session":"{session}","#,
                r#""input":"{filling}","on_conflict":"enqueue"}}"#
            ),
            session = session,
            number = number,
            filling = filling,
        );
        let start = clock::now();
        sockets.send(publisher, &text)?;
        let mut left = READERS;
        sockets.read_until(|socket, text, now| {
            // Only this one carries the input.
            if socket != publisher && is_event(text) && text.len() > INPUT_BYTES {
                left -= 1;
                samples.add(now.saturating_duration_since(start));
            }
            left == 0
        })?;
        clock::pause(Duration::from_millis(1));
    }
    Ok(())
}
