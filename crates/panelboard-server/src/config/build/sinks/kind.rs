//! What is a sink, by its kind, and which fields belong to it?

use std::path::PathBuf;
use std::time::Duration;

use panelboard_mistakes::Found;
use panelboard_tracing::{Format, sinks::Facility};

use super::super::Builder;
use crate::config::check::MISSING;
use crate::config::fields::Shape;
use crate::config::secret::{Held, fits_header};
use crate::config::values::Table;

/// What a sink is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields of the configuration, under their names")]
pub enum To {
    /// Standard output.
    Stdout(Format),
    /// Standard error.
    Stderr(Format),
    /// A file.
    File(File),
    /// A syslog daemon.
    Syslog { address: Address, app: String, facility: Facility },
    /// A collector that takes JSON lines.
    Http(Http),
    /// A Loki server.
    Loki { http: Http, tenant: Option<String>, labels: Vec<(String, String)> },
    /// A collector of OpenTelemetry.
    Otlp { http: Http, service: String, labels: Vec<(String, String)> },
}

/// A file, and when the next one begins.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields of the configuration, under their names")]
pub struct File {
    pub path: PathBuf,
    pub format: Format,
    pub rotate_bytes: Option<u64>,
    pub rotate_every: Option<Duration>,
    pub keep_files: Option<usize>,
    pub keep_for: Option<Duration>,
    pub gzip: bool,
}

/// Where a syslog daemon is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Address {
    /// Datagrams to `HOST:PORT`.
    Udp(String),
    /// A connection to `HOST:PORT`.
    Tcp(String),
    /// Datagrams to a socket.
    Unix(PathBuf),
}

/// Where something is posted to, and with what.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields of the configuration, under their names")]
pub struct Http {
    pub url: String,
    pub auth: Auth,
    pub headers: Vec<(String, Held)>,
    pub gzip: bool,
}

/// With what a sink is asked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Auth {
    /// Nothing.
    None,
    /// A bearer token.
    Bearer(Held),
    /// A name and a password.
    Basic(String, Held),
}

/// The fields that belong to some kinds alone.
const OF_KINDS: [(&str, &[&str]); 18] = [
    ("format", &["stdout", "stderr", "file"]),
    ("path", &["file"]),
    ("rotate_bytes", &["file"]),
    ("rotate_every", &["file"]),
    ("keep_files", &["file"]),
    ("keep_for", &["file"]),
    ("gzip", &["file", "http", "loki", "otlp"]),
    ("address", &["syslog"]),
    ("app", &["syslog"]),
    ("facility", &["syslog"]),
    ("url", OVER_HTTP),
    ("token", OVER_HTTP),
    ("user", OVER_HTTP),
    ("password", OVER_HTTP),
    ("headers", OVER_HTTP),
    ("labels", &["loki", "otlp"]),
    ("tenant", &["loki"]),
    ("service", &["otlp"]),
];

const OVER_HTTP: &[&str] = &["http", "loki", "otlp"];

impl Builder<'_> {
    /// What a sink is. Every field that is written belongs to its kind, or has a mistake.
    pub(super) fn kind(&mut self, table: &Table) -> Option<To> {
        let kind = table.text("kind")?;
        for (field, kinds) in OF_KINDS {
            if table.has(field) && !kinds.contains(&kind) {
                let wrong = format!("is of no use to a sink of the kind {kind}");
                let mistake = Found::new(table.place(field), table.key(field), wrong);
                let a = if kinds.len() == 1 { "the kind" } else { "one of the kinds" };
                self.found.push(mistake.expected(format!("{a} {}", kinds.join(", "))));
            }
        }
        let format = match table.text("format") {
            Some("compact") => Format::Compact,
            Some("pretty") => Format::Pretty,
            _ => Format::Json,
        };
        let gzip = table.switch("gzip").unwrap_or(false);
        let text = |field: &str| table.text(field).unwrap_or("panelboard").to_owned();
        match kind {
            "stdout" => Some(To::Stdout(format)),
            "stderr" => Some(To::Stderr(format)),
            "file" => {
                self.rotation(table);
                Some(To::File(File {
                    path: self.needed(table, "path", Shape::File)?.into(),
                    format,
                    rotate_bytes: table.count("rotate_bytes"),
                    rotate_every: table.duration("rotate_every"),
                    keep_files: table.size("keep_files"),
                    keep_for: table.duration("keep_for"),
                    gzip,
                }))
            }
            "syslog" => Some(To::Syslog {
                address: address(&self.needed(table, "address", Shape::Syslog)?)?,
                app: text("app"),
                facility: facility(table.text("facility")),
            }),
            "http" => self.http(table, gzip).map(To::Http),
            "loki" => {
                self.names_of_labels(table);
                let tenant = table.text("tenant").map(str::to_owned);
                Some(To::Loki { http: self.http(table, gzip)?, tenant, labels: labels(table) })
            }
            "otlp" => Some(To::Otlp {
                http: self.http(table, gzip)?,
                service: text("service"),
                labels: labels(table),
            }),
            _ => None,
        }
    }

    fn http(&mut self, table: &Table, gzip: bool) -> Option<Http> {
        // All are followed, so that all mistakes are told.
        let (auth, headers) = (self.auth_of_sink(table), self.headers(table));
        Some(Http { url: self.needed(table, "url", Shape::Url)?, auth, headers, gzip })
    }

    fn needed(&mut self, table: &Table, field: &str, shape: Shape) -> Option<String> {
        if !table.has(field) {
            let mistake = Found::new(table.at, table.key(field), MISSING);
            self.found.push(mistake.expected(shape.expected()));
        }
        table.text(field).map(str::to_owned)
    }

    fn rotation(&mut self, table: &Table) {
        let rotates = table.has("rotate_bytes") || table.has("rotate_every");
        let gzip = table.switch("gzip") == Some(true);
        let wants = ["keep_files", "keep_for"].into_iter().filter(|field| table.has(field));
        for field in wants.chain(gzip.then_some("gzip")).filter(|_| !rotates) {
            let mistake = Found::new(table.place(field), table.key(field), "no file is ever full");
            self.found.push(mistake.expected("`rotate_bytes` or `rotate_every` beside it"));
        }
    }

    fn auth_of_sink(&mut self, table: &Table) -> Auth {
        let token = self.for_header(table, "token");
        let password = self.secret(table, "password").map(|password| Held::new(&password));
        let (user, has) = (table.text("user"), |field| table.has(field));
        let mistake = match (has("token"), has("user"), has("password")) {
            (true, true, _) | (true, _, true) => Some(("token", "is beside a name or password")),
            (_, true, false) => Some(("user", "has no password")),
            (_, false, true) => Some(("password", "has no user")),
            _ => None,
        };
        if let Some((field, wrong)) = mistake {
            let mistake = Found::new(table.place(field), table.key(field), wrong);
            self.found.push(mistake.expected("`token` alone, or `user` and `password`"));
        }
        match (token, user, password) {
            (Some(token), ..) => Auth::Bearer(token),
            (None, Some(user), Some(password)) => Auth::Basic(user.to_owned(), password),
            _ => Auth::None,
        }
    }

    fn headers(&mut self, table: &Table) -> Vec<(String, Held)> {
        let mut headers: Vec<(String, Held)> = Vec::new();
        for header in table.tables("headers") {
            let value = self.for_header(header, "value");
            let Some(name) = header.text("name").map(str::to_ascii_lowercase) else { continue };
            let twice = headers.iter().any(|(known, _)| *known == name)
                || (name == "authorization" && (table.has("token") || table.has("user")));
            if twice {
                let wrong = format!("{name:?} is there already");
                self.found.push(Found::new(header.place("name"), header.key("name"), wrong));
            }
            headers.extend(value.map(|value| (name, value)));
        }
        headers
    }

    /// A secret that is to stand in a header.
    fn for_header(&mut self, table: &Table, field: &str) -> Option<Held> {
        let secret = self.secret(table, field)?;
        if !fits_header(&secret) {
            let wrong = "the secret holds a character that no header may hold (not shown)";
            let mistake = Found::new(table.place(field), table.key(field), wrong);
            self.found.push(mistake.expected("one line of visible ASCII"));
        }
        Some(Held::new(&secret))
    }

    /// Loki's own rule; with another name it would refuse all that is pushed.
    fn names_of_labels(&mut self, table: &Table) {
        let fits = |name: &str| {
            name != "level"
                && !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        for label in table.tables("labels") {
            let Some(name) = label.text("name").filter(|name| !fits(name)) else { continue };
            let wrong = format!("{name:?} is no label's name");
            let mistake = Found::new(label.place("name"), label.key("name"), wrong);
            self.found.push(mistake.expected("letters, digits and _; not `level`, which is set"));
        }
    }
}

fn labels(table: &Table) -> Vec<(String, String)> {
    let label =
        |label: &Table| Some((label.text("name")?.to_owned(), label.text("value")?.to_owned()));
    table.tables("labels").filter_map(label).collect()
}

/// An address of the shape that the table of fields knows.
fn address(text: &str) -> Option<Address> {
    let (scheme, place) = text.split_once(':')?;
    match scheme {
        "udp" => Some(Address::Udp(place.strip_prefix("//")?.to_owned())),
        "tcp" => Some(Address::Tcp(place.strip_prefix("//")?.to_owned())),
        _ => Some(Address::Unix(PathBuf::from(place))),
    }
}

fn facility(text: Option<&str>) -> Facility {
    match text {
        Some("daemon") => Facility::Daemon,
        Some("auth") => Facility::Auth,
        Some("local0") => Facility::Local0,
        Some("local1") => Facility::Local1,
        Some("local2") => Facility::Local2,
        Some("local3") => Facility::Local3,
        Some("local4") => Facility::Local4,
        Some("local5") => Facility::Local5,
        Some("local6") => Facility::Local6,
        Some("local7") => Facility::Local7,
        _ => Facility::User,
    }
}
