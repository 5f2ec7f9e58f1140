//! What is counted while a run goes on?

/// The part of a run in which something happens. What is measured lies after the warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Not measured.
    WarmUp,
    /// Before the first trouble begins: a good day.
    Before,
    /// From there to the end of the last one.
    During,
    /// After it, for as long as an overload has to last to be called metastable.
    After,
    /// What remains.
    Rest,
}

impl Phase {
    pub(crate) const ALL: [Self; 5] =
        [Self::WarmUp, Self::Before, Self::During, Self::After, Self::Rest];
    /// What is measured.
    pub(crate) const MEASURED: [Self; 4] = [Self::Before, Self::During, Self::After, Self::Rest];
}

/// One number for each phase.
pub(crate) type ByPhase<T> = [T; Phase::ALL.len()];

/// How requests ended, and what was done for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Requests {
    /// Requests that came.
    pub(crate) offered: u64,
    /// Requests that were served.
    pub(crate) served: u64,
    /// Requests whose last call failed or took too long.
    pub(crate) failed: u64,
    /// Requests that no breaker let through.
    pub(crate) rejected: u64,
    /// Requests for which their node had no place.
    pub(crate) turned_away: u64,
    /// Nanoseconds from their arrival to their end, of all that ended.
    pub(crate) waited: u128,
    /// Calls that were sent.
    pub(crate) calls: u64,
    /// Calls that came to nothing: failed, or given up.
    pub(crate) wasted: u64,
    /// Rejections by a breaker whose service was well.
    pub(crate) wrongly_rejected: u64,
    /// Breakers that opened.
    pub(crate) trips: u64,
    /// Breakers that opened while their service was well.
    pub(crate) false_trips: u64,
}

impl Requests {
    pub(crate) fn ended(&self) -> u64 {
        self.served + self.failed + self.rejected + self.turned_away
    }

    pub(crate) fn plus(self, more: Self) -> Self {
        Self {
            offered: self.offered + more.offered,
            served: self.served + more.served,
            failed: self.failed + more.failed,
            rejected: self.rejected + more.rejected,
            turned_away: self.turned_away + more.turned_away,
            waited: self.waited + more.waited,
            calls: self.calls + more.calls,
            wasted: self.wasted + more.wasted,
            wrongly_rejected: self.wrongly_rejected + more.wrongly_rejected,
            trips: self.trips + more.trips,
            false_trips: self.false_trips + more.false_trips,
        }
    }
}

/// One step of the timeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bucket {
    pub(crate) offered: u32,
    pub(crate) served: u32,
    pub(crate) failed: u32,
    pub(crate) rejected: u32,
    pub(crate) turned_away: u32,
    pub(crate) calls: u32,
    /// At its end: breakers that are open, and half-open.
    pub(crate) open: u32,
    pub(crate) half_open: u32,
}

impl Bucket {
    pub(crate) fn ended(&self) -> u32 {
        self.served + self.failed + self.rejected + self.turned_away
    }
}

/// What one service had to carry in one phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Load {
    /// Requests that would have come to it first.
    pub(crate) wanted: u64,
    /// Calls that came.
    pub(crate) calls: u64,
    /// Calls whose work began, and nanoseconds that they had waited for it.
    pub(crate) begun: u64,
    pub(crate) waited: u128,
    /// Nanoseconds times calls that wait, that are worked on, that could be worked on.
    pub(crate) waiting: u128,
    pub(crate) busy: u128,
    pub(crate) servers: u128,
    /// Nanoseconds.
    pub(crate) time: u64,
    /// Nanoseconds in which it was sick: an episode held, or it was down or cold.
    pub(crate) sick: u64,
    /// Calls that came in those.
    pub(crate) sick_calls: u64,
}
