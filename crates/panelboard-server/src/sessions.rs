//! Chats that survive: each with one run at a time, a memory, and any number of readers.
//!
//! | question | file |
//! | --- | --- |
//! | what can be done with them, whatever the transport | `service` |
//! | what do a session's records come to | `fold` |
//! | what is a session in memory, and until when is it of use | `book` |
//! | what is one at one instant | `instant` |
//! | who is connected to one, and what does each get, from which place on | `follow`, `feed` |
//! | who keeps the records, and from when on are they told | `keeper`, `stored` |
//! | what is read of them, and what stands in for those that are gone | `reading`, `snapshot` |
//! | when is a snapshot made, and when does a session go | `compact`, `expiry`, `upkeep` |
//! | how is a command with a key done once, and which are there | `once`, `commands`, `arrange` |
//! | what is a run told that was accepted before, however long ago | `replay`, `keys` |
//! | how are many shown at once, and the others taken up after a start | `listing`, `recovery` |
//! | how does an event stand on the wire | `told` |
//! | up to which record is it decided what became of them | `decided` |
//! | what does one have of its own, from its making on | `own` |
//! | how do they start and stop | `start` |
//! | what does a run do | `turn`, `chunks`, `notice` |
//! | which tools may its model call, and whose result is whose | `tools` |
//! | what has a run used | `usage` |
//! | how are they doing, in numbers | `figures` |
//! | what is told to clients, and in which words | `shown`, `trouble`, `words` |
//! | which frames go over a socket | `frame` |
//! | how is all that told in the words of AG-UI | `agui` |

pub(crate) mod agui;
mod arrange;
pub(crate) mod book;
mod chunks;
pub(crate) mod commands;
mod compact;
pub(crate) mod decided;
mod expiry;
pub(crate) mod feed;
pub(crate) mod figures;
pub(crate) mod fold;
pub(crate) mod follow;
pub(crate) mod frame;
mod instant;
pub(crate) mod keeper;
mod keys;
mod listing;
mod notice;
mod once;
pub(crate) mod own;
mod reading;
mod recovery;
mod replay;
pub(crate) mod service;
pub(crate) mod shown;
mod snapshot;
pub(crate) mod start;
mod stored;
#[cfg(test)]
mod tests;
pub(crate) mod told;
pub(crate) mod tools;
pub(crate) mod trouble;
mod turn;
mod upkeep;
mod usage;
pub(crate) mod words;

pub(crate) use service::Service;
