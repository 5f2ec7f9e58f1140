//! A provider's stream as pieces that are ready for the client.

use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::look::{Look, look};
use crate::{
    anthropic::StreamTranslator,
    observe::Usage,
    settings::Kind,
    sse::{Event, Reader},
    transport::Body,
    verdict::{self, Class, Verdict},
};

/// An event, or what ended the stream.
#[derive(Debug)]
pub(super) enum Piece {
    /// To be passed on. `output` says whether it holds the first real output.
    Pass { bytes: Bytes, output: bool, usage: Option<Usage> },
    /// The provider's own end mark.
    Done { bytes: Bytes, usage: Option<Usage> },
    /// The stream is over, and not well.
    Failed(Verdict),
}

/// A provider's stream.
#[derive(Debug)]
pub(crate) struct Source {
    body: Body,
    reader: Reader,
    kind: Kind,
    translator: Option<StreamTranslator>,
    /// Output has been found: it is looked for no more.
    found: bool,
    over: bool,
}

impl Source {
    pub(crate) fn new(body: Body, kind: Kind, translator: Option<StreamTranslator>) -> Self {
        Self { body, reader: Reader::new(), kind, translator, found: false, over: false }
    }

    /// The pieces that the next bytes of the body bring; none, if they end no event. After `Done`
    /// or
    /// `Failed` it must not be asked again.
    pub(super) fn poll_pieces(&mut self, cx: &mut Context<'_>) -> Poll<Vec<Piece>> {
        let mut pieces = Vec::new();
        match ready!(self.body.poll_chunk(cx)) {
            Some(Ok(bytes)) => {
                self.reader.feed(&bytes);
                self.read(&mut pieces);
            }
            Some(Err(error)) => self.fail(&mut pieces, Class::Cut, &error.to_string()),
            None => self.end(&mut pieces),
        }
        Poll::Ready(pieces)
    }

    /// After the end mark: reads the body's own end, so that the connection can be used again.
    pub(super) fn poll_drained(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match ready!(self.body.poll_chunk(cx)) {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Poll::Ready(()),
            }
        }
    }

    fn read(&mut self, pieces: &mut Vec<Piece>) {
        while !self.over
            && let Some(event) = self.reader.next()
        {
            match event {
                Ok(event) => self.event(event, pieces),
                Err(error) => self.fail(pieces, Class::Garbage, &error.to_string()),
            }
        }
    }

    fn event(&mut self, event: Event, pieces: &mut Vec<Piece>) {
        // Also in fields that nobody reads: a client decodes the whole stream.
        if std::str::from_utf8(&event.raw).is_err() {
            return self.fail(pieces, Class::Garbage, "an event of the stream is not UTF-8");
        }
        if event.data.is_empty() {
            pieces.push(Piece::Pass { bytes: event.raw, output: false, usage: None });
            return;
        }
        if event.event.as_deref() == Some(b"error") {
            return self.error(&event.data, pieces);
        }
        match &mut self.translator {
            None => self.chunk(event, pieces),
            Some(translator) => {
                if let Some(verdict) = verdict::of_event(self.kind, &event) {
                    self.over = true;
                    return pieces.push(Piece::Failed(verdict));
                }
                match translator.event(&event) {
                    Ok(chunks) => chunks.into_iter().for_each(|chunk| self.chunk(chunk, pieces)),
                    Err(error) => self.fail(pieces, Class::Garbage, &error.to_string()),
                }
            }
        }
    }

    /// An event in OpenAI's shape.
    fn chunk(&mut self, event: Event, pieces: &mut Vec<Piece>) {
        match look(&event.data, !self.found) {
            Err(message) => self.fail(pieces, Class::Garbage, &message),
            Ok(Look { error: true, .. }) => self.error(&event.data, pieces),
            Ok(Look { done: true, .. }) => {
                self.over = true;
                let usage = self.translator.as_ref().map(|translator| translator.tokens());
                let usage = usage.map(|(input, output)| Usage { input, output });
                pieces.push(Piece::Done { bytes: event.raw, usage });
            }
            Ok(Look { output, usage, .. }) => {
                self.found |= output;
                pieces.push(Piece::Pass { bytes: event.raw, output, usage });
            }
        }
    }

    /// The connection has ended. Some providers leave out the blank line after the end mark.
    fn end(&mut self, pieces: &mut Vec<Piece>) {
        if self.translator.is_none() && self.reader.rest().is_some_and(|rest| rest.is_done()) {
            self.over = true;
            let bytes = Bytes::from_static(b"data: [DONE]\n\n");
            pieces.push(Piece::Done { bytes, usage: None });
        } else {
            self.fail(pieces, Class::Cut, "the stream ended without its end mark");
        }
    }

    fn error(&mut self, data: &[u8], pieces: &mut Vec<Piece>) {
        self.over = true;
        pieces.push(Piece::Failed(verdict::of_stream_error(self.kind, data)));
    }

    fn fail(&mut self, pieces: &mut Vec<Piece>, class: Class, message: &str) {
        self.over = true;
        pieces.push(Piece::Failed(Verdict::new(class, message)));
    }
}
