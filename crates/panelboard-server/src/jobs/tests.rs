//! Do jobs survive what a disk can do, and does nobody hear of what is not on it?

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::FutureExt as _;
use panelboard_store::{Config, Failure, FailureKind, JobQuery, Moment, Step, Store, Verdict};
use panelboard_tasks::{
    Fingerprint, IdempotencyKey, JobDeleteRefused, JobFilter, JobJournal as _, JobRefused,
    JobState, JobSubmitted, Jobs, JobsUnavailable, NewJob,
};
use tempfile::TempDir;
use tokio::sync::Notify;

use super::journal::StoredJobs;
use super::start::figures;
use super::stored;

fn settings() -> Config {
    Config::new().session_ttl(None).snapshot_every(u64::MAX).upkeep(false)
}

/// Jobs over a file, with somebody who sees what becomes of what is written.
async fn jobs(store: &Store) -> (Jobs, Arc<StoredJobs>) {
    let journal = StoredJobs::new(store.clone());
    tokio::spawn(Arc::clone(&journal).pump());
    let echo = |_, args: Bytes| match &args[..] {
        b"\"fail\"" => Err("no JSON, \"quoted\"".into()),
        _ => Ok(args),
    };
    let built = Jobs::builder().kind("echo", echo).boot(store.term()).journal(journal.clone());
    (built.build().await.expect("jobs"), journal)
}

fn keyed(name: &str) -> NewJob {
    let key = IdempotencyKey::new(name, Fingerprint(7));
    NewJob::new("echo", format!("{{\"name\":\"{name}\"}}")).key(key)
}

async fn ends(jobs: &Jobs, JobSubmitted { id, .. }: JobSubmitted) -> JobState {
    jobs.finished(id).await.expect("it is kept").expect("it is there").row.state
}

#[tokio::test]
async fn a_job_is_read_as_it_was_written_whatever_its_bytes_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path().join("s.db"), settings()).expect("a store");
    let (jobs, _) = jobs(&store).await;
    for args in ["{\"a\": [1,  2]}", "\"fail\"", "", "no JSON"] {
        let job = jobs.submit(NewJob::new("echo", args)).await.expect("taken");
        ends(&jobs, job).await;
        let row = jobs.get(job.id).await.expect("kept").expect("there").row;
        let kept = store.job(&job.id.to_string()).expect("read").expect("there");
        assert_eq!(stored::read(&kept.body), Ok(row.clone()), "{args}");
        assert_eq!((&*kept.kind, &*kept.state), ("echo", row.state.name()));
        let bytes = Bytes::from_static(&[0xff, 0, b'"']);
        let odd = panelboard_tasks::JobRow { saved: Some(bytes), ..row };
        assert_eq!(stored::read(stored::write(&odd).as_bytes()), Ok(odd));
    }
    assert!(stored::read(b"{\"row\":{}}").is_err());
}

#[tokio::test]
async fn what_a_full_disk_did_not_take_is_told_when_it_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("s.db");
    let full = Arc::new(AtomicBool::new(false));
    let disk = Arc::clone(&full);
    let hook = move |step, moment| match (step, moment) {
        (Step::Commit, Moment::Before) if disk.load(Ordering::SeqCst) => {
            Verdict::Fail(Failure::new(FailureKind::DiskFull, "as asked for"))
        }
        _ => Verdict::Go,
    };
    let store = Store::open(&path, settings().inject(hook)).expect("a store");
    let (jobs, journal) = jobs(&store).await;
    let first = jobs.submit(keyed("first")).await.expect("taken");
    assert_eq!(ends(&jobs, first).await, JobState::Completed);

    full.store(true, Ordering::SeqCst);
    let waits = tokio::spawn({
        let jobs = jobs.clone();
        async move { jobs.submit(keyed("second")).await }
    });
    while journal.has_room() {
        tokio::task::yield_now().await;
    }
    let refused = Err(JobRefused::Unavailable(JobsUnavailable::JournalFull));
    assert_eq!(jobs.submit(keyed("third")).await, refused);
    // It is not told, and nobody sees it: it may never have been.
    assert!(!waits.is_finished());
    assert!(jobs.list(&JobFilter::default()).now_or_never().is_none());
    // And who shows the whole process does not wait for it.
    assert_eq!(figures(&jobs).await, None);
    let kept = store.jobs(&JobQuery::default(), None, 10).expect("read");
    assert_eq!(kept.jobs.len(), 1);

    full.store(false, Ordering::SeqCst);
    let second = waits.await.expect("no panic").expect("taken");
    assert_eq!(ends(&jobs, second).await, JobState::Completed);
    let third = jobs.submit(keyed("third")).await.expect("taken");
    assert_eq!(ends(&jobs, third).await, JobState::Completed);
    // The end of the last one may just be being written down: then it is not removed yet.
    let mut removed = 0;
    while removed < 3 {
        removed += jobs.clean_up(Default::default()).await.expect("kept");
        tokio::task::yield_now().await;
    }
    let kept = store.jobs(&JobQuery::default(), None, 10).expect("read");
    assert_eq!(kept.jobs, [], "removed there too");
}

/// A process that ends before or after a step of the writer, and the file that it leaves.
struct Dying {
    jobs: Jobs,
    here: TempDir,
    image: TempDir,
    /// Where it is, as soon as its steps count.
    counts: Arc<OnceLock<PathBuf>>,
    /// Told when it has ended.
    over: Arc<Notify>,
}

impl Dying {
    /// One that ends at its step `last` after [`counts`](Self::counts).
    async fn at(last: u64) -> Self {
        let [here, image] = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
        let (counts, over) = (Arc::new(OnceLock::new()), Arc::new(Notify::new()));
        let crash = crash_at(last, Arc::clone(&counts), image.path().into(), Arc::clone(&over));
        let store = Store::open(here.path().join("s.db"), crash).expect("a store");
        let (jobs, _) = jobs(&store).await;
        Self { jobs, here, image, counts, over }
    }

    fn counts(&self) {
        self.counts.set(self.here.path().to_owned()).expect("once");
    }

    /// What it has left; nothing, if it has not ended.
    fn left(&self) -> Option<&Path> {
        let image = self.image.path();
        image.join("s.db").exists().then_some(image)
    }
}

fn crash_at(last: u64, from: Arc<OnceLock<PathBuf>>, to: PathBuf, over: Arc<Notify>) -> Config {
    let steps = AtomicU64::new(0);
    settings().inject(move |_, _| {
        let Some(from) = from.get() else { return Verdict::Go };
        if steps.fetch_add(1, Ordering::Relaxed) + 1 != last {
            return Verdict::Go;
        }
        for end in ["", "-wal"] {
            let file = format!("s.db{end}");
            std::fs::copy(from.join(&file), to.join(&file)).ok();
        }
        over.notify_one();
        Verdict::Crash
    })
}

#[tokio::test]
async fn j_08_j_17_a_crash_at_any_write_leaves_each_job_once_and_none_running() {
    let mut crashes = 0;
    for last in 1.. {
        let before = Dying::at(last).await;
        before.counts();
        let mut acknowledged = Vec::new();
        for name in ["a", "b", "c"] {
            let job = tokio::select! {
                job = before.jobs.submit(keyed(name)) => job,
                () = before.over.notified() => break,
            };
            let Ok(job) = job else { break };
            acknowledged.push((name, job.id));
            tokio::select! {
                _ = ends(&before.jobs, job) => {}
                () = before.over.notified() => break,
            }
        }
        let Some(image) = before.left() else { break };
        crashes += 1;
        after(image, &acknowledged, last).await;
    }
    assert!(crashes > 20, "{crashes}");
}

/// What the next process makes of what one has left.
async fn after(image: &Path, acknowledged: &[(&str, panelboard_tasks::JobId)], step: u64) {
    let store = Store::open(image.join("s.db"), settings()).expect("a store");
    let (jobs, _) = jobs(&store).await;
    for (name, id) in acknowledged {
        let again = jobs.submit(keyed(name)).await.expect("it is known");
        assert_eq!((again.id, again.replayed), (*id, true), "{name}, step {step}");
    }
    let all = jobs.list(&JobFilter::default()).await.expect("kept").items;
    for job in &all {
        // Of the process that is gone nothing runs; who waits starts in this one.
        let ended =
            ends(&jobs, JobSubmitted { id: job.row.id, state: job.row.state, replayed: false });
        assert!(matches!(ended.await, JobState::Completed | JobState::Lost), "step {step}");
    }
    for name in ["a", "b", "c"] {
        let taken = jobs.submit(keyed(name)).await.expect("taken");
        let again = jobs.submit(keyed(name)).await.expect("taken");
        assert_eq!(taken.id, again.id, "{name}, step {step}");
    }
    let stats = jobs.stats().await.expect("kept");
    assert_eq!(stats.total, 3, "step {step}");
}

#[tokio::test]
async fn a_crash_at_any_write_leaves_a_removal_with_its_key_or_the_job() {
    let mut removed = 0;
    for last in 1.. {
        let before = Dying::at(last).await;
        let job = before.jobs.submit(keyed("a")).await.expect("taken");
        ends(&before.jobs, job).await;
        before.counts();
        let done = tokio::select! {
            done = removes(&before.jobs, job.id) => done,
            () = before.over.notified() => Err(JobDeleteRefused::NotFound),
        };
        let Some(image) = before.left() else {
            assert_eq!(done, Ok(()));
            break;
        };
        let store = Store::open(image.join("s.db"), settings()).expect("a store");
        let (after, _) = jobs(&store).await;
        let there = after.get(job.id).await.expect("kept").is_some();
        assert!(!there || done.is_err(), "what was told is so, step {last}");
        removed += u32::from(!there);
        // Whoever sends it again is told that it is removed, by whom that was done or not.
        assert_eq!(removes(&after, job.id).await, Ok(()), "step {last}");
        assert_eq!(after.delete_once(job.id, "k-2").await, Err(JobDeleteRefused::NotFound));
    }
    assert!(removed > 0);
}

/// Removes it, as soon as its end is written down.
async fn removes(jobs: &Jobs, id: panelboard_tasks::JobId) -> Result<(), JobDeleteRefused> {
    loop {
        match jobs.delete_once(id, "k-1").await {
            Err(JobDeleteRefused::NotEnded { .. }) => tokio::task::yield_now().await,
            done => return done,
        }
    }
}
