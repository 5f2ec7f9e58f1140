//! Which fields may the sections `[log]` and `[[sink]]` have? What belongs to some kinds of sinks
//! alone is refused for the others by `build`.

use super::{BREAKER_FIELDS, Field, GIB, Kind, Section, Shape, field, ms, required};

pub(super) static LOG: Section = Section {
    about: "What all log sinks share. It holds until the next start.",
    fields: &[
        field(
            "fan_out",
            Kind::OneOf(&["parallel", "sequence"]),
            Some("\"parallel\""),
            "Whether all sinks write at once, or one after the other.",
        ),
        field(
            "queue",
            Kind::Count { min: 16, max: 1 << 20 },
            Some("8192"),
            "Records between the program and its sinks. More are dropped, and counted.",
        ),
        field(
            "record_bytes",
            Kind::Bytes { min: 512, max: 1 << 20 },
            Some("\"16KiB\""),
            "The longest record. Fields beyond are left out, and their number is noted.",
        ),
        field(
            "value_bytes",
            Kind::Bytes { min: 64, max: 1 << 20 },
            Some("\"8KiB\""),
            "The longest message or value. What is beyond is cut, with a mark.",
        ),
        field(
            "redact_names",
            Kind::List(&Kind::Text(Shape::Name)),
            None,
            "Fields whose values no sink gets, beside those with the usual names of secrets.",
        ),
        field(
            "redact_patterns",
            Kind::List(&Kind::Text(Shape::Pattern)),
            None,
            "What no sink gets, wherever it stands in a message or value: regular expressions.",
        ),
    ],
};

/// The kinds of sinks, as written.
pub(in crate::config) const KINDS: &[&str] =
    &["stdout", "stderr", "file", "syslog", "http", "loki", "otlp"];

/// How much something matters, as written: what matters most comes first.
const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];

/// What a sink drops when its buffer is full, as written.
const DROPS: &[&str] = &["oldest", "newest", "by-level"];

/// How records look where they are text, as written.
const FORMATS: &[&str] = &["json", "compact", "pretty"];

/// The parts of a system that syslog knows, as written.
const FACILITIES: &[&str] = &[
    "user", "daemon", "auth", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
];

pub(super) static SINK: Section = Section {
    about: "A place where the program's own logs go. Without any there is one, standard error. It \
            holds until the next start.",
    fields: &[
        required("name", Kind::Text(Shape::Name), "Its name in status and metrics."),
        required("kind", Kind::OneOf(KINDS), "What it is."),
        field("level", Kind::OneOf(LEVELS), Some("\"info\""), "The least that it gets."),
        field("up_to", Kind::OneOf(LEVELS), Some("\"error\""), "The most that it gets."),
        field(
            "targets",
            Kind::Tables(&TARGET),
            None,
            "Targets with another level; the longest prefix decides.",
        ),
        field(
            "fallback",
            Kind::Text(Shape::Name),
            None,
            "The sink that takes over what this one can't be given.",
        ),
        field(
            "standby",
            Kind::Switch,
            Some("false"),
            "It gets only what other sinks hand over, as their fallback.",
        ),
        field(
            "spill",
            Kind::Text(Shape::File),
            None,
            "A folder of its own, through which its records go: nothing is lost while it is away. \
             Not together with a fallback.",
        ),
        field(
            "spill_bytes",
            Kind::Bytes { min: 64 << 10, max: 1 << 40 },
            Some("\"256MiB\""),
            "The size that the spill may grow to.",
        ),
        field(
            "buffer_records",
            Kind::Count { min: 1, max: 1 << 24 },
            Some("8192"),
            "Records that wait for it in memory.",
        ),
        field(
            "buffer_bytes",
            Kind::Bytes { min: 4096, max: 4 * GIB },
            Some("\"16MiB\""),
            "The same in bytes, whichever comes first.",
        ),
        field(
            "drop",
            Kind::OneOf(DROPS),
            Some("\"oldest\""),
            "Who goes when the buffer or the spill is full.",
        ),
        field(
            "batch_records",
            Kind::Count { min: 1, max: 1 << 16 },
            Some("512"),
            "Records of one write.",
        ),
        field(
            "batch_bytes",
            Kind::Bytes { min: 512, max: 64 << 20 },
            Some("\"512KiB\""),
            "The same in bytes, about.",
        ),
        field(
            "batch_delay",
            Kind::Duration { min: ms(0), max: ms(60_000) },
            None,
            "How long a record waits for others to be written with. None: 200 ms over HTTP, 20 ms \
             for syslog, else 0.",
        ),
        field(
            "timeout",
            Kind::Duration { min: ms(10), max: ms(300_000) },
            Some("\"10s\""),
            "How long a write may take. Then its breaker opens.",
        ),
        field(
            "attempts",
            Kind::Count { min: 1, max: 1_000_000 },
            None,
            "Writes of one batch that may fail until it goes to the fallback or is dropped. None: \
             without end.",
        ),
        field(
            "backoff",
            Kind::Duration { min: ms(1), max: ms(60_000) },
            Some("\"100ms\""),
            "Between the first two writes of a batch; it doubles.",
        ),
        field(
            "max_backoff",
            Kind::Duration { min: ms(1), max: ms(3_600_000) },
            Some("\"10s\""),
            "The longest of them, not below backoff.",
        ),
        field(
            "breaker",
            Kind::Table(&BREAKER_OF_SINK),
            None,
            "What differs from: 5 failures in a row, or half of at least 10 writes in 10s slower \
             than 2s; open for 5s, doubling to 1m.",
        ),
        field(
            "format",
            Kind::OneOf(FORMATS),
            Some("\"json\""),
            "How records look on stdout, on stderr and in a file.",
        ),
        field("path", Kind::Text(Shape::File), None, "The file; with its folder it is made."),
        field(
            "rotate_bytes",
            Kind::Bytes { min: 1024, max: 1 << 40 },
            None,
            "The next file begins before this one would be larger.",
        ),
        field(
            "rotate_every",
            Kind::Duration { min: ms(1_000), max: ms(366 * 86_400_000) },
            None,
            "The next file begins with the next period, counted in UTC.",
        ),
        field(
            "keep_files",
            Kind::Count { min: 1, max: 1_000_000 },
            None,
            "Files that are full and stay.",
        ),
        field(
            "keep_for",
            Kind::Duration { min: ms(1_000), max: ms(3_660 * 86_400_000) },
            None,
            "How long files that are full stay.",
        ),
        field(
            "gzip",
            Kind::Switch,
            Some("false"),
            "Whether files that are full, or bodies of http, loki and otlp, are compressed.",
        ),
        field(
            "address",
            Kind::Text(Shape::Syslog),
            None,
            "The syslog daemon: udp://HOST:PORT, tcp://HOST:PORT or unix:/dev/log.",
        ),
        field(
            "app",
            Kind::Text(Shape::Word),
            Some("\"panelboard\""),
            "What the program is called in syslog.",
        ),
        field(
            "facility",
            Kind::OneOf(FACILITIES),
            Some("\"user\""),
            "What part of the system it is in syslog.",
        ),
        field(
            "url",
            Kind::Text(Shape::Url),
            None,
            "Where http posts JSON lines to; the server of loki or otlp, without the API's path.",
        ),
        field(
            "token",
            Kind::Secret,
            None,
            "A bearer token for http, loki or otlp, by env: or file: reference.",
        ),
        field("user", Kind::Text(Shape::Word), None, "A name for http, loki or otlp."),
        field(
            "password",
            Kind::Secret,
            None,
            "The password beside it, by env: or file: reference.",
        ),
        field("headers", Kind::Tables(&HEADER), None, "Further headers for http, loki or otlp."),
        field(
            "labels",
            Kind::Tables(&LABEL),
            None,
            "Labels of all streams of loki; attributes of otlp's resource.",
        ),
        field("tenant", Kind::Text(Shape::Word), None, "The tenant of loki."),
        field(
            "service",
            Kind::Text(Shape::Word),
            Some("\"panelboard\""),
            "What the program is called in otlp.",
        ),
    ],
};

static TARGET: Section = Section {
    about: "A target with a level of its own.",
    fields: &[
        required("prefix", Kind::Text(Shape::Word), "How the target begins."),
        required("level", Kind::OneOf(LEVELS), "The least that the sink gets of it."),
    ],
};

static HEADER: Section = Section {
    about: "A header.",
    fields: &[
        required("name", Kind::Text(Shape::Name), "Its name."),
        required("value", Kind::Secret, "Its value, by env: or file: reference."),
    ],
};

static LABEL: Section = Section {
    about: "A label.",
    fields: &[
        required("name", Kind::Text(Shape::Name), "Its name."),
        required("value", Kind::Text(Shape::Word), "Its value."),
    ],
};

static BREAKER_OF_SINK: Section =
    Section { about: "When a sink's breaker trips, and how it recovers.", fields: &OF_SINK };

static OF_SINK: [Field; BREAKER_FIELDS.len()] = without_defaults();

/// The keys of `[breaker]`. What holds where they are not given is another here, and often two of
/// them together: it is told in a sentence.
const fn without_defaults() -> [Field; BREAKER_FIELDS.len()] {
    let mut fields = BREAKER_FIELDS;
    let mut i = 0;
    while i < fields.len() {
        fields[i].default = None;
        i += 1;
    }
    fields
}
