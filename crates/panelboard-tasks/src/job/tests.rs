//! Does `step` keep its promises? By rows of the table, against naive jobs, and in a model with
//! threads, time and a journal that crashes.

mod laws;
mod leases;
mod model;
mod naive;
mod once;
mod restored;
mod rig;
mod table;
