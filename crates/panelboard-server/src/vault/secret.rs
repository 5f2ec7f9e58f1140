//! What is one secret of a Vault now, and is it fit for a header? A value that is none is not taken
//! over, and one that is in hand stays in use.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use panelboard_vault::{KvVersion, Secret, SecretRef, SecretWatch, Vault, Watched};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::NoVault;
use crate::config::fits_header;

/// After so long a secret that is waited for is asked for again. A breaker in front of the Vault
/// keeps that from being a burden to one that is not well.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// A refused key is not asked for more often.
const ASK_GAP: Duration = Duration::from_secs(1);
/// The longest secret, in bytes.
const LONGEST: usize = 64 << 10;

/// A secret that is watched. Dropping it ends its tasks.
pub(super) struct Kept {
    watch: SecretWatch,
    /// The last value that was fit. Held to read or replace it.
    held: Mutex<InHand>,
    /// When a provider's refusal was last a reason to ask. Held to read and replace it.
    asked: Mutex<Option<Instant>>,
    task: AbortHandle,
}

/// What is used of one secret.
#[derive(Default)]
struct InHand {
    value: Option<Arc<Secret<String>>>,
    /// Whether this watch has read it, and not the one before.
    is_own: bool,
}

impl Kept {
    /// Begins to watch.
    pub(super) fn begin(
        vault: &Vault,
        of: &SecretRef,
        refresh: Duration,
        news: &Arc<Notify>,
    ) -> Result<Self, NoVault> {
        let watch = vault.watch(of.clone(), KvVersion::Ask, refresh).map_err(NoVault::Watch)?;
        let task = tokio::spawn(follow(watch.clone(), Arc::clone(news))).abort_handle();
        Ok(Self { watch, held: Mutex::default(), asked: Mutex::default(), task })
    }

    /// Uses what the one before has in hand, until it has read a value of its own.
    pub(super) fn inherit(&self, before: &Self) {
        let value = before.value();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let unused = match held.is_own {
            true => value,
            false => std::mem::replace(&mut held.value, value),
        };
        // Wiped outside the lock.
        drop(held);
        drop(unused);
    }

    /// Looks so often from now on.
    pub(super) fn refresh(&self, every: Duration) {
        // The configuration's range is the watch's.
        if let Err(error) = self.watch.look_every(every) {
            tracing::error!(secret = %self.of(), %error, "its interval stays as it is");
        }
    }

    pub(super) fn of(&self) -> &SecretRef {
        self.watch.of()
    }

    /// What the Vault said last.
    pub(super) fn seen(&self) -> Arc<Watched> {
        self.watch.current()
    }

    /// The value to use: the newest that is fit.
    pub(super) fn value(&self) -> Option<Arc<Secret<String>>> {
        let seen = self.seen();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match &seen.value {
            Some(value) if unfit(value).is_none() => {
                held.is_own = true;
                held.value.replace(Arc::clone(value))
            }
            _ => None,
        };
        let value = held.value.clone();
        // The old one is wiped outside the lock.
        drop(held);
        drop(before);
        value
    }

    #[cfg(test)]
    pub(super) fn interval(&self) -> Duration {
        self.watch.interval()
    }

    /// As if the Vault had given it.
    #[cfg(test)]
    pub(super) fn hold(&self, value: &str) {
        let value = Arc::new(Secret::new(value.to_owned()));
        let held = InHand { value: Some(value), is_own: true };
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }

    /// Why it can't be read, or what is wrong with what was.
    pub(super) fn trouble(&self) -> Option<String> {
        trouble(&self.seen())
    }

    pub(super) async fn first_look(&self) {
        self.watch.clone().first_look().await;
    }

    /// A provider does not accept what is in hand.
    pub(super) fn refused(&self) {
        let now = Instant::now();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if asked.is_none_or(|before| now.duration_since(before) >= ASK_GAP) {
            *asked = Some(now);
            self.watch.ask_now();
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.watch.fmt(f)
    }
}

/// Tells what is new, and asks again for what is not there yet: the watch's own interval is made
/// for values that are in use.
async fn follow(mut watch: SecretWatch, news: Arc<Notify>) {
    let of = watch.of().clone();
    let mut pause = ASK_AGAIN;
    let mut in_trouble = false;
    loop {
        let (now, interval) = (watch.current(), watch.interval());
        let waits = now.looks > 0 && now.value.is_none();
        tokio::select! {
            now = watch.changed() => {
                let Some(now) = now else { return };
                tell(&of, &now, &mut in_trouble);
                news.notify_one();
            }
            () = tokio::time::sleep(pause.min(interval)), if waits => {
                watch.ask_now();
                // A secret that the server does not have is not asked for each second for ever.
                if now.error.as_ref().is_none_or(|error| !error.kind.is_servers()) {
                    pause = (pause * 2).min(interval);
                }
            }
        }
    }
}

/// One line when trouble begins and one when it ends; what it is in between is for who asks.
fn tell(of: &SecretRef, now: &Watched, in_trouble: &mut bool) {
    let (version, changes) = (now.version, now.changes);
    let before = std::mem::replace(in_trouble, false);
    match trouble(now) {
        None => tracing::info!(secret = %of, version, changes, "a secret was read from the Vault"),
        Some(error) => {
            *in_trouble = true;
            let in_hand = now.value.is_some();
            if before {
                tracing::debug!(secret = %of, error, in_hand, "a secret still can not be read");
            } else {
                tracing::warn!(secret = %of, error, in_hand, "a secret can not be read");
            }
        }
    }
}

fn trouble(now: &Watched) -> Option<String> {
    let unfit = || now.value.as_deref().and_then(unfit).map(str::to_owned);
    now.error.as_ref().map(ToString::to_string).or_else(unfit)
}

/// What is wrong with a secret; never the secret.
fn unfit(secret: &Secret<String>) -> Option<&'static str> {
    let secret = secret.expose().trim();
    if secret.is_empty() {
        Some("the field is empty")
    } else if secret.len() > LONGEST {
        Some("the field is longer than 64 KiB")
    } else if !fits_header(secret) {
        Some("the field holds a character that no header may hold")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_header_can_hold_is_no_secret() {
        let unfit = |text: &str| unfit(&Secret::new(text.to_owned()));
        assert_eq!(unfit("sk-1\n"), None);
        assert_eq!(unfit(" \n"), Some("the field is empty"));
        for text in ["a\nb", "ü", "a\u{7f}b"] {
            assert_eq!(unfit(text), Some("the field holds a character that no header may hold"));
        }
        assert_eq!(unfit(&"a".repeat(LONGEST)), None);
        assert_eq!(unfit(&"a".repeat(LONGEST + 1)), Some("the field is longer than 64 KiB"));
    }
}
