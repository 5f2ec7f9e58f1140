//! How does one log to Loki with `tracing-loki`?
//!
//! It hands the event to a task of tokio by a queue of 512, drops what comes beyond and says
//! nothing of it. Fields are JSON in the line, as ours; the body is Protobuf with Snappy, which
//! Loki takes as well as our JSON.

#[cfg(feature = "loki")]
pub(crate) use peer::Loki;

/// Few enough that its queue has room for all.
pub(crate) const BURST: u32 = 400;

#[cfg(feature = "loki")]
mod peer {
    use std::{io, rc::Rc, time::Duration};

    use tracing::Dispatch;
    use tracing_loki::url::Url;
    use tracing_subscriber::prelude::*;

    use crate::{
        contestant::{Contestant, burst},
        receiver::Receiver,
    };

    /// Its layer, and the runtime that its task needs.
    pub(crate) struct Loki {
        dispatch: Dispatch,
        receiver: Rc<Receiver>,
        before: u64,
        _runtime: tokio::runtime::Runtime,
    }

    impl Loki {
        pub(crate) fn to(receiver: Rc<Receiver>) -> io::Result<Self> {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()?;
            let url = Url::parse(&receiver.url()).map_err(io::Error::other)?;
            let builder =
                tracing_loki::builder().label("app", "bench").map_err(io::Error::other)?;
            let (layer, task) = builder.build_url(url).map_err(io::Error::other)?;
            runtime.spawn(task);
            let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
            Ok(Self { dispatch, receiver, before: 0, _runtime: runtime })
        }
    }

    impl Contestant for Loki {
        fn burst(&mut self, count: u32) -> io::Result<Duration> {
            self.before = self.receiver.requests();
            Ok(burst(&self.dispatch, count))
        }

        fn settle(&mut self) -> io::Result<()> {
            self.receiver.wait_quiet(self.before)
        }
    }
}
