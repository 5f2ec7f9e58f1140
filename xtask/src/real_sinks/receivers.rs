//! Which receivers are there, how do they start, and what have they written down?

use std::{
    collections::BTreeSet,
    fs,
    net::TcpStream,
    ops::Range,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::Signal;

use crate::{clock, http, install, process::Running, workspace::Workspace};

const ROTEL: (&str, &str) = ("rotel", "0.0.1a15");

/// What a receiver is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Syslog,
    SyslogUdp,
    OtlpGrpc,
    OtlpHttp,
    Http,
}

impl Kind {
    pub(super) const ALL: [Self; 5] =
        [Self::Syslog, Self::SyslogUdp, Self::OtlpGrpc, Self::OtlpHttp, Self::Http];

    /// Whether whoever sends learns what was taken.
    pub(super) fn answers(self) -> bool {
        self != Self::SyslogUdp
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Syslog => "rsyslog (TCP)",
            Self::SyslogUdp => "rsyslog (UDP)",
            Self::OtlpGrpc => "rotel (gRPC)",
            Self::OtlpHttp => "rotel (HTTP)",
            Self::Http => "the HTTP collector",
        }
    }
}

/// A receiver, and what it and those before it on its port have written down.
pub(super) struct Receiver {
    pub(super) kind: Kind,
    pub(super) port: u16,
    /// rotel listens for both of its protocols.
    other_port: u16,
    program: PathBuf,
    folder: PathBuf,
    running: Option<Running>,
    /// What was on the output of those before: rotel writes down nowhere else.
    before: Vec<u32>,
    /// From this number on it must have all. Datagrams that nobody took are nowhere.
    pub(super) sure_from: u32,
}

/// The numbers that came.
pub(super) struct Seen {
    known: BTreeSet<u32>,
    pub(super) twice: usize,
    /// Each first came after all that are less.
    pub(super) in_order: bool,
}

impl Seen {
    pub(super) fn distinct(&self) -> usize {
        self.known.len()
    }

    /// Whether it has these, and nothing that was never said.
    pub(super) fn has_all(&self, numbers: Range<u32>) -> bool {
        let beyond = self.known.range(numbers.end..).next();
        beyond.is_none() && self.known.range(numbers.clone()).count() == numbers.len()
    }
}

impl Receiver {
    pub(super) fn start(kind: Kind, workspace: &Workspace, folder: &Path) -> Result<Self, String> {
        let program = match kind {
            Kind::Syslog | Kind::SyslogUdp => {
                rsyslog()?;
                "rsyslogd".into()
            }
            Kind::OtlpGrpc | Kind::OtlpHttp => {
                let program = install::wheel(ROTEL.0, ROTEL.1)?.join("rotel/rotel-agent");
                install::executable(&program)?;
                program
            }
            Kind::Http => {
                install::debian("python3", "python3")?;
                workspace.root.join("xtask/real-sinks/collector.py")
            }
        };
        let (port, other_port) = (http::free_port()?, http::free_port()?);
        let folder = folder.join(format!("{kind:?}"));
        fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let (running, before, sure_from) = (None, Vec::new(), 0);
        let mut receiver =
            Self { kind, port, other_port, program, folder, running, before, sure_from };
        receiver.restart(None)?;
        Ok(receiver)
    }

    pub(super) fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// The talker's argument for it.
    pub(super) fn sink(&self) -> String {
        let port = self.port;
        match self.kind {
            Kind::Syslog => format!("syslog-tcp=127.0.0.1:{port}"),
            Kind::SyslogUdp => format!("syslog-udp=127.0.0.1:{port}"),
            Kind::OtlpGrpc => format!("otlp-grpc=http://127.0.0.1:{port}"),
            Kind::OtlpHttp => format!("otlp-http=http://127.0.0.1:{port}"),
            Kind::Http => format!("http=http://127.0.0.1:{port}/logs"),
        }
    }

    /// Starts it on its port; with a rate, one that takes so many bytes a second.
    pub(super) fn restart(&mut self, rate: Option<u32>) -> Result<(), String> {
        let command = match self.kind {
            Kind::Syslog | Kind::SyslogUdp => self.rsyslog()?,
            Kind::OtlpGrpc => self.rotel(self.port, self.other_port),
            Kind::OtlpHttp => self.rotel(self.other_port, self.port),
            Kind::Http => {
                let mut command = Command::new("python3");
                command.arg(&self.program).arg(self.port.to_string()).arg(self.file());
                command.args(rate.map(|rate| rate.to_string()));
                command
            }
        };
        let mut running = Running::start(self.name(), command)?;
        let listens = || TcpStream::connect(http::local(self.port)).is_ok();
        if !clock::wait_until(Duration::from_secs(30), listens) || !running.alive() {
            return Err(format!("{running:?} does not listen:\n{}", running.lines.last(9)));
        }
        self.running = Some(running);
        Ok(())
    }

    fn file(&self) -> PathBuf {
        self.folder.join("received")
    }

    /// By both protocols on one port, whichever it is sent to by: that it listens is seen over TCP.
    fn rsyslog(&self) -> Result<Command, String> {
        let (folder, port) = (self.folder.display(), self.port);
        let config = format!(
            "global(workDirectory=\"{folder}\" maxMessageSize=\"64k\")\n\
             module(load=\"imtcp\")\nmodule(load=\"imudp\")\n\
             input(type=\"imudp\" address=\"127.0.0.1\" port=\"{port}\" ruleset=\"all\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\" ruleset=\"all\")\n\
             template(name=\"line\" type=\"string\" string=\"%app-name% %msg%\\n\")\n\
             ruleset(name=\"all\") {{ action(type=\"omfile\" file=\"{}\" template=\"line\") }}\n",
            self.file().display()
        );
        let path = self.folder.join("rsyslog.conf");
        fs::write(&path, config).map_err(|e| format!("{}: {e}", path.display()))?;
        let mut command = Command::new(&self.program);
        command.args(["-n", "-f"]).arg(path).arg("-i").arg(self.folder.join("pid"));
        Ok(command)
    }

    fn rotel(&self, grpc: u16, http: u16) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["start", "--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")])
            .args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")])
            .args(["--exporter", "blackhole", "--debug-log", "logs"])
            .args(["--debug-log-verbosity", "detailed"])
            .arg("--pid-file")
            .arg(self.folder.join("pid"));
        command
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<(), String> {
        self.running.as_ref().map_or(Ok(()), |running| running.signal(signal))
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill();
            // The last of its output is still on its way through the pipe.
            clock::pause(Duration::from_millis(200));
            self.before.extend(self.printed(&running));
        }
    }

    fn printed(&self, running: &Running) -> Vec<u32> {
        match self.kind {
            Kind::OtlpGrpc | Kind::OtlpHttp => {
                running.lines.all().iter().flat_map(|(_, line)| numbers(line)).collect()
            }
            Kind::Syslog | Kind::SyslogUdp | Kind::Http => Vec::new(),
        }
    }

    /// All that has come by now.
    pub(super) fn seen(&self) -> Seen {
        let mut all = self.before.clone();
        match (self.kind, &self.running) {
            (Kind::Syslog | Kind::SyslogUdp | Kind::Http, _) => {
                all.extend(numbers(&fs::read_to_string(self.file()).unwrap_or_default()));
            }
            (_, Some(running)) => all.extend(self.printed(running)),
            (_, None) => {}
        }
        let mut known = BTreeSet::new();
        let mut in_order = true;
        for number in &all {
            let most = known.last().copied();
            if known.insert(*number) {
                in_order &= most.is_none_or(|most: u32| most < *number);
            }
        }
        let twice = all.len() - known.len();
        Seen { known, twice, in_order }
    }
}

/// It has no `--version` that ends well, so `debian` can't ask for it.
fn rsyslog() -> Result<(), String> {
    let there = || Path::new("/usr/sbin/rsyslogd").exists();
    match there() {
        true => Ok(()),
        false => install::debian("rsyslogd", "rsyslog").or_else(|why| match there() {
            true => Ok(()),
            false => Err(why),
        }),
    }
}

/// The numbers in messages such as `n17.`, wherever they stand in a text.
fn numbers(text: &str) -> Vec<u32> {
    let mut numbers = Vec::new();
    let bytes = text.as_bytes();
    for (at, _) in text.match_indices('n') {
        let apart = at == 0 || !bytes[at - 1].is_ascii_alphanumeric();
        let digits = bytes[at + 1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let end = at + 1 + digits;
        if apart && digits > 0 && bytes.get(end) == Some(&b'.') {
            numbers.extend(text[at + 1..end].parse::<u32>());
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_was_never_said_is_seen() {
        let seen = |known: &[u32]| Seen {
            known: known.iter().copied().collect(),
            twice: 0,
            in_order: true,
        };
        assert!(seen(&[0, 1, 2]).has_all(0..3) && seen(&[0, 2, 3]).has_all(2..4));
        for (known, numbers) in [(&[0, 2][..], 0..3), (&[0, 1, 2, 3], 0..3), (&[0, 2], 1..3)] {
            assert!(!seen(known).has_all(numbers), "{known:?}");
        }
    }

    #[test]
    fn numbers_are_found_in_what_receivers_write() {
        assert_eq!(numbers("{\"message\":\"n7.\"} n8. in12. n. n9x Str(n10.)"), [7, 8, 10]);
    }
}
