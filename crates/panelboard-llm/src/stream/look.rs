//! What does an event of a stream hold? Output, an error, the end, or nothing yet.

use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{attempt::read::tokens, observe::Usage};

/// What an event holds.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// The first real output may be in it. Only looked for until it was found.
    pub(super) output: bool,
    pub(super) error: bool,
    pub(super) done: bool,
    pub(super) usage: Option<Usage>,
}

/// The part of a chunk that is read.
#[derive(Deserialize)]
struct Chunk<'a> {
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    choices: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Value,
    #[serde(default)]
    text: Value,
    #[serde(default)]
    finish_reason: Value,
}

/// Looks into the data of an event in OpenAI's shape.
///
/// # Errors
/// It is not JSON, or not even text.
pub(super) fn look(data: &[u8], for_output: bool) -> Result<Look, String> {
    if data.trim_ascii() == b"[DONE]" {
        return Ok(Look { done: true, ..Look::default() });
    }
    let text = std::str::from_utf8(data).map_err(|_| "an event of the stream is not UTF-8")?;
    let chunk: Chunk<'_> = serde_json::from_str(text)
        .map_err(|error| format!("an event of the stream is not a JSON object: {error}"))?;
    let usage = chunk.usage.and_then(tokens);
    if chunk.error.is_some() {
        return Ok(Look { error: true, usage, ..Look::default() });
    }
    let output = for_output && chunk.choices.is_some_and(has_output);
    Ok(Look { output, usage, ..Look::default() })
}

/// Whether a list of choices holds more than the announcement of who will speak.
fn has_output(choices: &RawValue) -> bool {
    // What can't be read as choices is not ours to hold back.
    let Ok(choices) = serde_json::from_str::<Vec<Choice>>(choices.get()) else { return true };
    choices.iter().any(|choice| {
        let says = match &choice.delta {
            Value::Object(delta) => {
                delta.iter().any(|(name, value)| name != "role" && !is_empty(value))
            }
            other => !is_empty(other),
        };
        says || !is_empty(&choice.text) || !is_empty(&choice.finish_reason)
    })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::look;

    #[track_caller]
    fn check(data: &str, output: bool, error: bool) {
        let look = look(data.as_bytes(), true).expect("JSON");
        assert_eq!((look.output, look.error), (output, error), "{data}");
    }

    #[test]
    fn what_is_output_and_what_is_not() {
        check(r#"{"choices":[{"delta":{"role":"assistant","content":""}}]}"#, false, false);
        check(
            r#"{"choices":[{"delta":{"role":"assistant","content":null},"finish_reason":null}]}"#,
            false,
            false,
        );
        check(r#"{"choices":[]}"#, false, false);
        check(r#"{"choices":[{"delta":{"content":" "}}]}"#, true, false);
        check(r#"{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}"#, true, false);
        check(r#"{"choices":[{"delta":{"reasoning_content":"hm"}}]}"#, true, false);
        check(r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#, true, false);
        check(r#"{"choices":[{"text":"a"}]}"#, true, false);
        check(r#"{"error":{"message":"no"}}"#, false, true);
        check(r#"{"error":null,"choices":[{"text":"\"error\":1"}]}"#, true, false);
    }

    #[test]
    fn tokens_are_counted_and_the_end_is_seen() {
        let usage =
            look(br#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}"#, false);
        assert_eq!(usage.expect("JSON").usage.map(|u| (u.input, u.output)), Some((3, 4)));
        assert!(look(b"[DONE]", false).expect("the end").done);
        assert!(look(b" [DONE]\r", false).expect("the end").done);
    }

    #[test]
    fn garbage_is_told() {
        assert!(look(b"nonsense", false).is_err());
        assert!(look(b"{\"a\":\"\xff\"}", false).is_err());
        assert!(look(b"[1]", false).is_err());
    }
}
