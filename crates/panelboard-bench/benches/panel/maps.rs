//! What a breaker is looked up in.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use panelboard::{Breaker, Config, Handle, Panel, PanelError};

pub(crate) const OURS: &str = "panelboard";
/// How many keys there are.
pub(crate) const KEYS: usize = 10_000;

/// Bytes of each key.
pub(crate) const KEY_LENGTH: usize = "provider-00/key-0000".len();

/// The key with this number: ten providers, a thousand keys each.
pub(crate) fn key(number: usize) -> String {
    format!("provider-{:02}/key-{:04}", number / 1_000, number % 1_000)
}

/// Something with a breaker for each key.
pub(crate) trait Look: Send + Sync + 'static {
    fn new() -> Self;

    /// Gives the breaker of the key with this number and name to `work`.
    fn look(&self, number: usize, key: &str, work: impl FnOnce(&Breaker));
}

fn breakers() -> impl Iterator<Item = (String, Arc<Breaker>)> {
    (0..KEYS).map(|number| (key(number), Arc::new(Breaker::new(Config::default()))))
}

fn filled_panel() -> Panel {
    let panel = Panel::builder().build();
    for number in 0..KEYS {
        let made = panel.with(key(number).as_str(), |_| ());
        assert!(made.is_ok(), "there is room for all keys");
    }
    panel
}

/// `Panel::with`.
pub(crate) struct With(Panel);

impl Look for With {
    fn new() -> Self {
        Self(filled_panel())
    }

    #[inline]
    fn look(&self, _: usize, key: &str, work: impl FnOnce(&Breaker)) {
        let _: Result<(), PanelError> = self.0.with(key, work);
    }
}

/// `Panel::get`.
pub(crate) struct Get(Panel);

impl Look for Get {
    fn new() -> Self {
        Self(filled_panel())
    }

    #[inline]
    fn look(&self, _: usize, key: &str, work: impl FnOnce(&Breaker)) {
        if let Some(handle) = self.0.get(key) {
            work(&handle);
        }
    }
}

/// A handle of each breaker, kept.
pub(crate) struct Kept(Vec<Handle>);

impl Look for Kept {
    fn new() -> Self {
        let panel = filled_panel();
        Self((0..KEYS).filter_map(|number| panel.get(key(number).as_str())).collect())
    }

    #[inline]
    fn look(&self, number: usize, _: &str, work: impl FnOnce(&Breaker)) {
        work(&self.0[number]);
    }
}

type Bare = HashMap<String, Arc<Breaker>, RandomState>;

impl Look for Bare {
    fn new() -> Self {
        breakers().collect()
    }

    #[inline]
    fn look(&self, _: usize, key: &str, work: impl FnOnce(&Breaker)) {
        if let Some(breaker) = self.get(key) {
            work(breaker);
        }
    }
}

impl Look for papaya::HashMap<String, Arc<Breaker>, RandomState> {
    fn new() -> Self {
        breakers().collect()
    }

    #[inline]
    fn look(&self, _: usize, key: &str, work: impl FnOnce(&Breaker)) {
        if let Some(breaker) = self.pin().get(key) {
            work(breaker);
        }
    }
}

impl Look for DashMap<String, Arc<Breaker>, RandomState> {
    fn new() -> Self {
        breakers().collect()
    }

    #[inline]
    fn look(&self, _: usize, key: &str, work: impl FnOnce(&Breaker)) {
        if let Some(breaker) = self.get(key) {
            work(&breaker);
        }
    }
}

impl Look for Mutex<Bare> {
    fn new() -> Self {
        Self::new(breakers().collect())
    }

    #[inline]
    fn look(&self, _: usize, key: &str, work: impl FnOnce(&Breaker)) {
        if let Some(breaker) = self.lock().unwrap_or_else(PoisonError::into_inner).get(key) {
            work(breaker);
        }
    }
}
