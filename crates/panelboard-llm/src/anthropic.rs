//! How does a chat of OpenAI's shape become a message of Anthropic's, and back?
//!
//! Pure translation, both ways, whole and streamed. It sends nothing and knows no keys.
//!
//! # What of a request is translated
//!
//! | OpenAI | Anthropic |
//! | --- | --- |
//! | `system` and `developer` messages | `system`, in order, before all else |
//! | text, `image_url` (data URL or http), `file` with `file_data` | text, image, document blocks |
//! | `tool_calls`, `tool` messages | `tool_use` and `tool_result` blocks |
//! | `tools`, `tool_choice` | the same, in Anthropic's form |
//! | `parallel_tool_calls` of false | `tool_choice.disable_parallel_tool_use` |
//! | `max_completion_tokens`, `max_tokens` | `max_tokens`; [`MAX_TOKENS`] if neither is there |
//! | `stop` | `stop_sequences`; those of white space only are dropped |
//! | `temperature` | the same, at most 1 |
//! | `top_p`, `stream` | the same |
//! | `user` | `metadata.user_id` |
//! | `response_format` of type `json_schema` | `output_config.format` |
//! | `top_k`, `thinking` (not OpenAI's, but clients send them) | the same |
//!
//! # What is refused, and what is dropped
//!
//! What would change the answer's shape, so that a client would misread it, is refused with a
//! [`RequestFault`]: `n` above 1, `logprobs`, audio, `response_format` of type `json_object`,
//! `functions`, tools that are no functions, files by id. What only tunes (`seed`, `logit_bias`,
//! penalties, `reasoning_effort`, `service_tier`, `store`, `strict`, names of messages, and fields
//! that nobody knows) is dropped, as Anthropic's own OpenAI-compatible endpoint does it.
//!
//! # What of an answer is dropped
//!
//! Thinking, citations and the blocks of tools that run at Anthropic: OpenAI's shape has no place
//! for them.

mod messages;
mod request;
mod response;
mod stream;

use std::fmt;

pub use self::request::{MAX_TOKENS, request, wants_usage};
pub use self::response::{error, response};
pub use self::stream::StreamTranslator;

/// A request that Anthropic's API has no way to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFault {
    /// Which field: `messages[2].content`.
    pub param: String,
    /// What is wrong with it, for the client.
    pub message: String,
}

impl RequestFault {
    fn new(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self { param: param.into(), message: message.into() }
    }
}

impl fmt::Display for RequestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.param, self.message)
    }
}

impl std::error::Error for RequestFault {}

/// An answer that is not Anthropic's API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Garbage {
    what: &'static str,
}

impl Garbage {
    fn new(what: &'static str) -> Self {
        Self { what }
    }
}

impl fmt::Display for Garbage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an answer of Anthropic's API: {}", self.what)
    }
}

impl std::error::Error for Garbage {}
