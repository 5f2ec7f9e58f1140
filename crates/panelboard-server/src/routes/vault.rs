//! The breakers in front of the Vault, for people. What they are is in `/status`.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use panelboard_vault::{CorrelationId, Vault};

use super::by_hand::{Lasting, TripOrReset, split};
use crate::app::App;
use crate::error::{Error, Problem};
use crate::vault::OfBreaker;

/// Trips or resets a breaker in front of the Vault. While it is open nothing is sent to the Vault,
/// and keys in hand stay in use; when it is reset, what waited for it is asked for at once.
#[utoipa::path(post, path = "/v1/vault/breakers/{name}/{action}", tag = "panel",
    params(("name" = String, Path, example = "server",
        description = "`server`, or `mount NAME`, as in `/status`"),
        ("action" = TripOrReset, Path)),
    request_body = Option<Lasting>,
    responses((status = 200, body = OfBreaker), (status = 400, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn by_hand(
    State(app): State<Arc<App>>,
    Path(path): Path<String>,
    body: Body,
) -> Result<Json<OfBreaker>, Error> {
    let (name, action) = split(&path)?;
    let lasting = Lasting::read(body, &app, matches!(action, TripOrReset::Trip)).await?;
    let vault = app.vault.client().ok_or(Error::NoVault)?;
    let correlation = CorrelationId::new();
    let by_hand = vault.correlated(correlation);
    let known = match (action, lasting) {
        (TripOrReset::Trip, None) => by_hand.trip(name),
        (TripOrReset::Trip, Some(time)) => by_hand.trip_for(name, time),
        (TripOrReset::Reset, _) => by_hand.reset(name),
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
    Error::no_such_breaker(name, known.iter().map(|(name, _)| &**name))
}
