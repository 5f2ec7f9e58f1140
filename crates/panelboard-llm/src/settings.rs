//! What a gateway is told: providers, their keys, models, time-outs and limits.
//!
//! Plain data. The server's configuration file becomes one of these; [`Settings::check`] says what
//! is wrong with it, and [`Gateway`](crate::Gateway) refuses what the check refuses.

use std::{collections::HashSet, error::Error, fmt, time::Duration};

use crate::{Secret, transport::Base};

/// Everything a gateway needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The services that answer, in no particular order.
    pub providers: Vec<Provider>,
    /// The names that clients ask for.
    pub models: Vec<Model>,
    /// Time-outs of providers that have none of their own.
    pub timeouts: Timeouts,
    /// What one call may cost.
    pub limits: Limits,
    /// How long a call may wait for the earliest key when none admits it. `None`: it is answered at
    /// once with 429 or 503 and `retry-after`.
    pub wait_up_to: Option<Duration>,
    /// The configuration of breakers whose provider has none of its own.
    pub breaker: panelboard::Config,
}

/// One LLM service with the keys that share its load.
#[derive(Clone, Debug)]
pub struct Provider {
    /// Its name in breakers, headers and metrics. Not empty, no `/`.
    pub name: String,
    /// Which API it speaks.
    pub kind: Kind,
    /// Where it is, with the version part of the path: `https://api.openai.com/v1`.
    pub base_url: String,
    /// At least one; a service that wants none (Ollama) has one with an empty secret.
    pub keys: Vec<Key>,
    /// Its breakers' configuration, if not the common one.
    pub breaker: Option<panelboard::Config>,
    /// Its time-outs, if not the common ones. Its `total` is not used: a call may pass by several
    /// providers.
    pub timeouts: Option<Timeouts>,
}

/// Which API a provider speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// OpenAI itself.
    OpenAi,
    /// Anthropic's Messages API; requests and answers are translated.
    Anthropic,
    /// A service with OpenAI's shapes: Ollama, llama.cpp, vLLM, OpenRouter.
    OpenAiCompatible,
    /// The built-in provider that makes answers up. Speaks OpenAI's shapes.
    Pretend,
}

impl Kind {
    /// Its name in configuration, metrics and the API: `openai`, `anthropic`, `openai-compatible`,
    /// `pretend`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::OpenAiCompatible => "openai-compatible",
            Self::Pretend => "pretend",
        }
    }
}

/// A credential of a provider.
#[derive(Clone)]
pub struct Key {
    /// Its name in breakers, headers and metrics. Not empty.
    pub name: String,
    /// What the provider wants to see. Empty: no credential is sent. Awaited: nothing is.
    pub secret: Secret,
    /// Its share of the load among its provider's keys; at least 1. Default in files: 1.
    pub weight: u32,
    /// Keys of one provider with the same group share one limit at the provider: a 429 for one
    /// cools them all.
    pub quota_group: Option<String>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("name", &self.name)
            .field("fingerprint", &self.secret.fingerprint())
            .field("weight", &self.weight)
            .field("quota_group", &self.quota_group)
            .finish()
    }
}

/// A name that clients ask for.
#[derive(Clone, Debug)]
pub struct Model {
    /// The name.
    pub name: String,
    /// Who serves it, in order of preference. At least one.
    pub targets: Vec<Target>,
}

/// A model at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The provider's name in these settings.
    pub provider: String,
    /// The model's name at the provider.
    pub model: String,
}

/// How long each part of a call may take. None may be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name look-up, TCP and TLS together. Default 2 s.
    pub connect: Duration,
    /// From the request's first byte out to the answer's head, and for a stream from there on to
    /// its first event. A provider sends the head of a whole answer when it has written all of it:
    /// make this longer than that takes. Default 30 s.
    pub first_byte: Duration,
    /// Between two pieces of an answer's body. Default 30 s.
    pub idle: Duration,
    /// The whole call, all attempts together; a client's own deadline can only shorten it.
    /// Default 10 min.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            first_byte: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            total: Duration::from_secs(600),
        }
    }
}

/// What one call may cost. Each limit says what happens at it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// A longer request body is answered with 413. Default 32 MiB.
    pub max_body_bytes: usize,
    /// A request body with deeper nesting is answered with 400. Default 128.
    pub max_depth: usize,
    /// A longer whole answer is a failure of the provider. Default 64 MiB.
    pub max_answer_bytes: usize,
    /// A stream that sent so much without any text or tool call is handed to the client as it is,
    /// and can fail over no more. Default 64 KiB.
    pub hold_back_bytes: usize,
    /// The same for time, from the stream's first event on. Default 5 s.
    pub hold_back: Duration,
    /// How often one call may be sent again after a server's failure, beside the budget. Walking
    /// past keys that are out, cooling or unreachable costs nothing of it. Default 3.
    pub max_resends: u32,
    /// Re-sends, as a share of all calls. Default 0.2.
    pub resend_share: f64,
    /// Re-sends a second that are allowed however few calls there are. Default 3.
    pub resend_min_per_second: f64,
    /// Idle connections kept for each provider; more are closed. Default 256.
    pub max_idle_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 32 << 20,
            max_depth: 128,
            max_answer_bytes: 64 << 20,
            hold_back_bytes: 64 << 10,
            hold_back: Duration::from_secs(5),
            max_resends: 3,
            resend_share: 0.2,
            resend_min_per_second: 3.0,
            max_idle_connections: 256,
        }
    }
}

/// What is wrong with settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError {
    /// Where, in the words of the configuration file: `provider "openai": key "team-a": weight`.
    pub field: String,
    /// What was found. Never a secret.
    pub value: String,
    /// What would be right.
    pub expected: &'static str,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: found {}, expected {}", self.field, self.value, self.expected)
    }
}

impl Error for SettingsError {}

fn refuse<T>(
    field: String,
    value: impl fmt::Display,
    expected: &'static str,
) -> Result<T, SettingsError> {
    Err(SettingsError { field, value: value.to_string(), expected })
}

impl Settings {
    /// Settings without providers and models, and with the defaults for all else.
    #[must_use]
    pub fn new(breaker: panelboard::Config) -> Self {
        Self {
            providers: Vec::new(),
            models: Vec::new(),
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            wait_up_to: None,
            breaker,
        }
    }

    /// Checks all of it.
    ///
    /// # Errors
    /// The first thing that is wrong: an empty or repeated name, an address that is none, a model
    /// whose provider is not there, a zero where none can be.
    pub fn check(&self) -> Result<(), SettingsError> {
        let mut names = HashSet::new();
        for provider in &self.providers {
            if !names.insert(provider.name.as_str()) {
                return refuse("provider".to_owned(), quoted(&provider.name), "each name once");
            }
            provider.check()?;
        }
        check_timeouts("timeouts", &self.timeouts)?;
        let mut models = HashSet::new();
        for model in &self.models {
            if model.name.is_empty() || !models.insert(model.name.as_str()) {
                return refuse("model".to_owned(), quoted(&model.name), "a name, each once");
            }
            model.check(&names)?;
        }
        Ok(())
    }
}

impl Provider {
    fn check(&self) -> Result<(), SettingsError> {
        let here = format!("provider {:?}", self.name);
        check_name(&here, &self.name)?;
        if Base::parse(&self.base_url).is_none() {
            let expected = "http:// or https:// with a host, without user, query or fragment";
            return refuse(format!("{here}: base_url"), quoted(&self.base_url), expected);
        }
        if self.keys.is_empty() {
            return refuse(format!("{here}: keys"), "none", "at least one");
        }
        if let Some(timeouts) = &self.timeouts {
            check_timeouts(&format!("{here}: timeouts"), timeouts)?;
        }
        let mut names = HashSet::new();
        for key in &self.keys {
            let here = format!("{here}: key {:?}", key.name);
            check_name(&here, &key.name)?;
            if !names.insert(key.name.as_str()) {
                return refuse(here, "a second one of that name", "each name once");
            }
            if key.weight == 0 {
                return refuse(format!("{here}: weight"), 0, "at least 1");
            }
            if http::HeaderValue::from_str(key.secret.expose()).is_err() {
                return refuse(
                    format!("{here}: secret"),
                    "a line break in it",
                    "one line of ASCII",
                );
            }
        }
        Ok(())
    }
}

impl Model {
    fn check(&self, providers: &HashSet<&str>) -> Result<(), SettingsError> {
        let here = format!("model {:?}: targets", self.name);
        if self.targets.is_empty() {
            return refuse(here, "none", "at least one \"provider/model\"");
        }
        for target in &self.targets {
            if !providers.contains(target.provider.as_str()) {
                return refuse(here, quoted(&target.provider), "the name of a provider");
            }
            if target.model.is_empty() {
                return refuse(here, quoted(&target.model), "the model's name at the provider");
            }
        }
        Ok(())
    }
}

/// Names stand in header values, metric labels and, with a slash between, in breakers' keys.
fn check_name(here: &str, name: &str) -> Result<(), SettingsError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '@');
    if name.is_empty() || name.len() > 100 || !name.chars().all(fits) {
        let expected = "1 to 100 letters, digits and - _ . : @";
        return refuse(format!("{here}: name"), quoted(name), expected);
    }
    Ok(())
}

fn check_timeouts(here: &str, timeouts: &Timeouts) -> Result<(), SettingsError> {
    let all = [
        ("connect", timeouts.connect),
        ("first_byte", timeouts.first_byte),
        ("idle", timeouts.idle),
        ("total", timeouts.total),
    ];
    match all.into_iter().find(|(_, time)| time.is_zero()) {
        Some((name, _)) => refuse(format!("{here}: {name}"), "0", "more than nothing"),
        None => Ok(()),
    }
}

fn quoted(text: &str) -> String {
    format!("{text:?}")
}
