//! What becomes of files that are full? A thread compresses them and removes the oldest.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::mpsc::{SyncSender, sync_channel},
    thread::JoinHandle,
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};

use crate::{clock::wall_ns, dispatch, format::time::stamp, shared::become_ours};

/// Which full files stay.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keep {
    pub(super) files: Option<usize>,
    pub(super) time: Option<Duration>,
    pub(super) gzip: bool,
}

/// The full files beside one that is written to.
#[derive(Debug)]
pub(super) struct Archive {
    names: Names,
    /// None once it has ended.
    sweeper: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What full files are called.
#[derive(Clone, Debug)]
struct Names {
    folder: PathBuf,
    stem: String,
    /// With its dot; empty if there is none.
    extension: String,
}

/// What full files are sorted by: the time in their names, and the number behind it.
type Key = (String, u64);

const GZ: &str = ".gz";
const PART: &str = ".gz.part";

impl Archive {
    pub(super) fn start(path: &Path, keep: Keep) -> io::Result<Self> {
        let text = |part: Option<&std::ffi::OsStr>| {
            part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
        };
        let extension = text(path.extension());
        let names = Names {
            folder: path.parent().map(Path::to_owned).unwrap_or_default(),
            stem: text(path.file_stem()),
            extension: if extension.is_empty() { extension } else { format!(".{extension}") },
        };
        // One word that is heard is enough: a sweep looks at all that is there.
        let (sweeper, words) = sync_channel(1);
        let own = names.clone();
        let thread = dispatch::spawn("archive", move || {
            become_ours();
            for () in words {
                own.sweep(keep);
            }
        })?;
        let archive = Self { names, sweeper: Some(sweeper), thread: Some(thread) };
        // What a process before had no time for.
        archive.sweep();
        Ok(archive)
    }

    /// A name that no file has, and that sorts behind those of all that are full.
    pub(super) fn free_name(&self) -> PathBuf {
        self.names.free(&stamp(wall_ns()))
    }

    /// Sees to it that the full files are looked at. Does not wait.
    pub(super) fn sweep(&self) {
        if let Some(sweeper) = &self.sweeper {
            let _ = sweeper.try_send(());
        }
    }
}

impl Drop for Archive {
    fn drop(&mut self) {
        self.sweeper = None;
        if let Some(thread) = self.thread.take() {
            // It has no more to say than that it is done.
            let _ = thread.join();
        }
    }
}

impl Names {
    fn free(&self, stamp: &str) -> PathBuf {
        // By its name the one that is new now must not be older than another, though the clock may
        // have been set back.
        let (stamp, mut number) = match self.all().pop() {
            Some(((newest, number), _)) if newest.as_str() >= stamp => (newest, number + 1),
            _ => (stamp.to_owned(), 0),
        };
        loop {
            let more = if number == 0 { String::new() } else { format!("_{number:05}") };
            let name = format!("{}-{stamp}{more}{}", self.stem, self.extension);
            let path = self.folder.join(&name);
            let taken = |name: &str| self.folder.join(name).exists();
            if !taken(&name) && !taken(&format!("{name}{GZ}")) {
                return path;
            }
            number += 1;
        }
    }

    /// The full files, the oldest first; names of other files don't fit.
    fn all(&self) -> Vec<(Key, PathBuf)> {
        let mut all: Vec<_> = self
            .entries()
            .filter_map(|(name, path)| {
                Some((self.key(name.strip_suffix(GZ).unwrap_or(&name))?, path))
            })
            .collect();
        all.sort();
        all
    }

    /// What was being compressed when a process ended.
    fn parts(&self) -> impl Iterator<Item = PathBuf> {
        self.entries().filter_map(|(name, path)| self.key(name.strip_suffix(PART)?).map(|_| path))
    }

    fn entries(&self) -> impl Iterator<Item = (String, PathBuf)> {
        let folder = match self.folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => &self.folder,
        };
        let entries = fs::read_dir(folder).into_iter().flatten();
        entries.filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((path.file_name()?.to_str()?.to_owned(), path))
        })
    }

    fn key(&self, name: &str) -> Option<Key> {
        let rest = name.strip_prefix(&self.stem)?.strip_prefix('-')?;
        let key = rest.strip_suffix(&self.extension)?;
        let (stamp, number) = key.split_once('_').unwrap_or((key, "0"));
        let shape = |(at, byte): (usize, u8)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        };
        let fits = stamp.len() == 16 && stamp.bytes().enumerate().all(shape);
        let number = number.parse().ok().filter(|_| fits)?;
        Some((stamp.to_owned(), number))
    }

    fn sweep(&self, keep: Keep) {
        // Nobody else compresses: whatever there is was left by a process that was killed.
        self.parts().for_each(|path| drop(fs::remove_file(path)));
        let mut all: Vec<PathBuf> = self.all().into_iter().map(|(_, path)| path).collect();
        if let Some(files) = keep.files {
            let beyond = all.len().saturating_sub(files);
            all.drain(..beyond).for_each(|path| drop(fs::remove_file(path)));
        }
        if let Some(time) = keep.time {
            all.retain(|path| {
                let old = age(path).is_some_and(|age| age > time);
                if old {
                    let _ = fs::remove_file(path);
                }
                !old
            });
        }
        if keep.gzip {
            for path in all.iter().filter(|path| path.extension().is_none_or(|it| it != "gz")) {
                // Where it fails the file stays as it is; the next sweep tries again.
                let _ = compress(path);
            }
        }
    }
}

fn age(path: &Path) -> Option<Duration> {
    let written = fs::metadata(path).ok()?.modified().ok()?;
    let written = written.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(Duration::from_nanos(wall_ns()).saturating_sub(written))
}

/// Beside its place first, so that what is called `.gz` is whole.
fn compress(path: &Path) -> io::Result<()> {
    let name = |more: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(more);
        PathBuf::from(name)
    };
    let part = name(PART);
    let mut from = File::open(path)?;
    let mut to = GzEncoder::new(File::create(&part)?, Compression::default());
    let copied = io::copy(&mut from, &mut to).and_then(|_| to.finish());
    let moved = copied.and_then(|_| fs::rename(&part, name(GZ)));
    match moved {
        Ok(()) => fs::remove_file(path),
        Err(why) => {
            let _ = fs::remove_file(&part);
            Err(why)
        }
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;

    const ALL: Keep = Keep { files: None, time: None, gzip: false };

    fn names(folder: &Path) -> Names {
        let (stem, extension) = ("app".into(), ".log".into());
        Names { folder: folder.to_owned(), stem, extension }
    }

    fn left(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut left: Vec<_> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        left.sort();
        left
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_new_file_look_old() {
        let folder = tempfile::tempdir().unwrap();
        let names = names(folder.path());
        let mut made = Vec::new();
        for stamp in
            ["20270101T000000Z", "20270101T000005Z", "20260101T000000Z", "20260101T000001Z"]
        {
            let path = names.free(stamp);
            fs::write(&path, stamp).unwrap();
            made.push(path);
            names.sweep(Keep { files: Some(2), ..ALL });
        }
        let newest: Vec<_> = names.all().into_iter().map(|(_, path)| path).collect();
        assert_eq!(newest, made[2..]);
        // As numbers and not as texts.
        fs::write(folder.path().join("app-20270101T000005Z_100000.log.gz"), "").unwrap();
        let next = names.free("20260101T000002Z");
        assert!(next.ends_with("app-20270101T000005Z_100001.log"), "{next:?}");
    }

    #[test]
    fn what_was_being_compressed_when_a_process_was_killed_goes() {
        let folder = tempfile::tempdir().unwrap();
        let other = "app-notes.log.gz.part";
        for name in ["app-20270101T000000Z.log.gz.part", "app-20270101T000005Z.log", other] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        names(folder.path()).sweep(Keep { gzip: true, ..ALL });
        assert_eq!(left(folder.path()), ["app-20270101T000005Z.log.gz", other]);
    }
}
