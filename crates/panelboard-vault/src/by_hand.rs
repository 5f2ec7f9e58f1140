//! What can a person do to a breaker? Open it, and close it.

use std::time::Duration;

use crate::{life::Life, token::TokenState, vault::Vault};

impl Vault {
    /// Opens a breaker by hand, as if too much had failed, for its own time. Then a probe decides.
    /// `breaker` is its name in [`Event`](crate::Event) and [`Health`](crate::Health): `server`, or
    /// `mount NAME`. False if there is no such breaker, or the client is shutting down.
    ///
    /// While the server's is open nothing is sent, the renewal of the token included, but for
    /// [`ask_health`](Self::ask_health); what runs is not cut off.
    ///
    /// ```
    /// # use panelboard_vault::{Auth, Config, Secret, State, Vault};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let token = Auth::token(Secret::new("hvs.example".to_owned()));
    /// let vault = Vault::open(Config::builder("http://127.0.0.1:1", token).build()?)?;
    /// assert!(vault.trip("server"));
    /// assert_eq!(vault.health().breakers[0].1.state, State::Open);
    /// assert!(!vault.trip("no such breaker"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn trip(&self, breaker: &str) -> bool {
        self.by_hand(|life| life.gate.trip(breaker, None, self.correlation()))
    }

    /// As [`trip`](Self::trip), for `time` at least: one that is open already stays so until the
    /// later end.
    ///
    /// ```
    /// # use panelboard_vault::{Auth, Config, Secret, Vault};
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let token = Auth::token(Secret::new("hvs.example".to_owned()));
    /// # let vault = Vault::open(Config::builder("http://127.0.0.1:1", token).build()?)?;
    /// let five_minutes = Duration::from_secs(300);
    /// assert!(vault.trip_for("server", five_minutes));
    /// let left = vault.health().breakers[0].1.retry_after;
    /// assert!(left > Some(five_minutes - Duration::from_secs(1)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn trip_for(&self, breaker: &str, time: Duration) -> bool {
        self.by_hand(|life| life.gate.trip(breaker, Some(time), self.correlation()))
    }

    /// Closes a breaker by hand and forgets its failures. A token that waits for it is asked for at
    /// once, and so is what is watched and could not be read. False as with [`trip`](Self::trip).
    ///
    /// ```
    /// # use panelboard_vault::{Auth, Config, Secret, State, Vault};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let token = Auth::token(Secret::new("hvs.example".to_owned()));
    /// # let vault = Vault::open(Config::builder("http://127.0.0.1:1", token).build()?)?;
    /// assert!(vault.trip("server") && vault.reset("server"));
    /// assert_eq!(vault.health().breakers[0].1.state, State::Closed);
    /// # Ok(())
    /// # }
    /// ```
    pub fn reset(&self, breaker: &str) -> bool {
        self.by_hand(|life| {
            let known = life.gate.reset(breaker, self.correlation());
            if known {
                life.token.with(TokenState::hurry);
                life.has_token_news();
                life.resets.send_modify(|resets| *resets = resets.wrapping_add(1));
            }
            known
        })
    }

    /// Inside, so that a life that has ended is left as it ended: closed.
    fn by_hand(&self, change: impl FnOnce(&Life) -> bool) -> bool {
        let life = self.life();
        life.stop.enter().is_some_and(|_inside| change(&life))
    }
}
