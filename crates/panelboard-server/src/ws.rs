//! WebSocket, the server's side of RFC 6455: handshake, frames, and a socket that costs nothing
//! while nothing comes.
//!
//! Our own and not a library's, for three things that libraries do not do: a message of broken
//! UTF-8 or of too many bytes is told of and the connection goes on, what is too long is skipped
//! and not held, and a socket on which nothing happens holds no buffer at all.

mod frame;
mod handshake;
mod socket;

pub(crate) use frame::{Incoming, encode, payload};
pub(crate) use handshake::accept;
pub(crate) use socket::{ReadError, Socket, WriteError};

/// Codes with which a connection is closed; from 4000 on they are our own.
pub(crate) mod close {
    pub(crate) const NORMAL: u16 = 1000;
    pub(crate) const GOING_AWAY: u16 = 1001;
    pub(crate) const PROTOCOL: u16 = 1002;
    pub(crate) const TOO_LONG: u16 = 1009;
    pub(crate) const RESTART: u16 = 1012;
    pub(crate) const BAD_FRAMES: u16 = 4400;
    pub(crate) const SLOW: u16 = 4408;
    pub(crate) const HURRIED: u16 = 4429;
}

#[cfg(test)]
mod tests {
    use super::close;

    #[test]
    fn the_codes_that_it_closes_with_are_those_of_the_documentation() {
        let docs = include_str!("../../../docs/sessions.md");
        let (_, table) = docs.split_once("### How a socket ends").expect("it has a section");
        let codes = table.lines().filter_map(|line| line.get(2..6)?.parse().ok());
        let ours = [
            close::NORMAL,
            close::GOING_AWAY,
            close::PROTOCOL,
            close::TOO_LONG,
            close::RESTART,
            close::BAD_FRAMES,
            close::SLOW,
            close::HURRIED,
        ];
        assert_eq!(codes.collect::<Vec<u16>>(), ours);
    }
}
