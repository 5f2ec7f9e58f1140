//! What is told below a table, and by which mark within it?

use super::goals::wrapped;

/// Each note once, in the order in which it was first needed.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<&'static str>);

impl Notes {
    pub(super) fn mark(&mut self, note: &'static str) -> String {
        let place = self.0.iter().position(|it| *it == note).unwrap_or_else(|| {
            self.0.push(note);
            self.0.len() - 1
        });
        raised(place + 1)
    }

    pub(super) fn text(&self) -> String {
        let notes = self.0.iter().enumerate();
        let notes: Vec<String> =
            notes.map(|(place, note)| format!("{} {note}.", raised(place + 1))).collect();
        wrapped(&notes.join(" "), "")
    }
}

/// In raised digits, which a terminal shows as well as a page.
fn raised(number: usize) -> String {
    let digit = |digit: char| match digit {
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        _ => '⁹',
    };
    number.to_string().chars().map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_told_once() {
        let mut notes = Notes::default();
        assert_eq!([notes.mark("a"), notes.mark("b"), notes.mark("a")], ["¹", "²", "¹"]);
        assert_eq!(notes.text(), "¹ a. ² b.\n");
        assert_eq!(raised(10), "¹⁰");
    }
}
