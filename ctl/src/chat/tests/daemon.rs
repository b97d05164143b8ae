//! The daemon comes and goes, locks and fails: nothing that was typed is lost or sent twice.

use std::time::Duration;

use martlet_protocol::control::{ErrorCode, Problem, SendResponse};

use super::super::model::{Link, Secret};
use super::*;
use crate::client::ClientError;

fn chat() -> Chat {
    let mut chat = Chat::with(80, 24, &[("bob", 0)]);
    chat.page("bob", vec![received("Hello", 5)], false, Vec::new());
    chat.asked();
    chat
}

fn enter(chat: &mut Chat, text: &str) {
    chat.type_in(text);
    chat.key(KeyCode::Enter);
}

fn answer(chat: &mut Chat, ticket: u64, result: Result<&Message, ClientError>) {
    let result =
        result.map(|message| SendResponse { id: message.id.clone(), state: message.state });
    chat.told(Told::Sent { ticket, place: Place::Contact("bob".into()), result });
}

fn disconnected() -> ClientError {
    ClientError::Disconnected { socket: "/s".into() }
}

fn problem(code: ErrorCode) -> ClientError {
    ClientError::Problem(Problem::new(code, "it is refused, because"))
}

fn down(chat: &mut Chat) {
    chat.happen(Happened::Feed(Feed::Down(Link::Lost)));
}

/// The newest page, as it is asked for when the daemon is back.
fn back_with(chat: &mut Chat, messages: Vec<Message>) {
    chat.up();
    chat.page("bob", messages, false, Vec::new());
}

fn texts(chat: &Chat) -> Vec<&str> {
    chat.model.open_conversation().unwrap().rows.iter().map(|row| row.text.as_str()).collect()
}

#[test]
fn messages_go_one_after_another() {
    let mut chat = chat();
    enter(&mut chat, "one");
    enter(&mut chat, "two");
    assert_eq!(chat.sends(), [(1, "one".to_owned())]);
    let one = sent("one", 0, Delivery::Queued);
    chat.event(EventBody::MessageQueued { message: one.clone() });
    assert_eq!(chat.shown().matches("you  one").count(), 1, "shown once, though unanswered");
    answer(&mut chat, 1, Ok(&one));
    assert_eq!(chat.sends(), [(2, "two".to_owned())]);
    let two = sent("two", 0, Delivery::Queued);
    answer(&mut chat, 2, Ok(&two));
    chat.event(EventBody::MessageQueued { message: two });
    assert_eq!(texts(&chat), ["Hello", "one", "two"]);
    assert!(chat.model.outgoing.queue.is_empty());
}

#[test]
fn ctrl_q_quits_once_all_is_sent() {
    let mut chat = chat();
    enter(&mut chat, "one");
    let ticket = chat.sends()[0].0;
    chat.control('q');
    assert!(chat.asked().is_empty() && chat.shown().contains("Quits when all is sent"));
    answer(&mut chat, ticket, Ok(&sent("one", 0, Delivery::Queued)));
    assert!(matches!(chat.asked()[..], [Ask::Quit]));
}

#[test]
fn ctrl_q_waits_neither_for_ever_nor_twice() {
    let mut chat = chat();
    down(&mut chat);
    enter(&mut chat, "one");
    chat.control('q');
    assert!(chat.asked().is_empty());
    chat.control('q');
    assert!(matches!(chat.asked()[..], [Ask::Quit]));
    chat.happen(Happened::Tick(Clock::at(NOON.plus(Duration::from_secs(9)))));
    assert!(chat.asked().is_empty());
    chat.happen(Happened::Tick(Clock::at(NOON.plus(Duration::from_secs(10)))));
    assert!(matches!(chat.asked()[..], [Ask::Quit]));
}

#[test]
fn what_is_refused_while_the_chat_quits_is_seen() {
    let mut chat = chat();
    enter(&mut chat, "one");
    let ticket = chat.sends()[0].0;
    chat.control('q');
    answer(&mut chat, ticket, Err(problem(ErrorCode::ContactTerminated)));
    assert!(chat.asked().iter().all(|ask| !matches!(ask, Ask::Quit)));
    assert!(chat.draft() == "one" && chat.shown().contains("it is refused"));
}

#[test]
fn what_is_typed_while_the_daemon_is_away_is_sent_when_it_is_back() {
    let mut chat = chat();
    down(&mut chat);
    enter(&mut chat, "one");
    chat.type_in("two");
    assert!(chat.sends().is_empty());
    assert!(chat.shown().contains("waits for the daemon"));
    chat.up();
    assert_eq!(chat.sends()[0].1, "one");
    assert_eq!(chat.draft(), "two");
}

#[test]
fn a_message_whose_answer_was_lost_is_sent_again_only_if_it_is_not_there() {
    for is_there in [true, false] {
        let mut chat = chat();
        enter(&mut chat, "once");
        let ticket = chat.sends()[0].0;
        answer(&mut chat, ticket, Err(disconnected()));
        down(&mut chat);
        assert!(chat.shown().contains("asks again"));
        let mut history = vec![received("Hello", 5)];
        if is_there {
            history.push(sent("once", 0, Delivery::Sent));
        }
        back_with(&mut chat, history);
        let again = chat.sends();
        assert_eq!(again.len(), usize::from(!is_there), "{again:?}");
        assert_eq!(chat.model.outgoing.queue.len(), usize::from(!is_there));
    }
}

/// The same text again is another message: that of before must not be taken for it.
#[test]
fn an_older_message_of_the_same_text_is_not_taken_for_a_new_one() {
    let mut chat = chat();
    enter(&mut chat, "ok");
    let first = sent("ok", 0, Delivery::Queued);
    let ticket = chat.sends()[0].0;
    answer(&mut chat, ticket, Ok(&first));
    enter(&mut chat, "ok");
    let ticket = chat.sends()[0].0;
    down(&mut chat);
    answer(&mut chat, ticket, Err(disconnected()));
    chat.up();
    chat.event(EventBody::MessageQueued { message: first.clone() });
    assert_eq!(chat.model.outgoing.queue.len(), 1, "that was the first one's event");
    chat.page("bob", vec![first], false, Vec::new());
    assert_eq!(chat.sends().len(), 1, "the second one was not there");
}

#[test]
fn a_refused_message_stands_in_the_input_again() {
    let mut chat = chat();
    enter(&mut chat, "one");
    chat.type_in("two");
    let ticket = chat.sends()[0].0;
    answer(&mut chat, ticket, Err(problem(ErrorCode::StorageFailed)));
    assert_eq!(chat.draft(), "one\ntwo");
    assert!(chat.shown().contains("it is refused, because"));
    assert!(chat.model.outgoing.queue.is_empty());
}

#[test]
fn a_locked_vault_is_opened_and_what_waited_goes() {
    let mut chat = chat();
    enter(&mut chat, "one");
    let ticket = chat.sends()[0].0;
    answer(&mut chat, ticket, Err(problem(ErrorCode::Locked)));
    chat.happen(Happened::Feed(Feed::Down(Link::Locked)));
    chat.asked();
    chat.type_in("open sésame");
    assert!(!chat.shown().contains("sésame"));
    let debug = format!("{:?}", chat.model.passphrase);
    assert_eq!(debug, "Secret(…)");
    chat.key(KeyCode::Enter);
    match &chat.asked()[..] {
        [Ask::Unlock(Secret(given))] => assert_eq!(given.as_str(), "open sésame"),
        other => panic!("{other:?}"),
    }
    assert!(chat.model.passphrase.0.is_empty());
    chat.told(Told::Unlocked(Err(problem(ErrorCode::WrongPassphrase))));
    assert!(chat.shown().contains("refused"));
    chat.told(Told::Unlocked(Ok(())));
    chat.up();
    assert_eq!(chat.sends()[0].1, "one");
}

#[test]
fn a_passphrase_longer_than_there_are_is_not_taken() {
    let mut chat = chat();
    chat.happen(Happened::Feed(Feed::Down(Link::Locked)));
    let before = chat.model.passphrase.0.as_ptr();
    chat.happen(Happened::Paste("x".repeat(1024).into()));
    chat.type_in("y");
    assert_eq!(chat.model.passphrase.0.len(), 1024);
    assert_eq!(chat.model.passphrase.0.as_ptr(), before, "moved, and a copy left behind");
}

#[test]
fn events_keep_the_list_and_the_counts() {
    let mut chat = Chat::with(80, 24, &[("bob", 0), ("carol", 0)]);
    chat.page("bob", vec![received("Hello", 50)], false, Vec::new());
    let from_carol = Message { conversation: "carol".into(), ..new("Hi", 0) };
    chat.event(EventBody::MessageReceived { message: from_carol });
    assert_eq!(chat.model.places()[0], Place::Contact("carol".into()), "the newest is first");
    assert_eq!(chat.model.unread(), 1);
    chat.event(EventBody::ContactRenamed {
        id: "martlet1carol".into(),
        from: None,
        to: "Carol".into(),
    });
    assert_eq!(chat.model.unread(), 1);
    chat.event(EventBody::ConversationRead { name: "Carol".into(), marked: 1 });
    assert_eq!(chat.model.unread(), 0);
    chat.event(EventBody::ContactRemoved { name: Some("bob".into()) });
    chat.told(Told::Contacts(vec![contact("Carol", 0)]));
    assert_eq!(chat.model.open, None);
    assert!(!chat.shown().contains("bob"));
}

#[test]
fn what_comes_while_the_window_is_not_looked_at_is_not_read() {
    let mut chat = chat();
    chat.happen(Happened::Focus(false));
    chat.event(EventBody::MessageReceived { message: new("psst", 0) });
    assert!(chat.asked().is_empty());
    chat.happen(Happened::Focus(true));
    assert!(matches!(&chat.asked()[..], [Ask::Read { name }] if name == "bob"));
    assert!(chat.shown().contains("1 new"));
}

#[test]
fn what_comes_while_it_is_looked_at_is_read_without_a_line() {
    let mut chat = chat();
    chat.event(EventBody::MessageReceived { message: new("psst", 0) });
    assert!(matches!(&chat.asked()[..], [Ask::Read { .. }]));
    assert!(!chat.shown().contains("1 new"));
}

#[test]
fn events_that_were_missed_are_made_up_for_by_the_history() {
    let mut chat = chat();
    chat.happen(Happened::Feed(Feed::Up { whole: false }));
    let pages =
        chat.asked().into_iter().filter(|ask| matches!(ask, Ask::Page { before: None, .. }));
    assert_eq!(pages.count(), 1);
    chat.page("bob", vec![received("far later", 1)], true, Vec::new());
    assert_eq!(texts(&chat), ["far later"]);
}

#[test]
fn what_has_ended_is_kept_nowhere() {
    let mut chat = chat();
    let secret =
        Message { ends_at: Some(UnixMillis(NOON.0 + 9_000)), ..received("secret tide", 0) };
    chat.event(EventBody::MessageReceived { message: secret.clone() });
    assert!(chat.shown().contains("9 s left"), "{}", chat.shown());
    let later = UnixMillis(NOON.0 + 5_000);
    chat.model.attention.dirty = false;
    chat.happen(Happened::Tick(Clock::at(later)));
    assert!(chat.model.attention.dirty && chat.shown().contains("4 s left"));
    let reason = EndedReason::Expired;
    chat.event(EventBody::MessageEnded {
        id: secret.id,
        conversation: "bob".into(),
        reason,
        by: None,
    });
    assert_eq!(texts(&chat), ["Hello"]);
    assert!(!format!("{:?}", chat.model).contains("secret tide"));
    chat.event(EventBody::ConversationCleared { name: "bob".into() });
    assert!(texts(&chat).is_empty() && !format!("{:?}", chat.model).contains("Hello"));
}

/// What a room's member told of a message stood beside the message itself, until the page was asked for anew.
#[test]
fn what_someone_told_gives_way_to_the_message_itself() {
    let mut chat = chat();
    let message = new("at eight", 0);
    let told = Message { text: "at midnight".into(), ..message.clone() };
    chat.event(EventBody::MessageReceived { message: told });
    assert_eq!(texts(&chat), ["Hello", "at midnight"]);
    let (id, conversation) = (message.id.clone(), "bob".into());
    let reason = EndedReason::Replaced;
    chat.event(EventBody::MessageEnded { id, conversation, reason, by: None });
    assert_eq!(texts(&chat), ["Hello"]);
    chat.event(EventBody::MessageReceived { message });
    assert_eq!(texts(&chat), ["Hello", "at eight"]);
}

/// The answer that failed came after the news that the daemon was back: nothing sent the message any more.
#[test]
fn a_failure_that_is_told_late_is_made_up_for() {
    let mut chat = chat();
    enter(&mut chat, "one");
    let ticket = chat.sends()[0].0;
    down(&mut chat);
    chat.up();
    chat.asked();
    answer(&mut chat, ticket, Err(problem(ErrorCode::Stopping)));
    chat.told(Told::Status(Box::new(status(1))));
    let ticket = chat.sends()[0].0;
    answer(&mut chat, ticket, Err(disconnected()));
    assert!(matches!(&chat.asked()[..], [Ask::Page { before: None, .. }]));
    chat.page("bob", vec![received("Hello", 5)], false, Vec::new());
    assert_eq!(chat.sends()[0].1, "one");
}

#[test]
fn what_is_typed_is_kept_by_the_daemon() {
    let mut chat = Chat::with(80, 24, &[("bob", 0)]);
    assert!(chat.asked().iter().any(|ask| matches!(ask, Ask::Draft { name } if name == "bob")));
    chat.told(Told::Draft { name: "bob".into(), text: "begun yesterday".into() });
    assert_eq!(chat.draft(), "begun yesterday");
    chat.type_in("!");
    let kept = |chat: &mut Chat| {
        let asks = chat.asked().into_iter();
        let kept = asks.filter_map(|ask| match ask {
            Ask::KeepDraft { text, .. } => Some(text),
            _ => None,
        });
        kept.collect::<Vec<_>>()
    };
    for seconds in 1..6 {
        chat.happen(Happened::Tick(Clock::at(UnixMillis(NOON.0 + seconds * 1000))));
    }
    assert_eq!(kept(&mut chat), ["begun yesterday!"]);
    chat.key(KeyCode::Backspace);
    chat.control('c');
    assert_eq!(kept(&mut chat), ["begun yesterday"], "Ctrl+C need not ask");
    chat.key(KeyCode::Enter);
    assert_eq!(kept(&mut chat), [""]);
    // What comes late does not take the place of what is typed.
    chat.type_in("new");
    chat.told(Told::Draft { name: "bob".into(), text: "old".into() });
    assert_eq!(chat.draft(), "new");
}

/// Whom the user verified is marked; and when they have another device, that is what the screen says until it is
/// confirmed.
#[test]
fn a_new_device_of_a_verified_contact_is_told_until_it_is_confirmed() {
    let mut chat = chat();
    let with = |verified| Told::Contacts(vec![Contact { verified, ..contact("bob", 0) }]);
    assert!(!chat.shown().contains("verified"));
    chat.told(with(Verified::Yes));
    assert!(chat.shown().contains("bob ✓ verified"), "{}", chat.shown());
    chat.event(EventBody::ContactDevicesChanged { name: "bob".into(), devices: 2 });
    assert!(chat.shown().contains("bob HAS A NEW DEVICE (2 devices now)"), "{}", chat.shown());
    assert!(chat.asked().iter().any(|ask| matches!(ask, Ask::Contacts)));
    chat.told(with(Verified::Changed));
    chat.key(KeyCode::Left);
    let shown = chat.shown();
    assert!(shown.contains("NEW DEVICE, not confirmed") && !shown.contains('✓'), "{shown}");
    chat.event(EventBody::MessageQueued { message: sent("two", 0, Delivery::NeedsConfirmation) });
    assert!(chat.shown().contains("to be confirmed"), "{}", chat.shown());
    chat.asked();
    chat.event(EventBody::ContactVerified { name: "bob".into(), verified: Verified::Yes });
    // What waited is asked for anew: it goes on.
    let asked = chat.asked();
    assert!(asked.iter().any(|ask| matches!(ask, Ask::Page { .. })), "{asked:?}");
    assert!(asked.iter().any(|ask| matches!(ask, Ask::Contacts)));
}

/// The question closed, and nothing was done and nothing said.
#[test]
fn what_is_wanted_of_a_daemon_that_is_away_is_refused_and_said() {
    let mut chat = chat();
    chat.page("bob", vec![sent("mine", 5, Delivery::Sent)], false, Vec::new());
    down(&mut chat);
    for (keys, what) in
        [("ry", "the recall"), ("dy", "deleting the message"), ("1", "the reaction")]
    {
        chat.key(KeyCode::Up);
        chat.type_in(keys);
        assert!(chat.shown().contains(&format!("away: {what} was not done")), "{}", chat.shown());
        chat.key(KeyCode::Esc);
        chat.model.focus = super::super::model::Focus::Input;
    }
    assert!(!chat.asked().iter().any(|ask| ask.wanted().is_some()));
}

/// The same where it went away while it was asked.
#[test]
fn what_a_daemon_did_not_do_is_said_though_it_is_back() {
    let mut chat = chat();
    for (error, said) in [
        (disconnected(), "perhaps the recall was not done"),
        (problem(ErrorCode::Stopping), "the recall was not done"),
    ] {
        chat.told(Told::Undone { what: "the recall", error });
        chat.up();
        let notice = chat.model.notice.clone().unwrap_or_default();
        assert!(notice.contains(said), "{notice}");
    }
}

/// It could not be withdrawn, and Up chose the message before it.
#[test]
fn up_takes_back_a_message_that_waits() {
    let mut chat = chat();
    down(&mut chat);
    enter(&mut chat, "wrong");
    chat.key(KeyCode::Up);
    assert_eq!(chat.draft(), "wrong");
    assert!(chat.model.outgoing.queue.is_empty());
    chat.up();
    assert!(chat.sends().is_empty());
}
