//! What would a store be that forgets how? A map of lists, with the memory by its definition: the
//! records of the era, without the ranges that were rolled back.

use std::collections::BTreeMap;

use panelboard_store::{
    Append, Change, Class, Create, Delete, Effect, Idempotency, NewItem, Outcome, Owner, ReadError,
    Receipt, Refusal, Store, SubmitError, Tag, WriteError,
};

use crate::support::{id, owner};

/// An operation of a script. Sessions and keys are small numbers, so that they meet.
#[derive(Clone, Debug)]
pub(crate) enum Do {
    Create {
        session: u8,
        config: u8,
        key: Option<(u8, u8)>,
    },
    Append {
        session: u8,
        owner: Option<Owner>,
        seq: Seq,
        item: bool,
        class: Class,
        key: Option<(u8, u8)>,
    },
    Clear {
        session: u8,
        tag: Which,
        owner: Option<Owner>,
    },
    Replace {
        session: u8,
        tag: Which,
        items: u8,
    },
    Import {
        session: u8,
        tag: Which,
        items: u8,
    },
    Rollback {
        session: u8,
        tag: Which,
        to: u64,
    },
    Delete {
        session: u8,
        owner: Option<Owner>,
    },
}

/// Which seq an append names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Seq {
    None,
    Next,
    Wrong,
}

/// Which tag a structural write names.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    Current,
    Older,
}

/// What became of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Kept(Tag, &'static str),
    Replayed(Vec<u8>),
    Refused(Refusal),
    Failed,
}

/// An item, as both sides show it.
pub(crate) type Shown = (u64, u32, String, Owner);

/// A session, as both sides show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Absent,
    Deleted,
    There { tag: Tag, owner: Owner, items: Vec<Shown>, log: Vec<(u64, Effect)> },
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Naive {
    sessions: BTreeMap<u8, Session>,
    keys: BTreeMap<u8, (u8, Vec<u8>)>,
}

#[derive(Clone, Debug, Default)]
struct Session {
    config: u8,
    owner: Owner,
    era: u64,
    deleted: bool,
    /// All that were ever written, of every era.
    records: Vec<Record>,
}

#[derive(Clone, Debug)]
struct Record {
    era: u64,
    owner: Owner,
    effect: Effect,
    /// Bodies of the items that it brings.
    items: Vec<String>,
    /// Of a rollback: the last record that stays.
    to: u64,
}

impl Session {
    fn tag(&self) -> Tag {
        Tag { era: self.era, seq: self.records.len() as u64 }
    }

    /// The seq before which no rollback goes: of the last replacement, or of the clear.
    fn floor(&self) -> u64 {
        let of_era = self.numbered().filter(|(_, record)| record.era == self.era);
        let fixed =
            of_era.filter(|(_, record)| matches!(record.effect, Effect::Replace | Effect::Clear));
        fixed.map(|(seq, _)| seq).last().unwrap_or(0)
    }

    fn numbered(&self) -> impl Iterator<Item = (u64, &Record)> {
        (1..).zip(&self.records)
    }

    fn memory(&self) -> Vec<Shown> {
        let rolled_back: Vec<_> = self
            .numbered()
            .filter(|(_, record)| record.effect == Effect::Rollback && record.era == self.era)
            .map(|(seq, record)| record.to + 1..=seq)
            .collect();
        let floor = self.floor();
        let stays =
            |seq: u64| seq >= floor && !rolled_back.iter().any(|range| range.contains(&seq));
        self.numbered()
            .filter(|(seq, record)| record.era == self.era && stays(*seq))
            .flat_map(|(seq, record)| {
                let items = record.items.iter().zip(0..);
                items.map(move |(body, index)| (seq, index, body.clone(), record.owner))
            })
            .collect()
    }

    fn log(&self) -> Vec<(u64, Effect)> {
        let of_era = self.numbered().filter(|(_, record)| record.era == self.era);
        of_era.map(|(seq, record)| (seq, record.effect)).collect()
    }

    fn put(&mut self, by: Option<Owner>, effect: Effect, items: Vec<String>, to: u64) {
        let owner = by.unwrap_or_default();
        self.records.push(Record { era: self.era, owner, effect, items, to });
    }
}

impl Naive {
    /// What `op` must come to, and the state after it.
    pub(crate) fn apply(&mut self, op: &Do, sent: &Sent) -> Told {
        let key = match op {
            Do::Create { key, .. } | Do::Append { key, .. } => *key,
            _ => None,
        };
        if let Some((key, fingerprint)) = key
            && let Some((before, answer)) = self.keys.get(&key)
        {
            let same = *before == fingerprint;
            return if same {
                Told::Replayed(answer.clone())
            } else {
                Told::Refused(Refusal::KeyReused)
            };
        }
        let told = self.decide(op, sent);
        if let (Some((key, fingerprint)), Ok(Told::Kept(_, "new" | "same"))) = (key, &told) {
            self.keys.insert(key, (fingerprint, answer(key, fingerprint)));
        }
        told.unwrap_or_else(Told::Refused)
    }

    fn decide(&mut self, op: &Do, sent: &Sent) -> Result<Told, Refusal> {
        match op {
            Do::Create { session, config, .. } => {
                let before = self.sessions.get(session);
                if let Some(there) = before.filter(|session| !session.deleted) {
                    let same = there.config == *config;
                    return if same {
                        Ok(Told::Kept(there.tag(), "same"))
                    } else {
                        Err(Refusal::Exists)
                    };
                }
                let owner = before.map_or(Owner::default(), |session| session.owner);
                let new = Session { config: *config, owner, ..Session::default() };
                self.sessions.insert(*session, new);
                Ok(Told::Kept(Tag { era: 0, seq: 0 }, "new"))
            }
            Do::Append { session, owner, item, .. } => {
                let there = self.writable(*session, *owner)?;
                let expected = there.tag().seq + 1;
                if sent.seq.is_some_and(|seq| seq != expected) {
                    return Err(Refusal::OutOfOrder { expected });
                }
                there.owner = owner.unwrap_or(there.owner);
                let items = if *item { vec![sent.bodies[0].clone()] } else { vec![] };
                there.put(*owner, if *item { Effect::Item } else { Effect::Event }, items, 0);
                Ok(Told::Kept(there.tag(), "new"))
            }
            Do::Clear { session, owner, .. } => {
                let there = self.tagged(*session, *owner, sent)?;
                there.era += 1;
                there.put(*owner, Effect::Clear, vec![], 0);
                Ok(Told::Kept(there.tag(), "new"))
            }
            Do::Replace { session, .. } => {
                let there = self.tagged(*session, None, sent)?;
                there.put(None, Effect::Replace, sent.bodies.clone(), 0);
                Ok(Told::Kept(there.tag(), "new"))
            }
            Do::Import { session, .. } => {
                let there = self.tagged(*session, None, sent)?;
                there.put(None, Effect::Import, sent.bodies.clone(), 0);
                Ok(Told::Kept(there.tag(), "new"))
            }
            Do::Rollback { session, to, .. } => {
                let there = self.tagged(*session, None, sent)?;
                let to = (*to).max(there.floor()).min(there.tag().seq);
                there.put(None, Effect::Rollback, vec![], to);
                Ok(Told::Kept(there.tag(), "rolled back"))
            }
            Do::Delete { session, owner } => {
                if let Some(there) = self.sessions.get(session).filter(|session| session.deleted) {
                    return Ok(Told::Kept(there.tag(), "same"));
                }
                let there = self.writable(*session, *owner)?;
                there.owner = owner.unwrap_or(there.owner);
                there.deleted = true;
                Ok(Told::Kept(there.tag(), "new"))
            }
        }
    }

    fn writable(&mut self, session: u8, by: Option<Owner>) -> Result<&mut Session, Refusal> {
        let there = self.sessions.get_mut(&session).ok_or(Refusal::Absent)?;
        if there.deleted {
            return Err(Refusal::Deleted);
        }
        match by {
            Some(owner) if owner < there.owner => Err(Refusal::Fenced { current: there.owner }),
            _ => Ok(there),
        }
    }

    fn tagged(
        &mut self,
        session: u8,
        by: Option<Owner>,
        sent: &Sent,
    ) -> Result<&mut Session, Refusal> {
        let there = self.writable(session, by)?;
        if sent.tag != there.tag() {
            return Err(Refusal::StaleTag { current: there.tag() });
        }
        there.owner = by.unwrap_or(there.owner);
        Ok(there)
    }

    pub(crate) fn tag(&self, session: u8) -> Tag {
        self.sessions.get(&session).map_or(Tag { era: 0, seq: 0 }, Session::tag)
    }

    pub(crate) fn state(&self, session: u8) -> State {
        match self.sessions.get(&session) {
            None => State::Absent,
            Some(session) if session.deleted => State::Deleted,
            Some(session) => State::There {
                tag: session.tag(),
                owner: session.owner,
                items: session.memory(),
                log: session.log(),
            },
        }
    }

    pub(crate) fn states(&self) -> Vec<State> {
        (0..SESSIONS).map(|session| self.state(session)).collect()
    }
}

/// How many sessions a script is about.
pub(crate) const SESSIONS: u8 = 3;

/// What is sent for an operation, decided on the state of the naive store.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) tag: Tag,
    pub(crate) seq: Option<u64>,
    pub(crate) bodies: Vec<String>,
}

impl Sent {
    /// Each body is another one, by the number of its operation.
    pub(crate) fn new(op: &Do, number: usize, naive: &Naive) -> Self {
        let body = |index: u8| format!(r#"{{"n":{number},"i":{index}}}"#);
        let (session, which, count) = match op {
            Do::Replace { session, tag, items } | Do::Import { session, tag, items } => {
                (*session, *tag, *items)
            }
            Do::Clear { session, tag, .. } | Do::Rollback { session, tag, .. } => {
                (*session, *tag, 0)
            }
            Do::Append { session, .. }
            | Do::Create { session, .. }
            | Do::Delete { session, .. } => (*session, Which::Current, 1),
        };
        let now = naive.tag(session);
        let tag = match which {
            Which::Current => now,
            Which::Older => Tag { seq: now.seq.wrapping_sub(1) & 0xFFFF, ..now },
        };
        let seq = match op {
            Do::Append { seq: Seq::Next, .. } => Some(now.seq + 1),
            Do::Append { seq: Seq::Wrong, .. } => Some(now.seq + 2),
            _ => None,
        };
        Self { tag, seq, bodies: (0..count).map(body).collect() }
    }
}

pub(crate) fn name(session: u8) -> String {
    format!("session/{session}")
}

fn answer(key: u8, fingerprint: u8) -> Vec<u8> {
    format!("answer {key} {fingerprint}").into_bytes()
}

fn idempotency((key, fingerprint): (u8, u8)) -> Idempotency {
    let answer = answer(key, fingerprint);
    Idempotency::new("scope", &format!("key {key}"), [fingerprint], answer).unwrap()
}

/// Sends `op` to a real store.
pub(crate) fn submit(store: &Store, op: &Do, sent: &Sent) -> Result<Receipt, SubmitError> {
    let new_items = || -> Vec<NewItem> {
        sent.bodies.iter().map(|body| NewItem::new("message", body.as_str()).unwrap()).collect()
    };
    match op {
        Do::Create { session, config, key } => {
            let create = Create::new(&id(&name(*session)), config.to_string()).unwrap();
            let keyed = key.iter().fold(create, |create, key| create.key(idempotency(*key)));
            store.create(keyed)
        }
        Do::Append { session, owner, item, class, key, .. } => {
            let (id, body) = (id(&name(*session)), sent.bodies[0].as_str());
            let new = if *item { Append::new } else { Append::event };
            let append: Append = new(&id, "message", body).unwrap().class(*class);
            let append = owner.iter().fold(append, |append, owner| append.owner(*owner));
            let append = sent.seq.iter().fold(append, |append, seq| append.seq(*seq));
            store.append(key.iter().fold(append, |append, key| append.key(idempotency(*key))))
        }
        Do::Clear { session, owner, .. } => {
            let clear = Change::clear(&id(&name(*session)), sent.tag);
            store.change(owner.iter().fold(clear, |clear, owner| clear.owner(*owner)))
        }
        Do::Replace { session, .. } => {
            store.change(Change::replace(&id(&name(*session)), sent.tag, &new_items()).unwrap())
        }
        Do::Import { session, .. } => {
            store.change(Change::import(&id(&name(*session)), sent.tag, &new_items()).unwrap())
        }
        Do::Rollback { session, to, .. } => {
            store.change(Change::rollback(&id(&name(*session)), sent.tag, *to))
        }
        Do::Delete { session, owner } => {
            let delete = Delete::new(&id(&name(*session)));
            store.delete(owner.iter().fold(delete, |delete, owner| delete.owner(*owner)))
        }
    }
}

/// What a receipt says, in the naive store's words.
pub(crate) fn told(end: Result<panelboard_store::Written, WriteError>) -> Told {
    match end {
        Ok(written) => match written.outcome {
            Outcome::New => Told::Kept(written.tag, "new"),
            Outcome::Same => Told::Kept(written.tag, "same"),
            Outcome::RolledBack { .. } => Told::Kept(written.tag, "rolled back"),
            Outcome::Replayed(answer) => Told::Replayed(answer.to_vec()),
            other => panic!("unheard of: {other:?}"),
        },
        Err(WriteError::Refused(refusal)) => Told::Refused(refusal),
        Err(WriteError::Failed(_)) => Told::Failed,
        Err(other) => panic!("the store is gone: {other}"),
    }
}

/// A session as the real store shows it. Its log from where it begins; see [`same`].
pub(crate) fn state(store: &Store, session: u8) -> State {
    let id = id(&name(session));
    let there = match store.session(&id) {
        Err(ReadError::Absent) => return State::Absent,
        Err(ReadError::Deleted) => return State::Deleted,
        there => there.unwrap(),
    };
    store.check(&id).unwrap();
    let page = store.memory(&id, None, 1_000).unwrap();
    assert_eq!(page.tag, there.tag);
    let shown =
        |item: &panelboard_store::Item| (item.seq, item.index, item.body.to_string(), item.owner);
    let items = page.items.iter().map(shown).collect();
    let log = match store.log(&id, 0, 1_000) {
        Err(ReadError::Gone { earliest }) => store.log(&id, earliest, 1_000),
        page => page,
    };
    let log = log.unwrap().records.iter().map(|record| (record.seq, record.effect)).collect();
    State::There { tag: there.tag, owner: there.owner, items, log }
}

pub(crate) fn states(store: &Store) -> Vec<State> {
    (0..SESSIONS).map(|session| state(store, session)).collect()
}

/// Whether a real store shows what the naive one does. Of the log, the last part may be all that is
/// left of it.
pub(crate) fn same(real: &[State], naive: &[State]) -> bool {
    real.len() == naive.len()
        && real.iter().zip(naive).all(|(real, naive)| match (real, naive) {
            (
                State::There { tag, owner, items, log },
                State::There { tag: t, owner: o, items: i, log: l },
            ) => (tag, owner, items) == (t, o, i) && l.ends_with(log),
            (real, naive) => real == naive,
        })
}

/// For scripts: an owner or none.
pub(crate) fn owners() -> Vec<Option<Owner>> {
    vec![None, Some(owner(1, 1)), Some(owner(1, 2)), Some(owner(2, 0)), Some(owner(2, 1))]
}
