//! OpenAI's API: read the body, hand the call to the engine, pass the answer on.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use panelboard_llm::{Answer, AnswerBody, AnswerStream, CallRequest, Endpoint};
use serde::Serialize;
use tokio_util::sync::WaitForCancellationFutureOwned;
use utoipa::ToSchema;

use crate::app::App;
use crate::body;
use crate::config::OWNED_BY;
use crate::error::Error;
use crate::guard::RequestId;

/// How long the client is willing to wait, in milliseconds.
const TIMEOUT: &str = "x-panelboard-timeout-ms";

/// A chat completion, streamed or whole: OpenAI's request and answer.
#[utoipa::path(post, path = "/v1/chat/completions", tag = "gateway",
    request_body(content = Object, description = "OpenAI's; `model` is one of /v1/models"),
    responses((status = 200, description = "OpenAI's", body = Object,
        content_type = "application/json"),
        (status = 429, description = "every key is cooling; see retry-after"),
        (status = 502, description = "the provider refuses the gateway's key"),
        (status = 503, description = "no key takes calls; see retry-after"),
        (status = 504, description = "no provider answered in time")))]
pub(super) async fn chat_completions(
    State(app): State<Arc<App>>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Result<Response, Error> {
    call(&app, Endpoint::ChatCompletions, &id, request).await
}

/// A completion of a text: OpenAI's request and answer.
#[utoipa::path(post, path = "/v1/completions", tag = "gateway",
    request_body(content = Object, description = "OpenAI's; `model` is one of /v1/models"),
    responses((status = 200, description = "OpenAI's", body = Object,
        content_type = "application/json")))]
pub(super) async fn completions(
    State(app): State<Arc<App>>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Result<Response, Error> {
    call(&app, Endpoint::Completions, &id, request).await
}

/// Embeddings of texts: OpenAI's request and answer.
#[utoipa::path(post, path = "/v1/embeddings", tag = "gateway",
    request_body(content = Object, description = "OpenAI's; `model` is one of /v1/models"),
    responses((status = 200, description = "OpenAI's", body = Object,
        content_type = "application/json")))]
pub(super) async fn embeddings(
    State(app): State<Arc<App>>,
    Extension(id): Extension<RequestId>,
    request: Request,
) -> Result<Response, Error> {
    call(&app, Endpoint::Embeddings, &id, request).await
}

/// One call. If the client leaves, this future or the answer's stream is dropped, and the engine
/// cancels what it does at the provider.
async fn call(
    app: &App,
    endpoint: Endpoint,
    id: &RequestId,
    request: Request,
) -> Result<Response, Error> {
    let (limit, time) = {
        let settings = app.gateway.settings();
        (settings.limits.max_body_bytes, app.config().server.body_timeout)
    };
    let (head, body) = request.into_parts();
    let deadline = deadline(&head.headers)?;
    let body = body::read(body, limit, time).await?;
    let call = CallRequest { request_id: id.as_str().to_owned(), body, deadline };
    let answer = tokio::select! {
        answer = app.gateway.call(endpoint, call) => answer,
        () = app.stop.over.cancelled() => return Err(Error::Stopping),
    };
    Ok(respond(answer, app))
}

fn deadline(headers: &HeaderMap) -> Result<Option<Duration>, Error> {
    let Some(value) = headers.get(TIMEOUT) else { return Ok(None) };
    match value.to_str().ok().and_then(|text| text.parse::<u64>().ok()) {
        Some(ms) if ms > 0 => Ok(Some(Duration::from_millis(ms))),
        _ => Err(Error::BadRequest { what: format!("`{TIMEOUT}` must be an integer above 0") }),
    }
}

fn respond(answer: Answer, app: &App) -> Response {
    let body = match answer.body {
        AnswerBody::Whole(bytes) => Body::from(bytes),
        AnswerBody::Stream(stream) => Body::new(Told {
            over: Some(Box::pin(app.stop.over.clone().cancelled_owned())),
            stream,
        }),
    };
    let mut response = Response::new(body);
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response
}

/// A stream whose client is told when the server stops before its end.
struct Told {
    /// None once the client has been told: nothing follows.
    over: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    stream: AnswerStream,
}

impl http_body::Body for Told {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(over) = self.over.as_mut() else { return Poll::Ready(None) };
        if over.as_mut().poll(cx).is_ready() {
            self.over = None;
            return Poll::Ready(Some(Ok(Frame::data(Error::Stopping.stream_event()))));
        }
        Pin::new(&mut self.stream).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.over.is_none() || self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// The models that clients may ask for, in OpenAI's shape.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Models {
    object: &'static str,
    data: Vec<Model>,
}

/// A model, in OpenAI's shape.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Model {
    id: String,
    object: &'static str,
    /// Always 0: nobody knows.
    created: u64,
    owned_by: &'static str,
}

impl Model {
    fn named(id: String) -> Self {
        Self { id, object: "model", created: 0, owned_by: OWNED_BY }
    }
}

/// The models that clients may ask for.
#[utoipa::path(get, path = "/v1/models", tag = "gateway",
    responses((status = 200, body = Models)))]
pub(super) async fn models(State(app): State<Arc<App>>) -> Json<Models> {
    let data = app.gateway.models().into_iter().map(Model::named).collect();
    Json(Models { object: "list", data })
}

/// One model.
#[utoipa::path(get, path = "/v1/models/{model}", tag = "gateway",
    params(("model" = String, Path, example = "fast")),
    responses((status = 200, body = Model), (status = 404)))]
pub(super) async fn model(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
) -> Result<Response, Error> {
    let known = app.gateway.models().into_iter().find(|model| *model == name);
    let model = known.ok_or_else(|| Error::no_such_model(&name))?;
    Ok(Json(Model::named(model)).into_response())
}
