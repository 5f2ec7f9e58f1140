//! What does a command of a socket come to? The same as over HTTP, as an ack.

use std::sync::Arc;

use panelboard_tasks::{ConnId, Epoch, Position, RunId, SessionId};
use serde_json::{Value, json};

use super::super::jobs::follow::Follow;
use super::super::sessions::run_number;
use super::super::sessions::runs::{self, request_number};
use super::jobs::OneJob;
use crate::app::App;
use crate::error::Error;
use crate::jobs::trouble::JobTrouble;
use crate::sessions::commands::Stop;
use crate::sessions::feed::{self, Feed};
use crate::sessions::follow::Subscribed;
use crate::sessions::frame::{
    self, Answer, Cancel, Clear, ClientFrame, FollowJob, Submit, Subscribe,
};
use crate::sessions::trouble::Trouble;
use crate::sessions::{Service, shown};

/// What is to be done, in the order in which it was asked for.
#[derive(Debug)]
pub(super) enum Asked {
    Subscribe(Subscribe),
    Unsubscribe(String),
    FollowJob(FollowJob),
    LeaveJob(String),
    Submit(Box<Submit>),
    Cancel(Cancel),
    Clear(Clear),
    Answer(Answer),
    Nothing,
}

impl Asked {
    pub(super) fn of(frame: ClientFrame) -> Self {
        match frame {
            ClientFrame::Subscribe(subscribe) => Self::Subscribe(subscribe),
            ClientFrame::Unsubscribe(of) => Self::Unsubscribe(of.session),
            ClientFrame::FollowJob(follow) => Self::FollowJob(follow),
            ClientFrame::LeaveJob(of) => Self::LeaveJob(of.job),
            ClientFrame::Submit(submit) => Self::Submit(submit),
            ClientFrame::Cancel(cancel) => Self::Cancel(cancel),
            ClientFrame::Clear(clear) => Self::Clear(clear),
            ClientFrame::Answer(answer) => Self::Answer(answer),
            ClientFrame::Hello(_) | ClientFrame::Ping(_) => Self::Nothing,
        }
    }
}

impl Asked {
    /// The session that it is about, and no other; none if it is about what the socket follows, or
    /// there can be no such session.
    pub(super) fn session(&self) -> Option<SessionId> {
        let session = match self {
            Self::Submit(command) => &command.session,
            Self::Cancel(command) => &command.session,
            Self::Clear(command) => &command.session,
            Self::Answer(command) => &command.session,
            Self::Subscribe(_)
            | Self::Unsubscribe(_)
            | Self::FollowJob(_)
            | Self::LeaveJob(_)
            | Self::Nothing => return None,
        };
        frame::session(session).ok()
    }
}

/// What came of it.
pub(super) enum Done {
    /// Frames to send.
    Said(Vec<String>),
    /// A session that is followed from now on, and the frame that says so.
    Subscribed { feed: Box<Feed>, frame: String },
    /// The same of a job.
    Follows { job: OneJob, frame: String },
}

/// Follows a session.
pub(super) async fn subscribe(service: Arc<Service>, subscribe: Subscribe, conn: ConnId) -> Done {
    match try_subscribe(&service, &subscribe, conn).await {
        Ok(done) => done,
        Err(trouble) => Done::Said(vec![refused(&subscribe.session, &trouble)]),
    }
}

async fn try_subscribe(
    service: &Arc<Service>,
    subscribe: &Subscribe,
    conn: ConnId,
) -> Result<Done, Trouble> {
    let id = frame::session(&subscribe.session)?;
    let position = position(subscribe.epoch.clone(), subscribe.seq)?;
    let Subscribed { feed, welcome, slot, queue } = service.subscribe(&id, conn, position).await?;
    let frame = json!({
        "type": "subscribed",
        "session": id.as_str(),
        "epoch": welcome.epoch.as_str(),
        "head": welcome.head,
        "mode": feed::mode(welcome.mode),
        "slot": slot,
        "queue": queue,
    });
    Ok(Done::Subscribed { feed: Box::new(feed), frame: shown::typed(&frame) })
}

/// Follows a job.
pub(super) async fn follow_job(app: Arc<App>, asked: FollowJob, conn: ConnId) -> Done {
    let FollowJob { job, epoch, seq } = asked;
    let follows = async {
        let id = job.parse().map_err(|_| JobTrouble::NoSuchJob { job: job.clone() })?;
        let (follow, welcome) = Follow::begin(&app, id, position(epoch, seq)?).await?;
        let frame = json!({
            "type": "subscribed",
            "job": job,
            "epoch": welcome.epoch.as_str(),
            "head": welcome.head,
            "mode": feed::mode(welcome.mode),
        });
        Ok::<_, Error>(Done::Follows { job: OneJob::new(id, follow), frame: shown::typed(&frame) })
    };
    follows.await.unwrap_or_else(|why| Done::Said(vec![no_job(&job, &why, conn)]))
}

/// That a job is not followed, or not any more.
pub(super) fn no_job(job: &str, why: &Error, conn: ConnId) -> String {
    let problem = why.problem_json(&format!("conn-{conn}"));
    let job: String = job.chars().take(256).collect();
    let (code, detail) = (&problem["code"], &problem["detail"]);
    shown::typed(&json!({ "type": "error", "code": code, "detail": detail, "job": job }))
}

fn position(epoch: Option<String>, seq: Option<u64>) -> Result<Option<Position>, Trouble> {
    match (epoch, seq) {
        (Some(epoch), Some(seq)) => Ok(Some(Position { epoch: Epoch::new(&epoch), seq })),
        (None, None) => Ok(None),
        _ => Err(Trouble::Bad { what: "`epoch` and `seq` go together".to_owned() }),
    }
}

/// That a session is not followed.
pub(super) fn refused(session: &str, trouble: &Trouble) -> String {
    let told = trouble.told();
    let session: String = session.chars().take(256).collect();
    let frame = json!({ "type": "error", "code": told.code, "detail": told.detail,
        "session": session });
    shown::typed(&frame)
}

/// Does a command, and acknowledges it. One that is sent again gets the first one's ack.
pub(super) async fn act(service: Arc<Service>, asked: Asked, conn: ConnId) -> Done {
    let (re, result) = match asked {
        Asked::Submit(command) => {
            let re = command.client_msg_id.clone();
            (Some(re), submit(&service, *command).await)
        }
        Asked::Cancel(command) => (command.client_msg_id.clone(), cancel(&service, &command).await),
        Asked::Clear(command) => (command.client_msg_id.clone(), clear(&service, &command).await),
        Asked::Answer(command) => {
            (Some(command.client_msg_id.clone()), answer(&service, &command).await)
        }
        Asked::Subscribe(_)
        | Asked::Unsubscribe(_)
        | Asked::FollowJob(_)
        | Asked::LeaveJob(_)
        | Asked::Nothing => (None, Ok(Value::Null)),
    };
    // Who gives it no name wants no answer, unless it went wrong.
    match (re, result) {
        (Some(re), Ok(result)) => {
            let ack = json!({ "type": "ack", "re": re, "ok": true, "result": result });
            Done::Said(vec![shown::typed(&ack)])
        }
        (Some(re), Err(trouble)) => {
            let problem = Error::from(trouble).problem_json(&format!("conn-{conn}"));
            let ack = json!({ "type": "ack", "re": re, "ok": false, "problem": problem });
            Done::Said(vec![shown::typed(&ack)])
        }
        (None, Ok(_)) => Done::Said(Vec::new()),
        (None, Err(trouble)) => {
            let told = trouble.told();
            let frame = json!({ "type": "error", "code": told.code, "detail": told.detail });
            Done::Said(vec![shown::typed(&frame)])
        }
    }
}

async fn submit(service: &Service, command: Submit) -> Result<Value, Trouble> {
    let id = frame::session(&command.session)?;
    let model = (command.model, command.tools);
    let (on_conflict, when_alone) = (command.on_conflict.as_deref(), command.on_disconnect);
    let mut ask = runs::ask(command.input, model, on_conflict, when_alone, command.timeout_ms)?;
    ask.key = Some(command.client_msg_id);
    let submitted = service.submit(&id, ask).await?;
    Ok(shown::submitted(id.as_str(), &submitted))
}

async fn cancel(service: &Arc<Service>, command: &Cancel) -> Result<Value, Trouble> {
    let id = frame::session(&command.session)?;
    let run = command.run.as_deref().map(|run| number(&id, run)).transpose()?;
    let stop = Stop { run, mode: command.mode.into(), rollback: false };
    let (_, told) = service.cancel_once(&id, stop, command.client_msg_id.as_deref()).await?;
    Ok(told)
}

async fn clear(service: &Arc<Service>, command: &Clear) -> Result<Value, Trouble> {
    let id = frame::session(&command.session)?;
    let (mode, key) = (command.mode.into(), command.client_msg_id.as_deref());
    let (_, told) = service.clear_once(&id, mode, key).await?;
    Ok(told)
}

async fn answer(service: &Service, command: &Answer) -> Result<Value, Trouble> {
    let id = frame::session(&command.session)?;
    let run = number(&id, &command.run)?;
    let request = request_number(&command.request_id)?;
    let key = Some(command.client_msg_id.as_str());
    service.answer(&id, run, request, &command.input, key).await?;
    Ok(json!({ "run": run.to_string(), "request_id": request.to_string() }))
}

fn number(id: &SessionId, run: &str) -> Result<RunId, Trouble> {
    let number = run_number(run).map(RunId);
    let run = || run.chars().take(40).collect();
    number.ok_or_else(|| Trouble::NoSuchRun { session: id.to_string(), run: run() })
}
