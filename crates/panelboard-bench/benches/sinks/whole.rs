//! How many events a second get into a file?

use std::{io, path::Path, time::Duration};

use crate::{
    Options, appender::Appender, fapilog::Fapilog, median_ratio, ours::Ours, quantile,
    shuffle::Shuffle,
};

const EVENTS: u32 = 200_000;
/// At a thousandth of the speed.
const EVENTS_OF_PYTHON: u32 = 4_000;

/// How long so many take, to a file of this name.
type Run = Box<dyn FnMut(&Path, u32) -> io::Result<Duration>>;

/// One side.
struct Side {
    name: &'static str,
    events: u32,
    run: Run,
    /// Events a second, by round.
    speeds: Vec<f64>,
}

/// # Errors
/// A contestant can't be made, or loses something.
pub(crate) fn run(options: &Options, folder: &Path) -> io::Result<()> {
    let side = |name, events, run| Side { name, events, run, speeds: Vec::new() };
    let mut sides = vec![
        side("panelboard-tracing, JSON", EVENTS, Box::new(Ours::whole) as Run),
        side(
            "tracing-appender, JSON",
            EVENTS,
            Box::new(|path: &Path, count| Appender::whole(path, true, count)),
        ),
        side(
            "tracing-appender, plain text",
            EVENTS,
            Box::new(|path: &Path, count| Appender::whole(path, false, count)),
        ),
    ];
    if let Some(program) = &options.fapilog {
        let mut fapilog = Fapilog::start(program, &folder.join("fapilog-whole"))?;
        let whole =
            move |_: &Path, count| fapilog.ask(&format!("whole {count}")).map(Duration::from_nanos);
        sides.push(side("fapilog, JSON", EVENTS_OF_PYTHON, Box::new(whole)));
    }
    let rounds = options.rounds.div_ceil(10);
    let mut shuffle = Shuffle(2);
    for round in 0..rounds {
        for index in shuffle.order(sides.len()) {
            let path = folder.join(format!("whole-{round}-{index}"));
            let side = &mut sides[index];
            let took = (side.run)(&path, side.events)?;
            side.speeds.push(f64::from(side.events) / took.as_secs_f64());
            // The peer in Python keeps its own file.
            let _none_of_its_own = std::fs::remove_file(&path);
        }
    }
    println!("\nevents a second, until all are in the file: median of {rounds} rounds");
    println!("{:<40} {:>9} {:>14}", "", "a second", "ours over it");
    let ours = sides[0].speeds.clone();
    for side in &mut sides {
        let ratio = median_ratio(&ours, &side.speeds);
        let speed = quantile(&mut side.speeds, 0.5);
        println!("{:<40} {speed:>9.0} {ratio:>14.2}", side.name);
    }
    Ok(())
}
