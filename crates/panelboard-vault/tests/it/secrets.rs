//! Does a secret show anywhere but where it was asked for?

use std::fmt::Write as _;

use panelboard_vault::{ErrorKind, KvVersion, Write};

use super::{
    rig::{S, app_role, fails, rig_as, until, within},
    scripted::{Reply, Seen, say},
};

type Script = Box<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// All that a client says of itself, in each state that it can be brought into by a server that
/// repeats what it was sent.
#[tokio::test]
async fn w14_no_token_credential_or_value_is_in_anything_that_is_shown() {
    let echo = |seen: &Seen| {
        let body: String = seen.body.chars().filter(|c| *c != '"').collect();
        let token = seen.headers.get("x-vault-token").cloned().unwrap_or_default();
        let errors = format!(r#"{{"errors":["{body} {token}"],"data":{{"x":"canary-x"}}}}"#);
        say(400, &errors)
    };
    let grant = r#"{"auth":{"client_token":"canary-t","lease_duration":100,"renewable":true}}"#;
    let rig =
        rig_as(app_role(), move |_| say(200, grant), |b| b.failure_threshold(2).max_attempts(1))
            .await;
    let mut shown = String::new();
    let mut events = rig.vault.events();
    let kv = rig.vault.kv2("secret");
    let replies: Vec<Script> = vec![
        Box::new(echo),
        Box::new(|_| say(200, "canary-garbage")),
        Box::new(|_| say(200, r#"{"data":{"data":"canary-no-object"}}"#)),
        Box::new(|_| say(403, r#"{"errors":["canary-forbidden"]}"#)),
        Box::new(|_| Reply::Bytes(b"canary-no-http\r\n\r\n".to_vec())),
        Box::new(|_| Reply::Say(302, String::new(), vec!["location: http://canary/".into()])),
        Box::new(|_| fails()),
    ];
    until(|| rig.vault.health().token.is_valid).await;
    for reply in replies {
        rig.server.play(move |seen| match seen.path.contains("/secret/") {
            true => reply(seen),
            false => say(200, grant),
        });
        rig.hand.advance(61 * S);
        for _ in 0..2 {
            let written =
                within(kv.write("canary-path", &[("a", "canary-value")], Write::create()));
            let error = written.await.expect_err("all of them fail");
            let _ = write!(shown, "{error} {error:?} ");
        }
    }
    rig.server.play(move |seen| match seen.path.as_str() {
        path if path.contains("/secret/") => say(200, super::rig::SECRET),
        path if path.contains("/mounts/") => say(200, r#"{"data":{"options":{"version":"2"}}}"#),
        _ => say(200, grant),
    });
    rig.hand.advance(61 * S);
    let of = "secret/app#key".parse().expect("a field");
    let mut watch = rig.vault.watch(of, KvVersion::Ask, 10 * S).expect("a watch");
    let seen = within(watch.first_look()).await;
    assert_eq!(seen.value.as_ref().map(|v| v.expose().as_str()), Some("canary-value"));
    drop(within(kv.read_cached("app")).await);
    let _ = write!(shown, "{watch:?} {:?} {:?} ", rig.vault, rig.vault.health());
    while let Some(event) = events.try_next() {
        let _ = write!(shown, "{event:?} ");
    }
    let _ = within(rig.vault.shutdown(S)).await;
    let _ = write!(shown, "{:?}", rig.vault.health());
    assert!(shown.len() > 2_000, "there is something to search");
    let found = shown.find("canary").map(|at| &shown[at.saturating_sub(80)..at + 20]);
    assert_eq!(found, None);
}

#[tokio::test]
async fn a_secret_that_lacks_the_field_or_is_no_text_is_told_by_name_only() {
    let body = r#"{"data":{"data":{"n":7,"e":"","o":{"canary":1}},"metadata":{"version":1}}}"#;
    let rig = super::rig::rig(super::rig::for_secrets(move |_| say(200, body)), |b| b).await;
    for field in ["n", "e", "o", "missing"] {
        let of = panelboard_vault::SecretRef::new("secret", "app", field).expect("a field");
        let mut watch = rig.vault.watch(of, KvVersion::Two, S).expect("a watch");
        let seen = within(watch.first_look()).await;
        let error = seen.error.as_ref().expect("no value");
        assert!(matches!(error.kind, ErrorKind::Field(_)), "{error}");
        assert!(seen.value.is_none() && !format!("{error} {error:?}").contains("canary"));
    }
}
