//! How much memory does an idle, subscribed socket take? At 10,000 of them.

use std::time::Duration;

use crate::{bench::usage, clock};

use super::{
    contestant::{Kit, Name, is_subscribed},
    sockets::Sockets,
};

const SOCKETS: u32 = 10_000;
const SESSIONS: u32 = 100;
const WARM_UP: u32 = 200;

/// # Errors
/// The server cannot be measured. A peer that cannot is left out.
pub(super) fn run(kit: &Kit) -> Result<(), String> {
    println!("\n**Memory of {SOCKETS} idle sockets**, in {SESSIONS} sessions (goal: 10 KB each)\n");
    println!("| | MiB before | MiB with them | KB a socket |");
    println!("| --- | --: | --: | --: |");
    for name in [Name::Bare, Name::Panelboard, Name::Bun, Name::Ws] {
        match of_one(kit, name) {
            Ok((before, after)) => {
                let each = (after - before) * 1024.0 * 1.024 / f64::from(SOCKETS);
                println!("| {} | {before:.1} | {after:.1} | {each:.1} |", name.said());
            }
            Err(why) if matches!(name, Name::Ws | Name::Bun) => println!("left out: {why}"),
            Err(why) => return Err(why),
        }
    }
    println!();
    Ok(())
}

fn of_one(kit: &Kit, name: Name) -> Result<(f64, f64), String> {
    let contestant = kit.start(name)?;
    let mut sockets = Sockets::new()?;
    let mut open = |count: u32| {
        for number in 0..count {
            let subscription = contestant.subscription(&format!("idle-{}", number % SESSIONS));
            sockets.open(contestant.address, contestant.path(), subscription.as_deref())?;
        }
        if name == Name::Panelboard {
            let mut left = count;
            sockets.read_until(|_, text, _| {
                left -= u32::from(is_subscribed(text));
                left == 0
            })?;
        }
        clock::pause(Duration::from_secs(2));
        Ok::<f64, String>(usage::resident_mib(contestant.process.id()))
    };
    // What is allocated once is allocated before.
    let before = open(WARM_UP)?;
    let after = open(SOCKETS)?;
    Ok((before, after))
}
