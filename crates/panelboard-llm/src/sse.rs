//! Where does one server-sent event end and the next begin?
//!
//! An incremental reader of `text/event-stream` after the WHATWG standard: lines end with LF, CRLF
//! or CR; `data:` may lack its blank; comments and a byte order mark are allowed; bytes may be
//! split anywhere, also inside a character or between CR and LF. Each event carries its exact
//! bytes, so that a gateway can pass on what it does not need to change. It does not know what the
//! data means.
//!
//! # Limits
//!
//! An event longer than [`EVENT_BYTES_MAX`] is an error, and the reader gives nothing after it.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr2;

/// The longest event that is read, with its line ends: 1 MiB.
///
/// The largest real events are tool calls and images in base64 of some 100 KB. A provider that
/// sends more is broken or hostile, and the event would have to be held in memory whole.
pub const EVENT_BYTES_MAX: usize = 1 << 20;

/// An event, or a comment between events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The `event:` field, if there was one.
    pub event: Option<Bytes>,
    /// The `data:` lines, joined by LF. Empty for a comment or keep-alive: pass it on, read nothing
    /// into it.
    pub data: Bytes,
    /// The bytes as they came, with the blank line that ended them. All `raw` in a row are the
    /// stream.
    pub raw: Bytes,
}

impl Event {
    /// Whether this is the `[DONE]` that ends an OpenAI stream.
    pub fn is_done(&self) -> bool {
        self.data.trim_ascii() == b"[DONE]"
    }
}

/// Why a stream can not be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SseError {
    /// An event is longer than [`EVENT_BYTES_MAX`].
    TooLong,
    /// An event is not UTF-8, as the standard wants it. The standard would put in U+FFFD; but what
    /// is passed on as it came would end clients that decode strictly.
    NotText,
}

impl fmt::Display for SseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => {
                write!(f, "an event of the stream is longer than {EVENT_BYTES_MAX} bytes")
            }
            Self::NotText => f.write_str("an event of the stream is not UTF-8"),
        }
    }
}

impl std::error::Error for SseError {}

/// Reads events out of bytes that come in pieces.
///
/// Call [`feed`](Self::feed) with what came, then [`next`](Self::next) until it gives `None`. Both
/// cost time in proportion to the new bytes; an event with one `data:` line is not copied.
///
/// ```
/// use panelboard_llm::sse::Reader;
///
/// let mut reader = Reader::new();
/// reader.feed(b"data: {\"a\"");
/// assert!(reader.next().is_none());
/// reader.feed(b":1}\n\n");
/// assert_eq!(reader.next().unwrap().unwrap().data.as_ref(), b"{\"a\":1}");
/// ```
#[derive(Debug, Default)]
pub struct Reader {
    /// The event under way, and what came after it.
    buffer: BytesMut,
    /// Where the line under way begins. Before it, no blank line.
    line_start: usize,
    /// Up to where the line under way has been searched for its end.
    searched: usize,
    /// The last line ended with a CR that was the last byte: an LF now belongs to it.
    after_cr: bool,
    /// Something of the stream has been given already, so a byte order mark is none.
    begun: bool,
    failed: bool,
}

impl Reader {
    /// A reader at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes of the stream. After an error they are dropped.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !self.failed {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next whole event, or `None` until more bytes come.
    ///
    /// # Errors
    ///
    /// [`SseError`], once; then always `None`.
    #[expect(clippy::should_implement_trait, reason = "no iterator: `None` means later, not never")]
    pub fn next(&mut self) -> Option<Result<Event, SseError>> {
        loop {
            self.skip_half_line_end();
            let Some(found) = memchr2(b'\n', b'\r', &self.buffer[self.searched..]) else {
                self.searched = self.buffer.len();
                return (self.searched > EVENT_BYTES_MAX).then(|| self.fail(SseError::TooLong));
            };
            let end = self.searched + found;
            let blank = end == self.line_start;
            self.pass_line_end(end);
            if self.line_start > EVENT_BYTES_MAX {
                return Some(self.fail(SseError::TooLong));
            }
            if blank {
                let event = self.cut_event();
                let text = std::str::from_utf8(&event.raw).is_ok();
                return Some(if text { Ok(event) } else { self.fail(SseError::NotText) });
            }
        }
    }

    /// What came after the last whole event, read as if a blank line had followed; `None` if
    /// nothing.
    ///
    /// For the end of a stream: some providers leave out the last blank line after `[DONE]`.
    /// Anything else found here was cut.
    pub fn rest(&mut self) -> Option<Event> {
        self.line_start = self.buffer.len();
        (!self.buffer.is_empty()).then(|| self.cut_event())
    }

    /// Bytes held that belong to no whole event yet.
    pub fn pending(&self) -> usize {
        self.buffer.len()
    }

    /// Steps over the LF of a CRLF whose CR came with the bytes before.
    fn skip_half_line_end(&mut self) {
        if self.after_cr
            && let Some(&byte) = self.buffer.get(self.line_start)
        {
            self.after_cr = false;
            let skip = usize::from(byte == b'\n');
            self.line_start += skip;
            self.searched = self.line_start;
        }
    }

    /// Moves to the line after the one that ends at `end`.
    fn pass_line_end(&mut self, end: usize) {
        let cr = self.buffer[end] == b'\r';
        let crlf = cr && self.buffer.get(end + 1) == Some(&b'\n');
        self.line_start = end + 1 + usize::from(crlf);
        self.searched = self.line_start;
        self.after_cr = cr && !crlf && self.line_start == self.buffer.len();
    }

    fn cut_event(&mut self) -> Event {
        let raw = self.buffer.split_to(self.line_start).freeze();
        (self.line_start, self.searched) = (0, 0);
        let first = !std::mem::replace(&mut self.begun, true);
        parse(raw, first)
    }

    fn fail(&mut self, error: SseError) -> Result<Event, SseError> {
        self.failed = true;
        // Gives the memory back, and leaves nothing that `next` could read again.
        self.buffer = BytesMut::new();
        (self.line_start, self.searched, self.after_cr) = (0, 0, false);
        Err(error)
    }
}

fn parse(raw: Bytes, first: bool) -> Event {
    let mut text = raw.clone();
    if first && text.starts_with(b"\xEF\xBB\xBF") {
        text.advance(3);
    }
    let mut event = None;
    let mut lines_of_data: Vec<Bytes> = Vec::new();
    while !text.is_empty() {
        let end = memchr2(b'\n', b'\r', &text).unwrap_or(text.len());
        let line = text.split_to(end);
        text.advance(usize::from(!text.is_empty()));
        match field(&line) {
            (b"data", value) => lines_of_data.push(line.slice_ref(value)),
            (b"event", value) => event = Some(line.slice_ref(value)),
            // Comments, `id`, `retry`, and what nobody knows: passed on in `raw`, not read.
            _ => {}
        }
    }
    Event { event, data: join(lines_of_data), raw }
}

/// Name and value of a line; a comment has an empty name.
fn field(line: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b':', line) {
        None => (line, &line[line.len()..]),
        Some(colon) => {
            let value = &line[colon + 1..];
            (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
        }
    }
}

/// The lines joined by LF; one line, the usual case, is not copied.
fn join(mut lines: Vec<Bytes>) -> Bytes {
    match lines.len() {
        0 => Bytes::new(),
        1 => lines.swap_remove(0),
        _ => lines.join(&b'\n').into(),
    }
}
