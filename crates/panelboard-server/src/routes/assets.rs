//! Which files do the pages load? The dashboard, the chat page and the jobs' page, compiled in.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};

use crate::app::App;

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file of the pages: its path, its type and what it holds.
macro_rules! file {
    ($path:literal, $kind:ident, $name:literal) => {
        ($path, $kind, include_str!(concat!("../../dashboard/", $name)))
    };
}

/// What stands on each page, in the place of a comment.
const HEAD: &str = include_str!("../../dashboard/head.html");
const ITS_PLACE: &str = "<!-- head -->\n";

/// Every file: three pages and what they load.
const FILES: [(&str, &str, &str); 19] = [
    file!("/", HTML, "index.html"),
    file!("/chat", HTML, "chat.html"),
    file!("/jobs", HTML, "jobs.html"),
    file!("/base.css", CSS, "base.css"),
    file!("/chat.css", CSS, "chat.css"),
    file!("/dashboard.css", CSS, "dashboard.css"),
    file!("/jobs.css", CSS, "jobs.css"),
    file!("/base.js", SCRIPT, "base.js"),
    file!("/breaker.js", SCRIPT, "breaker.js"),
    file!("/chat.js", SCRIPT, "chat.js"),
    file!("/dashboard.js", SCRIPT, "dashboard.js"),
    file!("/jobs.js", SCRIPT, "jobs.js"),
    file!("/link.mjs", SCRIPT, "link.mjs"),
    file!("/session.mjs", SCRIPT, "session.mjs"),
    file!("/sessions.js", SCRIPT, "sessions.js"),
    file!("/sinks.js", SCRIPT, "sinks.js"),
    file!("/socket.js", SCRIPT, "socket.js"),
    file!("/text.mjs", SCRIPT, "text.mjs"),
    file!("/vault.js", SCRIPT, "vault.js"),
];

/// The routes of all files.
pub(super) fn routes() -> Router<Arc<App>> {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, text)| {
        let text = with_head(text);
        router.route(path, get(move || async move { asset(kind, text) }))
    })
}

/// The file as it is served.
fn with_head(text: &'static str) -> Bytes {
    match text.split_once(ITS_PLACE) {
        Some((before, after)) => Bytes::from([before, HEAD, after].concat()),
        None => Bytes::from_static(text.as_bytes()),
    }
}

fn asset(kind: &'static str, text: Bytes) -> Response {
    let headers = [
        (CONTENT_TYPE, kind),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_page_has_the_head_once_and_nothing_else_has_it() {
        for (path, kind, text) in FILES {
            let served = with_head(text);
            let heads = str::from_utf8(&served).unwrap().matches("<header class=\"top\">").count();
            assert_eq!(heads, usize::from(kind == HTML), "{path}");
        }
    }
}
