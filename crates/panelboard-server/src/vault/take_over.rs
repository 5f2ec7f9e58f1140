//! How do changed secrets, and a changed file, come to the engine? One at a time, so that each
//! begins with what the one before has left; calls go on meanwhile.

use std::fmt;
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
    ///
    /// # Errors
    /// The engine refuses them, or the source has [ended](Self::end): another one would not be
    /// ended by anybody.
    pub(crate) fn reload(
        &self,
        engine: &impl Engine,
        settings: &mut Settings,
        next: Option<Arc<Source>>,
    ) -> Result<Reloaded, NotTaken> {
        let (done, before) = {
            let one_at_a_time = self.begin(!fault::RELOAD_BESIDE_ROTATION.planted());
            let ended = one_at_a_time.as_deref().is_some_and(|door| door.has_ended);
            if ended && !fault::RELOAD_AFTER_END.planted() {
                return Err(NotTaken::Ended);
            }
            let now = self.source();
            if let Some(next) = &next {
                let before = now.filter(|_| !fault::RELOAD_FORGETS_ROTATION.planted());
                before.iter().for_each(|before| next.inherit(before));
                next.fill(settings);
            }
            let done = engine.reload(settings.clone()).map_err(NotTaken::Refused)?;
            next.iter().for_each(|next| next.takes_its_place());
            (done, self.replace(next))
        };
        // Ends what it watched, outside the lock.
        drop(before);
        Ok(done)
    }

    /// Lets no other source take the place of this one any more, and gives it.
    pub(super) fn last(&self) -> Option<Arc<Source>> {
        let mut door = self.taking_over.lock().unwrap_or_else(PoisonError::into_inner);
        door.has_ended = true;
        self.source()
    }

    /// Alone, unless a fault is planted.
    fn begin(&self, alone: bool) -> Option<MutexGuard<'_, TakingOver>> {
        alone.then(|| self.taking_over.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is held while the engine goes over to other settings, or to other secrets.
#[derive(Debug, Default)]
pub(super) struct TakingOver {
    /// There will be no other source.
    has_ended: bool,
}

/// Why other settings were not taken over.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// The engine does not want them.
    Refused(SettingsError),
    /// The server stops.
    Ended,
}

impl fmt::Display for NotTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Ended => f.write_str("the server is stopping"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::time::Duration;

    use panelboard_llm::Secret;
    use panelboard_vault::Stage;

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
        config_with(port, "", more)
    }

    /// With lines for the section of the Vault, and others at the end.
    fn config_with(port: u16, of_vault: &str, more: &str) -> Config {
        let text = format!(
            "[vault]\naddress = \"http://127.0.0.1:{port}\"\ntoken = \"env:TOKEN\"\n{of_vault}\
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

    #[tokio::test]
    async fn a_rotation_while_the_next_vault_is_waited_for_stays() {
        let secrets = Secrets::default();
        let first = config(1, "");
        let one = source(None, &first, &secrets, "k-1");
        drop(secrets.replace(Some(Arc::clone(&one))));
        let gateway = engine(&first, &one);
        // The same Vault at another interval, and others.
        let refresh = config_with(1, "refresh = \"1h\"\n", "");
        for (n, second) in [refresh, config(2, ""), config(3, "")].into_iter().enumerate() {
            let before = secrets.source().expect("a source");
            let settings = second.vault.as_ref().expect("a Vault");
            let next = Source::after(Some(&before), settings, &secrets.news).expect("a client");
            // It has read nothing when the old one sees another key.
            let key = format!("k-{}", n + 2);
            before.kept().for_each(|kept| kept.hold(&key));
            assert!(secrets.rotate(&gateway).is_some_and(|done| done.is_ok()));
            let next = Some(Arc::new(next));
            secrets.reload(&gateway, &mut second.llm.clone(), next).expect("good settings");
            assert!(has_key(&gateway, &key), "{key}");
        }
        // What the new one has read itself is its own, whatever the old one says.
        let last = config(4, "");
        let next = source(Some(&one), &last, &secrets, "of the new Vault");
        secrets.reload(&gateway, &mut last.llm.clone(), Some(next)).expect("good settings");
        assert!(has_key(&gateway, "of the new Vault"));
    }

    #[tokio::test]
    async fn watches_of_the_same_client_go_on_when_their_interval_changes() {
        let secrets = Secrets::default();
        let (first, second) = (config(1, ""), config_with(1, "refresh = \"1h\"\n", ""));
        let one = source(None, &first, &secrets, "k-1");
        drop(secrets.replace(Some(Arc::clone(&one))));
        let gateway = engine(&first, &one);
        let settings = second.vault.as_ref().expect("a Vault");
        let two = Source::after(Some(&one), settings, &secrets.news).expect("a client");
        let interval = || one.kept().next().expect("a secret").interval();
        assert_eq!(two.client().health().watches, 1, "none is begun beside the one that there is");
        let before = interval();
        secrets.reload(&gateway, &mut second.llm.clone(), Some(Arc::new(two))).expect("good");
        assert_eq!(interval(), Duration::from_secs(3_600));
        assert!(before < interval());
    }

    #[tokio::test]
    async fn no_source_takes_the_place_of_one_that_has_ended() {
        let secrets = Secrets::default();
        let (first, second) = (config(1, ""), config(2, ""));
        let one = source(None, &first, &secrets, "k-1");
        drop(secrets.replace(Some(Arc::clone(&one))));
        let gateway = engine(&first, &one);
        let two = source(Some(&one), &second, &secrets, "k-2");
        let other = two.client().clone();
        secrets.end(Duration::ZERO).await;
        let late = secrets.reload(&gateway, &mut second.llm.clone(), Some(two));
        assert!(matches!(late, Err(NotTaken::Ended)), "{late:?}");
        assert!(has_key(&gateway, "k-1"));
        assert_eq!(secrets.client().map(|client| client.health().stage), Some(Stage::Stopped));
        assert_eq!(other.health().stage, Stage::Serving, "nobody has ended it");
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
