//! What do the Python clients say? JSON lines: waited for, counted, turned into checks.

use std::{process::Command, time::Duration};

use serde_json::Value;

use crate::{clock, process::Running, story::Story};

/// So many findings of one rule are shown; the record has them all.
const SHOWN: usize = 5;

/// A script that runs, and how far its lines have been read.
#[derive(Debug)]
pub(crate) struct Client {
    running: Running,
    read: usize,
    /// Said and not yet told.
    said: Vec<Value>,
}

impl Client {
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(name: &str, command: Command) -> Result<Self, String> {
        Ok(Self { running: Running::start(name, command)?, read: 0, said: Vec::new() })
    }

    /// # Errors
    /// It does not read any more.
    pub(crate) fn tell(&mut self, line: &str) -> Result<(), String> {
        self.running.tell(line)
    }

    /// Waits until it says something that `wanted` takes; of several, the last.
    ///
    /// # Errors
    /// It ends, or `limit` is over.
    pub(crate) fn wait<T>(
        &mut self,
        limit: Duration,
        what: &str,
        mut wanted: impl FnMut(&Value) -> Option<T>,
    ) -> Result<T, String> {
        let mut found = None;
        let mut ended = false;
        clock::wait_until(limit, || {
            ended = !self.running.alive();
            for line in self.news() {
                found = wanted(&line).or(found.take());
                self.said.push(line);
            }
            found.is_some() || ended
        });
        let state = if ended { "ended" } else { "is silent" };
        found.ok_or_else(|| {
            let last = self.running.lines.last(25);
            format!("{:?} {state}, waited for {what}:\n{last}", self.running)
        })
    }

    /// Waits for its end, and tells its counts and checks.
    ///
    /// # Errors
    /// It does not end, or broke.
    pub(crate) fn conclude(mut self, limit: Duration, story: &mut Story) -> Result<(), String> {
        let ended = clock::wait_until(limit, || !self.running.alive());
        // Its last lines are on their way through the pipe.
        clock::pause(Duration::from_millis(100));
        let news = self.news();
        self.said.extend(news);
        let checks = self.said.iter().filter(|line| line["check"].is_string()).count();
        if !ended || !self.running.succeeded() || checks == 0 {
            let last = self.running.lines.last(25);
            let state = if ended { "broke" } else { "does not end" };
            return Err(format!("{:?} {state}:\n{last}", self.running));
        }
        table(&self.said);
        for line in &self.said {
            judge(line, story);
        }
        Ok(())
    }

    /// Lines since the last time that are JSON; others are for a person.
    fn news(&mut self) -> Vec<Value> {
        let lines = self.running.lines.all();
        let new = lines[self.read.min(lines.len())..].iter();
        let new = new.filter_map(|(_, line)| serde_json::from_str(line).ok()).collect();
        self.read = lines.len();
        new
    }
}

fn table(said: &[Value]) {
    let counts = said.iter().filter_map(|line| Some((line["count"].as_str()?, &line["number"])));
    println!("             | what | how often |\n             | --- | --: |");
    for (what, number) in counts {
        println!("             | {what} | {number} |");
    }
}

fn judge(line: &Value, story: &mut Story) {
    let Some(name) = line["check"].as_str() else { return };
    let what = line["what"].as_str().unwrap_or_default();
    story.check(line["ok"] == true, format!("{name}: {what}"));
    let found: Vec<&str> =
        line["found"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for one in found.iter().take(SHOWN) {
        println!("             {one}");
    }
    if found.len() > SHOWN {
        println!("             and {} more", found.len() - SHOWN);
    }
}
