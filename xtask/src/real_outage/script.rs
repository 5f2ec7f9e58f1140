//! What goes wrong, and when? The same each time that it is played.

use std::time::Duration;

/// What is done to the provider's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// `kill -9`, and started again at the end: connections are refused, and then it loads.
    Killed,
    /// SIGSTOP, and SIGCONT at the end: it accepts connections and says nothing.
    Hung,
    /// Stopped for most of each half second: it answers late, or too late.
    Throttled,
}

impl Harm {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Hung => "hung",
            Self::Throttled => "throttled",
        }
    }
}

/// One time of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Episode {
    pub(super) harm: Harm,
    /// Since the clients' first call.
    pub(super) from: Duration,
    pub(super) lasts: Duration,
}

/// A whole outage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) episodes: Vec<Episode>,
    /// How long the clients call.
    pub(super) lasts: Duration,
}

impl Script {
    /// Four episodes, so that `tune` chooses on two and checks on two; in the short form
    /// one each.
    ///
    /// Thirty seconds lie between them, of which a start and what has piled up take some: `tune`
    /// takes what is closer than fifteen for one.
    pub(super) fn new(short: bool) -> Self {
        let episode = |harm, from, lasts| Episode {
            harm,
            from: Duration::from_secs(from),
            lasts: Duration::from_secs(lasts),
        };
        let mut episodes = vec![
            episode(Harm::Hung, 10, 12),
            episode(Harm::Killed, 52, 10),
            episode(Harm::Throttled, 97, 14),
            episode(Harm::Killed, 141, 10),
        ];
        let lasts = if short { 90 } else { 172 };
        if short {
            // Not the kills: of calls that are refused at once the defaults waste so few that a
            // check on them alone says little.
            episodes = vec![episodes[0], episode(Harm::Throttled, 52, 14)];
        }
        Self { episodes, lasts: Duration::from_secs(lasts) }
    }

    /// In a line, for people.
    pub(super) fn told(&self) -> String {
        let each = self.episodes.iter().map(|Episode { harm, from, lasts }| {
            format!("{} at {} s for {} s", harm.name(), from.as_secs(), lasts.as_secs())
        });
        let each: Vec<String> = each.collect();
        format!("{}; {} s in all", each.join(", "), self.lasts.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn episodes_are_far_enough_apart_for_tune_to_tell_them_from_each_other() {
        for short in [true, false] {
            let script = Script::new(short);
            let ends = script.episodes.iter().map(|episode| episode.from + episode.lasts);
            let next = script.episodes.iter().skip(1).map(|episode| episode.from);
            for (end, next) in ends.zip(next.chain([script.lasts])) {
                assert!(next >= end + Duration::from_secs(20), "{end:?} {next:?}");
            }
            assert!(script.episodes.len() >= 2, "nothing could be held out");
        }
    }

    #[test]
    fn the_long_form_has_every_harm() {
        let script = Script::new(false);
        for harm in [Harm::Killed, Harm::Hung, Harm::Throttled] {
            assert!(script.episodes.iter().any(|episode| episode.harm == harm), "{harm:?}");
        }
        assert!(script.told().starts_with("hung at 10 s for 12 s, killed"), "{}", script.told());
    }
}
