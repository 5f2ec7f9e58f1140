//! What does a look show?

use super::{Said, Step};
use crate::{
    call::{Asked, Item, Told, Waiting},
    rule::Rule,
};

impl Step<'_> {
    pub(super) fn read(&self, asked: &Asked, told: &Told) -> Option<()> {
        match (asked, told) {
            (_, Told::Unknown) => Some(()),
            (Asked::Memory, Told::Memory { tag, items, whole }) => {
                self.demand(Rule::Tag, *tag == self.now.tag())?;
                let length = self.now.items.len();
                let fits = if *whole { items.len() == length } else { items.len() < length };
                let same = self.now.items.iter().zip(items).all(|(here, there)| here.is(there));
                self.demand(Rule::Memory, fits && same)
            }
            (Asked::Queue, Told::Queue(shown)) => self.demand(Rule::Queue, *shown == self.queue()),
            (Asked::Run(run), Told::NoSuchRun) => {
                self.demand(Rule::Run, !self.now.runs.contains_key(run))
            }
            (Asked::Run(run), Told::Run { status, input, output }) => {
                let same = self.now.runs.get(run).is_some_and(|one| {
                    let said = match &one.output {
                        None => output.is_none(),
                        Some(None) => output.is_some(),
                        known => *known == Some(output.clone()),
                    };
                    one.status == *status && one.input == *input && said
                });
                self.demand(Rule::Run, same)
            }
            _ => None,
        }
    }

    fn queue(&self) -> Vec<Waiting> {
        let place = |steer: bool| {
            move |run: &u64| {
                let input = self.now.runs.get(run).map(|one| one.input.clone());
                Waiting { run: *run, steer, input: input.unwrap_or_default() }
            }
        };
        let waiting = self.now.front.iter().chain(&self.now.queue).map(place(false));
        waiting.chain(self.now.inbox().iter().map(place(true))).collect()
    }
}

impl Said {
    fn is(&self, shown: &Item) -> bool {
        let text = self.item.text.is_none() || self.item.text == shown.text;
        text && Item { text: None, ..self.item.clone() } == Item { text: None, ..shown.clone() }
    }
}
