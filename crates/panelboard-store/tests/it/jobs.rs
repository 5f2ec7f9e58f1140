//! Are jobs kept as their owner wrote them, in groups that are whole, and only by who may?

use std::{
    path::Path,
    sync::{Arc, mpsc},
    time::Duration,
};

use panelboard_store::{
    Class, Clock as _, Failure, FailureKind, Idempotency, Job, JobQuery, JobWrites, Moment,
    Outcome, ReadError, Receipt, Refusal, SessionId, Step, Store, Verdict, WriteError,
};
use rusqlite::Connection;

use crate::support::{
    Rig, WAIT, append, config, end, folder_without_disk, id, image, kept, refused,
};

const ENDS: [&str; 2] = ["succeeded", "failed"];

/// A group with one job in it.
fn put(id: &str, state: &str, attempt: u64) -> JobWrites {
    JobWrites::new().put(id, "simulation", state, attempt, format!("{id} {state}")).unwrap()
}

/// The same, by who has seen that attempt.
fn put_if(seen: u64, id: &str, state: &str, attempt: u64) -> JobWrites {
    let body = format!("{id} {state}");
    JobWrites::new().put_if(seen, id, "simulation", state, attempt, body).unwrap()
}

fn write(store: &Store, jobs: JobWrites) -> Receipt {
    store.write_jobs(jobs).unwrap()
}

fn all(store: &Store) -> Vec<Job> {
    let page = store.jobs(&JobQuery::default(), None, 1_000).unwrap();
    assert_eq!(page.next, None);
    page.jobs
}

/// `ID STATE ATTEMPT` of each job, in order.
fn shown(store: &Store) -> Vec<String> {
    let show = |job: &Job| {
        assert_eq!(*job.body, *format!("{} {}", job.id, job.state).as_bytes());
        format!("{} {} {}", job.id, job.state, job.attempt)
    };
    all(store).iter().map(show).collect()
}

#[test]
fn a_job_is_read_as_it_was_written_last_and_keeps_its_place() {
    let rig = Rig::new();
    let made = rig.clock.wall();
    for id in ["b", "a"] {
        kept(&write(&rig.store, put(id, "queued", 0)));
    }
    rig.clock.advance(Duration::from_secs(60));
    let body = [0, 255, b'\n'];
    let group = JobWrites::new().put("b", "analysis", "running", 1, body).unwrap();
    kept(&write(&rig.store, group));
    let rig = rig.reopen();
    let jobs = all(&rig.store);
    assert_eq!(jobs.iter().map(|job| &*job.id).collect::<Vec<_>>(), ["b", "a"]);
    let job = rig.store.job("b").unwrap().unwrap();
    assert_eq!(job, jobs[0]);
    assert_eq!(
        (&*job.kind, &*job.state, job.attempt, &*job.body),
        ("analysis", "running", 1, &body[..])
    );
    assert_eq!((job.made, job.touched), (made, made + Duration::from_secs(60)));
    assert_eq!(rig.store.job("c").unwrap(), None);
}

#[test]
fn jobs_are_found_by_kind_and_state_in_pages() {
    let rig = Rig::new();
    let mut group = JobWrites::new();
    for n in 0..10 {
        let (kind, state) = (["simulation", "analysis"][n % 2], ["queued", "running"][n / 5]);
        group = group.put(&n.to_string(), kind, state, 0, format!("{n}")).unwrap();
    }
    kept(&write(&rig.store, group));
    let find = |kind: Option<&str>, state: Option<&str>| {
        let query = JobQuery { kind: kind.map(Arc::from), state: state.map(Arc::from) };
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = rig.store.jobs(&query, after, 2).unwrap();
            ids.extend(page.jobs.iter().map(|job| job.id.parse::<u64>().unwrap()));
            after = page.next;
            if after.is_none() {
                return ids;
            }
        }
    };
    assert_eq!(find(None, None), (0..10).collect::<Vec<_>>());
    assert_eq!(find(Some("analysis"), None), [1, 3, 5, 7, 9]);
    assert_eq!(find(None, Some("queued")), [0, 1, 2, 3, 4]);
    assert_eq!(find(Some("analysis"), Some("running")), [5, 7, 9]);
    assert_eq!(find(Some("nobody"), None), [0; 0]);
}

#[test]
fn who_worked_on_an_earlier_attempt_writes_nothing_more() {
    let rig = Rig::new();
    kept(&write(&rig.store, put("a", "running", 1)));
    kept(&write(&rig.store, put_if(1, "a", "running", 2)));
    let late = write(&rig.store, put_if(1, "a", "succeeded", 1));
    assert_eq!(refused(&late), Refusal::OtherAttempt { current: Some(2) });
    assert_eq!(shown(&rig.store), ["a running 2"]);
    kept(&write(&rig.store, put_if(2, "a", "succeeded", 2)));
    let nobody = write(&rig.store, put_if(1, "b", "succeeded", 1));
    assert_eq!(refused(&nobody), Refusal::OtherAttempt { current: None });
    assert_eq!(shown(&rig.store), ["a succeeded 2"]);
}

#[test]
fn a_job_is_removed_in_the_states_that_are_named_and_no_other() {
    let rig = Rig::new();
    kept(&write(&rig.store, put("a", "running", 1)));
    let clean = || write(&rig.store, JobWrites::new().remove("a", &ENDS).unwrap());
    assert_eq!(refused(&clean()), Refusal::OtherState { current: "running".into() });
    kept(&write(&rig.store, put_if(1, "a", "failed", 1)));
    kept(&clean());
    assert_eq!(shown(&rig.store), [""; 0]);
    kept(&clean());
    kept(&write(&rig.store, put("a", "running", 1)));
    kept(&write(&rig.store, JobWrites::new().remove("a", &[]).unwrap()));
    assert_eq!(shown(&rig.store), [""; 0]);
}

#[test]
fn a_group_is_refused_as_a_whole_and_its_neighbours_are_kept() {
    let rig = Rig::with(|config| config.max_jobs(3));
    let a = write(&rig.store, put("a", "queued", 0));
    let new = |group: JobWrites, id: &str| {
        group.put_new(id, "simulation", "queued", 0, format!("{id} queued")).unwrap()
    };
    let half = new(new(put("b", "queued", 0), "c"), "a").remove("a", &[]).unwrap();
    let half = write(&rig.store, half);
    let d = write(&rig.store, new(JobWrites::new(), "d"));
    kept(&a);
    assert_eq!(refused(&half), Refusal::JobExists);
    kept(&d);
    assert_eq!(shown(&rig.store), ["a queued 0", "d queued 0"]);
    // What was refused has not been counted.
    let many = write(&rig.store, new(new(JobWrites::new(), "e"), "f"));
    assert_eq!(refused(&many), Refusal::TooManyJobs { limit: 3 });
    kept(&write(&rig.store, new(JobWrites::new(), "e")));
    assert_eq!(
        refused(&write(&rig.store, put("f", "queued", 0))),
        Refusal::TooManyJobs { limit: 3 }
    );
    let swap = new(JobWrites::new().remove("a", &["queued"]).unwrap(), "f");
    kept(&write(&rig.store, swap));
    assert_eq!(shown(&rig.store), ["d queued 0", "e queued 0", "f queued 0"]);
}

#[test]
fn a_key_is_kept_with_its_job_and_answered_again() {
    let rig = Rig::new();
    let submit = |store: &Store, fingerprint: &str, id: &str| {
        let key = Idempotency::new("POST /v1/jobs", "k-1", fingerprint, format!("job {id}"));
        let new = JobWrites::new().put_new(id, "simulation", "queued", 0, format!("{id} queued"));
        write(store, new.unwrap().key(key.unwrap()))
    };
    // What is refused keeps no key.
    kept(&write(&rig.store, put("7", "queued", 0)));
    assert_eq!(refused(&submit(&rig.store, "f", "7")), Refusal::JobExists);
    assert_eq!(kept(&submit(&rig.store, "f", "8")).outcome, Outcome::New);
    let rig = rig.reopen();
    let again = kept(&submit(&rig.store, "f", "9"));
    assert_eq!(again.outcome, Outcome::Replayed("job 8".as_bytes().into()));
    assert_eq!(refused(&submit(&rig.store, "other", "9")), Refusal::KeyReused);
    assert_eq!(shown(&rig.store), ["7 queued 0", "8 queued 0"]);
}

/// Groups, and what there is after each number of them.
fn script() -> (Vec<JobWrites>, Vec<Vec<&'static str>>) {
    let key = Idempotency::new("POST /v1/jobs", "k-1", "f", "job b").unwrap();
    let groups = vec![
        put("a", "queued", 0),
        put("b", "queued", 0).put("c", "simulation", "queued", 0, "c queued").unwrap().key(key),
        put_if(0, "a", "running", 1).class(Class::Os),
        put_if(1, "a", "failed", 1).put("b", "simulation", "running", 1, "b running").unwrap(),
        JobWrites::new().remove("a", &ENDS).unwrap().remove("c", &[]).unwrap(),
    ];
    let states = vec![
        vec![],
        vec!["a queued 0"],
        vec!["a queued 0", "b queued 0", "c queued 0"],
        vec!["a running 1", "b queued 0", "c queued 0"],
        vec!["a failed 1", "b running 1", "c queued 0"],
        vec!["b running 1"],
    ];
    (groups, states)
}

#[test]
fn a_crash_at_any_step_leaves_whole_groups_and_all_that_were_acknowledged() {
    let (groups, states) = script();
    for crash_at in 0.. {
        let rig = Rig::without_disk(|config| config);
        let (source, copy) = (rig.path.clone(), folder_without_disk());
        let to = copy.path().to_owned();
        let (told, last) = mpsc::sync_channel(1);
        let mut steps = 0;
        let rig = rig.reopen_with(|config| {
            config.inject(move |step, moment| {
                steps += 1;
                if steps <= crash_at {
                    return Verdict::Go;
                }
                image(&source, &to);
                told.send((step, moment)).ok();
                Verdict::Crash
            })
        });
        let mut acknowledged = 0;
        for group in &groups {
            let Ok(receipt) = rig.store.write_jobs(group.clone()) else { break };
            match receipt.wait(WAIT).expect("decided") {
                Ok(_) => acknowledged += 1,
                Err(_) => break,
            }
        }
        let Ok(crashed) = last.try_recv() else {
            assert!(crash_at > 50, "{crash_at} steps");
            assert_eq!(shown(&rig.store), *states.last().unwrap());
            return;
        };
        let after = Store::open(copy.path().join("panelboard.db"), config(&rig.clock)).unwrap();
        let committed = usize::from(crashed == (Step::Commit, Moment::After));
        let there = shown(&after);
        assert_eq!(there, states[acknowledged + committed], "{crash_at}: {crashed:?}");
        // The key is there exactly if its job is.
        let key = Idempotency::new("POST /v1/jobs", "k-1", "f", "again").unwrap();
        let replay = kept(&write(&after, put("z", "queued", 0).key(key)));
        let replayed = replay.outcome == Outcome::Replayed("job b".as_bytes().into());
        assert_eq!(replayed, acknowledged + committed >= 2, "{crash_at}: {crashed:?}");
    }
}

#[test]
fn a_step_that_fails_takes_its_group_along_and_no_other() {
    let (groups, states) = script();
    for fail_at in 0.. {
        let mut steps = 0;
        let (told, failed) = mpsc::sync_channel(1);
        let rig = Rig::without_disk(|config| {
            config.inject(move |step, moment| {
                steps += u32::from(moment == Moment::Before && step != Step::Rollback);
                let now = moment == Moment::Before && step != Step::Rollback;
                if !now || steps != fail_at + 1 {
                    return Verdict::Go;
                }
                told.send(()).ok();
                Verdict::Fail(Failure::new(FailureKind::DiskFull, "injected"))
            })
        });
        for (n, group) in groups.iter().enumerate() {
            let mut ended = end(&write(&rig.store, group.clone()));
            if matches!(&ended, Err(WriteError::Failed(_))) {
                assert_eq!(shown(&rig.store), states[n], "nothing of it: {fail_at}");
                ended = end(&write(&rig.store, group.clone()));
            }
            ended.unwrap();
            assert_eq!(shown(&rig.store), states[n + 1], "{fail_at}");
        }
        if failed.try_recv().is_err() {
            assert!(fail_at > 20, "{fail_at} steps");
            return;
        }
    }
}

#[test]
fn a_job_that_is_not_what_was_written_is_told_and_never_left_out() {
    let rig = Rig::new();
    for id in ["a", "b"] {
        kept(&write(&rig.store, put(id, "queued", 0)));
    }
    for damage in ["state = 'running'", "body = x'00'", "attempt = 7", "id = 'c'"] {
        let db = Connection::open(&rig.path).unwrap();
        db.execute(&format!("UPDATE job SET {damage} WHERE number = 1"), []).unwrap();
        let read = rig.store.jobs(&JobQuery::default(), None, 10);
        assert!(matches!(read, Err(ReadError::Degraded { .. })), "{damage}: {read:?}");
        let mend = "UPDATE job SET id = 'a', state = 'queued', body = ?1, attempt = 0 WHERE \
                    number = 1";
        db.execute(mend, [b"a queued"]).unwrap();
        assert_eq!(shown(&rig.store), ["a queued 0", "b queued 0"]);
    }
}

/// What the program wrote when its layout was the second: a session with a snapshot, a run and two
/// notes, as statements.
const LAYOUT_2: &str = include_str!("fixtures/layout-2.sql");

fn old(path: &Path) {
    let db = Connection::open(path).unwrap();
    // Tables stand there by name, not in the order in which they need each other.
    db.execute_batch("PRAGMA journal_mode = wal; PRAGMA foreign_keys = off").unwrap();
    db.execute_batch(LAYOUT_2).unwrap();
}

#[test]
fn a_file_of_the_layout_before_is_taken_over_with_all_that_is_in_it() {
    let folder = folder_without_disk();
    let path = folder.path().join("panelboard.db");
    old(&path);
    let open = || Store::open(&path, panelboard_store::Config::new().upkeep(false)).unwrap();
    let store = open();
    let session: SessionId = id("s:old");
    let log = store.log(&session, 0, 100).unwrap();
    assert_eq!(log.records.len(), 7);
    // Nobody has said of it that nothing is left to do: so it is looked at.
    assert_eq!(store.unfinished(None, 9).unwrap().sessions.len(), 1);
    let tail = store.tail(&session).unwrap();
    assert!(format!("{tail:?}").contains("version"), "the snapshot's state is there");
    assert_eq!(append(&store, "s:old", r#"{"more":1}"#).tag.seq, 8);
    kept(&write(&store, put("a", "queued", 0)));
    store.shut();
    let store = open();
    assert_eq!(store.log(&session, 0, 100).unwrap().records.len(), 8);
    assert_eq!((shown(&store), store.term()), (vec!["a queued 0".to_owned()], 3));
    store.shut();
    let version: u32 = Connection::open(&path)
        .unwrap()
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .unwrap();
    assert_eq!(version, 4);
}
