//! One call of a breaker, by state and policy, beside other breakers.
//!
//! | row              | what the call must do                                             |
//! | ---------------- | ----------------------------------------------------------------- |
//! | `closed-success` | closed, success, counts failures in a row                         |
//! | `closed-window`  | closed, success, judges a share of failures over 10 s             |
//! | `closed-last`    | closed, success, judges a share of the last 100 calls             |
//! | `closed-failure` | closed, failure below the threshold                               |
//! | `open`           | open, reject                                                      |
//! | `half-open`      | half-open, admit and success                                      |
//! | `trip`           | 5 failures, open, the time passes, a probe, closed: one iteration |
//! | `shared`         | closed, success, with 100 to 300 ns of private work between calls |
//!
//! - No threshold is near, but in `trip`. In `closed-failure` every 1,024th call succeeds.
//! - Open is open for an hour. Half-open stays so: ours is made so anew before every 60 calls of a
//!   thread, which is not timed.
//! - In `trip` the open time is over at once: by a clock that is put forward (ours, and those that
//!   need it), or because it is none. A clock that is put forward is read as the machine's is.
//! - `shared` is about what a second thread adds to a call.
//! - In `open` (a storm of rejections) and `half-open` (a fight for its places) each call of two
//!   threads is timed too: half of the calls, 99 and 99.9 of a hundred, and the longest one. One
//!   reading of the clock is part of each; the bare call shows how much that is.
//!
//! | contestant     | is                                                               |
//! | -------------- | ---------------------------------------------------------------- |
//! | `panelboard`   | `acquire`, then `success` or `failure` of the permit             |
//! | `cached clock` | the same with `Clock::cached`                                    |
//! | `share of …`   | the same with a policy that times each call                      |
//! | `adaptive`     | the same with a policy that throttles and never opens            |
//! | the peers      | through the call that their documentation shows, see `peers/*`   |
//! | `std Mutex`    | the breaker that one writes: a plain state machine in a mutex,   |
//! |                | locked to ask and locked again to tell                           |
//! | `two loads`    | the limit: an acquire load before the call and one after it      |
//! | `bare call`    | the call without any breaker                                     |
//!
//! The service is the same for all: a value that the compiler can't foresee, so that both outcomes
//! are in the loop. A peer that has no such state or policy has a dash and the reason; one that
//! does less, or something else that is near, has a note.

mod ahead;
mod case;
mod ours;
mod peers;
mod plain;
mod rows;
mod service;

use std::process::ExitCode;

use panelboard_bench::Bench;

/// Those of the published table: all, and the breaker that one writes.
const PEERS: [&str; peers::NAMES.len() + 1] = {
    let mut all = [plain::NAME; peers::NAMES.len() + 1];
    let mut at = 0;
    while at < peers::NAMES.len() {
        all[at] = peers::NAMES[at];
        at += 1;
    }
    all
};

fn main() -> ExitCode {
    panelboard_bench::run(Bench {
        name: "core",
        title: "One call of a breaker",
        ours: ours::NAME,
        peers: &PEERS,
        rows: rows::all(),
    })
}
