//! Does the program do what its documentation says, seen from outside?
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod calls_log;
mod canary;
mod cli;
mod config_fields;
mod config_table;
mod discovery;
mod endpoints;
mod events;
mod first_contact;
mod guard;
mod http;
mod jobs;
mod jobs_load;
mod jobs_once;
mod jobs_races;
mod jobs_sockets;
mod jobs_stop;
mod limits;
mod program;
mod reload;
mod sessions;
mod sessions_again;
mod sessions_exclusive;
mod sessions_histories;
mod sessions_lists;
mod sessions_runs;
mod sessions_snapshots;
mod sessions_sockets;
mod sessions_store;
mod sessions_tools;
mod simulate;
mod stop;
mod throttling;
mod tune;
