//! Searching all conversations, adding contacts, and how conversations are: what is asked in the last line.

use martlet_protocol::control::{
    ConversationTimers, ErrorCode, Problem, SearchResult, SearchResults, TimerSetting,
    TimersRequest,
};

use super::super::model::{Focus, Link, Overlay, Search};
use super::*;
use crate::client::ClientError;

/// Connected, with the list in focus.
fn chat() -> Chat {
    let mut chat = Chat::with(80, 24, &[("bob", 0), ("carol", 0)]);
    chat.page("bob", vec![received("Hello", 5)], false, Vec::new());
    chat.key(KeyCode::Tab);
    assert_eq!(chat.model.focus, Focus::List);
    chat.asked();
    chat
}

pub(super) fn found(message: &Message, before: &str, after: &str) -> SearchResult {
    SearchResult {
        id: message.id.clone(),
        conversation: message.conversation.clone(),
        room: None,
        author: None,
        direction: message.direction,
        sent_at: message.sent_at,
        stored_at: message.stored_at,
        before: before.into(),
        found: "stove".into(),
        after: after.into(),
    }
}

pub(super) fn results(results: Vec<SearchResult>) -> Told {
    let found = SearchResults { results, more: false, partial: false };
    Told::Found { words: "stove".into(), found }
}

#[test]
fn words_are_searched_and_enter_goes_to_the_message() {
    let mut chat = chat();
    chat.page("bob", vec![received("Hello again", 5)], true, Vec::new());
    chat.key(KeyCode::Char('/'));
    chat.type_in("stove");
    assert!(chat.shown().contains(" Search: stove"), "{}", chat.shown());
    chat.key(KeyCode::Enter);
    let searched = |ask: &Ask| matches!(ask, Ask::Search { words } if words == "stove");
    assert!(chat.asks.iter().any(searched));
    assert!(chat.shown().contains("Searching…"));
    let (old, older) = (sent("My stove", 90, Delivery::Delivered), received("A stove", 9000));
    chat.told(results(vec![found(&old, "My ", ""), found(&older, "A ", "")]));
    assert!(chat.shown().contains("My stove") && chat.shown().contains("Found: stove"));
    chat.key(KeyCode::Down);
    chat.key(KeyCode::Down);
    assert_eq!(chat.model.seek.search.as_ref().unwrap().at, 1, "there are two");
    chat.key(KeyCode::Enter);
    assert_eq!(chat.model.overlay, None);
    // It is further back than what is loaded: older pages are asked for until it is there.
    let place = Place::Contact("bob".into());
    for is_there in [false, true] {
        let asked = chat.asked().into_iter().find_map(|ask| match ask {
            Ask::Page { before, .. } => before,
            _ => None,
        });
        let mut messages = vec![received("something else", 5000)];
        messages.extend(is_there.then(|| older.clone()));
        let history = History { messages, more: !is_there, lost: Vec::new() };
        chat.told(Told::Page { place: place.clone(), before: Some(asked.unwrap()), history });
    }
    let conversation = chat.model.open_conversation().unwrap();
    assert_eq!(conversation.chosen.as_ref().map(|chosen| &chosen.id), Some(&older.id));
    assert_eq!(conversation.sought, None);
    assert!(chat.shown().contains("▶"), "{}", chat.shown());
    assert!(chat.asked().iter().all(|ask| !matches!(ask, Ask::Page { .. })));
}

#[test]
fn what_is_gone_since_is_looked_for_no_longer_than_there_are_messages() {
    let mut chat = chat();
    chat.told(results(vec![found(&received("gone", 5), "", "")]));
    chat.key(KeyCode::Enter);
    assert!(chat.shown().contains("gone, or further back"), "{}", chat.shown());
    assert_eq!(chat.model.open_conversation().unwrap().sought, None);
    // Of notes too, which are loaded then.
    let note = message(Direction::Note, "a stove", 5, Delivery::Delivered);
    chat.told(results(vec![found(&note, "", "")]));
    chat.key(KeyCode::Enter);
    assert_eq!(chat.model.open, Some(Place::Notes));
    let history = History { messages: vec![note.clone()], more: false, lost: Vec::new() };
    chat.told(Told::Page { place: Place::Notes, before: None, history });
    let chosen = chat.model.open_conversation().unwrap().chosen.as_ref();
    assert_eq!(chosen.map(|chosen| chosen.id.clone()), Some(note.id));
}

#[test]
fn what_was_found_goes_with_the_lock_and_nothing_found_is_told() {
    let mut chat = chat();
    chat.told(results(Vec::new()));
    assert!(chat.shown().contains("No message has it."));
    assert_eq!(chat.model.overlay, None);
    chat.told(results(vec![found(&received("my stove", 5), "secret tide ", "")]));
    assert_eq!(chat.model.overlay, Some((Overlay::Found, 0)));
    chat.happen(Happened::Feed(Feed::Down(Link::Locked)));
    assert!(!format!("{:?}", chat.model).contains("secret tide"));
    let refused = Problem::new(ErrorCode::BadRequest, "there is no word to look for");
    chat.up();
    chat.told(Told::Failed(ClientError::Problem(refused)));
    assert!(chat.shown().contains("no word to look for"));
}

#[test]
fn a_contact_is_added_by_id_and_name() {
    let mut chat = chat();
    chat.key(KeyCode::Char('a'));
    chat.happen(Happened::Paste("martlet1dave\nrest".to_owned().into()));
    chat.key(KeyCode::Enter);
    assert!(chat.shown().contains("What to call them:"), "{}", chat.shown());
    chat.type_in(" Dave ");
    chat.key(KeyCode::Enter);
    match &chat.asked()[..] {
        [Ask::Add { id, name }] => {
            assert_eq!((id.as_str(), name.as_str()), ("martlet1dave", "Dave"))
        }
        other => panic!("{other:?}"),
    }
    chat.told(Told::Accepted(contact("Dave", 0)));
    assert_eq!(chat.model.open, Some(Place::Contact("Dave".into())));
    // Esc and nothing typed add nobody.
    for end in [KeyCode::Esc, KeyCode::Enter] {
        chat.key(KeyCode::Tab);
        chat.key(KeyCode::Char('a'));
        chat.key(end);
        assert!(chat.model.seek.prompt.is_none());
        chat.key(KeyCode::Tab);
    }
    assert!(!chat.asked().iter().any(|ask| matches!(ask, Ask::Add { .. })));
}

#[test]
fn timers_mute_and_pin_are_set_in_the_list() {
    let mut chat = chat();
    chat.key(KeyCode::Char('t'));
    chat.type_in("soon");
    chat.key(KeyCode::Enter);
    assert!(chat.shown().contains("a time such as"), "{}", chat.shown());
    chat.control('u');
    chat.type_in("1h 30s");
    chat.key(KeyCode::Enter);
    let wanted = TimersRequest {
        expire_seconds: Some(TimerSetting::Seconds(3600)),
        burn_seconds: Some(TimerSetting::Seconds(30)),
    };
    match &chat.asked()[..] {
        [Ask::SetTimers { name, request }] => {
            assert_eq!((name.as_str(), *request), ("bob", wanted))
        }
        other => panic!("{other:?}"),
    }
    let timers = ConversationTimers { expire_seconds: Some(3600), burn_seconds: Some(30) };
    chat.told(Told::Timers { name: "bob".into(), timers });
    assert!(chat.shown().contains("end after 1 h, 30 s once read"), "{}", chat.shown());

    for (key, expected) in [('m', (Some(true), None)), ('p', (None, Some(true)))] {
        chat.key(KeyCode::Char(key));
        match &chat.asked()[..] {
            [Ask::Settings { name, muted, pinned }] => {
                assert_eq!((name.as_str(), (*muted, *pinned)), ("bob", expected));
            }
            other => panic!("{other:?}"),
        }
    }
    let mut settings = summary("bob", 0, true).settings;
    settings.muted = true;
    chat.told(Told::Settings { name: "bob".into(), settings });
    assert!(chat.shown().contains(", muted"), "{}", chat.shown());
    chat.key(KeyCode::Char('m'));
    assert!(matches!(&chat.asked()[..], [Ask::Settings { muted: Some(false), .. }]));
    chat.key(KeyCode::End);
    chat.key(KeyCode::Char('m'));
    assert!(chat.shown().contains("for conversations with contacts"), "{}", chat.shown());
    assert!(matches!(Search::place(&found(&received("x", 1), "", "")), Place::Contact(_)));
}
