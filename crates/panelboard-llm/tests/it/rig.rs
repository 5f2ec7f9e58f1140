//! How does a test get a gateway before scripted providers, with a clock that it turns itself?

use std::{
    collections::BTreeMap,
    future::poll_fn,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream as _;
use panelboard::{Clock, ManualClock, Snapshot, State};
use panelboard_llm::{
    Answer, AnswerBody, AnswerStream, AttemptEnded, CallEnded, CallRequest, Endpoint, Gateway, Key,
    Kind, Model, Observer, Outcome, Provider, Rejected, Secret, Settings, Target,
};
use serde_json::{Value, json};

/// A gateway, its clock's hand, and what its observer was told.
pub(crate) struct Rig {
    pub(crate) gateway: Gateway,
    pub(crate) hand: ManualClock,
    pub(crate) told: Arc<Told>,
}

/// What an observer was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) attempts: Mutex<Vec<String>>,
    /// Attempts and rejections with all that is told of them and does not depend on time.
    pub(crate) records: Mutex<Vec<String>>,
    pub(crate) calls: Mutex<Vec<(Outcome, u16)>>,
    /// The same with all that does not depend on time.
    pub(crate) lines: Mutex<Vec<String>>,
    pub(crate) changed: tokio::sync::Notify,
}

impl Observer for Told {
    fn attempt(&self, ended: &AttemptEnded<'_>) {
        let line = format!("{}/{} {}", ended.provider, ended.key, ended.outcome.as_str());
        let AttemptEnded { provider, key, model, status, took, first_byte, usage, .. } = *ended;
        assert!(first_byte.is_none_or(|first| first <= took), "{first_byte:?} of {took:?}");
        let outcome = ended.outcome.as_str();
        let heard = if first_byte.is_some() { "heard" } else { "silent" };
        let mut record = format!("{provider}/{key} {model}: {outcome} {heard}");
        record.extend(status.map(|status| format!(" {status}")));
        record.extend(usage.map(|usage| format!(" {}+{}", usage.input, usage.output)));
        self.records.lock().expect("no panic").push(record);
        self.attempts.lock().expect("no panic").push(line);
        self.changed.notify_waiters();
    }

    fn rejected(&self, rejected: &Rejected<'_>) {
        let record = format!("{} {}: rejected", rejected.provider, rejected.model);
        self.records.lock().expect("no panic").push(record);
    }

    fn call(&self, ended: &CallEnded<'_>) {
        let CallEnded { endpoint, model, stream, usage, attempts, .. } = *ended;
        let by = [ended.provider, ended.key, ended.upstream_model]
            .map(Option::unwrap_or_default)
            .join("/");
        let usage = usage.map(|usage| (usage.input, usage.output));
        let (operation, outcome) = (endpoint.operation(), ended.outcome.as_str());
        let timed = ended.first_chunk.is_some();
        let line =
            format!("{operation} {model} by {by}: {outcome} {attempts} {stream} {timed} {usage:?}");
        self.lines.lock().expect("no panic").push(line);
        self.calls.lock().expect("no panic").push((ended.outcome, ended.status));
        self.changed.notify_waiters();
    }
}

impl Told {
    /// What was told of attempts and rejections since it was asked last.
    pub(crate) fn records(&self) -> Vec<String> {
        std::mem::take(&mut *self.records.lock().expect("no panic"))
    }

    /// Waits until so many calls are over.
    pub(crate) async fn calls_ended(&self, n: usize) {
        let wait = async {
            loop {
                let mut changed = std::pin::pin!(self.changed.notified());
                changed.as_mut().enable();
                if self.calls.lock().expect("no panic").len() >= n {
                    return;
                }
                changed.await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), wait).await;
        assert!(
            waited.is_ok(),
            "only {} of {n} calls ended",
            self.calls.lock().expect("no panic").len()
        );
    }
}

/// Breakers that trip at the third failure, open for 10 s, without jitter.
pub(crate) fn breaker() -> panelboard::Config {
    panelboard::Config::builder()
        .failure_threshold(3)
        .recovery_timeout(Duration::from_secs(10))
        .jitter(0.0)
        .build()
        .expect("a good configuration")
}

/// A key whose secret is its name.
pub(crate) fn key(name: &str) -> Key {
    let secret = Secret::new(name.to_owned());
    Key { name: name.to_owned(), secret, weight: 1, quota_group: None }
}

/// A provider in OpenAI's shape.
pub(crate) fn provider(name: &str, base_url: impl Into<String>, keys: &[&str]) -> Provider {
    Provider {
        name: name.to_owned(),
        kind: Kind::OpenAiCompatible,
        base_url: base_url.into(),
        keys: keys.iter().map(|name| key(name)).collect(),
        breaker: None,
        timeouts: None,
    }
}

/// Settings with one model, `fast`, which the providers serve in order as `m`. Time-outs are long:
/// a test that waits for one shortens it.
pub(crate) fn settings(providers: Vec<Provider>) -> Settings {
    let mut settings = Settings::new(breaker());
    let target =
        |provider: &Provider| Target { provider: provider.name.clone(), model: "m".into() };
    let targets = providers.iter().map(target).collect();
    settings.models.push(Model { name: "fast".into(), targets });
    settings.providers = providers;
    settings
}

/// Keys of one provider `a` at one address.
pub(crate) fn one(base_url: impl Into<String>, keys: &[&str]) -> Rig {
    Rig::new(settings(vec![provider("a", base_url, keys)]))
}

/// A body for [`Endpoint::ChatCompletions`].
pub(crate) fn body(stream: bool) -> Value {
    json!({"model": "fast", "stream": stream, "messages": [{"role": "user", "content": "hi"}]})
}

impl Rig {
    pub(crate) fn new(settings: Settings) -> Self {
        let (clock, hand) = Clock::manual();
        let told = Arc::new(Told::default());
        let observer: Arc<dyn Observer> = Arc::clone(&told) as _;
        let gateway = Gateway::builder(settings).clock(clock).observer(observer).build();
        Self { gateway: gateway.expect("good settings"), hand, told }
    }

    pub(crate) async fn ask(&self, body: &Value) -> Answer {
        let request = CallRequest::new(body.to_string());
        self.gateway.call(Endpoint::ChatCompletions, request).await
    }

    /// A whole answer.
    pub(crate) async fn whole(&self) -> Reply {
        read(self.ask(&body(false)).await).await
    }

    /// A streamed answer, read to its end.
    pub(crate) async fn streamed(&self) -> Reply {
        read(self.ask(&body(true)).await).await
    }

    /// A stream that has begun.
    pub(crate) async fn stream(&self) -> AnswerStream {
        match self.ask(&body(true)).await.body {
            AnswerBody::Stream(stream) => stream,
            AnswerBody::Whole(body) => panic!("no stream: {}", String::from_utf8_lossy(&body)),
        }
    }

    pub(crate) fn seen(&self, breaker: &str) -> Snapshot {
        self.gateway.panel().get(breaker).expect("a breaker of that name").snapshot()
    }

    pub(crate) fn state(&self, breaker: &str) -> State {
        self.seen(breaker).state
    }

    /// Nothing is under way, anywhere.
    #[track_caller]
    pub(crate) fn at_rest(&self) {
        assert!(self.gateway.calls().is_empty(), "{:?}", self.gateway.calls());
        for figures in self.gateway.keys() {
            assert_eq!(figures.in_flight, 0, "{}", figures.breaker);
            assert_eq!(self.seen(&figures.breaker).probes_in_flight, 0, "{}", figures.breaker);
        }
    }
}

/// An answer that has been read.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) text: String,
    pub(crate) attempts: Vec<String>,
}

pub(crate) async fn read(answer: Answer) -> Reply {
    let attempts =
        answer.attempts.iter().map(|a| format!("{} {}", a.key, a.outcome.as_str())).collect();
    let header = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), value.to_str().expect("visible").to_owned())
    };
    let headers = answer.headers.iter().map(header).collect();
    let text = match answer.body {
        AnswerBody::Whole(body) => body,
        AnswerBody::Stream(stream) => rest(stream).await,
    };
    let text = String::from_utf8(text.to_vec()).expect("UTF-8");
    Reply { status: answer.status.as_u16(), headers, text, attempts }
}

/// The next piece of a stream.
pub(crate) async fn next(stream: &mut AnswerStream) -> Option<Bytes> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

/// All that is left of a stream.
pub(crate) async fn rest(mut stream: AnswerStream) -> Bytes {
    let mut all = Vec::new();
    while let Some(piece) = next(&mut stream).await {
        all.extend_from_slice(&piece);
    }
    all.into()
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// The `code` of an error body, or nothing.
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    /// The whole answer's text.
    pub(crate) fn said(&self) -> String {
        self.json()["choices"][0]["message"]["content"].as_str().unwrap_or_default().to_owned()
    }

    /// The words of a stream, without a blank between.
    pub(crate) fn words(&self) -> String {
        let word = |event: &Value| {
            event["choices"][0]["delta"]["content"].as_str().unwrap_or_default().to_owned()
        };
        self.events().iter().map(word).collect()
    }

    /// The JSON of a stream's events, without the end mark.
    pub(crate) fn events(&self) -> Vec<Value> {
        let data = self.text.lines().filter_map(|line| line.strip_prefix("data: "));
        let json = data.filter(|data| *data != "[DONE]").map(serde_json::from_str);
        json.collect::<Result<_, _>>().unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// Ends with the end mark.
    pub(crate) fn is_done(&self) -> bool {
        self.text.trim_end().ends_with("data: [DONE]")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}
