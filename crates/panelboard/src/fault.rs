//! Which faults can be planted into the shipped code, to show that a test or a model finds them?
//!
//! Each is off, and compiled away, unless the build sets `--cfg panelboard_faults`, which only
//! `cargo xtask faults` does. Its table says which test must go red for which fault.

panelboard_seams::faults! {
    /// B1: a probe is let through whatever is in flight.
    PROBES_UNLIMITED = "probes-unlimited";
    /// B2: an outcome of an older generation counts.
    LATE_COUNTS = "late-counts";
    /// B2: a permit is compared by the word's bits of the generation only, which wrap.
    GENERATION_WRAPS = "generation-wraps";
    /// B3: a transition leaves the generation as it was.
    GENERATION_STAYS = "generation-stays";
    /// B3, B4: the word is stored, not exchanged against what was seen.
    BLIND_STORE = "blind-store";
    /// B4: the failure after the n-th trips.
    TRIPS_LATE = "trips-late";
    /// B5: a dropped permit does not give its place back.
    DROP_KEEPS_PLACE = "drop-keeps-place";
    /// B6: the deadline is rounded down.
    DEADLINE_EARLY = "deadline-early";
    /// B6: an extension of the deadline stores over a later one.
    DEADLINE_SHRINKS = "deadline-shrinks";
    /// B7: listeners run under the lock of the events.
    LISTENER_UNDER_LOCK = "listener-under-lock";
    /// B8: a probe has no lease.
    NO_LEASE = "no-lease";
    /// B8: the lease runs from the oldest probe.
    LEASE_OF_OLDEST = "lease-of-oldest";
    /// B9: an entry is retired though somebody holds it.
    RETIRES_HELD = "retires-held";
    /// B9: an entry is retired in two steps.
    RETIRES_IN_TWO_STEPS = "retires-in-two-steps";
    /// B9: an entry is evicted though its breaker is no longer closed when it is claimed.
    EVICTS_BY_AN_OLD_LOOK = "evicts-by-an-old-look";
    /// B9: who has tripped a breaker that he borrowed does not look whether it was evicted.
    BORROWED_TRIP_LOST = "borrowed-trip-lost";
    /// B9: an entry is removed by its key alone.
    REMOVES_BY_KEY = "removes-by-key";
    /// B10: a snapshot shows the last transition whatever generation its word is of.
    SNAPSHOT_TORN = "snapshot-torn";
    /// B11: the panel takes more keys than its bound.
    PANEL_UNBOUNDED = "panel-unbounded";
    /// B12: a success on the closed path writes.
    CLOSED_PATH_WRITES = "closed-path-writes";
    /// Publication: the word is published without Release.
    RELAXED_PUBLISH = "relaxed-publish";
    /// Progress: events are decided under a lock.
    DECIDES_UNDER_LOCK = "decides-under-lock";
    /// Back-off: when the breaker closed is read before the word.
    CLOSING_READ_EARLY = "closing-read-early";
    /// Ramp: a reset that is under way moves the ramp's beginning.
    RESET_MOVES_RAMP = "reset-moves-ramp";
    /// Override: an automatic transition writes the override's bits.
    OVERRIDE_LOST = "override-lost";
    /// Groups: a place is looked for in one step and taken in another.
    GROUP_CHECKS_THEN_TAKES = "group-checks-then-takes";
    /// Groups: a place is not given back by a breaker that closes.
    GROUP_KEEPS_PLACE = "group-keeps-place";
    /// Events: told in the order in which threads arrive.
    EVENTS_UNORDERED = "events-unordered";
    /// Window: recording adds without looking whether the bucket is still its own.
    BUCKET_BLIND_ADD = "bucket-blind-add";
    /// Window: a cell of a thread's own changes hands in view of its readers.
    OWN_CELL_TORN = "own-cell-torn";
    /// Settings: a breaker that is made while the plan is replaced keeps what the old one said.
    MAKES_BY_AN_OLD_PLAN = "makes-by-an-old-plan";
    /// Groups: siblings are looked at within the exchange loop.
    COMPARES_IN_LOOP = "compares-in-loop";
    /// Groups: what is forced open holds no place.
    FORCED_TAKES_NO_PLACE = "forced-takes-no-place";
    /// Settings: two reconfigurations run beside each other.
    RECONFIGURES_TOGETHER = "reconfigures-together";
    /// Save: a restore leaves the generation as it was.
    RESTORE_KEEPS_GENERATION = "restore-keeps-generation";
    /// Policy: a share is judged of fewer calls than its minimum.
    MINIMUM_IGNORED = "minimum-ignored";
    /// Policy: of several that must all say failing, one is enough.
    ALL_IS_ANY = "all-is-any";
    /// Window of the last n: a call is stored, not exchanged against what was seen.
    LAST_BLIND_APPEND = "last-blind-append";
    /// Window of the last n: a reader that the ring has overtaken takes what it has read.
    OVERTAKEN_IS_READ = "overtaken-is-read";
    /// Window: a bad call reads what it is judged by before it is counted.
    SEEN_BEFORE_COUNTED = "seen-before-counted";
    /// In flight: what is still out of a cell that is needed again is not handed on.
    REST_LOST = "rest-lost";
    /// Window: a call that is counted is judged in its generation only, and not in its life.
    JUDGES_BY_GENERATION = "judges-by-generation";
    /// In flight: whether a call is taken from those that are out is asked of the limits.
    OUT_BY_LIMITS = "out-by-limits";
    /// Streams: the first item decides.
    #[cfg(feature = "stream")]
    STREAM_DECIDES_EARLY = "stream-decides-early";
    /// Thin layer: an outcome ends a call whose lease is over.
    THIN_ENDS_EXPIRED = "thin-ends-expired";
    /// Window: a bucket of an older life counts.
    WINDOW_KEEPS_OLD_LIFE = "window-keeps-old-life";
}
