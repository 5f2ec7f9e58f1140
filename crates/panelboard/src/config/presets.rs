//! What to begin with for a kind of dependency? Each preset is a builder: change what does not fit.

use std::time::Duration;

use super::{Config, ConfigBuilder};
use crate::policy::Policy;

const SECOND: Duration = Duration::from_secs(1);

impl Config {
    /// For calls to a model provider, one breaker for each (provider, key).
    ///
    /// - Trips at 5 failures in a row, or when half of at least 20 calls in 60 s failed: a key that
    ///   fails every other call hardly ever fails five in a row.
    /// - Open for 30 s, doubling to 5 min: other keys serve meanwhile, and a probe costs money. The
    ///   back-off is forgotten after 5 min closed, as an overloaded provider comes and goes.
    /// - A probe's lease is 11 min, longer than the 10 min that client libraries let a call take.
    ///
    /// ```
    /// use panelboard::Config;
    /// use std::time::Duration;
    ///
    /// let config = Config::llm().recovery_timeout(Duration::from_secs(10)).build()?;
    /// assert_eq!(config.failure_threshold(), 5);
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
    pub fn llm() -> ConfigBuilder {
        let rate = Policy::failure_rate(0.5, 60 * SECOND, 20);
        Self::builder()
            .policy(Policy::any_of([Policy::consecutive(5), rate]))
            .recovery_timeout(30 * SECOND)
            .max_recovery_timeout(300 * SECOND)
            .backoff_reset(300 * SECOND)
            .probe_timeout(660 * SECOND)
    }

    /// For a place that logs are shipped to.
    ///
    /// - Trips at 5 failures in a row, or when half of at least 10 writes in 10 s took 2 s or more:
    ///   a sink that hangs holds the queue, which is worse than one that fails. Writes that are
    ///   still out count, so a hang is seen before its time-out.
    /// - Open for 5 s, doubling to 60 s: a probe costs one line.
    /// - A probe's lease is 30 s: exporters give a write 10 s.
    ///
    /// ```
    /// use panelboard::{Breaker, Config};
    ///
    /// let breaker = Breaker::new(Config::sink().build()?);
    /// assert!(breaker.acquire().is_ok());
    /// # Ok::<(), panelboard::ConfigError>(())
    /// ```
    pub fn sink() -> ConfigBuilder {
        let slow = Policy::slow_call_rate(0.5, 2 * SECOND, 10 * SECOND, 10);
        Self::builder()
            .policy(Policy::any_of([Policy::consecutive(5), slow]))
            .count_slow_in_flight(true)
            .recovery_timeout(5 * SECOND)
            .max_recovery_timeout(60 * SECOND)
            .probe_timeout(30 * SECOND)
    }

    /// For a secret store such as Vault.
    ///
    /// - Trips at 5 failures in a row: there are few calls, so a share's minimum would hardly be
    ///   met.
    /// - Open for 30 s, doubling to 60 s: nobody else can answer, and an election is over in
    ///   seconds.
    /// - A probe's lease is 90 s: clients wait 60 s by default.
    ///
    /// A secret that does not exist is a success, and one that may not be read is to be ignored:
    /// that is the caller's to say.
    ///
    /// ```
    /// use panelboard::Config;
    ///
    /// assert!(Config::vault().build().is_ok());
    /// ```
    pub fn vault() -> ConfigBuilder {
        Self::builder()
            .policy(Policy::consecutive(5))
            .recovery_timeout(30 * SECOND)
            .max_recovery_timeout(60 * SECOND)
            .probe_timeout(90 * SECOND)
    }
}
