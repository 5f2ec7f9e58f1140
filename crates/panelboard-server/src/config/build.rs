//! What do checked values mean to the server and to the engine?
//!
//! Here stand the rules that need more than one value: names that must differ, targets that must
//! exist, what each kind of provider needs, what listening beyond loopback needs.

mod breakers;
mod calls;
mod jobs;
mod providers;
mod sessions;
mod sinks;
mod vault;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use panelboard_llm::{Limits, Settings, Timeouts};

pub use breakers::Breakers;
pub(super) use breakers::breakers;
pub use calls::Calls;
pub use jobs::Jobs;
pub use sessions::{Sessions, Store};
pub use sinks::{Address, Auth, File, Http, Log, Sink, To};
pub use vault::{Vault, VaultKey};

use super::secret::{AT_HAND, Reference};
use super::values::Table;
use super::{Environment, Source};
use crate::token::Token;
use panelboard_mistakes::Found;
use zeroize::Zeroizing;

/// A configuration that has been checked as a whole.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The program's own door.
    pub server: Server,
    /// Where sessions are kept.
    pub store: Store,
    /// The bounds of sessions.
    pub sessions: Sessions,
    /// The log of calls.
    pub calls: Calls,
    /// Work in the background.
    pub jobs: Jobs,
    /// The settings of breakers, as they were written: what they come to is in `llm`.
    pub breakers: Breakers,
    /// The Vault that keys come from; none without its section.
    pub vault: Option<Vault>,
    /// Where the program's own logs go.
    pub log: Log,
    /// What the engine is told. Keys that come from the Vault await their secrets here. Pretend
    /// providers have neither address nor secrets yet: the server gives them theirs when it starts
    /// them.
    pub llm: Settings,
    /// Where it came from.
    pub source: Source,
    /// Every file that it was read from, as it was just before: its own, and those of secrets.
    pub files: Vec<Seen>,
}

/// A file, and what could be told of it without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    path: PathBuf,
    /// When it was changed and how long it was; none if that could not be told.
    stamp: Option<(SystemTime, u64)>,
}

impl Seen {
    /// Looks at a file.
    pub fn now(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let stamp = || {
            let file = std::fs::metadata(&path).ok()?;
            Some((file.modified().ok()?, file.len()))
        };
        Self { stamp: stamp(), path }
    }

    /// Looks at the same file again.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::now(&self.path)
    }
}

/// The section `[server]`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Server {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The bearer token of everything outside the gateway.
    pub admin_token: Option<Token>,
    /// The bearer tokens of the gateway. None: whoever reaches the address.
    pub client_keys: Vec<Token>,
    /// Host names that a request may be sent to, in lower case.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may change something, in lower case.
    pub allowed_origins: Vec<String>,
    /// Connections at once.
    pub max_connections: usize,
    /// Longest head of a request, in bytes.
    pub max_header_bytes: usize,
    /// How long a client may take to send a head, or stay idle.
    pub header_timeout: Duration,
    /// How long a client may take to send a body.
    pub body_timeout: Duration,
    /// Streams of `/v1/events` at once.
    pub max_event_streams: usize,
    /// How long calls in flight may go on after the order to stop.
    pub stop_within: Duration,
}

/// Where the server listens if nobody says otherwise.
pub(crate) const LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// Where a text came from, and what it is read beside.
pub(super) struct Origin<'a> {
    pub(super) source: Source,
    /// The file itself, if it came from one.
    pub(super) seen: Option<Seen>,
    /// The address that takes the place of the file's.
    pub(super) listen: Option<&'a str>,
    pub(super) env: &'a Environment,
    /// Where relative references begin.
    pub(super) folder: &'a Path,
    /// Whether what is written to until the next start is looked at, too.
    pub(super) looks_at_disks: bool,
}

/// Builds the configuration; mistakes go to `found`, and then the answer is of no use.
pub(super) fn build(file: &Table, origin: Origin<'_>, found: &mut Vec<Found>) -> Option<Config> {
    let Origin { source, seen, listen, env, folder, looks_at_disks } = origin;
    let files = seen.into_iter().collect();
    let has_vault = file.has("vault");
    let (breakers, vault_keys) = (Breakers::default(), Vec::new());
    let mut builder =
        Builder { env, folder, found, files, breakers, has_vault, vault_keys, looks_at_disks };
    let nothing = Table::default();
    let server = builder.server(file.table("server").unwrap_or(&nothing), listen);
    let (common, breaker) = builder.breaker(&[file.table("breaker")]).unwrap_or_default();
    builder.breakers.common = common;
    let mut llm = Settings::new(breaker);
    llm.timeouts = timeouts(Timeouts::default(), file.table("timeouts"));
    let gateway = file.table("gateway").unwrap_or(&nothing);
    llm.limits = limits(gateway);
    llm.wait_up_to = gateway.duration("wait_up_to").filter(|wait| !wait.is_zero());
    llm.providers = builder.providers(file, &llm);
    llm.models = builder.models(file);
    let vault = builder.vault(file);
    let log = builder.log(file);
    builder.check(&llm);
    let Builder { files, breakers, .. } = builder;
    let store = sessions::store(file.table("store").unwrap_or(&nothing));
    let sessions = sessions::sessions(file.table("sessions").unwrap_or(&nothing));
    let calls = calls::calls(file.table("calls").unwrap_or(&nothing));
    let jobs = jobs::jobs(file.table("jobs").unwrap_or(&nothing));
    Some(Config {
        server: server?,
        store,
        sessions,
        calls,
        jobs,
        breakers,
        vault,
        log,
        llm,
        source,
        files,
    })
}

struct Builder<'a> {
    env: &'a Environment,
    folder: &'a Path,
    found: &'a mut Vec<Found>,
    files: Vec<Seen>,
    breakers: Breakers,
    has_vault: bool,
    /// The keys that come from the Vault, as they are met.
    vault_keys: Vec<VaultKey>,
    looks_at_disks: bool,
}

impl Builder<'_> {
    fn server(&mut self, table: &Table, listen: Option<&str>) -> Option<Server> {
        let admin_token = self.secret(table, "admin_token").map(|s| Token::new(&s));
        let client_keys = self.client_keys(table);
        let address = match listen {
            None => table.text("listen").and_then(|text| text.parse().ok()).unwrap_or(LISTEN),
            Some(text) => self.listen_option(text)?,
        };
        if !address.ip().is_loopback() {
            self.beyond_loopback(table, listen.is_some(), address);
        }
        let lower = |field| table.texts(field).map(|(_, text, _)| text.to_lowercase()).collect();
        Some(Server {
            listen: address,
            admin_token,
            client_keys,
            allowed_hosts: lower("allowed_hosts"),
            allowed_origins: lower("allowed_origins"),
            max_connections: table.size("max_connections").unwrap_or(16_384),
            max_header_bytes: table.size("max_header_bytes").unwrap_or(64 << 10),
            header_timeout: table.duration("header_timeout").unwrap_or(Duration::from_secs(60)),
            body_timeout: table.duration("body_timeout").unwrap_or(Duration::from_secs(60)),
            max_event_streams: table.size("max_event_streams").unwrap_or(64),
            stop_within: table.duration("stop_within").unwrap_or(Duration::from_secs(10)),
        })
    }

    fn listen_option(&mut self, text: &str) -> Option<SocketAddr> {
        let address = text.parse().ok();
        if address.is_none() {
            let mut mistake = Found::new(0, "--listen", format!("{text:?} is no address"))
                .expected("ADDRESS:PORT such as 127.0.0.1:8080");
            mistake.at = None;
            self.found.push(mistake);
        }
        address
    }

    fn beyond_loopback(&mut self, table: &Table, by_option: bool, address: SocketAddr) {
        let needed = [
            ("admin_token", "so that not everybody can drive the panel"),
            ("client_keys", "so that not everybody can spend the providers' money"),
        ];
        for (field, why) in needed {
            // A reference that could not be followed has had its mistake.
            if table.has(field) && !table.is_empty_list(field) {
                continue;
            }
            let key = if by_option { "--listen".to_owned() } else { table.key("listen") };
            let mut mistake =
                Found::new(table.place("listen"), key, format!("{address} is beyond loopback"))
                    .expected(format!("`server.{field}` to be set, {why}"));
            if by_option {
                mistake.at = None;
            }
            self.found.push(mistake);
        }
    }

    fn client_keys(&mut self, table: &Table) -> Vec<Token> {
        let references: Vec<_> = table.secrets("client_keys").collect();
        let mut tokens = Vec::with_capacity(references.len());
        for (i, reference, at) in references {
            self.files.extend(reference.file(self.folder).map(Seen::now));
            match reference.follow(self.env, self.folder) {
                Ok(secret) => tokens.push(Token::new(&secret)),
                Err(wrong) => {
                    let key = format!("{}[{i}]", table.key("client_keys"));
                    self.found.push(not_followed(reference, Found::new(at, key, wrong)));
                }
            }
        }
        tokens
    }

    fn secret(&mut self, table: &Table, field: &str) -> Option<Zeroizing<String>> {
        let reference = table.secret(field)?;
        self.files.extend(reference.file(self.folder).map(Seen::now));
        match reference.follow(self.env, self.folder) {
            Ok(secret) => Some(secret),
            Err(wrong) => {
                let mistake = Found::new(table.place(field), table.key(field), wrong);
                self.found.push(not_followed(reference, mistake));
                None
            }
        }
    }

    /// Notes a name that was there before.
    fn once(&mut self, seen: &mut HashSet<String>, table: &Table, what: &str) {
        let Some(name) = table.text("name") else { return };
        if !seen.insert(name.to_owned()) {
            let wrong = format!("{name:?} is there already");
            let mistake = Found::new(table.place("name"), table.key("name"), wrong);
            self.found.push(mistake.expected(format!("each {what} under a name of its own")));
        }
    }

    /// The engine's own check: what it refuses and we did not see is a mistake all the same.
    fn check(&mut self, settings: &Settings) {
        if !self.found.is_empty() {
            return;
        }
        if let Err(error) = settings.check() {
            let wrong = format!("found {}", error.value);
            let mistake = Found::new(0, error.field, wrong).expected(error.expected);
            self.found.push(mistake);
        }
    }
}

/// A reference that leads nowhere, with what to write instead of one to a Vault.
fn not_followed(reference: &Reference, mistake: Found) -> Found {
    match reference {
        Reference::Vault(_) => mistake.expected(AT_HAND),
        _ => mistake,
    }
}

fn timeouts(mut timeouts: Timeouts, table: Option<&Table>) -> Timeouts {
    let Some(table) = table else { return timeouts };
    let fields = [
        ("connect", &mut timeouts.connect),
        ("first_byte", &mut timeouts.first_byte),
        ("idle", &mut timeouts.idle),
        ("total", &mut timeouts.total),
    ];
    for (field, slot) in fields {
        *slot = table.duration(field).unwrap_or(*slot);
    }
    timeouts
}

fn limits(table: &Table) -> Limits {
    let usual = Limits::default();
    Limits {
        max_body_bytes: table.size("max_body_bytes").unwrap_or(usual.max_body_bytes),
        max_depth: table.size("max_depth").unwrap_or(usual.max_depth),
        max_answer_bytes: table.size("max_answer_bytes").unwrap_or(usual.max_answer_bytes),
        hold_back_bytes: table.size("hold_back_bytes").unwrap_or(usual.hold_back_bytes),
        hold_back: table.duration("hold_back").unwrap_or(usual.hold_back),
        max_resends: table.count32("max_resends").unwrap_or(usual.max_resends),
        resend_share: table.share("resend_share").unwrap_or(usual.resend_share),
        resend_min_per_second: table
            .share("resend_min_per_second")
            .unwrap_or(usual.resend_min_per_second),
        max_idle_connections: table
            .size("max_idle_connections")
            .unwrap_or(usual.max_idle_connections),
    }
}
