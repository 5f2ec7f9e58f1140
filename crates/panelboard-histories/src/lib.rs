//! Is what clients saw of a session some order of calls on a session that does one thing at a time?
//!
//! It judges records; it knows no network, no clock and no server, and shares no code with what it
//! judges.
//!
//! Every call is an interval, from before it was sent to after it was answered, and takes effect at
//! one moment within. A history is right if there is an order of these moments in which a naive
//! session ([`Rule`] by rule) gives each call the answer that it got, and writes the very log that
//! clients were shown. Calls that do not overlap keep their order. What happens by itself (a run
//! begins, says something, ends) is a step of the session that no call asks for; the log tells
//! which came when. The search is that of Wing and Gong, with Lowe's memory of what was tried;
//! sessions are judged one by one, since each is an object of its own.
//!
//! # What does a record look like?
//! A list of JSON objects, in the order in which one clock saw them; each has a kind `k`:
//!
//! | `k` | fields | what |
//! | --- | --- | --- |
//! | `sent` | `session`, `call`, `op`, `ask`, `key`? | a call begins; `call` is its own number |
//! | `answered` | `call`, `ok`, `body` | it ends; `body` is what was answered |
//! | `frame` | `frame` | a client was shown an event |
//! | `log` | `session`, `events` | events that the session has at the end |
//!
//! Other kinds, and fields beside these, are not looked at. `op` is `submit`, `cancel`, `clear`,
//! `note`, `replace`, `memory`, `queue`, `run` or `unqueue`; `ask` holds what the request said,
//! with `run` and `tag` where a path or a header said them; `key` is its idempotency key. A call
//! that is never answered, or whose answer says that nobody knows, may have been done or not.
//!
//! # Which calls have two moments?
//! A cancel that names no run finds out which one has the slot, and then cancels that one.
//!
//! ```
//! use panelboard_histories::{Verdict, histories};
//! use serde_json::json;
//!
//! let event = |seq: u64, event: &str, data: serde_json::Value| {
//!     json!({ "session": "s", "seq": seq, "event": event, "run": "1", "data": data })
//! };
//! let created = json!({ "input": "hi", "status": "starting", "on_conflict": "reject" });
//! let mut record = vec![
//!     json!({ "k": "sent", "session": "s", "call": 1, "op": "submit", "ask": { "input": "hi" } }),
//!     json!({ "k": "answered", "call": 1, "ok": true,
//!         "body": { "run": "1", "status": "starting", "replayed": false } }),
//!     json!({ "k": "sent", "session": "s", "call": 2, "op": "run", "ask": { "run": "1" } }),
//!     json!({ "k": "answered", "call": 2, "ok": true,
//!         "body": { "run": "1", "status": "succeeded", "input": "hi" } }),
//!     json!({ "k": "log", "session": "s", "events": [
//!         event(1, "run.created", created),
//!         event(2, "run.started", json!({})),
//!         event(3, "run.finished", json!({ "status": "succeeded" })),
//!     ] }),
//! ];
//! assert_eq!(histories(&record, 6)?[0].judge(), Verdict::AnOrder);
//!
//! record[3]["body"]["status"] = "cancelled".into(); // nobody has cancelled it
//! assert!(matches!(histories(&record, 6)?[0].judge(), Verdict::NoOrder(_)));
//! # Ok::<(), panelboard_histories::Malformed>(())
//! ```

mod call;
mod event;
#[cfg(test)]
mod forged;
mod record;
mod rule;
mod search;
mod session;

pub use record::{History, Malformed, histories};
pub use rule::Rule;
pub use search::{Stuck, Verdict};
