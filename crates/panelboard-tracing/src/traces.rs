//! Which OpenTelemetry trace does an event belong to, where its fields don't say?

use std::{fmt::Write as _, sync::OnceLock};

use opentelemetry::trace::TraceContextExt as _;
use tracing_core::{Dispatch, dispatcher::WeakDispatch, span::Id};

use crate::{
    encode::{Fields, SPAN_FIELD, Sizes},
    record::Record,
};

/// The subscriber that the layer is part of: only it knows what other layers keep of a span.
#[derive(Debug, Default)]
pub(crate) struct Traces(OnceLock<WeakDispatch>);

impl Traces {
    pub(crate) fn know(&self, subscriber: &Dispatch) {
        // A layer is in one subscriber; a second time it is the same.
        let _ = self.0.set(subscriber.downgrade());
    }

    /// Adds the ids of the span's context to a record whose last span it is. No lock on the span
    /// may be held.
    pub(crate) fn note(&self, span: &Id, record: &mut Vec<u8>, sizes: Sizes) {
        let Some(subscriber) = self.0.get().and_then(WeakDispatch::upgrade) else { return };
        if Record::new(record).trace_id().is_some() {
            return;
        }
        let context = tracing_opentelemetry::get_otel_context(span, &subscriber);
        let Some(context) = context else { return };
        let ids = context.span().span_context().clone();
        if !ids.is_valid() {
            return;
        }
        let mut fields = Fields::new(record, SPAN_FIELD, sizes);
        fields.text("trace_id", |out| write!(out, "{}", ids.trace_id()), 32);
        fields.text("span_id", |out| write!(out, "{}", ids.span_id()), 16);
    }
}
