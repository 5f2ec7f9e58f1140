//! Whose token is it, and how long does it live? Asked of the server.

use std::time::Duration;

use reqwest::Method;

use crate::{
    call::{Op, Repeat},
    error::{Error, ErrorKind, Operation},
    vault::Vault,
    wire,
};

/// What the server says of the token in hand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenInfo {
    /// How long it lives; none if it does not end.
    pub ttl: Option<Duration>,
    /// Whether it can be renewed.
    pub is_renewable: bool,
    /// Its policies.
    pub policies: Vec<String>,
    /// What it is called.
    pub display_name: Option<String>,
}

impl Vault {
    /// Looks the token in hand up.
    ///
    /// # Errors
    /// [`Error`]. Sent again after a failure of the server.
    pub async fn look_up_token(&self) -> Result<TokenInfo, Error> {
        let operation = Operation::LookUpToken;
        let op = Op {
            operation,
            mount: Box::default(),
            method: Method::GET,
            path: "auth/token/lookup-self".to_owned(),
            body: None,
            repeat: Repeat::Reads,
            correlation: self.correlation(),
            shape: |body| wire::data::<wire::LookedUp>(body).is_some(),
        };
        let answer = self.life().call(&op).await?;
        let read: Option<wire::LookedUp> = wire::data(&answer.raw.body);
        let read = read.filter(|_| !answer.is_missing);
        let garbage = || self.unsent(operation, ErrorKind::Garbage);
        let wire::LookedUp { ttl, renewable, policies, display_name } = read.ok_or_else(garbage)?;
        let ttl = ttl.filter(|ttl| *ttl > 0).map(Duration::from_secs);
        Ok(TokenInfo { ttl, is_renewable: renewable.unwrap_or(false), policies, display_name })
    }
}
