//! How are calls written so that they can be read again?

use std::io::{self, Write};

use super::{Ended, RecordedCall};

/// Writes calls as CSV, in the form that [`CallReader`](crate::CallReader) reads without being told
/// anything: `time` in seconds since the epoch, `key`, `duration_us`, `outcome`.
///
/// ```
/// use panelboard_lab::{CallsWriter, Ended, RecordedCall};
///
/// let mut writer = CallsWriter::new(Vec::new())?;
/// writer.write(&RecordedCall::new(12_345_678, "a", 20_000, Ended::Failure))?;
/// let text = String::from_utf8(writer.finish()?)?;
/// assert_eq!(text, "time,key,duration_us,outcome\n12.345678,a,20000,failure\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct CallsWriter<W: Write>(csv::Writer<W>);

impl<W: Write> CallsWriter<W> {
    /// Writes the header. What follows is buffered.
    ///
    /// ```
    /// assert!(panelboard_lab::CallsWriter::new(Vec::new()).is_ok());
    /// ```
    ///
    /// # Errors
    /// What `to` says.
    pub fn new(to: W) -> io::Result<Self> {
        let mut writer = csv::Writer::from_writer(to);
        writer.write_record(["time", "key", "duration_us", "outcome"])?;
        Ok(Self(writer))
    }

    /// Writes a call.
    ///
    /// ```
    /// use panelboard_lab::{CallsWriter, Ended, RecordedCall};
    ///
    /// let mut writer = CallsWriter::new(Vec::new())?;
    /// writer.write(&RecordedCall::new(0, "a, b", 1, Ended::Ignored))?;
    /// assert!(writer.finish()?.ends_with(b"0.000000,\"a, b\",1,ignored\n"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the writer below says.
    pub fn write(&mut self, call: &RecordedCall<'_>) -> io::Result<()> {
        let (seconds, micros) =
            (call.at_us.div_euclid(1_000_000), call.at_us.rem_euclid(1_000_000));
        let outcome = match call.ended {
            Ended::Success => "ok",
            Ended::Failure => "failure",
            Ended::Ignored => "ignored",
        };
        let (time, took) = (format!("{seconds}.{micros:06}"), call.took_us.to_string());
        self.0.write_record([&time, call.key, &took, outcome])?;
        Ok(())
    }

    /// Writes what is buffered, and gives the writer below back.
    ///
    /// ```
    /// let text = panelboard_lab::CallsWriter::new(Vec::new())?.finish()?;
    /// assert_eq!(text, b"time,key,duration_us,outcome\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// What the writer below says.
    pub fn finish(self) -> io::Result<W> {
        self.0.into_inner().map_err(csv::IntoInnerError::into_error)
    }
}
