//! A provider's stream on its way to the client.
//!
//! Until the first real output (text, a tool call, a refusal) everything is held back, so that an
//! error before it can still be mended by another key. From then on each piece goes on as soon as
//! it is there, byte for byte. A stream ends well only with the provider's own end mark: whatever
//! else ends it is told to the client as an error event without `[DONE]`.

mod hold;
mod look;
mod relay;
mod source;

pub(crate) use self::{hold::Held, relay::Begin, source::Source};
pub use relay::AnswerStream;
