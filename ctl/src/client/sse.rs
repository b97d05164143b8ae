//! Server-Sent Events, the receiving side (WHATWG HTML, section 9.2.6 "Interpreting an event
//! stream").
//!
//! A stream is lines, ended by LF, CR or CRLF; an empty line ends an event. `data`, `event` and
//! `id` are read; `retry`, comments (lines that start with a colon) and unknown fields are not.

use std::collections::VecDeque;
use std::mem;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    /// The stream's last event id when this event ended.
    pub(super) id: Option<String>,
    /// Its name; empty if it has none.
    pub(super) event: String,
    /// Its `data` lines, joined by LF.
    pub(super) data: String,
}

/// An event over the bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an event is over {max} bytes")]
pub(super) struct TooLong {
    max: usize,
}

/// Turns chunks, cut anywhere, into events.
#[derive(Debug)]
pub(super) struct Parser {
    max: usize,
    /// The line so far.
    line: Vec<u8>,
    /// A CR ended the last line: an LF right after it belongs to it.
    after_cr: bool,
    /// A byte order mark may precede the first line.
    first_line: bool,
    event: String,
    data: String,
    has_data: bool,
    id: Option<String>,
    last_id: Option<String>,
}

impl Parser {
    /// A parser that refuses events of more than `max` bytes.
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            line: Vec::new(),
            after_cr: false,
            first_line: true,
            event: String::new(),
            data: String::new(),
            has_data: false,
            id: None,
            last_id: None,
        }
    }

    /// Takes the next chunk; appends the events it ends to `frames`.
    ///
    /// # Errors
    /// [`TooLong`]: the stream can't be read any further.
    pub(super) fn push(
        &mut self,
        chunk: &[u8],
        frames: &mut VecDeque<Frame>,
    ) -> Result<(), TooLong> {
        let mut rest = chunk;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n' || byte == b'\r') {
            self.append(&rest[..end])?;
            let line = mem::take(&mut self.line);
            self.end_line(&line, frames);
            self.line = line;
            self.line.clear();
            let ended_by_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
            if ended_by_cr {
                match rest {
                    [] => self.after_cr = true,
                    [b'\n', more @ ..] => rest = more,
                    [..] => {}
                }
            }
        }
        self.append(rest)
    }

    /// The id of the last event that ended, with or without data.
    pub(super) fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + self.data.len() + bytes.len() > self.max {
            return Err(TooLong { max: self.max });
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self, line: &[u8], frames: &mut VecDeque<Frame>) {
        let line = String::from_utf8_lossy(line);
        let mut line: &str = &line;
        if mem::take(&mut self.first_line) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            return self.end_event(frames);
        }
        let (field, value) = match line.split_once(':') {
            Some((field, value)) => (field, value.strip_prefix(' ').unwrap_or(value)),
            None => (line, ""),
        };
        match field {
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.event),
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            // An empty field is a comment; unknown fields are ignored, says the specification.
            _ => {}
        }
    }

    fn end_event(&mut self, frames: &mut VecDeque<Frame>) {
        self.last_id.clone_from(&self.id);
        let event = mem::take(&mut self.event);
        let data = mem::take(&mut self.data);
        if mem::take(&mut self.has_data) {
            frames.push_back(Frame { id: self.last_id.clone(), event, data });
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    fn parse(chunks: &[&[u8]]) -> Vec<Frame> {
        let mut parser = Parser::new(1000);
        let mut frames = VecDeque::new();
        for chunk in chunks {
            parser.push(chunk, &mut frames).unwrap();
        }
        frames.into()
    }

    fn frame(id: Option<&str>, event: &str, data: &str) -> Frame {
        Frame { id: id.map(str::to_owned), event: event.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn an_event_has_id_name_and_data() {
        assert_eq!(
            parse(&[b"id: 7\nevent: message_received\ndata: {\"seq\":7}\n\n"]),
            [frame(Some("7"), "message_received", "{\"seq\":7}")]
        );
    }

    #[test]
    fn data_lines_are_joined_and_one_leading_space_is_cut() {
        assert_eq!(
            parse(&[b"data: one\ndata:two\ndata:  three\ndata\n\n"]),
            [frame(None, "", "one\ntwo\n three\n")]
        );
    }

    #[test]
    fn comments_and_unknown_fields_are_ignored() {
        assert_eq!(
            parse(&[b": keep-alive\n\n:\nretry: 10\nfoo: bar\ndata: x\n\n: end\n\n"]),
            [frame(None, "", "x")]
        );
    }

    #[test]
    fn an_id_holds_for_the_events_after_it_and_without_an_event_too() {
        let mut parser = Parser::new(1000);
        let mut frames = VecDeque::new();
        parser.push(b"id: 41\n\n", &mut frames).unwrap();
        assert!(frames.is_empty());
        assert_eq!(parser.last_id(), Some("41"));
        parser.push(b"data: a\n\nid: 42\ndata: b\n\nid: 4\x003\ndata: c\n\n", &mut frames).unwrap();
        let ids: Vec<_> = frames.iter().map(|frame| frame.id.as_deref()).collect();
        assert_eq!(ids, [Some("41"), Some("42"), Some("42")]);
    }

    #[test]
    fn an_event_that_has_not_ended_is_not_given_out() {
        assert_eq!(parse(&[b"id: 1\ndata: a\n\nid: 2\ndata: b\n"]), [frame(Some("1"), "", "a")]);
    }

    #[test]
    fn all_line_ends_are_known() {
        assert_eq!(parse(&[b"data: a\r\n\r\ndata: b\r\rdata: c\n\n"]).len(), 3);
        // CRLF cut in two is one line end, not two.
        assert_eq!(
            parse(&[b"data: a\r", b"\ndata: b\r", b"", b"\n\r", b"\n"]),
            [frame(None, "", "a\nb")]
        );
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(parse(&["\u{feff}data: a\n\n".as_bytes()]), [frame(None, "", "a")]);
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut parser = Parser::new(20);
        let mut frames = VecDeque::new();
        assert!(parser.push(b"data: 0123456789\n", &mut frames).is_ok());
        assert!(parser.push(b"data: 0123456789\n", &mut frames).is_err());
        let mut parser = Parser::new(20);
        assert!(parser.push(&[b'x'; 21], &mut frames).is_err());
    }

    #[test]
    fn the_bound_is_of_an_event_not_of_the_stream() {
        let mut parser = Parser::new(20);
        let mut frames = VecDeque::new();
        for _ in 0..100 {
            parser.push(b": comment\ndata: 0123456789\n\n", &mut frames).unwrap();
        }
        assert_eq!(frames.len(), 100);
    }

    proptest! {
        #[test]
        fn chunks_may_be_cut_anywhere(
            stream in "((data|id|event|:|x)?(: ?)?[a-zé\\n]{0,6}(\n|\r|\r\n)){0,20}",
            cuts in prop::collection::vec(1_usize..9, 0..60),
        ) {
            let whole = parse(&[stream.as_bytes()]);
            let mut rest = stream.as_bytes();
            let mut chunks = Vec::new();
            for cut in cuts {
                let (chunk, more) = rest.split_at(cut.min(rest.len()));
                chunks.push(chunk);
                rest = more;
            }
            chunks.push(rest);
            prop_assert_eq!(parse(&chunks), whole);
        }

        #[test]
        fn garbage_does_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = Parser::new(64).push(&bytes, &mut VecDeque::new());
        }
    }
}
