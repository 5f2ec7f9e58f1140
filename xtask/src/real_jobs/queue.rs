//! What do ten thousand jobs that wait cost everybody else?

use std::{net::SocketAddr, thread, time::Duration};

use serde_json::{Value, json};

use crate::{
    clock,
    http::{self, Connection},
    server,
    story::Story,
    watch::parse_time,
};

use super::Scene;

/// What an answer may take, and by how much a fresh job may start later than without them.
const GOAL_MS: f64 = 50.0;
/// Those who submit and pause at the same time.
const WORKERS: usize = 8;
/// Asked so often, each.
const LOOKS: usize = 50;
const FRESH: usize = 20;
/// Both are held by long jobs while the others come.
const PLACES: usize = 2;

const LOOKED_AT: [&str; 4] = ["/v1/jobs/stats", "/v1/jobs", "/v1/jobs?limit=200", "/status"];

/// # Errors
/// The server does not start, or answers what it should not.
pub(super) fn tell(scene: &Scene<'_>, story: &mut Story) -> Result<(), String> {
    let waiting = if scene.extent.short { 1_000 } else { 10_000 };
    let address = http::local(http::free_port()?);
    // A few more than wait, or a fresh one would be told that the line is full.
    let jobs = format!("max_running = {PLACES}\nmax_queue = {}", waiting + 100);
    let config = scene.config("queue", &jobs)?;
    let mut running = server::start(scene.program, address, &config)?;
    let with_log = |why: String, running: &crate::process::Running| {
        format!("{why}\nthe server's last lines:\n{}", running.lines.last(15))
    };
    measure(address, waiting, story).map_err(|why| with_log(why, &running))?;

    running.kill();
    let start = clock::now();
    let running = server::start(scene.program, address, &config)?;
    let took = start.elapsed().as_secs_f64();
    let queued = queued(address)?;
    story.check(
        queued == waiting,
        format!(
            "{queued} of {waiting} wait after kill -9; ready again {took:.1} s after its start"
        ),
    );
    looks(address, "after the restart", story).map_err(|why| with_log(why, &running))
}

fn measure(address: SocketAddr, waiting: usize, story: &mut Story) -> Result<(), String> {
    looks(address, "no job waits", story)?;
    let before = fresh(address)?;

    let long = (0..PLACES).map(|_| submit(&mut Connection::open(address)?, address, &long()));
    let long = long.collect::<Result<Vec<_>, String>>()?;
    let start = clock::now();
    let ids = spread(waiting, |connection, _| submit(connection, address, &short()), address)?;
    let took = start.elapsed().as_secs_f64();
    let now_queued = queued(address)?;
    story.check(
        now_queued == waiting,
        format!("{now_queued} jobs wait, taken in {took:.1} s; {PLACES} run"),
    );
    looks(address, &format!("{waiting} jobs wait, {PLACES} run"), story)?;

    // Held, they leave the places to others.
    let pause = |connection: &mut Connection, index: usize| {
        act(connection, address, &ids[index], "pause").map(|answer| answer["desired"] == "pause")
    };
    let paused = spread(waiting, pause, address)?;
    let held = paused.iter().filter(|paused| **paused).count();
    story.check(held == waiting, format!("{held} of {waiting} jobs are held"));
    for id in &long {
        act(&mut Connection::open(address)?, address, id, "stop")?;
    }
    let idle = clock::wait_until(Duration::from_secs(30), || {
        http::get(address, "/v1/jobs/stats").is_ok_and(|stats| stats["running"] == 0)
    });
    story.check(idle, "the long ones have ended: there are free places");
    looks(address, &format!("{waiting} jobs are held, none runs"), story)?;
    let after = fresh(address)?;
    let before = [of(&before.waits), of(&before.ends)];
    let after = [of(&after.waits), of(&after.ends)];
    for (what, was, is) in [
        ("waits for its place, by the server's clock,", &before[0], &after[0]),
        ("has ended, as its client sees,", &before[1], &after[1]),
    ] {
        story.say(format!(
            "a fresh job {what} after {:.1} ms (median of {FRESH}; the slowest {:.1} ms), without \
             others after {:.1} ms ({:.1} ms); goal {GOAL_MS} ms more: {}",
            is.median,
            is.most,
            was.median,
            was.most,
            met(is.median - was.median)
        ));
    }
    Ok(())
}

/// Asks for each page, and says how long that takes.
fn looks(address: SocketAddr, when: &str, story: &mut Story) -> Result<(), String> {
    let mut connection = Connection::open(address)?;
    for path in LOOKED_AT {
        let request = http::request(address, path, None);
        let mut times = Vec::with_capacity(LOOKS);
        for _ in 0..LOOKS {
            let start = clock::now();
            let status = connection.send(&request)?.status;
            times.push(start.elapsed().as_secs_f64() * 1000.0);
            if status != 200 {
                return Err(format!("{path} answered {status}"));
            }
        }
        let Times { median, most } = of(&times);
        story.say(format!(
            "{when}: {path} takes {median:.1} ms (median of {LOOKS}; the slowest {most:.1} ms); \
             goal {GOAL_MS} ms: {}",
            met(most)
        ));
    }
    Ok(())
}

/// Some jobs, one after the other: times in milliseconds.
#[derive(Default)]
struct Fresh {
    /// From being taken to the start, by the server's own times.
    waits: Vec<f64>,
    /// From the request to an answer that says that it has ended.
    ends: Vec<f64>,
}

fn fresh(address: SocketAddr) -> Result<Fresh, String> {
    let mut connection = Connection::open(address)?;
    let mut fresh = Fresh::default();
    for _ in 0..FRESH {
        let start = clock::now();
        let job = one_fresh(&mut connection, address)?;
        fresh.ends.push(start.elapsed().as_secs_f64() * 1000.0);
        let time = |name: &str| job[name].as_str().and_then(parse_time);
        let (created, started) =
            time("created").zip(time("started")).ok_or_else(|| format!("no times: {job}"))?;
        fresh.waits.push(started.saturating_sub(created) as f64);
    }
    Ok(fresh)
}

/// A job once it has ended.
fn one_fresh(connection: &mut Connection, address: SocketAddr) -> Result<Value, String> {
    let id = submit(connection, address, &short())?;
    let path = format!("/v1/jobs/{id}");
    let deadline = clock::now() + Duration::from_secs(30);
    loop {
        let job = ask(connection, address, &path, None)?;
        if job["ended"].is_string() {
            return Ok(job);
        }
        if clock::now() > deadline {
            return Err(format!("it does not end: {job}"));
        }
        clock::pause(Duration::from_millis(1));
    }
}

/// Does it so often, on several connections at once; what came of each, in order.
fn spread<T: Send>(
    count: usize,
    what: impl Fn(&mut Connection, usize) -> Result<T, String> + Sync,
    address: SocketAddr,
) -> Result<Vec<T>, String> {
    let what = &what;
    let parts: Vec<Result<Vec<(usize, T)>, String>> = thread::scope(|scope| {
        let work = (0..WORKERS).map(|worker| {
            scope.spawn(move || {
                let mut connection = Connection::open(address)?;
                let mine = (worker..count).step_by(WORKERS);
                mine.map(|index| Ok((index, what(&mut connection, index)?))).collect()
            })
        });
        let work: Vec<_> = work.collect();
        let broke = || Err("a worker broke".to_owned());
        work.into_iter().map(|worker| worker.join().unwrap_or_else(|_| broke())).collect()
    });
    let mut all = Vec::with_capacity(count);
    for part in parts {
        all.extend(part?);
    }
    all.sort_unstable_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, value)| value).collect())
}

fn submit(connection: &mut Connection, address: SocketAddr, job: &str) -> Result<String, String> {
    let taken = ask(connection, address, "/v1/jobs", Some(job))?;
    taken["id"].as_str().map(str::to_owned).ok_or_else(|| format!("no id: {taken}"))
}

fn act(
    connection: &mut Connection,
    address: SocketAddr,
    id: &str,
    command: &str,
) -> Result<Value, String> {
    ask(connection, address, &format!("/v1/jobs/{id}/{command}"), Some("{}"))
}

fn ask(
    connection: &mut Connection,
    address: SocketAddr,
    path: &str,
    body: Option<&str>,
) -> Result<Value, String> {
    let answer = connection.send(&http::request(address, path, body))?;
    let text = String::from_utf8_lossy(answer.body);
    match answer.status {
        200 | 202 => serde_json::from_str(&text).map_err(|e| format!("{path}: {e}: {text}")),
        other => Err(format!("{path} answered {other}: {text}")),
    }
}

fn queued(address: SocketAddr) -> Result<usize, String> {
    let stats = http::get(address, "/v1/jobs/stats")?;
    let queued = stats["by_state"]["queued"].as_u64().ok_or_else(|| format!("{stats}"))?;
    usize::try_from(queued).map_err(|e| e.to_string())
}

/// A simulation of some milliseconds.
fn short() -> String {
    simulation(1, "1s", 10)
}

/// A simulation of many minutes.
fn long() -> String {
    simulation(1_000, "1m", 20_000)
}

fn simulation(seeds: u32, lasts: &str, rate: u32) -> String {
    let scenario = format!(
        "run = {{ lasts = \"{lasts}\" }}\n\n[[service]]\nname = \"db\"\n\
         latency = {{ kind = \"constant\", mean = \"10ms\" }}\n\n[[caller]]\nname = \"web\"\n\
         calls = [\"db\"]\nrate = {rate}\n"
    );
    json!({ "kind": "simulation", "args": { "scenario_toml": scenario, "seeds": seeds } })
        .to_string()
}

struct Times {
    median: f64,
    most: f64,
}

fn of(times: &[f64]) -> Times {
    let mut sorted = times.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
    Times { median: at(sorted.len() / 2), most: at(sorted.len().saturating_sub(1)) }
}

fn met(ms: f64) -> &'static str {
    if ms < GOAL_MS { "met" } else { "missed" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spread_comes_back_in_order() {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let squares = spread(100, |_, index| Ok(index * index), address).unwrap();
        assert_eq!(squares, (0..100).map(|index| index * index).collect::<Vec<_>>());
        let one = |_: &mut Connection, index: usize| match index {
            77 => Err("the 77th".to_owned()),
            other => Ok(other),
        };
        assert_eq!(spread(100, one, address), Err("the 77th".to_owned()));
    }

    #[test]
    fn the_goal_is_for_the_slowest() {
        let Times { median, most } = of(&[3.0, 1.0, 60.0]);
        assert_eq!((median, most), (3.0, 60.0));
        assert_eq!((met(median), met(most)), ("met", "missed"));
    }
}
