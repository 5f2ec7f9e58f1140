//! Who is measured, and how does each come to run? All do the same: what one sends, all others get.
//!
//! | contestant | what it does |
//! | --- | --- |
//! | bare | writes the bytes to each socket in turn, one thread: the floor |
//! | panelboard | `panelboard serve`, release build; the event gets a number and a place in a log |
//! | ws | npm `ws` on Node, the loop of its documentation; nothing is kept |
//! | Bun | Bun's own server and its publish; nothing is kept |

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    clock, http, install,
    process::{self, Running},
    server,
    workspace::Workspace,
};

use super::{floor, sockets::Sockets};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Bare,
    Panelboard,
    Ws,
    Bun,
}

impl Name {
    pub(super) fn said(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Panelboard => "panelboard",
            Self::Ws => "ws",
            Self::Bun => "Bun",
        }
    }
}

/// What is needed, on disk.
#[derive(Debug)]
pub(super) struct Kit {
    pub(super) panelboard: PathBuf,
    scripts: PathBuf,
    /// Of this run alone.
    folder: PathBuf,
    /// A provider that takes calls and never answers, so that runs last.
    _silent: TcpListener,
    silent: SocketAddr,
    /// The npm packages, or why they are not there.
    peers: Result<(), String>,
}

/// One that runs.
#[derive(Debug)]
pub(super) struct Contestant {
    pub(super) name: Name,
    pub(super) process: Running,
    pub(super) address: SocketAddr,
}

impl Kit {
    /// # Errors
    /// The server does not build, or no port is free.
    pub(super) fn install(workspace: &Workspace, folder: &Path) -> Result<Self, String> {
        let silent = TcpListener::bind(("127.0.0.1", 0)).map_err(|e| e.to_string())?;
        let scripts = workspace.root.join("xtask/bench-sessions");
        Ok(Self {
            panelboard: server::build(workspace, "release")?,
            peers: install::node_modules(&scripts),
            silent: silent.local_addr().map_err(|e| e.to_string())?,
            _silent: silent,
            scripts,
            folder: folder.to_owned(),
        })
    }

    pub(super) fn script(&self, name: &str) -> PathBuf {
        self.scripts.join(name)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Ready for connections.
    ///
    /// # Errors
    /// It cannot be installed or started.
    pub(super) fn start(&self, name: Name) -> Result<Contestant, String> {
        let address = http::local(http::free_port()?);
        let port = address.port().to_string();
        let mut command = match name {
            Name::Panelboard => return self.panelboard(":memory:", ""),
            Name::Bare => {
                let ours = std::env::current_exe().map_err(|e| e.to_string())?;
                let mut command = Command::new(ours);
                command.arg("bench-floor");
                command
            }
            Name::Ws => {
                self.peers.clone()?;
                let mut command = Command::new("node");
                command.arg(self.script("ws.mjs"));
                command
            }
            Name::Bun => {
                self.peers.clone()?;
                let inside = "node_modules/@oven/bun-linux-x64/bin/bun";
                let mut command = Command::new(self.scripts.join(inside));
                command.arg(self.script("bun.mjs"));
                command
            }
        };
        command.arg(&port);
        let mut process = Running::start(name.said(), command)?;
        let ready = clock::wait_until(Duration::from_secs(20), || {
            !process.alive() || Sockets::new().and_then(|mut s| s.open(address, "/", None)).is_ok()
        });
        match ready && process.alive() {
            true => Ok(Contestant { name, process, address }),
            false => Err(format!("{process:?} does not serve:\n{}", process.lines.last(10))),
        }
    }

    /// `panelboard serve` with a store of its own; `more` are further lines of `[sessions]`.
    ///
    /// # Errors
    /// It does not start.
    pub(super) fn panelboard(&self, store: &str, more: &str) -> Result<Contestant, String> {
        let address = http::local(http::free_port()?);
        let store = match store {
            ":memory:" => store.to_owned(),
            name => self.folder.join(name).display().to_string(),
        };
        let config = self.folder.join(format!("{}.toml", address.port()));
        let silent = self.silent;
        let text = format!(
            "[store]\npath = \"{store}\"\n\n\
             [sessions]\nping_interval = \"600s\"\nping_timeout = \"1200s\"\n\
             max_commands_per_second = 1000000\n{more}\n\
             [timeouts]\nfirst_byte = \"600s\"\ntotal = \"600s\"\n\n\
             [[provider]]\nname = \"silent\"\nkind = \"openai-compatible\"\n\
             base_url = \"http://{silent}/v1\"\n\
             keys = [{{ name = \"key-1\", secret = \"env:REAL_LLM_KEY\" }}]\n\n\
             [[model]]\nname = \"never\"\ntargets = [\"silent/none\"]\n"
        );
        fs::write(&config, text).map_err(|e| format!("{}: {e}", config.display()))?;
        let process = server::start(&self.panelboard, address, &config)?;
        Ok(Contestant { name: Name::Panelboard, process, address })
    }
}

impl Contestant {
    pub(super) fn path(&self) -> &'static str {
        match self.name {
            Name::Panelboard => "/v1/ws",
            _ => "/",
        }
    }

    /// What a socket sends first, to get what is published in `session`.
    pub(super) fn subscription(&self, session: &str) -> Option<String> {
        (self.name == Name::Panelboard)
            .then(|| format!(r#"{{"type":"subscribe","session":"{session}"}}"#))
    }

    /// The socket that publishes.
    ///
    /// # Errors
    /// It is refused.
    pub(super) fn publisher(&self, sockets: &mut Sockets) -> Result<usize, String> {
        let path = if self.name == Name::Bare { floor::PUBLISH } else { self.path() };
        sockets.open(self.address, path, None)
    }

    /// What it sends so that one event of `length` bytes reaches all others.
    pub(super) fn publication(&self, session: &str, number: u64, length: usize) -> String {
        match self.name {
            Name::Panelboard => {
                format!(r#"{{"type":"clear","client_msg_id":"p-{number}","session":"{session}"}}"#)
            }
            _ => {
                let open = format!(r#"{{"type":"event","seq":{number},"data":""#);
                let filling = length.saturating_sub(open.len() + 2);
                format!("{open}{}\"}}", "x".repeat(filling))
            }
        }
    }
}

/// Whether a text is an event, of any contestant.
pub(super) fn is_event(text: &[u8]) -> bool {
    text.starts_with(br#"{"type":"event""#)
}

/// Whether a text says that a subscription holds.
pub(super) fn is_subscribed(text: &[u8]) -> bool {
    text.starts_with(br#"{"type":"subscribed""#)
}

/// A program's one line of JSON.
///
/// # Errors
/// It cannot be started, fails, or writes none.
pub(super) fn one_line(command: Command, limit: Duration) -> Result<serde_json::Value, String> {
    let ended = process::run(command, limit, false)?;
    let line = ended.lines.iter().find_map(|line| serde_json::from_str(line).ok());
    line.ok_or_else(|| format!("{}: {}", ended.how(), ended.lines.join("\n")))
}
