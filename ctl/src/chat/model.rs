//! What the chat knows and shows. Synchronous: it is told what happened and returns what to ask of the daemon.

mod answers;
mod ask;
mod choose;
mod conversation;
mod drafts;
mod find;
mod input;
mod keys;
mod outgoing;
mod prompt;
mod requests;
mod rooms;
mod scroll;
mod search;
mod secret;

use std::collections::HashMap;

use martlet_protocol::UnixMillis;
use martlet_protocol::control::{Contact, Diagnosis, Event, Room, Status};
use ratatui::crossterm::event::{KeyEvent, MouseEvent};
use zeroize::Zeroizing;

use super::layout::{Layout, layout};
use crate::limits::{CHAT_DRAFT_INTERVAL, CHAT_LEAVE_MAX, CHAT_TYPING_SHOWN};
use crate::render::Clock;

pub(super) use ask::{Ask, RECALL, Told, not_done};
pub(super) use choose::{About, Deed};
pub(super) use conversation::{Conversation, Row};
pub(super) use find::Find;
pub(super) use input::{Input, Shown};
pub(super) use keys::HELP;
pub(super) use outgoing::{Fate, Outgoing, Waiting};
pub(super) use prompt::{Prompt, Wants, timers, timers_in_words};
pub(super) use requests::{Deciding, Requests};
pub(super) use rooms::in_order;
pub(super) use search::Search;
pub(super) use secret::Secret;

/// What the right side shows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// The conversation with a contact, or in a room, by name.
    Contact(String),
    /// The user's notes.
    Notes,
    /// Unknown people who have written.
    Requests,
}

/// The way to the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Link {
    /// Nothing is known yet.
    Connecting,
    /// Events come.
    Up,
    /// They came, and the daemon went away.
    Lost,
    /// Nobody listens; why, and what to do.
    NoDaemon(String),
    /// The vault is locked.
    Locked,
    /// There is no identity.
    NoIdentity,
    /// What waiting does not cure.
    Broken(String),
}

/// What lies over the conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overlay {
    Help,
    Doctor,
    /// What a search found.
    Found,
    /// Who is in the room on the screen.
    Members,
}

/// Where keys go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Focus {
    List,
    Input,
}

/// What the events' follower saw.
#[derive(Debug)]
pub(super) enum Feed {
    /// The events begin, or go on; `false` if some are missing.
    Up {
        whole: bool,
    },
    Event(Box<Event>),
    /// They end: why.
    Down(Link),
    /// An event of a newer daemon.
    Unknown,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Happened {
    Key(KeyEvent),
    Mouse(MouseEvent),
    Paste(Zeroizing<String>),
    Resize { columns: u16, rows: u16 },
    Focus(bool),
    Tick(Clock),
    Feed(Feed),
    Told(Box<Told>),
}

/// The state of the chat.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) clock: Clock,
    pub(super) columns: u16,
    pub(super) height: u16,
    pub(super) link: Link,
    /// The daemon's last status.
    pub(super) status: Option<Status>,
    pub(super) doctor: Option<Diagnosis>,
    /// By name.
    pub(super) contacts: Vec<Contact>,
    pub(super) rooms: Vec<Room>,
    pub(super) conversations: HashMap<Place, Conversation>,
    pub(super) requests: Requests,
    pub(super) open: Option<Place>,
    /// Where the list's cursor is.
    pub(super) cursor: Option<Place>,
    pub(super) focus: Focus,
    /// With the number of its lines above what is seen.
    pub(super) overlay: Option<(Overlay, usize)>,
    pub(super) seek: Seek,
    pub(super) passphrase: Secret,
    pub(super) outgoing: Outgoing,
    /// One sentence for the user, until the next key.
    pub(super) notice: Option<String>,
    /// Whether the terminal's window is looked at, and whether what changed must be drawn.
    pub(super) attention: Attention,
}

/// What is looked for, and what is asked in the last line.
#[derive(Debug, Default)]
pub(super) struct Seek {
    pub(super) find: Option<Find>,
    pub(super) prompt: Option<Prompt>,
    /// What the last search found.
    pub(super) search: Option<Search>,
    /// The conversation to open once contacts and rooms are known.
    wanted: Option<String>,
}

/// Of the user, and of who draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attention {
    pub(super) focused: bool,
    pub(super) dirty: bool,
    /// Ctrl+C was pressed while something would be lost.
    pub(super) quitting: bool,
    /// Since when the chat is to end once all is sent.
    pub(super) leaving: Option<UnixMillis>,
}

impl Model {
    /// Knows nothing yet. `wanted` is the contact, or the room, to open first.
    pub(super) fn new(clock: Clock, (columns, height): (u16, u16), wanted: Option<String>) -> Self {
        Self {
            clock,
            columns,
            height,
            link: Link::Connecting,
            status: None,
            doctor: None,
            contacts: Vec::new(),
            rooms: Vec::new(),
            conversations: HashMap::new(),
            requests: Requests::default(),
            open: None,
            cursor: None,
            focus: if wanted.is_some() { Focus::Input } else { Focus::List },
            overlay: None,
            seek: Seek { wanted, ..Seek::default() },
            passphrase: Secret::new(),
            outgoing: Outgoing::default(),
            notice: None,
            attention: Attention { focused: true, dirty: true, quitting: false, leaving: None },
        }
    }

    /// Takes in what happened.
    pub(super) fn update(&mut self, happened: Happened) -> Vec<Ask> {
        // Only the passing of time may leave everything as it is.
        let mut asks = Vec::new();
        self.outgoing.refused = None;
        let is_typed = matches!(happened, Happened::Key(_) | Happened::Mouse(_));
        match happened {
            Happened::Tick(clock) => return self.tick(clock),
            Happened::Key(key) => self.key(key, &mut asks),
            Happened::Mouse(mouse) => self.mouse(mouse, &mut asks),
            Happened::Paste(text) => self.paste(&text),
            Happened::Resize { columns, rows } => {
                (self.columns, self.height) = (columns, rows);
                self.hold_scroll(&mut asks);
            }
            Happened::Focus(focused) => {
                self.attention.focused = focused;
                self.read_open(&mut asks);
            }
            Happened::Feed(feed) => self.feed(feed, &mut asks),
            Happened::Told(told) => self.told(*told, &mut asks),
        }
        if is_typed && self.link != Link::Up {
            self.refuse_wanted(&mut asks);
        }
        if self.attention.leaving.is_some() && self.outgoing.queue.is_empty() {
            self.quit(true, &mut asks);
        }
        self.attention.dirty = true;
        asks
    }

    /// What the user wants of a daemon that is away is not asked, and that is said: what it is about may be another by then.
    fn refuse_wanted(&mut self, asks: &mut Vec<Ask>) {
        let wanted = asks.iter().find_map(Ask::wanted);
        if let Some(what) = wanted {
            asks.retain(|ask| ask.wanted().is_none());
            self.notice = Some(not_done(what, &self.link));
        }
    }

    /// Where things are on the screen.
    pub(super) fn layout(&self) -> Layout {
        let narrow_shows_list = self.focus == Focus::List || self.open.is_none();
        let input = self.open_conversation().map(|conversation| &conversation.draft);
        layout(self.columns, self.height, narrow_shows_list, |columns| {
            input.map_or(1, |input| input.shown(columns).lines.len())
        })
    }

    /// What the list has, in its order: requests if there are any, conversations by their newest message, notes.
    pub(super) fn places(&self) -> Vec<Place> {
        let key = |name: &str| {
            let it = self.conversation(&Place::Contact(name.to_owned()));
            let newest = it.and_then(|it| it.newest.as_ref()).map(|(at, _)| *at);
            (it.is_some_and(|it| it.pinned), newest)
        };
        let names = self.contacts.iter().map(|contact| contact.name.as_str());
        let names = names.chain(self.rooms.iter().map(|room| room.name.as_str()));
        let mut contacts: Vec<_> = names.map(|name| (key(name), name)).collect();
        contacts.sort_by(|(a, name), (b, other)| b.cmp(a).then_with(|| name.cmp(other)));
        let requests = (!self.requests.list.is_empty()).then_some(Place::Requests);
        let contacts = contacts.into_iter().map(|(_, name)| Place::Contact(name.to_owned()));
        requests.into_iter().chain(contacts).chain([Place::Notes]).collect()
    }

    /// What is known of a conversation.
    pub(super) fn conversation(&self, place: &Place) -> Option<&Conversation> {
        self.conversations.get(place)
    }

    /// The one on the screen.
    pub(super) fn open_conversation(&self) -> Option<&Conversation> {
        self.conversations.get(self.open.as_ref()?)
    }

    fn open_conversation_mut(&mut self) -> Option<&mut Conversation> {
        self.conversations.get_mut(self.open.as_ref()?)
    }

    /// The contact of this name.
    pub(super) fn contact(&self, name: &str) -> Option<&Contact> {
        self.contacts.iter().find(|contact| contact.name == name)
    }

    /// Unread messages of all conversations.
    pub(super) fn unread(&self) -> u64 {
        self.conversations.values().map(|conversation| conversation.unread).sum()
    }

    /// Shows a conversation, and asks for its messages if they aren't there.
    pub(super) fn show(&mut self, place: Place, asks: &mut Vec<Ask>) {
        if self.open.as_ref() != Some(&place) {
            if let Some(left) = self.open_conversation_mut() {
                left.unread_from = None;
                left.chosen = None;
                left.sought = None;
                left.scroll = 0;
            }
            self.keep_drafts(asks);
            self.seek.find = None;
        }
        self.cursor = Some(place.clone());
        self.open = Some(place.clone());
        if place == Place::Requests {
            return;
        }
        self.ask_draft(&place, asks);
        self.know_timers(&place, asks);
        let conversation = self.conversations.entry(place.clone()).or_default();
        if conversation.loaded {
            conversation.mark_new();
        } else {
            conversation.loading = true;
            asks.push(Ask::Page { place, before: None });
        }
        self.read_open(asks);
    }

    /// Asks how long messages of a conversation live, unless that is known.
    fn know_timers(&self, place: &Place, asks: &mut Vec<Ask>) {
        let is_unknown = self.conversation(place).is_none_or(|it| it.timers.is_none());
        if let (Place::Contact(name), true, Link::Up) = (place, is_unknown, &self.link)
            && self.room(name).is_none()
        {
            asks.push(Ask::Timers { name: name.clone() });
        }
    }

    /// Tells the daemon that what is on the screen was read.
    fn read_open(&mut self, asks: &mut Vec<Ask>) {
        let is_seen = self.attention.focused
            && self.link == Link::Up
            && self.layout().messages.height > 0
            && self.overlay.is_none();
        let Some(Place::Contact(name)) = self.open.clone() else { return };
        let Some(conversation) = self.open_conversation_mut() else { return };
        if is_seen && conversation.loaded && conversation.unread > 0 && conversation.scroll == 0 {
            conversation.mark_new();
            conversation.unread = 0;
            asks.push(Ask::Read { name });
        }
    }

    fn tick(&mut self, clock: Clock) -> Vec<Ask> {
        let now = clock.now();
        // What is shown of the time: minutes, and what counts down.
        let minute = |at: UnixMillis| at.0 / 60_000;
        if minute(now) != minute(self.clock.now()) || self.counts_down() {
            self.attention.dirty = true;
        }
        self.clock = clock;
        for conversation in self.conversations.values_mut() {
            if conversation.typing.is_some_and(|at| now.since(at) >= CHAT_TYPING_SHOWN) {
                conversation.typing = None;
                self.attention.dirty = true;
            }
        }
        let mut asks = Vec::new();
        if (now.0 / 1000).is_multiple_of(CHAT_DRAFT_INTERVAL.as_secs()) {
            self.keep_drafts(&mut asks);
        }
        if self.attention.leaving.is_some_and(|since| now.since(since) >= CHAT_LEAVE_MAX) {
            self.quit(true, &mut asks);
        }
        asks
    }

    fn counts_down(&self) -> bool {
        self.open_conversation().is_some_and(|conversation| {
            conversation.rows.iter().any(|row| row.extra.ends_at.is_some())
        })
    }
}
