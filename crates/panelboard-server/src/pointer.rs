//! Which part of a JSON text stands at a place of it, as a JSON pointer (RFC 6901)? Pure.
//!
//! For a text that was read up to there: of what is no JSON some pointer is told, and no panic.

/// A step from a value to one within it.
enum Step {
    Field(String),
    Item(usize),
}

/// The pointer to what ends at a line and a column, from 1 as `serde_json` counts them.
pub(crate) fn of(text: &[u8], line: usize, column: usize) -> String {
    let lines = text.split(|byte| *byte == b'\n').take(line.saturating_sub(1));
    let before: usize = lines.map(|line| line.len() + 1).sum();
    let text = &text[..before.saturating_add(column).min(text.len())];
    let mut path = Vec::new();
    // A text that comes now is the name of a field.
    let mut names = false;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let mut next = at + 1;
        match byte {
            b'{' => {
                path.push(Step::Field(String::new()));
                names = true;
            }
            b'[' => {
                path.push(Step::Item(0));
                names = false;
            }
            b'}' | b']' => drop(path.pop()),
            b',' => match path.last_mut() {
                Some(Step::Item(index)) => *index += 1,
                _ => names = true,
            },
            b'"' => {
                next = end_of_text(text, at);
                if let (true, Some(Step::Field(name))) = (names, path.last_mut()) {
                    *name = serde_json::from_slice(&text[at..next]).unwrap_or_default();
                    names = false;
                }
            }
            _ => {}
        }
        at = next;
    }
    path.iter().map(Step::shown).collect()
}

/// The pointer to a field of the outermost value.
pub(crate) fn field(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// Behind the quotation mark that ends the text which begins at `at`.
fn end_of_text(text: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    text.len()
}

impl Step {
    fn shown(&self) -> String {
        match self {
            Self::Field(name) => field(name),
            Self::Item(index) => format!("/{index}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::of;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Known {
        #[serde(default)]
        #[expect(dead_code, reason = "only its name is read")]
        a: Vec<Known>,
        #[serde(default)]
        #[expect(dead_code, reason = "only its name is read")]
        b: String,
    }

    #[test]
    fn an_unknown_field_is_where_it_stands() {
        for (text, pointer) in [
            (r#"{"x":1}"#, "/x"),
            (r#"{"b":"{,[\"\\","x":1}"#, "/x"),
            (r#"{"a":[{},{"b":"y"},{"b":"","x":1}]}"#, "/a/2/x"),
            ("{\n  \"a\": [\n    {\"a\": [{}], \"u/v~w\": []}\n  ]\n}", "/a/0/u~1v~0w"),
            ("{\"b\":\"\u{fc}\u{1f600}\",\"\u{fc}\":0}", "/\u{fc}"),
            (r#"{"":0}"#, "/"),
        ] {
            let error = serde_json::from_str::<Known>(text).unwrap_err();
            assert!(error.to_string().starts_with("unknown field"), "{error}");
            assert_eq!(of(text.as_bytes(), error.line(), error.column()), pointer, "{text}");
        }
    }

    #[test]
    fn whatever_is_asked_for_is_answered() {
        for text in ["", "{", "\"", "\"\\", "]}]}", "{\"a\\", "[[[{\"\u{fc}"] {
            for (line, column) in [(0, 0), (1, 0), (1, 3), (7, 1), (usize::MAX, usize::MAX)] {
                let _ = of(text.as_bytes(), line, column);
            }
        }
    }
}
