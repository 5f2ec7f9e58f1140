//! Does the gateway serve a real model with a key from a real Vault, whatever becomes of the Vault?
//!
//! It starts while the Vault is sealed. Then the unmodified `openai` SDK calls without a pause,
//! while the key is rotated, and the Vault sealed, killed and restarted, stopped and continued. A
//! rotation leaves the old key good until nobody uses it, as the documentation asks for. Asserted:
//! no call fails, and no secret is in anything that the gateway wrote.

mod door;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;

use super::bao::Bao;
use crate::{
    cache, clock, http,
    llama::SERVED,
    process::Running,
    real_llm::{Kit, Tally},
    server,
    story::Story,
};
use door::Door;

/// In the gateway's folder.
const CONFIG: &str = "panelboard.toml";
const MINUTE: Duration = Duration::from_secs(60);

/// The programs of one run. They end with it, in the order of the fields.
struct Scene<'a> {
    traffic: Option<Running>,
    gateway: Running,
    folder: Folder,
    door: Door,
    bao: Bao,
    _llama: Running,
    kit: &'a Kit,
    address: SocketAddr,
    /// The number of the key that the provider gave out last.
    key: u32,
    story: &'a mut Story,
}

/// Where the gateway keeps its files; it goes with the run.
struct Folder(PathBuf);

impl Folder {
    fn new(config: &str) -> Result<Self, String> {
        let folder = cache::folder()?.join(format!("real-vault-gateway-{}", std::process::id()));
        let made =
            fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join(CONFIG), config));
        made.map_err(|e| format!("{}: {e}", folder.display()))?;
        Ok(Self(folder))
    }

    /// All that is in its files: the store, the log of calls.
    fn texts(&self) -> Result<Vec<String>, String> {
        let files = fs::read_dir(&self.0).map_err(|e| e.to_string())?.flatten();
        let read = |path: PathBuf| fs::read(&path).map_err(|e| format!("{}: {e}", path.display()));
        files.map(|file| Ok(String::from_utf8_lossy(&read(file.path())?).into_owned())).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Plays it.
///
/// # Errors
/// Something does not start or answer.
pub(super) fn tell(kit: &Kit, program: &Path, story: &mut Story) -> Result<(), String> {
    let bao = Bao::start(Bao::install()?)?;
    let model = http::free_port()?;
    let llama = kit.llama.start("llama", model)?;
    let door = Door::before(http::local(model))?;
    story.say(format!("{llama:?} answers: a llama.cpp server, {SERVED}"));
    write_key(&bao, 1)?;
    door.accepts(&name(1));
    bao.put("sys/seal", "{}")?;

    let address = http::local(http::free_port()?);
    let folder = Folder::new(&config(&bao, &door))?;
    let mut command = Command::new(program);
    command.args(["serve", "--listen", &address.to_string(), "--config", CONFIG]);
    command.current_dir(&folder.0).env("PANELBOARD_LOG", "debug");
    command.env("VAULT_ROLE_ID", &bao.role).env("VAULT_SECRET_ID", &bao.secret_id);
    let mut gateway = Running::start("panelboard", command)?;
    server::wait_for(&mut gateway, address, "/health")?;

    let traffic = None;
    let mut scene =
        Scene { traffic, gateway, folder, door, bao, _llama: llama, kit, address, key: 1, story };
    scene.begins_without_its_key()?;
    scene.rotates()?;
    scene.outlives("sealed", |bao| bao.put("sys/seal", "{}").map(drop), |bao| bao.unseal())?;
    let kill = |bao: &mut Bao| {
        bao.server.kill();
        Ok(())
    };
    scene.outlives("killed (kill -9)", kill, Bao::start_again)?;
    let stop = |bao: &mut Bao| bao.server.signal(Signal::STOP);
    scene.outlives("stopped (SIGSTOP)", stop, |bao| bao.server.signal(Signal::CONT))?;
    scene.ends()
}

impl Scene<'_> {
    fn begins_without_its_key(&mut self) -> Result<(), String> {
        let (status, body) = self.call()?;
        let told = status == 503 && body.contains("waiting for its secret");
        self.story.check(told, format!("while the Vault is sealed: {status}, and it says why"));
        self.bao.unseal()?;
        let start = clock::now();
        let healed =
            clock::wait_until(MINUTE, || self.call().is_ok_and(|(status, _)| status == 200));
        let after = start.elapsed().as_secs_f64();
        self.story.check(healed, format!("it is unsealed: the first answer after {after:.1} s"));
        let traffic = Running::start("the SDK", self.kit.client(self.address, &["traffic", "2"]))?;
        self.traffic = Some(traffic);
        self.some_answers()
    }

    /// A new key at the provider and in the Vault; the old one ends when nobody uses it.
    fn rotates(&mut self) -> Result<(), String> {
        let (old, new) = (name(self.key), name(self.key + 1));
        self.key += 1;
        self.door.accepts(&new);
        write_key(&self.bao, self.key)?;
        let start = clock::now();
        let used = clock::wait_until(MINUTE, || self.door.seen(&new) > 0);
        let after = start.elapsed().as_secs_f64();
        self.story.check(used, format!("key {} is in use {after:.1} s after", self.key));
        // A call that had taken the old one may be on its way to the door still.
        for _ in 0..2 {
            clock::wait_until(MINUTE, || self.door.inside(&old) == 0);
            clock::pause(Duration::from_millis(500));
        }
        self.door.refuses(&old);
        self.some_answers()
    }

    /// The Vault goes and comes, traffic goes on, and the next rotation is taken up.
    fn outlives(
        &mut self,
        how: &str,
        goes: impl Fn(&mut Bao) -> Result<(), String>,
        comes: impl Fn(&mut Bao) -> Result<(), String>,
    ) -> Result<(), String> {
        goes(&mut self.bao)?;
        let told = self.wait(|vault| !vault["secrets"][0]["last_error"].is_null());
        self.story.check(told, format!("the Vault is {how}, and `/status` says so"));
        let opened = self.wait(|vault| vault["breakers"][0]["state"] != "closed");
        self.story.check(opened, "its breaker opened");
        self.some_answers()?;
        comes(&mut self.bao)?;
        let well = self.wait(|vault| {
            vault["secrets"][0]["last_error"].is_null() && vault["breakers"][0]["state"] == "closed"
        });
        self.story.check(well, "the Vault is back, and its breaker closed");
        self.rotates()
    }

    fn ends(&mut self) -> Result<(), String> {
        let traffic = self.traffic.as_mut().ok_or("no traffic")?;
        let ended = traffic.finish(MINUTE);
        self.story.check(ended, "the clients ended");
        let Tally { whole, streamed, cut, errors, .. } = self.tally();
        let failed = errors.len() + cut.len();
        let calls = format!("{whole} whole and {streamed} streamed answers, {failed} calls failed");
        self.story.check(failed == 0 && whole > 0 && streamed > 0, calls);
        for error in errors.iter().chain(&cut) {
            println!("             {error}");
        }
        let mut texts = Vec::new();
        for path in
            ["/status", "/metrics", "/v1/breakers", "/v1/calls/log", "/v1/events?format=json"]
        {
            texts.push(self.send(&http::request(self.address, path, None))?.1);
        }
        self.gateway.signal(Signal::TERM)?;
        let stopped = clock::wait_until(Duration::from_secs(15), || !self.gateway.alive());
        self.story.check(stopped, "the gateway ended after SIGTERM");
        texts.extend(self.gateway.lines.all().into_iter().map(|(_, line)| line));
        texts.extend(self.folder.texts()?);
        let keys = (1..=self.key).map(name);
        let own = [&self.bao.root, &self.bao.role, &self.bao.secret_id].map(String::clone);
        let secrets: Vec<String> = keys.chain(own).chain(self.bao.keys().iter().cloned()).collect();
        let shown = secrets.iter().filter(|&secret| texts.iter().any(|text| text.contains(secret)));
        let count = shown.count();
        let all = secrets.len();
        self.story.check(count == 0, format!("{count} of {all} secrets are in what it wrote"));
        Ok(())
    }

    fn call(&self) -> Result<(u16, String), String> {
        let body = format!(
            r#"{{"model":"fast","max_tokens":4,"messages":[{{"role":"user","content":"{}"}}]}}"#,
            "Count to three."
        );
        self.send(&http::request(self.address, "/v1/chat/completions", Some(&body)))
    }

    fn send(&self, request: &[u8]) -> Result<(u16, String), String> {
        let mut connection = http::Connection::open(self.address)?;
        let answer = connection.send(request)?;
        Ok((answer.status, String::from_utf8_lossy(answer.body).into_owned()))
    }

    /// Until `/status` shows such a Vault.
    fn wait(&self, so: impl Fn(&Value) -> bool) -> bool {
        clock::wait_until(2 * MINUTE, || {
            http::get(self.address, "/status").is_ok_and(|status| so(&status["vault"]))
        })
    }

    fn some_answers(&self) -> Result<(), String> {
        let wanted = self.tally().good() + 6;
        match clock::wait_until(2 * MINUTE, || self.tally().good() >= wanted) {
            true => Ok(()),
            false => Err(format!("calls do not end:\n{}", self.gateway.lines.last(15))),
        }
    }

    fn tally(&self) -> Tally {
        let lines = self.traffic.iter().flat_map(|traffic| traffic.lines.all());
        let lines: Vec<String> = lines.map(|(_, line)| line).collect();
        Tally::read(&lines)
    }
}

/// What no text that is meant for people has in it.
fn name(key: u32) -> String {
    format!("sk-canary-{key}-of-the-provider")
}

fn write_key(bao: &Bao, key: u32) -> Result<(), String> {
    let body = format!(r#"{{"data":{{"api_key":"{}"}}}}"#, name(key));
    bao.put("kv2/data/llm", &body).map(drop)
}

/// The Vault is asked often, and its breaker opens for a short time, so that the story is short.
fn config(bao: &Bao, door: &Door) -> String {
    let (vault, door) = (bao.address(), door.address);
    format!(
        r#"[vault]
address = "http://{vault}"
role_id = "env:VAULT_ROLE_ID"
secret_id = "env:VAULT_SECRET_ID"
refresh = "500ms"
recovery_timeout = "1s"
timeout = "2s"

[[provider]]
name = "real"
kind = "openai-compatible"
base_url = "http://{door}/v1"
keys = [{{ name = "one", secret = "vault:kv2/llm#api_key" }}]

[[model]]
name = "fast"
targets = ["real/{SERVED}"]
"#
    )
}
