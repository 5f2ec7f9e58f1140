//! What does the judge allow, so that it does not refuse what is right?

use super::*;

#[track_caller]
fn is_right(forged: &Forged) {
    assert_eq!(forged.judge(), Verdict::AnOrder);
}

/// A morning in a session, one after the other.
fn morning() -> Forged {
    let log = [
        created(1, "a", "starting", "reject"),
        started(1),
        event("message.started", 1, &json!({ "message_id": "1.1" })),
        created(2, "b", "queued", "steer"),
        completed(1, "A"),
        finished(2, "consumed"),
        completed(1, "B"),
        finished(1, "succeeded"),
        created(3, "c", "starting", "enqueue"),
        started(3),
        created(4, "d", "queued", "enqueue"),
        created(5, "e", "queued", "interrupt"),
        stopping(3, "superseded"),
        finished(3, "superseded"),
        taken(5),
        finished(4, "cancelled"),
        finished(5, "cancelled"),
        cleared(1),
    ];
    let steer = json!({ "run": "2", "status": "queued", "replayed": false });
    Forged::log(&log)
        .submit("a", "reject", &starting(1))
        .submit("b", "steer", &steer)
        .memory(
            "0.8",
            &[
                said(1, "user", "a", 1),
                said(5, "assistant", "A", 1),
                said(6, "user", "b", 2),
                said(7, "assistant", "B", 1),
            ],
        )
        .submit("c", "enqueue", &starting(3))
        .submit("d", "enqueue", &queued(4, 0))
        .submit("e", "interrupt", &queued(5, 0))
        .call("cancel", &json!({ "run": "3" }), &stopped(false, 3, "superseded"))
        .call("cancel", &json!({}), &json!({ "changed": false, "run": "5", "status": "cancelled" }))
        .call("clear", &json!({}), &json!({ "era": 1, "seq": 18 }))
}

#[test]
fn a_morning_is_right() {
    // The cancel without a run found run 5, and the clear came between: so they overlap.
    let mut forged = morning();
    let last = forged.record.len();
    forged.record.swap(last - 3, last - 2);
    is_right(&forged);
    assert!(forged.history().overlapping() > 0);
    // In turn it would have stopped it.
    assert!(matches!(morning().judge(), Verdict::NoOrder(_)));
}

#[test]
fn what_nobody_knows_may_have_been_done_or_not() {
    for log in [vec![], vec![written("0.1")]] {
        let mut forged = Forged::log(&log);
        forged.sent("note", &json!({ "text": "a" }));
        is_right(&forged);
        // Nor does an answer tell that says that it does not know.
        let slow = Forged::log(&log).call("note", &json!({ "text": "a" }), &problem("store-slow"));
        is_right(&slow);
    }
    // But twice it was not done.
    let mut forged = Forged::log(&[written("0.1"), written("0.2")]);
    forged.sent("note", &json!({ "text": "a" }));
    assert!(matches!(forged.judge(), Verdict::NoOrder(_)));
}

#[test]
fn a_key_is_answered_the_same_again() {
    let mut forged = Forged::log(&[written("0.1"), created(1, "a", "starting", "reject")]);
    for _ in 0..2 {
        let call = forged.sent_as("note", &json!({ "text": "a" }), &json!("n"));
        forged.answered(call, &noted(1, "0.1"));
    }
    let ask = json!({ "input": "a" });
    let call = forged.sent_as("submit", &ask, &json!("k"));
    forged.answered(call, &starting(1));
    let again = json!({ "run": "1", "status": "starting", "replayed": true });
    let call = forged.sent_as("submit", &ask, &json!("k"));
    forged.answered(call, &again);
    let call = forged.sent_as("submit", &json!({ "input": "b" }), &json!("k"));
    forged.answered(call, &problem("idempotency-mismatch"));
    is_right(&forged);
}

#[test]
fn a_hole_may_hold_whatever_can_stand_there() {
    let mut forged = morning();
    let last = forged.record.len();
    forged.record.swap(last - 3, last - 2);
    for hole in [1, 4, 6, 13] {
        let mut forged = Forged { record: forged.record.clone(), ..Forged::log(&[]) };
        forged.log = morning().log;
        forged.log.remove(hole);
        assert_eq!(forged.history().holes(), 1);
        is_right(&forged);
    }
    // But nothing that can't: the memory shows a steer that was read, and a run that ended.
    forged.log.remove(5);
    forged.record[5]["body"]["items"].as_array_mut().expect("items").remove(2);
    assert!(matches!(forged.judge(), Verdict::NoOrder(_)));
}

#[test]
fn a_run_that_was_cleared_holds_the_slot_until_it_is_gone() {
    let log =
        [created(1, "a", "starting", "reject"), started(1), finished(1, "cancelled"), cleared(1)];
    let clear = || {
        Forged::log(&log).submit("a", "reject", &starting(1)).call(
            "clear",
            &json!({}),
            &json!({ "era": 1, "seq": 4 }),
        )
    };
    is_right(&clear().submit("b", "reject", &busy(1, "stopping")));
    is_right(&clear().call("clear", &json!({ "mode": "if_idle" }), &busy(1, "stopping")));
    let mut after = clear();
    after.log.push(Forged::log(&[created(2, "b", "starting", "reject")]).log.remove(0));
    after.log[4]["seq"] = json!(5);
    is_right(&after.submit("b", "reject", &starting(2)));
}
