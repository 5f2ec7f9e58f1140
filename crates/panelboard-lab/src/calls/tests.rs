//! Is a call as small as promised, and does the reference have every name and word?

use super::{values::WORDS, *};

const REFERENCE: &str = include_str!("../../../../docs/lab.md");

#[test]
fn a_call_takes_sixteen_bytes_and_keeps_all_of_it() {
    assert_eq!(size_of::<Call>(), 16);
    for ended in [Ended::Success, Ended::Failure, Ended::Ignored] {
        let call = Call::new(&RecordedCall::new(LAST_US, "a", MAX_TOOK_US, ended));
        assert_eq!((call.at, call.took(), call.ended()), (LAST_US, MAX_TOOK_US, ended));
    }
}

#[test]
fn the_reference_has_every_column_and_every_word() {
    let listed = |words: &[&str]| {
        words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
    };
    for column in Column::ALL {
        let cell = format!(" | {} | ", listed(column.names()));
        assert!(REFERENCE.contains(&cell), "{cell}");
    }
    for (words, ended) in WORDS {
        let cell = format!(" | {} | ", listed(words));
        assert!(REFERENCE.contains(&cell), "{cell}");
        assert!(words.iter().all(|word| Ended::of(&word.to_uppercase()) == Some(ended)));
    }
}

#[test]
fn statuses_are_told_by_their_hundreds_and_three_of_their_own() {
    let rows = [
        ("99", None),
        ("100", Some(Ended::Success)),
        ("399", Some(Ended::Success)),
        ("404", Some(Ended::Ignored)),
        ("408", Some(Ended::Failure)),
        ("429", Some(Ended::Failure)),
        ("500", Some(Ended::Failure)),
        ("599", Some(Ended::Failure)),
        ("600", None),
    ];
    for (status, ended) in rows {
        assert_eq!(Ended::of(status), ended, "{status}");
    }
}
