//! How does a changed secret come to the engine? By the way of a reload, with all else as it is.

use std::sync::Arc;

use super::Secrets;
use crate::app::App;

/// Takes each rotation over. Never ends.
pub(crate) async fn rotations(app: Arc<App>) {
    loop {
        app.vault.news.notified().await;
        take_over(&app);
    }
}

fn take_over(app: &App) {
    let done = {
        // Whoever reloads the file replaces the source under the same lock, so a value that comes
        // in between is seen by one of the two.
        let _one_at_a_time = app.taking_over();
        let mut settings = (*app.gateway.settings()).clone();
        if !app.vault.fill(&mut settings) {
            return;
        }
        app.gateway.reload(settings)
    };
    match done {
        Ok(done) => {
            tracing::info!(changed = done.changed, "keys have other secrets from the Vault");
        }
        // The secrets have been checked, and the rest held before.
        Err(error) => tracing::error!(%error, "secrets from the Vault were not taken over"),
    }
}

impl Secrets {
    fn fill(&self, settings: &mut panelboard_llm::Settings) -> bool {
        self.source().is_some_and(|source| source.fill(settings))
    }
}
