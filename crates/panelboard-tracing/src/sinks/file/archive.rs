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
        Ok(Self { names, sweeper: Some(sweeper), thread: Some(thread) })
    }

    /// A name that no file has.
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
        let mut number = 0;
        loop {
            // Five digits and `_`, so that names sort by their age.
            let more = if number == 0 { String::new() } else { format!("_{number:05}") };
            let name = format!("{}-{stamp}{more}{}", self.stem, self.extension);
            let path = self.folder.join(&name);
            let taken = |name: &str| self.folder.join(name).exists();
            if !taken(&name) && !taken(&format!("{name}.gz")) {
                return path;
            }
            number += 1;
        }
    }

    /// The full files, the oldest first; names of other files don't fit.
    fn all(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(match self.folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => &self.folder,
        }) else {
            return Vec::new();
        };
        let named = entries.filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = path.file_name()?.to_str()?.to_owned();
            self.key(&name).map(|key| (key, path))
        });
        let mut all: Vec<_> = named.collect();
        all.sort();
        all.into_iter().map(|(_, path)| path).collect()
    }

    /// What full files are sorted by: the time in their names, and the number behind it.
    fn key(&self, name: &str) -> Option<String> {
        let rest = name.strip_prefix(&self.stem)?.strip_prefix('-')?;
        let rest = rest.strip_suffix(".gz").unwrap_or(rest);
        let key = rest.strip_suffix(&self.extension)?;
        let shape = |at: usize, byte: u8| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            16 => byte == b'_',
            _ => byte.is_ascii_digit(),
        };
        let fits = key.len() >= 16 && key.bytes().enumerate().all(|(at, byte)| shape(at, byte));
        fits.then(|| key.to_owned())
    }

    fn sweep(&self, keep: Keep) {
        let mut all = self.all();
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
    let part = name(".gz.part");
    let mut from = File::open(path)?;
    let mut to = GzEncoder::new(File::create(&part)?, Compression::default());
    let copied = io::copy(&mut from, &mut to).and_then(|_| to.finish());
    let moved = copied.and_then(|_| fs::rename(&part, name(".gz")));
    match moved {
        Ok(()) => fs::remove_file(path),
        Err(why) => {
            let _ = fs::remove_file(&part);
            Err(why)
        }
    }
}
