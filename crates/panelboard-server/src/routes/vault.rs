//! The breakers in front of the Vault, for people. What they are is in `/status`.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use panelboard_vault::{CorrelationId, Vault};
use serde::Deserialize;
use utoipa::ToSchema;

use super::breakers::Lasting;
use crate::app::App;
use crate::body;
use crate::config::nearest;
use crate::error::{Error, Problem};
use crate::vault::OfBreaker;

/// What a person can do to a breaker in front of the Vault.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = VaultAction)]
pub(super) enum Action {
    /// Opens it for its own time, or for as long as the body says: nothing is sent to the Vault.
    Trip,
    /// Closes it and forgets its failures. What waited for it is asked for at once.
    Reset,
}

/// Trips or resets a breaker in front of the Vault. Keys in hand stay in use.
#[utoipa::path(post, path = "/v1/vault/breakers/{name}/{action}", tag = "panel",
    params(("name" = String, Path, example = "server",
        description = "`server`, or `mount NAME`, as in `/status`"), ("action" = Action, Path)),
    request_body = Option<Lasting>,
    responses((status = 200, body = OfBreaker), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn by_hand(
    State(app): State<Arc<App>>,
    Path(path): Path<String>,
    body: Body,
) -> Result<Json<OfBreaker>, Error> {
    let (name, action) = path.rsplit_once('/').ok_or(Error::NoSuchPath)?;
    let action = match action {
        "trip" => Action::Trip,
        "reset" => Action::Reset,
        _ => return Err(Error::NoSuchPath),
    };
    let lasting: Lasting = body::json(body, app.config().server.body_timeout).await?;
    let lasting = lasting.of(matches!(action, Action::Trip))?;
    let vault = app.vault.client().ok_or(Error::NoVault)?;
    let correlation = CorrelationId::new();
    let by_hand = vault.correlated(correlation);
    let known = match (action, lasting) {
        (Action::Trip, None) => by_hand.trip(name),
        (Action::Trip, Some(time)) => by_hand.trip_for(name, time),
        (Action::Reset, _) => by_hand.reset(name),
    };
    if known {
        tracing::info!(breaker = name, ?action, %correlation, "a breaker of the Vault by hand");
    }
    show(&vault, name).filter(|_| known).map(Json).ok_or_else(|| unknown(&vault, name))
}

fn show(vault: &Vault, name: &str) -> Option<OfBreaker> {
    let breakers = vault.health().breakers;
    let its = breakers.iter().find(|(its, _)| **its == *name);
    its.map(|(name, seen)| OfBreaker::of(name, seen))
}

fn unknown(vault: &Vault, name: &str) -> Error {
    let known = vault.health().breakers;
    let nearest = nearest(name, known.iter().map(|(name, _)| &**name));
    let key = name.chars().take(200).collect();
    Error::NoSuchBreaker { key, nearest: nearest.map(str::to_owned) }
}
