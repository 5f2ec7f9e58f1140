//! What is a sink? Something that records can be written to, in batches, and that may say no.

use std::{error, fmt, path::Path, sync::Arc, time::Duration};

use crate::{event::Event, record::Record};

/// A place that records go to. One's own is ten lines:
///
/// ```
/// use panelboard_tracing::{Batch, Pipeline, Sink, SinkConfig, WriteError};
/// use std::io::Write;
///
/// struct Journal<W>(W);
///
/// impl<W: Write + Send> Sink for Journal<W> {
///     fn write(&mut self, batch: &Batch<'_>) -> Result<(), WriteError> {
///         for (index, record) in batch.into_iter().enumerate() {
///             writeln!(self.0, "{} {}", record.level(), record.message())
///                 .map_err(|why| WriteError::io(&why).after(index))?;
///         }
///         Ok(())
///     }
/// }
///
/// let sink = SinkConfig::new("journal", Journal(Vec::new()));
/// let (_layer, _guard) = Pipeline::builder().sink(sink).build()?;
/// # Ok::<(), panelboard_tracing::BuildError>(())
/// ```
///
/// A closure that takes a batch is a sink, too.
///
/// `write` runs on a thread of the sink's own, one call at a time. It may block: nobody else waits
/// for it. One that takes longer than [`Batch::timeout`] and a quarter is a failure, whatever it
/// answers in the end. A panic in it is a failure. What it logs itself, through `tracing`, is
/// counted and goes nowhere.
pub trait Sink: Send {
    /// Writes the records in their order. `Ok` says that all of them are delivered.
    ///
    /// # Errors
    /// What was not written, and what is to become of it: see [`WriteError`].
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), WriteError>;

    /// What sort of sink it is, in a word, for people.
    fn kind(&self) -> &'static str {
        "custom"
    }

    /// How long a record may wait for others to come with it, where
    /// [`SinkConfig::batch_delay`](crate::SinkConfig::batch_delay) does not say.
    fn batch_delay(&self) -> Duration {
        Duration::ZERO
    }

    /// The file that it writes to. A pipeline can't be built with two sinks on one file: each would
    /// cut it, or move it away, under the other's hands.
    fn file(&self) -> Option<&Path> {
        None
    }
}

impl<F: FnMut(&Batch<'_>) -> Result<(), WriteError> + Send> Sink for F {
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), WriteError> {
        self(batch)
    }
}

/// Records that are to be written in one go, in their order. Never empty.
///
/// ```
/// use panelboard_tracing::{Batch, WriteError};
///
/// fn shout(batch: &Batch<'_>) -> Result<(), WriteError> {
///     let loud: Vec<String> = batch.iter().map(|it| it.message().to_uppercase()).collect();
///     assert_eq!(loud.len(), batch.len());
///     Ok(())
/// }
/// # let _ = shout;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    events: &'a [Arc<Event>],
    timeout: Duration,
}

impl<'a> Batch<'a> {
    pub(crate) fn new(events: &'a [Arc<Event>], timeout: Duration) -> Self {
        Self { events, timeout }
    }

    /// The records, in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Record<'a>> + use<'a> {
        self.events.iter().map(|event| event.record())
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Never true.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// How long the whole write may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }
}

impl<'a> IntoIterator for &Batch<'a> {
    type Item = Record<'a>;
    type IntoIter = Box<dyn Iterator<Item = Record<'a>> + 'a>;

    fn into_iter(self) -> Self::IntoIter {
        Box::new(self.iter())
    }
}

/// Why records were not written, and what is to become of them.
///
/// | made by | counts against the breaker | the records |
/// | --- | --- | --- |
/// | [`failed`](Self::failed), [`io`](Self::io) | yes | are tried again |
/// | [`rejected`](Self::rejected) | yes | go to the fallback, or are dropped and counted |
/// | the same, [`divisible`](Self::divisible) | once for each that is given up | are halved first |
/// | [`deferred`](Self::deferred) | no | are tried again, after the time that it says |
///
/// ```
/// use panelboard_tracing::WriteError;
/// use std::time::Duration;
///
/// let busy = WriteError::deferred(Duration::from_secs(2), "busy", "come back later");
/// assert_eq!(busy.to_string(), "busy: come back later");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteError {
    pub(crate) kind: Kind,
    pub(crate) class: &'static str,
    pub(crate) message: String,
    pub(crate) written: usize,
    pub(crate) divisible: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Failed,
    Rejected,
    Deferred(Duration),
}

impl WriteError {
    fn new(kind: Kind, class: &'static str, message: String) -> Self {
        Self { kind, class, message, written: 0, divisible: false }
    }

    /// The sink could not be reached or did not do it: to be tried again. `class` is one of a few
    /// words that people can count by, `message` the whole story.
    pub fn failed(class: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, class, message.into())
    }

    /// The sink said that it will never take these records.
    pub fn rejected(class: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Rejected, class, message.into())
    }

    /// The sink is well and asks for time: neither success nor failure. It is tried again then, and
    /// after an hour at the latest.
    pub fn deferred(after: Duration, class: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Deferred(after), class, message.into())
    }

    /// A [`failed`](Self::failed) of the class that fits the kind of an I/O error.
    #[must_use]
    pub fn io(why: &std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let class = match why.kind() {
            K::ConnectionRefused => "connection refused",
            K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof => {
                "connection lost"
            }
            K::TimedOut | K::WouldBlock => "timed out",
            K::StorageFull | K::QuotaExceeded | K::FileTooLarge => "disk full",
            K::PermissionDenied | K::ReadOnlyFilesystem => "not permitted",
            K::NotFound => "not found",
            _ => "i/o",
        };
        Self::failed(class, why.to_string())
    }

    /// So many records of the batch, from its beginning, were written all the same: they are
    /// delivered, and not written again.
    #[must_use]
    pub fn after(mut self, written: usize) -> Self {
        self.written = written;
        self
    }

    /// The sink has looked at the batch as a whole: without the guilty ones it may well take it. It
    /// is written again in halves, at once and in order, until what is rejected is one record, or
    /// 32 halvings were made of the batch. For what is [`rejected`](Self::rejected), and else
    /// without a meaning.
    ///
    /// ```
    /// use panelboard_tracing::{Batch, WriteError};
    ///
    /// fn all_or_nothing(batch: &Batch<'_>) -> Result<(), WriteError> {
    ///     match batch.iter().any(|record| record.message().is_empty()) {
    ///         true => Err(WriteError::rejected("empty", "a record says nothing").divisible()),
    ///         false => Ok(()),
    ///     }
    /// }
    /// # let _ = all_or_nothing;
    /// ```
    #[must_use]
    pub fn divisible(mut self) -> Self {
        self.divisible = self.kind == Kind::Rejected;
        self
    }

    /// The word that it is counted by.
    #[must_use]
    pub fn class(&self) -> &'static str {
        self.class
    }
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}

impl error::Error for WriteError {}
