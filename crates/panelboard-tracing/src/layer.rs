//! What happens at the call site? An event is written into a buffer that was used before, and the
//! buffer put into the line: no lock that anybody holds for long, no wait, no allocation.

use std::{fmt, sync::Arc, time::Duration};

use tracing_core::{
    Event, Subscriber,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    filter::LevelFilter,
    layer::{Context, Layer},
    registry::{LookupSpan, SpanRef},
};

use crate::{
    clock::wall_ns,
    encode::{self, FIELD, Fields, LEFT_OUT, SPAN, SPAN_FIELD, severity},
    pipeline::Pipeline,
    record::{Entry, Value, entries_of, level},
    shared::{Shared, is_ours},
};

/// The layer that takes in what a program logs. Put it on a
/// [`Registry`](tracing_subscriber::Registry).
///
/// It may stand beside other layers, and several pipelines beside each other. It filters nothing
/// for others: give it a filter of its own, best [`max_level`](Self::max_level), so that what no
/// sink wants costs nothing.
///
/// Cost of an event: its fields are copied, formatted if they are not texts or numbers; one
/// exchange to get a buffer, one to put it into the queue, one to say so. In the steady state
/// nothing is allocated, unless a record is larger than 4 KiB. A span allocates when it is made,
/// once if it says no more than 256 bytes, and when something is recorded of it later.
///
/// ```
/// use panelboard_tracing::{Pipeline, SinkConfig, sinks::Console};
/// use tracing_subscriber::prelude::*;
///
/// let sink = SinkConfig::new("console", Console::stdout()).level(tracing::Level::INFO);
/// let (layer, guard) = Pipeline::builder().sink(sink).build()?;
/// let filter = layer.max_level();
/// let subscriber = tracing_subscriber::registry().with(layer.with_filter(filter));
/// tracing::subscriber::with_default(subscriber, || {
///     let _span = tracing::info_span!("request", request_id = "r-1").entered();
///     tracing::info!(items = 3, "served");
///     tracing::debug!("for nobody");
/// });
/// assert!(guard.shutdown().is_complete());
/// # Ok::<(), panelboard_tracing::BuildError>(())
/// ```
pub struct SinkLayer {
    shared: Arc<Shared>,
    #[cfg(feature = "opentelemetry")]
    traces: crate::traces::Traces,
}

impl SinkLayer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            #[cfg(feature = "opentelemetry")]
            traces: crate::traces::Traces::default(),
        }
    }

    /// The handle on the pipeline behind it.
    #[must_use]
    pub fn pipeline(&self) -> Pipeline {
        Pipeline { shared: Arc::clone(&self.shared) }
    }

    /// The least that any sink may want.
    #[must_use]
    pub fn max_level(&self) -> LevelFilter {
        LevelFilter::from_level(level(self.shared.widest))
    }

    /// Whether what happens here is to be taken in; if not, it is counted where that matters.
    #[inline]
    fn takes(&self, meta: &tracing_core::Metadata<'_>) -> bool {
        if severity(*meta.level()) > self.shared.widest {
            return false;
        }
        if is_ours() {
            self.shared.count_own();
            return false;
        }
        if self.shared.line.is_stopped() {
            self.shared.line.count_late();
            return false;
        }
        true
    }

    fn put(&self, record: Vec<u8>) {
        if let Err(record) = self.shared.line.put(record) {
            self.shared.pool.give_back(record);
        }
    }
}

impl fmt::Debug for SinkLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkLayer").field("pipeline", &self.pipeline()).finish()
    }
}

/// What a span's records say of it, written once. The same for all pipelines of a registry.
#[derive(Debug)]
struct Spoken {
    entries: Vec<u8>,
    begun: Duration,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for SinkLayer {
    #[cfg(feature = "opentelemetry")]
    fn on_register_dispatch(&self, subscriber: &tracing_core::Dispatch) {
        self.traces.know(subscriber);
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if is_ours() || span.extensions().get::<Spoken>().is_some() {
            return;
        }
        let mut entries = Vec::with_capacity(FIRST_OF_SPAN);
        entries.push(SPAN);
        encode::name(&mut entries, attributes.metadata().name());
        let mut fields = Fields::new(&mut entries, SPAN_FIELD, self.shared.sizes);
        attributes.record(&mut fields);
        fields.close();
        let begun = if self.shared.spans { self.shared.now() } else { Duration::ZERO };
        // Another pipeline may have been faster: the same, then.
        span.extensions_mut().replace(Spoken { entries, begun });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut newer = Vec::new();
        let mut fields = Fields::new(&mut newer, SPAN_FIELD, self.shared.sizes);
        values.record(&mut fields);
        fields.close();
        let mut extensions = span.extensions_mut();
        if let Some(spoken) = extensions.get_mut::<Spoken>() {
            spoken.entries = renewed(&spoken.entries, &newer, self.shared.sizes.record);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let meta = event.metadata();
        if !self.takes(meta) {
            return;
        }
        let mut record = self.shared.pool.buffer();
        encode::head(&mut record, wall_ns(), meta, false);
        let mut fields = Fields::new(&mut record, FIELD, self.shared.sizes);
        event.record(&mut fields);
        fields.close();
        if let Some(scope) = context.event_scope(event) {
            for span in scope.from_root() {
                self.around(&mut record, &span);
            }
        }
        #[cfg(feature = "opentelemetry")]
        if let Some(span) = context.event_span(event) {
            self.traces.note(&span.id(), &mut record, self.shared.sizes);
        }
        self.put(record);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if !self.shared.spans {
            return;
        }
        let Some(span) = context.span(&id) else { return };
        if !self.takes(span.metadata()) {
            return;
        }
        let mut record = self.shared.pool.buffer();
        encode::head(&mut record, wall_ns(), span.metadata(), true);
        if let Some(spoken) = span.extensions().get::<Spoken>() {
            for entry in entries_of(&spoken.entries) {
                if let Entry::SpanField(name, value) = entry {
                    field(&mut record, FIELD, name, value);
                }
            }
            let lasted = self.shared.now().saturating_sub(spoken.begun).as_nanos();
            let lasted = Value::U64(u64::try_from(lasted).unwrap_or(u64::MAX));
            field(&mut record, FIELD, "duration_ns", lasted);
        }
        if let Some(parent) = span.parent() {
            for span in parent.scope().from_root() {
                self.around(&mut record, &span);
            }
        }
        self.put(record);
    }
}

impl SinkLayer {
    /// Adds a span that stands around what the record is about.
    fn around<'a, R: LookupSpan<'a>>(&self, record: &mut Vec<u8>, span: &SpanRef<'a, R>) {
        let extensions = span.extensions();
        let Some(spoken) = extensions.get::<Spoken>() else { return };
        if record.len() + spoken.entries.len() <= self.shared.sizes.record {
            record.extend_from_slice(&spoken.entries);
        } else {
            let fields = entries_of(&spoken.entries).map(|entry| match entry {
                Entry::SpanField(..) => 1,
                Entry::LeftOut(count) => count,
                _ => 0,
            });
            // A span without any would be gone without a word.
            left_out(record, fields.sum::<u32>().max(1));
        }
    }
}

/// Most spans say less.
const FIRST_OF_SPAN: usize = 256;

fn field(out: &mut Vec<u8>, tag: u8, name: &str, value: Value<'_>) {
    out.push(tag);
    encode::name(out, name);
    encode::value(out, value);
}

fn left_out(out: &mut Vec<u8>, count: u32) {
    out.push(LEFT_OUT);
    out.extend_from_slice(&count.to_le_bytes());
}

/// A span's entries, with what was recorded later in the place of what was there. What there is no
/// room for is counted, and what it was before is gone all the same: it is no longer so.
fn renewed(older: &[u8], newer: &[u8], most: usize) -> Vec<u8> {
    let again = |name: &str| {
        entries_of(newer).any(|entry| matches!(entry, Entry::SpanField(its, _) if its == name))
    };
    let mut out = Vec::with_capacity(older.len() + newer.len());
    let mut gone = 0;
    for entry in entries_of(older) {
        match entry {
            Entry::Span(name) => {
                out.push(SPAN);
                encode::name(&mut out, name);
            }
            Entry::SpanField(name, value) if !again(name) => {
                field(&mut out, SPAN_FIELD, name, value);
            }
            Entry::LeftOut(count) => gone += count,
            _ => {}
        }
    }
    for entry in entries_of(newer) {
        let before = out.len();
        match entry {
            Entry::SpanField(name, value) => field(&mut out, SPAN_FIELD, name, value),
            Entry::LeftOut(count) => gone += count,
            _ => {}
        }
        if out.len() > most {
            out.truncate(before);
            gone += 1;
        }
    }
    if gone > 0 {
        // Behind all fields: whoever reads a span's fields reads on to what is none.
        left_out(&mut out, gone);
    }
    out
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    fn span(fields: &[(&str, &str)]) -> Vec<u8> {
        let mut out = vec![SPAN];
        encode::name(&mut out, "span");
        fields.iter().for_each(|(name, said)| field(&mut out, SPAN_FIELD, name, Value::Text(said)));
        out
    }

    #[test]
    fn what_is_recorded_later_and_does_not_fit_is_counted() {
        let long = "x".repeat(100);
        let older = span(&[("a", "old"), ("b", &long), ("c", "stays")]);
        let mut newer = span(&[("a", &long), ("b", "short")]);
        left_out(&mut newer, 2);
        // Room for what is short.
        let out = renewed(&older, &newer, 60);
        let said: Vec<_> = entries_of(&out).collect();
        let expected = [
            Entry::Span("span"),
            Entry::SpanField("c", Value::Text("stays")),
            Entry::SpanField("b", Value::Text("short")),
            Entry::LeftOut(3),
        ];
        assert_eq!(said, expected);
        // What follows is read behind what was left out before.
        let again = renewed(&out, &span(&[("d", "more")]), 100);
        let said: Vec<_> = entries_of(&again).skip(3).collect();
        assert_eq!(said, [Entry::SpanField("d", Value::Text("more")), Entry::LeftOut(3)]);
    }
}
