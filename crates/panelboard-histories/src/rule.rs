//! What must hold? Each rule stands alone, so that a test can show what it alone refuses.

/// A rule of the naive session.
///
/// ```
/// use panelboard_histories::Rule;
/// assert_eq!(Rule::ALL.len(), 34);
/// assert!(Rule::ALL.iter().all(|rule| !rule.says().is_empty()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "`says` tells each in words")]
pub enum Rule {
    Time,
    Seen,
    Caused,
    OneRun,
    Idle,
    Holder,
    Reject,
    Room,
    Full,
    First,
    Next,
    Stops,
    Reason,
    Once,
    Fence,
    Begins,
    Ends,
    IfIdle,
    Steer,
    TakenBack,
    Era,
    Place,
    Memory,
    Tag,
    Match,
    Stale,
    Key,
    Mismatch,
    Number,
    Input,
    Queue,
    Run,
    Changed,
    Removed,
}

impl Rule {
    /// All of them.
    ///
    /// ```
    /// assert!(panelboard_histories::Rule::ALL.contains(&panelboard_histories::Rule::OneRun));
    /// ```
    pub const ALL: [Self; 34] = [
        Self::Time,
        Self::Seen,
        Self::Caused,
        Self::OneRun,
        Self::Idle,
        Self::Holder,
        Self::Reject,
        Self::Room,
        Self::Full,
        Self::First,
        Self::Next,
        Self::Stops,
        Self::Reason,
        Self::Once,
        Self::Fence,
        Self::Begins,
        Self::Ends,
        Self::IfIdle,
        Self::Steer,
        Self::TakenBack,
        Self::Era,
        Self::Place,
        Self::Memory,
        Self::Tag,
        Self::Match,
        Self::Stale,
        Self::Key,
        Self::Mismatch,
        Self::Number,
        Self::Input,
        Self::Queue,
        Self::Run,
        Self::Changed,
        Self::Removed,
    ];

    /// The rule in words.
    ///
    /// ```
    /// assert!(panelboard_histories::Rule::Full.says().contains("full"));
    /// ```
    #[must_use]
    pub fn says(self) -> &'static str {
        match self {
            Self::Time => "a call takes effect between its question and its answer",
            Self::Seen => "what a client was shown has happened",
            Self::Caused => "nothing stands in the log that nobody has done",
            Self::OneRun => "a run starts when no other has the slot",
            Self::Idle => "nobody waits, and nobody is told busy, while the slot is idle",
            Self::Holder => "who is told busy is told who has the slot",
            Self::Reject => "a run that is to be rejected does not wait, and no other is rejected",
            Self::Room => "no more wait than may",
            Self::Full => "the queue is said to be full when it is",
            Self::First => "who waits goes in the order of arrival, an interrupt before all",
            Self::Next => "when a run has ended the next one starts",
            Self::Stops => "an interrupt, a rollback and a cancel stop the run that has the slot",
            Self::Reason => "a run that was told to stop ends so, whatever its body says",
            Self::Once => "a run ends once",
            Self::Fence => "a run says nothing before it has begun or after it has lost the slot",
            Self::Begins => "a run begins once, when it has the slot",
            Self::Ends => "a clear ends all that runs and waits",
            Self::IfIdle => "a clear that wants nobody disturbed is done when the slot is idle",
            Self::Steer => "a steer is read by the run that goes on, in the order of arrival",
            Self::TakenBack => "what a run that is rolled back has said is taken back",
            Self::Era => "each clear is one era",
            Self::Place => "a write stands in the log where its answer says",
            Self::Memory => "the memory is what the log makes of it",
            Self::Tag => "a tag names the memory as its last change left it",
            Self::Match => "a memory is replaced if it is the one that was read",
            Self::Stale => "a replacement is refused if the memory is another",
            Self::Key => "a key does one thing once, and answers the same again",
            Self::Mismatch => "a key is refused if it was used for something else",
            Self::Number => "runs are numbered as they come, and a submission is told its own",
            Self::Input => "a run is created for what was asked, and is told where it stands",
            Self::Queue => "the queue shows who waits",
            Self::Run => "a run is shown as it is",
            Self::Changed => "a cancel says what it has changed, and what it found",
            Self::Removed => "what is taken out of the queue has waited there",
        }
    }
}

/// The rules that are asked for, and the one number among them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// How many may wait.
    pub(crate) queue: usize,
    /// Left out, to see what it alone refuses.
    pub(crate) without: Option<Rule>,
}

impl Rules {
    pub(crate) fn has(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }

    /// None if the rule is broken.
    pub(crate) fn demand(self, rule: Rule, holds: bool) -> Option<()> {
        (holds || !self.has(rule)).then_some(())
    }
}
