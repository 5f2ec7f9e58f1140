//! What is told and not kept: messages that are being written, and the latest values of keys.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};

use super::{
    delivery::{Delivery, DeltaRefused, Offset},
    limits::HubLimits,
};
use crate::session::Fence;

/// A message that is being written.
#[derive(Debug)]
struct Message {
    /// Unlike its name, never used again.
    number: u64,
    name: Arc<str>,
    fence: Fence,
    /// It is of this event: nothing of it is told before that is.
    after: u64,
    /// What is gone of its beginning.
    gone: Offset,
    text: BytesMut,
    /// How far it has come.
    upto: Offset,
    /// The piece that was told last: most connections are told the same.
    piece: Option<(Offset, Bytes)>,
}

#[derive(Debug, Default)]
pub(super) struct Transient {
    messages: VecDeque<Message>,
    latest: BTreeMap<Arc<str>, (u64, Bytes)>,
    /// Numbers messages and values, in the order in which they came.
    numbers: u64,
}

/// What a connection has been told of it: at most as much as there are messages.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Where it began in the log: what was begun after that it gets from the beginning on.
    pub(super) from: u64,
    /// Message by number, and how far.
    offsets: Vec<(u64, Offset)>,
    latest: u64,
    present: usize,
}

impl Transient {
    pub(super) fn delta(
        &mut self,
        fence: Fence,
        name: &str,
        offset: u64,
        text: &str,
        limits: &HubLimits,
    ) -> Result<(), DeltaRefused> {
        let known = self.messages.iter().position(|message| &*message.name == name);
        let at = known.map_or(0, |index| self.messages[index].upto.bytes);
        // What is known already may come again; what would leave a hole may not.
        let Some(again) = at.checked_sub(offset) else { return Err(DeltaRefused::Hole { at }) };
        let new = usize::try_from(again).ok().and_then(|again| text.as_bytes().get(again..));
        let index = known.unwrap_or_else(|| self.begin(fence, name, 0, limits));
        self.messages[index].push(new.unwrap_or_default(), limits.message_bytes);
        Ok(())
    }

    /// Announces a message that is of the event `after`.
    pub(super) fn begin_message(
        &mut self,
        fence: Fence,
        name: &str,
        after: u64,
        limits: &HubLimits,
    ) {
        if self.messages.iter().all(|message| &*message.name != name) {
            self.begin(fence, name, after, limits);
        }
    }

    fn begin(&mut self, fence: Fence, name: &str, after: u64, limits: &HubLimits) -> usize {
        if self.messages.len() >= limits.messages.max(1) {
            self.messages.pop_front();
        }
        self.numbers += 1;
        self.messages.push_back(Message {
            number: self.numbers,
            name: name.into(),
            fence,
            after,
            gone: Offset::default(),
            text: BytesMut::new(),
            upto: Offset::default(),
            piece: None,
        });
        self.messages.len() - 1
    }

    pub(super) fn end_message(&mut self, name: &str) {
        self.messages.retain(|message| &*message.name != name);
    }

    /// What runs of before this fence were writing will not go on.
    pub(super) fn end_older(&mut self, fence: Fence) {
        self.messages.retain(|message| message.fence >= fence);
    }

    pub(super) fn latest(
        &mut self,
        key: &str,
        frame: Bytes,
        limits: &HubLimits,
    ) -> Result<(), DeltaRefused> {
        self.numbers += 1;
        if let Some(value) = self.latest.get_mut(key) {
            *value = (self.numbers, frame);
            return Ok(());
        }
        if self.latest.len() >= limits.keys {
            return Err(DeltaRefused::TooMany);
        }
        self.latest.insert(key.into(), (self.numbers, frame));
        Ok(())
    }

    pub(super) fn forget_latest(&mut self, key: &str) {
        self.latest.remove(key);
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len() + self.latest.len()
    }

    /// Whether there is something that this connection, which stands at `at`, was not told.
    pub(super) fn has_more(&self, told: &Told, at: u64, present: Option<usize>) -> bool {
        let behind = |message: &Message| {
            let upto = told.upto(message.number).unwrap_or_default();
            message.after <= at && upto < message.upto
        };
        self.messages.iter().any(behind)
            || self.latest.values().any(|value| value.0 > told.latest)
            || present.is_some_and(|present| present != told.present)
    }

    /// The next thing that this connection, which stands at `at`, was not told.
    pub(super) fn next(
        &mut self,
        told: &mut Told,
        at: u64,
        present: Option<usize>,
    ) -> Option<Delivery> {
        let there = |number: u64| self.messages.iter().any(|message| message.number == number);
        told.offsets.retain(|(number, _)| there(*number));
        let mut begun = self.messages.iter_mut().filter(|message| message.after <= at);
        if let Some(delivery) = begun.find_map(|message| message.next(told)) {
            return Some(delivery);
        }
        if let Some(present) = present.filter(|present| *present != told.present) {
            told.present = present;
            return Some(Delivery::Present(present));
        }
        let newer = self.latest.iter().filter(|(_, value)| value.0 > told.latest);
        let (key, (number, frame)) = newer.min_by_key(|(_, value)| value.0)?;
        told.latest = *number;
        Some(Delivery::Latest { key: Arc::clone(key), frame: frame.clone() })
    }
}

impl Message {
    fn push(&mut self, text: &[u8], most: usize) {
        self.upto = self.upto.plus(Offset::of_bytes(text));
        self.text.extend_from_slice(text);
        self.piece = None;
        self.trim(most);
    }

    fn next(&mut self, told: &mut Told) -> Option<Delivery> {
        // Who has heard of its beginning lacks nothing of it.
        let begun_after = told.from < self.after;
        let known = told.upto(self.number).or_else(|| begun_after.then(Offset::default));
        let (message, upto) = (Arc::clone(&self.name), self.upto);
        if known.unwrap_or_default() == upto {
            return None;
        }
        told.set(self.number, upto);
        match known {
            Some(offset) if offset.bytes >= self.gone.bytes => {
                Some(Delivery::Delta { message, offset, text: self.after(offset) })
            }
            _ => {
                let from = self.gone;
                Some(Delivery::Partial { message, from, upto, text: self.after(from) })
            }
        }
    }

    fn after(&mut self, offset: Offset) -> Bytes {
        if let Some((from, piece)) = &self.piece
            && *from == offset
        {
            return piece.clone();
        }
        let from = (offset.bytes - self.gone.bytes) as usize;
        let piece = Bytes::copy_from_slice(&self.text[from..]);
        self.piece = Some((offset, piece.clone()));
        piece
    }

    /// Drops the beginning of what is too long, by whole characters.
    fn trim(&mut self, most: usize) {
        // With some slack: the rest is copied.
        if self.text.len() <= most + most / 4 {
            return;
        }
        let mut over = self.text.len() - most;
        let within_a_character = |byte: &u8| byte & 0xc0 == 0x80;
        while self.text.get(over).is_some_and(within_a_character) {
            over += 1;
        }
        self.gone = self.gone.plus(Offset::of_bytes(&self.text[..over]));
        self.text = BytesMut::from(&self.text[over..]);
    }
}

impl Told {
    /// Begins anew at this place in the log.
    pub(super) fn begin_at(&mut self, seq: u64) {
        self.from = seq;
    }

    fn upto(&self, number: u64) -> Option<Offset> {
        self.offsets.iter().find(|(told, _)| *told == number).map(|told| told.1)
    }

    fn set(&mut self, number: u64, upto: Offset) {
        match self.offsets.iter_mut().find(|(told, _)| *told == number) {
            Some(told) => told.1 = upto,
            None => self.offsets.push((number, upto)),
        }
    }
}
