//! What does a client say over a socket, and what is it told that is no frame? Pure.
//!
//! Whatever comes, there is an answer and the connection lives: no text is trusted to be JSON, no
//! JSON to be an object, no object to have the fields that it should.

use panelboard_tasks::SessionId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::trouble::Trouble;
use crate::routes::{HowToCancel, HowToClear, Input, WhenAlone};

/// The longest name of a command.
const MAX_ID: usize = 255;

/// What a client asks for.
#[derive(Debug)]
pub(crate) enum ClientFrame {
    Hello(Hello),
    Subscribe(Subscribe),
    Unsubscribe(OfSession),
    FollowJob(FollowJob),
    LeaveJob(OfJob),
    Submit(Box<Submit>),
    Cancel(Cancel),
    Clear(Clear),
    Answer(Answer),
    Ping(Ping),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hello {
    #[serde(default)]
    pub(crate) resume: Vec<Resume>,
}

/// What a client followed before.
#[derive(Debug)]
pub(crate) enum Resume {
    Session(Subscribe),
    Job(FollowJob),
}

impl<'de> Deserialize<'de> for Resume {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let fields = Map::deserialize(from)?;
        let (job, all) = (fields.contains_key("job"), Value::Object(fields));
        let read = if job {
            serde_json::from_value(all).map(Self::Job)
        } else {
            serde_json::from_value(all).map(Self::Session)
        };
        read.map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subscribe {
    pub(crate) session: String,
    pub(crate) epoch: Option<String>,
    pub(crate) seq: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfSession {
    pub(crate) session: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FollowJob {
    pub(crate) job: String,
    pub(crate) epoch: Option<String>,
    pub(crate) seq: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfJob {
    pub(crate) job: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Submit {
    pub(crate) client_msg_id: String,
    pub(crate) session: String,
    pub(crate) input: Input,
    pub(crate) model: Option<String>,
    pub(crate) tools: Option<Value>,
    pub(crate) on_conflict: Option<String>,
    pub(crate) on_disconnect: Option<WhenAlone>,
    pub(crate) timeout_ms: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cancel {
    pub(crate) client_msg_id: Option<String>,
    pub(crate) session: String,
    pub(crate) run: Option<String>,
    #[serde(default)]
    pub(crate) mode: HowToCancel,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Clear {
    pub(crate) client_msg_id: Option<String>,
    pub(crate) session: String,
    #[serde(default)]
    pub(crate) mode: HowToClear,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    pub(crate) client_msg_id: String,
    pub(crate) session: String,
    pub(crate) run: String,
    pub(crate) request_id: Value,
    pub(crate) input: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ping {
    pub(crate) n: Option<Value>,
}

/// What is wrong with what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoFrame {
    pub(crate) code: &'static str,
    pub(crate) detail: String,
    /// The command that it was to be, if that much could be read.
    pub(crate) re: Option<String>,
}

impl NoFrame {
    pub(crate) fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), re: None }
    }

    /// The frame that says so.
    pub(crate) fn frame(&self) -> String {
        let mut frame = json!({ "type": "error", "code": self.code, "detail": self.detail });
        if let Some(re) = &self.re {
            frame["re"] = re.as_str().into();
        }
        super::shown::typed(&frame)
    }
}

/// All types that a client may send.
const TYPES: &str = "hello, subscribe, unsubscribe, submit, cancel, clear, answer, ping";

/// Reads what a client sent.
pub(crate) fn read(text: &str) -> Result<ClientFrame, NoFrame> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| NoFrame::new("bad-frame", format!("it is no JSON: {error}")))?;
    let Value::Object(mut fields) = value else {
        return Err(NoFrame::new("bad-frame", "a frame is a JSON object with a `type`"));
    };
    let re = fields.get("client_msg_id").and_then(Value::as_str).map(shown);
    let read = frame(&mut fields);
    read.map_err(|wrong| NoFrame { re, ..wrong })
}

fn frame(fields: &mut Map<String, Value>) -> Result<ClientFrame, NoFrame> {
    let Some(Value::String(kind)) = fields.remove("type") else {
        return Err(NoFrame::new("bad-frame", format!("`type` must be one of {TYPES}")));
    };
    let id = fields.get("client_msg_id");
    if let Some(id) = id {
        let id = id.as_str().unwrap_or_default();
        if !(1..=MAX_ID).contains(&id.len()) || id.chars().any(char::is_control) {
            let rule = "`client_msg_id` must be a text of 1 to 255 bytes";
            return Err(NoFrame::new("bad-frame", rule));
        }
    }
    let of_a_job = fields.contains_key("job");
    Ok(match kind.as_str() {
        "subscribe" if of_a_job => ClientFrame::FollowJob(fields_of(fields)?),
        "unsubscribe" if of_a_job => ClientFrame::LeaveJob(fields_of(fields)?),
        "hello" => ClientFrame::Hello(fields_of(fields)?),
        "subscribe" => ClientFrame::Subscribe(fields_of(fields)?),
        "unsubscribe" => ClientFrame::Unsubscribe(fields_of(fields)?),
        "submit" => ClientFrame::Submit(Box::new(fields_of(fields)?)),
        "cancel" => ClientFrame::Cancel(fields_of(fields)?),
        "clear" => ClientFrame::Clear(fields_of(fields)?),
        "answer" => ClientFrame::Answer(fields_of(fields)?),
        "ping" => ClientFrame::Ping(fields_of(fields)?),
        other => {
            let detail = format!("{:?} is no type of frame, expected one of {TYPES}", shown(other));
            return Err(NoFrame::new("unknown-type", detail));
        }
    })
}

fn fields_of<T: DeserializeOwned>(fields: &mut Map<String, Value>) -> Result<T, NoFrame> {
    let all = Value::Object(std::mem::take(fields));
    serde_json::from_value(all).map_err(|error| match crate::routes::not_understood(&error) {
        Trouble::UnknownField { field, allowed, .. } => {
            let detail = format!("unknown field {field:?}, expected {}", allowed.join(", "));
            NoFrame::new("unknown-field", detail)
        }
        _ => NoFrame::new("bad-frame", shown(&error.to_string())),
    })
}

/// A text of somebody else's, as much of it as is shown again.
fn shown(text: &str) -> String {
    text.chars().take(MAX_ID).collect()
}

/// The session that a frame names.
pub(crate) fn session(name: &str) -> Result<SessionId, Trouble> {
    SessionId::new(name).map_err(|_| Trouble::BadSessionId)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [&str; 13] = [
        "{\"type\":\"hello\"}",
        "{\"type\":\"hello\",\"resume\":[{\"session\":\"a\",\"epoch\":\"e\",\"seq\":3}]}",
        "{\"type\":\"hello\",\"resume\":[{\"job\":\"1-1\",\"epoch\":\"e\",\"seq\":3}]}",
        "{\"type\":\"subscribe\",\"job\":\"1-1\"}",
        "{\"type\":\"unsubscribe\",\"job\":\"1-1\"}",
        "{\"type\":\"subscribe\",\"session\":\"a\"}",
        "{\"session\":\"a\",\"type\":\"unsubscribe\"}",
        "{\"type\":\"submit\",\"client_msg_id\":\"m\",\"session\":\"a\",\"input\":\"x\"}",
        "{\"type\":\"submit\",\"client_msg_id\":\"m\",\"session\":\"a\",\
         \"input\":{\"text\":\"x\"},\
         \"on_conflict\":\"steer\",\"on_disconnect\":{\"cancel_after_ms\":5},\"timeout_ms\":9}",
        "{\"type\":\"cancel\",\"session\":\"a\",\"mode\":\"force\"}",
        "{\"type\":\"clear\",\"session\":\"a\",\"mode\":\"if_idle\"}",
        "{\"type\":\"answer\",\"client_msg_id\":\"m\",\"session\":\"a\",\"run\":\"1\",\
         \"request_id\":\"4\",\"input\":true}",
        "{\"type\":\"ping\",\"n\":7}",
    ];

    fn code(text: &str) -> &'static str {
        read(text).expect_err(text).code
    }

    #[test]
    fn what_is_no_frame_is_named() {
        for text in ["", "hello", "{", "{\"type\":\"ping\"", "\u{0}", "nul", "[[[[["] {
            assert_eq!(code(text), "bad-frame", "{text:?}");
        }
        for text in ["[]", "3", "null", "\"ping\"", "[{\"type\":\"ping\"}]", "{}", "{\"type\":3}"] {
            assert_eq!(code(text), "bad-frame", "{text:?}");
        }
        assert_eq!(code("{\"type\":\"pong\"}"), "unknown-type");
        assert_eq!(code("{\"type\":\"Ping\"}"), "unknown-type");
        let wrong = read("{\"type\":\"subscribe\",\"session\":\"a\",\"sequence\":3}").unwrap_err();
        assert_eq!(wrong.code, "unknown-field");
        assert!(wrong.detail.contains("\"sequence\"") && wrong.detail.contains("seq"), "{wrong:?}");
        assert_eq!(code("{\"type\":\"subscribe\",\"session\":3}"), "bad-frame");
        assert_eq!(code("{\"type\":\"subscribe\"}"), "bad-frame");
        assert_eq!(code("{\"type\":\"subscribe\",\"job\":3}"), "bad-frame");
        let both = "{\"type\":\"subscribe\",\"session\":\"a\",\"job\":\"1-1\"}";
        assert_eq!(code(both), "unknown-field");
        let both = "{\"type\":\"hello\",\"resume\":[{\"session\":\"a\",\"job\":\"1-1\"}]}";
        assert_eq!(code(both), "unknown-field");
        assert_eq!(code("{\"type\":\"hello\",\"resume\":[3]}"), "bad-frame");
        let deep =
            format!("{{\"type\":\"ping\",\"n\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(code(&deep), "bad-frame");
    }

    #[test]
    fn an_error_says_which_command_it_is_about() {
        let wrong = read("{\"type\":\"submit\",\"client_msg_id\":\"m1\"}").unwrap_err();
        assert_eq!(wrong.re.as_deref(), Some("m1"));
        assert!(wrong.frame().contains("\"re\":\"m1\""));
        for id in ["\"\"", "3", "\"\\n\"", &format!("\"{}\"", "x".repeat(256))] {
            let text = format!(
                "{{\"type\":\"submit\",\"client_msg_id\":{id},\"session\":\"a\",\"input\":\"x\"}}"
            );
            assert_eq!(code(&text), "bad-frame", "{id}");
        }
    }

    #[test]
    fn each_type_is_read() {
        for text in GOOD {
            assert!(read(text).is_ok(), "{text}: {:?}", read(text));
        }
    }

    /// What may stand somewhere in a frame, but not everywhere.
    const PIECES: [&str; 14] = [
        "null",
        "-1",
        "1e999",
        "\"\"",
        "\"type\":",
        "\"session\":[",
        "{}",
        "[[[[",
        "]",
        "}",
        ",",
        "\\u0000",
        "\\ud800",
        "\u{1f600}",
    ];

    /// A frame with some of it gone, doubled or put elsewhere.
    fn spoiled(random: &mut fastrand::Rng) -> String {
        let mut text: Vec<char> = GOOD[random.usize(..GOOD.len())].chars().collect();
        for _ in 0..random.usize(1..5) {
            let at = random.usize(..=text.len());
            let upto = (at + random.usize(..12)).min(text.len());
            let put: Vec<char> = match random.u8(..4) {
                0 => Vec::new(),
                1 => PIECES[random.usize(..PIECES.len())].chars().collect(),
                2 => vec![random.char(..)],
                _ => [&text[at..upto], &text[at..upto]].concat(),
            };
            text.splice(at..upto, put);
        }
        text.into_iter().collect()
    }

    #[test]
    fn whatever_comes_is_a_frame_or_is_told_why_it_is_none() {
        let mut random = fastrand::Rng::with_seed(9);
        let (mut read_well, mut codes) = (0, std::collections::BTreeMap::new());
        for _ in 0..20_000 {
            let text = spoiled(&mut random);
            let Err(wrong) = read(&text) else {
                read_well += 1;
                continue;
            };
            *codes.entry(wrong.code).or_insert(0) += 1;
            let told = wrong.frame();
            let frame: Value = serde_json::from_str(&told).expect("an answer is JSON");
            assert!(frame["type"] == "error" && frame["detail"].is_string(), "{text:?}: {told}");
            assert!(told.len() < 4_096, "an answer is short, whatever it answers: {told}");
        }
        // It has come to each answer.
        let codes: Vec<_> = codes.into_keys().collect();
        assert_eq!(codes, ["bad-frame", "unknown-field", "unknown-type"]);
        assert!(read_well > 100, "{read_well}");
    }
}
