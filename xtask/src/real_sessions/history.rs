//! Is what clients were told an order of calls? Their record, judged session by session.

use std::{fs, path::Path};

use panelboard_histories::{Malformed, Verdict, histories};
use serde_json::Value;

use crate::story::Story;

/// So much of what is wrong with a session is shown; the record has it all.
const SHOWN: usize = 2_000;

/// # Errors
/// The record cannot be read, or is none.
pub(super) fn judge(record: &Path, queue: usize, story: &mut Story) -> Result<(), String> {
    let broken = |why: String| format!("{}: {why}", record.display());
    let text = fs::read_to_string(record).map_err(|why| broken(why.to_string()))?;
    let entries: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
    let entries = entries.map_err(|why| broken(why.to_string()))?;
    let Sum { calls, overlapping, holes, sessions, wrong } =
        sum(&entries, queue).map_err(|why| broken(why.to_string()))?;
    story.check(
        wrong.is_empty() && sessions > 0 && overlapping > 0,
        format!(
            "order of calls: what {sessions} sessions answered to {calls} calls, {overlapping} of \
             them begun while another ran, is an order on a naive session ({holes} events that \
             nobody saw)"
        ),
    );
    for one in wrong {
        println!("             {}", one.chars().take(SHOWN).collect::<String>());
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Sum {
    sessions: usize,
    calls: usize,
    overlapping: usize,
    holes: usize,
    wrong: Vec<String>,
}

fn sum(entries: &[Value], queue: usize) -> Result<Sum, Malformed> {
    let mut sum = Sum::default();
    for history in histories(entries, queue)? {
        sum.sessions += 1;
        sum.calls += history.calls();
        sum.overlapping += history.overlapping();
        sum.holes += history.holes();
        match history.judge() {
            Verdict::AnOrder => {}
            Verdict::NoOrder(stuck) => sum.wrong.push(format!("{}: {stuck}", history.session())),
            other => sum.wrong.push(format!("{}: {other:?}", history.session())),
        }
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_of_python_clients_is_read_and_a_wrong_answer_found() {
        // As `client.py` writes them: what the judge does not know is passed over.
        let record = |text: &str| {
            [
                json!({ "k": "open", "at": 1.5, "session": "s", "conn": "a.1" }),
                json!({ "k": "sent", "at": 1.5, "session": "s", "re": "http-1", "op": "note",
                    "via": "http", "call": 1, "key": "http-1", "role": "note", "text": "x",
                    "ask": { "role": "note", "text": "x" } }),
                json!({ "k": "frame", "at": 1.6, "conn": "a.1", "frame": { "type": "event",
                    "session": "s", "epoch": "e", "seq": 1, "event": "memory.changed",
                    "data": { "tag": "0.1" } } }),
                json!({ "k": "answered", "at": 1.7, "session": "s", "re": "http-1", "call": 1,
                    "ok": true, "status": 201, "body": { "seq": 1, "tag": "0.1" } }),
                json!({ "k": "sent", "at": 1.8, "session": "s", "re": "http-2", "op": "memory",
                    "via": "http", "call": 2, "key": "http-2", "ask": {} }),
                json!({ "k": "answered", "at": 1.9, "session": "s", "re": "http-2", "call": 2,
                    "ok": true, "status": 200, "body": { "era": 0, "tag": "0.1", "next": null,
                        "items": [{ "seq": 1, "role": "note", "text": text, "at": "" }] } }),
            ]
        };
        let right = sum(&record("x"), 6).unwrap();
        assert_eq!((right.sessions, right.calls, right.holes), (1, 2, 0));
        assert_eq!(right.wrong, Vec::<String>::new());
        assert_eq!(sum(&record("y"), 6).unwrap().wrong.len(), 1);
    }
}
