//! Does a client keep its promises towards a server that does what a script says?
//!
//! The server says of itself that it is scripted; what a real one does is seen by
//! `cargo xtask real-vault`. Who judges how often something was sent is the server's count. Time is
//! turned by hand.

mod answers;
mod by_hand;
mod cached;
mod config;
mod races;
mod renewing;
mod rig;
mod scripted;
mod secrets;
mod shutdown;
mod tls;
mod watching;
mod works;
