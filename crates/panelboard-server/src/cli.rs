//! Which commands, options and exit codes does the program have?

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use panelboard_llm::pretend::Fault;

/// The program's exit codes.
pub mod exit {
    /// It did what it was told.
    pub const OK: u8 = 0;
    /// The configuration, the scenario or the recorded calls are wrong, a file cannot be used, or
    /// the server refused.
    pub const REFUSED: u8 = 1;
    /// The command line is wrong.
    pub const USAGE: u8 = 2;
    /// Nothing answers at the URL, or the address can not be listened on.
    pub const UNREACHABLE: u8 = 3;
}

/// What stands below every `--help`.
const AFTER: &str = "\
Exit codes:
  0  done
  1  the configuration, the scenario or the calls are wrong, a file cannot be used, or the
     server refused
  2  the command line is wrong
  3  cannot reach the server, or cannot listen

Examples:
  panelboard serve
  panelboard break pretend-a/key-1 429 --for 20s
  panelboard status --watch
  panelboard simulate scenarios/fails-hard.toml
  panelboard tune calls.csv --png chart.png";

/// A gateway to LLM providers that survives them.
#[derive(Debug, Parser)]
#[command(name = "panelboard", version, after_help = AFTER, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway, its panel and its dashboard.
    #[command(after_help = "\
Without --config it serves what it finds: OPENAI_API_KEY, ANTHROPIC_API_KEY, an Ollama or llama.cpp
server on its usual port (PANELBOARD_PROBE=off: not looked for); if there is nothing, two built-in
providers that make answers up.
SIGHUP, or a change of the file, reloads it. SIGTERM or Ctrl-C stops it once calls in flight have
ended or server.stop_within is over; a second one stops it at once.
Logs go to standard error, PANELBOARD_LOG_FORMAT=json for programs; with [[sink]] in the file they
go there instead. PANELBOARD_LOG=debug says more, and with [[sink]] bounds what they get.

Examples:
  panelboard serve
  panelboard serve --config panelboard.toml
  panelboard serve --listen 127.0.0.1:9000
  panelboard serve --print-config > panelboard.toml")]
    Serve(Serve),
    /// Say what is wrong with a configuration file: line, key, what was expected, nearest name.
    #[command(after_help = "\
Examples:
  panelboard check panelboard.toml
  panelboard check --schema > panelboard.schema.json")]
    Check(Check),
    /// Show each breaker, and each sink of the logs: state, why, until when, last error, counts.
    #[command(after_help = "\
Examples:
  panelboard status
  panelboard status --watch
  panelboard status --json | jq '.items[] | select(.state != \"closed\")'")]
    Status(Status),
    /// Put a fault on a key of a pretend provider.
    #[command(after_help = "\
Examples:
  panelboard break pretend-a/key-1 429 --for 20s
  panelboard break pretend-a/key-1 none")]
    Break(Break),
    /// Open a breaker by hand.
    #[command(after_help = "\
Examples:
  panelboard trip pretend-a/key-1
  panelboard trip pretend-a --for 5m
  panelboard trip vault:server
  panelboard trip sink:otlp --for 1h")]
    Trip(Trip),
    /// Close a breaker by hand and forget its failures.
    Reset(ByHand),
    /// Keep a breaker from admitting anything until it is released.
    Isolate(ByHand),
    /// Take an isolation away.
    Release(ByHand),
    /// Run an outage in virtual time, and compare what policies would have done in it.
    #[command(after_help = "\
A scenario is TOML, or JSON if its name ends in .json: services, what goes wrong with them, callers,
and the policies to compare, with the keys of [breaker]. docs/lab.md describes each key and figure.
The same file and seed give the same output, whatever the number of threads.

Examples:
  panelboard simulate scenarios/fails-hard.toml
  panelboard simulate scenarios/trampled-recovery.toml --png chart.png
  panelboard simulate scenarios/gets-slow.toml --seeds 50 --json | jq '.policies[].measures'")]
    Simulate(Simulate),
    /// Show the log of calls: each attempt at a provider, and each target that was passed by.
    #[command(after_help = "\
It reads the file, also while the server writes it, and needs no server.
Outcomes: success, rejected (passed by, since its breakers admitted nothing), client_gone, request,
rate_limited, quota, credentials, permission, overloaded, server_error, timeout, connect, cut,
garbage. Durations are milliseconds; docs/gateway.md says what each column means.

Examples:
  panelboard calls --since 1h
  panelboard calls --since 7d --provider openai --csv > calls.csv")]
    Calls(Calls),
    /// Search for breaker settings that would have been better for calls that were recorded.
    #[command(after_help = "\
CALLS is a gateway's log of calls, also while the gateway writes it; or CSV, or Parquet if its name
ends in .parquet, with a row for each call that was made: time (RFC 3339, or a number since 1970),
key, duration (milliseconds, or by the unit at the end of its name: _s, _us, _ns) and outcome (ok,
failure, timeout, cancelled, .. or an HTTP status). docs/lab.md describes each column, each figure
and what a replay cannot know.
The same file and seed give the same output, whatever the number of threads.

Examples:
  panelboard tune panelboard-calls.db --config panelboard.toml --provider openai --since 7d
  panelboard tune calls.csv
  panelboard tune calls.parquet --key openai/team-a --slow 5s --png chart.png
  panelboard tune log.csv --time began --key-column backend --outcome status --skip-bad
  panelboard simulate scenarios/fails-hard.toml --calls calls.csv && panelboard tune calls.csv")]
    Tune(Box<Tune>),
}

/// `panelboard serve`
#[derive(Args, Debug)]
pub struct Serve {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to listen, in place of `server.listen`. Port 0 takes a free one.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Print the configuration that this start stands for, and exit. Secrets stay references.
    #[arg(long)]
    pub print_config: bool,
}

/// `panelboard check`
#[derive(Args, Debug)]
pub struct Check {
    /// The configuration file.
    #[arg(required_unless_present = "schema")]
    pub file: Option<PathBuf>,
    /// Print the JSON schema of configuration files instead.
    #[arg(long)]
    pub schema: bool,
}

/// Where the server is.
#[derive(Args, Debug)]
pub struct Server {
    /// The server's address. The variable PANELBOARD_ADMIN_TOKEN holds its admin token, if it has
    /// one.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
}

/// `panelboard status`
#[derive(Args, Debug)]
pub struct Status {
    /// Show it again each second until Ctrl-C.
    #[arg(long)]
    pub watch: bool,
    /// Print what the server said, as JSON.
    #[arg(long)]
    pub json: bool,
    /// Where the server is.
    #[command(flatten)]
    pub server: Server,
}

/// `panelboard break`
#[derive(Args, Debug)]
pub struct Break {
    /// The key, as PROVIDER/KEY.
    #[arg(value_name = "PROVIDER/KEY")]
    pub key: String,
    /// The fault: a status, or what else goes wrong; none ends it.
    #[arg(value_parser = PossibleValuesParser::new(Fault::ALL.map(Fault::as_str)))]
    pub fault: String,
    /// For how long, such as 20s. Without it until the fault is set to none.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub lasting: Option<Duration>,
    /// Where the server is.
    #[command(flatten)]
    pub server: Server,
}

/// `panelboard trip`
#[derive(Args, Debug)]
pub struct Trip {
    /// The breaker's key: PROVIDER/KEY, PROVIDER for the one above its keys, sink:NAME, or of the
    /// Vault vault:server and "vault:mount NAME".
    #[arg(value_name = "KEY")]
    pub key: String,
    /// For how long, such as 5m. Without it as long as its own recovery_timeout.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub lasting: Option<Duration>,
    /// Where the server is.
    #[command(flatten)]
    pub server: Server,
}

/// `panelboard reset`, `isolate` and `release`
#[derive(Args, Debug)]
pub struct ByHand {
    /// The breaker's key: PROVIDER/KEY, or PROVIDER for the one above its keys; to reset it, also
    /// sink:NAME, vault:server and "vault:mount NAME".
    #[arg(value_name = "KEY")]
    pub key: String,
    /// Where the server is.
    #[command(flatten)]
    pub server: Server,
}

/// `panelboard simulate`
#[derive(Args, Debug)]
pub struct Simulate {
    /// The scenario.
    pub file: PathBuf,
    /// Print the whole report as JSON, instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Also draw a chart into this file, as SVG.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Also draw a chart into this file, as PNG.
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    /// The first seed, in place of run.seed.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Runs of each policy, in place of run.seeds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub seeds: Option<u32>,
    /// Threads; without it one for each processor.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// Also write into this file, as CSV, the calls that callers without breakers make with the
    /// first seed: what `panelboard tune` reads.
    #[arg(long, value_name = "FILE")]
    pub calls: Option<PathBuf>,
}

/// `panelboard tune`
#[derive(Args, Debug)]
pub struct Tune {
    /// The recorded calls: a gateway's log of them; CSV, or Parquet if the name ends in .parquet.
    #[arg(value_name = "CALLS")]
    pub file: PathBuf,
    /// The gateway's configuration: what it says of breakers is what is compared with, instead of
    /// the defaults, and what the search does not vary stays as it is there.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Which provider's breakers of --config these are; without it by the calls' keys.
    #[arg(long, value_name = "PROVIDER", requires = "config")]
    pub breaker: Option<String>,
    /// Take the calls to this provider only: those whose key is PROVIDER/KEY.
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// Take the calls only that began so long ago or later, such as 1h.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub since: Option<Duration>,
    /// Take the calls only that began longer ago than that.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub until: Option<Duration>,
    /// Take the calls of this key only.
    #[arg(long, value_name = "K")]
    pub key: Option<String>,
    /// Take the calls to this model only.
    #[arg(long, value_name = "M")]
    pub model: Option<String>,
    /// Leave bad rows out and count them, instead of refusing the file.
    #[arg(long)]
    pub skip_bad: bool,
    /// A call that took so long is bad, even if it succeeded, such as 5s.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub slow: Option<Duration>,
    /// What counts as wasted: bad calls that are let through, or their time.
    #[arg(long, value_name = "WHAT", value_parser = ["calls", "time"], default_value = "calls")]
    pub by: String,
    /// Print the whole result as JSON, instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Also draw a chart into this file, as SVG.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Also draw a chart into this file, as PNG.
    #[arg(long, value_name = "FILE")]
    pub png: Option<PathBuf>,
    /// What chance is drawn from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The most settings that are tried.
    #[arg(long, value_name = "N", default_value_t = 500)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub candidates: u32,
    /// Threads; without it one for each processor.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub threads: Option<u16>,
    /// The column that says when a call began.
    #[arg(long, value_name = "COLUMN")]
    pub time: Option<String>,
    /// The column that says which breaker a call would have asked.
    #[arg(long, value_name = "COLUMN")]
    pub key_column: Option<String>,
    /// The column that says how long a call took.
    #[arg(long, value_name = "COLUMN")]
    pub duration: Option<String>,
    /// The column that says how a call ended.
    #[arg(long, value_name = "COLUMN")]
    pub outcome: Option<String>,
    /// The column that says how long a call took to its first byte.
    #[arg(long, value_name = "COLUMN")]
    pub first_byte: Option<String>,
    /// The column that says what was asked for.
    #[arg(long, value_name = "COLUMN")]
    pub model_column: Option<String>,
}

/// `panelboard calls`
#[derive(Args, Debug)]
pub struct Calls {
    /// The file of the log.
    #[arg(value_name = "FILE", default_value = "panelboard-calls.db")]
    pub file: PathBuf,
    /// Only calls that began so long ago or later, such as 1h.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub since: Option<Duration>,
    /// Only calls that began longer ago than that.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub until: Option<Duration>,
    /// Only calls to this provider.
    #[arg(long, value_name = "NAME")]
    pub provider: Option<String>,
    /// Print CSV for programs, instead of columns for people.
    #[arg(long)]
    pub csv: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time.is_zero() => Err("expected more than nothing, such as 30s".to_owned()),
        Ok(time) => Ok(time),
        Err(_) => Err("expected a duration such as 30s or 5m".to_owned()),
    }
}
