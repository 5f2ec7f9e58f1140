//! Do keys from a Vault come, change and stay as they should, whatever becomes of the Vault?
//!
//! The Vault is a scripted server, since it must fail at a chosen moment. A server answers when its
//! start is over, so a test that spoils the Vault afterwards asks for something first.

mod mistakes;
pub(crate) mod rig;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use panelboard_server::config::Environment;
use serde_json::Value;

use crate::http::{breaker, chat, get, post, until};
use crate::program::{InProcess, Program, pretend, replace, run_to_end};
use rig::{
    FakeProvider, FakeVault, How, OF, all_from_vault, ask, env, model, provider, secret, section,
    seen,
};

/// Looks often; and a Vault that is not well is asked on, since its breaker does not trip soon.
const OFTEN: &str = "refresh = \"100ms\"\nfailure_threshold = 20";

#[test]
fn a_vault_that_is_down_at_the_start_keeps_nobody_else_from_serving_and_heals() {
    let vault = FakeVault::start(How::Down, "k-1");
    let (from_vault, plain) = (FakeProvider::start(&["k-1"]), FakeProvider::start(&["plain-key"]));
    let text = section(vault.address, OFTEN)
        + &provider("v", from_vault.address, OF)
        + &provider("plain", plain.address, "env:PLAIN")
        + &model("fast", &["v/m", "plain/m"])
        + &model("only", &["v/m"]);
    let server = InProcess::serve(&text, &env());
    let addr = server.addr;
    assert_eq!(chat(addr).header("x-panelboard-provider"), Some("plain"));

    let refused = ask(addr, "only");
    assert_eq!(refused.status, 503, "{}", refused.body);
    let error = refused.json()["error"].clone();
    assert_eq!(error["code"], "upstream_unavailable");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("v/one is out (waiting for its secret)"), "{message}");
    assert_eq!(error["keys"][0]["reason"], "waiting for its secret");
    assert_eq!(breaker(addr, "v/one")["awaits_secret"], true);
    assert_eq!(get(addr, "/ready").json()["models"]["only"], false);
    let waiting = secret(addr);
    assert_eq!((&waiting["in_use"], &waiting["keys"][0]), (&false.into(), &"v/one".into()));
    assert!(waiting["last_error"].is_string(), "{waiting}");
    assert_eq!(from_vault.seen(), [""; 0], "nothing is sent without the secret");

    vault.is(How::Well);
    until("the key is there", || (ask(addr, "only").status == 200).then_some(()));
    assert_eq!(breaker(addr, "v/one")["awaits_secret"], false);
    assert!(from_vault.seen().iter().all(|key| key == "k-1"), "{:?}", from_vault.seen());
    let there = secret(addr);
    assert_eq!((&there["in_use"], &there["version"]), (&true.into(), &1.into()));
}

#[test]
fn a_rotation_under_traffic_fails_no_call() {
    let vault = FakeVault::start(How::Well, "k-1");
    let at = FakeProvider::start(&["k-1"]);
    let server = InProcess::serve(&all_from_vault(vault.address, OFTEN, at.address), &env());
    let addr = server.addr;
    assert_eq!(chat(addr).status, 200);
    let over = AtomicBool::new(false);
    let done: [AtomicUsize; 4] = Default::default();
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let traffic: Vec<_> = done
            .iter()
            .map(|done| {
                let over = &over;
                scope.spawn(move || {
                    let mut statuses = Vec::new();
                    while !over.load(Ordering::Relaxed) {
                        statuses.push(chat(addr).status);
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    statuses
                })
            })
            .collect();
        // The traffic ends, too, where this does not come to its end.
        let ends = Ends(&over);
        for round in 2..6 {
            let (old, new) = (format!("k-{}", round - 1), format!("k-{round}"));
            // As keys are rotated: the provider accepts both until nobody has the old one.
            at.accept(&[&old, &new]);
            vault.rotate(&new);
            until("the new key is in use", || at.seen().contains(&new).then_some(()));
            // A call that begins now has it; those that had begun before are over when each caller
            // has ended two more.
            let before = done.each_ref().map(|done| done.load(Ordering::Relaxed));
            until("nobody has the old one", || {
                let mut all = done.iter().zip(before);
                let later = all.all(|(done, before)| done.load(Ordering::Relaxed) >= before + 2);
                later.then_some(())
            });
            at.accept(&[&new]);
        }
        drop(ends);
        traffic.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(statuses.len() >= 32 && statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let rotated = secret(addr);
    assert_eq!((&rotated["changes"], &rotated["version"]), (&5.into(), &5.into()));
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_call_in_flight_ends_with_the_key_that_it_began_with() {
    let vault = FakeVault::start(How::Well, "k-1");
    let at = FakeProvider::start(&["k-1", "k-2"]);
    let server = InProcess::serve(&all_from_vault(vault.address, OFTEN, at.address), &env());
    let addr = server.addr;
    assert_eq!(secret(addr)["version"], 1);
    at.hold(true);
    let held = std::thread::spawn(move || chat(addr).status);
    until("the call is with the provider", || (at.seen() == ["k-1"]).then_some(()));
    vault.rotate("k-2");
    let reset = || (breaker(addr, "v/one")["in_flight"] == 0).then_some(());
    until("the key is another one", reset);
    at.hold(false);
    assert_eq!(held.join().unwrap(), 200);
    assert_eq!(chat(addr).status, 200);
    assert_eq!(at.seen(), ["k-1", "k-2"]);
}

#[test]
fn a_refused_key_is_asked_for_at_once() {
    let vault = FakeVault::start(How::Well, "k-1");
    let at = FakeProvider::start(&["k-2"]);
    let rarely = "refresh = \"1h\"";
    let server = InProcess::serve(&all_from_vault(vault.address, rarely, at.address), &env());
    let addr = server.addr;
    assert_eq!(secret(addr)["changes"], 1);
    vault.rotate("k-2");
    let refused = chat(addr);
    assert_eq!(refused.status, 502, "{}", refused.body);
    // The breaker opens for 5 minutes on a clock that stands still: only another key closes it.
    until("the new key serves", || (chat(addr).status == 200).then_some(()));
    assert_eq!(at.seen().iter().filter(|key| *key == "k-1").count(), 1);
    assert_eq!(vault.reads(), 2, "one look at the start, and one for the refusal");
}

#[test]
fn keys_in_hand_stay_in_use_when_the_vault_dies() {
    let vault = FakeVault::start(How::Well, "k-1");
    let at = FakeProvider::start(&["k-1", "k-2"]);
    let often = "refresh = \"100ms\"\nfailure_threshold = 2";
    let server = InProcess::serve(&all_from_vault(vault.address, often, at.address), &env());
    let addr = server.addr;
    assert_eq!(chat(addr).status, 200);
    vault.is(How::Down);
    until("its breaker has tripped", || {
        (seen(addr)["breakers"][0]["state"] == "open").then_some(())
    });
    assert_eq!(chat(addr).status, 200);
    let dead = seen(addr);
    assert_eq!(dead["breakers"][0]["name"], "server");
    assert_eq!(dead["breakers"][0]["reason"], "failures");
    assert!(dead["breakers"][0]["retry_after_ms"].as_u64().is_some_and(|ms| ms <= 1000), "{dead}");
    let of = &dead["secrets"][0];
    assert_eq!(of["in_use"], true);
    let error =
        until("the error is told", || secret(addr)["last_error"].as_str().map(str::to_owned));
    assert!(error.starts_with("read: "), "{error}");
    let metrics = get(addr, "/metrics").body;
    let open = "panelboard_vault_breaker_state{breaker=\"server\",state=\"open\"} 1";
    assert!(metrics.contains(open), "{metrics}");
    assert!(metrics.contains("panelboard_vault_secrets_awaited 0"), "{metrics}");

    vault.rotate("k-2");
    vault.is(How::Well);
    until("it has healed", || (secret(addr)["version"] == 2).then_some(()));
    assert_eq!(secret(addr)["last_error"], Value::Null);
    until("the new key serves", || {
        assert_eq!(chat(addr).status, 200);
        at.seen().contains(&"k-2".to_owned()).then_some(())
    });
}

#[test]
fn a_sealed_vault_is_said_to_be_sealed() {
    let vault = FakeVault::start(How::Well, "k-1");
    let at = FakeProvider::start(&["k-1"]);
    let server = InProcess::serve(&all_from_vault(vault.address, OFTEN, at.address), &env());
    let addr = server.addr;
    assert_eq!(chat(addr).status, 200);
    vault.is(How::Sealed);
    until("it is told", || {
        let error = secret(addr)["last_error"].as_str()?.to_owned();
        error.contains("the server is sealed").then_some(())
    });
    assert_eq!(chat(addr).status, 200);
    vault.is(How::Well);
    until("it is well", || secret(addr)["last_error"].is_null().then_some(()));
}

#[test]
fn a_value_that_no_header_can_hold_is_not_taken_over() {
    let vault = FakeVault::start(How::Well, "k-1");
    let at = FakeProvider::start(&["k-1", "k-2"]);
    let server = InProcess::serve(&all_from_vault(vault.address, OFTEN, at.address), &env());
    let addr = server.addr;
    assert_eq!(chat(addr).status, 200);
    for (value, why) in [("", "the field is empty"), ("a\nb", "holds a character")] {
        vault.rotate(value);
        until("it is told", || {
            secret(addr)["last_error"].as_str().filter(|error| error.contains(why)).map(drop)
        });
        assert_eq!(chat(addr).status, 200);
    }
    vault.rotate("k-2");
    until("a good one is taken", || {
        assert_eq!(chat(addr).status, 200);
        at.seen().contains(&"k-2".to_owned()).then_some(())
    });
    assert!(at.seen().iter().all(|key| key.starts_with("k-")), "{:?}", at.seen());
}

#[test]
fn a_reload_brings_a_vault_changes_it_and_takes_it_away() {
    let (vault, dead) = (FakeVault::start(How::Well, "k-1"), FakeVault::start(How::Down, ""));
    let at = FakeProvider::start(&["k-1", "plain-key"]);
    let with = |vault: &FakeVault| all_from_vault(vault.address, OFTEN, at.address);
    let plain = provider("v", at.address, "env:PLAIN") + &model("fast", &["v/m"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("panelboard.toml");
    std::fs::write(&path, &plain).unwrap();
    let server = InProcess::serve_file(&path, &env());
    let addr = server.addr;
    let reload = |text: &str, times: u64| {
        replace(&path, text);
        until("it has reloaded", || {
            let config = &get(addr, "/status").json()["config"];
            assert_eq!(config["last_error"], Value::Null);
            (config["reloads"] == times).then_some(())
        });
        assert_eq!(chat(addr).status, 200);
        at.seen().pop().unwrap()
    };
    assert_eq!(seen(addr), Value::Null);
    assert_eq!(reload(&with(&vault), 1), "k-1");
    assert_eq!(seen(addr)["address"], format!("http://{}", vault.address));
    // Another Vault that does not answer: what is in hand stays in use.
    assert_eq!(reload(&with(&dead), 2), "k-1");
    assert_eq!(secret(addr)["in_use"], true);
    assert_eq!(secret(addr)["changes"], 0);
    assert_eq!(reload(&plain, 3), "plain-key");
    assert_eq!(seen(addr), Value::Null);
    assert!(!get(addr, "/metrics").body.contains("panelboard_vault"), "nothing is left of it");
}

#[test]
fn a_vault_that_hangs_holds_up_neither_start_nor_stop() {
    let vault = FakeVault::start(How::Hanging, "k-1");
    let at = FakeProvider::start(&["k-1"]);
    let slow = "refresh = \"100ms\"\ntimeout = \"5m\"";
    let text = all_from_vault(vault.address, slow, at.address);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("panelboard.toml");
    std::fs::write(&path, text).unwrap();
    let server = Program::serve(&["--config", path.to_str().unwrap()], &[("TOKEN", "hvs.a")]);
    // Answered when the wait for the first look is over, which the look itself is not.
    assert_eq!(chat(server.addr).status, 503);
    let now = seen(server.addr);
    assert_eq!((&now["queue"]["running"], &now["secrets"][0]["looks"]), (&1.into(), &0.into()));
    let (code, _, err) = server.stop();
    assert_eq!(code, 0);
    assert!(err.contains("the client of the Vault has ended"), "{err}");
    assert!(!err.contains("were dropped that did not end in time"), "{err}");
}

#[test]
fn a_reload_that_waits_for_a_vault_is_given_up_when_the_server_stops() {
    let (vault, next) = (FakeVault::start(How::Well, "k-1"), FakeVault::start(How::Hanging, ""));
    let at = FakeProvider::start(&["k-1"]);
    let with = |vault: &FakeVault| all_from_vault(vault.address, "timeout = \"5m\"", at.address);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("panelboard.toml");
    std::fs::write(&path, with(&vault)).unwrap();
    let server = Program::serve(&["--config", path.to_str().unwrap()], &[("TOKEN", "hvs.a")]);
    let addr = server.addr;
    assert_eq!(chat(addr).status, 200);
    // A call that the stop waits for.
    at.hold(true);
    let call = std::thread::spawn(move || chat(addr).status);
    until("the call is with the provider", || (at.seen().len() == 2).then_some(()));
    replace(&path, &with(&next));
    server.signal("HUP");
    until("the next Vault is asked", || (next.hanging() > 0).then_some(()));
    server.signal("TERM");
    until("it is not waited for", || (next.hanging() == 0).then_some(()));
    at.hold(false);
    assert_eq!(call.join().unwrap(), 200);
    let (code, _, err) = server.wait();
    assert_eq!(code, 0, "{err}");
    assert!(!err.contains("the configuration was reloaded"), "{err}");
}

#[test]
fn its_breakers_are_tripped_and_reset_by_hand_and_keys_in_hand_stay_in_use() {
    let vault = FakeVault::start(How::Well, "k-1");
    let at = FakeProvider::start(&["k-1", "k-2"]);
    let often = format!("{OFTEN}\nmount_breakers = [\"team/db\"]");
    let server = InProcess::serve(&all_from_vault(vault.address, &often, at.address), &env());
    let addr = server.addr;
    assert_eq!(chat(addr).status, 200);
    let by_hand = |path: &str, body: &str| {
        let reply = post(addr, &format!("/v1/vault/breakers/{path}"), body);
        (reply.status, reply.json())
    };
    let (status, tripped) = by_hand("server/trip", r#"{"for":"5m"}"#);
    assert_eq!(
        (status, &tripped["state"], &tripped["reason"]),
        (200, &"open".into(), &"tripped".into())
    );
    assert!(tripped["retry_after_ms"].as_u64().is_some_and(|ms| ms > 290_000), "{tripped}");
    assert_eq!(tripped["name"], seen(addr)["breakers"][0]["name"]);
    vault.rotate("k-2");
    let reads = vault.reads();
    until("a look finds it open", || {
        secret(addr)["last_error"].as_str()?.contains("breaker is open").then_some(())
    });
    assert_eq!((chat(addr).status, secret(addr)["in_use"].clone()), (200, true.into()));
    assert!(vault.reads() <= reads + 1, "one was under way, and nothing is sent after it");

    let (status, reset) = by_hand("server/reset", "");
    assert_eq!(
        (status, &reset["state"], &reset["reason"]),
        (200, &"closed".into(), &"reset".into())
    );
    assert_eq!(reset["retry_after_ms"], Value::Null);
    until("what was rotated meanwhile is there", || (secret(addr)["version"] == 2).then_some(()));

    let (status, of_mount) = by_hand("mount%20team/db/trip", "{}");
    assert_eq!((status, &of_mount["name"]), (200, &"mount team/db".into()));
    assert_eq!(seen(addr)["breakers"][0]["state"], "closed");

    for (path, body, status, code, says) in [
        ("sever/trip", "", 404, "no-such-breaker", "did you mean `server`?"),
        ("server/isolate", "", 404, "not-found", "no such path"),
        ("server/reset", r#"{"for":"1s"}"#, 400, "bad-request", "belongs to trip alone"),
        ("server/trip", r#"{"for":"2days"}"#, 400, "bad-request", "must be a duration"),
    ] {
        let (came, problem) = by_hand(path, body);
        assert_eq!((came, &problem["code"]), (status, &code.into()), "{path}");
        assert!(problem["detail"].as_str().unwrap().contains(says), "{problem}");
    }
    let plain = InProcess::serve(&pretend(""), &Environment::empty());
    let none = post(plain.addr, "/v1/vault/breakers/server/trip", "");
    assert_eq!((none.status, &none.json()["code"]), (404, &"no-vault".into()));
}

#[test]
fn its_breakers_are_tripped_and_reset_in_a_terminal() {
    let vault = FakeVault::start(How::Well, "k-1");
    let at = FakeProvider::start(&["k-1"]);
    let server = InProcess::serve(&all_from_vault(vault.address, OFTEN, at.address), &env());
    let url = format!("http://{}", server.addr);
    let ask = |args: &[&str]| run_to_end(&[args, &["--url", &url]].concat());
    let (code, out, err) = ask(&["trip", "vault:server", "--for", "1h"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with("vault:server: open, next probe in 1h"), "{out}");
    assert_eq!(ask(&["reset", "vault:server"]).1, "vault:server: closed\n");
    let (code, _, err) = ask(&["isolate", "vault:server"]);
    assert_eq!(code, 2);
    assert!(err.contains("takes trip and reset alone"), "{err}");
}
