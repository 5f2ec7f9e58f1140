//! What do a server's answers look like? Every field is optional: servers differ in what they send.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Any answer of the API but that of the health check.
#[derive(Deserialize)]
pub(crate) struct Answer<'a> {
    #[serde(borrow, default)]
    pub(crate) data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) auth: Option<Grant<'a>>,
    #[serde(default)]
    pub(crate) lease_id: Option<String>,
    #[serde(default)]
    pub(crate) lease_duration: Option<u64>,
    #[serde(default)]
    pub(crate) renewable: Option<bool>,
}

/// A token that was given or renewed. No copy of it is made here.
#[derive(Deserialize)]
pub(crate) struct Grant<'a> {
    #[serde(borrow, default)]
    pub(crate) client_token: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) lease_duration: Option<u64>,
    #[serde(default)]
    pub(crate) renewable: Option<bool>,
}

/// `data` of a token's look-up.
#[derive(Deserialize)]
pub(crate) struct LookedUp {
    #[serde(default)]
    pub(crate) ttl: Option<u64>,
    /// By the server's wall clock, which plays no part; whether there is such a time does.
    #[serde(default)]
    expire_time: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    pub(crate) renewable: Option<bool>,
    #[serde(default)]
    pub(crate) policies: Vec<String>,
    #[serde(default)]
    pub(crate) display_name: Option<String>,
}

impl LookedUp {
    /// How long it lives; none if it does not end. One that ends is told with no seconds, too: in
    /// its last one.
    pub(crate) fn life(&self) -> Option<Duration> {
        let ttl = Duration::from_secs(self.ttl.unwrap_or_default());
        (!ttl.is_zero() || self.expire_time.is_some()).then_some(ttl)
    }
}

/// An answer of which only `data` is of interest.
#[derive(Deserialize)]
struct Data<T> {
    data: Option<T>,
}

/// `data` of a read of KV version 2.
#[derive(Deserialize)]
pub(crate) struct Kv2Read<'a> {
    #[serde(borrow, default)]
    pub(crate) data: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) metadata: Option<Kv2Written>,
}

/// Which version was read or written.
#[derive(Deserialize)]
pub(crate) struct Kv2Written {
    #[serde(default)]
    pub(crate) version: Option<u64>,
}

/// What KV version 2 says of one version.
#[derive(Deserialize)]
pub(crate) struct Kv2Version {
    #[serde(default)]
    pub(crate) created_time: Option<String>,
    #[serde(default)]
    pub(crate) deletion_time: Option<String>,
    #[serde(default)]
    pub(crate) destroyed: Option<bool>,
}

/// `data` of a secret's metadata.
#[derive(Deserialize)]
pub(crate) struct Kv2Metadata {
    #[serde(default)]
    pub(crate) current_version: Option<u64>,
    #[serde(default)]
    pub(crate) oldest_version: Option<u64>,
    #[serde(default)]
    pub(crate) max_versions: Option<u64>,
    #[serde(default)]
    pub(crate) cas_required: Option<bool>,
    #[serde(default)]
    pub(crate) versions: std::collections::BTreeMap<String, Kv2Version>,
}

/// `data` of a list.
#[derive(Deserialize)]
pub(crate) struct Keys {
    #[serde(default)]
    pub(crate) keys: Vec<String>,
}

/// `data` of what is known of a mount.
#[derive(Deserialize)]
pub(crate) struct Mount {
    #[serde(default)]
    pub(crate) options: Option<MountOptions>,
}

#[derive(Deserialize)]
pub(crate) struct MountOptions {
    #[serde(default)]
    pub(crate) version: Option<String>,
}

/// The whole answer of the health check.
#[derive(Deserialize)]
pub(crate) struct Health {
    pub(crate) initialized: Option<bool>,
    pub(crate) sealed: Option<bool>,
    #[serde(default)]
    pub(crate) standby: Option<bool>,
    #[serde(default)]
    pub(crate) version: Option<String>,
}

#[derive(Deserialize)]
struct Errors<'a> {
    #[serde(borrow, default)]
    errors: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    data: Option<serde::de::IgnoredAny>,
}

/// The texts in `errors`, as they stand in the body, without a copy: a server may repeat in them
/// what it was sent. None if the body is not one of a Vault.
pub(crate) fn errors(body: &[u8]) -> Option<Vec<&str>> {
    let Errors { errors, data } = serde_json::from_slice(body).ok()?;
    let text = |raw: &'_ RawValue| raw.get().starts_with('"');
    match (errors, data) {
        (Some(errors), _) if !errors.iter().all(|raw| text(raw)) => None,
        (Some(errors), _) => Some(errors.into_iter().map(RawValue::get).collect()),
        // A deleted version: 404, with what is known of it.
        (None, Some(_)) => Some(Vec::new()),
        (None, None) => None,
    }
}

pub(crate) fn answer(body: &[u8]) -> Option<Answer<'_>> {
    serde_json::from_slice(body).ok()
}

/// `data`, read as a type in one pass.
pub(crate) fn data<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    serde_json::from_slice::<Data<T>>(body).ok()?.data
}
