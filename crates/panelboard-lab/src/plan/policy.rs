//! Which breaker do a policy's keys stand for?

use super::Policy;
use crate::{
    scenario::{Found, Table},
    settings::Settings,
};

pub(super) fn policy(table: &Table, found: &mut Vec<Found>) -> Option<Policy> {
    let name = table.text("name")?.to_owned();
    if name == NONE {
        for field in table.entries.keys().filter(|field| **field != "name") {
            let wrong = "is a setting of a breaker, and `none` has no breaker";
            let mistake = Found::new(table.place(field), table.key(field), wrong);
            found.push(mistake.expected("no other key beside the name, or another name"));
        }
        return Some(Policy { name, breaker: None });
    }
    if table.has_wrong() {
        return None;
    }
    let settings = Settings::read(|setting| table.setting(setting));
    match settings.build() {
        Ok(_) => Some(Policy { name, breaker: Some(settings.builder()) }),
        Err(error) => {
            let mistake = Found::new(table.place(error.key), table.key(error.key), error.wrong);
            found.push(mistake.expected(error.expected));
            None
        }
    }
}

/// The name that stands for no breaker.
pub(super) const NONE: &str = "none";

/// What the server does where its configuration says nothing.
pub(super) fn defaults() -> Policy {
    Policy { name: "defaults".to_owned(), breaker: Some(Settings::default().builder()) }
}
