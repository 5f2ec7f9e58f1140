//! Which sections and fields may a scenario have, of which kind, in which range?
//!
//! One table, read by the check and by the test that holds `docs/lab.md` to it. A field that is not
//! here does not exist.

use std::time::Duration;

use crate::settings::{Setting, SettingKind};

/// A table of the text.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) fields: &'static [Field],
}

/// One key of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) required: bool,
    /// What holds where the field is not given, as it would be written.
    pub(super) default: Option<&'static str>,
    /// What it is, as the reference says it.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the reference, which a test reads"))]
    pub(super) about: &'static str,
}

/// What a value must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// What others refer to, and what stands in tables.
    Name,
    /// A sentence.
    Prose,
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// A string such as "30s".
    Duration { min: Duration, max: Duration },
    /// An integer.
    Count { min: u64, max: u64 },
    /// A number that may have a fraction.
    Number { min: f64, max: f64 },
    /// True or false.
    Flag,
    /// One to `most` values of one kind.
    List { of: &'static Kind, most: usize },
    /// A table.
    Table(&'static Section),
}

const fn field(
    name: &'static str,
    kind: Kind,
    default: Option<&'static str>,
    about: &'static str,
) -> Field {
    Field { name, kind, required: false, default, about }
}

const fn required(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, required: true, default: None, about }
}

const fn tables(of: &'static Kind, most: usize) -> Kind {
    Kind::List { of, most }
}

const fn share(min: f64) -> Kind {
    Kind::Number { min, max: 1.0 }
}

const fn ms(min: u64, max: Duration) -> Kind {
    Kind::Duration { min: Duration::from_millis(min), max }
}

/// From a millionth of a second: what a service takes.
const fn fine() -> Kind {
    Kind::Duration { min: Duration::from_micros(1), max: DAY }
}

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The whole text.
pub(super) static FILE: Section = Section {
    fields: &[
        field("title", Kind::Prose, None, "What it is about. Stands above table and chart."),
        field("teaches", Kind::Prose, None, "What one learns from it."),
        required("run", Kind::Table(&RUN), "For how long, and how often."),
        required("service", tables(&Kind::Table(&SERVICE), 32), "What is called."),
        required("caller", tables(&Kind::Table(&CALLER), 32), "Who calls."),
        field("policy", tables(&Kind::Table(&POLICY), 16), None, "What is compared."),
    ],
};

pub(super) static RUN: Section = Section {
    fields: &[
        required("lasts", ms(1000, DAY), "Virtual time that is simulated."),
        field("warm_up", ms(0, DAY), Some("\"0s\""), "Its first part, which is not measured."),
        field("bucket", ms(10, HOUR), Some("\"1s\""), "The step of the timeline."),
        field("seeds", Kind::Count { min: 1, max: 1000 }, Some("10"), "Runs of each policy."),
        field(
            "seed",
            Kind::Count { min: 0, max: i64::MAX as u64 },
            Some("1"),
            "The first seed; the runs take it and those that follow.",
        ),
        field(
            "confidence",
            Kind::Number { min: 0.5, max: 0.999 },
            Some("0.95"),
            "How sure the intervals are.",
        ),
        field("baseline", Kind::Flag, Some("true"), "Also run `none`: without any breaker."),
        field(
            "metastable_after",
            ms(1000, DAY),
            Some("\"30s\""),
            "How long an overload must outlive its trigger to be called metastable.",
        ),
    ],
};

pub(super) static SERVICE: Section = Section {
    fields: &[
        required("name", Kind::Name, "By which callers name it."),
        required("latency", Kind::Table(&LATENCY), "How long one call is worked on."),
        field(
            "servers",
            Kind::Count { min: 1, max: 100_000 },
            None,
            "Calls that are worked on at once. None: 1,000,000, and `queue` is 0.",
        ),
        field(
            "queue",
            Kind::Count { min: 0, max: 1_000_000 },
            Some("1000"),
            "Calls that may wait, first come, first served. One more fails at once.",
        ),
        field("error_share", share(0.0), Some("0"), "Calls that fail on a good day."),
        field(
            "cancels",
            Kind::Flag,
            Some("false"),
            "Whether a call leaves the queue when its caller has given up. If not, it is worked \
            on.",
        ),
        field("episode", tables(&Kind::Table(&EPISODE), 100), None, "What goes wrong, and when."),
    ],
};

pub(super) const DISTRIBUTIONS: &[&str] =
    &["constant", "uniform", "exponential", "lognormal", "pareto"];

pub(super) static LATENCY: Section = Section {
    fields: &[
        required("kind", Kind::OneOf(DISTRIBUTIONS), "The distribution."),
        field("mean", fine(), None, "Of constant and exponential: the mean."),
        field("min", fine(), None, "Of uniform and pareto: the least."),
        field("max", fine(), None, "Of uniform: the most."),
        field("median", fine(), None, "Of lognormal: half of the calls take less."),
        field("p99", fine(), None, "Of lognormal: 99 of 100 calls take less."),
        field(
            "shape",
            Kind::Number { min: 1.05, max: 100.0 },
            None,
            "Of pareto: the exponent; the lower, the longer the tail.",
        ),
    ],
};

pub(super) const EPISODES: &[&str] =
    &["errors", "hangs", "slow", "loss", "capacity", "rate-limit", "crash"];

pub(super) static EPISODE: Section = Section {
    fields: &[
        required("kind", Kind::OneOf(EPISODES), "What goes wrong."),
        required("at", ms(0, DAY), "When it begins."),
        required("lasts", ms(1, DAY), "For how long."),
        field(
            "share",
            share(0.0),
            None,
            "Of errors, hangs and loss: the share of the calls (1). Of \
            capacity: the share of the servers that is left (needed).",
        ),
        field(
            "after",
            ms(0, HOUR),
            None,
            "Of errors: answered so long after the call, without a server. None: worked on as any \
             call, and then failed.",
        ),
        field(
            "factor",
            Kind::Number { min: 0.01, max: 10_000.0 },
            None,
            "Of slow: what latencies are multiplied by (needed).",
        ),
        field(
            "per_second",
            Kind::Number { min: 0.001, max: 10_000_000.0 },
            None,
            "Of rate-limit: calls a second that are let in (needed); those of one second may come \
             at once.",
        ),
        field(
            "retry_after",
            ms(1, DAY),
            None,
            "Of rate-limit: what the refused are told. A breaker opens for so long.",
        ),
        field(
            "warm_up",
            ms(0, HOUR),
            None,
            "Of crash: after it, how long until all servers are \
            back (0s).",
        ),
        field(
            "cold_share",
            share(0.001),
            None,
            "Of crash: the share of the servers that is there \
            when the warm-up begins (0.1).",
        ),
        field(
            "collapse_queue",
            Kind::Count { min: 1, max: 1_000_000 },
            None,
            "Of crash: calls waiting at which it falls over again during the warm-up. None: never.",
        ),
        field("collapse_down", ms(1, HOUR), None, "Of crash: how long it is down then (5s)."),
    ],
};

pub(super) static CALLER: Section = Section {
    fields: &[
        required("name", Kind::Name, "Its name."),
        required(
            "calls",
            Kind::List { of: &Kind::Name, most: 8 },
            "The services that can do the work.",
        ),
        field(
            "route",
            Kind::OneOf(&["in-order", "spread"]),
            Some("\"in-order\""),
            "Which of them is asked first: the first one, or any. A retry asks the next one, and \
             so does who is rejected by a breaker.",
        ),
        field(
            "nodes",
            Kind::Count { min: 1, max: 10_000 },
            Some("1"),
            "Machines, each with breakers and places of its own.",
        ),
        required(
            "rate",
            Kind::Number { min: 0.001, max: 1_000_000.0 },
            "Requests a second, of all nodes together.",
        ),
        field(
            "arrivals",
            Kind::OneOf(&["poisson", "even"]),
            Some("\"poisson\""),
            "By chance, or one like the other.",
        ),
        field("timeout", ms(1, DAY), Some("\"30s\""), "How long it waits for one call."),
        field("retries", Kind::Count { min: 0, max: 100 }, Some("0"), "Calls after the first one."),
        field("backoff", ms(0, HOUR), Some("\"100ms\""), "The pause before the first retry."),
        field(
            "backoff_factor",
            Kind::Number { min: 1.0, max: 10.0 },
            Some("2"),
            "What each retry multiplies the pause by.",
        ),
        field("max_backoff", ms(0, HOUR), Some("\"10s\""), "The longest pause."),
        field(
            "backoff_jitter",
            share(0.0),
            Some("1"),
            "The share of a pause that is up to chance.",
        ),
        field(
            "max_in_flight",
            Kind::Count { min: 1, max: 1_000_000 },
            None,
            "Requests that a node has in hand at once. One more is turned away. None: no limit.",
        ),
        field(
            "shared_breaker",
            Kind::Flag,
            Some("false"),
            "Whether all nodes share one breaker for each service.",
        ),
        field(
            "retry_rejected",
            Kind::Flag,
            Some("false"),
            "Whether a request that every breaker rejects is retried.",
        ),
        field("surge", tables(&Kind::Table(&SURGE), 100), None, "When more or fewer come."),
    ],
};

pub(super) static SURGE: Section = Section {
    fields: &[
        required("at", ms(0, DAY), "When it begins."),
        required("lasts", ms(1, DAY), "For how long."),
        required(
            "factor",
            Kind::Number { min: 0.0, max: 1000.0 },
            "What the rate is multiplied by.",
        ),
    ],
};

/// The keys beside the name are those of `[breaker]` in the server's configuration.
pub(super) static POLICY: Section = Section { fields: &POLICY_FIELDS };

static POLICY_FIELDS: [Field; Setting::ALL.len() + 1] = policy();

const fn policy() -> [Field; Setting::ALL.len() + 1] {
    let name = required("name", Kind::Name, "Its name. `none` is taken: no breaker.");
    let mut fields = [name; Setting::ALL.len() + 1];
    let mut i = 0;
    while i < Setting::ALL.len() {
        let setting = &Setting::ALL[i];
        let kind = match setting.kind {
            SettingKind::Count { min, max } => Kind::Count { min, max },
            SettingKind::Number { min, max } => Kind::Number { min, max },
            SettingKind::Time { min, max } => Kind::Duration { min, max },
            SettingKind::Flag => Kind::Flag,
            SettingKind::OneOf(words) => Kind::OneOf(words),
        };
        i += 1;
        fields[i] = field(setting.name, kind, setting.default, setting.about);
    }
    fields
}
