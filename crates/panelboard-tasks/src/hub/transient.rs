//! What is told and not kept: messages that are being written, and the latest values of keys.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};

use super::{
    delivery::{Delivery, DeltaRefused},
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
    /// What is gone of its beginning, in bytes.
    gone: u64,
    text: BytesMut,
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
    /// Message by number, and how far.
    offsets: Vec<(u64, u64)>,
    latest: u64,
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
        let at = known.map_or(0, |index| self.messages[index].upto());
        // What is known already may come again; what would leave a hole may not.
        let Some(again) = at.checked_sub(offset) else { return Err(DeltaRefused::Hole { at }) };
        let new = usize::try_from(again).ok().and_then(|again| text.as_bytes().get(again..));
        let index = known.unwrap_or_else(|| self.begin(fence, name, limits));
        let message = &mut self.messages[index];
        message.text.extend_from_slice(new.unwrap_or_default());
        message.trim(limits.message_bytes);
        Ok(())
    }

    fn begin(&mut self, fence: Fence, name: &str, limits: &HubLimits) -> usize {
        if self.messages.len() >= limits.messages.max(1) {
            self.messages.pop_front();
        }
        self.numbers += 1;
        let (number, name) = (self.numbers, name.into());
        self.messages.push_back(Message { number, name, fence, gone: 0, text: BytesMut::new() });
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

    /// Whether there is something that this connection was not told.
    pub(super) fn has_more(&self, told: &Told) -> bool {
        let behind =
            |message: &Message| told.upto(message.number).is_none_or(|upto| upto < message.upto());
        self.messages.iter().any(behind) || self.latest.values().any(|value| value.0 > told.latest)
    }

    /// The next thing that this connection was not told.
    pub(super) fn next(&self, told: &mut Told) -> Option<Delivery> {
        let there = |number: u64| self.messages.iter().any(|message| message.number == number);
        told.offsets.retain(|(number, _)| there(*number));
        if let Some(delivery) = self.messages.iter().find_map(|message| message.next(told)) {
            return Some(delivery);
        }
        let newer = self.latest.iter().filter(|(_, value)| value.0 > told.latest);
        let (key, (number, frame)) = newer.min_by_key(|(_, value)| value.0)?;
        told.latest = *number;
        Some(Delivery::Latest { key: Arc::clone(key), frame: frame.clone() })
    }
}

impl Message {
    fn upto(&self) -> u64 {
        self.gone + self.text.len() as u64
    }

    fn next(&self, told: &mut Told) -> Option<Delivery> {
        let (message, upto) = (Arc::clone(&self.name), self.upto());
        match told.upto(self.number) {
            Some(offset) if offset == upto => None,
            Some(offset) if offset >= self.gone => {
                told.set(self.number, upto);
                let text = Bytes::copy_from_slice(&self.text[(offset - self.gone) as usize..]);
                Some(Delivery::Delta { message, offset, text })
            }
            _ => {
                told.set(self.number, upto);
                let text = Bytes::copy_from_slice(&self.text);
                Some(Delivery::Partial { message, from: self.gone, upto, text })
            }
        }
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
        self.text = BytesMut::from(&self.text[over..]);
        self.gone += over as u64;
    }
}

impl Told {
    fn upto(&self, number: u64) -> Option<u64> {
        self.offsets.iter().find(|(told, _)| *told == number).map(|told| told.1)
    }

    fn set(&mut self, number: u64, upto: u64) {
        match self.offsets.iter_mut().find(|(told, _)| *told == number) {
            Some(told) => told.1 = upto,
            None => self.offsets.push((number, upto)),
        }
    }
}
