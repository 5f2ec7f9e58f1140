//! A breaker for each (provider, key), fail-over between them, and the stream of what happened.
//!
//! `cargo run -p panelboard --example panel`

#![expect(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;

use panelboard::{Config, Panel};

fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::builder().failure_threshold(2).build()?;
    let panel = Panel::builder().defaults(config).build();
    let mut events = panel.subscribe();

    for call in 1..=4 {
        // The first key that its breaker lets through and that works.
        let served = ["openai/team-a", "openai/team-b"].into_iter().find(|key| {
            let Ok(breaker) = panel.breaker(*key) else { return false };
            breaker.call(|| send(key)).is_ok()
        });
        println!("call {call}: served by {}", served.unwrap_or("nobody"));
    }
    while let Some(Ok(event)) = events.next() {
        let told = event.transition;
        println!("#{} {}: {} to {} ({})", event.seq, event.key, told.from, told.to, told.cause);
    }
    Ok(())
}

/// Stands in for a call to a provider: the first key's account is out of order.
fn send(key: &str) -> Result<(), &'static str> {
    if key == "openai/team-a" { Err("503") } else { Ok(()) }
}
