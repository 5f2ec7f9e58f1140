//! Which faults can be planted into the shipped code, to show that a test or a model finds them?
//!
//! Each is off, and compiled away, unless the build sets `--cfg panelboard_faults`, which only
//! `cargo xtask faults` does. Its table says which test must go red for which fault.

panelboard_seams::faults! {
    /// M2: a receipt is resolved before its batch is committed.
    ACKS_BEFORE_COMMIT = "acks-before-commit";
    /// M2, M-07: a batch that failed is not rolled back.
    FAILED_BATCH_STAYS = "failed-batch-stays";
    /// M4, M-02: a snapshot is stored whatever is there.
    OLD_SNAPSHOT_WINS = "old-snapshot-wins";
    /// M4: what a snapshot is made of may not be on disk yet.
    SNAPSHOT_AHEAD_OF_DISK = "snapshot-ahead-of-disk";
    /// M5, M-06: a structural write is made whatever its tag.
    TAG_IGNORED = "tag-ignored";
    /// M6: an older owner may write.
    FENCE_IGNORED = "fence-ignored";
    /// M7, M-05: a clear does not begin a new era.
    CLEAR_KEEPS_ERA = "clear-keeps-era";
    /// M-04: a record whose sum is wrong is read.
    SUM_IGNORED = "sum-ignored";
    /// M-05: the tombstone is forgotten.
    DELETE_FORGETS = "delete-forgets";
    /// A receipt looks for its answer in one step and registers in another.
    RECEIPT_CHECKS_THEN_REGISTERS = "receipt-checks-then-registers";
    /// A waiter of the watermark looks in one step and registers in another.
    MARK_CHECKS_THEN_REGISTERS = "mark-checks-then-registers";
    /// The queue's number is given outside of its lock.
    NUMBERS_OUTSIDE_LOCK = "numbers-outside-lock";
    /// J: a write of an earlier attempt of a job is made.
    ATTEMPT_IGNORED = "attempt-ignored";
    /// J: what a refused group of writes to jobs had done stays.
    JOBS_HALF_WRITTEN = "jobs-half-written";
    /// The first call of a batch does not wake the writer of the log of calls.
    CALLS_FIRST_WAKES_NOBODY = "calls-first-wakes-nobody";
    /// The log of calls counts the rows of a batch that failed.
    CALLS_COUNT_WHAT_FAILED = "calls-count-what-failed";
}
