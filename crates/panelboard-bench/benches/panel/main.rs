//! A breaker found by its key among 10,000, beside other maps.
//!
//! | row           | what the call must do                               |
//! | ------------- | --------------------------------------------------- |
//! | `hot-key`     | find the breaker of a key and read its state        |
//! | `random-keys` | the same, for every key in turn, in random order    |
//! | `whole-call`  | find the breaker of a key, acquire, call it success |
//!
//! In `hot-key` and `whole-call` both threads ask for the same key; in `random-keys` they are at
//! different places of the same order.
//!
//! | contestant | is |
//! | --- | --- |
//! | `panelboard` | `Panel::with`: borrowed |
//! | `panel.get` | `Panel::get`: a `Handle` each time, which is counted |
//! | `handle` | a `Handle` that was kept: no look-up at all |
//! | `HashMap` | the limit: the bare map of `std`, which nobody may write to |
//! | `papaya` | the map beneath the panel |
//! | `DashMap`, `Mutex` | what one would take instead |
//!
//! All maps go from a `String`, such as `provider-03/key-0417`, to the same kind of breaker, and
//! use the panel's own hash. They are asked with a `&str`. What is done with the breaker is the
//! same.

mod maps;
mod rows;

use std::process::ExitCode;

use panelboard_bench::Bench;

fn main() -> ExitCode {
    panelboard_bench::run(Bench {
        name: "panel",
        title: "A breaker by its key, among 10,000",
        ours: maps::OURS,
        peers: &["HashMap", "papaya", "DashMap", "Mutex"],
        rows: rows::all(),
    })
}
