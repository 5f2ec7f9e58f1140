//! What does a process hold while its sink takes nothing, and its queue is full?

use std::{
    fs, io,
    path::Path,
    process::Command,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use panelboard_tracing::{Batch, Pipeline, SinkConfig};
use tracing::Dispatch;
use tracing_subscriber::prelude::*;

use crate::{Options, contestant::burst, fapilog::Fapilog};

/// What is held, by what is said on the command line; how it is called; and its bound, in words.
const HELD: &[(&str, &str, &str)] = &[
    ("ours", "panelboard-tracing, one sink", IN_A_SINK),
    ("ours-three", "panelboard-tracing, three sinks", IN_A_SINK),
    ("ours-large", "panelboard-tracing, records of 8 KiB", IN_A_SINK),
    ("appender", "tracing-appender", "128,000 lines of any length"),
    #[cfg(feature = "loki")]
    ("loki", "tracing-loki", "512 events, and what waits for its answer"),
];

const IN_A_SINK: &str = "a sink's 8,192 records and 16 MiB; before it 8,192 records; spare buffers";

/// More than any of the queues has room for.
const EVENTS: u32 = 300_000;
const LARGE_EVENTS: u32 = 30_000;

/// # Errors
/// A process can't be started, or says something else than what it holds.
pub(crate) fn run(options: &Options, folder: &Path) -> io::Result<()> {
    println!("\nresident memory that a full queue takes, its sink taking nothing");
    println!("{:<40} {:>9}   bound", "", "KiB");
    for (what, name, bound) in HELD {
        let output = Command::new(std::env::current_exe()?).args(["--hold", what]).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let kib: u64 = said.trim().parse().map_err(|_| {
            io::Error::other(format!("{said}{}", String::from_utf8_lossy(&output.stderr)))
        })?;
        println!("{name:<40} {kib:>9}   {bound}");
    }
    if let Some(program) = &options.fapilog {
        let mut fapilog = Fapilog::start(program, &folder.join("fapilog-fill"))?;
        let kib = fapilog.ask("fill 60000")?;
        println!("{:<40} {kib:>9}   10,000 events", "fapilog");
    }
    Ok(())
}

/// In a process of its own: fills a queue, and says how much larger the process is.
///
/// # Errors
/// There is no such contestant, or it can't be made.
pub(crate) fn hold(what: &str) -> io::Result<()> {
    let (sinks, large) = match what {
        "ours" => (1, false),
        "ours-three" => (3, false),
        "ours-large" => (1, true),
        "appender" => return hold_appender(),
        #[cfg(feature = "loki")]
        "loki" => return hold_loki(),
        other => return Err(io::Error::other(format!("nobody is called {other}"))),
    };
    // Nobody ever says anything: a sink that hears waits for ever.
    let (_nobody, silence) = mpsc::sync_channel::<()>(0);
    let silence = Arc::new(Mutex::new(silence));
    let mut builder = Pipeline::builder().complaints(io::sink(), Duration::from_secs(9));
    for number in 0..sinks {
        let silence = Arc::clone(&silence);
        let hangs = move |_: &Batch<'_>| {
            let _never = silence.lock().map(|silence| silence.recv());
            Ok(())
        };
        builder = builder.sink(SinkConfig::new(number.to_string(), hangs));
    }
    let (layer, guard) = builder.build().map_err(io::Error::other)?;
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    burst(&dispatch, 1);
    let before = resident_kib()?;
    let text = "x".repeat(8_000);
    let (said, together) = if large { (LARGE_EVENTS, 100) } else { (EVENTS, 1_000) };
    for _ in 0..said / together {
        if large {
            tracing::dispatcher::with_default(&dispatch, || {
                (0..together).for_each(|number| tracing::info!(number, text, "a large one"));
            });
        } else {
            burst(&dispatch, together);
        }
        // The line is emptied in between: it is the sinks' buffers that fill up.
        guard.pipeline().flush(Duration::from_millis(2));
    }
    tell(before)
}

fn hold_appender() -> io::Result<()> {
    struct Hangs;
    impl io::Write for Hangs {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            loop {
                std::thread::park();
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (writer, _guard) = tracing_appender::non_blocking(Hangs);
    let layer = tracing_subscriber::fmt::layer().json().with_writer(writer);
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    burst(&dispatch, 1);
    let before = resident_kib()?;
    burst(&dispatch, EVENTS);
    tell(before)
}

#[cfg(feature = "loki")]
fn hold_loki() -> io::Result<()> {
    use crate::{contestant::Contestant as _, loki::Loki, receiver::Receiver};

    let mut loki = Loki::to(std::rc::Rc::new(Receiver::start(false)?))?;
    loki.burst(1)?;
    let before = resident_kib()?;
    for _ in 0..EVENTS / 1_000 {
        loki.burst(1_000)?;
    }
    tell(before)
}

/// Says the difference, and ends without asking anybody who waits for ever.
fn tell(before: u64) -> io::Result<()> {
    println!("{}", resident_kib()?.saturating_sub(before));
    std::process::exit(0)
}

fn resident_kib() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kib.ok_or_else(|| io::Error::other("the system does not say what is resident"))
}
