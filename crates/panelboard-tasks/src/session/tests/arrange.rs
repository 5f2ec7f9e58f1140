//! Does whoever waits wait where somebody has put it, also after a crash, and does nothing else
//! change?

use super::rig::{Rig, limits};
use crate::session::{
    ArrangeRefused, Arranged, ClearMode, Command, Fence, Given, Kind, Place, Policy, Reply, RunId,
    RunStatus, State, effect::Effect, thin,
};

fn runs(numbers: &[u64]) -> Vec<RunId> {
    numbers.iter().copied().map(RunId).collect()
}

fn arranged(changed: bool, queue: &[u64], steers: &[u64]) -> Reply {
    Reply::Arranged(Arranged { changed, queue: runs(queue), steers: runs(steers) })
}

fn refused(why: ArrangeRefused) -> Reply {
    Reply::ArrangeRefused(why)
}

/// One that runs, and runs 2 to 4 that wait.
fn three_wait() -> Rig {
    let mut rig = Rig::new();
    rig.limits.queue = 4;
    rig.running();
    for _ in 2..=4 {
        rig.submit(Policy::Enqueue);
    }
    rig
}

impl Rig {
    fn arrange(&mut self, run: u64, to: Place) -> Reply {
        self.command(Command::Arrange { run: RunId(run), to })
    }

    /// Who has the slot, one after the other, when each ends as soon as it can.
    fn order(&mut self) -> Vec<u64> {
        let mut order = Vec::new();
        while let Some((run, _)) = self.state.holder() {
            order.push(run.0);
            let fence = self.state.fence;
            self.ok(fence);
        }
        order
    }
}

/// What the next process makes of a log.
fn taken_up(rig: &Rig) -> Vec<RunId> {
    let limits = limits();
    let given = Given { now: rig.now, limits: &limits, zombie_place: true };
    let mut log = rig.log.clone();
    let whole = State::new(super::rig::id(), 2).restore(&log, given).0;
    thin(&mut log, 100, |record| record);
    let thinned = State::new(super::rig::id(), 2).restore(&log, given).0;
    assert_eq!(whole, thinned, "from what is left of it as well");
    let first = whole.holder().map(|(run, _)| run);
    first.into_iter().chain(whole.queue.iter().map(|waiting| waiting.run)).collect()
}

#[test]
fn one_that_waits_goes_where_it_is_put_and_the_others_stay() {
    let mut rig = three_wait();
    let head = rig.state.head;
    assert_eq!(rig.arrange(4, Place::At(0)), arranged(true, &[4, 2, 3], &[]));
    assert_eq!(rig.names(head), ["queue.reordered"]);
    assert_eq!(rig.arrange(4, Place::At(0)), arranged(false, &[4, 2, 3], &[]), "twice is once");
    assert_eq!(rig.state.head, head + 1);
    assert_eq!(rig.arrange(4, Place::At(9)), arranged(true, &[2, 3, 4], &[]), "behind all");
    assert_eq!(rig.arrange(2, Place::At(1)), arranged(true, &[3, 2, 4], &[]));
    assert_eq!(taken_up(&rig), runs(&[3, 2, 4]));
    rig.submit(Policy::Enqueue);
    assert_eq!(taken_up(&rig), runs(&[3, 2, 4, 5]));
    assert_eq!(rig.order(), [1, 3, 2, 4, 5]);
}

#[test]
fn one_that_waits_is_handed_to_the_run_and_taken_back() {
    let mut rig = three_wait();
    assert_eq!(rig.arrange(3, Place::Steer), arranged(true, &[2, 4], &[3]));
    assert!(matches!(rig.effects[..], [Effect::Steered(Fence(1))]), "it is told");
    assert_eq!(rig.arrange(3, Place::Steer), arranged(false, &[2, 4], &[3]));
    let read = rig.command(Command::TakeSteer { fence: Fence(1) });
    assert!(matches!(read, Reply::Steer(Some((RunId(3), _)))));
    let why = ArrangeRefused::NotWaiting(Some(RunStatus::Consumed));
    assert_eq!(rig.arrange(3, Place::At(0)), refused(why), "it was read");
    assert_eq!(rig.arrange(2, Place::Steer), arranged(true, &[4], &[2]));
    assert_eq!(rig.arrange(2, Place::At(1)), arranged(true, &[4, 2], &[]));
    assert_eq!(taken_up(&rig), runs(&[4, 2]));
    assert_eq!(rig.order(), [1, 4, 2]);
}

#[test]
fn a_steer_that_is_not_read_waits_behind_those_that_were_put_in_order() {
    let mut rig = three_wait();
    rig.arrange(2, Place::Steer);
    assert_eq!(rig.arrange(4, Place::At(0)), arranged(true, &[4, 3], &[2]));
    // The order of before was one of runs that are gone by the time that it is read.
    assert_eq!(taken_up(&rig), runs(&[4, 3, 2]));
    rig.cancel(RunId(4));
    assert_eq!(taken_up(&rig), runs(&[3, 2]));
    assert_eq!(rig.order(), [1, 3, 2]);
}

#[test]
fn one_that_is_put_where_it_stands_stays_there_when_a_steer_is_not_read() {
    let mut rig = Rig::new();
    rig.running();
    rig.submit(Policy::Steer);
    rig.submit(Policy::Enqueue);
    assert_eq!(rig.arrange(3, Place::At(0)), arranged(true, &[3], &[2]));
    assert_eq!(rig.arrange(3, Place::At(0)), arranged(false, &[3], &[2]));
    assert_eq!(taken_up(&rig), runs(&[3, 2]));
    assert_eq!(rig.order(), [1, 3, 2]);
}

#[test]
fn what_goes_first_or_waits_no_more_is_not_moved() {
    let mut rig = three_wait();
    let running = ArrangeRefused::NotWaiting(Some(RunStatus::Running));
    assert_eq!(rig.arrange(1, Place::At(0)), refused(running));
    assert_eq!(rig.arrange(99, Place::At(0)), refused(ArrangeRefused::NotWaiting(None)));
    rig.submit(Policy::Interrupt);
    assert_eq!(rig.arrange(5, Place::At(2)), refused(ArrangeRefused::GoesFirst));
    assert_eq!(rig.arrange(2, Place::Steer), refused(ArrangeRefused::NobodyReads), "it stops");
    assert_eq!(rig.arrange(4, Place::At(0)), arranged(true, &[4, 2, 3], &[]), "all the same");
    assert_eq!(taken_up(&rig), runs(&[5, 4, 2, 3]));
    rig.command(Command::Clear(ClearMode::CancelAndClear));
    let gone = ArrangeRefused::NotWaiting(Some(RunStatus::Cancelled));
    assert_eq!(rig.arrange(4, Place::At(0)), refused(gone));
    assert!(rig.state.arranged.is_empty(), "nothing is left of it");
}

#[test]
fn an_order_is_about_no_run_and_no_memory() {
    let mut rig = three_wait();
    let tag = rig.state.tag();
    rig.arrange(4, Place::At(0));
    let kind = &rig.log.last().expect("a record").kind;
    assert!(matches!(kind, Kind::Reordered { moved: RunId(4), .. }) && kind.run().is_none());
    assert_eq!(rig.state.tag(), tag);
}
