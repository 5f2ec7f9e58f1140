//! Streams and iterators: is the outcome that of the end, counted once, and is the place back?

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
};

use futures_util::stream::{self, FusedStream, Stream};
use panelboard::{Breaker, Guarded, Handle, ManualClock, Outcome, Recorded, State};

use crate::support::{SECOND, breaker, panel, quiet, trips_at};

type Item = Result<u32, &'static str>;

/// What a stream does when it is polled.
#[derive(Clone, Copy)]
enum Turn {
    Pending,
    Item(Item),
    Panic,
}

use Turn::{Item as Gives, Panic, Pending};

/// Does its turns and ends. It counts the polls, also those after its end.
fn script(turns: &[Turn]) -> (impl Stream<Item = Item> + Unpin + Send + 'static, Arc<AtomicUsize>) {
    let polls = Arc::new(AtomicUsize::new(0));
    let (mut turns, counted) = (VecDeque::from(turns.to_vec()), Arc::clone(&polls));
    let stream = stream::poll_fn(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        match turns.pop_front() {
            Some(Pending) => Poll::Pending,
            Some(Gives(item)) => Poll::Ready(Some(item)),
            Some(Panic) => panic!("the stream's own panic"),
            None => Poll::Ready(None),
        }
    });
    (stream, polls)
}

fn poll<S: Stream + Unpin>(stream: &mut S) -> Poll<Option<S::Item>> {
    Pin::new(stream).poll_next(&mut Context::from_waker(Waker::noop()))
}

/// Half-open with one place, which one success closes.
fn ready() -> (Arc<Breaker>, ManualClock) {
    let (breaker, hand) = breaker(trips_at(1).backoff_factor(1.0));
    breaker.trip();
    hand.advance(30 * SECOND);
    (breaker, hand)
}

/// What has been counted: failures, ignored, cancelled, late.
fn counted(breaker: &Breaker) -> [u64; 4] {
    let counts = breaker.snapshot().counts;
    [counts.failures, counts.ignored, counts.cancelled, counts.late]
}

#[test]
fn the_end_is_a_success_and_not_the_first_item() {
    let (breaker, _hand) = ready();
    let (stream, _) = script(&[Gives(Ok(1)), Pending, Gives(Ok(2))]);
    let mut stream = breaker.wrap_stream(stream).unwrap();
    assert_eq!(poll(&mut stream), Poll::Ready(Some(Ok(1))));
    assert_eq!(poll(&mut stream), Poll::Pending);
    assert_eq!(poll(&mut stream), Poll::Ready(Some(Ok(2))));
    assert_eq!(breaker.snapshot().probes_in_flight, 1, "the probe is out until the end");
    assert!(stream.recorded().is_none());
    assert_eq!(poll(&mut stream), Poll::Ready(None));
    assert_eq!(breaker.state(), State::Closed);
    let told = stream.recorded().and_then(Recorded::transition).expect("it made the breaker close");
    assert_eq!((told.from, told.to), (State::HalfOpen, State::Closed));
    drop(stream);
    assert_eq!(counted(&breaker), [0; 4], "a drop after the end is no outcome");
}

#[test]
fn an_error_is_a_failure_at_once_and_what_comes_after_it_records_nothing() {
    let (breaker, _hand) = breaker(trips_at(2));
    let (stream, _) = script(&[Gives(Err("a")), Gives(Ok(2)), Gives(Err("b"))]);
    let mut stream = breaker.wrap_stream(stream).unwrap();
    assert_eq!(poll(&mut stream), Poll::Ready(Some(Err("a"))));
    assert_eq!(breaker.snapshot().consecutive_failures, 1, "counted at the item");
    assert_eq!(poll(&mut stream), Poll::Ready(Some(Ok(2))), "later items pass");
    assert_eq!(poll(&mut stream), Poll::Ready(Some(Err("b"))));
    assert_eq!(poll(&mut stream), Poll::Ready(None));
    assert_eq!((breaker.state(), counted(&breaker)), (State::Closed, [1, 0, 0, 0]));
    assert_eq!(breaker.snapshot().consecutive_failures, 1, "the end was no success");
}

#[test]
fn a_stream_dropped_before_its_end_is_a_cancelled_call() {
    for polls in 0..=2 {
        let (breaker, _hand) = ready();
        let (stream, _) = script(&[Gives(Ok(1)), Pending, Gives(Ok(2))]);
        let mut stream = breaker.wrap_stream(stream).unwrap();
        (0..polls).for_each(|_| quiet(poll(&mut stream)));
        assert!(breaker.acquire().is_err(), "the only place is taken");
        drop(stream);
        assert_eq!(breaker.snapshot().probes_in_flight, 0, "after {polls} polls");
        assert_eq!(counted(&breaker), [0, 0, 1, 0]);
        assert_eq!(breaker.state(), State::HalfOpen, "nothing is held against the service");
    }
}

/// The wrapper lives on after the panic, as a task's future may: the outcome is that of the panic.
#[test]
fn a_panic_of_the_stream_counts_where_it_happens() {
    for (is_failure, expected) in [(true, [1, 0, 0, 0]), (false, [0, 0, 1, 0])] {
        let (breaker, _hand) = breaker(trips_at(9).panic_is_failure(is_failure));
        let (stream, _) = script(&[Gives(Ok(1)), Panic, Gives(Ok(2))]);
        let mut stream = breaker.wrap_stream(stream).unwrap();
        assert_eq!(poll(&mut stream), Poll::Ready(Some(Ok(1))));
        assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut stream))).is_err(), "it goes on");
        assert_eq!(counted(&breaker), expected, "before the wrapper is dropped");
        assert_eq!(poll(&mut stream), Poll::Ready(Some(Ok(2))));
        assert_eq!(poll(&mut stream), Poll::Ready(None));
        drop(stream);
        assert_eq!(counted(&breaker), expected, "and once");
    }
}

#[test]
fn after_its_end_the_stream_is_not_asked_again() {
    let (breaker, _hand) = breaker(trips_at(9));
    let (stream, polls) = script(&[Gives(Ok(1))]);
    let mut stream = breaker.wrap_stream(stream).unwrap();
    assert!(!stream.is_terminated());
    (0..5).for_each(|_| quiet(poll(&mut stream)));
    assert_eq!(poll(&mut stream), Poll::Ready(None));
    assert!(stream.is_terminated());
    assert_eq!(polls.load(Ordering::Relaxed), 2);
}

#[test]
fn the_size_hint_is_passed_on() {
    let (breaker, _hand) = breaker(trips_at(9));
    let mut stream = breaker.wrap_stream(stream::iter([Ok::<_, ()>(1), Ok(2)])).unwrap();
    for left in [2, 1, 0] {
        assert_eq!(Stream::size_hint(&stream), (left, Some(left)));
        quiet(poll(&mut stream));
    }
    let endless = breaker.wrap_stream(stream::repeat(Ok::<_, ()>(1))).unwrap();
    assert_eq!(Stream::size_hint(&endless), (usize::MAX, None));
    let (unknown, _) = script(&[]);
    let mut unknown = breaker.wrap_stream(unknown).unwrap();
    assert_eq!(Stream::size_hint(&unknown), (0, None));
    quiet(poll(&mut unknown));
    assert_eq!(Stream::size_hint(&unknown), (0, Some(0)), "over is over");
}

#[test]
fn a_rejected_stream_is_not_polled() {
    let (breaker, _hand) = ready();
    let _probe = breaker.acquire().unwrap();
    let (stream, polls) = script(&[Gives(Ok(1))]);
    let rejected = breaker.wrap_stream(stream).map(drop).unwrap_err();
    assert_eq!((rejected.state, polls.load(Ordering::Relaxed)), (State::HalfOpen, 0));
}

#[test]
fn the_outcome_of_an_older_generation_is_late() {
    let (breaker, _hand) = breaker(trips_at(1));
    let (stream, _) = script(&[Gives(Err("a"))]);
    let mut stream = breaker.wrap_stream(stream).unwrap();
    breaker.reset();
    quiet(poll(&mut stream));
    assert_eq!(stream.recorded(), Some(&Recorded::Late));
    assert_eq!((breaker.state(), counted(&breaker)), (State::Closed, [0, 0, 0, 1]));
}

/// `f` fails, `s` succeeds, `i` is ignored, `.` goes on, `!` panics; what each step came to.
#[track_caller]
fn classified(says: &'static str, expected: &str) {
    let (breaker, _hand) = breaker(trips_at(9));
    let mut said = says.chars();
    let classify = move |_: Option<&u32>| match said.next() {
        Some('f') => Some(Outcome::Failure),
        Some('s') => Some(Outcome::Success),
        Some('i') => Some(Outcome::Ignored),
        Some('!') => panic!("the classifier's own panic"),
        _ => None,
    };
    let permit = breaker.acquire().expect("it is closed");
    let mut stream = permit.wrap_stream_with(stream::iter([1, 2]), classify);
    let items = [(); 3].map(|()| poll(&mut stream));
    assert_eq!(items, [Poll::Ready(Some(1)), Poll::Ready(Some(2)), Poll::Ready(None)]);
    assert!(stream.recorded().is_some(), "the end decides at the latest");
    let [failures, ignored, cancelled, late] = counted(&breaker);
    let panics = breaker.snapshot().counts.panics;
    let seen = format!("f{failures} i{ignored} !{panics}");
    assert_eq!((seen.as_str(), cancelled, late), (expected, 0, 0), "{says}");
}

#[test]
fn a_classifier_decides_once() {
    classified("..", "f0 i0 !0");
    classified("..f", "f1 i0 !0");
    classified("..i", "f0 i1 !0");
    classified("f", "f1 i0 !0");
    classified("fff", "f1 i0 !0");
    classified(".sf", "f0 i0 !0");
    classified("if", "f0 i1 !0");
}

#[test]
fn a_classifier_that_panics_is_counted_and_has_said_nothing() {
    classified("!f", "f1 i0 !1");
    classified("..!", "f0 i0 !1");
    classified("!!!", "f0 i0 !3");
}

#[test]
fn somebody_outside_can_decide() {
    let (breaker, _hand) = ready();
    let (hangs, _) = script(&[Gives(Ok(1)), Pending]);
    let mut stream = breaker.wrap_stream(hangs).unwrap();
    quiet(poll(&mut stream));
    let told = Pin::new(&mut stream).decide(Outcome::Failure).expect("it was undecided");
    assert_eq!(told.transition().map(|told| told.to), Some(State::Open));
    assert_eq!(Pin::new(&mut stream).decide(Outcome::Success), None);
    assert_eq!(stream.recorded(), Some(&told));
    drop(stream);
    assert_eq!(counted(&breaker), [1, 0, 0, 0]);
}

fn goes_anywhere<T: Send + 'static>(value: T) -> T {
    value
}

#[test]
fn an_owned_stream_outlives_its_panel_and_ends_on_another_thread() {
    let (panel, hand) = panel(trips_at(1));
    let handle: Handle = panel.breaker("key").unwrap();
    handle.trip();
    hand.advance(30 * SECOND);
    let (stream, _) = script(&[Gives(Ok(1))]);
    let mut stream: Guarded<_> = goes_anywhere(handle.wrap_stream(stream).unwrap());
    drop(panel);
    thread::spawn(move || (0..2).for_each(|_| quiet(poll(&mut stream)))).join().unwrap();
    assert_eq!(handle.state(), State::Closed);
}

/// A stream that may not move: its state is that of an asynchronous block.
#[test]
fn a_pinned_stream_stays_where_it_is() {
    let (breaker, _hand) = ready();
    let pinned = stream::unfold(0, |n| async move { (n < 2).then_some((Ok::<_, ()>(n), n + 1)) });
    let mut stream = pin!(breaker.wrap_stream(pinned).unwrap());
    let mut context = Context::from_waker(Waker::noop());
    let items = [(); 3].map(|()| stream.as_mut().poll_next(&mut context));
    assert_eq!(items, [Poll::Ready(Some(Ok(0))), Poll::Ready(Some(Ok(1))), Poll::Ready(None)]);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn an_iterator_is_decided_as_a_stream_is() {
    let items = |items: &'static [Item]| items.iter().copied();
    let (breaker, _hand) = ready();
    let mut rows = breaker.acquire().unwrap().wrap_iter(items(&[Ok(1), Ok(2)]));
    assert_eq!(rows.size_hint(), (2, Some(2)));
    assert_eq!((rows.next(), rows.next()), (Some(Ok(1)), Some(Ok(2))));
    assert_eq!(breaker.state(), State::HalfOpen);
    assert_eq!((rows.next(), rows.next()), (None, None));
    assert_eq!((breaker.state(), counted(&breaker)), (State::Closed, [0; 4]));

    let mut rows = breaker.acquire().unwrap().wrap_iter(items(&[Ok(1), Err("lost")]));
    assert_eq!(rows.find(|row| row.is_err()), Some(Err("lost")));
    assert_eq!((breaker.state(), counted(&breaker)), (State::Open, [1, 0, 0, 0]));

    breaker.reset();
    drop(breaker.acquire().unwrap().wrap_iter(items(&[Ok(1)])));
    assert_eq!(counted(&breaker), [1, 0, 1, 0]);

    let mut turns = [None, Some(Ok(1)), Some(Err("again"))].into_iter();
    breaker.reset();
    let resumes = std::iter::from_fn(move || -> Option<Item> { turns.next()? });
    let mut rows = breaker.acquire().unwrap().wrap_iter(resumes);
    assert_eq!([rows.next(), rows.next(), rows.next()], [None; 3], "over is over");

    let panics = std::iter::from_fn(|| -> Option<Item> { panic!("the iterator's own panic") });
    let mut rows = breaker.acquire().unwrap().wrap_iter(panics);
    assert!(catch_unwind(AssertUnwindSafe(|| rows.next())).is_err());
    assert_eq!((breaker.state(), counted(&breaker)), (State::Open, [2, 0, 1, 0]));
}
