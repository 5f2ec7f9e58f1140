//! LLM providers.

pub mod retry_after;
pub mod sse;
