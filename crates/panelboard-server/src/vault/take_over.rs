//! How do changed secrets, and a changed file, come to the engine? One at a time, so that each
//! begins with what the one before has left; calls go on meanwhile.

use std::sync::{Arc, MutexGuard, PoisonError};

use panelboard_llm::{Gateway, Reloaded, Settings, SettingsError};

use super::Secrets;
use super::source::Source;
use crate::app::App;
use crate::fault;

/// The engine, as far as it is taken over.
pub(crate) trait Engine {
    /// What holds.
    fn settings(&self) -> Arc<Settings>;
    /// Goes over to other settings, as a whole or not at all.
    fn reload(&self, settings: Settings) -> Result<Reloaded, SettingsError>;
}

impl Engine for Gateway {
    fn settings(&self) -> Arc<Settings> {
        self.settings()
    }

    fn reload(&self, settings: Settings) -> Result<Reloaded, SettingsError> {
        self.reload(settings)
    }
}

/// Takes each rotation over. Never ends.
pub(crate) async fn rotations(app: Arc<App>) {
    loop {
        app.vault.news.notified().await;
        match app.vault.rotate(&app.gateway) {
            None => {}
            Some(Ok(done)) => {
                tracing::info!(changed = done.changed, "keys have other secrets from the Vault");
            }
            // The secrets have been checked, and the rest held before.
            Some(Err(error)) => {
                tracing::error!(%error, "secrets from the Vault were not taken over");
            }
        }
    }
}

impl Secrets {
    /// Gives the engine the secrets that are in hand, with all else as it is. None: it has them.
    fn rotate(&self, engine: &impl Engine) -> Option<Result<Reloaded, SettingsError>> {
        let _one_at_a_time = self.begin(!fault::ROTATION_BESIDE_RELOAD.planted());
        let mut settings = (*engine.settings()).clone();
        let is_news = self.source().is_some_and(|source| source.fill(&mut settings));
        is_news.then(|| engine.reload(settings))
    }

    /// Gives the engine other settings, with the secrets of the source that comes with them. The
    /// source changes in the same step, so a value that comes meanwhile is seen here, or by the
    /// rotation that it causes.
    pub(crate) fn reload(
        &self,
        engine: &impl Engine,
        settings: &mut Settings,
        next: Option<Arc<Source>>,
    ) -> Result<Reloaded, SettingsError> {
        let (done, before) = {
            let _one_at_a_time = self.begin(!fault::RELOAD_BESIDE_ROTATION.planted());
            if let Some(next) = &next {
                next.fill(settings);
            }
            (engine.reload(settings.clone())?, self.replace(next))
        };
        // Ends what it watched, outside the lock.
        drop(before);
        Ok(done)
    }

    /// Alone, unless a fault is planted.
    fn begin(&self, alone: bool) -> Option<MutexGuard<'_, ()>> {
        alone.then(|| self.taking_over.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use panelboard_llm::Secret;

    use super::*;
    use crate::config::{self, Config, Environment};

    /// The engine, and somebody who comes along in the middle of what is done to it: when its
    /// settings were read, or when it has gone over to others.
    struct Visited<'a> {
        gateway: &'a Gateway,
        when_read: RefCell<Option<Box<dyn FnOnce() + 'a>>>,
        when_reloaded: RefCell<Option<Box<dyn FnOnce() + 'a>>>,
    }

    impl Engine for Visited<'_> {
        fn settings(&self) -> Arc<Settings> {
            let settings = self.gateway.settings();
            let visit = self.when_read.take();
            visit.into_iter().for_each(|visit| visit());
            settings
        }

        fn reload(&self, settings: Settings) -> Result<Reloaded, SettingsError> {
            let done = self.gateway.reload(settings);
            let visit = self.when_reloaded.take();
            visit.into_iter().for_each(|visit| visit());
            done
        }
    }

    fn config(port: u16, more: &str) -> Config {
        let text = format!(
            "[vault]\naddress = \"http://127.0.0.1:{port}\"\ntoken = \"env:TOKEN\"\n\
             [[provider]]\nname = \"v\"\nkind = \"openai-compatible\"\n\
             base_url = \"http://127.0.0.1:1/v1\"\n\
             keys = [{{ name = \"one\", secret = \"vault:secret/llm#api_key\" }}]\n\
             [[model]]\nname = \"fast\"\ntargets = [\"v/m\"]\n{more}"
        );
        let env = Environment::empty().with("TOKEN", "hvs.test");
        let source = config::Source::File("test.toml".into());
        config::parse(&text, source, None, &env).expect("it is right")
    }

    /// A source in whose hand is `value`. Its watches never get to ask: nothing here is awaited.
    fn source(old: Option<&Source>, of: &Config, secrets: &Secrets, value: &str) -> Arc<Source> {
        let settings = of.vault.as_ref().expect("a Vault");
        let source = Source::after(old, settings, &secrets.news).expect("a client");
        source.kept().for_each(|kept| kept.hold(value));
        Arc::new(source)
    }

    fn engine(of: &Config, source: &Source) -> Gateway {
        let mut settings = of.llm.clone();
        source.fill(&mut settings);
        Gateway::builder(settings).build().expect("good settings")
    }

    fn has_key(gateway: &Gateway, value: &str) -> bool {
        gateway.settings().providers[0].keys[0].secret == Secret::new(value.to_owned())
    }

    /// Does `work` if nobody is taking over, as whoever waits for the lock would; says whether.
    fn at_once(secrets: &Secrets, work: impl FnOnce()) -> bool {
        let is_free = secrets.taking_over.try_lock().is_ok();
        if is_free {
            work();
        }
        is_free
    }

    #[tokio::test]
    async fn a_reload_in_the_middle_of_a_rotation_is_not_undone_by_it() {
        let secrets = Secrets::default();
        let first = config(1, "");
        let second = config(1, "[[model]]\nname = \"other\"\ntargets = [\"v/m\"]\n");
        let one = source(None, &first, &secrets, "k-1");
        drop(secrets.replace(Some(Arc::clone(&one))));
        let gateway = engine(&first, &one);
        let two = source(Some(&one), &second, &secrets, "k-2");

        let reload = || {
            let next = Some(Arc::clone(&two));
            secrets.reload(&gateway, &mut second.llm.clone(), next).expect("good settings");
        };
        let has_reloaded = Cell::new(false);
        let visit = || has_reloaded.set(at_once(&secrets, reload));
        let (when_read, when_reloaded) =
            (RefCell::new(Some(Box::new(visit) as _)), RefCell::default());
        let rotated = secrets.rotate(&Visited { gateway: &gateway, when_read, when_reloaded });
        assert!(rotated.is_some_and(|done| done.is_ok()));
        if !has_reloaded.get() {
            reload();
        }
        assert_eq!(gateway.models(), ["fast", "other"]);
        assert!(has_key(&gateway, "k-2"));
    }

    #[tokio::test]
    async fn a_rotation_in_the_middle_of_a_reload_brings_nothing_old() {
        let secrets = Secrets::default();
        let (first, second) = (config(1, ""), config(2, ""));
        let one = source(None, &first, &secrets, "k-1");
        drop(secrets.replace(Some(Arc::clone(&one))));
        let gateway = engine(&first, &one);
        let two = source(Some(&one), &second, &secrets, "of the new Vault");

        let rotate = || drop(secrets.rotate(&gateway));
        let has_rotated = Cell::new(false);
        let visit = || has_rotated.set(at_once(&secrets, rotate));
        let (when_read, when_reloaded) =
            (RefCell::default(), RefCell::new(Some(Box::new(visit) as _)));
        let visited = Visited { gateway: &gateway, when_read, when_reloaded };
        secrets.reload(&visited, &mut second.llm.clone(), Some(two)).expect("good settings");
        if !has_rotated.get() {
            rotate();
        }
        assert!(has_key(&gateway, "of the new Vault"));
    }
}
