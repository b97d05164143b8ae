//! `watch`: what happens, as it happens.

use martlet_protocol::control::{
    Direction, EndedReason, Event, EventBody, GoneReason, Message, PeerEvent, PeerEventBody,
    Verified,
};

use super::Context;
use super::room::deed;
use crate::client::{ClientError, EventStream, Follower, Step};
use crate::exit::Failure;
use crate::render::{
    Page, Paint, answered, bytes, in_room, lost, new_device, one_line, person, received_by,
    replaced, short, word, writer,
};

/// Follow what happens, one line each, until Ctrl-C
///
/// If the daemon is restarted, this waits for it. The events then go on after the last one shown: none is lost,
/// and none is shown twice. Each line begins with the event's number, for --since. Peers that come and go have no
/// number: they are shown as it happens, and are kept nowhere.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl watch
  martletctl watch --since 0      everything that is kept, then what comes
  martletctl watch --json | jq -r 'select(.type == \"message_received\") | .message.text'")]
pub(crate) struct Args {
    /// Begin after event N; 0 for all that are kept [default: only events to come]
    #[arg(long, value_name = "N")]
    since: Option<u64>,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let follow = async {
            let client = context.client()?;
            let mut follower = Follower::open(client, self.since).await?;
            // An older daemon tells nothing of peers; the events are told all the same.
            let mut peers = client.peer_events().await.ok();
            loop {
                let step = tokio::select! {
                    biased;
                    step = follower.next() => step,
                    change = next_of(&mut peers) => {
                        if let Some(change) = change {
                            context.output.show(&change, peer)?;
                        }
                        continue;
                    }
                };
                match step {
                    Ok(Step::Back) => {
                        peers = client.peer_events().await.ok();
                        take(Step::Back, context)?;
                    }
                    Ok(step) => take(step, context)?,
                    Err(error @ ClientError::UnknownEvent { .. }) => {
                        context.output.note_hanging("martletctl: ", &one_line(&error.to_string()));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        };
        tokio::select! {
            result = follow => result,
            _ = tokio::signal::ctrl_c() => Ok(()),
        }
    }
}

fn take(step: Step, context: &Context) -> Result<(), Failure> {
    let output = &context.output;
    match step {
        Step::Event(event) => return output.show(&*event, human),
        Step::Lost => output.note("The daemon ended the events; waiting for it."),
        Step::Locked => output.note("The vault is locked; waiting for: martletctl unlock"),
        Step::Back => output.note("The daemon is back."),
        Step::Missed { count } => {
            output.note(&format!("{count} events before this one are no longer kept."));
        }
    }
    Ok(())
}

/// The next peer that comes or goes. Without a stream, or at its end, waits for ever.
async fn next_of(peers: &mut Option<EventStream<PeerEvent>>) -> Option<PeerEvent> {
    let Some(stream) = peers else { return std::future::pending().await };
    let next = stream.next().await;
    if !matches!(next, Ok(Some(_)) | Err(ClientError::UnknownEvent { .. })) {
        *peers = None;
    }
    next.ok().flatten()
}

fn peer(event: &PeerEvent, page: &mut Page) {
    let time = page.paint(Paint::Dim, &page.clock().second(event.at));
    let name = page.paint(Paint::Bold, &super::peers::short(&event.peer_id));
    let what = match &event.body {
        PeerEventBody::PeerConnected { address } => format!("connected, {}", word(address)),
        PeerEventBody::PeerDisconnected { silent: true } => {
            page.paint(Paint::Warn, "disconnected: nothing is heard of it")
        }
        PeerEventBody::PeerDisconnected { silent: false } => "disconnected".to_owned(),
    };
    // These have no numbers: they are in no log.
    page.line(format!("-  {time}  peer {name} {what}"));
}

fn human(event: &Event, page: &mut Page) {
    // What is kept nowhere has no number of its own.
    let number = if event.body.is_passing() { "-".to_owned() } else { event.seq.to_string() };
    let number = page.paint(Paint::Dim, &number);
    let time = page.paint(Paint::Dim, &page.clock().second(event.at));
    let what = describe(&event.body, page);
    page.hanging(&format!("{number}  {time}  "), &what);
}

fn describe(body: &EventBody, page: &Page) -> String {
    let bold = |text: &str| page.paint(Paint::Bold, &word(text));
    match body {
        EventBody::MessageReceived { message } | EventBody::MessageQueued { message } => {
            describe_message(message, page)
        }
        EventBody::MessageState { id, conversation, state } => {
            format!("you to {}: {} {}", bold(conversation), short(id), page.state(*state))
        }
        EventBody::MessageReached { id, conversation, received } => {
            let received = page.paint(Paint::Dim, &format!("({})", received_by(*received)));
            format!("you to {}: {} {received}", bold(conversation), short(id))
        }
        EventBody::RequestReceived { id, suggested_name } => {
            let name = suggested_name.as_deref().map_or_else(String::new, |name| {
                format!(", who calls themselves \"{}\",", word(name))
            });
            format!("someone unknown{name} has written: {}", word(id))
        }
        EventBody::ContactAdded { name, id } => format!("added {}: {}", bold(name), word(id)),
        EventBody::ContactRenamed { id, from, to } => {
            format!("{} is now {}", bold(from.as_ref().unwrap_or(id)), bold(to))
        }
        EventBody::ContactRemoved { name: Some(name) } => format!("removed {}", bold(name)),
        EventBody::ContactRemoved { name: None } => "removed a contact".to_owned(),
        EventBody::ContactReachable { name } => format!("found the keys of {}", bold(name)),
        EventBody::ContactDevicesChanged { name, devices } => {
            page.paint(Paint::Bad, &new_device(name, *devices))
        }
        EventBody::ContactVerified { name, verified: Verified::No } => {
            format!("{} is not verified any more", bold(name))
        }
        EventBody::ContactVerified { name, verified: Verified::Yes | Verified::Changed } => {
            format!("verified {}", bold(name))
        }
        EventBody::InviteUsed { number, name } => {
            format!("{} came by your invite {number}", bold(name))
        }
        EventBody::InviteRefused { number, id } => page.paint(
            Paint::Warn,
            &format!("someone came by your invite {number}, which is good no more: {}", word(id)),
        ),
        EventBody::InviteAccepted { name } => format!("{} knows you now", bold(name)),
        EventBody::ConversationRead { name, marked } => {
            format!("read {} from {}", crate::render::count(*marked, "message"), bold(name))
        }
        EventBody::MessagesLost { conversation, count } => {
            page.paint(Paint::Bad, &lost(conversation, *count))
        }
        EventBody::MessageEdited { message } => {
            let (who, id) = (writer(message), short(&message.id));
            format!("{} edited {id}: {}", bold(&who), one_line(&message.text))
        }
        EventBody::MessageReaction { id, conversation, direction, by, emoji } => {
            let who = in_room(by.as_deref(), *direction, conversation);
            let (who, id) = (page.paint(Paint::Bold, &who), short(id));
            match emoji {
                Some(emoji) => format!("{who} reacted to {id}: {}", word(emoji)),
                None => format!("{who} withdrew the reaction to {id}"),
            }
        }
        EventBody::MessageRead { id, conversation } => {
            format!("{} has read up to {}", bold(conversation), short(id))
        }
        EventBody::Typing { conversation } => {
            page.paint(Paint::Dim, &format!("{} is writing", word(conversation)))
        }
        EventBody::FileProgress { id, conversation, fetched_bytes, of_bytes, waiting } => {
            let (have, of) = (bytes(*fetched_bytes), bytes(*of_bytes));
            let how = if *waiting { "waits for its sender" } else { "is on its way" };
            let id = short(id);
            page.paint(
                Paint::Dim,
                &format!("file {id} with {} {how}: {have} of {of}", word(conversation)),
            )
        }
        EventBody::FileReceived { message } => match message.direction {
            Direction::Out => {
                format!("{} has all of file {}", bold(&message.conversation), short(&message.id))
            }
            Direction::In | Direction::Note => {
                format!("file {} is here: {}", short(&message.id), one_line(&message.text))
            }
        },
        EventBody::FileFailed { message } => page.paint(
            Paint::Bad,
            &format!("file {} is not here: {}", short(&message.id), one_line(&message.text)),
        ),
        EventBody::MessageEnded { id, conversation, reason, by } => {
            let why = match (reason, by) {
                (EndedReason::Expired, _) => "expired".to_owned(),
                (EndedReason::Burned, _) => "burned".to_owned(),
                (EndedReason::Recalled, None) => "was recalled".to_owned(),
                (EndedReason::Recalled, Some(by)) => format!("was removed by {}", person(by)),
                (EndedReason::Deleted, _) => "was deleted here".to_owned(),
                (EndedReason::Replaced, _) => {
                    return replaced(&format!("{}, {}", bold(conversation), short(id)));
                }
            };
            format!("a message with {} {why}: {}", bold(conversation), short(id))
        }
        EventBody::ConversationCleared { name } => {
            format!("deleted all messages with {} here", bold(name))
        }
        EventBody::ContactProfile { name, calls_themselves: Some(own) } => {
            format!("{} calls themselves {} now", bold(name), word(own))
        }
        EventBody::ContactProfile { name, calls_themselves: None } => {
            format!("{} has another profile, without a name", bold(name))
        }
        EventBody::ContactDevices { name } => {
            format!(
                "{} has other devices than before: martletctl contact show shows them",
                bold(name)
            )
        }
        EventBody::ContactTerminated { name } => page.paint(
            Paint::Warn,
            &format!(
                "the identity of {} was terminated: nothing more can be sent to them",
                word(name)
            ),
        ),
        EventBody::RoomJoined { name, .. } => format!("you are in the room {}", bold(name)),
        EventBody::RoomChanged { name, operation, .. } => {
            format!("in {}: {}", bold(name), deed(operation))
        }
        EventBody::RoomLeft { name, removed: true, .. } => {
            page.paint(Paint::Warn, &format!("you were removed from the room {}", word(name)))
        }
        EventBody::RoomLeft { name, removed: false, .. } => {
            format!("you left the room {}", bold(name))
        }
        EventBody::RoomUndone { name, operation, by, .. } => {
            let by = by.as_ref().map_or_else(|| "someone".to_owned(), person);
            let what = deed(operation);
            let text = format!("in {}: {by} undid what you did there: {what}", word(name));
            page.paint(Paint::Warn, &text)
        }
        EventBody::RoomEquivocation { name, by, .. } => page.paint(
            Paint::Bad,
            &format!(
                "in {}: a device of {} tells different things: it was copied or put back from a copy, or is not honest",
                word(name),
                person(by)
            ),
        ),
        EventBody::DevicesChanged => {
            "something changed about your devices: martletctl device list".to_owned()
        }
        EventBody::AccountTerminated => {
            page.paint(Paint::Warn, "your identity was terminated: nothing more can be sent")
        }
        EventBody::Gone { reason: GoneReason::Removed } => {
            page.paint(Paint::Dim, "what this was about was removed")
        }
        EventBody::Gone { reason: GoneReason::Unreadable } => {
            page.paint(Paint::Bad, "the record of this is damaged")
        }
    }
}

/// Of a message whose writer had been removed.
const LATE: &str = " (sent before the removal was known)";

const MENTION: &str = " (mentions you)";

fn describe_message(message: &Message, page: &Page) -> String {
    let name = page.paint(Paint::Bold, &word(&message.conversation));
    let answers = match &message.reply_to {
        Some(reply) => format!("(to {}) ", answered(reply, message)),
        None => String::new(),
    };
    let text = format!("{answers}{}", one_line(&message.text));
    match message.direction {
        Direction::In => match &message.author {
            Some(author) => {
                let late = if message.sent_before_removal_was_known { LATE } else { "" };
                let mention = if message.mentions_you { MENTION } else { "" };
                let told = message.told_by.as_deref();
                let told = told.map_or_else(String::new, |by| format!(" (told by {})", person(by)));
                format!("{name}, {}{late}{told}{mention}: {text}", person(author))
            }
            None => format!("{name}: {text}"),
        },
        Direction::Note => {
            format!("{}: {} {text}", page.paint(Paint::Bold, "note"), short(&message.id))
        }
        Direction::Out => {
            let (id, state) = (short(&message.id), page.state(message.state));
            format!("you to {name}: {id} {text} {state}")
        }
    }
}

#[cfg(test)]
mod tests {
    use martlet_protocol::UnixMillis;
    use martlet_protocol::control::Delivery;

    use super::*;
    use crate::render::Clock;

    fn line(body: EventBody) -> String {
        let mut page = Page::new(false, Clock::at(UnixMillis(0)));
        human(&Event { seq: 7, at: UnixMillis(3_661_000), body }, &mut page);
        page.text().to_owned()
    }

    #[test]
    fn each_event_is_one_harmless_line() {
        let message = Message {
            id: "0123456789abcdef".to_owned(),
            conversation: "b\u{1b}ob".to_owned(),
            direction: Direction::In,
            text: "one\ntwo\u{7}".to_owned(),
            sent_at: UnixMillis(0),
            stored_at: UnixMillis(0),
            state: Delivery::Delivered,
            reply_to: None,
            edited_at: None,
            reactions: Vec::new(),
            versions: Vec::new(),
            expire_seconds: None,
            burn_seconds: None,
            ends_at: None,
            sets_timers: None,
            file: None,
            room: None,
            author: None,
            sent_before_removal_was_known: false,
            received: None,
            mentions: Vec::new(),
            mentions_you: false,
            told_by: None,
            recalled_by: None,
        };
        assert_eq!(
            line(EventBody::MessageReceived { message: message.clone() }),
            "7  01:01:01  b\\u{1b}ob: one ⏎ two\\u{7}\n"
        );
        let note = message.clone();
        let queued = Message { direction: Direction::Out, state: Delivery::Queued, ..message };
        assert_eq!(
            line(EventBody::MessageQueued { message: queued }),
            "7  01:01:01  you to b\\u{1b}ob: 01234567 one ⏎ two\\u{7} (queued)\n"
        );
        let note = Message { direction: Direction::Note, ..note };
        assert_eq!(
            line(EventBody::MessageQueued { message: note }),
            "7  01:01:01  note: 01234567 one ⏎ two\\u{7}\n"
        );
        assert_eq!(
            line(EventBody::RequestReceived {
                id: "martlet1x".to_owned(),
                suggested_name: Some("a\nb".to_owned())
            }),
            "7  01:01:01  someone unknown, who calls themselves \"a\\nb\", has written: martlet1x\n"
        );
    }
}
