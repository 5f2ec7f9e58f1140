//! What becomes of an answer that is none, and are the paths and bodies the API's?

use panelboard_vault::{ErrorKind, State, Write};

use super::{
    rig::{S, for_secrets, kind, rig, usual, within},
    scripted::{Reply, head, say},
};

fn leads(status: u16, to: &str) -> Reply {
    Reply::Say(status, String::new(), vec![format!("location: {to}")])
}

fn cut(status: u16, body: &str) -> Reply {
    let whole = head(status, body, &[]);
    Reply::Bytes(whole.as_bytes()[..whole.len() - 5].to_vec())
}

#[tokio::test]
async fn garbage_circles_and_cuts_are_each_told_held_against_the_server_and_bounded() {
    let long = format!(r#"{{"data":{{"data":{{"key":"{}"}}}}}}"#, "x".repeat(5_000));
    let endless = format!("HTTP/1.1 200 OK\r\n\r\n{long}");
    let broken = |status| ErrorKind::Server { status };
    let rows: Vec<(Reply, ErrorKind)> = vec![
        (say(200, ""), ErrorKind::Garbage),
        (say(200, "<html>"), ErrorKind::Garbage),
        (say(200, "[]"), ErrorKind::Garbage),
        (say(200, r#"{"data":null}"#), ErrorKind::Garbage),
        (say(200, r#"{"data":{"data":7}}"#), ErrorKind::Garbage),
        (say(200, &"[".repeat(1_000)), ErrorKind::Garbage),
        (say(204, ""), ErrorKind::Garbage),
        (say(404, "<html>"), ErrorKind::Garbage),
        (say(502, "<html>"), broken(502)),
        (say(500, r#"{"errors":[7]}"#), broken(500)),
        (say(503, r#"{"errors":["Vault is sealed"]}"#), ErrorKind::Sealed),
        (say(501, ""), ErrorKind::NotInitialized),
        (say(473, r#"{"errors":[]}"#), ErrorKind::Standby),
        (say(429, r#"{"errors":["quota"]}"#), ErrorKind::RateLimited { retry_after: None }),
        (say(200, &long), ErrorKind::TooLarge),
        (Reply::Bytes(endless.into_bytes()), ErrorKind::TooLarge),
        (leads(307, "/v1/secret/data/app"), ErrorKind::Redirected),
        (leads(301, "/v1/secret/data/app"), ErrorKind::Redirected),
        (leads(307, "http://192.0.2.1/v1/secret/data/app"), ErrorKind::Standby),
        (leads(307, "::"), ErrorKind::Redirected),
        (say(307, ""), ErrorKind::Redirected),
        (cut(200, super::rig::SECRET), ErrorKind::Cut),
        (Reply::Bytes(b"HTTP/1.1 200".to_vec()), ErrorKind::Cut),
        (Reply::Bytes(b"SSH-2.0-x\r\n\r\n".to_vec()), ErrorKind::Cut),
        (Reply::Bytes(Vec::new()), ErrorKind::Cut),
    ];
    let rig = rig(|_| usual(), |b| b.max_attempts(1).failure_threshold(1).max_answer_bytes(1_024));
    let rig = rig.await;
    for (reply, expected) in rows {
        rig.server.play(|_| say(200, super::rig::SECRET));
        assert!(rig.read().await.is_ok(), "before {expected:?}");
        rig.server.play(move |_| reply.clone());
        assert_eq!(kind(rig.read().await), expected);
        assert_eq!(rig.state(), State::Open, "{expected:?} is held against the server");
        rig.recover();
    }
    let hops = rig.server.count("/secret/");
    rig.server.play(|_| leads(308, "/v1/secret/data/app"));
    assert_eq!(kind(rig.read().await), ErrorKind::Redirected);
    assert_eq!(rig.server.count("/secret/") - hops, 3, "one, and two redirects");
}

#[tokio::test]
async fn a_server_that_names_a_time_is_asked_again_then_or_its_caller_is_told() {
    let limited = |seconds: u64| {
        let body = r#"{"errors":["quota"]}"#.to_owned();
        Reply::Say(429, body, vec![format!("retry-after: {seconds}")])
    };
    let rig = rig(for_secrets(move |_| limited(5)), |b| b.failure_threshold(20)).await;
    // Nothing was done, so also a write is sent again.
    let kv = rig.vault.kv2("secret");
    let write = tokio::spawn(async move { kv.write("a", &[("a", "b")], Write::default()).await });
    rig.server.arrived("/secret/", 1).await;
    rig.server.play(|_| say(200, r#"{"data":{"version":1}}"#));
    // Nobody sleeps but the write, and not less than it was told.
    super::rig::until(|| rig.hand.sleeping_until() == [5 * S]).await;
    assert_eq!((rig.requests(), rig.vault.health().queue.running), (1, 0));
    rig.hand.advance(5 * S);
    assert_eq!(within(write).await.expect("no panic").expect("the second"), 1);

    rig.server.play(move |_| limited(3_600));
    let expected = ErrorKind::RateLimited { retry_after: Some(3_600 * S) };
    assert_eq!(kind(rig.read().await), expected, "an hour is not waited for");
}

#[tokio::test]
async fn a_mount_with_a_breaker_of_its_own_answers_for_its_own_errors() {
    let script = |seen: &super::scripted::Seen| match seen.path.as_str() {
        path if path.contains("/bad/") => say(500, r#"{"errors":["internal error"]}"#),
        path if path.contains("/sealed/") => say(503, r#"{"errors":["Vault is sealed"]}"#),
        _ => usual(),
    };
    let settings = |b: panelboard_vault::ConfigBuilder| {
        b.max_attempts(1).failure_threshold(1).mount_breakers(vec!["bad".into(), "sealed".into()])
    };
    let rig = rig(script, settings).await;
    let read = async |mount: &str| within(rig.vault.kv2(mount).read("app")).await;
    assert_eq!(kind(read("bad").await), ErrorKind::Server { status: 500 });
    assert!(matches!(kind(read("bad").await), ErrorKind::Unavailable { .. }));
    assert!(read("secret").await.is_ok(), "the server is there for the others");
    assert_eq!(kind(read("sealed").await), ErrorKind::Sealed);
    assert!(matches!(kind(read("secret").await), ErrorKind::Unavailable { .. }));
    let names: Vec<_> =
        rig.vault.health().breakers.into_iter().map(|(n, s)| (n, s.state)).collect();
    let names: Vec<_> = names.iter().map(|(name, state)| (&**name, *state)).collect();
    let open = State::Open;
    assert_eq!(names, [("server", open), ("mount bad", open), ("mount sealed", open)]);
}

#[tokio::test]
async fn each_operation_is_the_request_that_the_api_wants() {
    let rig = rig(|_| usual(), |b| b.namespace("team/a")).await;
    rig.server.play(|seen| match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", path) if path.ends_with("?list=true") => {
            say(200, r#"{"data":{"keys":["a","b/"]}}"#)
        }
        ("GET", path) if path.contains("/metadata/") => {
            let versions = r#"{"2":{"created_time":"t","deletion_time":"x","destroyed":false}}"#;
            say(200, &format!(r#"{{"data":{{"current_version":2,"versions":{versions}}}}}"#))
        }
        ("GET", "/v1/kv/a%20b") => say(200, r#"{"data":{"key":"v"},"lease_duration":2764800}"#),
        ("GET", "/v1/db/creds/app") => {
            say(200, r#"{"data":{"u":"x"},"lease_id":"l/1","lease_duration":60,"renewable":true}"#)
        }
        ("PUT", "/v1/sys/leases/renew") => {
            say(200, r#"{"lease_id":"l/1","lease_duration":30,"renewable":true}"#)
        }
        ("GET", "/v1/auth/token/lookup-self") => {
            say(200, r#"{"data":{"ttl":9,"renewable":true,"policies":["p"],"display_name":"d"}}"#)
        }
        ("GET", _) => say(200, super::rig::SECRET),
        ("POST", path) if path.contains("/data/") => say(200, r#"{"data":{"version":1}}"#),
        _ => say(204, ""),
    });
    let before = rig.server.count("/v1/");
    let (kv2, kv1, db) = (rig.vault.kv2("secret"), rig.vault.kv1("kv"), rig.vault.dynamic("db"));
    within(async {
        assert_eq!(kv2.write("a", &[("k", "v\"")], Write::create()).await?, 1);
        assert_eq!(kv2.read_version("a/b", 2).await?.and_then(|f| f.version), Some(3));
        kv2.delete("a").await?;
        kv2.delete_versions("a", &[1, 2]).await?;
        kv2.undelete("a", &[1]).await?;
        kv2.destroy("a", &[2]).await?;
        assert_eq!(kv2.list("").await?, ["a", "b/"]);
        let metadata = kv2.metadata("a").await?.expect("it is there");
        assert!(metadata.current_version == 2 && metadata.versions[&2].is_deleted);
        kv2.delete_all("a").await?;
        kv1.write("a b", &[("k", "v")]).await?;
        assert_eq!(kv1.read("a b").await?.map(|f| f.data.names()), Some(vec!["key".into()]));
        assert_eq!(kv1.list("x").await?.len(), 2);
        kv1.delete("a b").await?;
        let lease = db.read("creds/app").await?.and_then(|f| f.lease).expect("a lease");
        assert_eq!(rig.vault.renew_lease(&lease, Some(30 * S)).await?.ttl, 30 * S);
        rig.vault.revoke_lease(&lease).await?;
        let info = rig.vault.look_up_token().await?;
        assert_eq!((info.ttl, info.policies.as_slice()), (Some(9 * S), &["p".to_owned()][..]));
        Ok::<(), panelboard_vault::Error>(())
    })
    .await
    .expect("all of them succeed");
    let sent: Vec<_> = rig.server.seen("/v1/").into_iter().skip(before).collect();
    let lines: Vec<_> =
        sent.iter().map(|s| format!("{} {} {}", s.method, s.path, s.body)).collect();
    let expected = [
        r#"POST /v1/secret/data/a {"options":{"cas":0},"data":{"k":"v\""}}"#,
        "GET /v1/secret/data/a/b?version=2 ",
        "DELETE /v1/secret/data/a ",
        r#"POST /v1/secret/delete/a {"versions":[1,2]}"#,
        r#"POST /v1/secret/undelete/a {"versions":[1]}"#,
        r#"POST /v1/secret/destroy/a {"versions":[2]}"#,
        "GET /v1/secret/metadata/?list=true ",
        "GET /v1/secret/metadata/a ",
        "DELETE /v1/secret/metadata/a ",
        r#"POST /v1/kv/a%20b {"k":"v"}"#,
        "GET /v1/kv/a%20b ",
        "GET /v1/kv/x?list=true ",
        "DELETE /v1/kv/a%20b ",
        "GET /v1/db/creds/app ",
        r#"PUT /v1/sys/leases/renew {"lease_id":"l/1","increment":30}"#,
        r#"PUT /v1/sys/leases/revoke {"lease_id":"l/1"}"#,
        "GET /v1/auth/token/lookup-self ",
    ];
    assert_eq!(lines, expected);
    assert!(sent.iter().all(|s| {
        s.headers["x-vault-namespace"] == "team/a"
            && s.headers["x-vault-token"] == "canary-token"
            && s.headers["x-vault-request"] == "true"
    }));
}

#[tokio::test]
async fn what_can_not_be_missing_is_refused_by_a_404_and_never_said_to_be_done() {
    let script = for_secrets(|_| say(404, r#"{"errors":["no handler for route"]}"#));
    let rig = rig(
        move |seen| {
            if seen.path.contains("/sys/") { say(404, r#"{"errors":[]}"#) } else { script(seen) }
        },
        |b| b,
    )
    .await;
    let lease = panelboard_vault::Lease::new("l/1".to_owned(), S, true);
    let (kv2, kv1) = (rig.vault.kv2("secret"), rig.vault.kv1("secret"));
    let fields = [("a", "b")];
    let errors = within(async {
        [
            kv2.write("a", &fields, Write::default()).await.err(),
            kv1.write("a", &fields).await.err(),
            rig.vault.renew_lease(&lease, None).await.err(),
            rig.vault.revoke_lease(&lease).await.err(),
        ]
    });
    for error in errors.await {
        let error = error.expect("nothing is there to do it");
        let expected = ErrorKind::BadRequest { status: 404 };
        assert_eq!((error.kind, error.attempts, error.maybe_done), (expected, 1, false));
    }
    // Of what is gone already there is nothing to delete.
    assert!(within(kv2.delete("a")).await.is_ok() && within(kv1.delete("a")).await.is_ok());
    assert_eq!(rig.state(), State::Closed, "it answered");
}

#[tokio::test]
async fn a_path_that_is_not_well_formed_is_refused_by_its_part_and_never_sent() {
    let rig = rig(|_| usual(), |b| b).await;
    for (mount, path, part) in [
        ("secret", "", "path"),
        ("secret", "canary/../x", "path"),
        ("secret", "/canary", "path"),
        ("", "canary", "mount"),
        ("secret/", "canary", "mount"),
        ("secret", "a\nb", "path"),
    ] {
        let error = within(rig.vault.kv2(mount).read(path)).await.err().expect("refused");
        assert!(matches!(error.kind, ErrorKind::Malformed(what) if what.part == part), "{error}");
        assert!(error.attempts == 0 && !error.to_string().contains("canary"));
    }
    assert_eq!(rig.requests(), 0);
}
