//! What can a person do to a breaker, and how does a request say so?

use std::time::Duration;

use axum::body::Body;
use serde::Deserialize;
use serde::de::value::Error as Unknown;
use serde::de::{DeserializeOwned, IntoDeserializer as _};
use utoipa::ToSchema;

use crate::app::App;
use crate::body;
use crate::error::Error;

/// What a person can do to a breaker of the panel.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    /// Opens it for its own time, or for as long as the body says.
    Trip,
    /// Closes it and forgets its failures, and an isolation.
    Reset,
    /// Keeps it from admitting anything until it is released.
    Isolate,
    /// Takes the isolation away.
    Release,
}

/// What a person can do to a breaker in front of a sink or of the Vault.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum TripOrReset {
    /// Opens it for its own time, or for as long as the body says.
    Trip,
    /// Closes it and forgets its failures.
    Reset,
}

/// The body of `trip`. The other actions take none.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Lasting {
    /// Such as "30s".
    #[serde(rename = "for")]
    #[schema(example = "30s")]
    lasting: Option<String>,
}

impl Lasting {
    /// Reads for how long, if it is said; and who does not trip must not say it.
    pub(super) async fn read(
        body: Body,
        app: &App,
        trips: bool,
    ) -> Result<Option<Duration>, Error> {
        let Self { lasting } = body::json(body, app.config().server.body_timeout).await?;
        if lasting.is_some() && !trips {
            return Err(Error::BadRequest { what: "`for` belongs to trip alone".to_owned() });
        }
        lasting.as_deref().map(duration).transpose()
    }
}

/// A path's end as the breaker's name, which may have slashes, and what is to be done to it.
pub(super) fn split<A: DeserializeOwned>(path: &str) -> Result<(&str, A), Error> {
    let (name, last) = path.rsplit_once('/').ok_or(Error::NoSuchPath)?;
    Ok((name, action(last)?))
}

/// The last part of a path as what is to be done.
pub(super) fn action<A: DeserializeOwned>(text: &str) -> Result<A, Error> {
    A::deserialize(text.into_deserializer()).map_err(|_: Unknown| Error::NoSuchPath)
}

/// Reads a duration of a request.
pub(super) fn duration(text: &str) -> Result<Duration, Error> {
    match humantime::parse_duration(text) {
        Ok(time) if !time.is_zero() && time <= LONGEST => Ok(time),
        _ => Err(Error::BadRequest {
            what: "`for` must be a duration such as \"30s\", at most \"1day\"".to_owned(),
        }),
    }
}

/// The longest that somebody may trip a breaker or break a provider.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
