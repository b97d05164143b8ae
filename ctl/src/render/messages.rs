//! Messages as a page shows them: under their days, with what became of them.

use martlet_protocol::control::{
    Delivery, Direction, Lost, Message, Reaction, Received, Reply, RoomPerson,
};

use super::{Page, Paint, block, count, in_words, one_line, table, timers, word};

impl Page {
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
            .chain([self.told_of(message), self.mention_of(message)])
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
        let by = in_room(reaction.by.as_deref(), reaction.direction, &message.conversation);
        self.paint(Paint::Warn, &format!("[{} {by}]", word(&reaction.emoji)))
    }

    /// `(delivered)`; of received messages only that they are unread is worth telling.
    fn state_of(&self, message: &Message) -> String {
        if let Some(by) = message.recalled_by.as_deref() {
            return self.paint(Paint::Dim, &format!("({})", recalled(Some(&person(by)))));
        }
        match (message.direction, message.state) {
            (Direction::Out, Delivery::Queued | Delivery::Sent) => match message.received {
                Some(received) if received.have > 0 => {
                    let state = state_name(message.state);
                    self.paint(Paint::Dim, &format!("({state}, {})", received_by(received)))
                }
                Some(_) | None => self.state(message.state),
            },
            (Direction::Out, state) => self.state(state),
            // A note is here, and has nowhere to go.
            (Direction::Note, _) | (Direction::In, Delivery::Read) => String::new(),
            (
                Direction::In,
                Delivery::NeedsConfirmation
                | Delivery::NeedsState
                | Delivery::Queued
                | Delivery::Sent
                | Delivery::Delivered
                | Delivery::Expired,
            ) => self.paint(Paint::Warn, "(unread)"),
            (Direction::In, Delivery::Recalled) => self.state(Delivery::Recalled),
        }
    }

    /// `(told by bob)`.
    fn told_of(&self, message: &Message) -> String {
        let told = message.told_by.as_deref().map(|by| format!("(told by {})", person(by)));
        told.map_or_else(String::new, |told| self.paint(Paint::Dim, &told))
    }

    /// `(mentions you)`.
    fn mention_of(&self, message: &Message) -> String {
        match message.mentions_you {
            true => self.paint(Paint::Warn, "(mentions you)"),
            false => String::new(),
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
            Delivery::NeedsState | Delivery::Queued => Paint::Warn,
            Delivery::Sent => Paint::Dim,
            Delivery::Delivered | Delivery::Read => Paint::Good,
            Delivery::Expired => Paint::Bad,
            Delivery::Recalled => Paint::Dim,
        };
        self.paint(paint, &format!("({})", state_name(state)))
    }
}

/// `3 of 5 have it`.
pub(crate) fn received_by(received: Received) -> String {
    format!("{} of {} have it", received.have, received.of)
}

/// A state's name, as in JSON.
pub(crate) fn state_name(state: Delivery) -> &'static str {
    match state {
        Delivery::NeedsConfirmation => "needs_confirmation",
        Delivery::NeedsState => "needs_state",
        Delivery::Queued => "queued",
        Delivery::Sent => "sent",
        Delivery::Delivered => "delivered",
        Delivery::Read => "read",
        Delivery::Expired => "expired",
        Delivery::Recalled => "recalled",
    }
}

/// That so many messages of `name` never came.
pub(crate) fn lost(name: &str, messages: u64) -> String {
    let were = if messages == 1 { "was" } else { "were" };
    format!("{} from {} {were} lost on the way", count(messages, "message"), word(name))
}

/// Who wrote a message.
pub(crate) fn writer(message: &Message) -> String {
    in_room(message.author.as_deref(), message.direction, &message.conversation)
}

/// That a message was taken back, and by which moderator if not by its writer.
pub(crate) fn recalled(by: Option<&str>) -> String {
    by.map_or_else(|| state_name(Delivery::Recalled).to_owned(), |by| format!("removed by {by}"))
}

/// That a message came which someone else had told, and of which conversation it is.
pub(crate) fn replaced(which: &str) -> String {
    format!("what someone told of a message gives way to what its writer sent: {which}")
}

/// Who that is: in a room by their name, else by the conversation's.
pub(crate) fn in_room(by: Option<&RoomPerson>, direction: Direction, conversation: &str) -> String {
    by.map_or_else(|| who(direction, conversation), person)
}

/// Someone in a room: as the user calls them, else as they call themselves, with the beginning of their ID, since that is not
/// verified.
pub(crate) fn person(person: &RoomPerson) -> String {
    let digits = person.id.strip_prefix("martlet1").unwrap_or(&person.id);
    let id = word(&digits.chars().take(6).collect::<String>());
    match (&person.name, &person.calls_themselves) {
        _ if person.you => "you".to_owned(),
        (Some(name), _) => word(name),
        (None, Some(own)) => format!("{} ({id})", word(own)),
        (None, None) => format!("({id})"),
    }
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
            let by = in_room(reply.author.as_deref(), direction, &message.conversation);
            format!("{by}: {}", one_line(excerpt))
        }
        (Some(direction), None) => {
            let by = in_room(reply.author.as_deref(), direction, &message.conversation);
            format!("{by}: a message that was recalled")
        }
        (None, _) => "a message that is not here".to_owned(),
    }
}

/// Enough of a message id to tell lines of one message from others, and to name it to a verb. JSON has it whole.
pub(crate) fn short(id: &str) -> String {
    word(&id.chars().take(8).collect::<String>())
}

#[cfg(test)]
mod tests {
    use martlet_protocol::UnixMillis;
    use martlet_protocol::control::Version;

    use super::*;
    use crate::render::Clock;

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
            room: None,
            author: None,
            sent_before_removal_was_known: false,
            received: None,
            mentions: Vec::new(),
            mentions_you: false,
            told_by: None,
            recalled_by: None,
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
            author: None,
            excerpt: Some("at\nseven?".to_owned()),
        };
        let edited = Message {
            reply_to: Some(reply.clone()),
            edited_at: Some(NOON),
            reactions: vec![Reaction {
                direction: Direction::Out,
                by: None,
                emoji: "\u{202e}+".to_owned(),
            }],
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
}
