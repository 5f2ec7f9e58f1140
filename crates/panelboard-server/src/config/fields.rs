//! Which sections and fields may a configuration have, of which kind, in which range?
//!
//! One table, read three times: by `check`, by `schema`, and by whoever writes a file. A field that
//! is not here does not exist; a field that is here and that `build` does not read is found by the
//! test `every_field_changes_the_outcome`.

mod kept;
pub(super) mod sinks;
mod vault;

use std::time::Duration;

use kept::{CALLS, JOBS, SESSIONS, STORE};
use panelboard_lab::{Setting, SettingKind};
use sinks::{LOG, SINK};
use vault::VAULT;

/// A table of the file.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) about: &'static str,
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
    pub(super) about: &'static str,
}

/// What a value must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A string of a shape.
    Text(Shape),
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// A string such as "30s".
    Duration { min: Duration, max: Duration },
    /// An integer.
    Count { min: u64, max: u64 },
    /// An integer of bytes, or a string such as "16MiB".
    Bytes { min: u64, max: u64 },
    /// `true` or `false`.
    Switch,
    /// A number with a fraction.
    Share { min: f64, max: f64 },
    /// A reference to a secret.
    Secret,
    /// An array of values of one kind.
    List(&'static Kind),
    /// A table.
    Table(&'static Section),
    /// An array of tables.
    Tables(&'static Section),
}

/// What a string must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The name of a provider, key or group: it stands in breakers' keys, headers and labels.
    Name,
    /// What stands in one piece: the name of a model, the value of a label.
    Word,
    /// `PROVIDER/MODEL`.
    Target,
    /// `http://` or `https://`, a host, no query.
    Url,
    /// `ADDRESS:PORT`.
    Address,
    /// The host of a URL, without a port.
    Host,
    /// `SCHEME://HOST[:PORT]`.
    Origin,
    /// The path of a file, or `:memory:`.
    Path,
    /// The path of a file.
    File,
    /// A mount or a namespace: parts with slashes between them.
    Mount,
    /// A syslog daemon.
    Syslog,
    /// A regular expression; whether it is one is seen when it is compiled.
    Pattern,
}

impl Shape {
    /// What a person should write, for messages.
    pub(super) fn expected(self) -> &'static str {
        match self {
            Shape::Name => "1 to 100 letters, digits and - _ .",
            Shape::Word => "1 to 200 printable characters without spaces",
            Shape::Target => "\"PROVIDER/MODEL\"",
            Shape::Url => "a URL such as \"https://api.openai.com/v1\"",
            Shape::Address => "ADDRESS:PORT such as \"127.0.0.1:8080\"",
            Shape::Host => "a host name such as \"gateway.example.com\"",
            Shape::Origin => "an origin such as \"https://gateway.example.com\"",
            Shape::Path => "a path such as \"panelboard.db\", or \":memory:\"",
            Shape::File => "the path of a file",
            Shape::Mount => "a path such as \"secret\" or \"team/kv\", without a slash at an end",
            Shape::Syslog => "udp://HOST:PORT, tcp://HOST:PORT or unix:PATH",
            Shape::Pattern => "a regular expression of 1 to 1000 characters",
        }
    }
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

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const GIB: u64 = 1 << 30;

/// The whole file.
pub(super) static FILE: Section = Section {
    about: "The configuration of `panelboard serve`.",
    fields: &[
        field("server", Kind::Table(&SERVER), None, "The program's own door."),
        field("gateway", Kind::Table(&GATEWAY), None, "What one call may cost."),
        field("breaker", Kind::Table(&BREAKER), None, "The defaults of every breaker."),
        field("timeouts", Kind::Table(&TIMEOUTS), None, "How long each part of a call may take."),
        field("store", Kind::Table(&STORE), None, "Where sessions are kept."),
        field("sessions", Kind::Table(&SESSIONS), None, "Chats, each with one run at a time."),
        field("calls", Kind::Table(&CALLS), None, "The log of calls to providers."),
        field("jobs", Kind::Table(&JOBS), None, "Simulations and analyses."),
        field(
            "vault",
            Kind::Table(&VAULT),
            None,
            "Where keys whose secrets are in a Vault come from.",
        ),
        field("log", Kind::Table(&LOG), None, "What all log sinks share."),
        field("sink", Kind::Tables(&SINK), None, "The places where the program's own logs go."),
        field("provider", Kind::Tables(&PROVIDER), None, "The services that answer."),
        field("model", Kind::Tables(&MODEL), None, "The names that clients ask for."),
    ],
};

static SERVER: Section = Section {
    about: "The program's own door.",
    fields: &[
        field(
            "listen",
            Kind::Text(Shape::Address),
            Some("\"127.0.0.1:8080\""),
            "Where to listen. Beyond loopback `admin_token` and `client_keys` are needed.",
        ),
        field(
            "admin_token",
            Kind::Secret,
            None,
            "The bearer token of every endpoint outside the gateway's, beside /health and /ready.",
        ),
        field(
            "client_keys",
            Kind::List(&Kind::Secret),
            None,
            "The bearer tokens of the gateway's endpoints. None: anybody who reaches the address.",
        ),
        field(
            "allowed_hosts",
            Kind::List(&Kind::Text(Shape::Host)),
            None,
            "Host names, beside the listen address and loopback, that a request may be sent to.",
        ),
        field(
            "allowed_origins",
            Kind::List(&Kind::Text(Shape::Origin)),
            None,
            "Origins, beside our own, whose pages may change something here.",
        ),
        field(
            "max_connections",
            Kind::Count { min: 1, max: 1_000_000 },
            Some("16384"),
            "Connections at once. At the limit new ones wait in the system's backlog.",
        ),
        field(
            "max_header_bytes",
            Kind::Bytes { min: 8192, max: 1 << 20 },
            Some("\"64KiB\""),
            "The longest head of a request. A longer one is answered with 431.",
        ),
        field(
            "header_timeout",
            Kind::Duration { min: ms(100), max: ms(600_000) },
            Some("\"1m\""),
            "How long a client may take to send a head, or stay idle. Then it is disconnected.",
        ),
        field(
            "body_timeout",
            Kind::Duration { min: ms(100), max: ms(3_600_000) },
            Some("\"60s\""),
            "How long a client may take to send a body. Later the answer is 408.",
        ),
        field(
            "max_event_streams",
            Kind::Count { min: 1, max: 10_000 },
            Some("64"),
            "Streams of /v1/events at once. One more is answered with 503.",
        ),
        field(
            "stop_within",
            Kind::Duration { min: ms(0), max: ms(3_600_000) },
            Some("\"10s\""),
            "How long calls in flight may go on after SIGTERM. Then streams are told and ended.",
        ),
    ],
};

static GATEWAY: Section = Section {
    about: "What one call may cost.",
    fields: &[
        field(
            "max_body_bytes",
            Kind::Bytes { min: 1024, max: GIB },
            Some("\"32MiB\""),
            "The longest request body. A longer one is answered with 413.",
        ),
        field(
            "max_depth",
            Kind::Count { min: 8, max: 128 },
            Some("128"),
            "The deepest nesting of a request body. A deeper one is answered with 400.",
        ),
        field(
            "max_answer_bytes",
            Kind::Bytes { min: 1024, max: GIB },
            Some("\"64MiB\""),
            "The longest whole answer. A longer one is a failure of the provider.",
        ),
        field(
            "hold_back_bytes",
            Kind::Bytes { min: 0, max: 16 << 20 },
            Some("\"64KiB\""),
            "How much of a stream without any output is held back so that it can still fail over.",
        ),
        field(
            "hold_back",
            Kind::Duration { min: ms(0), max: ms(600_000) },
            Some("\"5s\""),
            "How long a stream without any output is held back.",
        ),
        field(
            "max_resends",
            Kind::Count { min: 0, max: 100 },
            Some("3"),
            "How often one call is sent again after a server's failure.",
        ),
        field(
            "resend_share",
            Kind::Share { min: 0.0, max: 1.0 },
            Some("0.2"),
            "Re-sends as a share of all calls.",
        ),
        field(
            "resend_min_per_second",
            Kind::Share { min: 0.0, max: 100_000.0 },
            Some("3.0"),
            "Re-sends a second that are allowed however few calls there are.",
        ),
        field(
            "max_idle_connections",
            Kind::Count { min: 0, max: 100_000 },
            Some("256"),
            "Idle connections kept for each provider. More are closed.",
        ),
        field(
            "wait_up_to",
            Kind::Duration { min: ms(0), max: ms(600_000) },
            None,
            "How long a call waits for the earliest key if none admits it. None: it is refused.",
        ),
    ],
};

static BREAKER: Section =
    Section { about: "When a breaker trips, and how it recovers.", fields: &BREAKER_FIELDS };

const BREAKER_FIELDS: [Field; Setting::ALL.len()] = breaker();

/// The lab's table: what it says of a breaker's keys, a scenario says as well.
const fn breaker() -> [Field; Setting::ALL.len()] {
    let mut fields = [field("", Kind::Switch, None, ""); Setting::ALL.len()];
    let mut i = 0;
    while i < fields.len() {
        let setting = &Setting::ALL[i];
        let kind = match setting.kind {
            SettingKind::Count { min, max } => Kind::Count { min, max },
            SettingKind::Number { min, max } => Kind::Share { min, max },
            SettingKind::Time { min, max } => Kind::Duration { min, max },
            SettingKind::Flag => Kind::Switch,
            SettingKind::OneOf(words) => Kind::OneOf(words),
        };
        fields[i] = field(setting.name, kind, setting.default, setting.about);
        i += 1;
    }
    fields
}

static TIMEOUTS: Section = Section {
    about: "How long each part of a call may take.",
    fields: &[
        field(
            "connect",
            Kind::Duration { min: ms(1), max: DAY },
            Some("\"2s\""),
            "Name look-up, TCP and TLS together.",
        ),
        field(
            "first_byte",
            Kind::Duration { min: ms(1), max: DAY },
            Some("\"30s\""),
            "From the request to the answer's head, and on to a stream's first event.",
        ),
        field(
            "idle",
            Kind::Duration { min: ms(1), max: DAY },
            Some("\"30s\""),
            "Between two pieces of an answer.",
        ),
        field(
            "total",
            Kind::Duration { min: ms(1), max: DAY },
            Some("\"10m\""),
            "The whole call with all its attempts.",
        ),
    ],
};

/// The kinds of provider, as written.
pub(super) const KINDS: &[&str] = &["openai", "anthropic", "openai-compatible", "pretend"];

static PROVIDER: Section = Section {
    about: "A service that answers.",
    fields: &[
        required("name", Kind::Text(Shape::Name), "Its name in breakers, headers and metrics."),
        required("kind", Kind::OneOf(KINDS), "Which API it speaks."),
        field(
            "base_url",
            Kind::Text(Shape::Url),
            None,
            "Where it is, with the version. Known for openai and anthropic.",
        ),
        field(
            "keys",
            Kind::Tables(&KEY),
            None,
            "Its credentials. An openai-compatible service may have none.",
        ),
        field("breaker", Kind::Table(&BREAKER), None, "What differs from [breaker]."),
        field("timeouts", Kind::Table(&TIMEOUTS), None, "What differs from [timeouts]."),
    ],
};

static KEY: Section = Section {
    about: "A credential of a provider.",
    fields: &[
        required("name", Kind::Text(Shape::Name), "Its name in breakers, headers and metrics."),
        field(
            "secret",
            Kind::Secret,
            None,
            "The credential, by reference. From a Vault it may change while the program runs.",
        ),
        field(
            "weight",
            Kind::Count { min: 1, max: 1_000_000 },
            Some("1"),
            "Its share of the load among its provider's keys.",
        ),
        field(
            "quota_group",
            Kind::Text(Shape::Name),
            None,
            "Keys of one group share one limit: a 429 for one cools them all.",
        ),
    ],
};

static MODEL: Section = Section {
    about: "A name that clients ask for.",
    fields: &[
        required("name", Kind::Text(Shape::Word), "The name."),
        required(
            "targets",
            Kind::List(&Kind::Text(Shape::Target)),
            "Who serves it, in order of preference.",
        ),
    ],
};
