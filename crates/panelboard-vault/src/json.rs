//! How do secrets get into JSON and out of it without a copy in memory that is not wiped?
//!
//! A buffer that grows by itself leaves what it held behind, and the parser of `serde_json` puts a
//! text with escapes together in a buffer of its own, which it does not wipe.

use serde::Serialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Something as JSON, in memory that is wiped and does not grow in between.
pub(crate) fn write(value: &(impl Serialize + ?Sized)) -> Option<Zeroizing<Vec<u8>>> {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
            self.0 += part.len();
            Ok(part.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value).ok()?;
    let mut body = Zeroizing::new(Vec::with_capacity(count.0));
    serde_json::to_writer(&mut *body, value).ok()?;
    Some(body)
}

/// What a JSON text says; none if it is no text. It is never longer than its JSON.
pub(crate) fn text(json: &RawValue) -> Option<Secret<String>> {
    let mut rest = json.get().strip_prefix('"')?.strip_suffix('"')?;
    let mut text = Zeroizing::new(String::with_capacity(rest.len()));
    while let Some((plain, escape)) = rest.split_once('\\') {
        text.push_str(plain);
        let (letter, after) = escaped(escape)?;
        text.push(letter);
        rest = after;
    }
    text.push_str(rest);
    Some(Secret::new(std::mem::take(&mut *text)))
}

/// What follows a backslash, and the rest.
fn escaped(text: &str) -> Option<(char, &str)> {
    let mut letters = text.chars();
    let letter = match letters.next()? {
        same @ ('"' | '\\' | '/') => same,
        'b' => '\u{8}',
        'f' => '\u{c}',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'u' => return of_code(letters.as_str()),
        _ => return None,
    };
    Some((letter, letters.as_str()))
}

/// A letter by its code; above 0xffff by two halves.
fn of_code(text: &str) -> Option<(char, &str)> {
    let (first, rest) = digits(text)?;
    if let Some(letter) = char::from_u32(first) {
        return Some((letter, rest));
    }
    let (second, rest) = digits(rest.strip_prefix("\\u")?)?;
    let (high, low) = (first.checked_sub(0xd800)?, second.checked_sub(0xdc00)?);
    let is_pair = high < 0x400 && low < 0x400;
    let letter = char::from_u32(0x1_0000 + (high << 10) + low).filter(|_| is_pair)?;
    Some((letter, rest))
}

fn digits(text: &str) -> Option<(u32, &str)> {
    let (four, rest) = text.split_at_checked(4)?;
    let all = four.bytes().all(|byte| byte.is_ascii_hexdigit());
    let code = all.then(|| u32::from_str_radix(four, 16).ok())??;
    Some((code, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> &RawValue {
        serde_json::from_str(json).expect("JSON")
    }

    #[test]
    fn a_text_is_read_as_the_parser_reads_it_and_without_a_copy() {
        let rows = [
            r#""""#,
            r#""plain, ü and 🔑""#,
            r#""-----BEGIN KEY-----\nMIIB\/x==\n-----END KEY-----\n""#,
            r#""\"\\\/\b\f\n\r\t""#,
            r#""\u0041\u00fc\u20AC\ud83d\udD11z""#,
            r#""\u0000""#,
            r#""half \ud83d""#,
            r#""half \ud83dx""#,
            r#""half \udd11""#,
            r#""halves \ud83d\ud83d""#,
            r#""halves \ud83d\u0041""#,
            r#""halves \ud83d\n""#,
            "7",
            "null",
            "true",
            r#"["a"]"#,
            r#"{"a":"b"}"#,
        ];
        for json in rows {
            let expected = serde_json::from_str::<String>(json).ok();
            let read = text(raw(json));
            assert_eq!(read.as_ref().map(Secret::expose), expected.as_ref(), "{json}");
            let room = read.map_or(0, |read| read.expose().capacity());
            assert!(room <= json.len(), "{json}: it has grown");
        }
    }

    #[test]
    fn every_letter_and_every_pair_of_halves_is_what_the_parser_makes_of_it() {
        let codes = (0..=0xffff_u32).step_by(7).chain(0xd7f0..0xe010);
        for json in codes.map(|code| format!("\"\\u{code:04x}\\udc00\"")) {
            let expected = serde_json::from_str::<String>(&json).ok();
            assert_eq!(text(raw(&json)).map(|t| t.expose().clone()), expected, "{json}");
        }
    }
}
