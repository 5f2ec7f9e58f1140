//! What does the section `[vault]` mean, and which keys come from there?

use std::collections::HashSet;
use std::fmt;
use std::io::Read as _;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use panelboard_mistakes::Found;
use panelboard_vault::{Auth, Config, ConfigBuilder, Secret, SecretRef};
use ring::digest::{Context, SHA256};
use zeroize::Zeroizing;

use super::{Builder, Seen};
use crate::config::secret::AT_HAND;
use crate::config::values::Table;

/// The section `[vault]`, and the keys that it is there for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Vault {
    /// What its client is told.
    pub client: Config,
    /// How often each secret is looked at.
    pub refresh: Duration,
    /// The keys whose secrets are there.
    pub keys: Vec<VaultKey>,
    stamp: Stamp,
}

/// A provider's key whose secret is in the Vault.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VaultKey {
    /// The provider's name.
    pub provider: String,
    /// The key's name.
    pub key: String,
    /// Where its secret is.
    pub of: SecretRef,
}

impl Vault {
    /// Whether a client of the other's is one of this, so that it can go on.
    pub(crate) fn has_same_client(&self, other: &Self) -> bool {
        self.stamp == other.stamp
    }
}

/// Everything that a client is told, digested: it holds secrets, which nobody needs to keep for a
/// comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp([u8; 32]);

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(4).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Collects what a client is told, and digests it.
struct Told(Context);

impl Told {
    fn new() -> Self {
        Self(Context::new(&SHA256))
    }

    fn note(&mut self, what: &str) {
        // With its length, so that no two lists of texts are one text.
        self.0.update(&(what.len() as u64).to_le_bytes());
        self.0.update(what.as_bytes());
    }

    fn stamp(self) -> Stamp {
        let mut stamp = [0; 32];
        stamp.copy_from_slice(self.0.finish().as_ref());
        Stamp(stamp)
    }
}

/// The longest file of certificates that is read, in bytes.
const MAX_CA_BYTES: u64 = 1 << 20;
/// Secrets that one client may watch.
const MAX_SECRETS: usize = 1_000;

/// The options that have a kind, a range and a default, each under its own name.
macro_rules! options {
    ($table:ident, $told:ident, $builder:ident; $($name:ident: $kind:ident or $default:expr;)*) => {
        $(let value = $table.$kind(stringify!($name)).unwrap_or($default);
        $told.note(&format!("{value:?}"));
        $builder = $builder.$name(value);)*
    };
}

impl Builder<'_> {
    /// A key whose secret is in the Vault.
    pub(super) fn vault_key(&mut self, table: &Table, provider: &str, of: &SecretRef) {
        if !self.has_vault {
            let wrong = "is a vault: reference, and there is no section [vault]";
            let mistake = Found::new(table.place("secret"), table.key("secret"), wrong);
            self.found
                .push(mistake.expected("[vault] with the server's address and how to log in"));
        }
        let Some(key) = table.text("name") else { return };
        let (provider, key, of) = (provider.to_owned(), key.to_owned(), of.clone());
        self.vault_keys.push(VaultKey { provider, key, of });
    }

    /// The section. The keys must have been met before.
    pub(super) fn vault(&mut self, file: &Table) -> Option<Vault> {
        let table = file.table("vault")?;
        let keys = mem::take(&mut self.vault_keys);
        let secrets: HashSet<&SecretRef> = keys.iter().map(|key| &key.of).collect();
        if secrets.len() > MAX_SECRETS {
            let wrong = format!("{} secrets", secrets.len());
            let mistake = Found::new(table.at, "vault", wrong);
            self.found.push(mistake.expected(format!("keys of at most {MAX_SECRETS} secrets")));
        }
        let mut told = Told::new();
        let auth = self.auth(table, &mut told);
        let ca = self.authorities(table);
        let address = table.text("address")?;
        told.note(address);
        let mut builder = Config::builder(address, auth?);
        if let Some(namespace) = table.text("namespace") {
            ["namespace", namespace].into_iter().for_each(|text| told.note(text));
            builder = builder.namespace(namespace);
        }
        if let Some(pem) = ca {
            ["ca", &pem].into_iter().for_each(|text| told.note(text));
            builder = builder.ca_pem(pem);
        }
        let client = self.client(table, options(table, &mut told, builder))?;
        let refresh = table.duration("refresh").unwrap_or(Duration::from_secs(60));
        Some(Vault { client, refresh, keys, stamp: told.stamp() })
    }

    /// What the client's own check refuses, at its place.
    fn client(&mut self, table: &Table, builder: ConfigBuilder) -> Option<Config> {
        builder
            .build()
            .map_err(|error| {
                let field = match error.field.as_str() {
                    "ca_pem" => "ca_file",
                    "auth.mount" => "approle_mount",
                    field => field,
                };
                let wrong = match error.value.as_str() {
                    "" => "is not valid (not shown)".to_owned(),
                    value => format!("{value} is out of range"),
                };
                let mistake = Found::new(table.place(field), table.key(field), wrong);
                self.found.push(mistake.expected(error.expected));
            })
            .ok()
    }

    fn auth(&mut self, table: &Table, told: &mut Told) -> Option<Auth> {
        let role = ["role_id", "secret_id", "approle_mount"];
        let (token, any) = (table.has("token"), role.iter().find(|field| table.has(field)));
        let mistake = match (token, any) {
            (true, None) => {
                let mut token = self.secret(table, "token")?;
                told.note(&token);
                return Some(Auth::token(Secret::new(mem::take(&mut *token))));
            }
            (false, Some(_)) => match role[..2].iter().find(|field| !table.has(field)) {
                None => return self.app_role(table, told),
                Some(field) => {
                    let mistake = Found::new(table.at, table.key(field), "missing");
                    mistake.expected(AT_HAND)
                }
            },
            (true, Some(field)) => {
                let mistake = Found::new(table.place(field), table.key(field), "is beside a token");
                mistake.expected("`token` alone, or `role_id` and `secret_id`")
            }
            (false, None) => Found::new(table.at, table.key("token"), "missing")
                .expected("`token`, or `role_id` and `secret_id`, by reference"),
        };
        self.found.push(mistake);
        None
    }

    fn app_role(&mut self, table: &Table, told: &mut Told) -> Option<Auth> {
        // Both are followed, so that both mistakes are told.
        let (role, id) = (self.secret(table, "role_id"), self.secret(table, "secret_id"));
        let mount = table.text("approle_mount").unwrap_or("approle");
        let (role, id) = (role?, id?);
        for text in [mount, &role, &id] {
            told.note(text);
        }
        let secret = |mut text: Zeroizing<String>| Arc::new(Secret::new(mem::take(&mut *text)));
        Some(Auth::AppRole { mount: mount.into(), role_id: secret(role), secret_id: secret(id) })
    }

    /// The certificates of `ca_file`.
    fn authorities(&mut self, table: &Table) -> Option<String> {
        let path = self.folder.join(table.text("ca_file")?);
        self.files.push(Seen::now(&path));
        let read = || {
            let mut pem = String::new();
            std::fs::File::open(&path)?.take(MAX_CA_BYTES + 1).read_to_string(&mut pem)?;
            Ok::<_, std::io::Error>(pem)
        };
        let wrong = match read() {
            Ok(pem) if pem.len() as u64 <= MAX_CA_BYTES => return Some(pem),
            Ok(_) => format!("the file is longer than {MAX_CA_BYTES} bytes"),
            Err(error) => format!("the file {} cannot be read: {error}", path.display()),
        };
        self.found.push(Found::new(table.place("ca_file"), table.key("ca_file"), wrong));
        None
    }
}

fn options(table: &Table, told: &mut Told, mut builder: ConfigBuilder) -> ConfigBuilder {
    let (ms, seconds) = (Duration::from_millis, Duration::from_secs);
    options! {
        table, told, builder;
        failure_threshold: count32 or 5;
        recovery_timeout: duration or seconds(30);
        half_open_max_calls: count32 or 1;
        max_concurrent: size or 10;
        queue_multiplier: size or 3;
        queue_timeout: duration or seconds(30);
        timeout: duration or seconds(10);
        max_attempts: count32 or 3;
        backoff: duration or ms(100);
        max_backoff: duration or seconds(10);
        jitter: share or 0.1;
        renew_after: share or 2.0 / 3.0;
        max_answer_bytes: size or 1 << 20;
    }
    let mounts: Vec<String> =
        table.texts("mount_breakers").map(|(_, mount, _)| mount.to_owned()).collect();
    mounts.iter().for_each(|mount| told.note(mount));
    builder.mount_breakers(mounts)
}
