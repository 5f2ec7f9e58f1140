//! Does the reader of server-sent events give the same events however the bytes are cut?

use panelboard_llm::sse::{EVENT_BYTES_MAX, Reader, SseError};
use proptest::prelude::*;

/// `event|data` of each event, and the raw bytes put together again.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, Vec<u8>) {
    let (mut reader, mut events, mut raw) = (Reader::new(), Vec::new(), Vec::new());
    for piece in pieces {
        reader.feed(piece);
        while let Some(event) = reader.next() {
            let event = event.expect("short enough");
            raw.extend_from_slice(&event.raw);
            let name = event.event.as_ref().map(|name| String::from_utf8_lossy(name).into_owned());
            let data = String::from_utf8_lossy(&event.data).into_owned();
            events.push(name.map_or(data.clone(), |name| format!("{name}|{data}")));
        }
    }
    (events, raw)
}

/// The stream in one piece, and byte by byte: the same events, and no byte lost.
fn check(stream: &[u8], want: &[&str]) {
    let (whole, raw) = read([stream]);
    assert_eq!(whole, want, "in one piece: {}", stream.escape_ascii());
    assert_eq!(raw.escape_ascii().to_string(), stream.escape_ascii().to_string());
    let (dripped, raw) = read(stream.chunks(1));
    assert_eq!(dripped, want, "byte by byte: {}", stream.escape_ascii());
    assert!(stream.starts_with(&raw) && stream.len() - raw.len() <= 1, "only a last LF may wait");
}

#[test]
fn the_oddities_of_real_streams_are_read_alike_whole_and_byte_by_byte() {
    check(b"data: a\n\n", &["a"]);
    check(b"data: a\r\n\r\n", &["a"]);
    check(b"data: a\r\r", &["a"]);
    check(b"data: a\r\n\ndata: b\n\r\n", &["a", "b"]);
    check(b"data: a\r\rdata: b\r\n\r\ndata: c\n\n", &["a", "b", "c"]);
    // `data:` without its blank; only one blank is taken away.
    check(b"data:a\n\ndata:  b\n\n", &["a", " b"]);
    // Comments, alone and inside an event.
    check(b": ping\n\ndata: a\n\n", &["", "a"]);
    check(b": OPENROUTER PROCESSING\r\n\r\n: x\r\ndata: a\r\n\r\n", &["", "a"]);
    // Several lines of data; a field without a colon; fields that nobody knows.
    check(b"data: a\ndata: b\n\n", &["a\nb"]);
    check(b"data\ndata\n\n", &["\n"]);
    check(b"id: 7\nretry: 10\nevent: ping\ndata: {}\nfoo: bar\n\n", &["ping|{}"]);
    check(
        b"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        &["message_stop|{\"type\":\"message_stop\"}"],
    );
    // A byte order mark counts only at the very beginning.
    check(b"\xEF\xBB\xBFdata: a\n\n", &["a"]);
    check(b"data: a\n\n\xEF\xBB\xBFdata: b\n\n", &["a", ""]);
    // Characters of several bytes, and bytes that are no characters.
    check("data: grüße 🦀\n\n".as_bytes(), &["grüße 🦀"]);
    // A CRLF at the end of a piece is whole: the LF after it is a blank line.
    check(b"data: a\r\n\n", &["a"]);
    // Blank lines too many; the end without one.
    check(b"\n\ndata: a\n\n\n", &["", "", "a", ""]);
    check(b"", &[]);
}

#[test]
fn an_event_is_given_as_soon_as_its_blank_line_is_there() {
    let mut reader = Reader::new();
    // The LF of the last CRLF has not come yet: waiting for it would hold the event back.
    reader.feed(b"data: a\r\n\r");
    assert_eq!(reader.next().expect("whole").expect("short").data, "a");
    reader.feed(b"\ndata: b\r\n\r\n");
    let event = reader.next().expect("whole").expect("short");
    assert_eq!((event.data, event.raw), ("b".into(), "\ndata: b\r\n\r\n".into()));
    assert!(reader.next().is_none());
    assert_eq!(reader.pending(), 0);
}

#[test]
fn the_rest_is_what_no_blank_line_ended() {
    for (stream, want) in
        [("data: [DONE]", true), ("data: [DONE]\n", true), ("data: {\"cho", false)]
    {
        let mut reader = Reader::new();
        reader.feed(stream.as_bytes());
        assert!(reader.next().is_none());
        assert_eq!(reader.pending(), stream.len());
        assert_eq!(reader.rest().map(|event| event.is_done()), Some(want));
        assert_eq!(reader.rest(), None);
    }
}

#[test]
fn a_line_without_end_is_an_error_at_one_mebibyte_and_holds_no_memory_after() {
    for filler in ["x".repeat(4096), "data: x\n".repeat(512), ": x\r".repeat(1024)] {
        let mut reader = Reader::new();
        let mut fed = 0;
        let error = loop {
            reader.feed(filler.as_bytes());
            fed += filler.len();
            match reader.next() {
                None => assert!(fed <= EVENT_BYTES_MAX, "held {fed} bytes"),
                Some(event) => break event.expect_err("too long"),
            }
        };
        assert_eq!(error, SseError::TooLong);
        assert!(fed <= EVENT_BYTES_MAX + filler.len());
        reader.feed(b"\n\ndata: a\n\n");
        assert!(reader.next().is_none(), "nothing comes after an error");
        assert_eq!(reader.pending(), 0);
    }
}

#[test]
fn what_is_no_text_is_an_error_also_where_no_data_is() {
    for stream in [&b"data: \xF0\x9F\n\n"[..], b": \xFF\n\n", b"d\xC7ta: x\ndata: y\n\n"] {
        let mut reader = Reader::new();
        reader.feed(stream);
        assert_eq!(reader.next(), Some(Err(SseError::NotText)), "{}", stream.escape_ascii());
        assert!(reader.next().is_none());
    }
}

#[test]
fn an_event_of_exactly_the_limit_is_read() {
    let framing = b"data: \n\n".len();
    for (length, fits) in
        [(EVENT_BYTES_MAX - framing, true), (EVENT_BYTES_MAX - framing + 1, false)]
    {
        let mut reader = Reader::new();
        reader.feed(format!("data: {}\n\n", "x".repeat(length)).as_bytes());
        assert_eq!(reader.next().expect("whole").is_ok(), fits);
    }
}

#[test]
fn many_small_events_in_one_piece_are_no_long_event() {
    let stream = "data: x\n\n".repeat(EVENT_BYTES_MAX / 8);
    assert_eq!(read([stream.as_bytes()]).0.len(), EVENT_BYTES_MAX / 8);
}

/// Pieces of streams, good and bad, in any order.
fn streams() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "data: ",
        "data:",
        "data",
        "event: e",
        "id: 1",
        ":",
        ": c",
        "\n",
        "\n",
        "\r\n",
        "\r\n",
        "\r",
        "a",
        "ü",
        "🦀",
        "{\"a\":1}",
        "[DONE]",
        "\u{FEFF}",
        " ",
        "\n\n",
        "\r\n\r\n",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn any_split_gives_the_same_events_and_keeps_every_byte(
        stream in streams(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let (whole, whole_raw) = read([stream.as_slice()]);
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(stream.len());
        let mut from = 0;
        let pieces = cuts.iter().map(|&to| { let piece = &stream[from..to]; from = to; piece });
        let (split, split_raw) = read(pieces);
        prop_assert_eq!(whole, split);
        prop_assert!(stream.starts_with(&split_raw) && stream.starts_with(&whole_raw));
    }

    #[test]
    fn bytes_of_any_kind_never_panic(stream: Vec<u8>) {
        let mut reader = Reader::new();
        for byte in stream.chunks(3) {
            reader.feed(byte);
            while reader.next().is_some() {}
        }
        reader.rest();
    }
}
