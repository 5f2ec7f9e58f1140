//! How are records written to standard output and standard error?

use std::io::{self, Write as _};

use crate::{
    format::Format,
    sink::{Batch, Sink, WriteError},
};

/// Standard output or standard error. JSON lines, unless it is said otherwise.
///
/// A pipe that nobody reads blocks the sink's thread and nobody else; its breaker opens after the
/// time-out.
///
/// ```
/// use panelboard_tracing::{Pipeline, SinkConfig, sinks::Console};
///
/// let console = Console::stderr().pretty();
/// let (_layer, _guard) =
///     Pipeline::builder().sink(SinkConfig::new("console", console)).build()?;
/// # Ok::<(), panelboard_tracing::BuildError>(())
/// ```
#[derive(Debug)]
pub struct Console {
    to: To,
    format: Format,
    lines: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum To {
    Stdout,
    Stderr,
}

impl Console {
    /// Standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self { to: To::Stdout, format: Format::Json, lines: Vec::new() }
    }

    /// Standard error.
    #[must_use]
    pub fn stderr() -> Self {
        Self { to: To::Stderr, ..Self::stdout() }
    }

    /// In this format.
    #[must_use]
    pub fn format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// One line for people.
    #[must_use]
    pub fn compact(self) -> Self {
        self.format(Format::Compact)
    }

    /// Several lines for people.
    #[must_use]
    pub fn pretty(self) -> Self {
        self.format(Format::Pretty)
    }
}

impl Sink for Console {
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), WriteError> {
        self.lines.clear();
        for record in batch.iter() {
            self.format.write(&record, &mut self.lines);
        }
        // Whether a part was written before an error is not told: it is tried again as a whole.
        let written = match self.to {
            To::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(&self.lines).and_then(|()| out.flush())
            }
            To::Stderr => io::stderr().lock().write_all(&self.lines),
        };
        written.map_err(|why| WriteError::io(&why))
    }

    fn kind(&self) -> &'static str {
        match self.to {
            To::Stdout => "stdout",
            To::Stderr => "stderr",
        }
    }
}
