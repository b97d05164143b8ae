//! Screens, character by character, and as pictures for the documents.
//!
//! `MARTLET_WRITE_SCREENS=1` writes both anew: look at the difference.

use std::fs;
use std::path::Path;

use ratatui::style::Color;

use super::super::model::Link;
use super::*;
use crate::client::{ClientError, Tried};

const TEXTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/chat");
const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/chat");

/// Compares a screen with what is kept of it.
fn check(chat: &Chat, name: &str) {
    let (buffer, cursor) = chat.screen(true);
    let text = text(&buffer);
    let title = format!("martletctl chat, {}×{}", buffer.area.width, buffer.area.height);
    let picture = svg::picture(&buffer, cursor, &title);
    let kept = [
        (Path::new(TEXTS).join(format!("{name}.txt")), text),
        (Path::new(PICTURES).join(format!("{name}.svg")), picture),
    ];
    for (path, found) in kept {
        if std::env::var_os("MARTLET_WRITE_SCREENS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &found).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == expected,
            "{} is another:\n{found}\nMARTLET_WRITE_SCREENS=1 writes it anew",
            path.display()
        );
    }
}

/// A conversation with all that there is in one.
fn talk(columns: u16, rows: u16) -> Chat {
    let mut chat = Chat::with(columns, rows, &[("bob", 2), ("Zoë", 0), ("日本の友だち", 1)]);
    let yesterday = DAY_MS / MINUTE_MS;
    let missed =
        new("It leaves at ten past seven from the northern pier, not from the harbour.", 22);
    let lost = vec![Lost { before: missed.id.clone(), count: 1 }];
    let messages = vec![
        received("Are you coming to the island on Saturday?", yesterday + 80),
        sent("Yes! Which ferry do you take?", yesterday + 75, Delivery::Delivered),
        sent("I could bring the tent, if you still have the stove.", 61, Delivery::Expired),
        sent("Hello?", 40, Delivery::Delivered),
        missed,
        new("The stove is here. 🏕\nBring matches.", 20),
    ];
    chat.page("bob", messages, true, lost);
    for (text, minutes, state) in
        [("Matches are packed.", 3, Delivery::Sent), ("And the good coffee", 0, Delivery::Queued)]
    {
        chat.event(EventBody::MessageQueued { message: sent(text, minutes, state) });
    }
    let list = vec![summary("Zoë", 3 * yesterday, false), summary("日本の友だち", 130, false)];
    chat.told(Told::Conversations(list));
    chat
}

#[test]
fn at_the_start_it_says_what_to_do() {
    let mut chat = Chat::with(80, 24, &[]);
    chat.told(Told::Status(Box::new(status(0))));
    check(&chat, "start");
}

/// In 20 columns the size that it needs was cut to "40×1…".
#[test]
fn what_is_too_small_is_told_how_large_it_must_be_in_twenty_columns_too() {
    let chat = Chat::with(20, 5, &[]);
    assert!(chat.shown().contains("40×10"), "{}", chat.shown());
}

#[test]
fn a_conversation_shows_days_states_and_what_is_new() {
    let mut chat = talk(80, 24);
    chat.type_in("See you at the pier");
    check(&chat, "conversation");
}

#[test]
fn any_script_fits_and_nothing_acts_on_the_terminal() {
    let mut chat = Chat::with(80, 24, &[("bob", 0)]);
    let messages = vec![
        received(
            "日本語の文章は、単語の間に空白がなくても、きちんと折り返されます。どこまでも続きます。",
            30,
        ),
        received("שלום! مرحبا नमस्ते 👩‍👩‍👧 e\u{301}", 29),
        received("\u{1b}[2J\u{1b}]0;owned\u{7} and \u{202e}gnp.exe", 28),
        received(&format!("Z{}algo", "\u{301}".repeat(400)), 27),
        sent(
            "See https://example.org/a/very/long/path/that/has/no/place/to/break/at/all?really=yes",
            2,
            Delivery::Delivered,
        ),
    ];
    chat.page("bob", messages, false, Vec::new());
    chat.happen(Happened::Paste("一行目\r\nsecond line\n\tthird\u{7}".to_owned().into()));
    check(&chat, "scripts");
    let shown = chat.shown();
    assert!(!shown.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')));
}

#[test]
fn requests_wait_for_a_decision() {
    let mut chat = Chat::with(80, 24, &[("bob", 0)]);
    chat.page("bob", vec![received("Hello", 5)], false, Vec::new());
    let second = MessageRequest {
        id: "martlet1".to_owned() + &"w3".repeat(41),
        ..request(None, "Buy \u{1b}[31mnow")
    };
    chat.told(Told::Requests(vec![
        request(Some("Carol"), "Hello, you don't know me. May I?"),
        second,
    ]));
    chat.control('r');
    chat.key(KeyCode::Char('a'));
    check(&chat, "requests");
}

fn person(name: &str, is_contact: bool) -> RoomPerson {
    RoomPerson {
        id: "martlet1".to_owned() + &"k5".repeat(41),
        you: name == "you",
        name: is_contact.then(|| name.into()),
        calls_themselves: (!is_contact && name != "you").then(|| name.into()),
    }
}

fn room(name: &str, role: RoomRole) -> Room {
    let member = |who: RoomPerson, role, creator, devices| RoomMember {
        who,
        role,
        creator,
        devices,
        terminated_at: None,
    };
    Room {
        id: "3f".repeat(32),
        name: name.into(),
        role,
        since: NOON,
        closed: false,
        unread: 0,
        settings: RoomSettings {
            name: name.into(),
            expire_seconds: Some(24 * 3600),
            burn_seconds: None,
            add_by: RoomAddBy::Moderators,
            strict: false,
            members_max: 64,
            history: 0,
        },
        members: vec![
            member(person("Dave", false), RoomRole::Removed, false, 0),
            member(person("Zoë", true), RoomRole::Invited, false, 0),
            member(person("bob", true), RoomRole::Moderator, true, 2),
            member(person("Carol", false), RoomRole::Member, false, 1),
            member(person("Erin \u{1b}[2J", false), RoomRole::Left, false, 0),
            member(person("you", false), role, false, 1),
        ],
        operations: 9,
        digest: "00".repeat(32),
    }
}

/// A room among the conversations, with what members and moderators do in one.
fn on_the_bridge(role: RoomRole) -> Chat {
    let mut chat = Chat::with(80, 24, &[("bob", 0), ("Zoë", 0)]);
    chat.told(Told::Rooms(vec![room("bridge", role)]));
    chat.told(Told::Conversations(vec![ConversationSummary {
        room: Some("3f".repeat(32)),
        ..summary("bridge", 3, false)
    }]));
    chat.open("bridge");
    let by = |name, is_contact| Some(Box::new(person(name, is_contact)));
    let of = |message: Message| Message { conversation: "bridge".into(), ..message };
    let messages = vec![
        of(Message { author: by("bob", true), ..received("All hands at eight.", 40) }),
        of(Message { author: by("Carol", false), ..received("Aye.", 39) }),
        of(Message {
            author: by("Dave", false),
            recalled_by: by("bob", true),
            ..message(Direction::In, "", 38, Delivery::Recalled)
        }),
        of(Message { author: by("you", false), ..sent("Who has the watch?", 3, Delivery::Sent) }),
    ];
    chat.page("bridge", messages, false, Vec::new());
    chat
}

/// Rooms were not in the list, and could not be opened.
#[test]
fn a_room_stands_among_the_conversations() {
    let mut chat = on_the_bridge(RoomRole::Moderator);
    chat.type_in("Me, till noon.");
    check(&chat, "room");
    let asked = chat.asks.iter().any(|ask| matches!(ask, Ask::Typing { .. }));
    assert!(!asked, "nobody is told in a room that someone writes");
}

#[test]
fn who_is_in_a_room_is_shown_with_what_they_are() {
    let mut chat = on_the_bridge(RoomRole::Moderator);
    chat.key(KeyCode::F(5));
    check(&chat, "members");
}

/// Who moderates takes back what others wrote; nobody else can.
#[test]
fn moderators_recall_what_others_wrote() {
    for (role, can) in [(RoomRole::Moderator, true), (RoomRole::Member, false)] {
        let mut chat = on_the_bridge(role);
        chat.key(KeyCode::Up);
        chat.key(KeyCode::Up);
        chat.key(KeyCode::Up);
        chat.key(KeyCode::Char('r'));
        chat.key(KeyCode::Char('y'));
        let asked = chat.asked();
        assert_eq!(asked.iter().any(|ask| matches!(ask, Ask::Recall { .. })), can, "{role:?}");
    }
    let mut chat = on_the_bridge(RoomRole::Member);
    let id = chat.model.open_conversation().unwrap().rows[1].id.clone();
    let by = Some(Box::new(person("bob", true)));
    let reason = EndedReason::Recalled;
    chat.event(EventBody::MessageEnded { id, conversation: "bridge".into(), reason, by });
    assert_eq!(chat.shown().matches("removed by bob").count(), 2, "{}", chat.shown());
}

#[test]
fn help_lies_over_the_conversations() {
    let mut chat = talk(80, 24);
    chat.key(KeyCode::F(1));
    check(&chat, "help");
}

#[test]
fn what_is_looked_for_is_shown() {
    let mut chat = talk(80, 24);
    chat.control('f');
    chat.type_in("stove");
    chat.key(KeyCode::Enter);
    check(&chat, "find");
}

#[test]
fn what_a_search_found_is_shown_with_where_it_is() {
    let mut chat = talk(80, 24);
    chat.key(KeyCode::F(4));
    chat.type_in("stove");
    chat.key(KeyCode::Enter);
    let of_zoe = Message { conversation: "Zoë".into(), ..received("", 9000) };
    let long = "and whoever comes last makes the coffee, which is as it was last year, and…";
    chat.told(search::results(vec![
        search::found(&received("", 20), "The ", " is here. 🏕\nBring matches."),
        search::found(&sent("", 61, Delivery::Expired), "…the tent, if you still have the ", "."),
        search::found(&of_zoe, "Whoever comes first lights the ", &format!(", {long}")),
        search::found(&message(Direction::Note, "", 9100, Delivery::Delivered), "buy a ", ""),
    ]));
    chat.key(KeyCode::Down);
    check(&chat, "search");
}

#[test]
fn a_locked_vault_asks_for_its_passphrase() {
    let mut chat = talk(80, 24);
    chat.happen(Happened::Feed(Feed::Down(Link::Locked)));
    chat.type_in("correct horse");
    check(&chat, "locked");
    assert!(!chat.shown().contains("bob"));
    assert!(!format!("{:?}", chat.model).contains("ferry"), "kept while the vault is locked");
}

#[test]
fn while_the_daemon_is_away_what_is_typed_waits() {
    let mut chat = talk(80, 24);
    chat.happen(Happened::Feed(Feed::Down(Link::Lost)));
    chat.type_in("This waits.");
    chat.key(KeyCode::Enter);
    chat.type_in("And this is still being typed");
    check(&chat, "away");
}

#[test]
fn the_doctor_says_what_is_wrong() {
    let mut chat = talk(80, 24);
    chat.told(Told::Doctor(Diagnosis {
        findings: vec![
            finding(
                Severity::Error,
                "no peer is connected",
                "Is the network cable plugged in? Name a peer: martletctl dial ADDRESS",
            ),
            finding(
                Severity::Warning,
                "the disk is nearly full: 300 MiB are free",
                "Make room on /home.",
            ),
        ],
        clock_ahead_ms: None,
    }));
    chat.key(KeyCode::F(2));
    check(&chat, "doctor");
}

#[test]
fn a_narrow_window_shows_one_thing_at_a_time() {
    let mut chat = talk(60, 20);
    check(&chat, "narrow");
    chat.key(KeyCode::Tab);
    check(&chat, "narrow-list");
}

#[test]
fn the_smallest_window_still_works() {
    let mut chat = talk(40, 10);
    chat.type_in("fine");
    check(&chat, "smallest");
    chat.key(KeyCode::F(1));
    check(&chat, "smallest-help");
    for _ in 0..10 {
        chat.key(KeyCode::PageDown);
    }
    assert!(chat.shown().contains("✓✓:"), "{}", chat.shown());
    chat.key(KeyCode::Esc);
    assert!(chat.shown().contains("fine"));
}

#[test]
fn below_that_it_says_so_and_loses_nothing() {
    let mut chat = talk(39, 9);
    chat.type_in("kept");
    check(&chat, "too-small");
    chat.happen(Happened::Resize { columns: 80, rows: 24 });
    assert!(chat.shown().contains("kept"));
}

#[test]
fn what_a_message_has_besides_its_text_is_shown() {
    let mut chat = talk(80, 24);
    let rows = &chat.model.open_conversation().unwrap().rows;
    let (own, last) = (rows[1].id.clone(), rows[5].id.clone());
    let edited = Message {
        id: own.clone(),
        edited_at: Some(NOON),
        ..sent("Yes! Which ferry?", 1515, Delivery::Read)
    };
    let excerpt = "I could bring the tent, if you still have the stove.".to_owned();
    let reaction = |direction, emoji: &str| Reaction { direction, by: None, emoji: emoji.into() };
    let answer = Message {
        id: last,
        reply_to: Some(Reply {
            id: own,
            direction: Some(Direction::Out),
            author: None,
            excerpt: Some(excerpt),
        }),
        reactions: vec![reaction(Direction::Out, "👍"), reaction(Direction::In, "👍")],
        ends_at: Some(UnixMillis(NOON.0 + 50_000)),
        ..received("The stove is here. 🏕\nBring matches.", 20)
    };
    for message in [edited, answer] {
        chat.event(EventBody::MessageEdited { message });
    }
    chat.event(EventBody::Typing { conversation: "bob".into() });
    chat.key(KeyCode::Up);
    chat.key(KeyCode::Up);
    chat.key(KeyCode::Char('a'));
    check(&chat, "extras");
}

#[test]
fn without_a_daemon_it_says_how_to_start_one() {
    let mut chat = Chat::new(80, 24);
    let place = Tried { socket: "/run/user/1000/martlet/control.sock".into(), is_stale: false };
    let error = ClientError::NotRunning { tried: vec![place] };
    chat.happen(Happened::Feed(Feed::Down(Link::NoDaemon(error.to_string()))));
    check(&chat, "no-daemon");
}

#[test]
fn without_colours_there_are_none() {
    let mut chat = talk(80, 24);
    chat.key(KeyCode::F(2));
    for _ in 0..2 {
        let (buffer, _) = chat.screen(false);
        assert!(
            buffer.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset)
        );
        assert_eq!(text(&buffer), chat.shown());
        chat.key(KeyCode::Esc);
    }
}

/// Whatever the size, drawing does not fail, and the cursor is on the screen.
#[test]
fn every_size_can_be_drawn() {
    let mut chat = talk(80, 24);
    chat.type_in("日本語 and more text than fits one line of a small window, surely");
    for columns in (1..130).step_by(3).chain([40, 63, 64]) {
        for rows in [1, 2, 9, 10, 11, 24, 70] {
            chat.happen(Happened::Resize { columns, rows });
            for overlay in [None, Some(KeyCode::F(1)), Some(KeyCode::F(2))] {
                if let Some(key) = overlay {
                    chat.key(key);
                }
                let (_, cursor) = chat.screen(true);
                assert!(cursor.is_none_or(|at| at.x < columns && at.y < rows));
                if overlay.is_some() {
                    chat.key(KeyCode::Esc);
                }
            }
        }
    }
}
