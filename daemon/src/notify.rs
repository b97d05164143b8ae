//! Notifications: the desktop, or a program of the user's, is told of each message that comes.
//!
//! It never waits for the engine's thread and the engine never waits for it: it is given the events that clients are given.
//! Before something is told, the engine is asked about the conversation: nothing is told of one that is muted (but what mentions
//! the user), of a message
//! that was read meanwhile, or with a vault that is locked. What is too much at once is left out, for who comes back after
//! days needs no thousand of them.

#[cfg(feature = "dbus")]
mod desktop;
mod program;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use martlet_engine::command::{GetNews, News};
use martlet_protocol::control::{Direction, Event, EventBody, Message, RoomPerson};
use tokio::sync::{broadcast, watch};

use crate::config::{Notify, UserConfig};
use crate::host::EngineHandle;
use crate::limits::{
    NOTIFICATION_CHARS_MAX, NOTIFICATION_INTERVAL, NOTIFICATION_TIME_MAX, NOTIFICATIONS_SHOWN_MAX,
    NOTIFICATIONS_WAITING_MAX,
};

/// What is shown of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Notification {
    /// The contact's name, or the room's.
    conversation: String,
    /// In a room: who wrote.
    author: Option<String>,
    /// The message's id.
    message: String,
    /// The beginning of the message, if that may be shown.
    text: Option<String>,
    /// Whether it mentions the user: then it is shown though the room is muted.
    is_mention: bool,
}

impl Notification {
    /// Of a conversation with so many unread messages.
    fn body(&self, unread: u64) -> String {
        match (&self.text, &self.author, unread) {
            (Some(text), None, _) => text.clone(),
            (Some(text), Some(author), _) => format!("{author}: {text}"),
            (None, None, 0 | 1) => "New message".to_owned(),
            (None, Some(author), 0 | 1) => format!("New message by {author}"),
            (None, _, _) => format!("{unread} new messages"),
        }
    }
}

/// Who shows it.
#[derive(Debug)]
enum Screen {
    Program(Vec<String>),
    #[cfg(feature = "dbus")]
    Desktop(desktop::Desktop),
}

impl Screen {
    fn of(command: &[String]) -> Option<Self> {
        if !command.is_empty() {
            return Some(Self::Program(command.to_vec()));
        }
        #[cfg(feature = "dbus")]
        return Some(Self::Desktop(desktop::Desktop::at(None)));
        // The configuration is refused without a command.
        #[cfg(not(feature = "dbus"))]
        None
    }

    /// Whether there is one notification for a conversation, which each message renews.
    fn renews(&self) -> bool {
        match self {
            Self::Program(_) => false,
            #[cfg(feature = "dbus")]
            Self::Desktop(_) => true,
        }
    }

    async fn show(&mut self, it: &Notification, news: News) -> Result<(), String> {
        match self {
            // It is run for each message.
            Self::Program(command) => program::show(command, &it.conversation, &it.body(1)).await,
            #[cfg(feature = "dbus")]
            Self::Desktop(desktop) => desktop.show(it, &it.body(news.unread)).await,
        }
    }

    /// Takes back what is shown. What can't be is no trouble: it was closed already.
    #[cfg_attr(
        not(feature = "dbus"),
        expect(unused_variables, reason = "a program shows what it wants")
    )]
    async fn withdraw(&mut self, what: Withdrawn<'_>) {
        match self {
            Self::Program(_) => {}
            #[cfg(feature = "dbus")]
            Self::Desktop(desktop) => {
                let withdraw = desktop.withdraw(what);
                let _ = tokio::time::timeout(NOTIFICATION_TIME_MAX, withdraw).await;
            }
        }
    }
}

/// What is to be seen no longer.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "dbus"), expect(dead_code, reason = "a program shows what it wants"))]
enum Withdrawn<'a> {
    All,
    Conversation(&'a str),
    /// The text of this message.
    Text(&'a str, &'a str),
}

/// What waits, the oldest first.
#[derive(Debug, Default)]
struct Waiting {
    jobs: Mutex<Jobs>,
    news: tokio::sync::Notify,
}

#[derive(Debug, Default)]
struct Jobs {
    shown: VecDeque<Notification>,
    /// Conversations that were read, or of which a message is gone: that one.
    over: VecDeque<(String, Option<String>)>,
    /// There were more of these than are kept.
    is_all_over: bool,
}

enum Job {
    Show(Notification),
    Withdraw(String, Option<String>),
    WithdrawAll,
}

impl Waiting {
    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clear(&self) {
        *self.jobs() = Jobs::default();
    }

    /// With `renews` it takes the place of what waits of the same conversation.
    fn show(&self, notification: Notification, renews: bool) {
        let mut jobs = self.jobs();
        let has_room = jobs.shown.len() < NOTIFICATIONS_WAITING_MAX;
        let name = &notification.conversation;
        match jobs.shown.iter_mut().find(|it| renews && it.conversation == *name) {
            Some(earlier) => *earlier = notification,
            None if has_room => jobs.shown.push_back(notification),
            // Left out.
            None => {}
        }
        drop(jobs);
        self.news.notify_one();
    }

    /// Nothing of a conversation is to be seen any more, or not this message of it.
    fn withdraw(&self, conversation: &str, message: Option<&str>) {
        let mut jobs = self.jobs();
        match message {
            None => jobs.shown.retain(|it| it.conversation != conversation),
            Some(message) => {
                let same = jobs.shown.iter_mut().filter(|it| it.message == message);
                same.for_each(|it| it.text = None);
            }
        }
        if jobs.over.len() < NOTIFICATIONS_SHOWN_MAX {
            jobs.over.push_back((conversation.to_owned(), message.map(str::to_owned)));
        } else {
            jobs.is_all_over = true;
        }
        drop(jobs);
        self.news.notify_one();
    }

    async fn next(&self) -> Job {
        loop {
            {
                let mut jobs = self.jobs();
                if std::mem::take(&mut jobs.is_all_over) {
                    jobs.over.clear();
                    return Job::WithdrawAll;
                }
                if let Some((conversation, message)) = jobs.over.pop_front() {
                    return Job::Withdraw(conversation, message);
                }
                if let Some(notification) = jobs.shown.pop_front() {
                    return Job::Show(notification);
                }
            }
            self.news.notified().await;
        }
    }
}

/// Tells of the messages among `events`, until they end. What is shown is taken back whenever `locks` changes.
pub(crate) async fn run<L>(
    config: UserConfig,
    engine: EngineHandle,
    events: broadcast::Receiver<Arc<Event>>,
    locks: watch::Receiver<L>,
) {
    let Some(screen) = Screen::of(&config.notify_command) else { return };
    let ask = |name| {
        let engine = engine.clone();
        async move { engine.call(GetNews { name }).await.ok() }
    };
    run_on(screen, config.notify, ask, events, locks).await;
}

async fn run_on<L, F: Future<Output = Option<News>>>(
    mut screen: Screen,
    what: Notify,
    ask: impl Fn(String) -> F,
    mut events: broadcast::Receiver<Arc<Event>>,
    mut locks: watch::Receiver<L>,
) {
    let (waiting, renews) = (Waiting::default(), screen.renews());
    let gather = async {
        loop {
            match events.recv().await {
                Ok(event) => gather(&waiting, what, &event.body, renews),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    };
    let show = async {
        let mut problem_told = None;
        loop {
            let job = tokio::select! {
                biased;
                Ok(()) = locks.changed() => {
                    waiting.clear();
                    screen.withdraw(Withdrawn::All).await;
                    continue;
                }
                job = waiting.next() => job,
            };
            let notification = match job {
                Job::WithdrawAll => {
                    screen.withdraw(Withdrawn::All).await;
                    continue;
                }
                Job::Withdraw(name, message) => {
                    let is_unread = ask(name.clone()).await.is_some_and(|news| news.unread > 0);
                    let what = match &message {
                        Some(message) if is_unread => Withdrawn::Text(&name, message),
                        Some(_) | None => Withdrawn::Conversation(&name),
                    };
                    screen.withdraw(what).await;
                    continue;
                }
                Job::Show(notification) => notification,
            };
            let news = ask(notification.conversation.clone()).await;
            let is_told =
                |news: &News| (!news.is_muted || notification.is_mention) && news.unread > 0;
            let Some(news) = news.filter(is_told) else { continue };
            let show =
                tokio::time::timeout(NOTIFICATION_TIME_MAX, screen.show(&notification, news));
            let problem = match show.await {
                Ok(Ok(())) => None,
                Ok(Err(problem)) => Some(problem),
                Err(_) => {
                    let seconds = NOTIFICATION_TIME_MAX.as_secs();
                    Some(format!("who shows them took longer than {seconds} s"))
                }
            };
            if problem != problem_told {
                // When it begins and when it ends, not for each message.
                match &problem {
                    Some(problem) => tracing::warn!(problem, "notifications can't be shown"),
                    None => tracing::info!("notifications are shown again"),
                }
                problem_told = problem;
            }
            if renews {
                tokio::time::sleep(NOTIFICATION_INTERVAL).await;
            }
        }
    };
    tokio::select! {
        () = gather => {}
        () = show => {}
    }
}

/// What an event asks for.
fn gather(waiting: &Waiting, what: Notify, body: &EventBody, renews: bool) {
    match body {
        EventBody::MessageReceived { message } => {
            if let Some(notification) = of(what, message) {
                waiting.show(notification, renews);
            }
        }
        EventBody::ConversationRead { name, .. }
        | EventBody::ConversationCleared { name }
        | EventBody::ContactRemoved { name: Some(name) } => waiting.withdraw(name, None),
        EventBody::MessageEnded { id, conversation, .. } => {
            waiting.withdraw(conversation, Some(id));
        }
        EventBody::MessageQueued { .. }
        | EventBody::MessageState { .. }
        | EventBody::MessageReached { .. }
        | EventBody::MessageEdited { .. }
        | EventBody::RequestReceived { .. }
        | EventBody::ContactAdded { .. }
        | EventBody::ContactRenamed { .. }
        | EventBody::ContactRemoved { name: None }
        | EventBody::ContactReachable { .. }
        | EventBody::ContactDevicesChanged { .. }
        | EventBody::ContactVerified { .. }
        | EventBody::InviteUsed { .. }
        | EventBody::RoomJoined { .. }
        | EventBody::RoomChanged { .. }
        | EventBody::RoomLeft { .. }
        | EventBody::RoomUndone { .. }
        | EventBody::RoomEquivocation { .. }
        | EventBody::InviteRefused { .. }
        | EventBody::InviteAccepted { .. }
        | EventBody::MessagesLost { .. }
        | EventBody::MessageReaction { .. }
        | EventBody::MessageRead { .. }
        | EventBody::Typing { .. }
        | EventBody::FileProgress { .. }
        | EventBody::FileReceived { .. }
        | EventBody::FileFailed { .. }
        | EventBody::ContactProfile { .. }
        | EventBody::ContactDevices { .. }
        | EventBody::ContactTerminated { .. }
        | EventBody::DevicesChanged
        | EventBody::AccountTerminated
        | EventBody::Gone { .. } => {}
    }
}

/// What is told of a message.
fn of(what: Notify, message: &Message) -> Option<Notification> {
    // What was said before the user came is no news.
    if message.direction != Direction::In || message.told_by.is_some() {
        return None;
    }
    let text = match what {
        Notify::Off => return None,
        Notify::Sender => None,
        Notify::Full => Some(message.text.chars().take(NOTIFICATION_CHARS_MAX).collect()),
    };
    let author = message.author.as_deref().map(called);
    let is_mention = message.mentions_you;
    let (conversation, message) = (message.conversation.clone(), message.id.clone());
    Some(Notification { conversation, author, message, text, is_mention })
}

/// Someone in a room: as the user calls them, else as they call themselves, else the beginning of their ID.
fn called(person: &RoomPerson) -> String {
    let name = person.name.as_ref().or(person.calls_themselves.as_ref());
    let digits = person.id.strip_prefix("martlet1").unwrap_or(&person.id);
    name.cloned().unwrap_or_else(|| digits.chars().take(6).collect())
}

#[cfg(test)]
mod tests;
