//! When does a response end, and how? The body that carries the permit of its call.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Buf;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::{CallPermit, Verdict};

pin_project! {
    /// A response's body that ends its call's permit.
    ///
    /// - It ends (no more frames, trailers, a last frame after which the inner body says that it is
    ///   at its end, or as many bytes as were announced): the verdict of the head, or of the
    ///   trailers.
    /// - It breaks: a failure.
    /// - It is dropped before: a cancelled call.
    ///
    /// It changes nothing of what passes through it.
    ///
    /// # Why the announced length counts
    /// A body need not be polled to its end. Hyper drops one that says it is at its end before it
    /// was polled at all, one of which it has seen as many bytes as `content-length` announces, and
    /// any that answers a `HEAD`. None of these was given up.
    ///
    /// ```
    /// use panelboard_tower::PermitBody;
    ///
    /// // A body that is not the answer of a call carries no permit.
    /// let body = PermitBody::from(String::from("hello"));
    /// assert_eq!(body.into_inner(), "hello");
    /// ```
    #[derive(Debug)]
    pub struct PermitBody<B> {
        #[pin]
        inner: B,
        pending: Option<Pending>,
    }
}

/// What the end of the body will come to.
#[derive(Debug)]
pub(crate) struct Pending {
    permit: CallPermit,
    verdict: Verdict,
    /// Bytes that are announced and not yet seen.
    left: Option<u64>,
}

impl<B> PermitBody<B> {
    /// The body within, without its permit: the call is given up, unless the body was at its end.
    ///
    /// ```
    /// # use panelboard_tower::PermitBody;
    /// assert_eq!(PermitBody::from("hello").into_inner(), "hello");
    /// ```
    pub fn into_inner(self) -> B {
        self.inner
    }
}

impl<B> From<B> for PermitBody<B> {
    /// A body that carries no permit.
    fn from(inner: B) -> Self {
        Self { inner, pending: None }
    }
}

impl<B: Body> PermitBody<B> {
    /// Ends the permit at once if the head alone says how, or lets the body take it along.
    pub(crate) fn new(inner: B, permit: CallPermit, verdict: Verdict, announced: Length) -> Self {
        let certain = !matches!(verdict, Verdict::Success | Verdict::AtEnd(_));
        let nothing_comes = announced == Length::NoBody || inner.is_end_stream();
        let left = match announced {
            Length::Bytes(bytes) => Some(bytes),
            Length::NoBody => Some(0),
            Length::Unknown => inner.size_hint().exact(),
        };
        let pending = Pending { permit, verdict, left };
        if certain || nothing_comes || pending.has_all() {
            pending.end(None);
            return Self::from(inner);
        }
        Self { inner, pending: Some(pending) }
    }
}

impl Pending {
    fn saw(&mut self, bytes: usize) {
        self.left = self.left.map(|left| left.saturating_sub(bytes as u64));
    }

    /// True if every announced byte was seen, and nothing is expected after them.
    fn has_all(&self) -> bool {
        self.left == Some(0) && !matches!(self.verdict, Verdict::AtEnd(_))
    }

    fn end(self, trailers: Option<&HeaderMap>) {
        self.permit.end(self.verdict.settled(trailers));
    }

    fn fail(self) {
        self.permit.end(Verdict::Failure);
    }
}

/// How much body the head announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// None, whatever the body says: nobody will poll it.
    NoBody,
    Bytes(u64),
    Unknown,
}

impl<B: Body> Body for PermitBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(mut pending) = this.pending.take() else { return this.inner.poll_frame(cx) };
        // The permit stands on this stack while the inner body is polled: should that panic, the
        // permit is dropped by the panic, and not later by whoever caught it.
        let polled = this.inner.as_mut().poll_frame(cx);
        match &polled {
            Poll::Pending => *this.pending = Some(pending),
            Poll::Ready(None) => pending.end(None),
            Poll::Ready(Some(Err(_))) => pending.fail(),
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(trailers) = frame.trailers_ref() {
                    pending.end(Some(trailers));
                    return polled;
                }
                pending.saw(frame.data_ref().map_or(0, Buf::remaining));
                if pending.has_all() || this.inner.is_end_stream() {
                    pending.end(None);
                } else {
                    *this.pending = Some(pending);
                }
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
