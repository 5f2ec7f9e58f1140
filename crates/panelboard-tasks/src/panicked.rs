//! What did a panic say?

use std::any::Any;

use bytes::Bytes;

/// Its text, if it had one.
pub(crate) fn what(panic: &(dyn Any + Send)) -> Bytes {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without a text".into()).into()
}
