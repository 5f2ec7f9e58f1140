//! One call of a breaker, by state and policy, beside other breakers.
//!
//! | row              | what the call must do                                             |
//! | ---------------- | ----------------------------------------------------------------- |
//! | `closed-success` | closed, success, counts failures in a row                         |
//! | `closed-window`  | closed, success, judges a share of failures                       |
//! | `closed-failure` | closed, failure below the threshold                               |
//! | `open`           | open, reject                                                      |
//! | `half-open`      | half-open, admit and success                                      |
//! | `shared`         | closed, success, with 100 to 300 ns of private work between calls |
//!
//! - No threshold is near, but in `closed-failure` every 1,024th call succeeds.
//! - The share of `closed-window` is over 10 s (`panelboard`, `failsafe`, `mutex`) or over the last
//!   100 calls (`recloser`, `breaker`, which know no other).
//! - Open is open for an hour. Half-open stays so: ours is made so anew before every 60 calls of a
//!   thread, which is not timed.
//! - `shared` is about what a second thread adds to a call.
//!
//! | contestant             | is                                                            |
//! | ---------------------- | ------------------------------------------------------------- |
//! | `panelboard`           | `acquire`, then `success` or `failure` of the permit          |
//! | `failsafe`, `recloser` | their `call` with a closure                                   |
//! | `breaker`              | its `call`, polled once: the service is ready                 |
//! | `mutex`                | the breaker that one writes: a plain state machine in a `std` |
//! |                        | mutex, locked to ask and locked again to tell                 |
//! | `two-loads`            | the limit: an acquire load before the call and one after it   |
//! | `bare-call`            | the call without any breaker                                  |
//!
//! The service is the same for all: a value that the compiler can't foresee, so that both outcomes
//! are in the loop. `failsafe` is not in `half-open`: it has no limit there, and its first success
//! closes.

mod ours;
mod peers;
mod plain;
mod rows;
mod service;

use std::process::ExitCode;

use panelboard_bench::Bench;

fn main() -> ExitCode {
    panelboard_bench::run(Bench {
        title: "One call of a breaker",
        ours: ours::NAME,
        peers: &["failsafe", "recloser", "breaker", "mutex"],
        rows: rows::all(),
    })
}
