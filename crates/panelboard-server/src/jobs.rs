//! Work in the background: simulations and analyses, each on a thread of its own.
//!
//! | question | file |
//! | --- | --- |
//! | what can be asked for, and what does it do | `kinds`, `simulation`, `analysis` |
//! | what do jobs look like in JSON | `shown` |
//! | why is something not done, and what is the client told | `trouble` |
//! | who keeps them, and how do they stand in the store | `journal`, `stored` |
//! | how do they start and stop | `start` |

mod analysis;
pub(crate) mod journal;
pub(crate) mod kinds;
pub(crate) mod shown;
mod simulation;
pub(crate) mod start;
mod stored;
#[cfg(test)]
mod tests;
pub(crate) mod trouble;

use panelboard_tasks::{Hub, JobLimits, Jobs};

/// All jobs of the process, and who hears of them.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) jobs: Jobs,
    pub(crate) hub: Hub,
    pub(crate) limits: JobLimits,
}
