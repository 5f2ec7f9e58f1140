//! How do messages become turns of content blocks, with the system prompt apart?
//!
//! Anthropic wants turns of user and assistant; what one side says in a row is one turn here. The
//! results of tools are the user's, and must all stand in the turn after the calls: since `tool`
//! messages follow each other, merging sees to that. Empty texts are left out, for they are an
//! error.

use serde_json::{Value, json};

use super::RequestFault;

/// The two places that messages go to.
pub(super) struct Translated {
    pub(super) system: Vec<Value>,
    pub(super) messages: Vec<Value>,
}

/// Translates the field `messages`.
pub(super) fn translate(messages: Option<&Value>) -> Result<Translated, RequestFault> {
    let list = messages.and_then(Value::as_array);
    let list = list.ok_or_else(|| RequestFault::new("messages", "must be a list"))?;
    let (mut system, mut turns) = (Vec::new(), Turns::default());
    for (index, message) in list.iter().enumerate() {
        let here = Place { message: index };
        match message["role"].as_str() {
            Some("system" | "developer") => system.extend(here.texts(&message["content"])?),
            Some("user") => turns.add("user", here.blocks(&message["content"])?),
            Some("assistant") => turns.add("assistant", here.assistant(message)?),
            Some("tool") => turns.add("user", vec![here.tool_result(message)?]),
            _ => return here.fault("role", "must be system, developer, user, assistant or tool"),
        }
    }
    if turns.list.is_empty() {
        return Err(RequestFault::new("messages", "must have a message that is not empty"));
    }
    let turn = |(role, blocks): (&str, Vec<Value>)| json!({"role": role, "content": blocks});
    Ok(Translated { system, messages: turns.list.into_iter().map(turn).collect() })
}

#[derive(Default)]
struct Turns {
    list: Vec<(&'static str, Vec<Value>)>,
}

impl Turns {
    fn add(&mut self, role: &'static str, blocks: Vec<Value>) {
        match self.list.last_mut() {
            _ if blocks.is_empty() => {}
            Some((last, so_far)) if *last == role => so_far.extend(blocks),
            _ => self.list.push((role, blocks)),
        }
    }
}

/// The message that is translated, for words about what is wrong with it.
struct Place {
    message: usize,
}

impl Place {
    fn fault<T>(&self, field: &str, message: &str) -> Result<T, RequestFault> {
        Err(RequestFault::new(format!("messages[{}].{field}", self.message), message))
    }

    fn assistant(&self, message: &Value) -> Result<Vec<Value>, RequestFault> {
        let mut blocks = self.blocks(&message["content"])?;
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            blocks.push(self.tool_use(call)?);
        }
        Ok(blocks)
    }

    fn tool_use(&self, call: &Value) -> Result<Value, RequestFault> {
        let (id, function) = (call["id"].as_str(), &call["function"]);
        let (Some(id), Some(name)) = (id, function["name"].as_str()) else {
            return self.fault("tool_calls", "each must have `id` and `function.name`");
        };
        let arguments = function["arguments"].as_str().unwrap_or_default().trim();
        let input = match arguments {
            "" => json!({}),
            text => match serde_json::from_str::<Value>(text) {
                Ok(input @ Value::Object(_)) => input,
                _ => return self.fault("tool_calls", "`function.arguments` must be a JSON object"),
            },
        };
        Ok(json!({"type": "tool_use", "id": id, "name": name, "input": input}))
    }

    fn tool_result(&self, message: &Value) -> Result<Value, RequestFault> {
        let Some(id) = message["tool_call_id"].as_str() else {
            return self.fault("tool_call_id", "is missing");
        };
        let mut result = json!({"type": "tool_result", "tool_use_id": id});
        match &message["content"] {
            Value::String(text) => result["content"] = text.as_str().into(),
            other => result["content"] = self.blocks(other)?.into(),
        }
        Ok(result)
    }

    /// Text only, as the system prompt must be.
    fn texts(&self, content: &Value) -> Result<Vec<Value>, RequestFault> {
        let blocks = self.blocks(content)?;
        if blocks.iter().any(|block| block["type"] != "text") {
            return self.fault("content", "a system prompt must be text");
        }
        Ok(blocks)
    }

    fn blocks(&self, content: &Value) -> Result<Vec<Value>, RequestFault> {
        match content {
            Value::Null => Ok(Vec::new()),
            Value::String(text) => Ok(text_block(text).into_iter().collect()),
            Value::Array(parts) => {
                let blocks: Result<Vec<_>, _> = parts.iter().map(|part| self.block(part)).collect();
                Ok(blocks?.into_iter().flatten().collect())
            }
            _ => self.fault("content", "must be a string or a list of parts"),
        }
    }

    fn block(&self, part: &Value) -> Result<Option<Value>, RequestFault> {
        let block = match part["type"].as_str() {
            Some("text") => match part["text"].as_str() {
                Some(text) => text_block(text),
                None => return self.fault("content", "a text part must have `text`"),
            },
            Some("refusal") => part["refusal"].as_str().and_then(text_block),
            Some("image_url") => Some(json!({"type": "image", "source": self.image(part)?})),
            Some("file") => Some(json!({"type": "document", "source": self.file(part)?})),
            _ => return self.fault("content", "this provider takes text, images and files only"),
        };
        Ok(block.map(|mut block| {
            // Not OpenAI's, but what clients of many providers send.
            if let Some(mark) = part.get("cache_control") {
                block["cache_control"] = mark.clone();
            }
            block
        }))
    }

    fn image(&self, part: &Value) -> Result<Value, RequestFault> {
        let url = part["image_url"]["url"].as_str().unwrap_or_default();
        if url.starts_with("https://") || url.starts_with("http://") {
            return Ok(json!({"type": "url", "url": url}));
        }
        match base64_source(url) {
            Some(source) => Ok(source),
            None => {
                self.fault("content", "an image must be an http(s) URL or base64 in a data URL")
            }
        }
    }

    fn file(&self, part: &Value) -> Result<Value, RequestFault> {
        match part["file"]["file_data"].as_str().and_then(base64_source) {
            Some(source) => Ok(source),
            None => self.fault("content", "a file must have `file_data`, base64 in a data URL"),
        }
    }
}

fn text_block(text: &str) -> Option<Value> {
    (!text.is_empty()).then(|| json!({"type": "text", "text": text}))
}

/// `data:image/png;base64,AAAA` taken apart.
fn base64_source(url: &str) -> Option<Value> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    // Parameters of the media type are not wanted.
    let media_type = media_type.split(';').next().filter(|name| !name.is_empty())?;
    Some(json!({"type": "base64", "media_type": media_type, "data": data}))
}
