//! What does a client's body ask for? Read no more than routing needs.
//!
//! The body is checked (JSON, size, depth) and looked through once for `model` and `stream`. What
//! goes on to a provider are the client's own bytes with the model's name exchanged: unknown
//! fields, their order and the spelling of numbers stay as they are.

use std::{borrow::Cow, fmt, ops::Range, time::Duration};

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::{openai::Refusal, settings::Limits};

/// The endpoints that are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/embeddings`
    Embeddings,
}

impl Endpoint {
    /// Its path below a `base_url`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
        }
    }

    /// Its name in OpenTelemetry's conventions: `chat`, `text_completion`, `embeddings`.
    #[must_use]
    pub const fn operation(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat",
            Self::Completions => "text_completion",
            Self::Embeddings => "embeddings",
        }
    }
}

/// A client's call.
#[derive(Clone, Debug)]
pub struct CallRequest {
    /// What the client calls it (`x-request-id`). One that is empty, longer than 200 characters or
    /// not visible ASCII is replaced by a new one.
    pub request_id: String,
    /// The body as it came.
    pub body: Bytes,
    /// How long the client will wait (`x-panelboard-timeout-ms`).
    pub deadline: Option<Duration>,
}

impl CallRequest {
    /// A call without a name and without a deadline.
    #[must_use]
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self { request_id: String::new(), body: body.into(), deadline: None }
    }
}

/// A body that can be routed.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) model: String,
    pub(crate) stream: bool,
    body: Bytes,
    /// Where the model's name stands, with its quotes.
    model_at: Range<usize>,
}

impl Ask {
    /// Reads a body.
    pub(crate) fn read(body: Bytes, endpoint: Endpoint, limits: &Limits) -> Result<Self, Refusal> {
        if body.len() > limits.max_body_bytes {
            let message = format!("the body is longer than {} bytes", limits.max_body_bytes);
            return Err(Refusal::new(413, "request_too_large", message));
        }
        let text = std::str::from_utf8(&body)
            .map_err(|_| Refusal::new(400, "invalid_json", "the body is not UTF-8"))?;
        if depth(text.as_bytes()) > limits.max_depth {
            let message = format!("the body is nested deeper than {} levels", limits.max_depth);
            return Err(Refusal::new(400, "invalid_json", message));
        }
        let fields: Fields<'_> = serde_json::from_str(text).map_err(|e| not_json(&e))?;
        let model = fields.model(text)?;
        let stream = fields.stream()?;
        fields.check(endpoint)?;
        let (model, model_at) = model;
        Ok(Self { model, stream, model_at, body })
    }

    /// The body for a provider: the same, but for the model's name.
    pub(crate) fn body_for(&self, model: &str) -> Bytes {
        if model == self.model {
            return self.body.clone();
        }
        let name = serde_json::Value::from(model).to_string();
        let (before, after) = (&self.body[..self.model_at.start], &self.body[self.model_at.end..]);
        [before, name.as_bytes(), after].concat().into()
    }

    /// The whole body, for providers whose API is another one.
    pub(crate) fn parsed(&self) -> Option<serde_json::Map<String, serde_json::Value>> {
        serde_json::from_slice(&self.body).ok()
    }
}

fn not_json(error: &serde_json::Error) -> Refusal {
    // serde's own words name the place, and of the content at most the field's name.
    Refusal::new(
        400,
        "invalid_json",
        format!("the body is not a JSON object that can be read: {error}"),
    )
}

/// The fields that routing reads, as they stand in the text.
#[derive(Default)]
struct Fields<'a> {
    model: Option<&'a RawValue>,
    stream: Option<&'a RawValue>,
    messages: Option<&'a RawValue>,
}

impl<'a> Fields<'a> {
    fn model(&self, text: &str) -> Result<(String, Range<usize>), Refusal> {
        let wrong = |message| Err(Refusal::new(400, "invalid_type", message).param("model"));
        let Some(raw) = self.model else {
            return wrong("`model` is missing");
        };
        let Ok(name) = serde_json::from_str::<String>(raw.get()) else {
            return wrong("`model` must be a string");
        };
        if name.is_empty() {
            return wrong("`model` must not be empty");
        }
        // The raw value is borrowed from the text.
        let start = raw.get().as_ptr() as usize - text.as_ptr() as usize;
        Ok((name, start..start + raw.get().len()))
    }

    fn stream(&self) -> Result<bool, Refusal> {
        match self.stream.map(RawValue::get) {
            None | Some("null" | "false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => {
                Err(Refusal::new(400, "invalid_type", "`stream` must be true or false")
                    .param("stream"))
            }
        }
    }

    fn check(&self, endpoint: Endpoint) -> Result<(), Refusal> {
        if endpoint != Endpoint::ChatCompletions {
            return Ok(());
        }
        let message = match self.messages.map(RawValue::get) {
            Some(raw) if raw.starts_with('[') => return Ok(()),
            Some(_) => "`messages` must be a list",
            None => "`messages` is missing",
        };
        Err(Refusal::new(400, "invalid_type", message).param("messages"))
    }
}

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields<'de>, A::Error> {
        let mut fields = Fields::default();
        while let Some(Name(name)) = map.next_key()? {
            let place = match &*name {
                "model" => &mut fields.model,
                "stream" => &mut fields.stream,
                "messages" => &mut fields.messages,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            // Two of a kind would be read in one way here and in another by the provider.
            if place.replace(map.next_value()?).is_some() {
                return Err(serde::de::Error::custom(format!("`{name}` stands there twice")));
            }
        }
        Ok(fields)
    }
}

/// A field's name, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// How deep brackets are nested, strings left out. For text that may be no JSON at all.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(byte) = rest.next() {
                    match byte {
                        b'\\' => drop(rest.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Ask, Endpoint};
    use crate::settings::Limits;

    fn read(body: &str) -> Result<Ask, (u16, Option<String>)> {
        let limits = Limits { max_depth: 8, max_body_bytes: 1000, ..Limits::default() };
        Ask::read(Bytes::copy_from_slice(body.as_bytes()), Endpoint::ChatCompletions, &limits)
            .map_err(|refusal| (refusal.status, refusal.param))
    }

    #[test]
    fn only_the_models_name_changes() {
        let body = concat!(
            r#" {"x":1.10,"model" : "a\u0062" ,"messages":[{"model":"no"}],"#,
            r#""stream":true,"y":{"z":1e9}} "#
        );
        let ask = read(body).expect("a good body");
        assert_eq!((ask.model.as_str(), ask.stream), ("ab", true));
        let sent = ask.body_for("new \"name\"");
        assert_eq!(sent, body.replace(r#""a\u0062""#, r#""new \"name\"""#).as_bytes());
        assert_eq!(ask.body_for("ab"), body.as_bytes(), "not even copied");
    }

    #[track_caller]
    fn refused(body: &str, status: u16, param: Option<&'static str>) {
        let refusal = read(body).expect_err("it must be refused");
        assert_eq!((refusal.0, refusal.1.as_deref()), (status, param), "{body}");
    }

    #[test]
    fn bodies_that_are_refused_name_the_field() {
        refused("", 400, None);
        refused("{", 400, None);
        refused("[]", 400, None);
        refused("7", 400, None);
        refused(r#"{"model":"a","messages":[]} x"#, 400, None);
        refused(r#"{"model":"a","model":"b","messages":[]}"#, 400, None);
        refused(r#"{"messages":[]}"#, 400, Some("model"));
        refused(r#"{"model":7,"messages":[]}"#, 400, Some("model"));
        refused(r#"{"model":"","messages":[]}"#, 400, Some("model"));
        refused(r#"{"model":"a","messages":[],"stream":"yes"}"#, 400, Some("stream"));
        refused(r#"{"model":"a"}"#, 400, Some("messages"));
        refused(r#"{"model":"a","messages":"hi"}"#, 400, Some("messages"));
        refused(
            &format!(r#"{{"model":"a","messages":{}}}"#, "[".repeat(9) + &"]".repeat(9)),
            400,
            None,
        );
        refused(&format!(r#"{{"model":"{}"}}"#, "a".repeat(1000)), 413, None);
    }

    #[test]
    fn brackets_within_strings_are_no_depth() {
        assert!(read(&format!(r#"{{"model":"a","messages":["\"{}"]}}"#, "[".repeat(50))).is_ok());
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let body = Bytes::from_static(b"{\"model\":\"a\",\"messages\":[],\"x\":\"\xff\"}");
        let refusal = Ask::read(body, Endpoint::ChatCompletions, &Limits::default());
        assert_eq!(refusal.expect_err("not UTF-8").status, 400);
    }
}
