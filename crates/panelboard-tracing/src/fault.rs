//! Which faults can be planted into the shipped code, to show that a test or a model finds them?
//!
//! Each is off, and compiled away, unless the build sets `--cfg panelboard_faults`, which only
//! `cargo xtask faults` does. Its table says which test must go red for which fault.

panelboard_seams::faults! {
    /// L1: who puts a record into a line that has stopped leaves it there.
    LATE_RECORD_STAYS = "late-record-stays";
    /// L2: the dispatcher goes to sleep without a look at what came meanwhile.
    SLEEPS_BLINDLY = "sleeps-blindly";
    /// L3: a batch that was given away is decided again by the write that comes back.
    BATCH_DECIDED_TWICE = "batch-decided-twice";
    /// L4: a record is handed to a sink that has it already.
    HANDED_TWICE = "handed-twice";
    /// L5: what is on its way to a fallback counts as settled.
    MOVING_IS_SETTLED = "moving-is-settled";
    /// L6: a write that failed part of the way is written again from its beginning.
    PART_WRITTEN_AGAIN = "part-written-again";
    /// L7: what is read from the spill is gone before it is delivered.
    SPILL_FORGETS_EARLY = "spill-forgets-early";
    /// L8: a record leaves, to a sink or to a spill, as it was said.
    LEAVES_UNREDACTED = "leaves-unredacted";
    /// L9: a sink whose write does not come back keeps its breaker closed.
    HANG_UNSEEN = "hang-unseen";
    /// L10: a batch that is rejected for one of its records is given up as a whole.
    GOOD_GOES_WITH_BAD = "good-goes-with-bad";
    /// L11: what is read from the spill before it was counted there counts as waiting for ever.
    READ_AHEAD_FORGOTTEN = "read-ahead-forgotten";
    /// L12: what came to no sink before the end is in no count.
    UNSORTED_UNTOLD = "unsorted-untold";
    /// L13: nothing behind a damaged record is read.
    DAMAGE_STOPS_READING = "damage-stops-reading";
    /// L8: of a secret that was cut, its beginning leaves.
    HALF_A_SECRET_LEAVES = "half-a-secret-leaves";
}
