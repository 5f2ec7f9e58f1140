//! What does each rule refuse that no other does?

use serde_json::{Value, json};

use super::*;

/// A run that has begun.
fn begun() -> [Value; 2] {
    [created(1, "a", "starting", "reject"), started(1)]
}

fn of(more: &[Value]) -> Forged {
    Forged::log(&[&begun()[..], more].concat()).submit("a", "reject", &starting(1))
}

fn cancel(forged: Forged, answer: &Value) -> Forged {
    forged.call("cancel", &json!({ "run": "1" }), answer)
}

fn add(forged: Forged, text: &str, answer: &Value) -> Forged {
    forged.call("note", &json!({ "text": text }), answer)
}

fn forged(rule: Rule) -> Forged {
    let replace = json!({ "tag": "0.0", "items": [{ "text": "b" }] });
    let created_2 = |status: &str, policy: &str| created(2, "b", status, policy);
    let enqueued = created_2("queued", "enqueue");
    let clear = |forged: Forged, ask: Value, era: u64, seq: u64| {
        forged.call("clear", &ask, &json!({ "era": era, "seq": seq }))
    };
    match rule {
        // A note was acknowledged, and then the memory is shown without it.
        Rule::Time => add(Forged::log(&[written("0.1")]), "a", &noted(1, "0.1")).memory("0.0", &[]),
        // It is not yet acknowledged, and somebody was shown it all the same.
        Rule::Seen => {
            let mut forged = Forged::log(&[written("0.1")]);
            let call = forged.sent("note", &json!({ "text": "a" }));
            forged.shown(1);
            let mut forged = forged.memory("0.0", &[]);
            forged.answered(call, &noted(1, "0.1"));
            forged
        }
        Rule::Caused => of(&[finished(1, "succeeded"), cleared(1)]),
        Rule::OneRun => of(&[enqueued, taken(2), started(2)]).submit("b", "enqueue", &queued(2, 0)),
        Rule::Idle => Forged::log(&[]).submit("a", "reject", &busy(1, "running")),
        Rule::Holder => of(&[]).submit("b", "reject", &busy(7, "running")),
        Rule::Reject => of(&[]).submit("b", "enqueue", &busy(1, "running")),
        // One may wait.
        Rule::Room => of(&[enqueued, created(3, "c", "queued", "enqueue")])
            .submit("b", "enqueue", &queued(2, 0))
            .submit("c", "enqueue", &queued(3, 1)),
        Rule::Full => of(&[]).submit("b", "enqueue", &problem("queue-full")),
        Rule::First => of(&[
            enqueued,
            created(3, "c", "queued", "interrupt"),
            stopping(1, "superseded"),
            finished(1, "superseded"),
            taken(2),
        ])
        .submit("b", "enqueue", &queued(2, 0))
        .submit("c", "interrupt", &queued(3, 0)),
        Rule::Next => {
            of(&[enqueued, finished(1, "succeeded")]).submit("b", "enqueue", &queued(2, 0))
        }
        Rule::Stops => {
            of(&[created_2("queued", "interrupt")]).submit("b", "interrupt", &queued(2, 0))
        }
        // A late Ok that wins over a cancel.
        Rule::Reason => cancel(
            of(&[stopping(1, "cancelled"), finished(1, "succeeded")]),
            &stopped(true, 1, "stopping"),
        ),
        Rule::Once => of(&[finished(1, "succeeded"), finished(1, "failed")]),
        Rule::Fence => of(&[finished(1, "succeeded"), completed(1, "late")]),
        Rule::Begins => of(&[started(1)]),
        Rule::Ends => clear(of(&[cleared(1)]), json!({}), 1, 3),
        Rule::IfIdle => {
            let log = [finished(1, "cancelled"), cleared(1)];
            clear(of(&log), json!({ "mode": "if_idle" }), 1, 4)
        }
        // A run that stops reads nothing more: the steer must wait among the others.
        Rule::Steer => {
            let log =
                [created_2("queued", "steer"), stopping(1, "cancelled"), finished(2, "consumed")];
            let answer = json!({ "run": "2", "status": "queued", "replayed": false });
            cancel(of(&log).submit("b", "steer", &answer), &stopped(true, 1, "stopping"))
        }
        Rule::TakenBack => of(&[
            created_2("queued", "rollback"),
            stopping(1, "rolled_back"),
            finished(1, "rolled_back"),
            taken(2),
        ])
        .submit("b", "rollback", &queued(2, 0)),
        Rule::Era => clear(Forged::log(&[cleared(1)]), json!({}), 2, 1),
        Rule::Place => add(Forged::log(&[written("0.1")]), "a", &noted(5, "0.1")),
        Rule::Memory => add(Forged::log(&[written("0.1")]), "a", &noted(1, "0.1"))
            .memory("0.1", &[note(1, "b")]),
        Rule::Tag => add(Forged::log(&[written("0.1")]), "a", &noted(1, "0.1"))
            .memory("0.7", &[note(1, "a")]),
        // The memory was read before the note: what is written now would lose it.
        Rule::Match => add(Forged::log(&[written("0.1"), written("0.2")]), "a", &noted(1, "0.1"))
            .call("replace", &replace, &noted(2, "0.2")),
        Rule::Stale => Forged::log(&[]).call(
            "replace",
            &replace,
            &json!({ "code": "stale-tag", "current": "0.0" }),
        ),
        Rule::Key => {
            let log =
                [created(1, "a", "starting", "enqueue"), created(2, "a", "queued", "enqueue")];
            let mut forged = Forged::log(&log);
            for answer in [starting(1), queued(2, 0)] {
                let ask = json!({ "input": "a", "on_conflict": "enqueue" });
                let call = forged.sent_as("submit", &ask, &json!("k"));
                forged.answered(call, &answer);
            }
            forged
        }
        Rule::Mismatch => of(&[]).submit("b", "reject", &problem("idempotency-mismatch")),
        Rule::Number => Forged::log(&begun()).submit("a", "reject", &starting(2)),
        Rule::Input => Forged::log(&begun()).submit("other", "reject", &starting(1)),
        Rule::Queue => of(&[enqueued]).submit("b", "enqueue", &queued(2, 0)).call(
            "queue",
            &json!({}),
            &json!({ "items": [] }),
        ),
        Rule::Run => of(&[finished(1, "succeeded")]).call(
            "run",
            &json!({ "run": "1" }),
            &json!({ "status": "cancelled", "input": "a" }),
        ),
        Rule::Changed => {
            let mut forged = of(&[finished(1, "succeeded")]);
            forged.shown(3);
            cancel(forged, &stopped(true, 1, "succeeded"))
        }
        Rule::Removed => of(&[]).call("unqueue", &json!({ "run": "1" }), &json!({})),
    }
}

#[test]
fn each_rule_alone_refuses_a_forged_record() {
    for rule in Rule::ALL {
        let forged = forged(rule);
        let refused = matches!(forged.judge(), Verdict::NoOrder(_));
        assert!(refused, "{rule:?} is broken, and nobody sees it: {}", rule.says());
        let without = forged.judge_without(rule);
        assert_eq!(without, Verdict::AnOrder, "{rule:?} is not all that is broken");
    }
}

/// The faults that sessions of others had: each as a person would tell it.
#[test]
fn a_memory_that_was_cleared_is_not_shown_again() {
    let log = [written("0.1"), cleared(1)];
    let forged = add(Forged::log(&log), "a", &noted(1, "0.1"));
    let forged = forged.call("clear", &json!({}), &json!({ "era": 1, "seq": 2 }));
    assert_eq!(forged.judge(), Verdict::AnOrder);
    assert!(matches!(forged.memory("0.1", &[note(1, "a")]).judge(), Verdict::NoOrder(_)));
}

#[test]
fn who_submits_after_a_clear_is_not_cleared_by_it() {
    let log = [created(1, "a", "starting", "reject"), finished(1, "cancelled"), cleared(1)];
    // The clear was answered before the submission was sent: it can't have ended its run.
    let clear = Forged::log(&log).call("clear", &json!({}), &json!({ "era": 1, "seq": 3 }));
    let forged = clear.submit("a", "reject", &starting(1));
    assert!(matches!(forged.judge(), Verdict::NoOrder(_)));
    // At the same time it can.
    let mut forged = Forged::log(&log);
    let call = forged.sent("clear", &json!({}));
    let mut forged = forged.submit("a", "reject", &starting(1));
    forged.answered(call, &json!({ "era": 1, "seq": 3 }));
    assert_eq!(forged.judge(), Verdict::AnOrder);
}

#[test]
fn a_run_is_not_taken_out_of_the_queue_by_whom_it_refused() {
    let log = [enqueued_log(), vec![stopping(2, "cancelled"), finished(2, "cancelled")]].concat();
    let forged = of(&log[2..]).submit("b", "enqueue", &queued(2, 0));
    let forged = forged.call("unqueue", &json!({ "run": "2" }), &problem("already-started"));
    // Nobody has cancelled it, and it was told to stop.
    assert!(matches!(forged.judge(), Verdict::NoOrder(_)));
}

fn enqueued_log() -> Vec<Value> {
    let more =
        [created(2, "b", "queued", "enqueue"), finished(1, "succeeded"), taken(2), started(2)];
    [&begun()[..], &more].concat()
}

#[test]
fn a_record_that_nobody_can_have_written_is_refused() {
    for record in [
        json!([{ "k": "sent", "op": "queue" }]),
        json!([{ "k": "sent", "session": "s", "op": "queue" }]),
        json!([{ "k": "answered", "call": 1, "ok": true }]),
        json!([{ "k": "sent", "session": "s", "call": 1, "op": "clear", "ask": {} },
            { "k": "answered", "call": 1, "ok": true, "body": { "era": "one" } }]),
        json!([{ "k": "log", "session": "s", "events": [{ "session": "s", "seq": 1 }] }]),
        json!([{ "k": "log", "session": "s", "events": [
            { "session": "s", "seq": 1, "event": "session.cleared", "data": { "era": 1 } },
            { "session": "s", "seq": 1, "event": "session.cleared", "data": { "era": 2 } }] }]),
    ] {
        let entries = record.as_array().expect("a list");
        assert!(histories(entries, 1).is_err(), "{record}");
    }
}
