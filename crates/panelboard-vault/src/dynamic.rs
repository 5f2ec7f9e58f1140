//! Secrets that are made when they are read, and their leases: read, renewed, revoked.

use std::time::Duration;

use http::{Method, uri::PathAndQuery};
use serde::Serialize;

use crate::{
    cache::Cached,
    call::{Op, Repeat},
    data::SecretData,
    engine::{Mount, What, any_answer},
    error::{Error, ErrorKind, Operation},
    found::{Found, Lease},
    json, transport,
    vault::Vault,
    wire,
};

/// A mount of an engine whose secrets are made when they are read. See [`Vault::dynamic`].
///
/// ```
/// # async fn example(vault: panelboard_vault::Vault) -> Result<(), Box<dyn std::error::Error>> {
/// // The same credentials for all, until their lease is nearly over.
/// let Some(cached) = vault.dynamic("database").read_cached("creds/app").await? else {
///     return Ok(());
/// };
/// let _password = cached.found.data.field("password")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "a handle, as the client that it is made from")]
pub struct Dynamic(Mount);

#[derive(Serialize)]
struct Named<'a> {
    lease_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    increment: Option<u64>,
}

impl Dynamic {
    pub(crate) fn new(vault: Vault, mount: &str) -> Self {
        Self(Mount { vault, name: mount.into() })
    }

    /// Has a secret made. Each call makes another one, so it is never sent a second time after it
    /// may have been done.
    ///
    /// # Errors
    /// [`Error`]; with `maybe_done` there may be one that ends with its lease.
    pub async fn read(&self, path: &str) -> Result<Option<Found>, Error> {
        self.0.call(what(path), found).await
    }

    /// The secret that was made last, while it is fresh: at most `cache_ttl`, and never beyond its
    /// lease.
    ///
    /// # Errors
    /// As [`read`](Self::read), where the cache has nothing to serve.
    pub async fn read_cached(&self, path: &str) -> Result<Option<Cached>, Error> {
        self.0.read_cached(what(path), found).await
    }
}

impl Vault {
    /// Renews a lease, and answers what it is now. The server may give less than `increment`.
    ///
    /// # Errors
    /// [`Error`]. Sent again after a failure of the server: it is the same twice.
    pub async fn renew_lease(
        &self,
        lease: &Lease,
        increment: Option<Duration>,
    ) -> Result<Lease, Error> {
        let operation = Operation::RenewLease;
        let increment = increment.map(|time| time.as_secs());
        let op = self.lease_op(operation, "/v1/sys/leases/renew", lease, increment)?;
        self.life().call_for(&op, renewed).await
    }

    /// Revokes a lease, and with it the secret that it was given with.
    ///
    /// # Errors
    /// [`Error`]. Sent again after a failure of the server: it is the same twice.
    pub async fn revoke_lease(&self, lease: &Lease) -> Result<(), Error> {
        let operation = Operation::RevokeLease;
        let op = self.lease_op(operation, "/v1/sys/leases/revoke", lease, None)?;
        let life = self.life();
        let result = life.call_for(&op, any_answer).await;
        // Which entry it was is not known, and it must not be served.
        life.cache.with(|cache| cache.clear());
        result
    }

    fn lease_op(
        &self,
        operation: Operation,
        path: &'static str,
        lease: &Lease,
        increment: Option<u64>,
    ) -> Result<Op, Error> {
        let body = json::write(&Named { lease_id: &lease.id, increment }).map(transport::body);
        let body = body.ok_or_else(|| self.unsent(operation, ErrorKind::NotJson))?;
        Ok(Op {
            operation,
            mount: Box::default(),
            method: Method::PUT,
            path: PathAndQuery::from_static(path),
            body: Some(body),
            repeat: Repeat::Idempotent,
            correlation: self.correlation(),
            is_look: false,
        })
    }
}

fn what(path: &str) -> What<'_> {
    What { repeat: Repeat::Once, ..What::read(Operation::Read, "", path) }
}

fn found(body: &[u8]) -> Option<Found> {
    let answer = wire::answer(body)?;
    let data = SecretData::new(answer.data?)?;
    Some(Found { data, version: None, lease: lease_of(&answer) })
}

fn renewed(body: &[u8]) -> Option<Lease> {
    lease_of(&wire::answer(body)?)
}

fn lease_of(answer: &wire::Answer<'_>) -> Option<Lease> {
    let id = answer.lease_id.as_deref().filter(|id| !id.is_empty())?;
    let ttl = Duration::from_secs(answer.lease_duration.unwrap_or_default());
    Some(Lease::new(id.to_owned(), ttl, answer.renewable.unwrap_or(false)))
}
