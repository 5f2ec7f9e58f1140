//! What do the many shapes of a provider's error say?
//!
//! OpenAI's `{"error": {"message", "type", "code"}}`, Anthropic's `{"type": "error", "error":
//! {"type", "message", "details"}}`, Google's list with `status` and `details`, and the flat form
//! of vLLM and FastAPI. Read leniently: a field of another type than usual is as good as none.

use serde_json::Value;

use super::MESSAGE_CHARS_MAX;

/// Stands where something looked like a key.
pub(super) const HIDDEN: &str = "[hidden]";

/// So many first characters of a secret say nothing: `sk-p` is in every one.
const SECRET_BEGINNING_MIN: usize = 5;

/// A longer body is not searched for an error.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The object that holds code and message, wherever it was.
#[derive(Debug, Default)]
pub(super) struct ErrorBody(Value);

impl ErrorBody {
    /// The error in the body of an answer whose status says that it is one.
    pub(super) fn of_answer(body: &[u8]) -> Option<Self> {
        let body = body.get(..BODY_BYTES_MAX).unwrap_or(body);
        match serde_json::from_slice(body) {
            Ok(value) => Some(Self(unwrap(value))),
            Err(_) if body.trim_ascii_start().starts_with(b"<") => {
                Some(Self(Value::from("an HTML page in place of JSON")))
            }
            // The text of a proxy, perhaps. It is better than nothing.
            Err(_) => std::str::from_utf8(body).ok().map(|text| Self(Value::from(text))),
        }
    }

    /// The error in an event of a stream; `None` if it is not JSON.
    pub(super) fn of_event(data: &[u8]) -> Option<Self> {
        serde_json::from_slice(data).ok().map(unwrap).map(Self)
    }

    /// The provider's code, else what comes nearest to one.
    pub(super) fn code(&self) -> Option<String> {
        let detail = self.0.pointer("/details/error_code");
        let fields = [detail, self.0.get("code"), self.0.get("type"), self.0.get("status")];
        let text = |value: &Value| match value {
            Value::String(text) if !text.is_empty() => Some(clean(text)),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        fields.into_iter().flatten().find_map(text)
    }

    /// The status that a number in `code` or `status_code` stands for.
    pub(super) fn status(&self) -> Option<u16> {
        let fields = [self.0.get("code"), self.0.get("status_code"), self.0.get("status")];
        let number = |value: &Value| match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64().and_then(|number| u16::try_from(number).ok()),
        };
        fields.into_iter().flatten().filter_map(number).find(|status| (400..600).contains(status))
    }

    /// Whether code, type or details are one of `codes`.
    pub(super) fn says(&self, codes: &[&str]) -> bool {
        let is = |value: Option<&Value>| {
            value.and_then(Value::as_str).is_some_and(|text| codes.contains(&text))
        };
        let reason = |detail: &Value| is(detail.get("reason"));
        is(self.0.get("code"))
            || is(self.0.get("type"))
            || is(self.0.pointer("/details/error_code"))
            || self
                .0
                .get("details")
                .and_then(Value::as_array)
                .is_some_and(|list| list.iter().any(reason))
    }

    pub(super) fn message_begins(&self, start: &str) -> bool {
        self.raw_message().is_some_and(|message| message.starts_with(start))
    }

    /// What the provider said, made presentable.
    pub(super) fn message(&self) -> String {
        self.raw_message().map(clean).unwrap_or_default()
    }

    fn raw_message(&self) -> Option<&str> {
        let fields = [Some(&self.0), self.0.get("message"), self.0.get("detail")];
        fields.into_iter().flatten().find_map(Value::as_str)
    }
}

/// Whether these bytes are a JSON object with a top-level `error` that is not null, or one that
/// calls itself an error (older vLLM).
///
/// Most are not, and are seen not to be without parsing.
pub(super) fn is_error(body: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    struct Top<'a> {
        #[serde(borrow)]
        error: Option<&'a serde_json::value::RawValue>,
        #[serde(borrow)]
        object: Option<&'a serde_json::value::RawValue>,
    }
    let is_error = |top: Top<'_>| {
        top.error.is_some_and(|error| error.get() != "false")
            || top.object.is_some_and(|object| object.get() == "\"error\"")
    };
    if body.len() > BODY_BYTES_MAX || memchr::memmem::find(body, b"\"error\"").is_none() {
        return false;
    }
    serde_json::from_slice(body).is_ok_and(is_error)
}

/// The innermost object that is the error.
fn unwrap(value: Value) -> Value {
    match value {
        Value::Array(mut list) if !list.is_empty() => unwrap(list.swap_remove(0)),
        Value::Object(mut fields) => match fields.remove("error") {
            Some(error @ (Value::Object(_) | Value::String(_))) => error,
            _ => Value::Object(fields),
        },
        other => other,
    }
}

/// One line, no control characters, nothing that looks like a key, not too long.
pub(super) fn clean(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty());
    let shown = words.map(|word| if looks_like_key(word) { HIDDEN } else { word });
    let mut line = String::new();
    // Each word has a character at least: no need to join more of a long text than this.
    for word in shown.take(MESSAGE_CHARS_MAX) {
        line.extend((!line.is_empty()).then_some(' '));
        line.push_str(word);
    }
    match line.char_indices().nth(MESSAGE_CHARS_MAX) {
        Some((end, _)) => line[..end].to_owned(),
        None => line,
    }
}

/// The text without `secret`, and without its beginning at the end, where a long text was cut.
pub(super) fn hide(text: &str, secret: &str) -> String {
    if secret.is_empty() {
        return text.to_owned();
    }
    let text = text.replace(secret, HIDDEN);
    let begins = (SECRET_BEGINNING_MIN..secret.len()).rev().filter_map(|n| secret.get(..n));
    match begins.into_iter().find_map(|beginning| text.strip_suffix(beginning)) {
        Some(rest) => format!("{rest}{HIDDEN}"),
        None => text,
    }
}

/// `sk-...`, or letters and digits mixed in one run of 16 or more. Names of models have hyphens.
fn looks_like_key(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    let long_mix = |run: &str| {
        run.len() >= 16
            && run.bytes().any(|b| b.is_ascii_digit())
            && run.bytes().any(|b| b.is_ascii_alphabetic())
    };
    bare.starts_with("sk-") || word.split(|c: char| !c.is_ascii_alphanumeric()).any(long_mix)
}
