//! Does `step` keep its promises? By rows of the table, by exhaustion of small states, against a
//! naive session, and in a model with tasks, timers and a journal that crashes.

mod arrange;
mod exhaustive;
mod laws;
mod model;
mod naive;
mod rig;
mod table;
mod thin;
mod torn;
