#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::{Duration, Instant};

use martlet_protocol::UnixMillis;

use super::*;

fn message(conversation: &str, direction: &str, text: &str) -> Message {
    serde_json::from_value(serde_json::json!({"id": format!("id of {text}"),
        "conversation": conversation, "direction": direction, "text": text, "sent_at": 1,
        "stored_at": 1, "state": "delivered"}))
    .unwrap()
}

fn event(text: &str) -> Arc<Event> {
    let body = EventBody::MessageReceived { message: message("bob", "in", text) };
    Arc::new(Event { seq: 1, at: UnixMillis(1), body })
}

#[test]
fn what_is_told_is_what_was_asked_for() {
    let long = "ä".repeat(1000);
    let of = |what, direction, text| of(what, &message("bob", direction, text));
    assert_eq!(of(Notify::Off, "in", "hello"), None);
    assert_eq!(of(Notify::Full, "out", "hello"), None);
    let body = |what, text| of(what, "in", text).unwrap().body(1);
    assert_eq!(body(Notify::Sender, "hello"), "New message");
    assert_eq!(of(Notify::Sender, "in", "hello").unwrap().body(3), "3 new messages");
    assert_eq!(body(Notify::Full, "hello"), "hello");
    // In a room the title names the room alone.
    let person = |name: Option<&str>| RoomPerson {
        id: "martlet1qpzry9x8gf2tvdw0".to_owned(),
        you: false,
        name: name.map(str::to_owned),
        calls_themselves: None,
    };
    for (notify, name, shown) in [
        (Notify::Full, Some("bob"), "bob: hello"),
        (Notify::Sender, Some("bob"), "New message by bob"),
        (Notify::Full, None, "qpzry9: hello"),
    ] {
        let author = Some(Box::new(person(name)));
        let message = Message { author, ..message("bridge", "in", "hello") };
        assert_eq!(super::of(notify, &message).unwrap().body(1), shown);
    }
    assert_eq!(body(Notify::Full, &long), "ä".repeat(NOTIFICATION_CHARS_MAX));
}

fn waiting(jobs: &[(&str, &str)], renews: bool) -> Waiting {
    let waiting = Waiting::default();
    for (conversation, text) in jobs {
        let it = of(Notify::Full, &message(conversation, "in", text)).unwrap();
        waiting.show(it, renews);
    }
    waiting
}

fn texts(waiting: &Waiting) -> Vec<Option<String>> {
    waiting.jobs().shown.iter().map(|it| it.text.clone()).collect()
}

#[test]
fn on_a_desktop_one_notification_waits_for_each_conversation_and_few_in_all() {
    let many = [("bob", "1"), ("carol", "2"), ("bob", "3"), ("bob", "4")];
    let some = |texts: &[&str]| -> Vec<_> { texts.iter().map(|it| Some((*it).into())).collect() };
    assert_eq!(texts(&waiting(&many, true)), some(&["4", "2"]));
    assert_eq!(texts(&waiting(&many, false)), some(&["1", "2", "3", "4"]));
    let names: Vec<String> = (0..100).map(|it| it.to_string()).collect();
    let flood: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
    assert_eq!(texts(&waiting(&flood, true)).len(), NOTIFICATIONS_WAITING_MAX);
}

#[test]
fn what_was_read_or_is_gone_waits_no_longer() {
    let waiting = waiting(&[("bob", "1"), ("carol", "2"), ("carol", "3")], false);
    waiting.withdraw("bob", None);
    waiting.withdraw("carol", Some("id of 2"));
    assert_eq!(texts(&waiting), [None, Some("3".into())]);
    // A thousand messages that end at once take no more room than the desktop's notifications.
    for number in 0..1000 {
        waiting.withdraw("carol", Some(&number.to_string()));
    }
    let jobs = waiting.jobs();
    assert_eq!((jobs.over.len(), jobs.is_all_over), (NOTIFICATIONS_SHOWN_MAX, true));
}

async fn lines(path: &Path, count: usize) -> Vec<String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        if text.lines().count() >= count {
            return text.lines().map(str::to_owned).collect();
        }
        assert!(Instant::now() < deadline, "{text}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Runs a program for what comes, of which the engine says this.
fn running(
    command: &[&str],
    news: impl Fn(String) -> Option<News> + Send + Sync + 'static,
) -> (broadcast::Sender<Arc<Event>>, watch::Sender<()>, tokio::task::JoinHandle<()>) {
    let (events, receiver) = broadcast::channel(64);
    let (lock, locks) = watch::channel(());
    let screen = Screen::Program(command.iter().map(|it| (*it).to_owned()).collect());
    let ask = move |name| std::future::ready(news(name));
    (events, lock, tokio::spawn(run_on(screen, Notify::Full, ask, receiver, locks)))
}

const UNREAD: Option<News> = Some(News { is_muted: false, unread: 1 });

#[tokio::test]
async fn the_program_gets_it_on_its_input_and_one_that_fails_stops_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let shown = directory.path().join("shown");
    let script = format!("cat >>{}; exit 1", shown.display());
    let (events, _lock, task) = running(&["sh", "-c", &script], |_| UNREAD);
    for (count, text) in [(1, "one"), (2, "-two\n\"quoted\"")] {
        events.send(event(text)).unwrap();
        let line = lines(&shown, count).await.pop().unwrap();
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value, serde_json::json!({"title": "bob", "body": text}));
    }
    drop(events);
    task.await.unwrap();
    // One that is not there is no reason to end either.
    let (events, _lock, task) = running(&["/no/such"], |_| UNREAD);
    events.send(event("x")).unwrap();
    tokio::task::yield_now().await;
    assert!(!task.is_finished());
    drop(events);
    task.await.unwrap();
}

/// The program was run for messages of a muted conversation, too, and for those that the user had read meanwhile.
#[tokio::test]
async fn nothing_is_told_of_what_is_muted_or_read_or_locked() {
    let directory = tempfile::tempdir().unwrap();
    let shown = directory.path().join("shown");
    let script = format!("cat >>{}", shown.display());
    let quiet = [
        Some(News { is_muted: true, unread: 1 }),
        Some(News { is_muted: false, unread: 0 }),
        None,
        UNREAD,
    ];
    let asked = std::sync::atomic::AtomicUsize::new(0);
    let news = move |_| quiet[asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed)];
    let (events, _lock, _task) = running(&["sh", "-c", &script], news);
    for text in ["muted", "read", "locked", "told"] {
        events.send(event(text)).unwrap();
    }
    let line = lines(&shown, 1).await.join("\n");
    assert!(line.contains("told"), "{line}");
}
