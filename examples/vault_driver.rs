//! How is a client driven by another program? Commands come in as lines, each answer is a line of
//! JSON. It is what `cargo xtask real-vault` speaks to; without input it ends at once.
//!
//! ```text
//! open ADDRESS approle ROLE SECRET [SETTING=VALUE ..]
//! open ADDRESS token TOKEN [SETTING=VALUE ..]          a SETTING may be ca_file, too
//! write|write1 PATH FIELD VALUE    create PATH FIELD VALUE     read|read1|cached PATH FIELD
//! delete|delete1|undelete|list|list1|metadata PATH             watch REF    watched    unwatch
//! health    deep    events         traffic WORKERS             calm
//! lease MOUNT PATH                renew-lease ID SECONDS      revoke-lease ID
//! renew     trip    reset         shutdown MILLISECONDS       again
//! ```
//!
//! What it reads it prints, so give it secrets of tests only.
#![expect(clippy::print_stdout, reason = "its answers are lines")]

use std::{
    collections::BTreeMap,
    error::Error as StdError,
    io::{BufRead as _, Write as _},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use panelboard_vault::{
    Auth, Config, Error, Events, Lease, Operation, Secret, SecretWatch, Snapshot, Vault, Write,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

type Answer = Result<Value, Box<dyn StdError>>;

/// What calls of the traffic came to, by name.
type Tally = Arc<Mutex<BTreeMap<String, u64>>>;

struct Driver {
    vault: Vault,
    events: Events,
    watch: Option<SecretWatch>,
    workers: JoinSet<()>,
    tally: Tally,
}

fn main() -> Result<(), Box<dyn StdError>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut driver = None;
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = runtime.block_on(obey(&mut driver, &words));
        println!("{}", answer.unwrap_or_else(|error| told(&*error)));
        std::io::stdout().flush()?;
    }
    if let Some(Driver { vault, .. }) = driver {
        let _ = runtime.block_on(vault.shutdown(Duration::from_secs(2)));
    }
    Ok(())
}

fn told(error: &(dyn StdError + 'static)) -> Value {
    match error.downcast_ref::<Error>() {
        Some(error) => json!({
            "error": name(error),
            "text": error.to_string(),
            "attempts": error.attempts,
            "maybe_done": error.maybe_done,
        }),
        None => json!({ "error": error.to_string() }),
    }
}

/// The kind of an error, without what stands in it.
fn name(error: &Error) -> String {
    let kind = format!("{:?}", error.kind);
    kind.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}

async fn obey(driver: &mut Option<Driver>, words: &[&str]) -> Answer {
    if let ["open", address, rest @ ..] = words {
        *driver = Some(open(address, rest)?);
        return Ok(json!({ "ok": true }));
    }
    let driver = driver.as_mut().ok_or("open it first")?;
    let (kv2, kv1) = (driver.vault.kv2("kv2"), driver.vault.kv1("kv1"));
    let ok = json!({ "ok": true });
    match words {
        ["write", path, field, value] => {
            let version = kv2.write(path, &[(field, value)], Write::default()).await?;
            Ok(json!({ "ok": true, "version": version }))
        }
        ["create", path, field, value] => {
            let version = kv2.write(path, &[(field, value)], Write::create()).await?;
            Ok(json!({ "ok": true, "version": version }))
        }
        ["write1", path, field, value] => {
            kv1.write(path, &[(field, value)]).await?;
            Ok(ok)
        }
        ["read", path, field] => shown(kv2.read(path).await?.as_ref(), field),
        ["read1", path, field] => shown(kv1.read(path).await?.as_ref(), field),
        ["cached", path, field] => {
            let cached = kv2.read_cached(path).await?;
            let mut value = shown(cached.as_ref().map(|cached| &*cached.found), field)?;
            value["stale"] = json!(cached.map(|cached| cached.is_stale));
            Ok(value)
        }
        ["delete", path] => {
            kv2.delete(path).await?;
            Ok(ok)
        }
        ["delete1", path] => {
            kv1.delete(path).await?;
            Ok(ok)
        }
        ["list1", path] => Ok(json!({ "ok": true, "names": kv1.list(path).await? })),
        ["undelete", path] => {
            kv2.undelete(path, &[1]).await?;
            Ok(ok)
        }
        ["list", path] => Ok(json!({ "ok": true, "names": kv2.list(path).await? })),
        ["metadata", path] => {
            let version = kv2.metadata(path).await?.map(|metadata| metadata.current_version);
            Ok(json!({ "ok": true, "version": version }))
        }
        ["renew"] => {
            driver.vault.renew_token().await?;
            Ok(ok)
        }
        ["lease", mount, path] => {
            let found = driver.vault.dynamic(mount).read(path).await?.ok_or("there is none")?;
            let lease = found.lease.ok_or("it has no lease")?;
            let seconds = lease.ttl.as_secs();
            let names = found.data.names();
            Ok(json!({
                "ok": true, "id": lease.id, "seconds": seconds, "renewable": lease.renewable,
                "names": names,
            }))
        }
        ["renew-lease", id, seconds] => {
            let lease = Lease::new((*id).to_owned(), Duration::ZERO, true);
            let more = Duration::from_secs(seconds.parse()?);
            let lease = driver.vault.renew_lease(&lease, Some(more)).await?;
            Ok(json!({ "ok": true, "seconds": lease.ttl.as_secs() }))
        }
        ["trip"] => Ok(json!({ "ok": driver.vault.trip("server") })),
        ["reset"] => Ok(json!({ "ok": driver.vault.reset("server") })),
        ["revoke-lease", id] => {
            let lease = Lease::new((*id).to_owned(), Duration::ZERO, false);
            driver.vault.revoke_lease(&lease).await?;
            Ok(ok)
        }
        ["deep"] => {
            let said = driver.vault.ask_health().await?;
            Ok(json!({ "ok": true, "sealed": said.is_sealed, "version": said.version }))
        }
        ["shutdown", milliseconds] => {
            let ended = driver.vault.shutdown(Duration::from_millis(milliseconds.parse()?)).await;
            let (finished, cancelled) = (ended.finished, ended.cancelled);
            let tasks = driver.vault.health().tasks;
            Ok(json!({ "finished": finished, "cancelled": cancelled, "tasks": tasks }))
        }
        ["again"] => Ok(json!({ "ok": driver.vault.open_again()? })),
        _ => driver.look(words),
    }
}

fn open(address: &str, rest: &[&str]) -> Result<Driver, Box<dyn StdError>> {
    let secret = |text: &str| Secret::new(text.to_owned());
    let (auth, settings) = match rest {
        ["approle", role, id, settings @ ..] => {
            (Auth::app_role(secret(role), secret(id)), settings)
        }
        ["token", token, settings @ ..] => (Auth::token(secret(token)), settings),
        _ => return Err("approle ROLE SECRET, or token TOKEN".into()),
    };
    let mut builder = Config::builder(address, auth);
    for setting in settings {
        let (field, value) = setting.split_once('=').ok_or("SETTING=VALUE")?;
        builder = match field {
            "ca_file" => builder.ca_pem(std::fs::read_to_string(value)?),
            _ => builder.set(field, value)?,
        };
    }
    let vault = Vault::open(builder.build()?)?;
    let events = vault.events();
    let (workers, tally) = (JoinSet::new(), Tally::default());
    Ok(Driver { vault, events, watch: None, workers, tally })
}

fn shown(found: Option<&panelboard_vault::Found>, field: &str) -> Answer {
    let Some(found) = found else { return Ok(json!({ "ok": true, "value": null })) };
    let value = found.data.field(field)?;
    Ok(json!({ "ok": true, "value": value.expose(), "version": found.version }))
}

impl Driver {
    fn look(&mut self, words: &[&str]) -> Answer {
        match words {
            ["health"] => {
                let health = self.vault.health();
                let (token, breaker) = (&health.token, &health.breakers[0].1);
                let state =
                    |(name, seen): &(Arc<str>, Snapshot)| (name.to_string(), seen.state.as_str());
                let breakers: BTreeMap<_, _> = health.breakers.iter().map(state).collect();
                let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(json!({
                    "breakers": breakers,
                    "good": tally.get("good").copied().unwrap_or(0),
                    "running": health.queue.running,
                    "state": breaker.state.as_str(),
                    "valid": token.is_valid,
                    "renewals": token.renewals,
                    "log_ins": token.log_ins,
                    "waiting": health.queue.waiting,
                    "tasks": health.tasks,
                    "last_failure": token.last_failure.as_ref().map(ToString::to_string),
                }))
            }
            ["events"] => {
                let events = std::iter::from_fn(|| self.events.try_next()).filter_map(Result::ok);
                let lines = events.map(|event| format!("{} -> {}", event.from, event.to));
                Ok(json!(lines.collect::<Vec<_>>()))
            }
            ["watch", of] => {
                let interval = Duration::from_millis(500);
                self.watch = Some(self.vault.watch(of.parse()?, Default::default(), interval)?);
                Ok(json!({ "ok": true }))
            }
            ["unwatch"] => {
                self.watch = None;
                Ok(json!({ "ok": true }))
            }
            ["watched"] => {
                let now = self.watch.as_ref().ok_or("watch it first")?.current();
                let value = now.value.as_ref().map(|value| value.expose().clone());
                Ok(json!({ "value": value, "changes": now.changes }))
            }
            ["traffic", workers] => {
                for _ in 0..workers.parse::<u32>()? {
                    self.workers.spawn(worker(self.vault.clone(), Arc::clone(&self.tally)));
                }
                Ok(json!({ "ok": true }))
            }
            ["calm"] => {
                self.workers.abort_all();
                let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(json!(std::mem::take(&mut *tally)))
            }
            _ => Err("no such command".into()),
        }
    }
}

/// Reads in a row, until it is aborted.
async fn worker(vault: Vault, tally: Tally) {
    let kv = vault.kv2("kv2");
    loop {
        let came = match kv.read("traffic").await {
            Ok(Some(found)) => match found.data.field("n") {
                Ok(value) if value.expose() == "1" => "good".to_owned(),
                _ => "wrong".to_owned(),
            },
            Ok(None) => "missing".to_owned(),
            Err(error) => {
                debug_assert_eq!(error.operation, Operation::Read);
                name(&error)
            }
        };
        *tally.lock().unwrap_or_else(PoisonError::into_inner).entry(came).or_default() += 1;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
