//! What did the SDK's calls come to? Counted from the lines that its script writes.

use serde_json::Value;

/// Calls by how they ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) whole: u64,
    pub(crate) streamed: u64,
    /// Streams that broke after output had reached the client: nobody can hide these.
    pub(crate) cut: Vec<String>,
    /// Errors that another provider could have hidden.
    pub(crate) errors: Vec<String>,
    /// The slowest answer, in milliseconds.
    pub(crate) slowest_ms: u64,
}

impl Tally {
    /// From the lines that the script wrote.
    pub(crate) fn read<S: AsRef<str>>(lines: &[S]) -> Self {
        let mut tally = Self::default();
        for line in lines {
            let line = line.as_ref();
            match serde_json::from_str::<Value>(line) {
                Ok(call) if call.is_object() => tally.add(&call),
                // A traceback, say: the script itself broke.
                _ => tally.errors.push(line.to_owned()),
            }
        }
        tally
    }

    pub(crate) fn good(&self) -> u64 {
        self.whole + self.streamed
    }

    fn add(&mut self, call: &Value) {
        let streamed = call["kind"] == "streamed";
        if call["ok"] == true {
            if streamed {
                self.streamed += 1;
            } else {
                self.whole += 1;
            }
            self.slowest_ms = self.slowest_ms.max(call["ms"].as_u64().unwrap_or_default());
            return;
        }
        let error = call["error"].as_str().unwrap_or("no error named").to_owned();
        match streamed && call["pieces"].as_u64().unwrap_or_default() > 0 {
            true => self.cut.push(error),
            false => self.errors.push(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_stream_with_output_may_break() {
        let tally = Tally::read(&[
            r#"{"kind":"whole","ok":true,"ms":5}"#,
            r#"{"kind":"streamed","ok":true,"ms":9,"pieces":3}"#,
            r#"{"kind":"streamed","ok":false,"ms":1,"pieces":3,"error":"cut"}"#,
            r#"{"kind":"streamed","ok":false,"ms":1,"pieces":0,"error":"early"}"#,
            r#"{"kind":"whole","ok":false,"ms":1,"error":"502"}"#,
            "Traceback",
        ]);
        assert_eq!((tally.whole, tally.streamed, tally.slowest_ms), (1, 1, 9));
        assert_eq!(tally.cut, ["cut"]);
        assert_eq!(tally.errors, ["early", "502", "Traceback"]);
    }
}
