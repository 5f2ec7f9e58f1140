//! Which faults can be planted into the shipped code, to show that a test or a model finds them?
//!
//! Each is off, and compiled away, unless the build sets `--cfg panelboard_faults`, which only
//! `cargo xtask faults` does. Its table says which test must go red for which fault.

panelboard_seams::faults! {
    /// S1, S5: the end of any run frees the slot, whoever holds it now.
    CLEANS_UP_BY_KEY = "cleans-up-by-key";
    /// S4, S7: an effect is logged whatever fence it presents.
    UNFENCED_EFFECT = "unfenced-effect";
    /// S3, S7: a clear leaves the fence as it was.
    CLEAR_WITHOUT_FENCE = "clear-without-fence";
    /// S5: an `Ok` that comes after the cancel makes the run succeed.
    LATE_OK_WINS = "late-ok-wins";
    /// S1, S2: an interrupt starts the new run before the old one is gone.
    INTERRUPT_STARTS_AT_ONCE = "interrupt-starts-at-once";
    /// S9: a run that was cancelled before it started is started all the same.
    CANCELLED_STARTS = "cancelled-starts";
    /// S11: an idempotency key is kept and never looked at.
    KEY_IGNORED = "key-ignored";
    /// M5: a submission that was made for another memory is accepted.
    STALE_ACCEPTED = "stale-accepted";
    /// An order that somebody gave to those who wait ends with the process.
    ORDER_FORGOTTEN = "order-forgotten";
    /// S11: what was looked up elsewhere holds, whatever has come since.
    LOOK_UP_TRUSTED = "look-up-trusted";
    /// S12: a steer that nobody has read ends with the run.
    STEER_LOST = "steer-lost";
    /// M8: records reach the journal after the lock is given back.
    SAVE_OVERTAKES = "save-overtakes";
    /// P3: a body starts before the record of its run is durable.
    STARTS_BEFORE_DURABLE = "starts-before-durable";
    /// S14: a session that was given up still takes commands.
    DEAD_ACCEPTS = "dead-accepts";
    /// S14: a session is removed from the map by its name, whichever it is.
    REMOVES_BY_NAME = "removes-by-name";
    /// The guard of a run is made when its task is first polled, not before it is spawned.
    GUARD_MADE_LATE = "guard-made-late";
    /// P7: a wait for the lock that takes too long goes on without the lock's protection of order:
    /// a nested entry is let through to wait for itself.
    NESTED_WAITS = "nested-waits";
    /// L4: a cursor looks for news before it registers, and not again after.
    WAKE_LOST = "wake-lost";
    /// L4: a cursor that waits does not see that there was news since.
    WAITS_ON = "waits-on";
    /// L4: who raises the count of news takes out also those who wait since a later count.
    TAKES_LATER = "takes-later";
    /// L4: a cursor that was told everything waits for what comes after that, not after its look.
    TOLD_UPTO_NOW = "told-upto-now";
    /// H6: closing one connection of a session removes them all.
    DETACHES_ALL = "detaches-all";
    /// H8: a position of another epoch is resumed.
    EPOCH_IGNORED = "epoch-ignored";
    /// H3: a cursor that fell out of the ring goes on at its oldest event.
    LAG_SILENT = "lag-silent";
    /// H13: an event that comes again is told again.
    DUPLICATES_TOLD = "duplicates-told";
    /// J1: one permit more than there are is given out.
    PERMIT_TOO_MANY = "permit-too-many";
    /// J1, J2: a stop frees the permit of a job whose thread has not ended.
    PERMIT_FREED_AT_STOP = "permit-freed-at-stop";
    /// J1: a job that is stuck loses its permit.
    STUCK_FREES_PERMIT = "stuck-frees-permit";
    /// J1, L7: a job that is paused keeps its permit unasked.
    PAUSE_KEEPS_PERMIT = "pause-keeps-permit";
    /// J1: a resume goes past the queue.
    RESUME_WITHOUT_PERMIT = "resume-without-permit";
    /// J2: a thread that panics does not tell its end.
    PANIC_KEEPS_PERMIT = "panic-keeps-permit";
    /// J3: what an older attempt says is taken for the newest one's.
    ZOMBIE_ACCEPTED = "zombie-accepted";
    /// J4: an output that comes after the stop makes the job completed.
    LATE_OK_COMPLETES = "late-ok-completes";
    /// J5: a thread that reports in takes back a stop.
    START_RESETS_STOP = "start-resets-stop";
    /// J6: a stop of a job that waits is noted, and the job starts.
    QUEUED_STOP_LOST = "queued-stop-lost";
    /// J7: a clean-up removes whatever there is.
    CLEANS_ACTIVE = "cleans-active";
    /// J8: what another life of the process had running is left so.
    RESTORED_AS_LIVE = "restored-as-live";
    /// J9, L6: who stops or resumes a job does not wake its thread.
    PARKED_NOT_WOKEN = "parked-not-woken";
    /// J9, L6: a thread looks for news after it has asked, and so misses what came in between.
    NEWS_READ_LATE = "news-read-late";
    /// J11: the end of a program counts as an attempt.
    DRAIN_BURNS_ATTEMPT = "drain-burns-attempt";
    /// J11: a crash does not count as an attempt.
    CRASH_NOT_COUNTED = "crash-not-counted";
    /// J13: the last progress is not written with the end.
    PROGRESS_LOST = "progress-lost";
    /// J-19: a job whose time in the queue is over goes on waiting.
    EXPIRED_WAITS = "expired-waits";
    /// J-17: a job's idempotency key is kept and never looked at.
    JOB_KEY_IGNORED = "job-key-ignored";
    /// P3: a job's thread starts before its attempt is durable.
    JOB_STARTS_BEFORE_DURABLE = "job-starts-before-durable";
    /// J-10, L6: a body that says nothing is never told to stop.
    SILENCE_IGNORED = "silence-ignored";
    /// J10: a lease that ends ends the attempt, whose thread is there.
    LEASE_ENDS_ATTEMPT = "lease-ends-attempt";
    /// J-10: what a body says does not renew its lease.
    BEATS_IGNORED = "beats-ignored";
    /// J7: each job is kept for the same time, whatever it was asked for with.
    RETENTION_IGNORED = "retention-ignored";
    /// A move with a key is done as often as it is sent.
    MOVE_KEY_IGNORED = "move-key-ignored";
    /// The key of a move is not written with what was done.
    MOVE_KEY_APART = "move-key-apart";
    /// J-21: every call of progress is written.
    PROGRESS_UNBOUNDED = "progress-unbounded";
}
