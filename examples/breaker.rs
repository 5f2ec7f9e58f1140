//! One breaker around one flaky service: it trips, rejects, probes and closes again.
//!
//! `cargo run -p panelboard --example breaker`

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::{error::Error, time::Duration};

use panelboard::{Breaker, CallError, Clock, Config};

fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::builder()
        .failure_threshold(3)
        .recovery_timeout(Duration::from_secs(10))
        .jitter(0.0)
        .build()?;
    // A clock that this program turns itself; `Breaker::new` takes the machine's.
    let (clock, hand) = Clock::manual();
    let breaker = Breaker::with_clock(config, clock);

    for second in 0..16 {
        // The service is down until second 5.
        let answer = breaker.call(|| if second < 5 { Err("no route") } else { Ok("hello") });
        let told = match answer {
            Ok(text) => format!("answered: {text}"),
            Err(CallError::Inner(error)) => format!("failed: {error}"),
            Err(CallError::Rejected(rejected)) => rejected.to_string(),
        };
        println!("{second:>2} s  {:<9}  {told}", breaker.state());
        hand.advance(Duration::from_secs(1));
    }
    Ok(())
}
