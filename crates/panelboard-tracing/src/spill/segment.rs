//! What does a file of the spill look like?
//!
//! ```text
//! segment = "PBSPILL2" frame*
//! frame   = length:u32 sum:u32 bytes      sum: CRC-32 of the length and the bytes
//! ```
//!
//! A frame is never empty, so that zeros, which a disk may have where power was lost, are none.
//! Files of the form before, "PBSPILL1", whose sums are of the bytes alone, are read and not
//! written to.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

const MAGIC: &[u8; 8] = b"PBSPILL2";
const OLD_MAGIC: &[u8; 8] = b"PBSPILL1";
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
    /// Where the next frame goes: the end of the last one.
    pub(super) end: u64,
    /// Records that nobody has read yet, or found damaged.
    pub(super) unread: u64,
    /// Whether a frame's sum is also of its length.
    sums_lengths: bool,
}

/// What stands at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A record, and where the next one is.
    Whole(u64),
    /// One that is not what was written, and where the next one is.
    Damaged(u64),
    /// Nothing that a next one could be found by.
    Nothing,
}

/// What a file's name and beginning say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Ours,
    /// A process ended before it had written the beginning.
    Unborn,
    /// Somebody else's, or of a form to come.
    Foreign,
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

    pub(super) fn origin(path: &Path) -> io::Result<Origin> {
        let mut magic = [0; MAGIC.len()];
        match File::open(path)?.read_exact(&mut magic) {
            Ok(()) if &magic == MAGIC || &magic == OLD_MAGIC => Ok(Origin::Ours),
            Ok(()) => Ok(Origin::Foreign),
            Err(why) if why.kind() == io::ErrorKind::UnexpectedEof => Ok(Origin::Unborn),
            Err(why) => Err(why),
        }
    }

    pub(super) fn create(folder: &Path, number: u64) -> io::Result<Self> {
        let path = Self::path(folder, number);
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(true).open(&path)?;
        file.write_all(MAGIC)?;
        Ok(Self { number, path, file, end: START, unread: 0, sums_lengths: true })
    }

    /// Opens a file of ours that another process left, and counts its records from `start` on. Also
    /// how many bytes at its end are none.
    pub(super) fn open(folder: &Path, number: u64, start: u64) -> io::Result<(Self, u64)> {
        let path = Self::path(folder, number);
        let mut file = OpenOptions::new().read(true).write(true).open(&path)?;
        let length = file.metadata()?.len();
        let mut magic = [0; MAGIC.len()];
        file.read_exact(&mut magic)?;
        let sums_lengths = &magic == MAGIC;
        let mut segment = Self { number, path, file, end: length, unread: 0, sums_lengths };
        let mut at = START;
        let mut bytes = Vec::new();
        while let Frame::Whole(next) | Frame::Damaged(next) = segment.frame(at, &mut bytes)? {
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

    /// Reads the frame at an offset before the end.
    ///
    /// The length of a damaged one is believed if what follows leads to a whole one, or exactly to
    /// the end: then only that record is lost.
    pub(super) fn frame(&self, at: u64, bytes: &mut Vec<u8>) -> io::Result<Frame> {
        let first = self.look(at, bytes)?;
        let Frame::Damaged(next) = first else { return Ok(first) };
        let (mut further, mut others) = (next, Vec::new());
        while further != self.end {
            match self.look(further, &mut others)? {
                Frame::Whole(_) => break,
                Frame::Damaged(next) => further = next,
                Frame::Nothing => return Ok(Frame::Nothing),
            }
        }
        Ok(first)
    }

    /// The same, with every length believed that could be one.
    fn look(&self, at: u64, bytes: &mut Vec<u8>) -> io::Result<Frame> {
        if at + FRAME > self.end {
            return Ok(Frame::Nothing);
        }
        let mut head = [0; FRAME as usize];
        if !self.fill(&mut head, at)? {
            return Ok(Frame::Nothing);
        }
        let [l0, l1, l2, l3, s0, s1, s2, s3] = head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let next = at + FRAME + u64::from(length);
        if length == 0 || length > LONGEST || next > self.end {
            return Ok(Frame::Nothing);
        }
        bytes.resize(length as usize, 0);
        if !self.fill(bytes, at + FRAME)? {
            return Ok(Frame::Nothing);
        }
        let sum = if self.sums_lengths { sum(bytes) } else { crc32fast::hash(bytes) };
        let right = sum == u32::from_le_bytes([s0, s1, s2, s3]);
        Ok(if right { Frame::Whole(next) } else { Frame::Damaged(next) })
    }

    /// False if somebody has made the file shorter than it was.
    fn fill(&self, bytes: &mut [u8], at: u64) -> io::Result<bool> {
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
    out.extend_from_slice(&sum(bytes).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn sum(bytes: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&(bytes.len() as u32).to_le_bytes());
    sum.update(bytes);
    sum.finalize()
}
