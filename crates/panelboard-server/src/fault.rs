//! Which faults can be planted into the shipped code, to show that a test or a model finds them?
//!
//! Each is off, and compiled away, unless the build sets `--cfg panelboard_faults`, which only
//! `cargo xtask faults` does. Its table says which test must go red for which fault.

panelboard_seams::faults! {
    /// S-24: the key of a command is kept when its record is, in a transaction of its own.
    KEY_ANSWER_APART = "key-answer-apart";
    /// H-22: the key of a command goes with the last record of its step, whatever that is of.
    KEY_WITH_LAST_RECORD = "key-with-last-record";
    /// The key of who removes a job is not kept with the removal.
    REMOVAL_KEY_LOST = "removal-key-lost";
    /// S10: a session is shown as two looks have found it.
    SHOWN_IN_TWO_LOOKS = "shown-in-two-looks";
    /// S10: who subscribes is told the head of one instant, and slot and queue of another.
    SUBSCRIBED_IN_TWO_LOOKS = "subscribed-in-two-looks";
    /// What was to be deleted if idle is deleted though a run has started since.
    DELETE_UNFENCED = "delete-unfenced";
    /// Keys: a rotation takes no lock, so it puts back the settings that a reload has changed.
    ROTATION_BESIDE_RELOAD = "rotation-beside-reload";
    /// Keys: a reload takes no lock, so a rotation in its middle brings secrets of the old Vault.
    RELOAD_BESIDE_ROTATION = "reload-beside-rotation";
    /// Keys: a reload knows of no rotation since it began to wait for the next Vault.
    RELOAD_FORGETS_ROTATION = "reload-forgets-rotation";
    /// Keys: a reload while the server stops brings a client that nobody ends.
    RELOAD_AFTER_END = "reload-after-end";
}
