//! The KV engine, version 1: one value for a path, without versions.

use http::Method;
use serde::Serialize;

use crate::{
    cache::Cached,
    call::Repeat,
    data::SecretData,
    engine::{Mount, What, any_answer},
    error::{Error, Operation},
    found::Found,
    vault::Vault,
    wire,
};

/// A mount of the KV engine, version 1. See [`Vault::kv1`].
///
/// ```
/// # async fn example(vault: panelboard_vault::Vault) -> Result<(), Box<dyn std::error::Error>> {
/// let kv = vault.kv1("kv");
/// kv.write("app", &[("api_key", "s3cr3t")]).await?;
/// assert!(kv.list("").await?.contains(&"app".to_owned()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "a handle, as the client that it is made from")]
pub struct Kv1(Mount);

impl Kv1 {
    pub(crate) fn new(vault: Vault, mount: &str) -> Self {
        Self(Mount { vault, name: mount.into() })
    }

    /// A secret; none if there is none.
    ///
    /// # Errors
    /// [`Error`]. Reading is sent again after a failure of the server.
    pub async fn read(&self, path: &str) -> Result<Option<Found>, Error> {
        self.0.call(what(path), found).await
    }

    /// A secret, as of at most `cache_ttl` ago; older only if the server can't be asked. The
    /// engine's `lease_duration` is a hint and no lease.
    ///
    /// # Errors
    /// As [`read`](Self::read), where the cache has nothing to serve.
    pub async fn read_cached(&self, path: &str) -> Result<Option<Cached>, Error> {
        self.0.read_cached(what(path), found).await
    }

    /// Writes a secret in the place of what is there. Never sent a second time after it may have
    /// been done: it could undo what somebody else has written since.
    ///
    /// # Errors
    /// [`Error`]; with `maybe_done` it may be there all the same.
    pub async fn write(
        &self,
        path: &str,
        fields: &[(impl AsRef<str>, impl AsRef<str>)],
    ) -> Result<(), Error> {
        let map: std::collections::BTreeMap<&str, &str> =
            fields.iter().map(|(k, v)| (k.as_ref(), v.as_ref())).collect();
        self.write_as(path, &map).await
    }

    /// Writes anything that is an object in JSON. Otherwise as [`write`](Self::write).
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn write_as(
        &self,
        path: &str,
        data: &(impl Serialize + ?Sized),
    ) -> Result<(), Error> {
        let body = Some(self.0.body(Operation::Write, data)?);
        let what = What::read(Operation::Write, "", path);
        let what = What { method: Method::POST, body, repeat: Repeat::Once, ..what };
        self.0.write(what, any_answer).await
    }

    /// Deletes a secret. That there is none is fine.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub async fn delete(&self, path: &str) -> Result<(), Error> {
        let what = What::read(Operation::Delete, "", path);
        let what = What { method: Method::DELETE, repeat: Repeat::Once, ..what };
        self.0.change(what).await
    }

    /// The names below a path, folders with a slash at their end; none if there is no such path. An
    /// empty path is the mount itself.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn list(&self, path: &str) -> Result<Vec<String>, Error> {
        self.0.list("", path).await
    }
}

fn what(path: &str) -> What<'_> {
    What::read(Operation::Read, "", path)
}

pub(crate) fn found(body: &[u8]) -> Option<Found> {
    let data = SecretData::new(wire::data(body)?)?;
    Some(Found { data, version: None, lease: None })
}
