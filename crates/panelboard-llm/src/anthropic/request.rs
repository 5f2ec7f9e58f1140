//! Which fields does Anthropic's request have, given OpenAI's?

use serde_json::{Map, Value, json};

use super::{RequestFault, messages};

/// What `max_tokens` is when the client names none: Anthropic wants the field, OpenAI does not.
///
/// The most that every model still served allows.
pub const MAX_TOKENS: u64 = 8192;

type Fields = Map<String, Value>;

/// A chat request as a request to `/v1/messages`, for the provider's `model`.
///
/// # Errors
///
/// [`RequestFault`] if a field has the wrong type, or asks for what can not be translated.
pub fn request(body: &Fields, model: &str) -> Result<Value, RequestFault> {
    refuse_what_changes_the_shape(body)?;
    let mut out = Fields::new();
    out.insert("model".into(), model.into());
    out.insert("max_tokens".into(), max_tokens(body)?.into());
    let messages::Translated { system, messages } = messages::translate(field(body, "messages"))?;
    out.insert("messages".into(), messages.into());
    if !system.is_empty() {
        out.insert("system".into(), system.into());
    }
    sampling(body, &mut out)?;
    tools(body, &mut out)?;
    if let Some(format) = output_format(body)? {
        out.insert("output_config".into(), json!({ "format": format }));
    }
    if let Some(user) = field(body, "user").and_then(Value::as_str) {
        out.insert("metadata".into(), json!({"user_id": user}));
    }
    Ok(out.into())
}

/// Whether the client asked for the last chunk of a stream to count tokens.
#[must_use]
pub fn wants_usage(body: &Fields) -> bool {
    let options = field(body, "stream_options");
    options.and_then(|options| options.get("include_usage")) == Some(&Value::Bool(true))
}

/// The field, unless it is missing or null: OpenAI's clients send null for "not given".
pub(super) fn field<'a>(body: &'a Fields, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

fn refuse_what_changes_the_shape(body: &Fields) -> Result<(), RequestFault> {
    let refuse = |name: &str, message: &str| Err(RequestFault::new(name, message));
    if field(body, "n").is_some_and(|n| n.as_u64() != Some(1)) {
        return refuse("n", "this provider gives one choice only");
    }
    if field(body, "logprobs").is_some_and(|on| *on != Value::Bool(false)) {
        return refuse("logprobs", "this provider gives no log probabilities");
    }
    let text_only = |list: &Value| list.as_array().is_some_and(|l| l.iter().all(|m| m == "text"));
    if field(body, "modalities").is_some_and(|list| !text_only(list)) {
        return refuse("modalities", "this provider answers with text only");
    }
    for name in ["audio", "functions", "function_call", "web_search_options"] {
        if field(body, name).is_some() {
            return refuse(name, "this provider does not have this; use `tools` for functions");
        }
    }
    Ok(())
}

fn max_tokens(body: &Fields) -> Result<u64, RequestFault> {
    for name in ["max_completion_tokens", "max_tokens"] {
        if let Some(value) = field(body, name) {
            let whole = "must be a whole number from 1";
            let number = value.as_u64().filter(|&number| number > 0);
            return number.ok_or_else(|| RequestFault::new(name, whole));
        }
    }
    Ok(MAX_TOKENS)
}

fn sampling(body: &Fields, out: &mut Fields) -> Result<(), RequestFault> {
    if let Some(value) = field(body, "temperature") {
        let wrong = || RequestFault::new("temperature", "must be a number");
        let hot = value.as_f64().ok_or_else(wrong)? > 1.0;
        // OpenAI's goes to 2; Anthropic's ends at 1 and is an error beyond.
        out.insert("temperature".into(), if hot { json!(1) } else { value.clone() });
    }
    for name in ["top_p", "top_k", "stream", "thinking"] {
        if let Some(value) = field(body, name) {
            out.insert(name.into(), value.clone());
        }
    }
    let stops = match field(body, "stop") {
        None => Vec::new(),
        Some(Value::String(stop)) => vec![stop.as_str()],
        Some(Value::Array(list)) => {
            let texts: Option<Vec<_>> = list.iter().map(Value::as_str).collect();
            texts.ok_or_else(|| RequestFault::new("stop", "must be strings"))?
        }
        Some(_) => return Err(RequestFault::new("stop", "must be a string or a list of strings")),
    };
    let stops: Vec<_> = stops.into_iter().filter(|stop| !stop.trim().is_empty()).collect();
    if !stops.is_empty() {
        out.insert("stop_sequences".into(), json!(stops));
    }
    Ok(())
}

fn tools(body: &Fields, out: &mut Fields) -> Result<(), RequestFault> {
    let Some(tools) = field(body, "tools") else { return Ok(()) };
    let tools = tools.as_array().ok_or_else(|| RequestFault::new("tools", "must be a list"))?;
    if tools.is_empty() {
        return Ok(());
    }
    let tools: Result<Vec<_>, _> = tools.iter().enumerate().map(|(i, it)| tool(i, it)).collect();
    out.insert("tools".into(), tools?.into());
    let choice = field(body, "tool_choice").map(tool_choice).transpose()?;
    let one_at_a_time = field(body, "parallel_tool_calls") == Some(&Value::Bool(false));
    let choice = match choice {
        None if one_at_a_time => Some(json!({"type": "auto"})),
        choice => choice,
    };
    if let Some(mut choice) = choice {
        if one_at_a_time && choice["type"] != "none" {
            choice["disable_parallel_tool_use"] = true.into();
        }
        out.insert("tool_choice".into(), choice);
    }
    Ok(())
}

fn tool(index: usize, tool: &Value) -> Result<Value, RequestFault> {
    let here = || format!("tools[{index}]");
    if tool["type"] != "function" {
        return Err(RequestFault::new(here(), "this provider takes tools of type `function` only"));
    }
    let function = &tool["function"];
    let name = function["name"].as_str();
    let name = name.ok_or_else(|| RequestFault::new(here(), "`function.name` is missing"))?;
    let mut out = json!({"name": name});
    if let Some(description) = function["description"].as_str() {
        out["description"] = description.into();
    }
    out["input_schema"] = match &function["parameters"] {
        Value::Null => json!({"type": "object", "properties": {}}),
        schema => schema.clone(),
    };
    Ok(out)
}

fn tool_choice(choice: &Value) -> Result<Value, RequestFault> {
    match (choice.as_str(), choice["function"]["name"].as_str()) {
        (Some("auto"), _) => Ok(json!({"type": "auto"})),
        (Some("none"), _) => Ok(json!({"type": "none"})),
        (Some("required"), _) => Ok(json!({"type": "any"})),
        (None, Some(name)) => Ok(json!({"type": "tool", "name": name})),
        _ => Err(RequestFault::new(
            "tool_choice",
            "must be `auto`, `none`, `required` or the name of a function",
        )),
    }
}

fn output_format(body: &Fields) -> Result<Option<Value>, RequestFault> {
    let Some(format) = field(body, "response_format") else { return Ok(None) };
    match (format["type"].as_str(), &format["json_schema"]["schema"]) {
        (Some("text"), _) => Ok(None),
        (Some("json_schema"), schema @ Value::Object(_)) => {
            Ok(Some(json!({"type": "json_schema", "schema": schema})))
        }
        _ => Err(RequestFault::new(
            "response_format",
            "this provider takes `text`, or `json_schema` with a schema",
        )),
    }
}
