//! Which of two futures ends first?

use std::{future::poll_fn, pin::pin, task::Poll};

/// What one of two has answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum First<A, B> {
    This(A),
    That(B),
}

/// Runs both until one ends, and drops the other. If both have ended it is `this`.
pub(crate) async fn first<A, B>(
    this: impl Future<Output = A>,
    that: impl Future<Output = B>,
) -> First<A, B> {
    let (mut this, mut that) = (pin!(this), pin!(that));
    poll_fn(|context| {
        if let Poll::Ready(answer) = this.as_mut().poll(context) {
            return Poll::Ready(First::This(answer));
        }
        that.as_mut().poll(context).map(First::That)
    })
    .await
}
