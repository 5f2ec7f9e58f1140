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

use super::narrow::Narrow;
use crate::{
    clock, http, install,
    process::{Lines, Running},
    workspace::Workspace,
};

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

    /// Whether it has written down what it has answered for.
    pub(super) fn writes_first(self) -> bool {
        self == Self::Http
    }

    /// What the talker calls its sink.
    pub(super) fn sink(self) -> &'static str {
        match self {
            Self::Syslog => "syslog-tcp",
            Self::SyslogUdp => "syslog-udp",
            Self::OtlpGrpc => "otlp-grpc",
            Self::OtlpHttp => "otlp-http",
            Self::Http => "http",
        }
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
    /// Its way, but for datagrams.
    way: Option<Narrow>,
    /// rotel listens for both of its protocols.
    other_port: u16,
    program: PathBuf,
    folder: PathBuf,
    running: Option<Running>,
    /// What was on the output of those before: rotel writes down nowhere else.
    before: Vec<Lines>,
    /// From this number on it must have all. Datagrams that nobody took are nowhere.
    pub(super) sure_from: u32,
    /// What it had answered for when it was killed, and had not written down.
    pub(super) lost: Vec<u32>,
}

/// The numbers that came.
pub(super) struct Seen {
    known: BTreeSet<u32>,
    /// Nobody asks for these.
    lost: BTreeSet<u32>,
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
        beyond.is_none() && self.missing(numbers).is_empty()
    }

    pub(super) fn missing(&self, numbers: Range<u32>) -> Vec<u32> {
        let there = |number: &u32| self.known.contains(number) || self.lost.contains(number);
        numbers.filter(|number| !there(number)).collect()
    }

    pub(super) fn has(&self, number: u32) -> bool {
        self.known.contains(&number)
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
        let mut receiver = Self {
            kind,
            port,
            way: if kind.answers() { Some(Narrow::new(port)?) } else { None },
            other_port,
            program,
            folder,
            running: None,
            before: Vec::new(),
            sure_from: 0,
            lost: Vec::new(),
        };
        receiver.restart()?;
        Ok(receiver)
    }

    pub(super) fn name(&self) -> &'static str {
        self.kind.name()
    }

    /// The talker's argument for it.
    pub(super) fn sink(&self) -> String {
        let address = http::local(self.way.as_ref().map_or(self.port, |way| way.port));
        let place = match self.kind {
            Kind::Syslog | Kind::SyslogUdp => address.to_string(),
            Kind::OtlpGrpc | Kind::OtlpHttp => format!("http://{address}"),
            Kind::Http => format!("http://{address}/logs"),
        };
        format!("{}={place}", self.kind.sink())
    }

    /// Lets so many bytes a second come to it; none: as many as come.
    pub(super) fn narrow(&self, rate: Option<u32>) {
        if let Some(way) = &self.way {
            way.set(rate);
        }
    }

    /// Starts it on its port.
    pub(super) fn restart(&mut self) -> Result<(), String> {
        let command = match self.kind {
            Kind::Syslog | Kind::SyslogUdp => self.rsyslog()?,
            Kind::OtlpGrpc => self.rotel(self.port, self.other_port),
            Kind::OtlpHttp => self.rotel(self.other_port, self.port),
            Kind::Http => {
                let mut command = Command::new("python3");
                command.arg(&self.program).arg(self.port.to_string()).arg(self.file());
                command
            }
        };
        let mut running = Running::start(self.name(), command)?;
        let listens = || TcpStream::connect(http::local(self.port)).is_ok();
        if !clock::wait_until(Duration::from_secs(30), listens) || !running.alive() {
            return Err(format!("{running:?} does not listen:\n{}", running.lines.last(9)));
        }
        self.running = Some(running);
        self.way.as_mut().map_or(Ok(()), Narrow::start)
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
            if let Some(way) = &mut self.way {
                way.stop();
            }
            running.kill();
            // The last of them may still be on their way through the pipe.
            self.before.push(running.lines.clone());
        }
    }

    /// All that has come by now.
    pub(super) fn seen(&self) -> Seen {
        let all = match self.kind {
            Kind::OtlpGrpc | Kind::OtlpHttp => {
                let now = self.running.iter().map(|running| &running.lines);
                let lines = self.before.iter().chain(now).flat_map(Lines::all);
                lines.flat_map(|(_, line)| numbers(&line)).collect()
            }
            Kind::Syslog | Kind::SyslogUdp | Kind::Http => {
                numbers(&fs::read_to_string(self.file()).unwrap_or_default())
            }
        };
        let mut known = BTreeSet::new();
        let mut in_order = true;
        for number in &all {
            let most = known.last().copied();
            if known.insert(*number) {
                in_order &= most.is_none_or(|most: u32| most < *number);
            }
        }
        let twice = all.len() - known.len();
        Seen { known, lost: self.lost.iter().copied().collect(), twice, in_order }
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
            lost: BTreeSet::from([9]),
            twice: 0,
            in_order: true,
        };
        assert!(seen(&[0, 1, 2]).has_all(0..3) && seen(&[0, 2, 3]).has_all(2..4));
        assert!(seen(&[7, 8, 10]).has_all(7..11), "what is lost is not asked for");
        assert_eq!(seen(&[0, 2, 5]).missing(0..6), [1, 3, 4]);
        for (known, numbers) in [(&[0, 2][..], 0..3), (&[0, 1, 2, 3], 0..3), (&[0, 2], 1..3)] {
            assert!(!seen(known).has_all(numbers), "{known:?}");
        }
    }

    #[test]
    fn numbers_are_found_in_what_receivers_write() {
        assert_eq!(numbers("{\"message\":\"n7.\"} n8. in12. n. n9x Str(n10.)"), [7, 8, 10]);
    }
}
