//! `panelboard serve`: from the command line to a running server.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::greeting::greeting;
use super::log::Logging;
use super::{complain, say};
use crate::cli::{self, exit};
use crate::config::{self, Config, Environment, Mistakes, Source};
use crate::reload::Reload;
use crate::serve::{Options, run};

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
    let mut logging = match Logging::start(env, &config.log) {
        Ok(logging) => Some(logging),
        Err((code, wrong)) => {
            complain(wrong);
            return code;
        }
    };
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(start(args, env, config, &mut logging)),
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

async fn start(
    args: &cli::Serve,
    env: &Environment,
    config: Config,
    logging: &mut Option<Logging>,
) -> u8 {
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
    let logs = logging.as_ref().map(Logging::logs);
    let mut options = Options { hangup: Some(hangup), logs, ..Options::default() };
    if let Source::File(file) = &config.source {
        let (file, listen) = (file.clone(), args.listen.clone());
        options.reload = Some(Reload { file, listen, env: env.clone() });
    }
    say(greeting(&config, bound));
    let (tell, told) = oneshot::channel();
    let ended = async {
        let ended = run(listener, config, options, async { drop(told.await) }).await;
        if let Some(running) = logging.take() {
            running.drain().await;
        }
        ended
    };
    tokio::select! {
        ended = ended => match ended {
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
