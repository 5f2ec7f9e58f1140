//! What do the tests begin with? A scripted server, a client of it, and a hand on its time.

use std::{future::Future, time::Duration};

use panelboard_vault::{
    Auth, Config, ConfigBuilder, Error, ErrorKind, Found, ManualTime, Secret, State, Time, Vault,
};

use super::scripted::{Reply, Seen, Server, say};

pub(crate) const S: Duration = Duration::from_secs(1);
pub(crate) const MS: Duration = Duration::from_millis(1);

/// How long a wait may take before it is called stuck. Real time.
const PATIENCE: Duration = Duration::from_secs(8);

pub(crate) async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.expect("stuck")
}

/// Until it is so; what it asks about is changed by other tasks.
pub(crate) async fn until(mut so: impl FnMut() -> bool) {
    within(async {
        while !so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// A client with a token that does not end, and its time.
pub(crate) struct Rig {
    pub(crate) server: Server,
    pub(crate) vault: Vault,
    pub(crate) hand: ManualTime,
}

pub(crate) fn token() -> Auth {
    Auth::token(Secret::new("canary-token".to_owned()))
}

pub(crate) fn app_role() -> Auth {
    let secret = |text: &str| Secret::new(text.to_owned());
    Auth::app_role(secret("canary-role"), secret("canary-secret-id"))
}

pub(crate) async fn rig(
    script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    settings: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
) -> Rig {
    rig_as(token(), script, settings).await
}

/// With back-offs and renewals that are exact.
pub(crate) async fn rig_as(
    auth: Auth,
    script: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    settings: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
) -> Rig {
    let script = move |seen: &Seen| match seen.path.as_str() {
        "/v1/auth/token/lookup-self" if seen.headers.contains_key("x-vault-token") => {
            match script(seen) {
                Reply::Say(0, ..) => say(200, r#"{"data":{"ttl":0,"renewable":false}}"#),
                reply => reply,
            }
        }
        _ => match script(seen) {
            Reply::Say(0, ..) => say(200, SECRET),
            reply => reply,
        },
    };
    let server = Server::start(script).await;
    let looks_up = auth.kind() == "token";
    let (vault, hand) = client(&server, auth, settings);
    if looks_up {
        // Its success shall not come in between what a test counts.
        server.arrived("lookup-self", 1).await;
        until(|| vault.health().tasks == 1).await;
    }
    Rig { server, vault, hand }
}

pub(crate) fn client(
    server: &Server,
    auth: Auth,
    settings: impl FnOnce(ConfigBuilder) -> ConfigBuilder,
) -> (Vault, ManualTime) {
    let (time, hand) = Time::manual();
    let builder = Config::builder(server.url(), auth).time(time).jitter(0.0);
    let config = settings(builder).build().expect("settings in range");
    (Vault::open(config).expect("a client"), hand)
}

/// What is answered where a script has no wish.
pub(crate) const SECRET: &str =
    r#"{"data":{"data":{"key":"canary-value"},"metadata":{"version":3}}}"#;

/// The script has no wish.
pub(crate) fn usual() -> Reply {
    say(0, "")
}

pub(crate) fn fails() -> Reply {
    say(500, r#"{"errors":["internal error"]}"#)
}

/// For paths of secrets only.
pub(crate) fn for_secrets(
    reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
    move |seen| if seen.path.contains("/secret/") { reply(seen) } else { usual() }
}

impl Rig {
    pub(crate) async fn read(&self) -> Result<Option<Found>, Error> {
        within(self.vault.kv2("secret").read("app")).await
    }

    pub(crate) fn spawn_read(&self) -> tokio::task::JoinHandle<Result<Option<Found>, Error>> {
        let kv = self.vault.kv2("secret");
        tokio::spawn(async move { kv.read("app").await })
    }

    pub(crate) fn spawn_reads(
        &self,
        count: usize,
    ) -> Vec<tokio::task::JoinHandle<Result<Option<Found>, Error>>> {
        (0..count).map(|_| self.spawn_read()).collect()
    }

    pub(crate) fn state(&self) -> State {
        self.vault.health().breakers[0].1.state
    }

    pub(crate) fn failures(&self) -> u32 {
        self.vault.health().breakers[0].1.consecutive_failures
    }

    /// Requests for secrets.
    pub(crate) fn requests(&self) -> usize {
        self.server.count("/secret/")
    }

    /// Past the time that an open breaker stays open.
    pub(crate) fn recover(&self) {
        self.hand.advance(61 * S);
    }
}

pub(crate) fn kind<T>(result: Result<T, Error>) -> ErrorKind {
    result.err().expect("an error").kind
}

/// What each of these tasks came to.
pub(crate) async fn all<T>(tasks: Vec<tokio::task::JoinHandle<T>>) -> Vec<T> {
    let mut results = Vec::new();
    for task in tasks {
        results.push(within(task).await.expect("no panic"));
    }
    results
}
