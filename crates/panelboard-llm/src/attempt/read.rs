//! Bodies on their way out and in: the client's for a provider, a provider's for the client.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Admitted, Errand, Failure};
use crate::{
    anthropic, observe::Usage, openai::Refusal, request::Endpoint, settings::Kind, verdict::Class,
};

/// The body that goes to the provider.
///
/// # Errors
/// The request can not be said in the provider's API. Nothing was sent.
pub(super) fn outgoing(errand: &Errand<'_>, admitted: &Admitted) -> Result<Bytes, Refusal> {
    let model = &admitted.route.model;
    if admitted.route.provider.kind != Kind::Anthropic {
        return Ok(errand.ask.body_for(model));
    }
    if errand.endpoint != Endpoint::ChatCompletions {
        let message = format!("{:?} does not serve {}", errand.ask.model, errand.endpoint.as_str());
        return Err(Refusal::new(404, "unsupported_endpoint", message).param("model"));
    }
    let body = errand.ask.parsed().ok_or_else(|| {
        Refusal::new(400, "invalid_json", "the body can not be read as a JSON object")
    })?;
    match anthropic::request(&body, model) {
        Ok(body) => Ok(body.to_string().into()),
        Err(fault) => Err(Refusal::new(400, "unsupported_value", fault.message).param(fault.param)),
    }
}

/// The body that goes to the client, with the tokens that it counts.
pub(super) fn incoming(
    admitted: &Admitted,
    body: Bytes,
) -> Result<(Bytes, Option<Usage>), Failure> {
    let garbage = |message: &str| Failure::new(Class::Garbage, message);
    let body = match admitted.route.provider.kind {
        Kind::Anthropic => {
            let answer = anthropic::response(&body, &admitted.route.model, crate::clock::created());
            answer.map_err(|error| garbage(&error.to_string()))?.to_string().into()
        }
        _ => body,
    };
    let text = std::str::from_utf8(&body).map_err(|_| garbage("the answer is not UTF-8"))?;
    let counted: Counted<'_> = serde_json::from_str(text)
        .map_err(|error| garbage(&format!("the answer is not a JSON object: {error}")))?;
    let usage = counted.usage.and_then(tokens);
    Ok((body, usage))
}

/// An error body about the request, in OpenAI's shape.
pub(super) fn incoming_error(admitted: &Admitted, body: Bytes) -> Bytes {
    match admitted.route.provider.kind {
        Kind::Anthropic => anthropic::error(&body).map_or(body, |error| error.to_string().into()),
        _ => body,
    }
}

/// The part of an answer that is read.
#[derive(Deserialize)]
struct Counted<'a> {
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

/// Tokens in OpenAI's words.
#[derive(Deserialize)]
struct Tokens {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

/// The tokens that an answer counts. Counts in another shape spoil no answer: they are none.
pub(crate) fn tokens(usage: &RawValue) -> Option<Usage> {
    let tokens: Tokens = serde_json::from_str(usage.get()).ok()?;
    Some(Usage { input: tokens.prompt_tokens, output: tokens.completion_tokens })
}
