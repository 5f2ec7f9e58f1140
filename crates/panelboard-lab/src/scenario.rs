//! What does a scenario say, and what is wrong with it?
//!
//! A text goes through four steps, each in a file of its own:
//!
//! 1. `tree` makes one tree of TOML and JSON, with the place of each value;
//! 2. `fields` is the one table of every key, range and default;
//! 3. `check` walks the tree beside that table and collects *every* mistake with its place;
//! 4. `plan::build` turns checked values into what the engine runs on, and finds the mistakes that
//!    take two values to see.

mod check;
mod fields;
mod tree;
mod values;

pub(crate) use panelboard_mistakes::Found;
pub use panelboard_mistakes::{Mistake, Mistakes};
pub(crate) use values::Table;

use crate::plan::{self, Plan};

/// The longest text of a scenario, in bytes. A longer one is refused.
///
/// ```
/// use panelboard_lab::{MAX_SCENARIO_BYTES, Scenario};
///
/// let long = " ".repeat(MAX_SCENARIO_BYTES + 1);
/// let said = Scenario::from_toml("s.toml", &long).unwrap_err().to_string();
/// assert_eq!(said, "s.toml: is 1048577 bytes long, expected at most 1048576");
/// ```
pub const MAX_SCENARIO_BYTES: usize = 1 << 20;

/// A checked scenario: services, what goes wrong with them, callers, and the policies to compare.
///
/// Its keys are described in `docs/lab.md`.
///
/// ```
/// use panelboard_lab::Scenario;
///
/// let text = r#"
///     title = "a provider that fails hard"
///     [run]
///     lasts = "2m"
///     [[service]]
///     name = "provider"
///     latency = { kind = "exponential", mean = "50ms" }
///     episode = [{ kind = "errors", at = "30s", lasts = "30s", after = "1ms" }]
///     [[caller]]
///     name = "app"
///     calls = ["provider"]
///     rate = 20
/// "#;
/// let scenario = Scenario::from_toml("hard.toml", text)?;
/// assert_eq!(scenario.title(), "a provider that fails hard");
/// assert_eq!(scenario.policies().collect::<Vec<_>>(), ["none", "defaults"]);
/// # Ok::<(), panelboard_lab::Mistakes>(())
/// ```
#[derive(Clone, Debug)]
pub struct Scenario {
    pub(crate) plan: Plan,
}

impl Scenario {
    /// Reads a scenario from TOML. `source` stands before each mistake: a file's name.
    ///
    /// ```
    /// use panelboard_lab::Scenario;
    ///
    /// let said = Scenario::from_toml("s.toml", "[run]\nlasts = \"1m\"\nsteps = 3").unwrap_err();
    /// let line = said.to_string().lines().last().unwrap_or_default().to_owned();
    /// assert!(line.starts_with("s.toml:3:1: run.steps: unknown field, expected one of lasts,"));
    /// ```
    ///
    /// # Errors
    /// Every mistake of the text, in the order of its lines.
    pub fn from_toml(source: &str, text: &str) -> Result<Self, Mistakes> {
        Self::from(source, text, tree::toml)
    }

    /// Reads a scenario from JSON: the same keys, an array where TOML has `[[...]]`.
    ///
    /// ```
    /// use panelboard_lab::Scenario;
    ///
    /// let text = r#"{
    ///     "run": { "lasts": "1m", "seeds": 2 },
    ///     "service": [{ "name": "a", "latency": { "kind": "constant", "mean": "5ms" } }],
    ///     "caller": [{ "name": "app", "calls": ["a"], "rate": 20 }]
    /// }"#;
    /// assert!(Scenario::from_json("s.json", text).is_ok());
    /// let said = Scenario::from_json("s.json", &text.replace("20", "-1")).unwrap_err();
    /// assert!(said.to_string().starts_with("s.json:4:57: caller[0].rate: -1 is out of range"));
    /// ```
    ///
    /// # Errors
    /// Every mistake of the text, in the order of its lines.
    pub fn from_json(source: &str, text: &str) -> Result<Self, Mistakes> {
        Self::from(source, text, tree::json)
    }

    fn from(
        source: &str,
        text: &str,
        read: fn(&str) -> Result<tree::Node, Vec<Found>>,
    ) -> Result<Self, Mistakes> {
        if text.len() > MAX_SCENARIO_BYTES {
            let wrong =
                format!("is {} bytes long, expected at most {MAX_SCENARIO_BYTES}", text.len());
            return Err(Mistakes::unreadable(source, wrong));
        }
        let mistakes = |found| Mistakes::new(source, text, found);
        let (values, mut found) = check::check(read(text).map_err(mistakes)?);
        match plan::build(&values, &mut found) {
            Some(plan) if found.is_empty() => Ok(Self { plan }),
            _ => Err(mistakes(found)),
        }
    }

    /// What it is about; empty if it does not say.
    ///
    /// ```
    /// # let text = "[run]\nlasts = \"1m\"\n[[service]]\nname = \"a\"\nlatency = { kind = \
    /// # \"constant\", mean = \"5ms\" }\n[[caller]]\nname = \"b\"\ncalls = [\"a\"]\nrate = 1\n";
    /// # use panelboard_lab::Scenario;
    /// let scenario = Scenario::from_toml("s.toml", &format!("title = \"a day\"\n{text}"))?;
    /// assert_eq!(scenario.title(), "a day");
    /// # Ok::<(), panelboard_lab::Mistakes>(())
    /// ```
    #[must_use]
    pub fn title(&self) -> &str {
        &self.plan.title
    }

    /// The policies' names, in the order in which they are compared; `none` first.
    ///
    /// ```
    /// # let text = "[run]\nlasts = \"1m\"\n[[service]]\nname = \"a\"\nlatency = { kind = \
    /// # \"constant\", mean = \"5ms\" }\n[[caller]]\nname = \"b\"\ncalls = [\"a\"]\nrate = 1\n";
    /// # use panelboard_lab::Scenario;
    /// let scenario = Scenario::from_toml("s.toml", &format!("{text}[[policy]]\nname = \"x\"\n"))?;
    /// assert_eq!(scenario.policies().collect::<Vec<_>>(), ["none", "x"]);
    /// # Ok::<(), panelboard_lab::Mistakes>(())
    /// ```
    pub fn policies(&self) -> impl Iterator<Item = &str> {
        self.plan.policies.iter().map(|policy| policy.name.as_str())
    }
}

#[cfg(test)]
mod tests;
