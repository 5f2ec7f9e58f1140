//! What does one event to 5,000 sockets cost? Beside bare writes of the same bytes.

use std::time::Duration;

use crate::{
    bench::{stats::Samples, usage},
    chance::Chance,
    clock,
};

use super::{
    contestant::{Contestant, Kit, Name, is_event, is_subscribed},
    sockets::Sockets,
};

const SOCKETS: usize = 5_000;
const ROUNDS: u32 = 3;
const EVENTS: u64 = 30;
const WARM_UP: u64 = 5;
const SESSION: &str = "fan-out";

/// What one contestant took, in all rounds.
struct Row {
    name: Name,
    /// Until the last socket had it.
    last: Samples,
    /// Until each had it.
    each: Samples,
    processor: Duration,
    events: u64,
    bytes: usize,
}

/// # Errors
/// The server or the floor cannot be measured. A peer that cannot is left out.
pub(super) fn run(kit: &Kit, chance: &mut Chance) -> Result<(), String> {
    let mut rows: Vec<Row> = Vec::new();
    // The others write as many bytes as our event has.
    let mut length = 0;
    for round in 1..=ROUNDS {
        let mut names = vec![Name::Bare, Name::Ws, Name::Bun];
        chance.shuffle(&mut names);
        names.insert(0, Name::Panelboard);
        for name in names {
            match of_one(kit, name, &mut length) {
                Ok(row) => add(&mut rows, row),
                Err(why) if matches!(name, Name::Ws | Name::Bun) => {
                    println!("left out: {}: {why}", name.said());
                }
                Err(why) => return Err(why),
            }
        }
        println!("fan-out: round {round} of {ROUNDS}");
    }
    table(rows);
    Ok(())
}

fn add(rows: &mut Vec<Row>, new: Row) {
    match rows.iter_mut().find(|row| row.name == new.name) {
        Some(row) => {
            row.last.extend(new.last);
            row.each.extend(new.each);
            row.processor += new.processor;
            row.events += new.events;
        }
        None => rows.push(new),
    }
}

fn of_one(kit: &Kit, name: Name, length: &mut usize) -> Result<Row, String> {
    let contestant = kit.start(name)?;
    let mut sockets = Sockets::new()?;
    open(&contestant, &mut sockets)?;
    // The floor takes no others after its publisher.
    let publisher = contestant.publisher(&mut sockets)?;
    clock::pause(Duration::from_millis(500));
    let mut row = Row {
        name,
        last: Samples::default(),
        each: Samples::default(),
        processor: Duration::ZERO,
        events: 0,
        bytes: 0,
    };
    let mut used = Duration::ZERO;
    for number in 0..WARM_UP + EVENTS {
        if number == WARM_UP {
            used = usage::processor(contestant.process.id());
        }
        let text = contestant.publication(SESSION, number, *length);
        let start = clock::now();
        sockets.send(publisher, &text)?;
        let mut left = SOCKETS;
        let counted = number >= WARM_UP;
        sockets.read_until(|socket, text, now| {
            if socket != publisher && is_event(text) {
                left -= 1;
                row.bytes = text.len();
                if counted {
                    row.each.add(now.saturating_duration_since(start));
                }
            }
            left == 0
        })?;
        if counted {
            row.last.add(start.elapsed());
            row.events += 1;
        }
    }
    row.processor = usage::processor(contestant.process.id()).saturating_sub(used);
    if name == Name::Panelboard {
        *length = row.bytes;
    }
    Ok(row)
}

/// Opens the sockets, and waits until each is subscribed.
fn open(contestant: &Contestant, sockets: &mut Sockets) -> Result<(), String> {
    for _ in 0..SOCKETS {
        let subscription = contestant.subscription(SESSION);
        sockets.open(contestant.address, contestant.path(), subscription.as_deref())?;
    }
    if contestant.name == Name::Panelboard {
        let mut left = SOCKETS;
        sockets.read_until(|_, text, _| {
            left -= usize::from(is_subscribed(text));
            left == 0
        })?;
    }
    Ok(())
}

fn table(mut rows: Vec<Row>) {
    let order = [Name::Bare, Name::Panelboard, Name::Bun, Name::Ws];
    rows.sort_by_key(|row| order.iter().position(|name| *name == row.name));
    let mut floor = None;
    println!("\n**One event to {SOCKETS} sockets** (goal: at most 1.5 times bare)\n");
    println!(
        "| | bytes | median ms until the last has it | times bare | p99 ms until each has it | \
         CPU ms | times bare |"
    );
    println!("| --- | --: | --: | --: | --: | --: | --: |");
    for row in &mut rows {
        let events = f64::from(u32::try_from(row.events).unwrap_or(u32::MAX));
        let last = row.last.percentile(0.5) / 1000.0;
        let each = row.each.percentile(0.99) / 1000.0;
        let processor = row.processor.as_secs_f64() * 1000.0 / events;
        let (bare_last, bare_processor) = *floor.get_or_insert((last, processor));
        println!(
            "| {} | {} | {last:.1} | {:.2} | {each:.1} | {processor:.1} | {:.2} |",
            row.name.said(),
            row.bytes,
            last / bare_last,
            processor / bare_processor,
        );
    }
    println!();
}
