//! What does it do with what nobody should log?

use panelboard_tracing::Format;
use serde_json::Value;

use crate::records::lines;

#[test]
fn a_megabyte_is_cut_with_a_mark() {
    let large = "é".repeat(512 << 10);
    let lines = lines(
        Format::Json,
        |it| it,
        || {
            tracing::info!(large, small = 1, "message");
            tracing::info!("{large}");
        },
    );
    for (line, field) in lines.iter().zip(["/fields/large", "/message"]) {
        let said: Value = serde_json::from_str(line).expect("JSON");
        let text = said.pointer(field).unwrap().as_str().expect("a text");
        assert!(text.len() < 9 << 10, "{} bytes", text.len());
        assert!(
            text.starts_with("éé") && text.ends_with("…[1040384 bytes cut]"),
            "{}",
            &text[8_000..]
        );
    }
    assert!(lines[0].contains("\"small\":1"));
}

#[test]
fn fields_beyond_a_records_size_are_left_out_and_counted() {
    let large = "x".repeat(7 << 10);
    let lines = lines(
        Format::Json,
        |it| it,
        || {
            tracing::info!(a = large, b = large, c = large, d = large, "message");
        },
    );
    let said: Value = serde_json::from_str(&lines[0]).expect("JSON");
    assert!(lines[0].len() < 20 << 10, "{} bytes", lines[0].len());
    assert_eq!(said["message"], "message");
    let kept = said["fields"].as_object().expect("an object").len() as u64;
    assert_eq!(kept + said["left_out"].as_u64().expect("a number"), 4, "{said}");
}

/// Of ASCII and beyond, with the one that begins a terminal's commands, what separates lines, and
/// what turns the direction of writing. The last word has neither a space nor a quote.
const NASTY: [&str; 2] = [
    "a\nb\r\n\t\u{1b}[31mred\u{0}\u{7f}\u{85}\u{9b}31m\u{2028}\u{2029} \u{202e}\u{2066}x\"\\",
    "a\n\u{1b}[31m\u{85}\u{9b}31m\u{2028}\u{202e}x",
];

#[test]
fn control_characters_end_no_line_and_speak_to_no_terminal() {
    let hidden = |c: char| c.is_control() || "\u{2028}\u{2029}\u{202e}\u{2066}\u{2069}".contains(c);
    for nasty in NASTY {
        for format in [Format::Json, Format::Compact, Format::Pretty] {
            let lines = lines(format, |it| it, || tracing::info!(field = nasty, "{nasty}"));
            let expected = if format == Format::Pretty { 3 } else { 1 };
            assert_eq!(lines.len(), expected, "{lines:?}");
            assert!(!lines.iter().any(|line| line.chars().any(hidden)), "{lines:?}");
        }
        let lines = lines(Format::Json, |it| it, || tracing::info!("{nasty} é 日本 \u{a0}"));
        let said: Value = serde_json::from_str(&lines[0]).expect("JSON");
        assert_eq!(said["message"], format!("{nasty} é 日本 \u{a0}"));
        assert!(lines[0].contains("é 日本 \u{a0}"), "what is seen is not escaped: {}", lines[0]);
    }
}

/// A lone surrogate can't be in a text of Rust; as bytes it is escaped.
#[test]
fn bytes_that_are_no_text_are_escaped() {
    let surrogate: &[u8] = &[b'a', 0xed, 0xa0, 0x80, b'b'];
    let lines = lines(
        Format::Json,
        |it| it,
        || {
            tracing::info!(bytes = surrogate, text = %String::from_utf8_lossy(surrogate), "m");
        },
    );
    let said: Value = serde_json::from_str(&lines[0]).expect("JSON");
    assert!(said["fields"]["bytes"].is_string(), "{said}");
    assert_eq!(said["fields"]["text"], "a\u{fffd}\u{fffd}\u{fffd}b");
}

#[test]
fn numbers_that_json_does_not_know_are_texts() {
    let lines = lines(
        Format::Json,
        |it| it,
        || {
            tracing::info!(
                nan = f64::NAN,
                inf = f64::INFINITY,
                big = u128::MAX,
                tiny = 5e-324,
                "m"
            );
        },
    );
    let said: Value = serde_json::from_str(&lines[0]).expect("JSON");
    assert_eq!(said["fields"]["nan"], "NaN");
    assert_eq!(said["fields"]["inf"], "inf");
    assert_eq!(said["fields"]["big"], u128::MAX.to_string());
    assert_eq!(said["fields"]["tiny"].as_f64(), Some(5e-324));
}

#[test]
fn a_message_that_is_a_number_is_a_message() {
    let lines = lines(
        Format::Compact,
        |it| it,
        || {
            tracing::info!(message = 42);
            tracing::info!(message = true);
            tracing::info!(only = "fields");
        },
    );
    let ends = ["42", "true", ": only=fields"];
    assert!(lines.iter().zip(ends).all(|(line, end)| line.ends_with(end)), "{lines:?}");
}
