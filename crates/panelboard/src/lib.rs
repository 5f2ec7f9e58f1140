//! The breaker and the panel.
