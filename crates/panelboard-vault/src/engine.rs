//! What is common to the engines: a checked path, one operation, a secret out of its answer, and
//! the way through the cache.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde::Serialize;

use crate::{
    cache::Cached,
    call::{Op, Read, Repeat},
    error::{Error, ErrorKind, Operation},
    fault,
    found::Found,
    json,
    life::Life,
    path::{check, whole},
    stop::Stage,
    transport,
    vault::Vault,
    wire,
};

/// A mount, and the client that reaches it.
#[derive(Clone)]
pub(crate) struct Mount {
    pub(crate) vault: Vault,
    pub(crate) name: Box<str>,
}

/// What an operation is made of, besides its mount.
pub(crate) struct What<'a> {
    pub(crate) operation: Operation,
    pub(crate) method: Method,
    /// Between mount and path: `data/`, `metadata/`, ..
    pub(crate) prefix: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) body: Option<Bytes>,
    pub(crate) repeat: Repeat,
}

impl<'a> What<'a> {
    pub(crate) fn read(operation: Operation, prefix: &'a str, path: &'a str) -> Self {
        let method = Method::GET;
        let (query, body, repeat) = ("", None, Repeat::Reads);
        Self { operation, method, prefix, path, query, body, repeat }
    }
}

/// An answer whose body does not matter: empty, or JSON.
pub(crate) fn any_answer(body: &[u8]) -> Option<()> {
    (body.is_empty() || wire::answer(body).is_some()).then_some(())
}

impl Mount {
    pub(crate) fn op(&self, what: What<'_>) -> Result<Op, Error> {
        let What { operation, method, prefix, path, query, body, repeat } = what;
        // The root of a mount is a path for lists only.
        let well_formed = check("mount", &self.name).and_then(|()| match (path, operation) {
            ("", Operation::List) => Ok(()),
            _ => check("path", path),
        });
        if let Err(what) = well_formed {
            return Err(self.vault.unsent(operation, ErrorKind::Malformed(what)));
        }
        let whole = whole(&[&self.name, "/", prefix, path], query);
        let path =
            whole.map_err(|what| self.vault.unsent(operation, ErrorKind::Malformed(what)))?;
        let correlation = self.vault.correlation();
        let mount = self.name.clone();
        let is_look = false;
        Ok(Op { operation, mount, method, path, body, repeat, correlation, is_look })
    }

    pub(crate) async fn call<T>(&self, what: What<'_>, read: Read<T>) -> Result<Option<T>, Error> {
        let op = self.op(what)?;
        self.vault.life().call(&op, read).await
    }

    /// A body, or the error that there can't be one.
    pub(crate) fn body(
        &self,
        operation: Operation,
        value: &(impl Serialize + ?Sized),
    ) -> Result<Bytes, Error> {
        let body = json::write(value);
        body.map(transport::body).ok_or_else(|| self.vault.unsent(operation, ErrorKind::NotJson))
    }

    pub(crate) async fn list(&self, prefix: &str, path: &str) -> Result<Vec<String>, Error> {
        let what = What { query: "?list=true", ..What::read(Operation::List, prefix, path) };
        let keys = |body: &[u8]| wire::data(body).map(|wire::Keys { keys }| keys);
        Ok(self.call(what, keys).await?.unwrap_or_default())
    }

    /// From the cache while it is fresh; else asks; and if the server can't be asked, from the
    /// cache though it is stale.
    pub(crate) async fn read_cached(
        &self,
        what: What<'_>,
        found: Read<Found>,
    ) -> Result<Option<Cached>, Error> {
        let life = self.vault.life();
        // What would be served from the cache is no exception.
        if life.stop.stage() != Stage::Serving && !fault::CACHE_SERVES_AT_THE_END.planted() {
            return Err(self.vault.unsent(what.operation, ErrorKind::ShuttingDown));
        }
        let key = self.key(what.path);
        let now = life.now();
        let ticket = match life.cache.with(|cache| cache.get(&key, now)) {
            Ok(cached) => return Ok(Some(cached)),
            Err(ticket) => ticket,
        };
        let op = self.op(what)?;
        match life.call(&op, found).await {
            Ok(Some(found)) => {
                let found = Arc::new(found);
                let age = life.now().saturating_sub(now);
                if life.cache.with(|cache| cache.put(&key, Arc::clone(&found), ticket)) {
                    life.cache_news.notify_one();
                }
                Ok(Some(Cached { found, is_stale: false, age }))
            }
            Ok(None) => {
                life.cache.with(|cache| cache.remove(&key));
                Ok(None)
            }
            Err(error) if error.kind.is_servers() => {
                let now = life.now();
                life.cache.with(|cache| cache.stale(&key, now)).map(Some).ok_or(error)
            }
            Err(error) => {
                // It is not this caller's to see any more.
                if error.kind == ErrorKind::Forbidden {
                    life.cache.with(|cache| cache.remove(&key));
                }
                Err(error)
            }
        }
    }

    /// Writes a secret; whatever comes of it, the cache forgets what it holds.
    pub(crate) async fn write<T>(&self, what: What<'_>, read: Read<T>) -> Result<T, Error> {
        let key = self.key(what.path);
        let op = self.op(what)?;
        let life = self.vault.life();
        let _forgets = Forgets { life: &life, key: &key };
        life.call_for(&op, read).await
    }

    /// Deletes, or the contrary. That there is no such secret is fine.
    pub(crate) async fn change(&self, what: What<'_>) -> Result<(), Error> {
        let key = self.key(what.path);
        let op = self.op(what)?;
        let life = self.vault.life();
        let _forgets = Forgets { life: &life, key: &key };
        life.call(&op, any_answer).await.map(drop)
    }

    fn key(&self, path: &str) -> String {
        // A mount has no control character.
        let mut key = String::with_capacity(self.name.len() + path.len() + 1);
        key.push_str(&self.name);
        key.push('\n');
        key.push_str(path);
        key
    }
}

/// Forgets a secret when it is dropped: at the end of a write, or when its future is.
struct Forgets<'a> {
    life: &'a Life,
    key: &'a str,
}

impl Drop for Forgets<'_> {
    fn drop(&mut self) {
        self.life.cache.with(|cache| cache.wrote(self.key));
    }
}
