//! What does a file of the spill look like?
//!
//! ```text
//! segment = "PBSPILL1" frame*
//! frame   = length:u32 sum:u32 bytes      sum: CRC-32 of the bytes
//! ```

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

const MAGIC: &[u8; 8] = b"PBSPILL1";
pub(super) const START: u64 = MAGIC.len() as u64;
pub(super) const FRAME: u64 = 8;
/// A length beyond this is no length.
const LONGEST: u32 = 64 << 20;

/// One file.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    file: File,
    /// Where the next frame goes: the end of the last whole one.
    pub(super) end: u64,
    /// Frames that nobody has read yet.
    pub(super) unread: u64,
}

impl Segment {
    pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
        folder.join(format!("{number:016}.spill"))
    }

    /// The number in a file's name.
    pub(super) fn number(path: &Path) -> Option<u64> {
        let is_ours = path.extension().is_some_and(|extension| extension == "spill");
        is_ours.then(|| path.file_stem()?.to_str()?.parse().ok())?
    }

    pub(super) fn create(folder: &Path, number: u64) -> io::Result<Self> {
        let path = Self::path(folder, number);
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(true).open(&path)?;
        file.write_all(MAGIC)?;
        Ok(Self { number, path, file, end: START, unread: 0 })
    }

    /// Opens a file that another process left, and counts its frames from `start` on. Also how many
    /// bytes at its end are no frames.
    pub(super) fn open(folder: &Path, number: u64, start: u64) -> io::Result<(Self, u64)> {
        let path = Self::path(folder, number);
        let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
        let length = file.metadata()?.len();
        let mut magic = [0; 8];
        let known = file.read_exact(&mut magic).is_ok() && &magic == MAGIC;
        let mut segment = Self { number, path, file, end: START.min(length), unread: 0 };
        if !known {
            return Ok((segment, length));
        }
        let mut at = START;
        let mut bytes = Vec::new();
        while let Ok(Some(next)) = segment.frame(at, &mut bytes) {
            segment.unread += u64::from(at >= start);
            at = next;
        }
        segment.end = at;
        Ok((segment, length.saturating_sub(at)))
    }

    /// Writes frames at the end. On an error the file's end is where it was.
    pub(super) fn write(&mut self, frames: &[u8], count: u64) -> io::Result<()> {
        let written = self.file.write_all_at(frames, self.end);
        if written.is_err() {
            // What was written of it is beyond the end: the next write goes over it, and a process
            // that comes after this one finds no whole frame there, or one that was not asked for.
            let _ = self.file.set_len(self.end);
            return written;
        }
        self.end += frames.len() as u64;
        self.unread += count;
        Ok(())
    }

    /// Reads the frame at an offset; the offset behind it. None at the end, and where there is no
    /// whole frame with the right sum.
    pub(super) fn frame(&self, at: u64, bytes: &mut Vec<u8>) -> io::Result<Option<u64>> {
        let mut head = [0; FRAME as usize];
        if !self.fill(at, &mut head)? {
            return Ok(None);
        }
        let [l0, l1, l2, l3, s0, s1, s2, s3] = head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        if length > LONGEST {
            return Ok(None);
        }
        bytes.resize(length as usize, 0);
        let whole = self.fill(at + FRAME, bytes)?;
        let right = whole && crc32fast::hash(bytes) == u32::from_le_bytes([s0, s1, s2, s3]);
        Ok(right.then_some(at + FRAME + u64::from(length)))
    }

    fn fill(&self, at: u64, bytes: &mut [u8]) -> io::Result<bool> {
        match self.file.read_exact_at(bytes, at) {
            Ok(()) => Ok(true),
            Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(why) => Err(why),
        }
    }

    pub(super) fn sync(&self) {
        // At a clean end there is nobody to tell; the frames are with the kernel.
        let _ = self.file.sync_data();
    }
}

/// Adds a frame.
pub(super) fn frame(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(&crc32fast::hash(bytes).to_le_bytes());
    out.extend_from_slice(bytes);
}
