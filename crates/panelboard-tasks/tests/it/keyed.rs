//! Does the journal get a command's key with the record that it is done by, and with no other?

use std::sync::{Arc, Mutex};

use panelboard_tasks::{
    BoxFuture, CancelMode, ClearMode, Fingerprint, IdempotencyKey, Journal, Lsn, MemoryJournal,
    NotKept, Policy, Record, RunContext, SessionId, Sessions, Submission, Tag, Unreadable,
};

use crate::support::id;

/// A journal that remembers under which key each record came.
#[derive(Debug, Default)]
struct Keys {
    journal: MemoryJournal,
    seen: Mutex<Vec<(&'static str, Option<String>)>>,
}

impl Keys {
    fn see(&self, records: &[Record], key: Option<&IdempotencyKey>) {
        let mut seen = self.seen.lock().expect("no panic under it");
        for (left, record) in (0..records.len()).rev().zip(records) {
            let key = key.filter(|_| left == 0).map(|key| key.name().to_owned());
            seen.push((record.kind.name(), key));
        }
    }

    /// What came since it was last asked for.
    fn take(&self) -> Vec<(&'static str, Option<String>)> {
        std::mem::take(&mut self.seen.lock().expect("no panic under it"))
    }
}

impl Journal for Keys {
    fn append(&self, records: Vec<Record>) -> Lsn {
        self.see(&records, None);
        self.journal.append(records)
    }

    fn append_keyed(&self, records: Vec<Record>, key: IdempotencyKey) -> Lsn {
        self.see(&records, Some(&key));
        self.journal.append(records)
    }

    fn has_room(&self) -> bool {
        self.journal.has_room()
    }

    fn is_durable(&self, at: Lsn) -> bool {
        self.journal.is_durable(at)
    }

    fn durable(&self, at: Lsn) -> BoxFuture<'_, Result<(), NotKept>> {
        self.journal.durable(at)
    }

    fn load<'a>(
        &'a self,
        session: &'a SessionId,
    ) -> BoxFuture<'a, Result<Vec<Record>, Unreadable>> {
        self.journal.load(session)
    }
}

#[tokio::test]
async fn s24_a_key_goes_with_the_record_that_the_command_is_done_by() {
    let journal = Arc::new(Keys::default());
    let built = Sessions::builder().journal(Arc::clone(&journal) as Arc<dyn Journal>);
    let sessions = built.build(|run: RunContext, input| async move {
        run.stopped().await;
        Ok(input)
    });
    let (sessions, chat) = (sessions.expect("in a runtime"), id("chat"));
    let keyed = |name: &str| sessions.keyed(Some(IdempotencyKey::new(name, Fingerprint(1))));
    let with = |name: &str| Some(name.to_owned());

    let nothing = keyed("c-0").cancel(&chat, None, CancelMode::Graceful).await;
    assert!(!nothing.expect("available").changed);
    assert_eq!(journal.take(), [], "what writes nothing leaves no key");

    keyed("n-1").note(&chat, "item", "one").await.expect("taken");
    let tag = Tag { era: 0, seq: 1 };
    keyed("r-1").replace(&chat, tag, "all", "two").await.expect("the tag is that of now");
    keyed("r-2").replace(&chat, tag, "all", "three").await.expect_err("and now it is not");
    sessions.note(&chat, "item", "three").await.expect("taken");
    let wrote =
        [("memory.noted", with("n-1")), ("memory.replaced", with("r-1")), ("memory.noted", None)];
    assert_eq!(journal.take(), wrote);

    let enqueued = || Submission::new("wait").policy(Policy::Enqueue);
    let first = sessions.submit(&chat, enqueued()).await.expect("idle").run;
    let second = sessions.submit(&chat, enqueued()).await.expect("room").run;
    sessions.submit(&chat, enqueued()).await.expect("room");
    while sessions.status(&chat, first).await.expect("available")
        != Some(panelboard_tasks::RunStatus::Running)
    {
        tokio::task::yield_now().await;
    }
    journal.take();
    keyed("c-1").cancel(&chat, Some(second), CancelMode::Graceful).await.expect("available");
    assert_eq!(journal.take(), [("run.finished", with("c-1"))]);
    // All that it ends comes before the record that it is done by.
    keyed("clear").clear(&chat, ClearMode::CancelAndClear).await.expect("taken");
    let wrote =
        [("run.finished", None), ("run.finished", None), ("session.cleared", with("clear"))];
    assert_eq!(journal.take()[..3], wrote);

    let run = sessions.submit(&chat, Submission::new("wait").policy(Policy::Enqueue)).await;
    let run = run.expect("room").run;
    sessions.finished(&chat, second).await.expect("available");
    while sessions.status(&chat, run).await.expect("available")
        != Some(panelboard_tasks::RunStatus::Running)
    {
        tokio::task::yield_now().await;
    }
    journal.take();
    let taken_back = keyed("c-2").cancel_and_roll_back(&chat, None, CancelMode::Graceful).await;
    assert!(taken_back.expect("available").changed);
    sessions.finished(&chat, run).await.expect("available");
    let wrote = [("run.stopping", with("c-2")), ("run.finished", None)];
    assert_eq!(journal.take()[..2], wrote);
}

#[tokio::test]
async fn what_is_looked_at_together_is_of_one_instant() {
    let journal = Arc::new(MemoryJournal::held());
    let built = Sessions::builder().journal(Arc::clone(&journal) as Arc<dyn Journal>);
    let sessions = built.build(|_, input| async move { Ok(input) }).expect("in a runtime");
    let chat = id("chat");
    let mut first = std::pin::pin!(sessions.note(&chat, "item", "one"));
    assert!(futures_pending(first.as_mut()).await);
    let mut seen = 0;
    let cell = std::cell::Cell::new(0);
    {
        let mut look = std::pin::pin!(sessions.look(&chat, |view| {
            cell.set(cell.get() + 1);
            view.head
        }));
        assert!(futures_pending(look.as_mut()).await, "what it has seen is not durable");
        let mut second = std::pin::pin!(sessions.note(&chat, "item", "two"));
        assert!(futures_pending(second.as_mut()).await);
        journal.commit();
        seen += look.await.expect("available");
        first.await.expect("taken");
        second.await.expect("taken");
    }
    assert_eq!((seen, cell.get()), (1, 1), "what came while it waited is not in it");
}

/// Whether it waits after one turn.
async fn futures_pending<F: Future>(mut future: std::pin::Pin<&mut F>) -> bool {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(future.as_mut().poll(context).is_pending())
    })
    .await
}
