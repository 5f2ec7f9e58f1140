//! LLM providers.

pub mod sse;
