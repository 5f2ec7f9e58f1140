//! What does one event cost where it is said?

use std::{io, path::Path, rc::Rc};

use crate::{
    Options, appender::Appender, contestant::Contestant, fapilog::Fapilog, loki, median_ratio,
    ours::Ours, quantile, receiver::Receiver, shuffle::Shuffle, word,
};

/// One side.
struct Side {
    name: &'static str,
    /// Whom it is compared with.
    against: usize,
    burst: u32,
    contestant: Box<dyn Contestant>,
    /// Nanoseconds an event, by round.
    times: Vec<f64>,
}

const BURST: u32 = 2_000;
/// It takes a hundred times as long.
const BURST_OF_PYTHON: u32 = 200;
/// Until threads, files and buffers are there.
const WARM_UP: usize = 5;

fn sides(options: &Options, folder: &Path) -> io::Result<Vec<Side>> {
    let receiver = Rc::new(Receiver::start(true)?);
    let at = |name: &str| folder.join(name);
    let side = |name, against, burst, contestant| Side {
        name,
        against,
        burst,
        contestant,
        times: Vec::new(),
    };
    let mut sides = vec![
        side("file: panelboard-tracing, JSON", 0, BURST, Box::new(Ours::to_file(&at("ours"))?)),
        side(
            "file: tracing-appender, JSON",
            0,
            BURST,
            Box::new(Appender::to_file(&at("appender-json"), true)?),
        ),
        side(
            "file: tracing-appender, plain text",
            0,
            BURST,
            Box::new(Appender::to_file(&at("appender-text"), false)?),
        ),
        side("Loki: panelboard-tracing", 3, loki::BURST, Box::new(Ours::to_loki(&receiver.url())?)),
    ];
    #[cfg(feature = "loki")]
    sides.push(side(
        "Loki: tracing-loki",
        3,
        loki::BURST,
        // A receiver of its own: what it counts is waited for.
        Box::new(loki::Loki::to(Rc::new(Receiver::start(true)?))?),
    ));
    if let Some(program) = &options.fapilog {
        let fapilog = Fapilog::start(program, &at("fapilog-call"))?;
        sides.push(side("file: fapilog, JSON", 0, BURST_OF_PYTHON, Box::new(fapilog)));
    }
    Ok(sides)
}

/// # Errors
/// A contestant can't be made, or loses something.
pub(crate) fn run(options: &Options, folder: &Path) -> io::Result<()> {
    let mut sides = sides(options, folder)?;
    let mut shuffle = Shuffle(1);
    for round in 0..options.rounds + WARM_UP {
        for index in shuffle.order(sides.len()) {
            let side = &mut sides[index];
            let took = side.contestant.burst(side.burst)?;
            side.contestant.settle()?;
            if round >= WARM_UP {
                side.times.push(took.as_nanos() as f64 / f64::from(side.burst));
            }
        }
    }
    println!("\none event at the call site, nanoseconds: median of {} rounds", options.rounds);
    println!("{:<40} {:>9} {:>14}", "", "ns", "over ours");
    for index in 0..sides.len() {
        let ours = sides[sides[index].against].times.clone();
        let side = &mut sides[index];
        let ratio = median_ratio(&side.times, &ours);
        let nanos = quantile(&mut side.times.clone(), 0.5);
        println!("{:<40} {nanos:>9.0} {ratio:>14.2}", side.name);
    }
    let ratio = median_ratio(&sides[0].times, &sides[1].times);
    println!(
        "goal: at most tracing-appender's, for the same line: {ratio:.2}, {}",
        word(ratio <= 1.0)
    );
    let ratio = median_ratio(&sides[0].times, &sides[2].times);
    println!("      for a plain line of its own: {ratio:.2}, {}", word(ratio <= 1.0));
    Ok(())
}
