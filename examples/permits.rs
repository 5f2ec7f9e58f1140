//! Permits by hand: across threads, with a verdict of your own, and with a time that the service
//! stated.
//!
//! `cargo run -p panelboard --example permits`

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::{error::Error, thread, time::Duration};

use panelboard::{Config, Panel};

fn main() -> Result<(), Box<dyn Error>> {
    let panel = Panel::builder().defaults(Config::builder().jitter(0.0).build()?).build();
    let breaker = panel.breaker("search")?;

    // An owned permit goes where the call goes, and ends there.
    let permit = breaker.acquire_owned()?;
    let recorded = thread::spawn(move || permit.success()).join();
    println!("on another thread: {recorded:?}");

    // A caller's own mistake says nothing about the service.
    println!("bad request: {:?}", breaker.acquire()?.ignore());

    // A dropped permit is a cancelled call: its place is free, nothing is held against anyone.
    drop(breaker.acquire()?);
    println!("cancelled: {}", breaker.snapshot().counts.cancelled);

    // "429, Retry-After: 20": closed to callers for that long, without being a failure.
    breaker.acquire()?.open_for(Duration::from_secs(20), "rate limited");
    let rejected = breaker.acquire().err();
    println!("then: {}", rejected.map_or_else(String::new, |rejected| rejected.to_string()));
    Ok(())
}
