//! Output: data on standard output, as text for people or as JSON; everything else on standard
//! error.

mod address;
mod confirm;
mod escape;
mod qr;
mod table;
mod time;
mod timers;
mod wrap;

use std::env;
use std::io::{self, IsTerminal, Write};

use martlet_protocol::control::{Delivery, Direction, Lost, Message, Reaction, Reply};
use serde::Serialize;

use crate::exit::Failure;

pub(crate) use address::in_short;
pub(crate) use confirm::Question;
pub(crate) use escape::{block, json, one_line, word};
pub(crate) use qr::qr;
pub(crate) use table::Table;
pub(crate) use time::Clock;
pub(crate) use timers::{in_words, life, timer};

/// The command's two outputs.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    colours: bool,
}

impl Output {
    /// Output to the process's standard output and error.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, colours: colours_wanted() }
    }

    /// Whether JSON was asked for.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether there are colours.
    pub(crate) fn has_colours(&self) -> bool {
        self.colours
    }

    /// Shows an answer: as one line of JSON, or as `human` writes it.
    pub(crate) fn show<T: Serialize + ?Sized>(
        &self,
        answer: &T,
        human: impl FnOnce(&T, &mut Page),
    ) -> Result<(), Failure> {
        if self.json {
            return self.show_json(answer);
        }
        let mut page = Page::new(self.colours, Clock::system());
        page.columns = wrap::columns(io::stdout());
        human(answer, &mut page);
        self.raw(page.text.as_bytes())
    }

    /// Shows that something without an answer was done: as `{}`, or as `human`, one sentence.
    pub(crate) fn done(&self, human: &str) -> Result<(), Failure> {
        if self.json {
            return self.raw(b"{}\n");
        }
        self.show(&(), |(), page| page.line(human))
    }

    /// Writes `bytes` to standard output as they are.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        Ok(stdout.flush()?)
    }

    /// Writes one line of JSON to standard error.
    pub(crate) fn note_json<T: Serialize>(&self, value: &T) {
        if let Ok(json) = serde_json::to_string(value) {
            self.note_whole(&escape::json(&json));
        }
    }

    /// Writes a sentence to standard error. If it can't be written nobody reads it.
    pub(crate) fn note(&self, text: &str) {
        for line in wrap::indented("", "", text, wrap::columns(io::stderr())) {
            let _ = writeln!(io::stderr(), "{line}");
        }
    }

    /// Writes a line to standard error as it is, however long: something to be copied.
    pub(crate) fn note_whole(&self, line: &str) {
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// Writes `lead` and `text` to standard error; its further lines are indented by two columns.
    pub(crate) fn note_hanging(&self, lead: &str, text: &str) {
        for line in wrap::indented(lead, "  ", text, wrap::columns(io::stderr())) {
            let _ = writeln!(io::stderr(), "{}", line.trim_end());
        }
    }

    /// Writes to standard error, and leaves the cursor there.
    pub(crate) fn prompt(&self, text: &str) {
        let _ = write!(io::stderr(), "{text}").and_then(|()| io::stderr().flush());
    }

    /// Writes progress to standard error if someone is watching.
    pub(crate) fn progress(&self, text: &str) {
        if io::stderr().is_terminal() {
            self.note(text);
        }
    }

    fn show_json<T: Serialize + ?Sized>(&self, answer: &T) -> Result<(), Failure> {
        let json = serde_json::to_string(answer)
            .map_err(|error| Failure::Failed(format!("the answer is no JSON: {error}")))?;
        self.raw(format!("{}\n", escape::json(&json)).as_bytes())
    }
}

/// What a person reads, while it is being written.
#[derive(Debug)]
pub(crate) struct Page {
    text: String,
    colours: bool,
    clock: Clock,
    /// How many there are to fit into; none where lines may have any length.
    columns: Option<usize>,
}

/// How something stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Dim,
    Bold,
    Good,
    Warn,
    Bad,
    /// Black on white, whatever the terminal's colours: for QR codes.
    Paper,
}

impl Page {
    /// An empty page.
    pub(crate) fn new(colours: bool, clock: Clock) -> Self {
        Self { text: String::new(), colours, clock, columns: None }
    }

    /// An empty page of a terminal with so many columns, without colours.
    #[cfg(test)]
    pub(crate) fn of_columns(columns: usize, clock: Clock) -> Self {
        Self { columns: Some(columns), ..Self::new(false, clock) }
    }

    /// Now, and where.
    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// How many columns there are to fit into, if that matters.
    fn columns(&self) -> Option<usize> {
        self.columns
    }

    /// Whether there are colours.
    pub(crate) fn has_colours(&self) -> bool {
        self.colours
    }

    /// Adds a line, or more where it doesn't fit; these are indented as it is. Untrusted text in it must have been
    /// through [`word`], [`one_line`] or [`block`].
    pub(crate) fn line(&mut self, line: impl AsRef<str>) {
        let line = line.as_ref().trim_end();
        let text = line.trim_start_matches(' ');
        let (indent, text) = line.split_at(line.len() - text.len());
        self.hanging(indent, text);
    }

    /// Adds `lead` and, beside it, `text`, made harmless as for [`Page::line`]: all its lines begin where the first does.
    pub(crate) fn hanging(&mut self, lead: &str, text: &str) {
        for line in wrap::hanging(lead, text, self.columns) {
            self.raw_line(line.trim_end());
        }
    }

    /// Adds a labelled value.
    pub(crate) fn field(&mut self, label: &str, value: &str) {
        let label = self.paint(Paint::Dim, &format!("{label:<10}"));
        self.hanging(&format!("{label} "), value);
    }

    /// Adds a line as it is, however long; trailing spaces count.
    pub(crate) fn raw_line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// `text` that stands out, where there are colours.
    pub(crate) fn paint(&self, paint: Paint, text: &str) -> String {
        let code = match paint {
            _ if !self.colours => return text.to_owned(),
            Paint::Plain => return text.to_owned(),
            Paint::Dim => "2",
            Paint::Bold => "1",
            Paint::Good => "32",
            Paint::Warn => "33",
            Paint::Bad => "31",
            Paint::Paper => "30;107",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// Adds messages, under the days they are of: time, writer, the beginning of the id if it is wanted, what they answer,
    /// text, state, reactions, what they said before; and where some are missing.
    pub(crate) fn messages(&mut self, messages: &[Message], missing: &[Lost], has_ids: bool) {
        let names = messages.iter().map(writer);
        let width = names.map(|name| table::width(&name)).max().unwrap_or(0);
        let mut day = String::new();
        for message in messages {
            let its_day = self.clock.day(message.sent_at);
            if its_day != day {
                self.line(self.paint(Paint::Bold, &its_day));
                day = its_day;
            }
            if let Some(Lost { count, .. }) = missing.iter().find(|lost| lost.before == message.id)
            {
                self.line(format!(
                    "  {}",
                    self.paint(Paint::Bad, &lost(&message.conversation, *count))
                ));
            }
            let time = self.clock.minute(message.sent_at);
            let name = table::pad(&writer(message), width);
            let id = match has_ids {
                true => format!("{}  ", self.paint(Paint::Dim, &short(&message.id))),
                false => String::new(),
            };
            let lead = format!(
                "  {}  {}  {id}",
                self.paint(Paint::Dim, &time),
                self.paint(Paint::Bold, &name)
            );
            self.hanging(&lead, &self.body_of(message));
        }
    }

    /// What a message says, what it answers, how far it got, and what became of it.
    fn body_of(&self, message: &Message) -> String {
        let mut body = String::new();
        if let Some(reply) = &message.reply_to {
            let answered = self.paint(Paint::Dim, &format!("> {}", answered(reply, message)));
            body.push_str(&format!("{answered}\n"));
        }
        body.push_str(&block(&message.text, 0));
        let edited = message.edited_at.map(|_| self.paint(Paint::Dim, "(edited)"));
        let reactions = message.reactions.iter().map(|reaction| self.reaction(reaction, message));
        let ends = edited
            .into_iter()
            .chain([self.state_of(message), self.left_of(message)])
            .chain(reactions);
        let ends: Vec<String> = ends.filter(|end| !end.is_empty()).collect();
        if !ends.is_empty() {
            let gap = if body.is_empty() { "" } else { "  " };
            body.push_str(&format!("{gap}{}", ends.join(" ")));
        }
        for version in &message.versions {
            let time = self.clock.day_and_minute(version.at);
            let before = format!("before, {time}: {}", one_line(&version.text));
            body.push_str(&format!("\n{}", self.paint(Paint::Dim, &before)));
        }
        body
    }

    /// `[👍 zoë]`.
    fn reaction(&self, reaction: &Reaction, message: &Message) -> String {
        let by = who(reaction.direction, &message.conversation);
        self.paint(Paint::Warn, &format!("[{} {by}]", word(&reaction.emoji)))
    }

    /// `(delivered)`; of received messages only that they are unread is worth telling.
    fn state_of(&self, message: &Message) -> String {
        match (message.direction, message.state) {
            (Direction::Out, state) => self.state(state),
            // A note is here, and has nowhere to go.
            (Direction::Note, _) | (Direction::In, Delivery::Read) => String::new(),
            (
                Direction::In,
                Delivery::NeedsConfirmation
                | Delivery::Queued
                | Delivery::Sent
                | Delivery::Delivered
                | Delivery::Expired,
            ) => self.paint(Paint::Warn, "(unread)"),
            (Direction::In, Delivery::Recalled) => self.state(Delivery::Recalled),
        }
    }

    /// How long a message has left, if it ends.
    fn left_of(&self, message: &Message) -> String {
        // Of one that was read here, the end that is told is that of the timer which comes first.
        let is_unread = message.direction == Direction::In && message.state != Delivery::Read;
        let left = match (message.ends_at, message.burn_seconds) {
            (Some(at), Some(burn)) if is_unread => format!(
                "{} left, {} once read",
                timers::left(at, self.clock.now()),
                in_words(burn.into())
            ),
            (Some(at), _) => format!("{} left", timers::left(at, self.clock.now())),
            (None, Some(burn)) => format!("{} left once read", in_words(burn.into())),
            (None, None) => return String::new(),
        };
        self.paint(Paint::Dim, &format!("({left})"))
    }

    /// A state in parentheses.
    pub(crate) fn state(&self, state: Delivery) -> String {
        let paint = match state {
            Delivery::NeedsConfirmation => Paint::Bad,
            Delivery::Queued => Paint::Warn,
            Delivery::Sent => Paint::Dim,
            Delivery::Delivered | Delivery::Read => Paint::Good,
            Delivery::Expired => Paint::Bad,
            Delivery::Recalled => Paint::Dim,
        };
        self.paint(paint, &format!("({})", state_name(state)))
    }

    /// What was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// A state's name, as in JSON.
pub(crate) fn state_name(state: Delivery) -> &'static str {
    match state {
        Delivery::NeedsConfirmation => "needs_confirmation",
        Delivery::Queued => "queued",
        Delivery::Sent => "sent",
        Delivery::Delivered => "delivered",
        Delivery::Read => "read",
        Delivery::Expired => "expired",
        Delivery::Recalled => "recalled",
    }
}

/// `1 message`, `2 messages`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// That so many messages of `name` never came.
pub(crate) fn lost(name: &str, messages: u64) -> String {
    let were = if messages == 1 { "was" } else { "were" };
    format!("{} from {} {were} lost on the way", count(messages, "message"), word(name))
}

/// That a verified contact has a device that was not confirmed: loud.
pub(crate) fn new_device(name: &str, devices: u32) -> String {
    let name = word(name);
    format!(
        "!!! {name} HAS A NEW DEVICE ({} now) since you verified them. Ask them whether it is theirs, on another way than \
         here; then confirm it: martletctl contact verify {name}",
        count(devices.into(), "device")
    )
}

/// `5.2 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut tenths = bytes.saturating_mul(10) / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {}", UNITS[unit]),
        (whole, tenth) => format!("{whole}.{tenth} {}", UNITS[unit]),
    }
}

fn writer(message: &Message) -> String {
    who(message.direction, &message.conversation)
}

/// `you`, or the name of who is on the other side of a conversation.
pub(crate) fn who(direction: Direction, conversation: &str) -> String {
    match direction {
        Direction::Out | Direction::Note => "you".to_owned(),
        Direction::In => word(conversation),
    }
}

/// `zoë: the beginning of what she wrote`, on one line.
pub(crate) fn answered(reply: &Reply, message: &Message) -> String {
    match (reply.direction, &reply.excerpt) {
        (Some(direction), Some(excerpt)) => {
            format!("{}: {}", who(direction, &message.conversation), one_line(excerpt))
        }
        (Some(direction), None) => {
            format!("{}: a message that was recalled", who(direction, &message.conversation))
        }
        (None, _) => "a message that is not here".to_owned(),
    }
}

/// Enough of a message id to tell lines of one message from others, and to name it to a verb. JSON has it whole.
pub(crate) fn short(id: &str) -> String {
    word(&id.chars().take(8).collect::<String>())
}

/// Colours only where a person sees them, and never against <https://no-color.org>.
fn colours_wanted() -> bool {
    io::stdout().is_terminal()
        && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && env::var_os("TERM").is_none_or(|value| value != "dumb")
}

#[cfg(test)]
mod tests {
    use martlet_protocol::UnixMillis;
    use martlet_protocol::control::Version;

    use super::*;

    const NOON: UnixMillis = UnixMillis(1_795_435_200_000);

    fn message(direction: Direction, text: &str, state: Delivery) -> Message {
        Message {
            id: "00".repeat(16),
            conversation: "zoë".to_owned(),
            direction,
            text: text.to_owned(),
            sent_at: NOON,
            stored_at: NOON,
            state,
            reply_to: None,
            edited_at: None,
            reactions: Vec::new(),
            versions: Vec::new(),
            expire_seconds: None,
            burn_seconds: None,
            ends_at: None,
            sets_timers: None,
            file: None,
        }
    }

    #[test]
    fn messages_are_aligned_and_their_lines_indented() {
        let mut page = Page::new(false, Clock::at(NOON));
        page.messages(
            &[
                message(Direction::In, "one\ntwo", Delivery::Read),
                message(Direction::In, "\u{1b}[2Jthree", Delivery::Delivered),
                message(Direction::Out, "four", Delivery::Sent),
            ],
            &[],
            false,
        );
        assert_eq!(
            page.text(),
            "today\n  12:00  zoë  one\n              two\n  12:00  zoë  \\u{1b}[2Jthree  (unread)\n  12:00  you  four  (sent)\n"
        );
    }

    /// A long message was broken by the terminal, within words and without an indent.
    #[test]
    fn long_messages_are_readable_at_60_columns() {
        let mut page = Page::of_columns(60, Clock::at(NOON));
        let text =
            "The ferry leaves at ten past seven from the northern pier, not from the harbour.";
        let long_name = Message {
            conversation: "somebody with a name of very many letters".to_owned(),
            ..message(Direction::In, "Tickets are at the pier. Bring the bicycle.", Delivery::Read)
        };
        page.messages(&[message(Direction::Out, text, Delivery::Delivered)], &[], false);
        page.messages(&[long_name], &[], false);
        assert_eq!(
            page.text(),
            "\
today
  12:00  you  The ferry leaves at ten past seven from the
              northern pier, not from the harbour.
              (delivered)
today
  12:00  somebody with a name of very many letters
    Tickets are at the pier. Bring the bicycle.
"
        );
    }

    #[test]
    fn what_became_of_a_message_stands_with_it() {
        let mut page = Page::new(false, Clock::at(NOON));
        let reply = Reply {
            id: "11".repeat(16),
            direction: Some(Direction::Out),
            excerpt: Some("at\nseven?".to_owned()),
        };
        let edited = Message {
            reply_to: Some(reply.clone()),
            edited_at: Some(NOON),
            reactions: vec![Reaction { direction: Direction::Out, emoji: "\u{202e}+".to_owned() }],
            versions: vec![Version { at: NOON, text: "at\nate".to_owned() }],
            ..message(Direction::In, "at eight", Delivery::Read)
        };
        let recalled = Reply { excerpt: None, ..reply.clone() };
        let gone = Reply { direction: None, excerpt: None, ..reply };
        let answer = |to, text| Message {
            reply_to: Some(to),
            ..message(Direction::Out, text, Delivery::Read)
        };
        page.messages(&[edited, answer(gone, "fine"), answer(recalled, "well")], &[], true);
        assert_eq!(
            page.text(),
            "today\n  12:00  zoë  00000000  > you: at ⏎ seven?\n                        at eight  (edited) [\\u{202e}+ you]\n                        before, today 12:00: at ⏎ ate\n  12:00  you  00000000  > a message that is not here\n                        fine  (read)\n  12:00  you  00000000  > you: a message that was recalled\n                        well  (read)\n"
        );
    }

    #[test]
    fn missing_messages_are_told_where_they_are_missing() {
        let mut page = Page::new(false, Clock::at(NOON));
        let mut after = message(Direction::In, "two", Delivery::Read);
        after.id = "11".repeat(16);
        let missing = [Lost { before: after.id.clone(), count: 3 }];
        page.messages(&[message(Direction::In, "one", Delivery::Read), after], &missing, false);
        assert_eq!(
            page.text(),
            "today\n  12:00  zoë  one\n  3 messages from zoë were lost on the way\n  12:00  zoë  two\n"
        );
        assert_eq!(lost("zoë", 1), "1 message from zoë was lost on the way");
    }

    #[test]
    fn colours_are_only_where_wanted() {
        assert_eq!(Page::new(false, Clock::at(NOON)).paint(Paint::Bad, "x"), "x");
        assert_eq!(Page::new(true, Clock::at(NOON)).paint(Paint::Bad, "x"), "\u{1b}[31mx\u{1b}[0m");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1 KiB");
        assert_eq!(bytes(5_452_595), "5.1 MiB");
        assert_eq!(bytes(1 << 30), "1 GiB");
        assert!(bytes(u64::MAX).ends_with("PiB"));
        assert_eq!(count(1, "message"), "1 message");
        assert_eq!(count(0, "message"), "0 messages");
    }
}
