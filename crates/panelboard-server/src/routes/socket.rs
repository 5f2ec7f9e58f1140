//! Sessions and jobs over one WebSocket: commands to sessions in, events of any number of sessions
//! and jobs out.
//!
//! One task a socket. It reads, does commands, those of one session in the order in which they
//! came, and sends what the sessions that it follows have news of. While commands wait for the
//! disk, news goes out; while the other side does not read, nothing is read from it.
//!
//! What it waits for stays where it is from one wake to the next, and of the sessions that it
//! follows only those are looked at that have news.

mod command;
mod doing;
mod ending;
mod followed;
mod jobs;
mod rate;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use axum::extract::{Request, State};
use axum::response::Response;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use panelboard_tasks::{ConnId, SessionId};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::WaitForCancellationFutureOwned;

use self::command::{Asked, Done};
use self::doing::Doing;
use self::ending::{Over, SentAway};
use self::followed::{Followed, News};
use self::jobs::{FollowedJobs, JobNews};
use self::rate::Rate;
use crate::app::App;
use crate::error::{Error, Problem};
use crate::serve::pace::Paced;
use crate::sessions::book::End;
use crate::sessions::feed::Piece;
use crate::sessions::frame::{self, ClientFrame, NoFrame, Resume};
use crate::sessions::service::Counts;
use crate::sessions::shown;
use crate::sessions::trouble::Trouble;
use crate::ws::{self, Incoming, ReadError, Socket, WriteError, close};

/// The subprotocol, for those who name one.
const PROTOCOL: &str = "panelboard.v1";

/// Commands of a socket that wait for those before; then nothing more is read.
const MAX_COMMANDS: usize = 64;

/// Frames in a row that are none, after which somebody is taken to speak another language.
const MAX_BAD: u32 = 32;

/// So much is put together before it is sent.
const CHUNK: usize = 64 * 1024;

/// Sessions, and the events of jobs, over one WebSocket.
#[utoipa::path(get, path = "/v1/ws", tag = "sessions",
    params(("sec-websocket-protocol" = Option<String>, Header, description = "`panelboard.v1`")),
    responses((status = 101), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 429, body = Problem)))]
pub(super) async fn open(
    State(app): State<Arc<App>>,
    mut request: Request,
) -> Result<Response, Error> {
    let handshake =
        ws::accept(&mut request, PROTOCOL).map_err(|what| Trouble::NotAWebSocket { what })?;
    let place = app.service.place()?;
    let (response, upgrade) = handshake.answer();
    let sockets = app.sockets.clone();
    sockets.spawn(async move {
        match upgrade.await {
            Ok(upgraded) => serve(app, upgraded, place).await,
            Err(error) => tracing::debug!(%error, "a WebSocket did not come about"),
        }
    });
    Ok(response)
}

async fn serve(app: Arc<App>, upgraded: Upgraded, place: OwnedSemaphorePermit) {
    let Ok(parts) = upgraded.downcast::<TokioIo<Paced<TcpStream>>>() else { return };
    let socket =
        Socket::new(parts.io.into_inner().into_inner(), &parts.read_buf, frame_bytes(&app));
    // Perhaps empty, but it is a part of what the request was read into.
    drop(parts.read_buf);
    let counts = Counted::new(&app);
    // On the heap: what became of the connection until here had its place in the task.
    Box::pin(Connection::new(app, socket).run()).await;
    drop((counts, place));
}

/// The longest message that is read.
fn frame_bytes(app: &App) -> usize {
    app.service.settings.max_input_bytes * 2 + 16 * 1024
}

/// Counts a socket while it is there.
struct Counted(Arc<App>);

impl Counted {
    fn new(app: &Arc<App>) -> Self {
        Counts::add(&app.service.counts.sockets);
        Counts::add(&app.service.counts.opened);
        Self(Arc::clone(app))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        Counts::take(&self.0.service.counts.sockets);
    }
}

/// One socket.
struct Connection {
    app: Arc<App>,
    socket: Socket,
    id: ConnId,
    followed: Followed,
    jobs: FollowedJobs,
    /// Commands that wait for those that are done.
    asked: VecDeque<Asked>,
    doing: Doing<Done>,
    bad: u32,
    rate: Rate,
    /// When something was last heard, or could not be since nothing was read.
    heard: Instant,
    /// Nothing is read, since too much waits to be done or to be written.
    deaf: bool,
    ping_at: Instant,
    /// Ends when it is worth to look at the clock, or before.
    timer: Pin<Box<Sleep>>,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Who is woken by it.
    stop_wakes: Option<Waker>,
    /// News go first: since the last, all else was looked at.
    news_first: bool,
}

/// What made the connection look up.
enum Woken {
    Came(Result<Incoming, ReadError>),
    Done(Done),
    News(News),
    Job(JobNews),
    Time,
    Stop,
}

impl Connection {
    fn new(app: Arc<App>, socket: Socket) -> Self {
        let now = Instant::now();
        let ping_at = now + app.service.settings.ping_interval;
        let stop = Box::pin(app.stop.begun.clone().cancelled_owned());
        Self {
            app,
            socket,
            id: ConnId::next(),
            followed: Followed::default(),
            jobs: FollowedJobs::default(),
            asked: VecDeque::new(),
            doing: Doing::default(),
            bad: 0,
            rate: Rate::new(now),
            heard: now,
            deaf: false,
            ping_at,
            timer: Box::pin(tokio::time::sleep_until(now)),
            stop,
            stop_wakes: None,
            news_first: false,
        }
    }

    async fn run(mut self) {
        let settings = &self.app.service.settings;
        let welcome = json!({
            "type": "welcome",
            "conn_id": self.id.to_string(),
            "limits": {
                "frame_bytes": frame_bytes(&self.app),
                "subscriptions": settings.max_subscriptions,
            },
        });
        self.socket.text(&shown::typed(&welcome));
        let over = loop {
            if let Err(over) = self.send().await {
                break over;
            }
            let woken = poll_fn(|context| self.wait(context)).await;
            if let Err(over) = self.go_on(woken) {
                break over;
            }
        };
        // They leave before the goodbye: nobody waits for a side that does not answer.
        self.followed = Followed::default();
        self.jobs = FollowedJobs::default();
        if let Some(code) = over.code {
            self.socket.close(code, &over.reason).await;
        }
    }

    /// What happens next.
    fn wait(&mut self, context: &mut Context<'_>) -> Poll<Woken> {
        if self.is_stopping(context) {
            return Poll::Ready(Woken::Stop);
        }
        // What most wakes are for. The next time everything else goes first.
        if mem::take(&mut self.news_first)
            && let Poll::Ready(woken) = self.poll_news(context)
        {
            return Poll::Ready(woken);
        }
        if let Poll::Ready(done) = self.doing.poll_next(context) {
            return Poll::Ready(Woken::Done(done));
        }
        if self.reads()
            && let Poll::Ready(came) = self.socket.poll_read(context)
        {
            return Poll::Ready(Woken::Came(came));
        }
        if let Poll::Ready(woken) = self.poll_news(context) {
            return Poll::Ready(woken);
        }
        while self.timer.as_mut().poll(context).is_ready() {
            // It is moved only when it has ended: most of what moves the time comes before.
            let at = self.silent_at().map_or(self.ping_at, |silent| silent.min(self.ping_at));
            if Instant::now() >= at {
                return Poll::Ready(Woken::Time);
            }
            self.timer.as_mut().reset(at);
        }
        self.news_first = true;
        Poll::Pending
    }

    /// Whether anything is read now.
    fn reads(&mut self) -> bool {
        let reads = self.asked.len() < MAX_COMMANDS;
        if reads && self.deaf {
            // It may have spoken all the while, and what it says is only read from here on.
            self.heard = Instant::now();
        }
        self.deaf = !reads;
        reads
    }

    /// When it will have been silent for too long. Nobody is silent to whom nobody listens.
    fn silent_at(&self) -> Option<Instant> {
        (!self.deaf).then(|| self.heard + self.app.service.settings.ping_timeout)
    }

    /// What jobs have is seldom and little, so it goes first.
    fn poll_news(&mut self, context: &mut Context<'_>) -> Poll<Woken> {
        if let Poll::Ready(news) = self.jobs.poll_next(context) {
            return Poll::Ready(Woken::Job(news));
        }
        self.followed.poll_next(context).map(Woken::News)
    }

    /// Whether the server stops; if not, this is woken when it does. Thousands ask at each event:
    /// a flag that is only read, and not what they wait in.
    fn is_stopping(&mut self, context: &mut Context<'_>) -> bool {
        if self.app.stop.has_begun() {
            return true;
        }
        if self.stop_wakes.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
            return false;
        }
        self.stop_wakes = Some(context.waker().clone());
        self.stop.as_mut().poll(context).is_ready()
    }

    fn go_on(&mut self, woken: Woken) -> Result<(), Over> {
        match woken {
            Woken::Came(came) => {
                self.heard = Instant::now();
                self.hear(came)?;
            }
            Woken::Done(done) => self.take(done),
            Woken::News(news) => self.tell(news)?,
            Woken::Job(news) => self.socket.text(&news.frame(self.id)),
            Woken::Time => self.look_at_the_clock()?,
            Woken::Stop => return Err(self.send_away(SentAway::Stops)),
        }
        self.begin_next();
        Ok(())
    }

    fn look_at_the_clock(&mut self) -> Result<(), Over> {
        let (now, service) = (Instant::now(), &self.app.service);
        if self.silent_at().is_some_and(|silent| now >= silent) {
            Counts::add(&service.counts.silent);
            return Err(Over::new(close::GOING_AWAY, "nothing was heard for too long"));
        }
        if now >= self.ping_at {
            self.ping_at = now + service.settings.ping_interval;
            self.socket.ping();
        }
        Ok(())
    }

    /// Sends the client away: it is told when to come back, and from where to go on.
    fn send_away(&mut self, why: SentAway) -> Over {
        let mut resume = self.followed.places();
        resume.extend(self.jobs.places());
        let (frame, over) = why.say(&resume);
        self.socket.text(&frame);
        over
    }

    fn hear(&mut self, came: Result<Incoming, ReadError>) -> Result<(), Over> {
        let settings = &self.app.service.settings;
        let says = !matches!(came, Ok(Incoming::Pong | Incoming::Close(_)) | Err(_));
        if says && !self.rate.take(settings.max_commands_per_second, self.heard) {
            Counts::add(&self.app.service.counts.hurried);
            return Err(self.send_away(SentAway::Hurried));
        }
        let text = match came {
            Ok(Incoming::Text(text)) => text,
            Ok(Incoming::Pong) => return Ok(()),
            Ok(Incoming::Ping(payload)) => {
                self.socket.pong(&payload);
                return Ok(());
            }
            Ok(Incoming::Close(code)) => {
                return Err(Over::new(Socket::answer_to(code), ""));
            }
            Ok(Incoming::NotText) => {
                return self.bad(&NoFrame::new("bad-frame", "it is no UTF-8"));
            }
            Ok(Incoming::Binary) => {
                return self.bad(&NoFrame::new("bad-frame", "frames are text, this one is binary"));
            }
            Ok(Incoming::TooLong) => {
                let limit = frame_bytes(&self.app);
                let detail = format!("a frame has at most {limit} bytes");
                return self.bad(&NoFrame::new("too-large", detail));
            }
            Err(ReadError::Broken(code)) => return Err(Over::new(code, "this is no WebSocket")),
            Err(ReadError::Gone) => return Err(Over::gone()),
        };
        match frame::read(&text) {
            Ok(ClientFrame::Ping(ping)) => {
                let mut pong = json!({ "type": "pong" });
                if let Some(n) = ping.n {
                    pong["n"] = n;
                }
                self.socket.text(&shown::typed(&pong));
            }
            Ok(ClientFrame::Hello(hello)) => {
                self.asked.extend(hello.resume.into_iter().map(|resume| match resume {
                    Resume::Session(subscribe) => Asked::Subscribe(subscribe),
                    Resume::Job(follow) => Asked::FollowJob(follow),
                }));
            }
            Ok(frame) => self.asked.push_back(Asked::of(frame)),
            Err(wrong) => return self.bad(&wrong),
        }
        self.bad = 0;
        Ok(())
    }

    fn bad(&mut self, wrong: &NoFrame) -> Result<(), Over> {
        Counts::add(&self.app.service.counts.bad_frames);
        self.bad += 1;
        self.socket.text(&wrong.frame());
        if self.bad > MAX_BAD {
            return Err(Over::new(close::BAD_FRAMES, "too many frames in a row that are none"));
        }
        Ok(())
    }

    /// Begins the next commands, as far as they may be done beside those that are.
    fn begin_next(&mut self) {
        while let Some(next) = self.asked.front() {
            let session = next.session();
            if !self.doing.may_begin(session.as_ref()) {
                return;
            }
            let Some(asked) = self.asked.pop_front() else { return };
            match asked {
                // Needs nobody: done at once.
                Asked::Unsubscribe(session) => {
                    if let Ok(id) = frame::session(&session) {
                        self.followed.remove(&id);
                    }
                }
                Asked::Subscribe(subscribe) => {
                    let limit = self.app.service.settings.max_subscriptions;
                    let known = frame::session(&subscribe.session)
                        .is_ok_and(|id| self.followed.remove(&id));
                    if !known && self.subscriptions() >= limit {
                        let trouble = Trouble::TooManySubscriptions { limit };
                        self.socket.text(&command::refused(&subscribe.session, &trouble));
                        continue;
                    }
                    let service = Arc::clone(&self.app.service);
                    let work = Box::pin(command::subscribe(service, subscribe, self.id));
                    self.doing.begin(session, work);
                }
                Asked::LeaveJob(job) => {
                    if let Ok(id) = job.parse() {
                        self.jobs.remove(id);
                    }
                }
                Asked::FollowJob(follow) => {
                    let limit = self.app.service.settings.max_subscriptions;
                    let known = follow.job.parse().is_ok_and(|id| self.jobs.remove(id));
                    if !known && self.subscriptions() >= limit {
                        let trouble = Trouble::TooManySubscriptions { limit }.into();
                        self.socket.text(&command::no_job(&follow.job, &trouble, self.id));
                        continue;
                    }
                    let app = Arc::clone(&self.app);
                    let work = Box::pin(command::follow_job(app, follow, self.id));
                    self.doing.begin(None, work);
                }
                asked => {
                    let service = Arc::clone(&self.app.service);
                    let work = Box::pin(command::act(service, asked, self.id));
                    self.doing.begin(session, work);
                }
            }
        }
    }

    fn subscriptions(&self) -> usize {
        self.followed.len() + self.jobs.len()
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Said(frames) => {
                for frame in frames {
                    self.socket.text(&frame);
                }
            }
            Done::Subscribed { feed, frame } => {
                self.socket.text(&frame);
                self.followed.add(feed);
            }
            Done::Follows { job, frame } => {
                self.socket.text(&frame);
                self.jobs.add(job);
            }
        }
    }

    /// Adds news to what is to go out.
    fn tell(&mut self, news: News) -> Result<(), Over> {
        let News { piece, session, all } = news;
        let session = session.as_ref().map_or("", SessionId::as_str);
        match piece {
            Ok(Piece::Events(events)) => match &*events {
                [event] if all => self.socket.frame_at_once(&event.frame),
                events => events.iter().for_each(|event| self.socket.frame(event.frame.clone())),
            },
            Ok(Piece::Text { frame, .. }) => self.socket.frame(frame),
            Ok(Piece::Resync { json, .. }) => self.socket.text(&json),
            Ok(Piece::Present(connections)) => {
                let frame = json!({ "type": "presence", "session": session,
                    "connections": connections });
                self.socket.text(&shown::typed(&frame));
            }
            Ok(Piece::Ended(end)) => self.socket.text(&over(session, end)),
            Ok(Piece::TooSlow) => return Err(self.is_slow()),
            Err(trouble) => self.socket.text(&command::refused(session, &trouble)),
        }
        Ok(())
    }

    /// Sends what there is, together with what is done and what there is news of by now.
    async fn send(&mut self) -> Result<(), Over> {
        while self.socket.waiting() < CHUNK {
            let done = poll_fn(|context| Poll::Ready(self.doing.poll_next(context))).await;
            if let Poll::Ready(done) = done {
                self.take(done);
                self.begin_next();
                continue;
            }
            let ready = poll_fn(|context| Poll::Ready(self.poll_news(context))).await;
            match ready {
                Poll::Ready(Woken::News(news)) => self.tell(news)?,
                Poll::Ready(Woken::Job(news)) => self.socket.text(&news.frame(self.id)),
                _ => break,
            }
        }
        self.flush().await
    }

    async fn flush(&mut self) -> Result<(), Over> {
        match self.socket.try_flush() {
            Ok(true) => Ok(()),
            // On the heap: most sockets never come to it.
            Ok(false) => Box::pin(self.flush_slowly()).await,
            Err(_) => Err(Over::gone()),
        }
    }

    /// The same, for one that takes it no faster than this.
    async fn flush_slowly(&mut self) -> Result<(), Over> {
        let (time, stop) = (self.app.service.settings.write_timeout, &self.app.stop.begun);
        let flushed = tokio::select! {
            biased;
            flushed = self.socket.flush(time) => Some(flushed),
            () = stop.cancelled() => None,
        };
        self.deaf = true;
        match flushed {
            Some(Ok(())) => Ok(()),
            Some(Err(WriteError::Gone)) => Err(Over::gone()),
            Some(Err(WriteError::Slow)) => Err(self.is_slow()),
            None => Err(self.send_away(SentAway::Stops)),
        }
    }

    fn is_slow(&mut self) -> Over {
        Counts::add(&self.app.service.counts.slow);
        self.send_away(SentAway::Slow)
    }
}

/// What is said to who follows a session that is none any more.
fn over(session: &str, end: End) -> String {
    let (code, detail) = match end {
        End::Deleted => ("session-deleted", "the session was deleted"),
        End::Full | End::NotKept => {
            ("store-failed", "what was last shown may not be kept: subscribe again to see what is")
        }
    };
    let frame = json!({ "type": "error", "code": code, "detail": detail, "session": session });
    shown::typed(&frame)
}
