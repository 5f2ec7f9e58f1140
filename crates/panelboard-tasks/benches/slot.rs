//! What does one operation on a slot cost: to look the session up, lock it and take the step? In
//! nanoseconds, as one line of JSON. `cargo bench -p panelboard-tasks`.
//!
//! | operation | what is asked |
//! | --- | --- |
//! | `refused_ns` | a submission that finds the slot taken, and is told by whom |
//! | `status_ns` | where the run that holds it is |
//!
//! A thousand sessions, each with a run that never ends, in turn; one thread, then two that each
//! have sessions of their own. Medians of seven rounds. Without `--bench`, one short round that
//! shows that it runs.

#![expect(clippy::print_stdout, reason = "a bench says what it has measured")]
#![expect(clippy::unwrap_used, reason = "a bench that can't go on has nothing to say")]

use std::{future::pending, thread, time::Instant};

use panelboard_tasks::{RunId, SessionId, Sessions, Submission};

const SESSIONS: usize = 1_000;

fn main() {
    let measures = std::env::args().any(|argument| argument == "--bench");
    let (rounds, laps) = if measures { (7, 200) } else { (1, 1) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (sessions, ids) = runtime.block_on(taken());
    let mut said = Vec::new();
    for threads in [1, 2] {
        for (name, operation) in OPERATIONS {
            let mut measured: Vec<f64> =
                (0..rounds).map(|_| round(&sessions, &ids, threads, laps, operation)).collect();
            measured.sort_by(f64::total_cmp);
            said.push(format!("\"{name}_{threads}\":{:.1}", measured[rounds / 2]));
        }
    }
    println!("{{{}}}", said.join(","));
}

#[derive(Clone, Copy)]
enum Operation {
    Refused,
    Status,
}

const OPERATIONS: [(&str, Operation); 2] =
    [("refused_ns", Operation::Refused), ("status_ns", Operation::Status)];

/// Sessions whose slots are taken for good.
async fn taken() -> (Sessions, Vec<SessionId>) {
    let body = |_, _| pending::<Result<_, _>>();
    let sessions = Sessions::builder().max_sessions(2 * SESSIONS).build(body).unwrap();
    let mut ids = Vec::new();
    for number in 0..SESSIONS {
        let id = SessionId::new(&format!("session-{number}")).unwrap();
        assert_eq!(sessions.submit(&id, Submission::new("one")).await.unwrap().run, RunId(1));
        ids.push(id);
    }
    (sessions, ids)
}

/// Nanoseconds of an operation, of which each thread makes so many laps over its own sessions.
fn round(
    sessions: &Sessions,
    ids: &[SessionId],
    threads: usize,
    laps: usize,
    operation: Operation,
) -> f64 {
    let each = ids.len() / threads;
    let start = now();
    thread::scope(|scope| {
        for own in ids.chunks(each) {
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(async {
                    for _ in 0..laps {
                        for id in own {
                            operate(sessions, id, operation).await;
                        }
                    }
                });
            });
        }
    });
    start.elapsed().as_nanos() as f64 / (laps * each) as f64
}

async fn operate(sessions: &Sessions, id: &SessionId, operation: Operation) {
    match operation {
        Operation::Refused => {
            assert!(sessions.submit(id, Submission::new("two")).await.is_err());
        }
        Operation::Status => {
            assert!(sessions.status(id, RunId(1)).await.unwrap().is_some());
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "what is measured is the machine's time")]
fn now() -> Instant {
    Instant::now()
}
