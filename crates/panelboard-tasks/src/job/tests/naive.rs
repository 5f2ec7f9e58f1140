//! Do jobs do what naive ones do, that know neither writes nor effects?
//!
//! The naive ones below are also the shortest description of the permits.

use proptest::prelude::*;

use super::rig::{GRACE, Rig, id};
use crate::job::{
    Command, JobLimits, JobOptions, JobState,
    JobState::{
        Completed, Failed, Paused, Pausing, Queued, Resuming, Running, Starting, Stopped, Stopping,
    },
    NewJob, Outcome, Reply,
};

#[derive(Clone, Copy, Debug)]
enum Op {
    Submit {
        hold: bool,
    },
    Pause(usize),
    Resume(usize),
    Stop(usize),
    Enter(usize),
    Checkpoint(usize),
    Exit(usize, bool),
    /// The grace of all that were told to stop is over.
    Grace,
}

const PERMITS: usize = 2;
const PARKED: usize = 2;

#[derive(Default)]
struct Naive {
    jobs: Vec<Job>,
    /// Who waits, in order; those that are held among them.
    queue: Vec<usize>,
}

struct Job {
    state: JobState,
    held: bool,
    hold: bool,
    permit: bool,
    entered: bool,
    stuck: bool,
}

impl Naive {
    fn op(&mut self, op: Op) {
        match op {
            Op::Submit { hold } => {
                self.queue.push(self.jobs.len());
                let (state, permit, entered) = (Queued, false, false);
                self.jobs.push(Job { state, held: false, hold, permit, entered, stuck: false });
            }
            Op::Grace => self.jobs.iter_mut().for_each(|job| job.stuck |= job.state == Stopping),
            Op::Pause(at) | Op::Resume(at) | Op::Stop(at) if at < self.jobs.len() => {
                self.asked(op, at);
            }
            Op::Enter(at) | Op::Checkpoint(at) | Op::Exit(at, _) if at < self.jobs.len() => {
                self.said(op, at);
            }
            _ => {}
        }
        while self.jobs.iter().filter(|job| job.permit).count() < PERMITS {
            let next = self.queue.iter().position(|at| !self.jobs[*at].held);
            let Some(next) = next else { break };
            let job = &mut self.jobs[self.queue.remove(next)];
            job.permit = true;
            job.state = if job.state == Queued { Starting } else { Running };
        }
    }

    fn asked(&mut self, op: Op, at: usize) {
        let parked =
            self.jobs.iter().filter(|job| matches!(job.state, Pausing | Paused | Resuming));
        let full = parked.count() >= PARKED;
        let job = &mut self.jobs[at];
        match (op, job.state) {
            (Op::Pause(_), Queued | Starting) => job.held = true,
            (Op::Pause(_), Running) if !full => job.state = Pausing,
            (Op::Pause(_), Resuming) => {
                job.state = Paused;
                self.queue.retain(|waits| *waits != at);
            }
            (Op::Resume(_), Queued | Starting) => job.held = false,
            (Op::Resume(_), Pausing) => job.state = Running,
            (Op::Resume(_), Paused) if job.permit => job.state = Running,
            (Op::Resume(_), Paused) => {
                job.state = Resuming;
                job.held = false;
                self.queue.push(at);
            }
            (Op::Stop(_), Queued) => {
                job.state = Stopped;
                self.queue.retain(|waits| *waits != at);
            }
            (Op::Stop(_), Starting | Running | Pausing | Paused | Resuming) => {
                job.state = Stopping;
                self.queue.retain(|waits| *waits != at);
            }
            _ => {}
        }
    }

    fn said(&mut self, op: Op, at: usize) {
        let job = &mut self.jobs[at];
        match (op, job.state) {
            (Op::Enter(_), Starting) => {
                job.state = if job.held { Pausing } else { Running };
                job.entered = true;
                job.held = false;
            }
            (Op::Checkpoint(_), Pausing) => {
                job.state = Paused;
                job.permit = job.hold;
            }
            // One that is parked can't end.
            (Op::Exit(_, ok), Starting | Running | Pausing | Stopping) => {
                let own = if ok { Completed } else { Failed };
                job.state = if job.state == Stopping { Stopped } else { own };
                (job.permit, job.stuck) = (false, false);
            }
            _ => {}
        }
    }
}

/// The same on the real ones.
fn real(rig: &mut Rig, op: Op) {
    let job = |at: usize| id(at as u64 + 1);
    match op {
        Op::Submit { hold } => {
            let options = JobOptions { hold_permit: hold, ..JobOptions::default() };
            let reply = rig.command(Command::Submit(NewJob::new("", "").options(options)));
            assert!(matches!(reply, Reply::Submitted(_)), "{reply:?}");
        }
        Op::Grace => rig.tick_after(GRACE),
        Op::Pause(at) => drop(rig.command(Command::Pause(job(at)))),
        Op::Resume(at) => drop(rig.command(Command::Resume(job(at)))),
        Op::Stop(at) => drop(rig.command(Command::Stop(job(at)))),
        Op::Enter(at) if knows(rig, at) => drop(rig.enter(job(at))),
        Op::Checkpoint(at) if knows(rig, at) => drop(rig.checkpoint(job(at))),
        Op::Exit(at, ok) if knows(rig, at) && !matches!(rig.at(job(at)), Paused | Resuming) => {
            let text = "".into();
            let outcome = if ok { Outcome::Ok(text) } else { Outcome::Failed(text) };
            rig.exit(job(at), outcome, false);
        }
        _ => {}
    }
}

fn knows(rig: &Rig, at: usize) -> bool {
    rig.state.job(id(at as u64 + 1)).is_some()
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        3 => any::<bool>().prop_map(|hold| Op::Submit { hold }),
        3 => (0..6_usize).prop_map(Op::Pause),
        3 => (0..6_usize).prop_map(Op::Resume),
        2 => (0..6_usize).prop_map(Op::Stop),
        4 => (0..6_usize).prop_map(Op::Enter),
        4 => (0..6_usize).prop_map(Op::Checkpoint),
        3 => (0..6_usize, any::<bool>()).prop_map(|(at, ok)| Op::Exit(at, ok)),
        1 => Just(Op::Grace),
    ];
    proptest::collection::vec(op, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn jobs_do_what_naive_ones_do(ops in ops()) {
        let mut naive = Naive::default();
        let mut rig = Rig::new();
        rig.limits = JobLimits {
            permits: PERMITS, paused: PARKED, queue: 99, records: 99, ..rig.limits
        };
        for op in ops {
            naive.op(op);
            real(&mut rig, op);
            for (at, job) in naive.jobs.iter().enumerate() {
                let number = id(at as u64 + 1);
                let real = rig.state.job(number).expect("known");
                let (state, permit) = (real.row.state, real.permit);
                prop_assert_eq!((state, permit), (job.state, job.permit), "{} {:?}", number, op);
                prop_assert_eq!(real.row.stuck, job.stuck, "{} after {:?}", number, op);
            }
        }
    }
}
