//! The lines that messages are, from the newest up: what both the drawing and the scrolling count by.

use martlet_protocol::UnixMillis;
use martlet_protocol::control::{Delivery, Direction, Received};

use super::model::{Conversation, Fate, Model, Place, Row, Waiting};
use super::text::{fit, in_one_line, lines, padded, short, width};
use crate::render::{Clock, in_words, lost, recalled};

/// What a piece of a line is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Text,
    Dim,
    Me,
    Them,
    Good,
    Warn,
    Bad,
    /// The line above what is new.
    New,
}

/// One line of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) parts: Vec<(Role, String)>,
    /// The message it is of, by its place; none of lines between messages.
    pub(super) row: Option<usize>,
}

/// Messages whose lines have less room have their names on a line of their own.
const HANGING_COLUMNS_MIN: usize = 44;

/// Columns that names have at most beside messages.
const NAME_COLUMNS_MAX: usize = 12;

/// The lines of a conversation from the newest up to `most` of them or the first, the newest last.
pub(super) fn visible(model: &Model, place: &Place, columns: usize, most: usize) -> Vec<Line> {
    let mut upwards: Vec<Line> = Vec::new();
    each(model, place, columns, |lines| {
        upwards.extend(lines.into_iter().rev());
        upwards.len() < most
    });
    upwards.reverse();
    upwards
}

/// How many lines there are, up to `most` or some more.
pub(super) fn count(model: &Model, place: &Place, columns: usize, most: usize) -> usize {
    let mut count = 0;
    each(model, place, columns, |lines| {
        count += lines.len();
        count < most
    });
    count
}

/// How many lines are below a message, and how many it has.
pub(super) fn below(
    model: &Model,
    place: &Place,
    columns: usize,
    id: &str,
) -> Option<(usize, usize)> {
    let at = model.conversation(place)?.place(id)?;
    let (mut below, mut found) = (0, None);
    each(model, place, columns, |lines| {
        let own = lines.iter().filter(|line| line.row == Some(at)).count();
        if own > 0 {
            found = Some((below, own));
        }
        below += lines.len();
        found.is_none()
    });
    found
}

/// Gives the lines of each message, and what stands above it, from the newest on until it is told to stop.
fn each(model: &Model, place: &Place, columns: usize, mut take: impl FnMut(Vec<Line>) -> bool) {
    let Some(conversation) = model.conversation(place) else { return };
    let frame = Frame::new(model, place, columns);
    for waiting in model.outgoing.queue.iter().rev() {
        if waiting.place == *place && waiting.fate != Fate::Stored && !take(frame.waiting(waiting))
        {
            return;
        }
    }
    for at in (0..conversation.rows.len()).rev() {
        let mut lines = frame.above(conversation, at);
        lines.extend(frame.message(at, &conversation.rows[at]));
        if !take(lines) {
            return;
        }
    }
    if conversation.more {
        take(vec![frame.centred(Role::Dim, "older messages: scroll up", ' ')]);
    }
}

/// What the lines of a conversation have in common.
struct Frame<'a> {
    clock: &'a Clock,
    columns: usize,
    /// The contact's name as it is shown; empty where only the user writes.
    name: String,
    name_columns: usize,
    unread: u64,
}

impl<'a> Frame<'a> {
    fn new(model: &'a Model, place: &Place, columns: usize) -> Self {
        let name = match place {
            Place::Contact(name) => short(name),
            Place::Notes | Place::Requests => String::new(),
        };
        let name_columns = match name.is_empty() {
            true => 0,
            false => width(&name).clamp(3, NAME_COLUMNS_MAX),
        };
        let unread = model.conversation(place).map_or(0, |conversation| {
            let from = conversation.unread_from.as_deref().and_then(|id| conversation.place(id));
            let rows = &conversation.rows[from.unwrap_or(conversation.rows.len())..];
            let count = rows.iter().filter(|row| row.direction == Direction::In).count();
            u64::try_from(count).unwrap_or(u64::MAX)
        });
        Self { clock: &model.clock, columns: columns.max(8), name, name_columns, unread }
    }

    /// What stands above a message: its day, that some are missing, that it is the first new one.
    fn above(&self, conversation: &Conversation, at: usize) -> Vec<Line> {
        let row = &conversation.rows[at];
        let mut lines = Vec::new();
        let day = self.clock.day(row.sent_at);
        let before = at.checked_sub(1).map(|before| &conversation.rows[before]);
        if before.is_none_or(|before| self.clock.day(before.sent_at) != day) {
            lines.push(self.centred(Role::Dim, &day, '─'));
        }
        if let Some(count) = conversation.lost.get(&row.id) {
            let told = lost(&self.name, *count);
            lines.extend(self.indented(Role::Bad, &told, 1));
        }
        if conversation.unread_from.as_deref() == Some(&row.id) {
            lines.push(self.centred(Role::New, &format!("{} new", self.unread), '─'));
        }
        lines
    }

    fn message(&self, at: usize, row: &Row) -> Vec<Line> {
        let mut text = Vec::new();
        let room = self.room();
        if let Some((who, what)) = &row.extra.reply {
            let by = if who.is_empty() { String::new() } else { format!("{}: ", short(who)) };
            let quoted = format!("│ {by}{}", in_one_line(what));
            text.push((Role::Dim, fit(&quoted, room)));
        }
        let taken_back = recalled(row.extra.recalled_by.as_deref());
        let (role, own) = match (row.state == Delivery::Recalled, row.is_notice) {
            (true, _) => (Role::Dim, taken_back.as_str()),
            (false, true) => (Role::Dim, row.text.as_str()),
            (false, false) => (Role::Text, row.text.as_str()),
        };
        text.extend(lines(own, room).into_iter().map(|line| (role, line)));
        if !row.extra.reactions.is_empty() {
            let reactions = row.extra.reactions.iter();
            let shown: Vec<String> =
                reactions.map(|(what, count)| format!("{} {count}", short(what))).collect();
            text.push((Role::Dim, fit(&shown.join("  "), room)));
        }
        let (role, name) = match row.direction {
            Direction::In => {
                (Role::Them, row.extra.author.as_deref().unwrap_or(self.name.as_str()))
            }
            Direction::Out | Direction::Note => (Role::Me, "you"),
        };
        let mut marks = Vec::new();
        if let Some(ends_at) = row.extra.ends_at {
            let left = ends_at.since(self.clock.now()).as_secs();
            marks.push((Role::Warn, format!("{} left", in_words(left))));
        } else if let Some(seconds) = row.burns {
            marks.push((Role::Dim, format!("{} once read", in_words(seconds.into()))));
        }
        if row.extra.edited {
            marks.push((Role::Dim, "edited".to_owned()));
        }
        if let Some(by) = &row.extra.told_by {
            marks.push((Role::Dim, format!("told by {}", short(by))));
        }
        if row.extra.mentions_you {
            marks.push((Role::New, "mentions you".to_owned()));
        }
        match (row.state, row.extra.received) {
            (Delivery::Queued | Delivery::Sent, Some(Received { have, of })) if have > 0 => {
                marks.push((Role::Dim, format!("✓ {have} of {of} have it")));
            }
            (state, _) => marks.extend(mark(row.direction, state)),
        }
        let mut lines = self.hang(self.clock.minute(row.sent_at), role, name, text, marks);
        for line in &mut lines {
            line.row = Some(at);
        }
        lines
    }

    fn waiting(&self, waiting: &Waiting) -> Vec<Line> {
        let text = lines(&waiting.text, self.room());
        let text = text.into_iter().map(|line| (Role::Dim, line)).collect();
        let mark = match waiting.fate {
            Fate::Waits => (Role::Warn, "waits for the daemon".to_owned()),
            Fate::Asked | Fate::Stored => (Role::Dim, "…".to_owned()),
            Fate::Unknown => (Role::Warn, "asks again when the daemon is back".to_owned()),
        };
        self.hang("     ".to_owned(), Role::Me, "you", text, vec![mark])
    }

    /// Columns that texts have.
    fn room(&self) -> usize {
        self.columns - self.indent() - 1
    }

    fn is_hanging(&self) -> bool {
        self.columns >= HANGING_COLUMNS_MIN
    }

    fn indent(&self) -> usize {
        match (self.is_hanging(), self.name_columns) {
            (true, 0) => 1 + 5 + 2,
            (true, name) => 1 + 5 + 1 + name + 2,
            (false, _) => 3,
        }
    }

    /// Time and name, the text beside or below them, and the marks at the right of its last line.
    fn hang(
        &self,
        time: String,
        role: Role,
        name: &str,
        text: Vec<(Role, String)>,
        marks: Vec<(Role, String)>,
    ) -> Vec<Line> {
        let line = |parts| Line { parts, row: None };
        let space = |columns: usize| (Role::Dim, " ".repeat(columns));
        let mut found: Vec<Line> = Vec::new();
        let mut text = text.into_iter();
        if self.is_hanging() {
            let mut parts = vec![(Role::Dim, format!(" {time} "))];
            if self.name_columns > 0 {
                parts.push((role, padded(name, self.name_columns)));
                parts.push(space(2));
            } else {
                parts.push(space(1));
            }
            parts.extend(text.next());
            found.push(line(parts));
        } else {
            let name =
                if self.name_columns > 0 { fit(name, self.columns - 8) } else { String::new() };
            found.push(line(vec![(Role::Dim, format!(" {time} ")), (role, name)]));
        }
        found.extend(text.map(|text| line(vec![space(self.indent()), text])));
        let marks_columns: usize = marks.iter().map(|(_, mark)| width(mark) + 1).sum();
        if marks_columns > 0
            && let Some(last) = found.last()
        {
            let used: usize = last.parts.iter().map(|(_, part)| width(part)).sum();
            if used + 1 + marks_columns > self.columns {
                found.push(line(Vec::new()));
            }
        }
        if marks_columns > 0
            && let Some(last) = found.last_mut()
        {
            let used: usize = last.parts.iter().map(|(_, part)| width(part)).sum();
            last.parts.push(space(self.columns.saturating_sub(used + marks_columns)));
            for (role, mark) in marks {
                last.parts.push((role, mark));
                last.parts.push(space(1));
            }
        }
        found
    }

    fn indented(&self, role: Role, text: &str, indent: usize) -> Vec<Line> {
        let wrapped = lines(text, self.columns.saturating_sub(2 * indent));
        let whole = wrapped.into_iter().map(|line| (role, format!("{:indent$}{line}", "")));
        whole.map(|part| Line { parts: vec![part], row: None }).collect()
    }

    fn centred(&self, role: Role, text: &str, fill: char) -> Line {
        let text = fit(text, self.columns.saturating_sub(4));
        let free = self.columns.saturating_sub(width(&text) + 4);
        let side = |columns: usize| fill.to_string().repeat(columns);
        let line = format!(" {} {text} {} ", side(free / 2), side(free - free / 2));
        Line { parts: vec![(role, line)], row: None }
    }
}

/// How far a message got, as it is shown.
fn mark(direction: Direction, state: Delivery) -> Option<(Role, String)> {
    let (role, mark) = match (direction, state) {
        // A note is here, and has nowhere to go.
        (Direction::In | Direction::Note, _) => return None,
        (Direction::Out, Delivery::NeedsConfirmation) => (Role::Bad, "to be confirmed"),
        (Direction::Out, Delivery::NeedsState) => (Role::Warn, "asks the room"),
        (Direction::Out, Delivery::Queued) => (Role::Warn, "queued"),
        (Direction::Out, Delivery::Sent) => (Role::Dim, "✓ sent"),
        (Direction::Out, Delivery::Delivered) => (Role::Good, "✓✓"),
        (Direction::Out, Delivery::Read) => (Role::Good, "✓✓ read"),
        (Direction::Out, Delivery::Expired) => (Role::Bad, "✗ expired"),
        // It stands in the place of the text.
        (Direction::Out, Delivery::Recalled) => return None,
    };
    Some((role, mark.to_owned()))
}

/// Of the list: when the newest message came, in five columns or less.
pub(super) fn list_time(clock: &Clock, at: UnixMillis) -> String {
    match clock.day(at).as_str() {
        "today" => clock.minute(at),
        "yesterday" => "yest.".to_owned(),
        day => {
            let mut words = day.split(' ').skip(1);
            [words.next(), words.next()].into_iter().flatten().collect::<Vec<_>>().join(" ")
        }
    }
}
