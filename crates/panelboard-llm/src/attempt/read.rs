//! Bodies on their way out and in: the client's for a provider, a provider's for the client.

use bytes::Bytes;
use serde::Deserialize;

use super::{Admitted, Errand, Failure};
use crate::{observe::Usage, verdict::Class};

/// The body that goes to the provider.
pub(super) fn outgoing(errand: &Errand<'_>, admitted: &Admitted) -> Result<Bytes, Failure> {
    Ok(errand.ask.body_for(&admitted.route.model))
}

/// The body that goes to the client, with the tokens that it counts.
pub(super) fn incoming(
    _admitted: &Admitted,
    body: &Bytes,
) -> Result<(Bytes, Option<Usage>), Failure> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Failure::new(Class::Garbage, "the answer is not UTF-8"))?;
    let counted: Counted = serde_json::from_str(text).map_err(|error| {
        Failure::new(Class::Garbage, &format!("the answer is not a JSON object: {error}"))
    })?;
    Ok((body.clone(), counted.usage.map(Usage::from)))
}

/// The part of an answer that is read.
#[derive(Deserialize)]
struct Counted {
    usage: Option<Tokens>,
}

/// Tokens in OpenAI's words.
#[derive(Clone, Copy, Deserialize)]
pub(crate) struct Tokens {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        Self { input: tokens.prompt_tokens, output: tokens.completion_tokens }
    }
}
