//! Notifications: a program of the user's is run for each message that comes.
//!
//! It gets one line of JSON, `{"title": …, "body": …}`, on its standard input: not in its arguments, which every user of the
//! machine can read. One runs at a time. What is too much at once is left out, for who comes back after days needs no
//! thousand of them; nothing waits for it.

use std::process::Stdio;
use std::sync::Arc;

use martlet_protocol::control::{Direction, Event, EventBody};
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::sync::{broadcast, mpsc};

use crate::config::Notify;
use crate::limits::{NOTIFICATION_CHARS_MAX, NOTIFICATION_TIME_MAX, NOTIFICATIONS_WAITING_MAX};

/// What the program is given.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Notification {
    title: String,
    body: String,
}

/// Runs `command` for each message among `events`, until they end.
pub(crate) async fn run(
    what: Notify,
    command: Vec<String>,
    mut events: broadcast::Receiver<Arc<Event>>,
) {
    let (sender, mut waiting) = mpsc::channel(NOTIFICATIONS_WAITING_MAX);
    let gather = async {
        loop {
            match events.recv().await {
                Ok(event) => {
                    if let Some(notification) = of(what, &event.body) {
                        // Full: left out.
                        let _ = sender.try_send(notification);
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    };
    let show = async {
        while let Some(notification) = waiting.recv().await {
            let shown = tokio::time::timeout(NOTIFICATION_TIME_MAX, show(&command, &notification));
            let problem = match shown.await {
                Ok(Ok(())) => continue,
                Ok(Err(problem)) => problem,
                Err(_) => format!("it did not end within {} s", NOTIFICATION_TIME_MAX.as_secs()),
            };
            tracing::warn!(problem, "notify_command failed");
        }
    };
    tokio::select! {
        () = gather => {}
        () = show => {}
    }
}

/// What is told of an event.
fn of(what: Notify, body: &EventBody) -> Option<Notification> {
    let EventBody::MessageReceived { message } = body else { return None };
    if message.direction != Direction::In {
        return None;
    }
    let title = message.conversation.clone();
    let body = match what {
        Notify::Off => return None,
        Notify::Sender => "New message".to_owned(),
        Notify::Full => message.text.chars().take(NOTIFICATION_CHARS_MAX).collect(),
    };
    Some(Notification { title, body })
}

async fn show(command: &[String], notification: &Notification) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("it can't be run: {error}"))?;
    if let Some(mut input) = child.stdin.take() {
        let mut line = serde_json::to_vec(notification).unwrap_or_default();
        line.push(b'\n');
        // It need not read.
        let _ = input.write_all(&line).await;
    }
    let status = child.wait().await.map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::path::Path;
    use std::time::{Duration, Instant};

    use martlet_protocol::UnixMillis;
    use martlet_protocol::control::Message;

    use super::*;

    fn event(direction: &str, text: &str) -> Arc<Event> {
        let message: Message = serde_json::from_value(serde_json::json!({"id": "aa",
            "conversation": "bob", "direction": direction, "text": text, "sent_at": 1,
            "stored_at": 1, "state": "delivered"}))
        .unwrap();
        let body = EventBody::MessageReceived { message };
        Arc::new(Event { seq: 1, at: UnixMillis(1), body })
    }

    #[test]
    fn what_is_told_is_what_was_asked_for() {
        let long = "ä".repeat(1000);
        let of = |what, direction, text| of(what, &event(direction, text).body);
        assert_eq!(of(Notify::Off, "in", "hello"), None);
        assert_eq!(of(Notify::Full, "out", "hello"), None);
        let told = |body: &str| Some(Notification { title: "bob".into(), body: body.into() });
        assert_eq!(of(Notify::Sender, "in", "hello"), told("New message"));
        assert_eq!(of(Notify::Full, "in", "hello"), told("hello"));
        assert_eq!(of(Notify::Full, "in", &long), told(&"ä".repeat(NOTIFICATION_CHARS_MAX)));
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

    #[tokio::test]
    async fn the_program_gets_it_on_its_input_and_one_that_fails_stops_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let shown = directory.path().join("shown");
        let script = format!("cat >>{}; exit 1", shown.display());
        let command = ["sh", "-c", &script].map(str::to_owned).to_vec();
        let (events, receiver) = broadcast::channel(64);
        let running = tokio::spawn(run(Notify::Full, command, receiver));
        for (count, text) in [(1, "one"), (2, "-two\n\"quoted\"")] {
            events.send(event("in", text)).unwrap();
            let line = lines(&shown, count).await.pop().unwrap();
            let value: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(value, serde_json::json!({"title": "bob", "body": text}));
        }
        drop(events);
        running.await.unwrap();
        // One that is not there is no reason to end either.
        let (events, receiver) = broadcast::channel(64);
        let running = tokio::spawn(run(Notify::Sender, vec!["/no/such".into()], receiver));
        events.send(event("in", "x")).unwrap();
        tokio::task::yield_now().await;
        assert!(!running.is_finished());
        drop(events);
        running.await.unwrap();
    }
}
