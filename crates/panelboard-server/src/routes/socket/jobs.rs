//! Which jobs does a socket follow, and what is there to tell of them?

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::stream::{self, BoxStream, SelectAll};
use futures_util::{Stream, StreamExt as _};
use panelboard_tasks::{ConnId, JobId};
use serde_json::{Value, json};

use super::command;
use crate::error::Error;
use crate::routes::jobs::follow::{Follow, Next};
use crate::sessions::shown;

/// The jobs that a socket follows.
#[derive(Default)]
pub(super) struct FollowedJobs {
    /// None without any: most sockets follow none.
    all: Option<Box<SelectAll<OneJob>>>,
}

/// A job that is followed.
pub(super) struct OneJob {
    id: JobId,
    epoch: String,
    /// Where to go on from. None: it begins with the job as it is, which was not told yet.
    at: Option<u64>,
    pieces: BoxStream<'static, Next>,
    over: bool,
}

/// Something that there is to tell of a job. After its end it is not followed any more.
pub(super) struct JobNews {
    job: JobId,
    what: What,
}

enum What {
    Frame(String),
    End,
    Broken(Error),
}

impl JobNews {
    /// As it is sent.
    pub(super) fn frame(self, conn: ConnId) -> String {
        let job = self.job.to_string();
        match self.what {
            What::Frame(json) => json,
            What::End => shown::typed(&json!({ "type": "end", "job": job })),
            What::Broken(why) => command::no_job(&job, &why, conn),
        }
    }
}

impl OneJob {
    pub(super) fn new(id: JobId, follow: Follow) -> Self {
        let (epoch, at) = (follow.epoch(), follow.resumes_at());
        // What is waited for stays where it is from one wake to the next.
        let pieces = stream::unfold(follow, |mut follow| async move {
            let next = follow.next().await;
            Some((next, follow))
        });
        Self { id, epoch, at, pieces: pieces.boxed(), over: false }
    }
}

impl Stream for OneJob {
    type Item = JobNews;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<JobNews>> {
        if self.over {
            return Poll::Ready(None);
        }
        self.pieces.poll_next_unpin(context).map(|next| {
            let what = match next? {
                Next::Told(told) => {
                    self.at = told.seq.or(self.at);
                    What::Frame(told.json)
                }
                Next::Over => What::End,
                Next::Broken(why) => What::Broken(why),
            };
            self.over = !matches!(what, What::Frame(_));
            Some(JobNews { job: self.id, what })
        })
    }
}

impl FollowedJobs {
    pub(super) fn add(&mut self, job: OneJob) {
        self.all.get_or_insert_default().push(job);
    }

    /// Whether it was followed.
    pub(super) fn remove(&mut self, id: JobId) -> bool {
        let Some(all) = self.all.take() else { return false };
        let before = all.len();
        let left: SelectAll<OneJob> = all.into_iter().filter(|one| one.id != id).collect();
        let removed = left.len() < before;
        self.all = (!left.is_empty()).then(|| Box::new(left));
        removed
    }

    /// Where the socket stands in each that goes on, as `hello` takes it.
    pub(super) fn places(&self) -> Vec<Value> {
        let place = |one: &OneJob| {
            let mut place = json!({ "job": one.id.to_string() });
            if let Some(seq) = one.at {
                place["epoch"] = one.epoch.as_str().into();
                place["seq"] = seq.into();
            }
            place
        };
        let all = self.all.iter().flat_map(|all| all.iter());
        all.filter(|one| !one.over).map(place).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.all.as_ref().map_or(0, |all| all.iter().filter(|one| !one.over).count())
    }

    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<JobNews> {
        let Some(all) = &mut self.all else { return Poll::Pending };
        match all.poll_next_unpin(context) {
            Poll::Ready(Some(news)) => Poll::Ready(news),
            Poll::Ready(None) => {
                // None is followed any more, until one is added.
                self.all = None;
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}
