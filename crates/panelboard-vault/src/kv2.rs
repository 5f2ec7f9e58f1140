//! The KV engine, version 2: versions, check-and-set, and deletes that can be undone.

use std::collections::BTreeMap;

use http::Method;
use serde::Serialize;

use crate::{
    cache::Cached,
    call::Repeat,
    data::SecretData,
    engine::{Mount, What},
    error::{Error, Operation},
    found::Found,
    vault::Vault,
    wire,
};

/// A mount of the KV engine, version 2. See [`Vault::kv2`].
///
/// ```
/// # async fn example(vault: panelboard_vault::Vault) -> Result<(), Box<dyn std::error::Error>> {
/// use panelboard_vault::Write;
///
/// let kv = vault.kv2("secret");
/// let written = kv.write("app", &[("api_key", "s3cr3t")], Write::create()).await;
/// let version = kv.metadata("app").await?.map(|metadata| metadata.current_version);
/// println!("{:?}, {version:?}", written.ok());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "a handle, as the client that it is made from")]
pub struct Kv2(Mount);

/// On which condition something is written, and whether it may be sent twice.
///
/// ```
/// use panelboard_vault::Write;
///
/// let _whatever_is_there = Write::default();
/// let _if_nothing_is_there = Write::create();
/// let _if_nobody_has_written_since = Write::if_version(7);
/// let _may_be_sent_twice = Write::default().idempotent();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Write {
    cas: Option<u64>,
    is_idempotent: bool,
}

impl Write {
    /// Only if there is no such secret.
    #[must_use]
    pub fn create() -> Self {
        Self::if_version(0)
    }

    /// Only if the current version is that one (check-and-set). It may then be sent again after a
    /// time-out: a second one can't fit.
    #[must_use]
    pub fn if_version(version: u64) -> Self {
        Self { cas: Some(version), is_idempotent: false }
    }

    /// It does no harm twice: it may be sent again although the first may have been done.
    #[must_use]
    pub fn idempotent(self) -> Self {
        Self { is_idempotent: true, ..self }
    }

    fn repeat(self) -> Repeat {
        match self.is_idempotent || self.cas.is_some() {
            true => Repeat::Idempotent,
            false => Repeat::Once,
        }
    }
}

/// What is known of a secret's versions.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// The newest version.
    pub current_version: u64,
    /// The oldest version that is kept.
    pub oldest_version: u64,
    /// How many are kept; 0 is the engine's default.
    pub max_versions: u64,
    /// Whether a write needs check-and-set.
    pub cas_required: bool,
    /// Each version that is kept.
    pub versions: BTreeMap<u64, VersionState>,
}

/// What is known of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionState {
    /// When it was written, by the server's clock.
    pub created: String,
    /// It was deleted, and can be undeleted.
    pub is_deleted: bool,
    /// It is gone for good.
    pub is_destroyed: bool,
}

#[derive(Serialize)]
struct Body<'a, T: ?Sized> {
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Options>,
    data: &'a T,
}

#[derive(Serialize)]
struct Options {
    cas: u64,
}

#[derive(Serialize)]
struct Versions<'a> {
    versions: &'a [u64],
}

/// Names and texts as one JSON object, in place of a map.
struct Pairs<'a, K, V>(&'a [(K, V)]);

impl<K: AsRef<str>, V: AsRef<str>> Serialize for Pairs<'_, K, V> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(k, v)| (k.as_ref(), v.as_ref())))
    }
}

impl Kv2 {
    pub(crate) fn new(vault: Vault, mount: &str) -> Self {
        Self(Mount { vault, name: mount.into() })
    }

    /// The newest version of a secret; none if there is none, or it is deleted.
    ///
    /// # Errors
    /// [`Error`]. Reading is sent again after a failure of the server.
    pub async fn read(&self, path: &str) -> Result<Option<Found>, Error> {
        self.0.call(what(path), found).await
    }

    /// One version of a secret; none if there is none, or it is deleted or destroyed.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn read_version(&self, path: &str, version: u64) -> Result<Option<Found>, Error> {
        let query = format!("?version={version}");
        self.0.call(What { query: &query, ..what(path) }, found).await
    }

    /// The newest version, as of at most `cache_ttl` ago; older only if the server can't be asked.
    ///
    /// # Errors
    /// As [`read`](Self::read), where the cache has nothing to serve.
    pub async fn read_cached(&self, path: &str) -> Result<Option<Cached>, Error> {
        self.0.read_cached(what(path), found).await
    }

    /// Writes a new version and answers its number. Never sent a second time after it may have been
    /// done, unless `write` says that this does no harm.
    ///
    /// # Errors
    /// [`Error`]; with `maybe_done` it may be there all the same. After a time-out of a
    /// check-and-set, [`CasMismatch`](crate::ErrorKind::CasMismatch) with `maybe_done` says that
    /// somebody has written, perhaps this caller.
    pub async fn write(
        &self,
        path: &str,
        fields: &[(impl AsRef<str>, impl AsRef<str>)],
        write: Write,
    ) -> Result<u64, Error> {
        self.write_as(path, &Pairs(fields), write).await
    }

    /// Writes anything that is an object in JSON. Otherwise as [`write`](Self::write).
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_as(
        &self,
        path: &str,
        data: &(impl Serialize + ?Sized),
        write: Write,
    ) -> Result<u64, Error> {
        let options = write.cas.map(|cas| Options { cas });
        let body = self.0.body(Operation::Write, &Body { options, data })?;
        let what = What {
            method: Method::POST,
            body: Some(body),
            repeat: write.repeat(),
            ..What::read(Operation::Write, "data/", path)
        };
        self.0.write(what, version).await
    }

    /// Deletes the newest version. It can be [undeleted](Self::undelete).
    ///
    /// # Errors
    /// As [`write`](Self::write): a second delete could be of a version written in between.
    pub async fn delete(&self, path: &str) -> Result<(), Error> {
        let what = What::read(Operation::Delete, "data/", path);
        let what = What { method: Method::DELETE, repeat: Repeat::Once, ..what };
        self.0.change(what).await
    }

    /// Deletes versions by their numbers.
    ///
    /// # Errors
    /// [`Error`]. Sent again after a failure of the server: it is the same twice.
    pub async fn delete_versions(&self, path: &str, versions: &[u64]) -> Result<(), Error> {
        self.of_versions(Operation::Delete, "delete/", path, versions).await
    }

    /// Brings deleted versions back.
    ///
    /// # Errors
    /// As [`delete_versions`](Self::delete_versions).
    pub async fn undelete(&self, path: &str, versions: &[u64]) -> Result<(), Error> {
        self.of_versions(Operation::Undelete, "undelete/", path, versions).await
    }

    /// Destroys versions for good.
    ///
    /// # Errors
    /// As [`delete_versions`](Self::delete_versions).
    pub async fn destroy(&self, path: &str, versions: &[u64]) -> Result<(), Error> {
        self.of_versions(Operation::Delete, "destroy/", path, versions).await
    }

    async fn of_versions(
        &self,
        operation: Operation,
        prefix: &str,
        path: &str,
        versions: &[u64],
    ) -> Result<(), Error> {
        let body = self.0.body(operation, &Versions { versions })?;
        let what = What {
            method: Method::POST,
            body: Some(body),
            repeat: Repeat::Idempotent,
            ..What::read(operation, prefix, path)
        };
        self.0.change(what).await
    }

    /// The names below a path, folders with a slash at their end; none if there is no such path. An
    /// empty path is the mount itself.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn list(&self, path: &str) -> Result<Vec<String>, Error> {
        self.0.list("metadata/", path).await
    }

    /// What is known of a secret's versions; none if there is no such secret.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn metadata(&self, path: &str) -> Result<Option<Metadata>, Error> {
        let what = What::read(Operation::Metadata, "metadata/", path);
        self.0.call(what, |body| wire::data(body).map(metadata)).await
    }

    /// Removes a secret with all its versions, for good.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn delete_all(&self, path: &str) -> Result<(), Error> {
        let what = What::read(Operation::Metadata, "metadata/", path);
        let what = What { method: Method::DELETE, repeat: Repeat::Once, ..what };
        self.0.change(what).await
    }
}

fn what(path: &str) -> What<'_> {
    What::read(Operation::Read, "data/", path)
}

pub(crate) fn found(body: &[u8]) -> Option<Found> {
    let wire::Kv2Read { data, metadata } = wire::data(body)?;
    let version = metadata.and_then(|metadata| metadata.version);
    Some(Found { data: SecretData::new(data?)?, version, lease: None })
}

fn version(body: &[u8]) -> Option<u64> {
    wire::data::<wire::Kv2Written>(body)?.version
}

fn metadata(wire: wire::Kv2Metadata) -> Metadata {
    let state = |v: wire::Kv2Version| VersionState {
        created: v.created_time.unwrap_or_default(),
        is_deleted: v.deletion_time.is_some_and(|time| !time.is_empty()),
        is_destroyed: v.destroyed.unwrap_or(false),
    };
    let versions = wire.versions.into_iter();
    Metadata {
        current_version: wire.current_version.unwrap_or_default(),
        oldest_version: wire.oldest_version.unwrap_or_default(),
        max_versions: wire.max_versions.unwrap_or_default(),
        cas_required: wire.cas_required.unwrap_or(false),
        versions: versions.filter_map(|(n, v)| Some((n.parse().ok()?, state(v)))).collect(),
    }
}
