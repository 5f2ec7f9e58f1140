//! How many lines are in a file by now?

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::now;

/// Counts them as they come.
pub(crate) struct Lines {
    path: PathBuf,
    file: Option<File>,
    count: u64,
    block: Vec<u8>,
}

const LIMIT: Duration = Duration::from_secs(120);

impl Lines {
    pub(crate) fn of(path: &Path) -> Self {
        Self { path: path.into(), file: None, count: 0, block: vec![0; 1 << 20] }
    }

    fn look(&mut self) -> io::Result<u64> {
        let mut file = match self.file.take() {
            Some(file) => file,
            None => File::open(&self.path)?,
        };
        loop {
            let length = file.read(&mut self.block)?;
            if length == 0 {
                self.file = Some(file);
                return Ok(self.count);
            }
            self.count += self.block[..length].iter().filter(|byte| **byte == b'\n').count() as u64;
        }
    }

    /// # Errors
    /// They do not come.
    pub(crate) fn wait(&mut self, count: u64) -> io::Result<()> {
        let start = now();
        while self.look()? < count {
            if start.elapsed() > LIMIT {
                return Err(io::Error::other(format!("{} lines of {count}", self.count)));
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Ok(())
    }
}
