//! Output: data on standard output, as text for people or as JSON; everything else on standard
//! error.

mod address;
mod confirm;
mod escape;
mod messages;
mod qr;
mod table;
mod time;
mod timers;
mod wrap;

use std::env;
use std::io::{self, IsTerminal, Write};

use serde::Serialize;

use crate::exit::Failure;

pub(crate) use address::in_short;
pub(crate) use confirm::Question;
pub(crate) use escape::{argument, block, json, one_line, word};
pub(crate) use messages::{
    answered, in_room, lost, person, recalled, received_by, replaced, short, state_name, who,
    writer,
};
pub(crate) use qr::qr;
pub(crate) use table::{Table, width};
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

    /// What was written.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// `1 message`, `2 messages`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// That a verified contact has a device that was not confirmed: loud.
pub(crate) fn new_device(name: &str, devices: u32) -> String {
    let (name, to_verify) = (word(name), argument(name));
    format!(
        "!!! {name} HAS A NEW DEVICE ({} now) since you verified them. Ask them whether it is theirs, on another way than \
         here; then confirm it: martletctl contact verify {to_verify}",
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

/// Colours only where a person sees them, and never against <https://no-color.org>.
fn colours_wanted() -> bool {
    io::stdout().is_terminal()
        && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        && env::var_os("TERM").is_none_or(|value| value != "dumb")
}

#[cfg(test)]
mod tests {
    use martlet_protocol::UnixMillis;

    use super::*;

    const NOON: UnixMillis = UnixMillis(1_795_435_200_000);

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
