//! Servers to test: the built program in a process of its own, or the library in this one.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use panelboard::{Clock, ManualClock};
use panelboard_server::config::{self, Environment, Source};
use panelboard_server::serve::{Options, run};
use panelboard_server::{Logs, Reload};
use tokio::sync::oneshot;

use crate::http::until;

/// The built program with an empty environment, blind to what else runs on this machine.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_panelboard"));
    command.args(args).env_clear().env("PANELBOARD_PROBE", "off").stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn run_to_end(args: &[&str]) -> (i32, String, String) {
    ended(command(args).output().expect("the program runs"))
}

pub(crate) fn ended(output: Output) -> (i32, String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// `panelboard serve` in a process of its own. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) addr: SocketAddr,
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
    /// Where it runs, and leaves its store.
    _folder: tempfile::TempDir,
}

impl Program {
    pub(crate) fn serve(args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut all = vec!["serve", "--listen", "127.0.0.1:0"];
        all.extend(args);
        let mut command = command(&all);
        let folder = tempfile::tempdir().unwrap();
        command.current_dir(folder.path());
        command.envs(env.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        let addr = loop {
            let mut line = String::new();
            let read = out.read_line(&mut line).unwrap();
            if read == 0 {
                let mut said = String::new();
                child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                panic!("it ended instead of serving: {greeting}{said}");
            }
            greeting.push_str(&line);
            if let Some(url) = line.trim().strip_prefix("dashboard  http://") {
                break url.trim_end_matches('/').parse().expect("an address");
            }
        };
        let stdout = Arc::new(Mutex::new(greeting));
        let stderr = Arc::default();
        let err = child.stderr.take().unwrap();
        let readers = vec![collect(out, Arc::clone(&stdout)), collect(err, Arc::clone(&stderr))];
        Self { addr, child, stdout, stderr, readers, _folder: folder }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits for its end: exit code, standard output, standard error.
    pub(crate) fn wait(mut self) -> (i32, String, String) {
        let ended = until("the program ends", || self.child.try_wait().unwrap());
        let code = ended.code().unwrap_or(-1);
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let taken = |text: &Mutex<String>| std::mem::take(&mut *text.lock().unwrap());
        (code, taken(&self.stdout), taken(&self.stderr))
    }

    /// Its threads now.
    pub(crate) fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("it lives").count()
    }

    /// What it wrote to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Stops it in order.
    pub(crate) fn stop(self) -> (i32, String, String) {
        self.signal("TERM");
        self.wait()
    }

    /// Runs a client command against it.
    pub(crate) fn ask(&self, args: &[&str]) -> (i32, String, String) {
        let url = self.url();
        let mut all = args.to_vec();
        all.extend(["--url", &url]);
        run_to_end(&all)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(pipe: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines() {
            let line = line.expect("UTF-8");
            let mut into = into.lock().unwrap();
            into.push_str(&line);
            into.push('\n');
        }
    })
}

/// The library in this process, with a clock that the test turns. Stopped when dropped.
pub(crate) struct InProcess {
    pub(crate) addr: SocketAddr,
    pub(crate) clock: ManualClock,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl InProcess {
    /// Serves a configuration's text.
    pub(crate) fn serve(text: &str, env: &Environment) -> Self {
        let text = &in_memory(text);
        let config = config::parse(text, Source::BuiltIn, Some("127.0.0.1:0"), env);
        Self::start(config.unwrap_or_else(|wrong| panic!("{wrong}")), None)
    }

    /// Serves a file, and reloads it.
    pub(crate) fn serve_file(file: &Path, env: &Environment) -> Self {
        let listen = "127.0.0.1:0".to_owned();
        let mut config = config::load(file, Some(&listen), env);
        if let Ok(config) = &mut config {
            config.store.path = None;
        }
        let reload = Reload { file: file.to_owned(), listen: Some(listen), env: env.clone() };
        Self::start(config.unwrap_or_else(|wrong| panic!("{wrong}")), Some(reload))
    }

    fn start(config: config::Config, reload: Option<Reload>) -> Self {
        let (clock, manual) = Clock::manual();
        let (stop, stopped) = oneshot::channel();
        let (bound, address) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
            runtime.unwrap().block_on(async {
                let listener = tokio::net::TcpListener::bind(config.server.listen).await.unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                let mut options = Options::default();
                // Nothing in a test's process is logged there.
                let named = !config.log.sinks.is_empty();
                let opened = named.then(|| Logs::open(&config.log).unwrap());
                let (logs, _guard) = opened.map(|(logs, _, guard)| (logs, guard)).unzip();
                options.logs = logs;
                options.clock = Some(clock);
                options.reload = reload;
                let shutdown = async move { drop(stopped.await) };
                run(listener, config, options, shutdown).await.unwrap();
            });
        });
        let addr = address.recv().unwrap();
        Self { addr, clock: manual, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the server ended in order");
            }
        }
    }
}

/// The same configuration with a store that goes with the process, unless it names one.
fn in_memory(text: &str) -> String {
    let store = if text.contains("[store]") { "" } else { "\n[store]\npath = \":memory:\"\n" };
    format!("{text}{store}")
}

/// Replaces a file that a server watches, as editors and deployments do: another one takes its
/// name. It is looked at once a second, and half of it is never seen.
pub(crate) fn replace(path: &Path, text: &str) {
    let other = path.with_extension("new");
    std::fs::write(&other, text).unwrap();
    std::fs::rename(&other, path).unwrap();
}

/// Two pretend providers; `lines` come first.
pub(crate) fn pretend(lines: &str) -> String {
    format!(
        r#"{lines}
[[provider]]
name = "pretend-a"
kind = "pretend"
keys = [{{ name = "key-1" }}, {{ name = "key-2" }}]

[[provider]]
name = "pretend-b"
kind = "pretend"
keys = [{{ name = "key-1" }}]

[[model]]
name = "fast"
targets = ["pretend-a/pretend-1", "pretend-b/pretend-1"]
"#
    )
}
