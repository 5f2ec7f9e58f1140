//! Which records are on disk, which of them were read, and which are decided?

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::segment::{FRAME, Frame, Origin, START, Segment, frame};
use crate::{event::Event, fault};

/// The segments of one sink, in order.
#[derive(Debug)]
pub(super) struct Log {
    folder: PathBuf,
    max_bytes: u64,
    /// At the bound the oldest segment goes, and not the newest record.
    drops_oldest: bool,
    /// The last one is written to.
    segments: VecDeque<Segment>,
    /// Where the next one to be read lies: a segment's number and an offset.
    next: (u64, u64),
    /// Behind each record that was read and is not decided yet.
    read: VecDeque<(u64, u64)>,
    /// Up to where everything is decided.
    decided: (u64, u64),
    mark: File,
    /// Held until it is closed: one folder, one process.
    lock: File,
    closed: bool,
    /// Bytes that could not be read.
    damaged: u64,
    /// Files that are called like ours and are none.
    foreign: Vec<PathBuf>,
    frames: Vec<u8>,
}

/// What became of records that were to be put on disk, from their beginning.
#[derive(Debug, Default)]
pub(crate) struct Put {
    pub(crate) kept: u64,
    /// Dropped, as there was no room.
    pub(crate) refused: u64,
    /// Dropped, as there is never room for one like it.
    pub(crate) too_large: u64,
    /// Older ones that had to go for them.
    pub(crate) unspilled: u64,
    /// Why the rest is neither.
    pub(crate) error: Option<io::Error>,
}

impl Put {
    pub(crate) fn decided(&self) -> usize {
        (self.kept + self.refused + self.too_large) as usize
    }
}

/// What was read.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) events: Vec<Arc<Event>>,
    /// Records between them that are damaged: nobody will ever read them.
    pub(crate) lost: u64,
    /// Why there may be more.
    pub(crate) error: Option<io::Error>,
}

impl Log {
    pub(super) fn open(
        folder: &Path,
        max_bytes: u64,
        drops_oldest: bool,
    ) -> io::Result<(Self, u64)> {
        fs::create_dir_all(folder)?;
        let open = |name: &str| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).open(folder.join(name))
        };
        let lock = open("lock")?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other("another process, or another sink, has it"));
            }
            Err(TryLockError::Error(why)) => return Err(why),
        }
        let mark = open("decided")?;
        let decided = read_mark(&mark);
        let mut numbers: Vec<u64> = fs::read_dir(folder)?
            .filter_map(|entry| Segment::number(&entry.ok()?.path()))
            .collect();
        numbers.sort_unstable();
        let mut log = Self {
            folder: folder.to_owned(),
            max_bytes,
            drops_oldest,
            segments: VecDeque::new(),
            next: decided,
            read: VecDeque::new(),
            decided,
            mark,
            lock,
            closed: false,
            damaged: 0,
            foreign: Vec::new(),
            frames: Vec::new(),
        };
        let last = numbers.last().map_or(decided.0, |last| decided.0.max(*last));
        for number in numbers {
            let path = Segment::path(folder, number);
            let origin = Segment::origin(&path)?;
            if origin == Origin::Foreign {
                log.foreign.push(path);
                continue;
            }
            if origin == Origin::Unborn || number < decided.0 {
                // Without a record, or decided to its end by a process that did not come to
                // removing it.
                fs::remove_file(path)?;
                continue;
            }
            let start = if number == decided.0 { decided.1 } else { START };
            let (segment, torn) = Segment::open(folder, number, start)?;
            log.damaged += torn;
            log.segments.push_back(segment);
        }
        log.segments.push_back(Segment::create(folder, last + 1)?);
        log.skip_to_first();
        let found = log.segments.iter().map(|segment| segment.unread).sum();
        Ok((log, found))
    }

    /// Where nothing says where to begin, it is the first segment.
    fn skip_to_first(&mut self) {
        if let Some(first) = self.segments.front()
            && first.number > self.next.0
        {
            self.next = (first.number, START);
        }
    }

    pub(super) fn append(&mut self, events: &[Arc<Event>]) -> Put {
        let mut put = Put::default();
        if self.closed {
            put.error = Some(io::Error::other("closed"));
            return put;
        }
        let mut left = events;
        while let Some(first) = left.first() {
            if START + size(first) > self.max_bytes {
                put.too_large += 1;
                left = &left[1..];
                continue;
            }
            let written = self.roll(size(first)).and_then(|()| match self.fitting(left) {
                0 => Ok(0),
                fits => self.write(&left[..fits]).map(|()| fits),
            });
            match written {
                Ok(0) if self.drops_oldest && self.drop_oldest(&mut put) => {}
                Ok(0) => {
                    put.refused += left.len() as u64;
                    return put;
                }
                Ok(fits) => {
                    put.kept += fits as u64;
                    left = &left[fits..];
                }
                Err(why) => {
                    put.error = Some(why);
                    return put;
                }
            }
        }
        put
    }

    /// Begins the next segment if the last one is full; also if it is decided as a whole and the
    /// space is needed.
    fn roll(&mut self, size: u64) -> io::Result<()> {
        let Segment { number, end, .. } = *self.last();
        let full = end + size > START + self.segment_bytes();
        let decided = self.decided >= (number, end) && self.room() < size;
        if end > START && (full || decided) {
            self.segments.push_back(Segment::create(&self.folder, number + 1)?);
            self.tidy();
        }
        Ok(())
    }

    /// How many of these the last segment has room for. One that is larger than a segment has one
    /// of its own.
    fn fitting(&self, events: &[Arc<Event>]) -> usize {
        let end = self.last().end;
        let mut of_files = self.room();
        let mut of_segment = (START + self.segment_bytes()).saturating_sub(end);
        let fits = |(index, event): &(usize, &Arc<Event>)| {
            let size = size(event);
            let alone = *index == 0 && end == START;
            let fits = size <= of_files && (alone || size <= of_segment);
            of_files = of_files.saturating_sub(size);
            of_segment = of_segment.saturating_sub(size);
            fits
        };
        events.iter().enumerate().take_while(fits).count()
    }

    /// Bytes that the files may still grow by.
    fn room(&self) -> u64 {
        let files: u64 = self.segments.iter().map(|segment| segment.end).sum();
        self.max_bytes.saturating_sub(files)
    }

    fn write(&mut self, events: &[Arc<Event>]) -> io::Result<()> {
        self.frames.clear();
        for event in events {
            frame(&mut self.frames, event.record().bytes());
        }
        let frames = std::mem::take(&mut self.frames);
        let written = self.last_mut().write(&frames, events.len() as u64);
        self.frames = frames;
        written
    }

    /// Many enough that the oldest is a small part, few enough that they are few files.
    fn segment_bytes(&self) -> u64 {
        (self.max_bytes / 16).clamp(4 << 10, 16 << 20)
    }

    /// Removes the oldest segment for room. False if there is nothing to remove.
    fn drop_oldest(&mut self, put: &mut Put) -> bool {
        if self.segments.len() < 2 {
            let Segment { number, end, .. } = *self.last();
            match Segment::create(&self.folder, number + 1) {
                Ok(segment) if end > START => self.segments.push_back(segment),
                _ => return false,
            }
        }
        let Some(oldest) = self.segments.pop_front() else { return false };
        put.unspilled += oldest.unread;
        let _ = fs::remove_file(&oldest.path);
        self.skip_to_first();
        if let Some(first) = self.segments.front() {
            self.decided = self.decided.max((first.number, START));
            self.write_mark();
        }
        true
    }

    pub(super) fn read(&mut self, records: usize, bytes: usize) -> Read {
        let mut read = Read::default();
        let mut size = 0;
        while !self.closed
            && read.events.len() < records
            && (read.events.is_empty() || size < bytes)
        {
            match self.read_one(&mut read.lost) {
                Ok(Some(event)) => {
                    size += event.size();
                    read.events.push(Arc::new(event));
                }
                Ok(None) => break,
                Err(why) => {
                    read.error = Some(why);
                    break;
                }
            }
        }
        if fault::SPILL_FORGETS_EARLY.planted() {
            self.done(read.events.len() as u64);
        }
        read
    }

    /// The next record, behind those that are damaged.
    fn read_one(&mut self, lost: &mut u64) -> io::Result<Option<Event>> {
        let last = self.last().number;
        loop {
            let (number, at) = self.next;
            let next = self.segments.iter_mut().find(|segment| segment.number >= number);
            let Some(segment) = next else { return Ok(None) };
            let at = if segment.number > number { START } else { at };
            if at >= segment.end {
                if segment.number == last {
                    return Ok(None);
                }
                self.next = (segment.number + 1, START);
                continue;
            }
            let mut bytes = Vec::new();
            let (next, gone) = match segment.frame(at, &mut bytes)? {
                Frame::Whole(next) => {
                    segment.unread = segment.unread.saturating_sub(1);
                    self.next = (segment.number, next);
                    self.read.push_back(self.next);
                    // Its marks are of no use: a sink with a spill has no fallback.
                    return Ok(Some(Event::new(bytes, u64::MAX)));
                }
                _ if fault::DAMAGE_STOPS_READING.planted() => return Ok(None),
                Frame::Damaged(next) => (next, segment.unread.min(1)),
                // What is written next comes behind that.
                Frame::Nothing => (segment.end, segment.unread),
            };
            segment.unread -= gone;
            self.next = (segment.number, next);
            self.damaged += next - at;
            *lost += gone;
            self.pass();
        }
    }

    /// What was damaged is decided with what was read before it.
    fn pass(&mut self) {
        match self.read.back_mut() {
            Some(before) => *before = self.next,
            None => {
                self.decided = self.decided.max(self.next);
                self.tidy();
                self.write_mark();
            }
        }
    }

    pub(super) fn done(&mut self, count: u64) {
        if self.closed {
            return;
        }
        for _ in 0..count {
            if let Some(place) = self.read.pop_front() {
                self.decided = self.decided.max(place);
            }
        }
        if count > 0 {
            self.tidy();
            self.write_mark();
        }
    }

    /// Removes segments of which everything is decided, but the one that is written to.
    fn tidy(&mut self) {
        while self.segments.len() > 1
            && let Some(first) = self.segments.front()
            && (first.number < self.decided.0
                || (first.number == self.decided.0 && first.end <= self.decided.1)
                || first.end <= START)
        {
            self.decided = self.decided.max((first.number + 1, START));
            let _ = fs::remove_file(&first.path);
            self.segments.pop_front();
        }
    }

    /// In one small write: a torn one has a wrong sum, and then everything that is there counts.
    fn write_mark(&self) {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&self.decided.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.decided.1.to_le_bytes());
        let sum = crc32fast::hash(&bytes[..16]);
        bytes[16..].copy_from_slice(&sum.to_le_bytes());
        // If it fails, the next process delivers some records again; the next mark says it all.
        let _ = self.mark.write_all_at(&bytes, 0);
    }

    pub(super) fn close(&mut self) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.write_mark();
        self.last().sync();
        // Where it fails the mark is with the kernel all the same, and the lock ends with us.
        let _ = self.mark.sync_data();
        let _ = self.lock.unlock();
    }

    /// What is not decided yet. The files hold a segment more than that at most.
    pub(super) fn bytes(&self) -> u64 {
        let undecided = self.segments.iter().map(|segment| {
            let decided = if segment.number == self.decided.0 { self.decided.1 } else { START };
            segment.end.saturating_sub(decided.max(START))
        });
        undecided.sum()
    }

    pub(super) fn foreign(&self) -> &[PathBuf] {
        &self.foreign
    }

    pub(super) fn damaged(&self) -> u64 {
        self.damaged
    }

    fn last(&self) -> &Segment {
        self.segments.back().expect("a log has a segment from its opening on")
    }

    fn last_mut(&mut self) -> &mut Segment {
        self.segments.back_mut().expect("a log has a segment from its opening on")
    }
}

/// What a record takes on disk.
fn size(event: &Arc<Event>) -> u64 {
    FRAME + event.record().bytes().len() as u64
}

fn read_mark(mark: &File) -> (u64, u64) {
    let mut bytes = [0; 20];
    if mark.read_exact_at(&mut bytes, 0).is_err() {
        return (0, START);
    }
    let number = |at: usize| {
        let part = bytes[at..].first_chunk::<8>();
        part.map_or(0, |part| u64::from_le_bytes(*part))
    };
    let right = crc32fast::hash(&bytes[..16]).to_le_bytes() == bytes[16..];
    if right { (number(0), number(8)) } else { (0, START) }
}
