//! What does a submission over HTTP cost that waits behind another? Beside langgraph-api.
//!
//! Both accept a run, give it a number and put it into the queue of a conversation that is held by
//! a run that lasts. langgraph-api's in-memory runtime keeps nothing on disk; nor does our first
//! row.

use std::{fs, net::SocketAddr, process::Command, thread, time::Duration};

use serde_json::Value;

use crate::{
    bench::{stats::Samples, usage},
    clock,
    http::{self, Connection},
    install,
    process::Running,
    server,
    workspace::Workspace,
};

use super::contestant::Kit;

const IN_A_ROW: u32 = 500;
const CONNECTIONS: u32 = 16;
const OF_EACH: u32 = 100;
const CONVERSATIONS: usize = 16;

/// A server with conversations that are held.
struct Target {
    name: &'static str,
    process: Running,
    address: SocketAddr,
    /// Where a run is submitted, and its body.
    paths: Vec<String>,
    body: &'static str,
}

/// # Errors
/// Our server cannot be measured. The peer, if it cannot, is left out.
pub(super) fn run(workspace: &Workspace, kit: &Kit) -> Result<(), String> {
    println!("\n**A submission over HTTP that waits behind another**\n");
    println!(
        "| | median µs | p99 µs | a second, {CONNECTIONS} connections | MiB after |\n\
         | --- | --: | --: | --: | --: |"
    );
    measured(&panelboard(kit, "panelboard, in memory", ":memory:")?)?;
    measured(&panelboard(kit, "panelboard, on disk", "queued.db")?)?;
    match langgraph(workspace, kit).and_then(|target| measured(&target)) {
        Ok(()) => {}
        Err(why) => println!("left out: langgraph-api: {why}"),
    }
    println!();
    Ok(())
}

fn measured(target: &Target) -> Result<(), String> {
    let (address, body) = (target.address, target.body);
    let mut connection = Connection::open(address)?;
    let mut samples = Samples::default();
    for number in 0..IN_A_ROW {
        let path = &target.paths[usize::try_from(number).unwrap_or_default() % target.paths.len()];
        let start = clock::now();
        accepted(&mut connection, address, path, body)?;
        samples.add(start.elapsed());
    }
    let start = clock::now();
    let clients: Vec<_> = (0..CONNECTIONS)
        .zip(target.paths.iter().cloned().cycle())
        .map(|(_, path)| {
            thread::spawn(move || {
                let mut connection = Connection::open(address)?;
                (0..OF_EACH)
                    .try_for_each(|_| accepted(&mut connection, address, &path, body).map(drop))
            })
        })
        .collect();
    for client in clients {
        client.join().map_err(|_| "a client broke")??;
    }
    let rate = f64::from(CONNECTIONS * OF_EACH) / start.elapsed().as_secs_f64();
    println!(
        "| {} | {:.0} | {:.0} | {rate:.0} | {:.1} |",
        target.name,
        samples.percentile(0.5),
        samples.percentile(0.99),
        usage::resident_mib(target.process.id()),
    );
    Ok(())
}

fn accepted(
    connection: &mut Connection,
    address: SocketAddr,
    path: &str,
    body: &str,
) -> Result<Value, String> {
    let answer = connection.send(&http::request(address, path, Some(body)))?;
    let said = String::from_utf8_lossy(answer.body);
    match answer.status {
        200..300 => serde_json::from_str(&said).map_err(|e| format!("{path}: {e}")),
        status => Err(format!("{path} answered {status}: {said}")),
    }
}

fn panelboard(kit: &Kit, name: &'static str, store: &str) -> Result<Target, String> {
    let server = kit.panelboard(store, "max_queue = 10000")?;
    let paths = (0..CONVERSATIONS).map(|n| format!("/v1/sessions/queued-{n}/runs")).collect();
    let body = r#"{"input":"Say hello.","on_conflict":"enqueue"}"#;
    let target = Target { name, process: server.process, address: server.address, paths, body };
    // The provider never answers, so the first run of each conversation holds it.
    let mut connection = Connection::open(target.address)?;
    for path in &target.paths {
        accepted(&mut connection, target.address, path, body)?;
    }
    Ok(target)
}

fn langgraph(workspace: &Workspace, kit: &Kit) -> Result<Target, String> {
    let ours = workspace.root.join("xtask/bench-sessions/langgraph");
    let python = install::environment("langgraph", &ours.join("requirements.txt"))?;
    // It writes beside what it serves.
    let folder = kit.folder().join("langgraph");
    let copy = |name: &str| fs::copy(ours.join(name), folder.join(name)).map(drop);
    fs::create_dir_all(&folder)
        .and_then(|()| copy("graph.py"))
        .and_then(|()| copy("langgraph.json"))
        .map_err(|e| format!("{}: {e}", folder.display()))?;
    let address = http::local(http::free_port()?);
    let mut command = Command::new(python.with_file_name("langgraph"));
    command.current_dir(&folder).args(["dev", "--no-browser", "--no-reload", "--port"]);
    command.arg(address.port().to_string());
    for name in ["LANGSMITH_TRACING", "LANGCHAIN_TRACING_V2"] {
        command.env(name, "false");
    }
    command.env("LANGGRAPH_NO_ANALYTICS", "1").env("LOG_LEVEL", "ERROR");
    let mut process = Running::start("langgraph-api", command)?;
    server::wait_for(&mut process, address, "/ok")?;
    let mut connection = Connection::open(address)?;
    let mut paths = Vec::new();
    for _ in 0..CONVERSATIONS {
        let thread = accepted(&mut connection, address, "/threads", "{}")?;
        let thread = thread["thread_id"].as_str().ok_or("a thread without an id")?;
        paths.push(format!("/threads/{thread}/runs"));
    }
    let run =
        r#"{"assistant_id":"chat","input":{"messages":["hold"]},"multitask_strategy":"enqueue"}"#;
    for path in &paths {
        accepted(&mut connection, address, path, run)?;
    }
    clock::pause(Duration::from_secs(2));
    Ok(Target { name: "langgraph-api, in memory", process, address, paths, body: run })
}
