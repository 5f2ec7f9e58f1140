//! What does the program take from the world outside its arguments?

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

/// The environment, as one value: variables, and where local model servers may be.
///
/// It is passed down instead of read where it is needed, so that tests need not change the
/// process. It has no `Debug` of its values: some are secrets.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    local_servers: Vec<(String, SocketAddr)>,
}

impl Environment {
    /// The variables of this process, and the usual ports of Ollama and llama.cpp on loopback,
    /// unless `PANELBOARD_PROBE` is `off`.
    ///
    /// Variables that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let env = Self { variables, local_servers: Vec::new() };
        if env.get("PANELBOARD_PROBE") == Some("off") {
            return env;
        }
        env.with_local_server("ollama", SocketAddr::from(([127, 0, 0, 1], 11434)))
            .with_local_server("llama-cpp", SocketAddr::from(([127, 0, 0, 1], 8080)))
    }

    /// An environment with no variables and no servers.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Adds a variable.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Adds a place where a local model server may be.
    #[must_use]
    pub fn with_local_server(mut self, name: impl Into<String>, at: SocketAddr) -> Self {
        self.local_servers.push((name.into(), at));
        self
    }

    /// The value of a variable; an empty one counts as not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    pub(crate) fn local_servers(&self) -> &[(String, SocketAddr)] {
        &self.local_servers
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.len())
            .field("local_servers", &self.local_servers)
            .finish()
    }
}
