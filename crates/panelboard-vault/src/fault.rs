//! Which faults can be planted into the shipped code, to show that a test finds them?
//!
//! Each is off, and compiled away, unless the build sets `--cfg panelboard_faults`, which only
//! `cargo xtask faults` does. Its table says which test must go red for which fault.

panelboard_seams::faults! {
    /// V4: a missing secret is held against nobody, so a probe that finds none proves nothing.
    MISSING_IS_IGNORED = "missing-is-ignored";
    /// V4: a caller without rights is held against the server.
    FORBIDDEN_IS_FAILURE = "forbidden-is-failure";
    /// V5: who is in a back-off does not look at the breaker again.
    RETRIES_WHILE_OPEN = "retries-while-open";
    /// V6: a write that timed out is sent again.
    WRITE_RETRIED = "write-retried";
    /// V7: as many wait as come.
    QUEUE_UNBOUNDED = "queue-unbounded";
    /// V8: the breaker is asked before the queue, so that waiting is part of the call.
    PERMIT_BEFORE_QUEUE = "permit-before-queue";
    /// V9: who finds a renewal under way begins another one.
    RENEWS_EACH = "renews-each";
    /// V9: the result of a renewal is taken whatever token it was for.
    STALE_RENEWAL_WINS = "stale-renewal-wins";
    /// V9: who renews by hand takes the end of a look-up for that of a renewal.
    LOOK_UP_IS_RENEWAL = "look-up-is-renewal";
    /// V11: the end does not wait for the tasks.
    SHUTDOWN_LEAVES_TASK = "shutdown-leaves-task";
    /// V11: a back-off does not hear of the end.
    BACKOFF_OUTLIVES_SHUTDOWN = "backoff-outlives-shutdown";
    /// V11: a token is put in its place from outside, so an end may have forgotten it before.
    TOKEN_PUT_FROM_OUTSIDE = "token-put-from-outside";
    /// V11: the cache serves on while the client ends.
    CACHE_SERVES_AT_THE_END = "cache-serves-at-the-end";
    /// Watches: each counts from when its task has begun.
    WATCHES_COUNTED_LATE = "watches-counted-late";
    /// Watches: all ask at once, and take the places of callers.
    LOOKS_UNBOUNDED = "looks-unbounded";
    /// V14: a secret stays in memory.
    SECRET_NOT_WIPED = "secret-not-wiped";
    /// Cache: a read that began before a write fills the cache with what it saw.
    CACHE_FILLS_STALE = "cache-fills-stale";
    /// Cache: what has ended stays in memory until somebody asks for it.
    CACHE_KEEPS_ENDED = "cache-keeps-ended";
    /// Cache: what its lease has ended is served on while the server is down.
    STALE_PAST_LEASE = "stale-past-lease";
}
