//! Does the reference in `docs/lab.md` say of each key what the table of fields says?

use super::{
    check::{default, expected},
    fields::{CALLER, EPISODE, FILE, Kind, LATENCY, POLICY, RUN, SERVICE, SURGE, Section},
};

const REFERENCE: &str = include_str!("../../../../docs/lab.md");

static SECTIONS: [(&str, &Section); 8] = [
    ("The whole file", &FILE),
    ("`[run]`", &RUN),
    ("`[[service]]`", &SERVICE),
    ("`latency`", &LATENCY),
    ("`[[service.episode]]`", &EPISODE),
    ("`[[caller]]`", &CALLER),
    ("`[[caller.surge]]`", &SURGE),
    ("`[[policy]]`", &POLICY),
];

/// The rows of a section, as the reference has them.
fn rows(section: &Section) -> String {
    let mut rows = "| key | value | default | what it is |\n| --- | --- | --- | --- |\n".to_owned();
    for field in section.fields {
        let value = match &field.kind {
            // The message about a duration gives an example, which the reference gives once.
            Kind::Duration { min, max } => {
                let time =
                    |time: &std::time::Duration| humantime::format_duration(*time).to_string();
                format!("duration, \"{}\" to \"{}\"", time(min), time(max))
            }
            kind => expected(kind),
        };
        let default = match field.default {
            _ if field.required => "needed".to_owned(),
            Some(written) => format!("`{written}`"),
            None => "none".to_owned(),
        };
        rows.push_str(&format!("| `{}` | {value} | {default} | {} |\n", field.name, field.about));
    }
    rows
}

#[test]
fn the_reference_has_every_key_with_its_range_and_default() {
    let missing: String = SECTIONS
        .iter()
        .filter(|(_, section)| !REFERENCE.contains(&rows(section)))
        .map(|(name, section)| format!("### {name}\n\n{}\n", rows(section)))
        .collect();
    assert!(missing.is_empty(), "docs/lab.md should have:\n\n{missing}");
}

#[test]
fn every_default_is_within_its_own_range() {
    for (name, section) in &SECTIONS {
        for field in section.fields.iter().filter(|field| field.default.is_some()) {
            assert!(default(field).is_some(), "{name}: {}", field.name);
        }
    }
}
