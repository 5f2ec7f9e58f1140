//! The cursor: between its look at the log and its wait, no news is missed.

use std::{
    future::poll_fn,
    mem,
    ops::{Deref, DerefMut},
    sync::Mutex,
    task::{Poll, ready},
};

use panelboard_explore::{block_on, explore, explore_long};

use crate::{
    hub::{Cursor, Delivery, Ended, Event, Hub, News, Of},
    session::{Fence, SessionId},
    sync::{AtomicU64, Ordering},
};

struct World {
    hub: Hub,
    id: SessionId,
    cursors: Mutex<Vec<Cursor>>,
}

/// A cursor that is leaked where a model fails: dropping it takes a lock, which aborts while the
/// thread unwinds.
struct Taken(Option<Cursor>);

impl Deref for Taken {
    type Target = Cursor;

    fn deref(&self) -> &Cursor {
        self.0.as_ref().expect("there until it is dropped")
    }
}

impl DerefMut for Taken {
    fn deref_mut(&mut self) -> &mut Cursor {
        self.0.as_mut().expect("there until it is dropped")
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if std::thread::panicking() {
            mem::forget(self.0.take());
        }
    }
}

impl World {
    fn with(cursors: usize) -> Self {
        let (hub, id) = (Hub::in_memory("boot"), SessionId::new("chat").expect("a good name"));
        let attach = || block_on(hub.attach(&id, None)).expect("room").1;
        let cursors = Mutex::new((0..cursors).map(|_| attach()).collect());
        Self { hub, id, cursors }
    }

    fn publish(&self, seq: u64) -> String {
        self.hub.publish(&self.id, Fence(1), Event::new(seq, "{}")).expect("told");
        "told".into()
    }

    fn take(&self) -> Taken {
        let cursor = self.cursors.lock().expect("no panic under it").pop();
        Taken(Some(cursor.expect("each is taken once")))
    }

    /// Waits for events until it has seen this one. If a wake-up is lost it waits for ever, which a
    /// checker reports.
    fn read_upto(&self, seq: u64) -> String {
        let mut cursor = self.take();
        let mut seen = Vec::new();
        while cursor.position().seq < seq {
            match block_on(cursor.next()) {
                Ok(Delivery::Events(events)) => seen.extend(events.iter().map(|it| it.seq)),
                other => return format!("{other:?}"),
            }
        }
        format!("{seen:?}")
    }

    fn end(&self) -> String {
        self.hub.connections().to_string()
    }
}

#[test]
fn l4_a_cursor_that_waits_hears_of_what_is_published() {
    explore(
        || World::with(1),
        &[|world: &World| world.publish(1), |world: &World| world.read_upto(1)],
        World::end,
        &["told, [1] | 0"],
    );
}

#[test]
fn l4_two_events_are_told_in_order_and_none_is_missed() {
    explore_long(
        || World::with(1),
        &[
            |world: &World| {
                world.publish(1);
                world.publish(2)
            },
            |world: &World| world.read_upto(2),
        ],
        World::end,
        &["told, [1, 2] | 0"],
    );
}

#[test]
fn l4_each_of_two_cursors_hears_of_it() {
    explore(
        || World::with(2),
        &[
            |world: &World| world.publish(1),
            |world: &World| world.read_upto(1),
            |world: &World| world.read_upto(1),
        ],
        World::end,
        &["told, [1], [1] | 0"],
    );
}

#[test]
fn h06_one_that_goes_takes_no_wake_up_of_another_with_it() {
    explore(
        || World::with(2),
        &[
            |world: &World| world.publish(1),
            |world: &World| world.read_upto(1),
            |world: &World| {
                drop(world.take());
                "gone".into()
            },
        ],
        World::end,
        &["told, [1], gone | 0"],
    );
}

#[test]
fn h10_what_is_published_while_one_attaches_is_before_its_head_or_told() {
    explore(
        || World::with(0),
        &[
            |world: &World| world.publish(1),
            |world: &World| {
                let (welcome, cursor) = block_on(world.hub.attach(&world.id, None)).expect("room");
                world.cursors.lock().expect("no panic under it").push(cursor);
                match welcome.head {
                    0 => world.read_upto(1),
                    head => format!("head {head}"),
                }
            },
        ],
        |_| String::new(),
        &["told, [1] | ", "told, head 1 | "],
    );
}

#[test]
fn a_cursor_that_waits_hears_of_the_end() {
    explore(
        || World::with(1),
        &[
            |world: &World| {
                world.hub.end(&world.id, Ended::Deleted);
                "ended".into()
            },
            |world: &World| format!("{:?}", block_on(world.take().next())),
        ],
        World::end,
        &["ended, Ok(Ended(Deleted)) | 0"],
    );
}

/// One who may not be told of pieces now, and so waits only for what is durable.
struct HeldBack {
    news: News,
    published: AtomicU64,
}

#[test]
fn l4_one_that_may_only_be_told_what_is_durable_hears_of_it_among_pieces() {
    explore(
        || HeldBack { news: News::new(), published: AtomicU64::new(0) },
        &[
            |world: &HeldBack| {
                world.published.store(1, Ordering::Release);
                world.news.raise(Of::Durable);
                "published".into()
            },
            |world: &HeldBack| {
                world.news.raise(Of::Any);
                "a piece".into()
            },
            |world: &HeldBack| {
                let mut place = None;
                block_on(poll_fn(|context| {
                    loop {
                        let seen = world.news.count();
                        if world.published.load(Ordering::Acquire) == 1 {
                            return Poll::Ready(());
                        }
                        ready!(world.news.poll(seen, Of::Durable, &mut place, context.waker()));
                    }
                }));
                "heard".into()
            },
        ],
        |_| String::new(),
        &["published, a piece, heard | "],
    );
}
