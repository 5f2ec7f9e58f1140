//! Where does one frame end and the next begin, and what comes of them together? Pure.
//!
//! Bytes may be split anywhere. A message longer than the soft limit is skipped as it comes, one
//! longer than the hard limit ends the connection.

use bytes::{Buf, Bytes, BytesMut};

use super::close;

/// A message longer than this ends the connection; what lies between it and the limit that a reader
/// was made with is skipped and told of.
const HARD_LIMIT: u64 = 16 << 20;

/// What came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Incoming {
    /// A whole text message.
    Text(String),
    /// A text message that is no UTF-8.
    NotText,
    /// A whole binary message.
    Binary,
    /// A message of more bytes than are read. It was skipped.
    TooLong,
    /// To be answered with a pong of the same bytes.
    Ping(Vec<u8>),
    Pong,
    /// The other side closes, perhaps with a code.
    Close(Option<u16>),
}

/// Why the connection can't be read on: the code to close it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) u16);

/// Reads messages out of bytes that come in pieces.
#[derive(Debug)]
pub(super) struct Reader {
    limit: usize,
    /// Bytes that are no whole frame yet. Without any, without an allocation.
    buffer: BytesMut,
    /// The frame under way.
    frame: Option<Header>,
    /// The message under way, of which at least one frame has come whole.
    message: Option<Message>,
    /// Bytes left of a frame that is skipped.
    skip: u64,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    fin: bool,
    opcode: u8,
    mask: [u8; 4],
    length: u64,
}

#[derive(Debug)]
struct Message {
    text: bool,
    bytes: Vec<u8>,
    /// How long it is so far, read or not.
    length: u64,
    too_long: bool,
}

const CONTINUATION: u8 = 0;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

impl Reader {
    /// Reads messages of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        let (buffer, frame, message, skip) = (BytesMut::new(), None, None, 0);
        Self { limit, buffer, frame, message, skip }
    }

    /// Takes the next bytes.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        let skipped = (bytes.len() as u64).min(self.skip);
        self.skip -= skipped;
        bytes.advance(usize::try_from(skipped).unwrap_or(bytes.len()));
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, or none until more bytes come.
    pub(super) fn next(&mut self) -> Result<Option<Incoming>, Broken> {
        let next = self.read();
        if self.buffer.is_empty() {
            // Gives the memory back until something comes.
            self.buffer = BytesMut::new();
        }
        next
    }

    fn read(&mut self) -> Result<Option<Incoming>, Broken> {
        loop {
            if self.skip > 0 {
                return Ok(None);
            }
            let header = match self.frame {
                Some(header) => header,
                None => match header(&mut self.buffer)? {
                    Some(header) => header,
                    None => return Ok(None),
                },
            };
            self.check(header)?;
            let Some(payload) = self.payload(header) else {
                return Ok(None);
            };
            self.frame = None;
            if let Some(incoming) = self.frame_is_whole(header, payload)? {
                return Ok(Some(incoming));
            }
        }
    }

    fn check(&self, header: Header) -> Result<(), Broken> {
        let begun = self.message.as_ref();
        let control = header.opcode >= CLOSE;
        let fits = match header.opcode {
            CONTINUATION => begun.is_some(),
            TEXT | BINARY => begun.is_none(),
            CLOSE | PING | PONG => header.fin && header.length <= 125,
            _ => false,
        };
        if !fits {
            return Err(Broken(close::PROTOCOL));
        }
        let length = header.length.saturating_add(begun.map_or(0, |message| message.length));
        if !control && length > HARD_LIMIT {
            return Err(Broken(close::TOO_LONG));
        }
        Ok(())
    }

    /// The payload, unmasked; empty if it is skipped. None until it is there.
    fn payload(&mut self, header: Header) -> Option<Vec<u8>> {
        let before = self.message.as_ref().map_or(0, |message| message.length);
        let control = header.opcode >= CLOSE;
        if !control && before + header.length > self.limit as u64 {
            let here = (self.buffer.len() as u64).min(header.length);
            self.buffer.advance(usize::try_from(here).unwrap_or(self.buffer.len()));
            self.skip = header.length - here;
            return Some(Vec::new());
        }
        let length = usize::try_from(header.length).ok()?;
        if self.buffer.len() < length {
            self.frame = Some(header);
            return None;
        }
        let mut payload = self.buffer.split_to(length).to_vec();
        for (byte, mask) in payload.iter_mut().zip(header.mask.iter().cycle()) {
            *byte ^= mask;
        }
        Some(payload)
    }

    fn frame_is_whole(
        &mut self,
        header: Header,
        payload: Vec<u8>,
    ) -> Result<Option<Incoming>, Broken> {
        match header.opcode {
            PING => return Ok(Some(Incoming::Ping(payload))),
            PONG => return Ok(Some(Incoming::Pong)),
            CLOSE => return close_code(&payload).map(|code| Some(Incoming::Close(code))),
            _ => {}
        }
        let text = header.opcode == TEXT;
        let begin = || Message { text, bytes: Vec::new(), length: 0, too_long: false };
        let mut message = self.message.take().unwrap_or_else(begin);
        message.length += header.length;
        if payload.len() as u64 == header.length {
            message.bytes.extend_from_slice(&payload);
        } else {
            message.too_long = true;
            message.bytes = Vec::new();
        }
        if !header.fin {
            self.message = Some(message);
            return Ok(None);
        }
        Ok(Some(match message {
            Message { too_long: true, .. } => Incoming::TooLong,
            Message { text: false, .. } => Incoming::Binary,
            Message { bytes, .. } => match String::from_utf8(bytes) {
                Ok(text) => Incoming::Text(text),
                Err(_) => Incoming::NotText,
            },
        }))
    }
}

/// The next frame's header, taken out of the buffer; none until it is there.
fn header(buffer: &mut BytesMut) -> Result<Option<Header>, Broken> {
    let [first, second, ..] = buffer[..] else { return Ok(None) };
    let reserved = first & 0x70 != 0;
    let masked = second & 0x80 != 0;
    if reserved || !masked {
        return Err(Broken(close::PROTOCOL));
    }
    let extended = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    if buffer.len() < 2 + extended + 4 {
        return Ok(None);
    }
    buffer.advance(2);
    let length = match extended {
        2 => u64::from(buffer.get_u16()),
        8 => buffer.get_u64(),
        _ => u64::from(second & 0x7f),
    };
    let mut mask = [0; 4];
    buffer.copy_to_slice(&mut mask);
    Ok(Some(Header { fin: first & 0x80 != 0, opcode: first & 0x0f, mask, length }))
}

fn close_code(payload: &[u8]) -> Result<Option<u16>, Broken> {
    match payload {
        [] => Ok(None),
        [high, low, reason @ ..] if std::str::from_utf8(reason).is_ok() => {
            Ok(Some(u16::from_be_bytes([*high, *low])))
        }
        _ => Err(Broken(close::PROTOCOL)),
    }
}

/// A text message as the one frame that carries it: encoded once, for any number of sockets.
pub(crate) fn encode(text: &str) -> Bytes {
    frame(TEXT, text.as_bytes())
}

/// What such a frame carries.
pub(crate) fn payload(frame: &[u8]) -> &[u8] {
    let head = match frame.get(1) {
        Some(126) => 4,
        Some(127) => 10,
        _ => 2,
    };
    frame.get(head..).unwrap_or_default()
}

pub(super) fn ping() -> Bytes {
    Bytes::from_static(&[0x80 | PING, 0])
}

pub(super) fn pong(payload: &[u8]) -> Bytes {
    frame(PONG, payload)
}

/// A close frame; of the reason what fits.
pub(super) fn goodbye(code: u16, reason: &str) -> Bytes {
    let mut end = reason.len().min(123);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    frame(CLOSE, &[&code.to_be_bytes(), &reason.as_bytes()[..end]].concat())
}

fn frame(opcode: u8, payload: &[u8]) -> Bytes {
    // The longest head of one that is not masked.
    let mut out = Vec::with_capacity(payload.len() + 10);
    out.push(0x80 | opcode);
    match payload.len() {
        short @ 0..=125 => out.push(short as u8),
        long @ 126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(long as u16).to_be_bytes());
        }
        longer => {
            out.push(127);
            out.extend_from_slice(&(longer as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A masked frame, as a client sends it.
    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = frame(first & 0x0f, payload).to_vec();
        out[0] = first;
        out[1] |= 0x80;
        let head = out.len() - payload.len();
        let mask = [7, 77, 177, 3];
        let masked = payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
        let body: Vec<u8> = masked.collect();
        out.truncate(head);
        out.extend_from_slice(&mask);
        out.extend_from_slice(&body);
        out
    }

    /// What comes of bytes that are fed in pieces of `size`.
    fn read(bytes: &[u8], size: usize, limit: usize) -> (Vec<Incoming>, Option<u16>) {
        let mut reader = Reader::new(limit);
        let mut came = Vec::new();
        for piece in bytes.chunks(size) {
            reader.feed(piece);
            loop {
                match reader.next() {
                    Ok(Some(incoming)) => came.push(incoming),
                    Ok(None) => break,
                    Err(Broken(code)) => return (came, Some(code)),
                }
            }
        }
        (came, None)
    }

    #[test]
    fn messages_are_the_same_however_their_bytes_are_cut() {
        let long = "x".repeat(70_000);
        let stream = [
            masked(0x81, b"one"),
            masked(0x01, "zw\u{f6}".as_bytes()[..3].into()),
            masked(0x89, b"are you there"),
            masked(0x80, &"\u{f6}lf".as_bytes()[1..]),
            masked(0x81, long.as_bytes()),
            masked(0x82, b"\0\xff"),
            masked(0x8a, b""),
            masked(0x88, &[0x03, 0xe8]),
        ]
        .concat();
        let expected = || {
            vec![
                Incoming::Text("one".into()),
                Incoming::Ping(b"are you there".into()),
                Incoming::Text("zw\u{f6}lf".into()),
                Incoming::Text("x".repeat(70_000)),
                Incoming::Binary,
                Incoming::Pong,
                Incoming::Close(Some(1000)),
            ]
        };
        for size in [1, 2, 3, 7, 1_000, usize::MAX] {
            assert_eq!(read(&stream, size, 1 << 20), (expected(), None), "pieces of {size}");
        }
    }

    #[test]
    fn what_is_no_text_or_too_long_is_told_of_and_the_next_message_is_read() {
        let stream = [
            masked(0x81, b"\xff\xfe"),
            masked(0x81, &[b'x'; 101]),
            masked(0x01, &[b'x'; 60]),
            masked(0x00, &[b'x'; 60]),
            masked(0x80, b"tail"),
            masked(0x81, &[b'x'; 100]),
        ]
        .concat();
        for size in [1, 5, usize::MAX] {
            let (came, broken) = read(&stream, size, 100);
            let long = Incoming::Text("x".repeat(100));
            let expected = [Incoming::NotText, Incoming::TooLong, Incoming::TooLong, long];
            assert_eq!((came.as_slice(), broken), (expected.as_slice(), None), "{size}");
        }
    }

    #[test]
    fn any_bytes_come_to_the_same_however_they_are_cut() {
        let mut random = fastrand::Rng::with_seed(9);
        let (mut whole, mut broken) = (0, 0);
        for _ in 0..2_000 {
            let mut bytes = Vec::new();
            for _ in 0..random.usize(1..5) {
                let length = [0, 3, 125, 126, 300][random.usize(..5)];
                let payload: Vec<u8> = (0..length).map(|_| random.u8(..)).collect();
                let first = [0x81, 0x01, 0x80, 0x82, 0x88, 0x89, 0x8a, 0xc1][random.usize(..8)];
                bytes.extend(masked(first, &payload));
            }
            for _ in 0..random.usize(..3) {
                let at = random.usize(..bytes.len());
                bytes[at] = random.u8(..);
            }
            let expected = read(&bytes, usize::MAX, 200);
            for size in [1, 2, random.usize(3..100)] {
                assert_eq!(read(&bytes, size, 200), expected, "{bytes:?} in pieces of {size}");
            }
            whole += expected.0.len();
            broken += usize::from(expected.1.is_some());
        }
        assert!(whole > 500 && broken > 500, "{whole} messages, {broken} broken");
    }

    #[test]
    fn what_breaks_the_protocol_ends_the_connection() {
        let unmasked = encode("hello").to_vec();
        let mut endless = masked(0x81, b"");
        endless[1] = 0x80 | 127;
        endless.truncate(2);
        endless.extend_from_slice(&u64::MAX.to_be_bytes());
        endless.extend_from_slice(&[0; 4]);
        for (bytes, code) in [
            (unmasked, close::PROTOCOL),
            (masked(0xc1, b"reserved bit"), close::PROTOCOL),
            (masked(0x83, b"reserved kind"), close::PROTOCOL),
            (masked(0x80, b"continues nothing"), close::PROTOCOL),
            ([masked(0x01, b"a"), masked(0x81, b"b")].concat(), close::PROTOCOL),
            (masked(0x09, b"a ping in pieces"), close::PROTOCOL),
            (masked(0x89, &[0; 126]), close::PROTOCOL),
            (masked(0x88, &[3]), close::PROTOCOL),
            (endless, close::TOO_LONG),
        ] {
            for size in [1, usize::MAX] {
                assert_eq!(read(&bytes, size, 1_000), (vec![], Some(code)), "{bytes:?}");
            }
        }
    }

    #[test]
    fn a_frame_carries_what_it_was_made_of() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let text = "x".repeat(length);
            assert_eq!(payload(&encode(&text)), text.as_bytes(), "{length}");
        }
    }

    #[test]
    fn a_reader_without_a_frame_under_way_holds_no_memory() {
        let mut reader = Reader::new(1 << 20);
        reader.feed(&masked(0x81, &[b'x'; 50_000]));
        assert!(matches!(reader.next(), Ok(Some(Incoming::Text(_)))));
        assert_eq!(reader.next(), Ok(None));
        assert_eq!(reader.buffer.capacity(), 0);
    }

    #[test]
    fn a_reason_that_is_too_long_is_cut_between_two_characters() {
        let out = goodbye(4408, &"\u{20ac}".repeat(100));
        assert!(out.len() <= 2 + 125);
        let reason = std::str::from_utf8(&out[4..]).expect("whole characters");
        assert!(reason.chars().all(|c| c == '\u{20ac}') && reason.len() == 123);
    }
}
