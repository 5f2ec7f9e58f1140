//! How are records written to a file, and when does the next one begin?

mod archive;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use archive::{Archive, Keep};

use crate::{
    config::BuildError,
    format::Format,
    sink::{Batch, Sink, WriteError},
};

/// A file, with rotation by size and by time, compression and retention.
///
/// - A record is in one file, as a whole line. When the disk is full, what was written of a batch
///   is taken away again, so that no line is torn; if a process was killed in a line, the next one
///   begins a new one.
/// - When the next file is due, this one gets the time into its name: `app.log` becomes
///   `app-20261128T210000Z.log`, and `app-20261128T210000Z.log.gz` once it is compressed, by a
///   thread of its own. If the clock was set back, it gets the time of the newest one that is
///   there, and a number: names sort by age.
/// - A file that somebody moves away, or removes, is made again; one that is cut in its place, as
///   `copytruncate` of logrotate does, is written on from there.
/// - A file is one sink's: a pipeline with two on one file can't be built, however its path is
///   spelled. Those of other pipelines and processes it can't see.
///
/// Why not `file-rotate` or `tracing-appender`: the first panics or drops what it can't write, the
/// second rotates by time only.
///
/// ```
/// use panelboard_tracing::{Pipeline, SinkConfig, sinks::FileSink};
/// use std::time::Duration;
///
/// let folder = tempfile::tempdir()?;
/// let file = FileSink::builder(folder.path().join("app.log"))
///     .max_bytes(10 << 20)
///     .every(Duration::from_secs(24 * 60 * 60))
///     .keep(7)
///     .gzip(true)
///     .open()?;
/// let (_layer, _guard) = Pipeline::builder().sink(SinkConfig::new("file", file)).build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FileSink {
    path: PathBuf,
    format: Format,
    max_bytes: Option<u64>,
    every_ns: Option<u64>,
    file: File,
    length: u64,
    /// Which period the file is of, by the time of its records.
    period: Option<u64>,
    archive: Option<Archive>,
    lines: Vec<u8>,
}

/// A file sink that is being described.
///
/// ```
/// use panelboard_tracing::{BuildError, sinks::FileSink};
///
/// // What can never happen is refused.
/// let refused = FileSink::builder("app.log").max_bytes(0).open();
/// assert!(matches!(refused, Err(BuildError::Rotation { .. })));
/// ```
#[derive(Clone, Debug)]
#[must_use = "it is `open` that opens it"]
pub struct FileBuilder {
    path: PathBuf,
    format: Format,
    max_bytes: Option<u64>,
    every: Option<Duration>,
    keep: Option<usize>,
    keep_for: Option<Duration>,
    gzip: bool,
}

impl FileBuilder {
    /// How records look; JSON if it is not said.
    pub fn format(self, format: Format) -> Self {
        Self { format, ..self }
    }

    /// The next file begins before this one would be larger. A record that is larger alone has a
    /// file of its own.
    pub fn max_bytes(self, bytes: u64) -> Self {
        Self { max_bytes: Some(bytes), ..self }
    }

    /// The next file begins with the first record of the next period; periods are counted from
    /// 1970 on, in UTC. A second at least.
    pub fn every(self, period: Duration) -> Self {
        Self { every: Some(period), ..self }
    }

    /// So many files that are full stay, the newest.
    pub fn keep(self, files: usize) -> Self {
        Self { keep: Some(files), ..self }
    }

    /// Files that are full stay for so long.
    pub fn keep_for(self, time: Duration) -> Self {
        Self { keep_for: Some(time), ..self }
    }

    /// Whether files that are full are compressed.
    pub fn gzip(self, yes: bool) -> Self {
        Self { gzip: yes, ..self }
    }

    /// Opens the file, and makes its folder if it is not there.
    ///
    /// # Errors
    /// A rotation that can't happen, or that would keep nothing; a file that can't be opened.
    pub fn open(self) -> Result<FileSink, BuildError> {
        let never = |why| Err(BuildError::Rotation { why });
        let rotates = self.max_bytes.is_some() || self.every.is_some();
        if self.max_bytes == Some(0) {
            return never("a file of 0 bytes holds no record");
        }
        if self.every.is_some_and(|period| period < Duration::from_secs(1)) {
            return never("a period is a second at least");
        }
        if self.keep == Some(0) || self.keep_for.is_some_and(|time| time.is_zero()) {
            return never("nothing would be kept");
        }
        if !rotates && (self.keep.is_some() || self.keep_for.is_some() || self.gzip) {
            return never("no file is ever full: say `max_bytes` or `every`");
        }
        let open = |why: io::Error| BuildError::Open {
            what: self.path.display().to_string(),
            why: why.to_string(),
        };
        // A program that changes its folder goes on with the same file.
        let path = std::path::absolute(&self.path).map_err(open)?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(open)?;
        }
        let every_ns =
            self.every.map(|period| u64::try_from(period.as_nanos()).unwrap_or(u64::MAX));
        let (file, length, period) = open_file(&path, every_ns).map_err(open)?;
        let keep = Keep { files: self.keep, time: self.keep_for, gzip: self.gzip };
        let archive = match rotates {
            true => Some(Archive::start(&path, keep).map_err(open)?),
            false => None,
        };
        Ok(FileSink {
            path,
            format: self.format,
            max_bytes: self.max_bytes,
            every_ns,
            file,
            length,
            period,
            archive,
            lines: Vec::new(),
        })
    }
}

/// The file, its length, and the period that it was last written in.
fn open_file(path: &Path, every_ns: Option<u64>) -> io::Result<(File, u64, Option<u64>)> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let meta = file.metadata()?;
    let mut length = meta.len();
    if length > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            // A line that was torn by the end of a process.
            file.write_all(b"\n")?;
            length += 1;
        }
    }
    let written = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let written = written.and_then(|time| u64::try_from(time.as_nanos()).ok());
    let period = match (length, written, every_ns) {
        (1.., Some(written), Some(every)) => Some(written / every),
        _ => None,
    };
    Ok((file, length, period))
}

impl FileSink {
    /// A file that is called so.
    pub fn builder(path: impl Into<PathBuf>) -> FileBuilder {
        FileBuilder {
            path: path.into(),
            format: Format::default(),
            max_bytes: None,
            every: None,
            keep: None,
            keep_for: None,
            gzip: false,
        }
    }

    /// A file without rotation, with JSON lines.
    ///
    /// # Errors
    /// It can't be opened.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, BuildError> {
        Self::builder(path).open()
    }

    /// Writes the lines that are there; all or nothing.
    fn put(&mut self) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        if let Err(why) = self.file.write_all(&self.lines) {
            take_away(&self.file, self.length);
            return Err(why);
        }
        self.length += self.lines.len() as u64;
        self.lines.clear();
        Ok(())
    }

    /// Whether a record of this time, whose line has been added, belongs into the next file.
    fn is_due(&self, before: usize, time_ns: u64) -> bool {
        let length = self.length + before as u64;
        let line = (self.lines.len() - before) as u64;
        let too_large = self.max_bytes.is_some_and(|most| length + line > most);
        let later = match (self.every_ns, self.period) {
            (Some(every), Some(period)) => time_ns / every > period,
            _ => false,
        };
        length > 0 && (too_large || later)
    }

    fn rotate(&mut self) -> io::Result<()> {
        let Some(archive) = &self.archive else { return Ok(()) };
        fs::rename(&self.path, archive.free_name())?;
        (self.file, self.length, _) = open_file(&self.path, None)?;
        self.period = None;
        archive.sweep();
        Ok(())
    }

    /// Opens the file again if somebody has taken it away. It may also have been cut in its place.
    fn look(&mut self) -> io::Result<()> {
        match (fs::metadata(&self.path), self.file.metadata()) {
            (Ok(there), Ok(ours)) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => {
                self.length = ours.len();
            }
            _ => (self.file, self.length, self.period) = open_file(&self.path, self.every_ns)?,
        }
        Ok(())
    }
}

/// Takes away what there is of lines that were not written as a whole, so that none is torn. A file
/// that somebody has cut meanwhile stays as it is: it would grow, by zeros.
fn take_away(file: &File, length: u64) {
    if file.metadata().is_ok_and(|meta| meta.len() > length) {
        let _ = file.set_len(length);
    }
}

impl Sink for FileSink {
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), WriteError> {
        self.lines.clear();
        let mut written = 0;
        self.look().map_err(|why| WriteError::io(&why))?;
        for (index, record) in batch.iter().enumerate() {
            let before = self.lines.len();
            self.format.write(&record, &mut self.lines);
            if self.is_due(before, record.time_ns()) {
                let line = self.lines.split_off(before);
                let failed = |why: io::Error| WriteError::io(&why);
                self.put().map_err(|why| failed(why).after(written))?;
                written = index;
                self.rotate().map_err(|why| failed(why).after(written))?;
                self.lines = line;
            }
            if let Some(every) = self.every_ns {
                self.period = self.period.max(Some(record.time_ns() / every));
            }
        }
        self.put().map_err(|why| WriteError::io(&why).after(written))
    }

    fn kind(&self) -> &'static str {
        "file"
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.path)
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_away_of_a_file_that_was_cut_makes_no_hole() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"whole\nto").unwrap();
        take_away(&file, 6);
        assert_eq!(file.metadata().unwrap().len(), 6);
        file.set_len(0).unwrap();
        take_away(&file, 6);
        assert_eq!(file.metadata().unwrap().len(), 0);
    }
}
