//! Which column of a file is what?

/// What a column of recorded calls says.
///
/// ```
/// use panelboard_lab::Column;
///
/// assert_eq!(Column::Time.names(), ["time", "timestamp", "ts"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Column {
    /// When the call began.
    Time,
    /// Which breaker it would have asked.
    Key,
    /// How long it took.
    Duration,
    /// How it ended.
    Outcome,
    /// How long it took to the first byte. Optional.
    FirstByte,
    /// What was asked for. Optional.
    Model,
    /// Whose key it is: then the breaker is `provider/key`, as in a gateway's log. Optional.
    Provider,
}

impl Column {
    /// Each of them, the needed ones first.
    pub const ALL: [Self; 7] = [
        Self::Time,
        Self::Key,
        Self::Duration,
        Self::Outcome,
        Self::FirstByte,
        Self::Model,
        Self::Provider,
    ];

    /// The names that it is looked for under, in any case, the first that is there; the times also
    /// with `_s`, `_ms`, `_us` or `_ns` behind them.
    ///
    /// ```
    /// assert!(panelboard_lab::Column::Duration.names().contains(&"latency"));
    /// ```
    #[must_use]
    pub const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Time => &["time", "timestamp", "ts"],
            Self::Key => &["key", "service", "provider"],
            Self::Duration => &["duration", "latency", "elapsed"],
            Self::Outcome => &["outcome", "status", "verdict", "result"],
            Self::FirstByte => &["first_byte", "ttfb", "time_to_first_byte"],
            Self::Model => &["model"],
            Self::Provider => &["provider"],
        }
    }

    pub(super) fn needed(self) -> bool {
        !matches!(self, Self::FirstByte | Self::Model | Self::Provider)
    }

    fn takes_time(self) -> bool {
        matches!(self, Self::Duration | Self::FirstByte)
    }
}

/// What a number without a unit of its own counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Millis => "milliseconds",
            Self::Micros => "microseconds",
            Self::Nanos => "nanoseconds",
        }
    }

    /// By the end of a column's name; without one milliseconds.
    fn of_header(name: &str) -> Self {
        let ends = [("_s", Self::Seconds), ("_us", Self::Micros), ("_ns", Self::Nanos)];
        let lower = name.to_ascii_lowercase();
        let found = ends.into_iter().find(|(end, _)| lower.ends_with(end));
        found.map_or(Self::Millis, |(_, unit)| unit)
    }
}

/// A column that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) index: usize,
    /// As the file spells it.
    pub(super) name: String,
    pub(super) unit: Unit,
}

/// Where each of [`Column::ALL`] stands.
pub(super) type Places = [Option<Found>; Column::ALL.len()];

/// Looks the columns up among a file's `headers`. `wanted` are names that somebody chose.
pub(super) fn find(
    headers: &[&str],
    wanted: &[Option<String>; Column::ALL.len()],
) -> Result<Places, String> {
    let mut places: Places = Default::default();
    for ((column, wanted), place) in Column::ALL.into_iter().zip(wanted).zip(&mut places) {
        let index = match wanted {
            Some(name) => Some(exactly(headers, name)?),
            None => column.names().iter().find_map(|name| by_name(headers, column, name)),
        };
        *place = index.map(|index| {
            let name = headers[index].trim().to_owned();
            Found { index, unit: Unit::of_header(&name), name }
        });
        if place.is_none() && column.needed() {
            let names = column.names().join(", ");
            let there = headers.iter().map(|header| header.trim()).collect::<Vec<_>>().join(", ");
            let there: String = there.chars().take(300).collect();
            let what = format!("{column:?}").to_ascii_lowercase();
            return Err(format!(
                "no column for the {what}, expected one of {names}, or to be told its name; there \
                 are {there}"
            ));
        }
    }
    let [key, provider] = [Column::Key, Column::Provider].map(|column| column as usize);
    let index = |place: &Option<Found>| place.as_ref().map(|found| found.index);
    let same = index(&places[key]) == index(&places[provider]);
    // Who names the column of the breaker means that one alone.
    if same || wanted[key].is_some() && wanted[provider].is_none() {
        places[provider] = None;
    }
    Ok(places)
}

fn exactly(headers: &[&str], name: &str) -> Result<usize, String> {
    let found = headers.iter().position(|header| header.trim() == name);
    found.ok_or_else(|| {
        let known = headers.iter().map(|header| header.trim());
        let nearest = panelboard_mistakes::nearest(name, known);
        let meant = nearest.map_or(String::new(), |nearest| format!(", did you mean `{nearest}`?"));
        format!("no column {name:?}{meant}")
    })
}

fn by_name(headers: &[&str], column: Column, name: &str) -> Option<usize> {
    let is_it = |header: &&str| {
        let header = header.trim().to_ascii_lowercase();
        let Some(rest) = header.strip_prefix(name) else { return false };
        rest.is_empty() || column.takes_time() && matches!(rest, "_s" | "_ms" | "_us" | "_ns")
    };
    headers.iter().position(is_it)
}
