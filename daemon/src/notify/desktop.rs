//! Notifications of the desktop, by D-Bus: `org.freedesktop.Notifications`.
//!
//! There is one for a conversation, which each message renews. It is taken back when the conversation was read, when a
//! message of it is gone, and when the vault is locked. The server may read markup, so a text is escaped.

use std::collections::HashMap;

use lru::LruCache;
use zbus::connection::Builder;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, Variant};

use super::{Notification, Withdrawn};
use crate::limits::NOTIFICATIONS_SHOWN_MAX;

/// Where the server is found, and what it speaks.
const NAME: &str = "org.freedesktop.Notifications";
const PATH: &str = "/org/freedesktop/Notifications";
/// It decides how long it shows one.
const AS_THE_SERVER_LIKES: i32 = -1;

/// The desktop of the session in which the daemon runs, if there is one.
#[derive(Debug)]
pub(super) struct Desktop {
    /// Of the bus; `None` for the session's.
    address: Option<String>,
    server: Option<Server>,
}

/// A notification server, until it or its bus ends.
struct Server {
    bus: Connection,
    /// Its own name on the bus: the numbers of what it shows are good there, and with no other.
    name: OwnedUniqueName,
    reads_markup: bool,
    /// By conversation.
    shown: LruCache<String, Shown>,
}

/// What is shown.
struct Shown {
    /// By this the server knows it.
    number: u32,
    /// The id of the message whose text it shows, if it does.
    text_of: Option<String>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("shown", &self.shown.len()).finish_non_exhaustive()
    }
}

impl Desktop {
    /// At this address, or the session's.
    pub(super) fn at(address: Option<String>) -> Self {
        Self { address, server: None }
    }

    /// Shows it with this body, in the place of what is shown of the conversation.
    pub(super) async fn show(&mut self, it: &Notification, body: &str) -> Result<(), String> {
        // Forgotten if this is given up on in the middle: it may hang.
        if let Some(mut server) = self.server.take()
            && server.show(it, body).await.is_ok()
        {
            self.server = Some(server);
            return Ok(());
        }
        // There is none yet, or it or its bus has ended: the user logged out, and in again.
        let mut server = self.connect().await.map_err(|error| problem(&error))?;
        let shown = server.show(it, body).await;
        self.server = Some(server);
        shown.map_err(|error| problem(&error))
    }

    /// Takes back what is shown.
    pub(super) async fn withdraw(&mut self, what: Withdrawn<'_>) {
        let Some(server) = &mut self.server else { return };
        let shown = &mut server.shown;
        let over: Vec<Shown> = match what {
            Withdrawn::All => std::iter::from_fn(|| shown.pop_lru()).map(|(_, it)| it).collect(),
            Withdrawn::Conversation(name) => shown.pop(name).into_iter().collect(),
            Withdrawn::Text(name, message) => {
                let is_it = |it: &Shown| it.text_of.as_deref() == Some(message);
                shown
                    .peek(name)
                    .is_some_and(is_it)
                    .then(|| shown.pop(name))
                    .flatten()
                    .into_iter()
                    .collect()
            }
        };
        for it in over {
            server.close(&it).await;
        }
    }

    async fn connect(&self) -> zbus::Result<Server> {
        let builder = self.address.as_deref().map_or_else(Builder::session, Builder::address);
        let bus = builder.build().await?;
        // This starts the server, where the session has one that does not run yet.
        let answer = bus.call_method(Some(NAME), PATH, Some(NAME), "GetCapabilities", &()).await?;
        let name = answer.header().sender().ok_or(zbus::Error::MissingField)?.to_owned().into();
        let capabilities: Vec<String> = answer.body().deserialize()?;
        let reads_markup = capabilities.iter().any(|it| it == "body-markup");
        Ok(Server { bus, name, reads_markup, shown: LruCache::unbounded() })
    }
}

impl Server {
    async fn show(&mut self, it: &Notification, body: &str) -> zbus::Result<()> {
        let replaces = self.shown.get(&it.conversation).map_or(0, |shown| shown.number);
        let body = plain(body);
        let body = if self.reads_markup { escaped(&body) } else { body };
        let mut hints = HashMap::from([("category", Variant::from("im.received"))]);
        if it.text.is_some() {
            // Not to be kept in a list, which others may look through.
            hints.insert("transient", Variant::from(true));
        }
        let (icon, summary, actions) = ("", plain(&it.conversation), Vec::<&str>::new());
        let asked = ("Martlet", replaces, icon, summary, body, actions, hints, AS_THE_SERVER_LIKES);
        let answer = self.call("Notify", &asked).await?;
        let text_of = it.text.is_some().then(|| it.message.clone());
        let shown = Shown { number: answer.body().deserialize()?, text_of };
        self.shown.put(it.conversation.clone(), shown);
        if self.shown.len() > NOTIFICATIONS_SHOWN_MAX
            && let Some((_, oldest)) = self.shown.pop_lru()
        {
            self.close(&oldest).await;
        }
        Ok(())
    }

    async fn close(&self, shown: &Shown) {
        // An error: the user closed it, or the server is gone and what it showed with it.
        let _ = self.call("CloseNotification", &(shown.number,)).await;
    }

    async fn call<B>(&self, method: &str, body: &B) -> zbus::Result<zbus::Message>
    where
        B: serde::Serialize + zbus::DynamicType,
    {
        self.bus.call_method(Some(&self.name), PATH, Some(NAME), method, body).await
    }
}

fn problem(error: &zbus::Error) -> String {
    format!("the desktop's notifications can't be had: {error}; notify_command may name a program")
}

/// What no text on a screen needs, and what D-Bus refuses (NUL), as spaces. Without what turns the direction of writing
/// round.
fn plain(text: &str) -> String {
    let turns = |it: &char| matches!(it, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let shown = text.chars().filter(|it| !turns(it));
    shown.map(|it| if it.is_control() && it != '\n' { ' ' } else { it }).collect()
}

/// So that a reader of markup sees the text that was written.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for it in text.chars() {
        match it {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&apos;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup_or_turns_what_is_around_it() {
        assert_eq!(escaped("<b>&'\"</b>"), "&lt;b&gt;&amp;&apos;&quot;&lt;/b&gt;");
        assert_eq!(plain("a\0b\u{1b}[1m\nc\u{202e}d\u{2066}e ä👍"), "a b [1m\ncde ä👍");
    }
}
