//! Whose token is it, and how long does it live? Asked of the server.

use std::time::Duration;

use http::{Method, uri::PathAndQuery};

use crate::{
    call::{Op, Repeat},
    error::{Error, Operation},
    keeper::LOOK_UP,
    vault::Vault,
    wire,
};

/// What the server says of the token in hand.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenInfo {
    /// How long it lives, in whole seconds, of which the last one is 0; none if it does not end.
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
        let op = Op {
            operation: Operation::LookUpToken,
            mount: Box::default(),
            method: Method::GET,
            path: PathAndQuery::from_static(LOOK_UP),
            body: None,
            repeat: Repeat::Reads,
            correlation: self.correlation(),
            is_look: false,
        };
        let read: wire::LookedUp = self.life().call_for(&op, |body| wire::data(body)).await?;
        let (ttl, is_renewable) = (read.life(), read.renewable.unwrap_or(false));
        let wire::LookedUp { policies, display_name, .. } = read;
        Ok(TokenInfo { ttl, is_renewable, policies, display_name })
    }
}
