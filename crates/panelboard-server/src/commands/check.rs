//! `panelboard check`: what is wrong with a configuration file?

use super::{complain, say};
use crate::cli::{self, exit};
use crate::config::{self, Config, Environment};

/// Checks a file, or prints the schema of all of them.
pub(super) fn check(args: &cli::Check, env: &Environment) -> u8 {
    if args.schema {
        say(format_args!("{:#}", config::schema()));
        return exit::OK;
    }
    let Some(file) = &args.file else { return exit::USAGE };
    match config::load(file, None, env) {
        Ok(config) => {
            say(format_args!("{}: ok, {}", file.display(), summary(&config)));
            exit::OK
        }
        Err(mistakes) => {
            complain(&mistakes);
            exit::REFUSED
        }
    }
}

/// What a configuration holds, in a few words.
fn summary(config: &Config) -> String {
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let keys = config.llm.providers.iter().map(|provider| provider.keys.len()).sum();
    let all = format!(
        "{}, {}, {}",
        count(config.llm.providers.len(), "provider"),
        count(keys, "key"),
        count(config.llm.models.len(), "model"),
    );
    let logs = match config.log.sinks.len() {
        0 => String::new(),
        n => format!("; logs go to {}", count(n, "sink")),
    };
    match &config.vault {
        None => all + &logs,
        Some(vault) => {
            let keys = count(vault.keys.len(), "key");
            format!("{all}{logs}; the Vault was not asked for the secrets of {keys}")
        }
    }
}
