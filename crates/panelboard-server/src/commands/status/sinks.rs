//! How do the sinks of the server's own logs stand, as a table?

use serde_json::Value;

use super::{last_error, table, time};

const HEADERS: [&str; 10] = [
    "SINK",
    "KIND",
    "STATE",
    "WHY",
    "UNTIL",
    "DELIVERED",
    "HANDED OVER",
    "DROPPED",
    "WAITING",
    "LAST ERROR",
];

/// The sinks below the breakers; nothing if there are none.
pub(super) fn table_of(logs: &Value) -> String {
    match logs["sinks"].as_array() {
        Some(sinks) => format!("\n{}", table(HEADERS, sinks.iter().map(row))),
        None => String::new(),
    }
}

fn row(sink: &Value) -> [String; 10] {
    let text = |name: &str| sink[name].as_str().unwrap_or("-").to_owned();
    let count = |name: &str| sink[name].as_u64().unwrap_or(0).to_string();
    let closed = sink["state"] == "closed";
    let why = match closed {
        _ if sink["stuck"] == true => "a write does not come back".to_owned(),
        true => "-".to_owned(),
        false if sink["ready_to_probe"] == true => "ready to probe".to_owned(),
        false => text("reason"),
    };
    let until = sink["retry_after_ms"].as_u64().filter(|_| !closed);
    let reasons = sink["dropped"].as_object().into_iter().flat_map(|reasons| reasons.values());
    let dropped: u64 = reasons.filter_map(Value::as_u64).sum();
    [
        text("name"),
        text("kind"),
        text("state"),
        why,
        until.map_or_else(|| "-".to_owned(), |ms| time(ms.div_ceil(1000) * 1000)),
        count("delivered"),
        count("handed_over"),
        dropped.to_string(),
        count("waiting"),
        last_error(&sink["last_error"]),
    ]
}
