//! What has a run used, if it asked its model more than once? Pure.

use serde_json::Value;

/// Adds what a further answer has used. Counts add up, wherever they stand; of anything else the
/// newest is kept.
pub(super) fn add(total: &mut Value, more: Value) {
    match (total, more) {
        (_, Value::Null) => {}
        (Value::Object(total), Value::Object(more)) => {
            for (name, more) in more {
                add(total.entry(name).or_insert(Value::Null), more);
            }
        }
        (total, more) => {
            let sum = match (total.as_u64(), more.as_u64()) {
                (Some(a), Some(b)) => Some(Value::from(a.saturating_add(b))),
                _ => match (total.as_f64(), more.as_f64()) {
                    (Some(a), Some(b)) => Some(Value::from(a + b)),
                    _ => None,
                },
            };
            *total = sum.unwrap_or(more);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn counts_add_up_wherever_they_stand() {
        let mut total = Value::Null;
        add(&mut total, json!({ "prompt_tokens": 7, "completion_tokens": 5, "cost": 0.5 }));
        add(&mut total, Value::Null);
        add(
            &mut total,
            json!({ "prompt_tokens": 20, "cost": 0.25, "tier": "a",
                "prompt_tokens_details": { "cached_tokens": 3 } }),
        );
        add(
            &mut total,
            json!({ "completion_tokens": u64::MAX, "tier": "b",
                "prompt_tokens_details": { "cached_tokens": 4, "audio_tokens": null } }),
        );
        let expected = json!({
            "prompt_tokens": 27,
            "completion_tokens": u64::MAX,
            "cost": 0.75,
            "tier": "b",
            "prompt_tokens_details": { "cached_tokens": 7, "audio_tokens": null },
        });
        assert_eq!(total, expected);
    }
}
