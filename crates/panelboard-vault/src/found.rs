//! What was read: a secret's fields, its version, and the lease that it was given with.

use std::{fmt, time::Duration};

use crate::data::SecretData;

/// A secret that was read.
///
/// ```
/// # async fn example(vault: panelboard_vault::Vault) -> Result<(), Box<dyn std::error::Error>> {
/// if let Some(found) = vault.dynamic("database").read("creds/app").await? {
///     let lease = found.lease.as_ref().ok_or("a dynamic secret has a lease")?;
///     println!("good for {:?}", lease.ttl);
///     vault.revoke_lease(lease).await?;
/// }
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[expect(missing_debug_implementations, reason = "it holds a secret")]
pub struct Found {
    /// Its fields.
    pub data: SecretData,
    /// Its version, where the engine counts them.
    pub version: Option<u64>,
    /// Its lease, where it was given with one.
    pub lease: Option<Lease>,
}

impl Found {
    /// Whether the other is a newer version.
    pub(crate) fn is_older_than(&self, other: &Self) -> bool {
        matches!((self.version, other.version), (Some(a), Some(b)) if a < b)
    }

    #[cfg(test)]
    pub(crate) fn for_tests(version: Option<u64>, lease: Option<Lease>) -> Self {
        let raw = serde_json::from_str("{}").expect("JSON");
        Self { data: SecretData::new(raw).expect("an object"), version, lease }
    }
}

/// For how long a secret was given, and under which name it is renewed and revoked.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lease {
    /// Its name at the server. Whoever has it can revoke what it stands for.
    pub id: String,
    /// How long it lives, from when it was asked for.
    pub ttl: Duration,
    /// Whether it can be renewed.
    pub renewable: bool,
}

impl Lease {
    /// One whose name is known from elsewhere.
    #[must_use]
    pub fn new(id: String, ttl: Duration, renewable: bool) -> Self {
        Self { id, ttl, renewable }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ttl, renewable, .. } = self;
        f.debug_struct("Lease").field("ttl", ttl).field("renewable", renewable).finish()
    }
}
