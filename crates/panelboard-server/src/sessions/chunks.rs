//! What does a streamed completion say, piece by piece?

use panelboard_llm::sse::{Event, Reader};
use serde_json::Value;

use super::tools::Piece;
use super::turn;

/// One thing that a stream says.
#[derive(Debug, PartialEq)]
pub(super) enum Chunk {
    Text(String),
    /// Of a tool's call.
    Call(Piece),
    Usage(Value),
    Error(Value),
}

/// Reads a stream whose bytes may be split anywhere.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    reader: Reader,
    done: bool,
}

impl Chunks {
    /// Whether the stream has said that it is at its end.
    pub(super) fn done(&self) -> bool {
        self.done
    }

    /// What came with these bytes.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Vec<Chunk> {
        self.reader.feed(bytes);
        let mut said = Vec::new();
        while let Some(event) = self.reader.next() {
            match event {
                Ok(event) => self.hear(&event, &mut said),
                Err(error) => {
                    let error = serde_json::json!({ "message": error.to_string() });
                    said.push(Chunk::Error(turn::error(&error)));
                }
            }
        }
        said
    }

    fn hear(&mut self, event: &Event, said: &mut Vec<Chunk>) {
        if event.is_done() {
            self.done = true;
            return;
        }
        let Ok(data) = serde_json::from_slice::<Value>(&event.data) else { return };
        if data["error"].is_object() {
            said.push(Chunk::Error(turn::error(&data["error"])));
        }
        if let Some(text) = data["choices"][0]["delta"]["content"].as_str()
            && !text.is_empty()
        {
            said.push(Chunk::Text(text.to_owned()));
        }
        said.extend(Piece::of(&data["choices"][0]["delta"]["tool_calls"]).map(Chunk::Call));
        if data["usage"].is_object() {
            said.push(Chunk::Usage(data["usage"].clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_says_the_same_however_its_bytes_are_cut() {
        let stream = "data: {\"choices\":[{\"delta\":{\"content\":\"\"}}]}\n\n\
                      data: {\"choices\":[{\"delta\":{\"content\":\"zw\u{f6}lf\"}}]}\n\n\
                      : a comment\n\n\
                      data: {\"choices\":[],\"usage\":{\"total_tokens\":3}}\n\n\
                      data: {\"error\":{\"code\":\"c\",\"message\":\"m\",\"type\":\"t\"}}\n\n\
                      data: [DONE]\n\n";
        for size in [1, 2, 3, 10, 1_000] {
            let mut chunks = Chunks::default();
            let said: Vec<Chunk> =
                stream.as_bytes().chunks(size).flat_map(|piece| chunks.read(piece)).collect();
            let expected = [
                Chunk::Text("zw\u{f6}lf".into()),
                Chunk::Usage(serde_json::json!({ "total_tokens": 3 })),
                Chunk::Error(serde_json::json!({ "code": "c", "message": "m" })),
            ];
            assert_eq!(said, expected, "in pieces of {size}");
            assert!(chunks.done());
        }
    }
}
