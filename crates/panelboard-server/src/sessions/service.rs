//! What can be done with sessions, whatever the transport?
//!
//! Everything takes place in the sessions' own step; here names become sessions, words become
//! commands, and what came of them becomes JSON.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use panelboard_llm::Gateway;
use panelboard_store::{Idempotency, Owner};
use panelboard_tasks::{
    CancelMode, ClearMode, Cleared, Fingerprint, IdempotencyKey, Journal as _, LockError, Lsn,
    OnDisconnect, Policy, Refused, RequestId, RunId, RunStatus, SessionId, SessionView, Sessions,
    Stopped, Submission, Submitted, Tag, Unavailable, WriteRefused, Written,
};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::book::{Book, End};
use super::fold::{Fold, Input, NewItem};
use super::keeper::{Deleted, Keeper, Made};
use super::once::Flights;
use super::own::{Limits, Own};
use super::reading::NoSession;
use super::recovery::Recovery;
use super::trouble::Trouble;
use super::{shown, tools, words};
use crate::{config, fault};

/// Bytes of a session's memory; beyond, no input is taken until it is cleared or replaced.
pub(crate) const MAX_MEMORY: usize = 16 << 20;

/// The longest record that the sessions take; in the store it has what stands beside it as well.
pub(crate) const MAX_RECORD: usize = 960 << 10;

/// How long a client waits for the disk. What was asked for is done all the same.
const DISK: Duration = Duration::from_secs(15);

/// How long a run that is ended by force has to write down what it has said.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// How long a session that is given up, or deleted, is waited for.
const PATIENCE: Duration = Duration::from_millis(250);

/// All sessions of the process.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) sessions: Sessions,
    pub(crate) keeper: Arc<Keeper>,
    /// Knows which models there are.
    gateway: Gateway,
    pub(crate) settings: config::Sessions,
    on_conflict: Policy,
    /// One permit for each socket and stream.
    places: Arc<Semaphore>,
    /// Commands that have a key and are no run.
    pub(super) flights: Flights,
    pub(crate) counts: Counts,
    pub(super) recovery: Recovery,
}

/// What passes, for metrics.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sockets: AtomicU64,
    pub(crate) streams: AtomicU64,
    pub(crate) opened: AtomicU64,
    pub(crate) slow: AtomicU64,
    pub(crate) silent: AtomicU64,
    pub(crate) hurried: AtomicU64,
    pub(crate) bad_frames: AtomicU64,
    pub(crate) resyncs: AtomicU64,
    pub(crate) given_up: AtomicU64,
}

impl Counts {
    pub(crate) fn add(counter: &AtomicU64) {
        // Carries only itself.
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn take(counter: &AtomicU64) {
        counter.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn read(counter: &AtomicU64) -> u64 {
        counter.load(Ordering::Relaxed)
    }
}

/// What is asked of a session when something is submitted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ask {
    pub(crate) text: String,
    pub(crate) model: Option<String>,
    /// What the model may call. Checked.
    pub(crate) tools: Option<Value>,
    pub(crate) on_conflict: Option<Policy>,
    pub(crate) on_disconnect: OnDisconnect,
    pub(crate) timeout: Option<Duration>,
    /// Only if the memory is still this one.
    pub(crate) only_on: Option<Tag>,
    /// What the client calls it.
    pub(crate) key: Option<String>,
}

impl Ask {
    /// The client's name for it, with a digest of what the client has sent, `tools` as JSON among
    /// it: no setting is in it, so a repeat is one whatever they are by then.
    fn named(&self, tools: Option<&str>) -> Result<Option<IdempotencyKey>, Trouble> {
        let Some(key) = &self.key else { return Ok(None) };
        let how = format!("{:?} {:?}", self.on_disconnect, self.timeout);
        let model = self.model.as_deref().unwrap_or("\0");
        let policy = self.on_conflict.map_or("\0", words::policy);
        let mut said = vec!["submit", &self.text, model, policy, &how];
        said.extend(tools);
        let only_on = self.only_on.map(|tag| format!("if it is {tag}"));
        said.extend(only_on.as_deref());
        Ok(Some(IdempotencyKey::new(key_rule(key)?, fingerprint(&said))))
    }
}

impl Service {
    pub(crate) fn new(
        sessions: Sessions,
        keeper: Arc<Keeper>,
        gateway: Gateway,
        settings: config::Sessions,
    ) -> Self {
        let places = Arc::new(Semaphore::new(settings.max_connections));
        let on_conflict = words::policy_of(&settings.on_conflict).unwrap_or_default();
        let counts = Counts::default();
        let (flights, recovery) = (Flights::default(), Recovery::default());
        Self { sessions, keeper, gateway, settings, on_conflict, places, flights, counts, recovery }
    }

    /// A place for one more socket or stream.
    pub(crate) fn place(&self) -> Result<OwnedSemaphorePermit, Trouble> {
        let limit = self.settings.max_connections;
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map_err(|_| Trouble::TooManyConnections { limit })
    }

    /// The session in memory, read from the store if it is not there; made if `make`.
    pub(crate) async fn book(&self, id: &SessionId, make: bool) -> Result<Arc<Book>, Trouble> {
        let mut waited = false;
        loop {
            if let Some(book) = self.keeper.book(id) {
                let Some(end) = book.ended() else {
                    book.touch();
                    return Ok(book);
                };
                let gone = self.give_up(&book);
                if waited {
                    return Err(self.not_gone_yet(id, end, make).await);
                }
                waited = true;
                // In both cases: look again.
                tokio::time::timeout(PATIENCE, gone).await.ok();
                continue;
            }
            match self.keeper.find(id).await {
                Ok(_) => {}
                Err(NoSession::Absent) if make => {
                    self.keeper.make(id, &Own::default(), None).await.map_err(Trouble::ended)?;
                }
                Err(why) => return Err(Trouble::no_session(why, id.as_str())),
            }
            match self.sessions.view(id).await {
                // It was removed after it was found: look again.
                Err(Unavailable::Unreadable | Unavailable::Moved)
                    if matches!(self.keeper.find(id).await, Err(NoSession::Absent)) => {}
                taken_up => {
                    taken_up.map_err(|why| Trouble::unavailable(why, id.as_str()))?;
                }
            }
        }
    }

    /// Why there is no session to be had while what had its name is still there.
    async fn not_gone_yet(&self, id: &SessionId, end: End, make: bool) -> Trouble {
        match end {
            End::Deleted => match self.keeper.find(id).await {
                Err(NoSession::Absent) if !make => {
                    Trouble::NoSuchSession { session: id.to_string() }
                }
                _ => Trouble::Leaving,
            },
            end => Trouble::ended(end),
        }
    }

    /// What is in memory of this session is not what is kept of it: it is stopped, and forgotten
    /// when nothing of it is left. The answer ends then.
    pub(crate) fn give_up(&self, book: &Arc<Book>) -> impl Future<Output = ()> + use<> {
        let gone = book.gone();
        let gone = async move { gone.cancelled_owned().await };
        if book.begin_to_give_up() {
            Counts::add(&self.counts.given_up);
            let (sessions, keeper) = (self.sessions.clone(), Arc::clone(&self.keeper));
            let book = Arc::clone(book);
            tokio::spawn(async move {
                // That something of before was not kept is known, and no reason to wait.
                let moved = || sessions.lose_ownership(&book.id);
                while let Err(Unavailable::Lock(LockError::Timeout)) = moved().await {}
                // Its run is gone, and those who followed it have been told and have left.
                let quiet = || sessions.passivate_when_quiet(&book.id);
                while let Err(Unavailable::Lock(LockError::Timeout)) = quiet().await {}
                keeper.forget(&book);
                book.gone().cancel();
            });
        }
        gone
    }

    /// Makes a session; what the store has of it, if it is new. The key is kept with it then.
    pub(crate) async fn make(
        &self,
        id: &SessionId,
        own: &Own,
        key: Option<Idempotency>,
    ) -> Result<Option<panelboard_store::Session>, Trouble> {
        if let Some(book) = self.keeper.book(id)
            && book.ended().is_some()
        {
            tokio::time::timeout(PATIENCE, self.give_up(&book)).await.ok();
        }
        let session = id.to_string();
        match self.keeper.make(id, own, key).await.map_err(Trouble::ended)? {
            Made::New(epoch) => {
                let found = self.keeper.find(id).await;
                let found = found.map_err(|why| Trouble::no_session(why, id.as_str()))?;
                // Else somebody has deleted it and made another.
                let this = Some(found).filter(|found| found.epoch == epoch);
                this.map(Some).ok_or(Trouble::NoSuchSession { session })
            }
            Made::Same => Ok(None),
            Made::Other => Err(Trouble::ExistsDifferently { session }),
        }
    }

    /// Ends all that runs and waits in a session, and removes it. The key is kept with that.
    pub(crate) async fn delete(
        &self,
        id: &SessionId,
        mode: ClearMode,
        key: Option<Idempotency>,
    ) -> Result<(), Trouble> {
        let book = match self.book(id, false).await {
            Ok(book) => Some(book),
            // That it was not there is what there is to keep.
            Err(Trouble::NoSuchSession { .. }) if key.is_some() => None,
            Err(Trouble::NoSuchSession { .. }) => return Ok(()),
            // What can't be read can be removed all the same.
            Err(Trouble::Unreadable { .. }) => None,
            Err(why) => return Err(why),
        };
        loop {
            let idle = match &book {
                Some(book) => self.emptied(book, mode).await?,
                None => None,
            };
            match self.keeper.delete(id, idle, key.clone()).await.map_err(Trouble::ended)? {
                Deleted::Yes => break,
                // Whether it is idle now the next clear says.
                Deleted::Fenced => {}
            }
        }
        if let Some(book) = book {
            self.keeper.end(&book, End::Deleted);
            tokio::time::timeout(PATIENCE, self.give_up(&book)).await.ok();
        }
        Ok(())
    }

    /// Clears what is to be deleted. If only while it is idle, who has it as long as no run starts.
    async fn emptied(&self, book: &Arc<Book>, mode: ClearMode) -> Result<Option<Owner>, Trouble> {
        loop {
            self.clear(&book.id, mode, None).await?;
            if mode != ClearMode::IfIdle || fault::DELETE_UNFENCED.planted() {
                return Ok(None);
            }
            let look = |view: &SessionView| view.active.is_none().then_some(view.fence);
            let idle = in_time(self.sessions.look(&book.id, look)).await?;
            if let Some(fence) = idle.map_err(|why| self.unavailable(why, book))? {
                return Ok(Some(self.keeper.owner(book, fence)));
            }
        }
    }

    /// Asks for a run.
    pub(crate) async fn submit(&self, id: &SessionId, ask: Ask) -> Result<Submitted, Trouble> {
        // Written once: its length counts, and it is in the digest.
        let tools = ask.tools.as_ref().map(Value::to_string);
        let bytes = ask.text.len() + tools.as_ref().map_or(0, String::len);
        let key = ask.named(tools.as_deref())?;
        match self.submit_new(id, (ask, bytes), key.clone()).await {
            Err(refused) => self.replay_of_run(id, key, refused).await,
            accepted => accepted,
        }
    }

    async fn submit_new(
        &self,
        id: &SessionId,
        (ask, bytes): (Ask, usize),
        key: Option<IdempotencyKey>,
    ) -> Result<Submitted, Trouble> {
        self.is_short_enough(bytes, &Limits::default())?;
        self.know_the_model(&ask)?;
        let book = self.book(id, true).await?;
        self.is_short_enough(bytes, &book.own.limits)?;
        Self::has_room(&book, ask.text.len())?;
        let submission = self.submission(ask, key.clone(), &book.own)?;
        let done = match key {
            Some(key) => self.submit_keyed(&book, submission, &key).await?,
            None => in_time(self.sessions.submit(id, submission)).await?,
        };
        done.map_err(|why| {
            if let Refused::Unavailable(why) = why {
                return self.unavailable(why, &book);
            }
            let mut trouble = Trouble::refused(why, id.as_str(), self.limits(&book));
            self.say_since(&book, &mut trouble);
            trouble
        })
    }

    /// A model that is not there is told at once; one that goes while a run waits, the run tells.
    fn know_the_model(&self, ask: &Ask) -> Result<(), Trouble> {
        let Some(model) = &ask.model else { return Ok(()) };
        let known = self.gateway.models();
        if known.contains(model) {
            return Ok(());
        }
        Err(Trouble::UnknownModel { model: model.clone(), known })
    }

    fn limits(&self, book: &Book) -> (usize, usize) {
        (book.own.limits.max_queue(&self.settings), MAX_RECORD)
    }

    fn is_short_enough(&self, bytes: usize, limits: &Limits) -> Result<(), Trouble> {
        let limit = limits.max_input_bytes(&self.settings);
        if bytes > limit { Err(Trouble::TooLarge { limit }) } else { Ok(()) }
    }

    fn has_room(book: &Book, bytes: usize) -> Result<(), Trouble> {
        if book.look(|fold| fold.bytes).0.saturating_add(bytes) > MAX_MEMORY {
            return Err(Trouble::MemoryFull { limit: MAX_MEMORY });
        }
        Ok(())
    }

    fn submission(
        &self,
        ask: Ask,
        key: Option<IdempotencyKey>,
        own: &Own,
    ) -> Result<Submission, Trouble> {
        let policy = ask.on_conflict.or(own.policy).unwrap_or(self.on_conflict);
        let longest = own.limits.run_timeout(&self.settings);
        let timeout = ask.timeout.map_or(longest, |timeout| timeout.min(longest));
        let input = Input { text: ask.text, model: ask.model, tools: ask.tools };
        let input = serde_json::to_vec(&input)
            .map_err(|_| Trouble::Bad { what: "the input is no text".to_owned() })?;
        let submission = Submission::new(input).policy(policy).timeout(timeout);
        let mut submission = submission.on_disconnect(ask.on_disconnect);
        if let Some(limit) = own.limits.max_queue {
            submission = submission.queue_limit(limit);
        }
        if let Some(tag) = ask.only_on {
            submission = submission.only_on(tag);
        }
        Ok(match key {
            Some(key) => submission.key(key),
            None => submission,
        })
    }

    fn say_since(&self, book: &Book, trouble: &mut Trouble) {
        if let Trouble::Busy { run, since, .. } = trouble {
            *since = book.look(|fold| fold.runs.get(&run.0).map(|one| one.since.clone())).0;
        }
    }

    pub(super) fn not_kept(&self, book: &Arc<Book>) -> Trouble {
        drop(self.give_up(book));
        Trouble::ended(book.ended().unwrap_or(End::NotKept))
    }

    /// Stops a run, or the one that has the slot. Answers which, and what came of it.
    pub(crate) async fn cancel(
        &self,
        id: &SessionId,
        run: Option<RunId>,
        (mode, rollback): (CancelMode, bool),
        key: Option<IdempotencyKey>,
    ) -> Result<(Option<RunId>, Stopped), Trouble> {
        let book = self.book(id, false).await?;
        let Some(run) = run.or_else(|| book.look(|fold| fold.active).0) else {
            return Ok((None, Stopped { changed: false, status: None }));
        };
        let known = book.look(|fold| fold.runs.get(&run.0).map(|one| one.status)).0;
        if known.is_none() {
            let (session, run) = (id.to_string(), run.to_string());
            return Err(Trouble::NoSuchRun { session, run });
        }
        let stopped = if rollback {
            let keyed = self.sessions.keyed(key);
            in_time(keyed.cancel_and_roll_back(id, Some(run), mode)).await?
        } else if mode == CancelMode::Force {
            in_time(self.force(id, run, key)).await?
        } else {
            in_time(self.sessions.keyed(key).cancel(id, Some(run), mode)).await?
        };
        let mut stopped = stopped.map_err(|why| self.unavailable(why, &book))?;
        // The sessions forget an end after a while, the records do not.
        stopped.status = stopped.status.or(known);
        Ok((Some(run), stopped))
    }

    /// Tells a run to stop, and ends it a moment later if it does not: a task that is ended at once
    /// can't keep what it has said. Who asks again does not want to wait.
    async fn force(
        &self,
        id: &SessionId,
        run: RunId,
        key: Option<IdempotencyKey>,
    ) -> Result<Stopped, Unavailable> {
        let keyed = self.sessions.keyed(key);
        let stopped = keyed.cancel(id, Some(run), CancelMode::Graceful).await?;
        if stopped.status != Some(RunStatus::Stopping) {
            return Ok(stopped);
        }
        if !stopped.changed {
            return self.sessions.cancel(id, Some(run), CancelMode::Force).await;
        }
        let (sessions, id) = (self.sessions.clone(), id.clone());
        tokio::spawn(async move {
            if tokio::time::timeout(LAST_WORDS, sessions.finished(&id, run)).await.is_err() {
                // An error: it is given up, and its run with it.
                sessions.cancel(&id, Some(run), CancelMode::Force).await.ok();
            }
        });
        Ok(stopped)
    }

    pub(super) fn unavailable(&self, why: Unavailable, book: &Arc<Book>) -> Trouble {
        match why {
            Unavailable::NotKept | Unavailable::Moved => self.not_kept(book),
            // It was given up since it was found: what there is of its name now is not it.
            _ if book.ended().is_some() => self.not_kept(book),
            why => Trouble::unavailable(why, book.id.as_str()),
        }
    }

    /// Answers what a run has asked.
    pub(crate) async fn answer(
        &self,
        id: &SessionId,
        run: RunId,
        request: RequestId,
        input: &Value,
        key: Option<&str>,
    ) -> Result<(), Trouble> {
        let text = input.to_string();
        let digest = fingerprint(&["answer", &run.to_string(), &request.to_string(), &text]);
        let key = key.map(key_rule).transpose()?;
        let key = key.map(|key| IdempotencyKey::new(key, digest));
        match self.answer_new(id, (run, request), text, key.clone()).await {
            Err(refused) => self.replay_of_answer(id, request, key, refused).await,
            taken => taken,
        }
    }

    async fn answer_new(
        &self,
        id: &SessionId,
        (run, request): (RunId, RequestId),
        text: String,
        key: Option<IdempotencyKey>,
    ) -> Result<(), Trouble> {
        let book = self.book(id, false).await?;
        Self::has_room(&book, text.len())?;
        let done = in_time(self.sessions.answer(id, run, request, text, key)).await?;
        done.map_err(|why| match why {
            panelboard_tasks::AnswerRefused::Unavailable(why) => self.unavailable(why, &book),
            why => Trouble::answer(why, id.as_str(), MAX_RECORD),
        })
    }

    pub(crate) async fn clear(
        &self,
        id: &SessionId,
        mode: ClearMode,
        key: Option<IdempotencyKey>,
    ) -> Result<Cleared, Trouble> {
        let book = self.book(id, false).await?;
        let cleared = in_time(self.sessions.keyed(key).clear(id, mode)).await?;
        cleared.map_err(|why| {
            if let panelboard_tasks::ClearRefused::Unavailable(why) = why {
                return self.unavailable(why, &book);
            }
            let mut trouble = Trouble::clear(why, id.as_str());
            self.say_since(&book, &mut trouble);
            trouble
        })
    }

    /// Adds an item to the memory.
    pub(crate) async fn note(
        &self,
        id: &SessionId,
        item: &NewItem,
        key: Option<IdempotencyKey>,
    ) -> Result<Written, Trouble> {
        self.is_short_enough(item.len(), &Limits::default())?;
        // A call or a result alone would have nothing to go with.
        tools::paired(std::slice::from_ref(item)).map_err(|what| Trouble::Bad { what })?;
        let book = self.book(id, true).await?;
        self.is_short_enough(item.len(), &book.own.limits)?;
        Self::has_room(&book, item.len())?;
        let note = self.sessions.keyed(key).note(id, "note", json!(item).to_string());
        let written = in_time(note).await?;
        written.map_err(|why| self.write_refused(why, &book))
    }

    /// Makes the memory these items, if it is still the one that `tag` names.
    pub(crate) async fn replace(
        &self,
        id: &SessionId,
        (tag, items): (Tag, &[NewItem]),
        key: Option<IdempotencyKey>,
    ) -> Result<Written, Trouble> {
        let book = self.book(id, false).await?;
        tools::paired(items).map_err(|what| Trouble::Bad { what })?;
        let items = json!(items).to_string();
        let replace = self.sessions.keyed(key).replace(id, tag, "items", items);
        let written = in_time(replace).await?;
        written.map_err(|why| self.write_refused(why, &book))
    }

    fn write_refused(&self, why: WriteRefused, book: &Arc<Book>) -> Trouble {
        match why {
            WriteRefused::Unavailable(why) => self.unavailable(why, book),
            why => Trouble::write(why, book.id.as_str(), MAX_RECORD),
        }
    }

    /// Looks at a session's records, and answers when what was seen would survive.
    pub(crate) async fn seen<R>(
        &self,
        book: &Arc<Book>,
        look: impl FnOnce(&Fold) -> R,
    ) -> Result<R, Trouble> {
        let (seen, at) = book.look(look);
        self.kept(book, at).await?;
        Ok(seen)
    }

    async fn kept(&self, book: &Arc<Book>, at: Lsn) -> Result<(), Trouble> {
        if self.keeper.is_durable(at) {
            return Ok(());
        }
        in_time(self.keeper.durable(at)).await?.map_err(|_| self.not_kept(book))
    }

    /// The session as people see it: all of it at one instant, that of the session's step.
    pub(crate) async fn show(&self, id: &SessionId) -> Result<Value, Trouble> {
        let book = self.book(id, false).await?;
        if fault::SHOWN_IN_TWO_LOOKS.planted() {
            let view = in_time(self.sessions.view(id)).await?;
            let view = view.map_err(|why| self.unavailable(why, &book))?;
            return self.seen(&book, |fold| shown::session(&book, fold, &view)).await;
        }
        let look = |view: &SessionView| {
            // Not the one of above, which may have been given up since: the one of this view.
            let book = self.keeper.book(id)?;
            Some(book.look(|fold| shown::session(&book, fold, view)).0)
        };
        let seen = in_time(self.sessions.look(id, look)).await?;
        // While a session is in memory it has its book.
        seen.map_err(|why| self.unavailable(why, &book))?.ok_or(Trouble::StoreFailed)
    }

    /// Waits until a run has ended.
    pub(crate) async fn finished(
        &self,
        id: &SessionId,
        run: RunId,
    ) -> Result<Option<RunStatus>, Trouble> {
        let book = self.book(id, false).await?;
        let ended = self.sessions.finished(id, run).await;
        ended.map_err(|why| self.unavailable(why, &book))
    }
}

/// Waits for the disk, but not for ever.
pub(crate) async fn in_time<T>(answer: impl Future<Output = T>) -> Result<T, Trouble> {
    tokio::time::timeout(DISK, answer).await.map_err(|_| Trouble::StoreSlow)
}

/// A key as a client may send it.
pub(crate) fn key_rule(key: &str) -> Result<&str, Trouble> {
    let fits = (1..=255).contains(&key.len()) && !key.chars().any(char::is_control);
    if fits { Ok(key) } else { Err(Trouble::BadKey) }
}

/// A digest of a command (FNV-1a of 64 bits): it tells a repetition from a mistake, it guards
/// nothing.
pub(crate) fn fingerprint(parts: &[&str]) -> Fingerprint {
    let mut sum = 0xcbf2_9ce4_8422_2325_u64;
    let mut put = |byte: u8| {
        sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    };
    for part in parts {
        part.bytes().for_each(&mut put);
        // Parts end where no text can have a byte.
        put(0xff);
    }
    // No wider: JSON's numbers are not, in most hands.
    Fingerprint(sum.into())
}

/// Whether something has been said, once.
#[derive(Debug, Default)]
pub(crate) struct Once(AtomicBool);

impl Once {
    pub(crate) fn first(&self) -> bool {
        // Carries only itself.
        !self.0.swap(true, Ordering::Relaxed)
    }
}
