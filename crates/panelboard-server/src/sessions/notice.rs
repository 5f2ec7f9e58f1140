//! How is a person told that a breaker rejected, and who answered instead?

use std::time::Duration;

use panelboard::{Cause, State};
use panelboard_llm::{Attempt, Gateway};
use serde_json::{Value, json};

use crate::clock::ms;

/// Keys that are named to a person.
const MAX_NOTICES: usize = 5;

/// A key that may serve a model, as it was when the run asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// `PROVIDER/KEY`.
    pub(super) key: String,
    /// None: it takes calls.
    pub(super) out: Option<Out>,
}

/// Why a key takes no calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Out {
    /// Its provider has asked to be left alone.
    pub(super) cooling: bool,
    /// Until when.
    pub(super) wait: Option<Duration>,
}

impl Route {
    /// The keys of a model, in the order in which they are asked.
    pub(super) fn of(gateway: &Gateway, model: &str) -> Vec<Self> {
        let settings = gateway.settings();
        let Some(model) = settings.models.iter().find(|one| one.name == model) else {
            return Vec::new();
        };
        let mut routes: Vec<Self> = Vec::new();
        for target in &model.targets {
            let provider = settings.providers.iter().find(|one| one.name == target.provider);
            let Some(provider) = provider else { continue };
            let whole = out(gateway, &provider.name);
            for key in &provider.keys {
                let key = format!("{}/{}", provider.name, key.name);
                if routes.iter().all(|route| route.key != key) {
                    let out = out(gateway, &key).or_else(|| whole.clone());
                    routes.push(Self { key, out });
                }
            }
        }
        routes
    }
}

fn out(gateway: &Gateway, breaker: &str) -> Option<Out> {
    let breaker = gateway.panel().get(breaker)?;
    let seen = breaker.snapshot();
    let closed = seen.ready_to_probe || !matches!(seen.state, State::Open | State::ForcedOpen);
    if closed {
        return None;
    }
    let asked = ["rate limited", "quota"];
    let cooling = matches!(seen.cause, Some(Cause::OpenFor(reason)) if asked.contains(&reason));
    Some(Out { cooling, wait: seen.retry_after })
}

/// What a person is told: of keys that came before the one that answered and were passed over, and
/// of those that failed in this very call.
pub(super) fn notices(routes: &[Route], attempts: &[Attempt], by: &str) -> Vec<Value> {
    let tried: Vec<(String, &'static str)> = attempts
        .iter()
        .map(|one| (format!("{}/{}", one.provider, one.key), one.outcome.as_str()))
        .collect();
    let provider = |key: &str| key.split('/').next().unwrap_or_default().to_owned();
    let answered = routes.iter().position(|route| route.key == by);
    // Of one provider's keys none is before another.
    let before = |place: usize, route: &Route| {
        answered.is_none_or(|answered| place < answered || provider(&route.key) == provider(by))
    };
    let mut told = Vec::new();
    for (place, route) in routes.iter().enumerate() {
        if let Some((_, outcome)) = tried.iter().find(|(key, _)| *key == route.key)
            && route.key != by
        {
            told.push(failed(&route.key, outcome, by));
        } else if let Some(out) = &route.out
            && route.key != by
            && before(place, route)
        {
            told.push(rejected(&route.key, out, by));
        }
    }
    told.truncate(MAX_NOTICES);
    told
}

fn rejected(key: &str, out: &Out, by: &str) -> Value {
    let state = if out.cooling { "cooling" } else { "out of service" };
    let wait = out.wait.map(|wait| format!(" for {} s", seconds(wait))).unwrap_or_default();
    let mut notice = json!({
        "code": "cooling",
        "text": format!("{key} is {state}{wait}{}", answered(by)),
        "provider": key.split('/').next(),
        "key": key,
    });
    if let Some(wait) = out.wait {
        notice["retry_after_ms"] = ms(wait).into();
    }
    notice
}

fn failed(key: &str, outcome: &str, by: &str) -> Value {
    json!({
        "code": "fail-over",
        "text": format!("{key} failed ({outcome}){}", answered(by)),
        "provider": key.split('/').next(),
        "key": key,
    })
}

fn answered(by: &str) -> String {
    if by.is_empty() { String::new() } else { format!(", answered by {by}") }
}

/// Rounded up, never none: who comes at the time that he was told is served.
fn seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(key: &str, out: Option<(bool, u64)>) -> Route {
        let out = out.map(|(cooling, ms)| Out { cooling, wait: Some(Duration::from_millis(ms)) });
        Route { key: key.to_owned(), out }
    }

    #[test]
    fn a_person_reads_which_key_is_out_for_how_long_and_who_answered() {
        let routes = [
            route("openai/team-a", Some((true, 11_200))),
            route("openai/team-b", None),
            route("local/only", Some((false, 900))),
        ];
        let told = notices(&routes, &[], "openai/team-b");
        assert_eq!(
            told.len(),
            1,
            "what comes after the one that answered was not wanted: {told:?}"
        );
        assert_eq!(told[0]["text"], "openai/team-a is cooling for 12 s, answered by openai/team-b");
        assert_eq!(told[0]["retry_after_ms"], 11_200);
        let nobody = notices(&routes, &[], "");
        let texts: Vec<&str> = nobody.iter().filter_map(|one| one["text"].as_str()).collect();
        assert_eq!(
            texts,
            ["openai/team-a is cooling for 12 s", "local/only is out of service for 1 s"]
        );
    }

    #[test]
    fn when_all_is_well_nobody_is_told_anything() {
        let routes = [route("a/1", None), route("a/2", None), route("b/1", None)];
        for by in ["a/1", "a/2"] {
            assert_eq!(notices(&routes, &[], by), Vec::<Value>::new());
        }
    }
}
