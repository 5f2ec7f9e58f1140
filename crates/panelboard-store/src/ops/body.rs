//! Is a body what every later reader can read? JSON in UTF-8, of a bounded length, with its sum.

use serde::de::IgnoredAny;

use crate::{crc, invalid::Invalid};

/// The JSON of a record, checked.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    text: String,
    sum: u32,
}

impl Body {
    /// Checks and sums `bytes`, on the caller's thread: the writer's time is everybody's.
    ///
    /// # Errors
    /// No UTF-8, no JSON, nested deeper than [`MAX_DEPTH`], more than `limit` bytes.
    pub(crate) fn new(bytes: Vec<u8>, limit: usize) -> Result<Self, Invalid> {
        if bytes.len() > limit {
            return Err(Invalid::TooBig { bytes: bytes.len(), limit });
        }
        let text = String::from_utf8(bytes).map_err(|e| Invalid::NotJson { why: e.to_string() })?;
        // As it stands in a snapshot, where nothing stands around a value.
        let text = text.trim_matches([' ', '\t', '\n', '\r']).to_owned();
        is_json(&text).map_err(|why| Invalid::NotJson { why })?;
        Ok(Self { sum: crc::of(text.as_bytes()), text })
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn sum(&self) -> u32 {
        self.sum
    }

    pub(crate) fn len(&self) -> usize {
        self.text.len()
    }
}

/// How deep a body may be nested. Common readers give up at 128, and put it into something first.
const MAX_DEPTH: usize = 100;

/// Whether `text` is one JSON value that common readers take.
pub(crate) fn is_json(text: &str) -> Result<(), String> {
    if depth(text) > MAX_DEPTH {
        return Err(format!("nested deeper than {MAX_DEPTH}"));
    }
    serde_json::from_str::<IgnoredAny>(text).map(drop).map_err(|why| why.to_string())
}

/// How deep brackets are nested outside of strings.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_refused() {
        let bad: [&[u8]; 9] =
            [b"", b"{", b"{} {}", b"'a'", b"NaN", b"\xff", b"\"\xff\"", b"[1,]", b"{\"a\":}"];
        for bytes in bad {
            let body = Body::new(bytes.into(), 100);
            assert!(matches!(body, Err(Invalid::NotJson { .. })), "{bytes:?}");
        }
        for text in ["null", "1", "\"\"", "[]", "{\"a\":[1.5e9,true,\"\\u00e9\"]}", " 1 "] {
            assert!(Body::new(text.into(), 100).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_common_readers_find_too_deep_is_refused() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Body::new(nested(100).into(), 1 << 20).is_ok());
        assert!(Body::new(nested(101).into(), 1 << 20).is_err());
        assert!(Body::new(nested(200_000).into(), 1 << 20).is_err());
        let quoted = format!("[{:?},{:?}]", "[".repeat(300), "\\\"{{{{".repeat(300));
        assert!(Body::new(quoted.into(), 1 << 20).is_ok(), "brackets within strings nest nothing");
    }

    #[test]
    fn space_around_a_value_is_not_kept() {
        let body = Body::new(b" \n{ \"a\": 1 }\t".into(), 100).expect("JSON");
        assert_eq!(body.text(), "{ \"a\": 1 }");
    }

    #[test]
    fn the_limit_is_the_longest_that_is_allowed() {
        assert!(Body::new(b"12345".into(), 5).is_ok());
        let why = Body::new(b"123456".into(), 5).unwrap_err();
        assert_eq!(why, Invalid::TooBig { bytes: 6, limit: 5 });
    }
}
