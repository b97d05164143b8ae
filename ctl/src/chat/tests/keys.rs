//! Keys, the mouse, scrolling, finding.

use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};

use super::super::model::Focus;
use super::*;

fn numbered(numbers: std::ops::Range<u64>) -> Vec<Message> {
    numbers.map(|n| received(&format!("message {n}"), 5000 - n)).collect()
}

fn with_messages(rows: u16, count: u64, more: bool) -> Chat {
    let mut chat = Chat::with(80, rows, &[("bob", 0), ("carol", 0)]);
    chat.page("bob", numbered(0..count), more, Vec::new());
    chat.asked();
    chat
}

fn older_asked(chat: &mut Chat) -> Option<String> {
    let asks = chat.asked();
    asks.into_iter().find_map(|ask| match ask {
        Ask::Page { before, .. } => before,
        _ => None,
    })
}

#[test]
fn scrolling_back_loads_older_messages_and_keeps_what_is_seen() {
    let mut chat = with_messages(24, 100, true);
    assert!(chat.shown().contains("message 99") && !chat.shown().contains("message 70\n"));
    chat.key(KeyCode::PageUp);
    assert!(!chat.shown().contains("message 99"));
    assert_eq!(older_asked(&mut chat), None, "there is enough above");
    for _ in 0..4 {
        chat.key(KeyCode::PageUp);
    }
    let first = chat.model.open_conversation().unwrap().rows[0].id.clone();
    assert_eq!(older_asked(&mut chat), Some(first.clone()));
    chat.key(KeyCode::PageUp);
    assert_eq!(older_asked(&mut chat), None, "asked for once");
    let seen = chat.shown();
    let history = History { messages: numbered(900..950), more: false, lost: Vec::new() };
    chat.told(Told::Page { place: Place::Contact("bob".into()), before: Some(first), history });
    // The line that there are older ones is gone; the messages stand where they stood.
    let lines = |shown: &str| shown.lines().rfind(|l| l.contains("message")).unwrap().to_owned();
    assert_eq!(lines(&seen), lines(&chat.shown()));
    let key = KeyEvent::new(KeyCode::Home, KeyModifiers::CONTROL);
    chat.happen(Happened::Key(key));
    assert!(chat.shown().contains("message 900"));
    chat.key(KeyCode::Esc);
    assert!(chat.shown().contains("message 99"), "Esc is back at the newest");
}

#[test]
fn a_message_that_comes_moves_nothing_while_older_ones_are_read() {
    let mut chat = with_messages(24, 60, false);
    chat.key(KeyCode::PageUp);
    let seen = chat.shown();
    chat.event(EventBody::MessageReceived { message: new("a new one\nof two lines", 0) });
    let now = chat.shown();
    assert!(now.contains("1 new below"), "{now}");
    let messages = |shown: &str| -> Vec<String> {
        let beside = shown.lines().filter_map(|line| line.split_once('│'));
        beside.map(|(_, line)| line.to_owned()).filter(|line| line.contains("message ")).collect()
    };
    assert_eq!(messages(&seen), messages(&now));
    // It is not read before it is seen.
    assert!(!chat.asked().iter().any(|ask| matches!(ask, Ask::Read { .. })));
    chat.key(KeyCode::Esc);
    assert!(chat.shown().contains("a new one"));
    assert!(chat.asked().iter().any(|ask| matches!(ask, Ask::Read { name } if name == "bob")));
}

#[test]
fn the_wheel_scrolls_and_a_click_opens() {
    let mut chat = with_messages(24, 60, false);
    let mouse = |kind, column, row| {
        Happened::Mouse(MouseEvent { kind, column, row, modifiers: KeyModifiers::NONE })
    };
    chat.happen(mouse(MouseEventKind::ScrollUp, 50, 5));
    assert_eq!(chat.model.open_conversation().unwrap().scroll, 3);
    chat.happen(mouse(MouseEventKind::ScrollDown, 50, 5));
    assert_eq!(chat.model.open_conversation().unwrap().scroll, 0);
    let row = chat.shown().lines().position(|line| line.starts_with(" carol")).unwrap();
    chat.happen(mouse(MouseEventKind::Down(MouseButton::Left), 3, u16::try_from(row).unwrap()));
    assert_eq!(chat.model.open, Some(Place::Contact("carol".into())));
    // Beyond the last one, and outside of everything.
    for (column, row) in [(3, 20), (79, 23), (200, 200)] {
        chat.happen(mouse(MouseEventKind::Down(MouseButton::Left), column, row));
    }
}

#[test]
fn each_conversation_keeps_what_is_typed_in_it() {
    let mut chat = with_messages(24, 3, false);
    chat.type_in("for bob");
    chat.control('n');
    assert_eq!(chat.model.open, Some(Place::Contact("carol".into())));
    chat.type_in("for carol");
    assert!(chat.shown().contains("draft"));
    chat.control('p');
    assert_eq!(chat.draft(), "for bob");
    chat.control('p');
    assert_eq!(chat.model.open, Some(Place::Contact("bob".into())), "the first is the first");
}

#[test]
fn several_lines_are_one_message() {
    let mut chat = with_messages(24, 3, false);
    chat.type_in("one");
    chat.control('j');
    chat.type_in("two");
    chat.happen(Happened::Key(KeyEvent::new(KeyCode::Enter, KeyModifiers::ALT)));
    chat.happen(Happened::Paste("three\nfour".to_owned().into()));
    assert!(chat.sends().is_empty(), "a pasted line end sends nothing");
    chat.key(KeyCode::Enter);
    assert_eq!(chat.sends()[0].1, "one\ntwo\nthree\nfour");
    assert_eq!(chat.draft(), "");
}

#[test]
fn a_paste_longer_than_a_message_is_refused_and_said() {
    let mut chat = with_messages(24, 3, false);
    chat.type_in("a");
    chat.happen(Happened::Paste("x".repeat(1 << 20).into()));
    assert_eq!(chat.draft(), "a");
    chat.happen(Happened::Paste("x".repeat(16 * 1024).into()));
    assert!(chat.shown().contains("at most 16,384 bytes"));
}

#[test]
fn finding_goes_back_and_forth_and_says_where_it_ends() {
    let mut chat = with_messages(24, 100, false);
    chat.control('f');
    chat.type_in("MESSAGE 1");
    // 1 and 10 to 19.
    assert!(chat.shown().contains("1 of 11"), "{}", chat.shown());
    assert!(chat.shown().contains("▶") && chat.shown().contains("message 19"));
    for _ in 0..10 {
        chat.key(KeyCode::Enter);
    }
    assert!(chat.shown().contains("11 of 11"));
    chat.key(KeyCode::Enter);
    assert!(chat.shown().contains("nothing older"));
    chat.key(KeyCode::Down);
    assert!(chat.shown().contains("10 of 11"));
    chat.key(KeyCode::Esc);
    assert!(chat.model.seek.find.is_none());
    // Neither nothing nor a pattern finds anything.
    for query in [".*", "  ", "\0"] {
        chat.control('f');
        chat.type_in(query);
        assert_eq!(chat.model.found().1, 0, "{query:?}");
        chat.key(KeyCode::Esc);
    }
}

#[test]
fn finding_asks_for_older_messages() {
    let mut chat = with_messages(24, 100, true);
    chat.control('f');
    chat.type_in("nowhere");
    assert_eq!(older_asked(&mut chat), None, "not at each letter");
    chat.key(KeyCode::Enter);
    assert!(older_asked(&mut chat).is_some());
}

#[test]
fn ctrl_c_asks_before_something_is_lost() {
    let mut chat = with_messages(24, 3, false);
    chat.type_in("x");
    chat.control('c');
    assert!(chat.asked().is_empty() && chat.shown().contains("Ctrl+C again"));
    chat.key(KeyCode::Backspace);
    chat.control('c');
    assert!(matches!(chat.asked()[..], [Ask::Quit]));
}

#[test]
fn every_key_of_the_help_does_something() {
    let mut chat = with_messages(24, 3, false);
    for key in [KeyCode::F(1), KeyCode::F(2)] {
        chat.key(key);
        assert!(chat.shown().contains("any key: back"));
        chat.type_in("z");
        assert_eq!(chat.draft(), "", "what closes it is not typed");
    }
    chat.type_in("?");
    assert!(chat.model.overlay.is_some(), "? is help while nothing is typed");
    chat.key(KeyCode::Esc);
    chat.type_in("a?");
    assert_eq!(chat.draft(), "a?");
    chat.key(KeyCode::Tab);
    assert_eq!(chat.model.focus, Focus::List);
    chat.key(KeyCode::Tab);
    assert_eq!(chat.model.focus, Focus::Input);
    chat.asked();
    chat.control('l');
    chat.control('z');
    chat.control('q');
    assert!(matches!(chat.asked()[..], [Ask::Redraw, Ask::Suspend, Ask::Quit]));
}

#[test]
fn requests_are_accepted_under_a_name_and_dropped_after_a_question() {
    let mut chat = with_messages(24, 3, false);
    chat.control('r');
    assert!(chat.shown().contains("Nobody unknown"));
    let one = request(Some("Carol"), "Hello");
    let two = MessageRequest { id: "martlet1two".into(), ..request(None, "Hi") };
    chat.told(Told::Requests(vec![one.clone(), two]));
    chat.control('r');
    chat.key(KeyCode::Down);
    chat.key(KeyCode::Char('d'));
    chat.key(KeyCode::Char('n'));
    assert!(chat.asked().is_empty());
    chat.key(KeyCode::Char('d'));
    chat.key(KeyCode::Char('y'));
    assert!(matches!(&chat.asked()[..], [Ask::Drop { id }] if id == "martlet1two"));
    chat.told(Told::Dropped { id: "martlet1two".into() });
    chat.key(KeyCode::Char('a'));
    chat.type_in(" B.");
    chat.key(KeyCode::Enter);
    assert!(
        matches!(&chat.asked()[..], [Ask::Accept { id, name }] if *id == one.id && name == "Carol B.")
    );
    chat.told(Told::Accepted(contact("Carol B.", 1)));
    assert_eq!(chat.model.open, Some(Place::Contact("Carol B.".into())));
}

#[test]
fn a_message_is_recalled_or_deleted_after_a_question() {
    let mut chat = Chat::with(80, 24, &[("bob", 0)]);
    let own = sent("Oops", 3, Delivery::Delivered);
    chat.page("bob", vec![own.clone(), received("What?", 2)], false, Vec::new());
    chat.asked();
    chat.key(KeyCode::Up);
    assert!(chat.shown().contains("▶"), "{}", chat.shown());
    chat.type_in("r");
    assert!(chat.shown().contains("Only what you wrote"));
    chat.key(KeyCode::Up);
    chat.type_in("rn");
    assert!(chat.asked().is_empty());
    chat.type_in("ry");
    assert!(matches!(&chat.asked()[..], [Ask::Recall { id }] if *id == own.id));
    let reason = EndedReason::Recalled;
    chat.event(EventBody::MessageEnded {
        id: own.id.clone(),
        conversation: "bob".into(),
        reason,
        by: None,
    });
    assert!(chat.shown().contains("recalled") && !chat.shown().contains("Oops"));
    chat.key(KeyCode::Up);
    chat.type_in("dy");
    assert!(matches!(&chat.asked()[..], [Ask::Delete { id }] if *id != own.id));
    // What is typed goes on being typed.
    chat.key(KeyCode::Up);
    chat.type_in("x");
    assert_eq!(chat.draft(), "x");
}

#[test]
fn a_message_is_answered_edited_and_reacted_to() {
    let mut chat = Chat::with(80, 24, &[("bob", 0)]);
    let own = sent("Hullo", 3, Delivery::Delivered);
    let other = received("What?", 2);
    chat.page("bob", vec![own.clone(), other.clone()], false, Vec::new());
    chat.asked();
    chat.key(KeyCode::Up);
    chat.type_in("1");
    assert!(
        matches!(&chat.asked()[..], [Ask::React { id, emoji: Some(emoji) }] if *id == other.id && emoji == "👍")
    );
    chat.key(KeyCode::Up);
    chat.type_in("0");
    assert!(matches!(&chat.asked()[..], [Ask::React { emoji: None, .. }]));
    chat.key(KeyCode::Up);
    chat.type_in("aI said hello");
    assert!(chat.shown().contains("answering: What?"), "{}", chat.shown());
    chat.key(KeyCode::Enter);
    match &chat.asked()[..] {
        [Ask::Send { text, reply_to, .. }] => {
            assert_eq!((text.as_str(), reply_to.as_deref()), ("I said hello", Some(&*other.id)));
        }
        asks => panic!("{asks:?}"),
    }
    chat.key(KeyCode::Up);
    chat.type_in("e");
    assert!(chat.shown().contains("Only what you wrote"));
    chat.key(KeyCode::Up);
    chat.type_in("e");
    assert_eq!(chat.draft(), "Hullo");
    chat.key(KeyCode::Esc);
    assert_eq!(chat.draft(), "");
    chat.key(KeyCode::Up);
    chat.key(KeyCode::Up);
    chat.type_in("e!");
    chat.key(KeyCode::Enter);
    match &chat.asked()[..] {
        [Ask::Edit { id, text, .. }] => assert_eq!((&**id, text.as_str()), (&*own.id, "Hullo!")),
        asks => panic!("{asks:?}"),
    }
    // Refused: what was typed is there again.
    let place = Place::Contact("bob".into());
    let result = Err(crate::client::ClientError::Timeout);
    chat.told(Told::Edited { place, text: "Hullo!".into(), result });
    assert_eq!(chat.draft(), "Hullo!");
}

#[test]
fn who_writes_is_told_and_shown_for_a_while() {
    let mut chat = with_messages(24, 3, false);
    chat.type_in("ab");
    let told = chat.asks.iter().filter(|ask| matches!(ask, Ask::Typing { .. })).count();
    assert_eq!(told, 1, "not at each letter");
    chat.event(EventBody::Typing { conversation: "bob".into() });
    assert!(chat.shown().contains("is writing"));
    chat.happen(Happened::Tick(Clock::at(UnixMillis(NOON.0 + 8_000))));
    assert!(!chat.shown().contains("is writing"));
    chat.type_in("c");
    let told = chat.asks.iter().filter(|ask| matches!(ask, Ask::Typing { .. })).count();
    assert_eq!(told, 2);
}

#[test]
fn pinned_conversations_are_first() {
    let mut chat = with_messages(24, 3, false);
    assert_eq!(chat.model.places()[0], Place::Contact("bob".into()));
    chat.told(Told::Conversations(vec![summary("carol", 9_999, true)]));
    assert_eq!(chat.model.places()[0], Place::Contact("carol".into()));
}

/// A colon without a name stood before it.
#[test]
fn an_answer_to_what_is_not_here_names_nobody() {
    let mut chat = Chat::with(80, 24, &[("bob", 0)]);
    let id = "ab".repeat(16);
    let reply = Reply { id, excerpt: None, direction: None, author: None };
    let answer = Message { reply_to: Some(reply), ..received("An answer", 5) };
    chat.page("bob", vec![answer], false, Vec::new());
    assert!(chat.shown().contains("│ a message that is not here"), "{}", chat.shown());
}
