//! How is a server killed again and again, at moments that chance picks, while clients load it?
//!
//! The clients are a script that is told `up SECONDS` when a server is there (it was started then),
//! says `loading` when its load begins, and `down` when it has seen that the server is gone.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use crate::{chance::Chance, client::Client, clock, process::Running, server, story::Story};

/// For what the clients do on their own.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// A server that is to be killed, and comes back with the same configuration and store.
#[derive(Debug)]
pub(crate) struct Mortal {
    pub(crate) program: PathBuf,
    pub(crate) address: SocketAddr,
    pub(crate) config: PathBuf,
    /// It is killed within so many milliseconds of the beginning of the load.
    pub(crate) within_ms: u64,
}

impl Mortal {
    /// Kills it so often: mostly under load, sometimes at its start or while clients look what is
    /// left.
    ///
    /// # Errors
    /// It does not come back, ends by itself, or a client breaks.
    pub(crate) fn die(
        &self,
        kills: u32,
        chance: &mut Chance,
        clients: &mut Client,
        story: &mut Story,
    ) -> Result<(), String> {
        let (mut early, mut checking) = (0, 0);
        for kill in 1..=kills {
            match chance.below(8) {
                // Before it listens, or while it takes up what the last one left.
                0 => {
                    let mut running = self.spawn()?;
                    clock::pause(Duration::from_millis(chance.below(150)));
                    running.kill();
                    early += 1;
                }
                // While clients look what is there and send again what was not answered.
                1 => {
                    self.life(clients, false, Duration::from_millis(chance.below(200)))?;
                    checking += 1;
                }
                _ => {
                    let after = Duration::from_millis(5 + chance.below(self.within_ms));
                    self.life(clients, true, after)?;
                }
            }
            if kill % 20 == 0 {
                story.say(format!("killed {kill} of {kills} times"));
            }
        }
        story.say(format!(
            "kill -9: {kills} times, {early} of them at the start, {checking} while clients looked"
        ));
        Ok(())
    }

    fn spawn(&self) -> Result<Running, String> {
        server::spawn(&self.program, self.address, &self.config)
    }

    /// Ready, and when it was started, in seconds since 1970.
    ///
    /// # Errors
    /// It does not start.
    pub(crate) fn start(&self) -> Result<(Running, String), String> {
        let started = clock::wall_ms();
        let mut running = self.spawn()?;
        server::wait_for(&mut running, self.address, "/ready")?;
        Ok((running, format!("{}.{:03}", started / 1000, started % 1000)))
    }

    /// From a start to a kill, `after` the clients load it or have begun to look.
    fn life(&self, clients: &mut Client, loaded: bool, after: Duration) -> Result<(), String> {
        let (mut running, started) = self.start()?;
        clients.tell(&format!("up {started}"))?;
        if loaded {
            clients
                .wait(LIMIT, "the load", |line| line["loading"].as_u64())
                .map_err(|why| with_log(why, &running))?;
        }
        clock::pause(after);
        if !running.alive() {
            return Err(with_log("the server ended by itself".into(), &running));
        }
        running.kill();
        clients.wait(LIMIT, "the server's end", |line| line["down"].as_u64()).map(drop)
    }

    /// A last life, in which the clients bring all to its end and judge it.
    ///
    /// # Errors
    /// It does not start, or the clients break.
    pub(crate) fn conclude(
        &self,
        mut clients: Client,
        limit: Duration,
        story: &mut Story,
    ) -> Result<(), String> {
        let (running, started) = self.start()?;
        clients.tell(&format!("end {started}"))?;
        clients.conclude(limit, story).map_err(|why| with_log(why, &running))
    }
}

fn with_log(why: String, running: &Running) -> String {
    format!("{why}\nthe server's last lines:\n{}", running.lines.last(15))
}
