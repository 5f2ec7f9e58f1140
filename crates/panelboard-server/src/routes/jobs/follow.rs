//! What does one reader of one job get, from which place on? The same as a stream of server-sent
//! events, as a page of JSON and over a socket.
//!
//! A job has few events, and its state says all that they have come to: so who gives no position,
//! or one of which something is gone, begins with the job as it is.

use std::collections::VecDeque;
use std::sync::Arc;

use panelboard_tasks::{
    AttachRefused, Cursor, CursorError, Delivery, JobId, JobView, Jobs, Mode, Position, Welcome,
};
use serde_json::{Value, json};

use super::view;
use crate::app::App;
use crate::error::Error;
use crate::jobs::shown;
use crate::jobs::start::READERS;
use crate::sessions::told;
use crate::sessions::trouble::Trouble;

/// Something that is told: what it is called, the place after it if it has one, and the JSON.
pub(in crate::routes) struct Told {
    pub(in crate::routes) name: String,
    pub(in crate::routes) seq: Option<u64>,
    pub(in crate::routes) json: String,
}

/// What comes next.
pub(in crate::routes) enum Next {
    Told(Told),
    /// The job has ended, or is gone: nothing comes any more.
    Over,
    /// It can't be told now; who comes again is told it.
    Broken(Error),
}

/// One reader's way through one job. Dropping it is leaving.
pub(in crate::routes) struct Follow {
    app: Arc<App>,
    job: JobId,
    cursor: Cursor,
    over: bool,
    /// It was taken up at the end of a job that has ended.
    at_the_end: bool,
    broken: Option<Error>,
    ready: VecDeque<Told>,
}

impl Follow {
    /// A reader of a job from a place on, and how it was taken up.
    pub(in crate::routes) async fn begin(
        app: &Arc<App>,
        job: JobId,
        from: Option<Position>,
    ) -> Result<(Self, Welcome), Error> {
        let from_seq = from.as_ref().map(|from| from.seq);
        // Before the job is looked at: what comes after that look is heard.
        let attached = app.work.hub.attach(&Jobs::topic(job), from).await;
        let (welcome, cursor) = attached.map_err(refused)?;
        let now = view(&app.work, &job.to_string()).await?;
        let (app, ready) = (Arc::clone(app), VecDeque::new());
        let ended = now.row.state.is_terminal();
        let at_the_end = ended && welcome.mode == Mode::Resumed && from_seq >= Some(now.row.seq);
        let (over, broken) = (false, None);
        let mut follow = Self { app, job, cursor, over, at_the_end, broken, ready };
        if welcome.mode != Mode::Resumed || ended {
            follow.begin_with(&now);
        }
        Ok((follow, welcome))
    }

    /// Tells the job as it is, and then what comes after that.
    fn begin_with(&mut self, view: &JobView) {
        let (seq, epoch) = (view.row.seq, self.epoch());
        let frame = json!({ "type": "resync", "job": self.job.to_string(), "epoch": epoch,
            "seq": seq, "snapshot": shown::job(view) });
        let json = crate::sessions::shown::typed(&frame);
        self.cursor.skip_to(seq);
        self.ready.push_back(Told { name: "resync".to_owned(), seq: Some(seq), json });
        self.over = view.row.state.is_terminal();
    }

    pub(in crate::routes) fn position(&self) -> Position {
        self.cursor.position()
    }

    /// The number to go on from, for one who comes back. None: what it begins with was not told.
    pub(in crate::routes) fn resumes_at(&self) -> Option<u64> {
        self.ready.is_empty().then(|| self.position().seq)
    }

    pub(in crate::routes) fn epoch(&self) -> String {
        self.position().epoch.as_str().to_owned()
    }

    pub(in crate::routes) fn job(&self) -> JobId {
        self.job
    }

    /// Whether who follows it knows all of it, and nothing will come.
    pub(in crate::routes) fn has_nothing_left(&self) -> bool {
        self.at_the_end
    }

    pub(in crate::routes) fn is_over(&self) -> bool {
        self.over
    }

    /// What comes next. What was not told when this is dropped comes again.
    pub(in crate::routes) async fn next(&mut self) -> Next {
        loop {
            if let Some(told) = self.ready.pop_front() {
                return Next::Told(told);
            }
            if let Some(why) = &self.broken {
                return Next::Broken(why.clone());
            }
            if self.over {
                return Next::Over;
            }
            match self.cursor.next().await {
                Ok(Delivery::Events(events)) => {
                    for event in events.iter() {
                        self.hear(event.seq, told::json(&event.frame));
                    }
                }
                Ok(Delivery::Latest { frame, .. }) => {
                    let json = told::json(&frame).to_owned();
                    self.ready.push_back(Told { name: "job.progress".into(), seq: None, json });
                }
                Ok(Delivery::Resync(_)) => {
                    match view(&self.app.work, &self.job.to_string()).await {
                        Ok(view) => self.begin_with(&view),
                        Err(Error::Job(why)) if why.is_no_such_job() => self.over = true,
                        Err(why) => self.broken = Some(why),
                    }
                }
                Ok(Delivery::Ended(_)) => self.over = true,
                Ok(_) => {}
                Err(CursorError::Lock(_)) => self.broken = Some(Trouble::LockTimeout.into()),
                Err(_) => self.broken = Some(Trouble::StoreFailed.into()),
            }
        }
    }

    fn hear(&mut self, seq: u64, json: &str) {
        let event: Value = serde_json::from_str(json).unwrap_or_default();
        let name = event["event"].as_str().unwrap_or_default().to_owned();
        self.over |= !event["data"]["ended"].is_null();
        self.ready.push_back(Told { name, seq: Some(seq), json: json.to_owned() });
    }
}

fn refused(why: AttachRefused) -> Error {
    match why {
        AttachRefused::TooManyConnections => Trouble::TooManyConnections { limit: READERS }.into(),
        AttachRefused::Lock(_) => Trouble::LockTimeout.into(),
        _ => Trouble::StoreFailed.into(),
    }
}
