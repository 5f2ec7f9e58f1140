//! How do the pretend providers of a configuration come to life?

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use panelboard_llm::pretend::{Fault, Pretend, UnknownKey};
use panelboard_llm::{Kind, Provider, Settings};

/// The one server behind all pretend providers, started when a configuration first has one.
#[derive(Debug, Default)]
pub(crate) struct Pretenders {
    /// Set once. Held to clone or to set the `Arc`.
    server: RwLock<Option<Arc<Pretend>>>,
}

impl Pretenders {
    /// Gives the pretend providers of `settings` their address and the secrets of their keys.
    ///
    /// Keys that were there before keep theirs, so that a reload does not reset their breakers.
    ///
    /// # Errors
    ///
    /// No port on loopback, or no source of random numbers.
    pub(crate) async fn fill(&self, settings: &mut Settings) -> io::Result<()> {
        let is_pretend = |provider: &&mut Provider| provider.kind == Kind::Pretend;
        let mut providers = settings.providers.iter_mut().filter(is_pretend).peekable();
        if providers.peek().is_none() {
            return Ok(());
        }
        let server = self.started().await?;
        for provider in providers {
            provider.base_url = server.base_url();
            for key in &mut provider.keys {
                server.add(&provider.name, &key.name)?;
                let secret = server.secret(&provider.name, &key.name);
                key.secret = secret.ok_or_else(|| io::Error::other("the key is gone"))?;
            }
        }
        Ok(())
    }

    /// Makes a key fail.
    ///
    /// # Errors
    ///
    /// It is no key of a pretend provider.
    pub(crate) fn set_fault(
        &self,
        provider: &str,
        key: &str,
        fault: Fault,
        lasting: Option<Duration>,
    ) -> Result<(), UnknownKey> {
        self.server().ok_or(UnknownKey)?.set_fault(provider, key, fault, lasting)
    }

    /// The fault of a key, if it has one.
    pub(crate) fn fault(&self, provider: &str, key: &str) -> Option<(Fault, Option<Duration>)> {
        self.server()?.fault(provider, key)
    }

    async fn started(&self) -> io::Result<Arc<Pretend>> {
        if let Some(server) = self.server() {
            return Ok(server);
        }
        // Only the start and the reload task come here, one after the other.
        let nobody: [(&str, Vec<&str>); 0] = [];
        let server = Arc::new(Pretend::start(&nobody).await?);
        *self.server.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&server));
        Ok(server)
    }

    fn server(&self) -> Option<Arc<Pretend>> {
        self.server.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
