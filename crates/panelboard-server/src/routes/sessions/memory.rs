//! The memory of a session: what was said in this era.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{ETAG, IF_MATCH};
use panelboard_tasks::Tag;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{Named, Range, bad, idempotency_key, named, query, read};
use crate::app::App;
use crate::error::{Error, Problem};
use crate::sessions::fold::{Fold, NewItem};
use crate::sessions::shown;
use crate::sessions::trouble::Trouble;

/// The memory, or a part of it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::routes) struct Memory {
    era: u64,
    /// What names this very memory: `era.seq`.
    tag: String,
    #[schema(value_type = Vec<Object>)]
    items: Vec<Value>,
    next: Option<String>,
}

/// Which part of it, and of which era it must be.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct Part {
    limit: Option<usize>,
    after: Option<String>,
    era: Option<u64>,
}

/// What was said, in its order.
#[utoipa::path(get, path = "/v1/sessions/{session}/memory", tag = "sessions",
    params(("session" = String, Path), ("limit" = Option<usize>, Query),
        ("after" = Option<String>, Query),
        ("era" = Option<u64>, Query, description = "refused if the memory is of another")),
    responses((status = 200, body = Memory), (status = 404, body = Problem),
        (status = 410, body = Problem), (status = 503, body = Problem)))]
pub(in crate::routes) async fn read_all(
    State(app): State<Arc<App>>,
    Named(id): Named,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Response, Error> {
    let Part { limit, after, era } = query(part)?;
    let range = Range { limit, after };
    let after = range.after.as_deref().map(place).transpose()?;
    let limit = range.limit()?;
    let book = app.service.book(&id, false).await?;
    let memory = app.service.seen(&book, |fold| part_of(fold, after, limit)).await?;
    let (session, current) = (id.to_string(), memory.era);
    match era {
        Some(era) if era < current => return Err(Trouble::EraGone { session, era, current }.into()),
        Some(era) if era > current => {
            return Err(Trouble::NoSuchEra { session, era, current }.into());
        }
        _ => {}
    }
    let tag = format!("\"{}\"", memory.tag);
    let path = format!("/v1/sessions/{}/memory", named::segment(id.as_str()));
    // The rest of this memory: after a clear there is none.
    let rest = memory.next.as_ref().map(|next| format!("{next}&era={current}"));
    let link = range.link(&path, rest.as_deref());
    Ok(([(ETAG, tag)], link, Json(memory)).into_response())
}

fn part_of(fold: &Fold, after: Option<(u64, usize)>, limit: usize) -> Memory {
    let from = fold.items.partition_point(|item| after >= Some((item.seq, item.index)));
    let rest = &fold.items[from..];
    let page = &rest[..limit.min(rest.len())];
    let last = page.last().filter(|_| page.len() < rest.len());
    Memory {
        era: fold.era,
        tag: fold.tag().to_string(),
        items: page.iter().map(shown::item).collect(),
        next: last.map(|item| format!("{}.{}", item.seq, item.index)),
    }
}

/// A place in the memory: `SEQ`, or `SEQ.INDEX` where a record brought several items.
fn place(text: &str) -> Result<(u64, usize), Error> {
    let wrong = || bad("`after` must be what `next` said".to_owned());
    let (seq, index) = text.split_once('.').unwrap_or((text, "0"));
    Ok((seq.parse().map_err(|_| wrong())?, index.parse().map_err(|_| wrong())?))
}

/// Adds an item, whatever else happens.
#[utoipa::path(post, path = "/v1/sessions/{session}/memory", tag = "sessions",
    params(("session" = String, Path), ("idempotency-key" = Option<String>, Header)),
    request_body = NewItem,
    responses((status = 201, body = Object), (status = 413, body = Problem)))]
pub(in crate::routes) async fn add(
    State(app): State<Arc<App>>,
    Named(id): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let item: NewItem = read(&app, body).await?;
    let key = idempotency_key(&headers)?;
    let (status, told) = app.service.note_once(&id, item, key.as_deref()).await?;
    Ok((status, Json(told)).into_response())
}

/// The whole of a memory.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::routes) struct NewMemory {
    items: Vec<NewItem>,
}

/// Replaces the memory, if it is still the one that `if-match` names.
#[utoipa::path(put, path = "/v1/sessions/{session}/memory", tag = "sessions",
    params(("session" = String, Path), ("if-match" = String, Header),
        ("idempotency-key" = Option<String>, Header)), request_body = NewMemory,
    responses((status = 200, body = Object), (status = 404, body = Problem),
        (status = 412, body = Problem), (status = 428, body = Problem)))]
pub(in crate::routes) async fn replace(
    State(app): State<Arc<App>>,
    Named(id): Named,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let tag = if_match(&headers)?.ok_or(Trouble::TagRequired)?;
    let NewMemory { items } = read(&app, body).await?;
    let key = idempotency_key(&headers)?;
    let (status, told) = app.service.replace_once(&id, (tag, items), key.as_deref()).await?;
    Ok((status, Json(told)).into_response())
}

/// Which memory a request was made for, if it says so.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<Tag>, Error> {
    let Some(tag) = headers.get(IF_MATCH) else { return Ok(None) };
    let tag = tag.to_str().ok().and_then(tag_of);
    Ok(Some(tag.ok_or_else(|| bad("`if-match` must be \"ERA.SEQ\"".to_owned()))?))
}

fn tag_of(text: &str) -> Option<Tag> {
    let text = text.trim().trim_matches('"');
    let (era, seq) = text.split_once('.')?;
    Some(Tag { era: era.parse().ok()?, seq: seq.parse().ok()? })
}
