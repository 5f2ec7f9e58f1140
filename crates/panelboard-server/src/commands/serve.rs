//! `panelboard serve`: from the command line to a running server.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use super::greeting::greeting;
use super::{complain, say};
use crate::cli::{self, exit};
use crate::config::{self, Config, Environment, Mistakes, Source};
use crate::reload::Reload;
use crate::serve::{Options, run};

/// Lines of log that wait for whoever reads standard error; more are left out.
const LOG_LINES: usize = 8_192;

/// Serves until SIGTERM or Ctrl-C.
pub(super) fn serve(args: &cli::Serve, env: &Environment) -> u8 {
    let (text, config) = match configure(args, env) {
        Ok(configured) => configured,
        Err(mistakes) => {
            complain(mistakes);
            return exit::REFUSED;
        }
    };
    if args.print_config {
        say(text.trim_end());
        return exit::OK;
    }
    let _guard = match log(env) {
        Ok(guard) => guard,
        Err(wrong) => {
            complain(wrong);
            return exit::USAGE;
        }
    };
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(start(args, env, config)),
        Err(error) => {
            complain(format_args!("panelboard: cannot start: {error}"));
            exit::UNREACHABLE
        }
    }
}

/// The configuration and its text: the file's, or the one that a start without a file stands for.
fn configure(args: &cli::Serve, env: &Environment) -> Result<(String, Config), Mistakes> {
    let listen = args.listen.as_deref();
    match &args.config {
        Some(file) => {
            let config = config::load(file, listen, env)?;
            Ok((std::fs::read_to_string(file).unwrap_or_default(), config))
        }
        None => {
            // A wrong address is told by the parser, at its place.
            let at = listen.and_then(|text| text.parse().ok()).unwrap_or(config::LISTEN);
            let (text, source) = config::discover(at, env);
            let config = config::parse(&text, source, listen, env)?;
            Ok((text, config))
        }
    }
}

async fn start(args: &cli::Serve, env: &Environment, config: Config) -> u8 {
    let address = config.server.listen;
    let listener = match TcpListener::bind(address).await {
        Ok(listener) => listener,
        Err(error) => {
            complain(cannot_listen(address, &error));
            return exit::UNREACHABLE;
        }
    };
    // Before anything is said: whoever reads the greeting may send a signal at once, and a hang-up
    // that nobody listens for ends the process.
    let signals = (|| {
        Ok::<_, std::io::Error>([
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        ])
    })();
    let [terminate, interrupt, hangup] = match signals {
        Ok(signals) => signals,
        Err(error) => {
            complain(format_args!("panelboard: cannot listen for signals: {error}"));
            return exit::UNREACHABLE;
        }
    };
    let bound = listener.local_addr().unwrap_or(address);
    let mut options = Options { hangup: Some(hangup), ..Options::default() };
    if let Source::File(file) = &config.source {
        let (file, listen) = (file.clone(), args.listen.clone());
        options.reload = Some(Reload { file, listen, env: env.clone() });
    }
    say(greeting(&config, bound));
    let (tell, told) = oneshot::channel();
    tokio::select! {
        ended = run(listener, config, options, async { drop(told.await) }) => match ended {
            Ok(()) => exit::OK,
            Err(error) => {
                complain(format_args!("panelboard: {error}"));
                exit::UNREACHABLE
            }
        },
        () = told_twice(terminate, interrupt, tell) => {
            complain("panelboard: told twice to stop: stopped without waiting for calls in flight");
            exit::OK
        }
    }
}

/// The first signal begins the stop; the second one ends it.
async fn told_twice(mut terminate: Signal, mut interrupt: Signal, begin: oneshot::Sender<()>) {
    told(&mut terminate, &mut interrupt).await;
    let _ = begin.send(());
    told(&mut terminate, &mut interrupt).await;
}

async fn told(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> String {
    let hint = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            "the port is in use; stop what uses it or choose another with --listen"
        }
        std::io::ErrorKind::PermissionDenied => {
            "no permission for that port; choose one above 1023 with --listen"
        }
        std::io::ErrorKind::AddrNotAvailable => {
            "this machine does not have that address; choose another with --listen"
        }
        _ => return format!("panelboard: cannot listen on {address}: {error}"),
    };
    format!("panelboard: cannot listen on {address}: {hint}")
}

/// Sends logs to standard error, by a thread of their own: a reader that does not read can not stop
/// the server.
fn log(env: &Environment) -> Result<WorkerGuard, String> {
    let wanted = env.get("PANELBOARD_LOG").unwrap_or("info");
    let filter = EnvFilter::builder()
        .parse(wanted)
        .map_err(|error| format!("panelboard: PANELBOARD_LOG: {error}"))?;
    let (writer, guard): (NonBlocking, WorkerGuard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(LOG_LINES)
        .finish(std::io::stderr());
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let done = match env.get("PANELBOARD_LOG_FORMAT") {
        Some("json") => lines.json().flatten_event(true).try_init(),
        None | Some("text") => lines.with_ansi(false).try_init(),
        Some(other) => {
            return Err(format!(
                "panelboard: PANELBOARD_LOG_FORMAT: {other:?} is unknown, expected text or json"
            ));
        }
    };
    done.map(|()| guard).map_err(|error| format!("panelboard: cannot log: {error}"))
}
