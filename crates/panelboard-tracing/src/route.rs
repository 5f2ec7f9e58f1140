//! Does a sink want this record?

use crate::record::Record;

/// Which records go to a sink. Severities: 0 for errors, 4 for traces.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    /// The least that matters enough.
    pub(crate) least: u8,
    /// The most that is still for it.
    pub(crate) most: u8,
    /// Prefixes of targets with a `least` of their own.
    pub(crate) targets: Vec<(String, u8)>,
    /// Only what others hand over.
    pub(crate) standby: bool,
}

impl Default for Route {
    fn default() -> Self {
        Self { least: 4, most: 0, targets: Vec::new(), standby: false }
    }
}

impl Route {
    pub(crate) fn wants(&self, record: Record<'_>) -> bool {
        let severity = record.severity();
        let least = match self.targets.is_empty() {
            true => self.least,
            false => self.least_of(record.target()),
        };
        !self.standby && severity <= least && severity >= self.most
    }

    fn least_of(&self, target: &str) -> u8 {
        let fitting = self.targets.iter().filter(|(prefix, _)| target.starts_with(prefix.as_str()));
        fitting.max_by_key(|(prefix, _)| prefix.len()).map_or(self.least, |(_, least)| *least)
    }

    /// The least that it may want of any target.
    pub(crate) fn widest(&self) -> u8 {
        let targets = self.targets.iter().map(|(_, least)| *least);
        targets.chain([self.least]).max().unwrap_or(self.least)
    }
}

#[cfg(all(test, not(any(panelboard_loom, panelboard_shuttle))))]
mod tests {
    use super::*;
    use crate::encode::{KIND_AT, LEVEL_AT, name};

    fn record(severity: u8, target: &str) -> Vec<u8> {
        let mut bytes = vec![0; KIND_AT + 5];
        bytes[LEVEL_AT] = severity;
        for text in [target, "", ""] {
            name(&mut bytes, text);
        }
        bytes
    }

    #[test]
    fn the_longest_prefix_decides() {
        let targets = vec![("a".into(), 1), ("a::b".into(), 4)];
        let route = Route { least: 2, targets, ..Route::default() };
        let rows = [(2, "c", true), (3, "c", false), (2, "a", false), (4, "a::b::c", true)];
        for (severity, target, wanted) in rows {
            let bytes = record(severity, target);
            assert_eq!(route.wants(Record::new(&bytes)), wanted, "{severity} {target}");
        }
        assert_eq!(route.widest(), 4);
    }

    #[test]
    fn a_standby_wants_nothing_and_most_leaves_out_what_matters_more() {
        let errors = record(0, "x");
        assert!(!Route { standby: true, ..Route::default() }.wants(Record::new(&errors)));
        assert!(!Route { most: 2, ..Route::default() }.wants(Record::new(&errors)));
        assert!(Route::default().wants(Record::new(&errors)));
    }
}
