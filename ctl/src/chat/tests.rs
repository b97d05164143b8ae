//! Tests of the chat as a whole: what the model asks and shows, and the screens that it is drawn as.

#![expect(clippy::unwrap_used, reason = "tests")]

mod daemon;
mod golden;
mod keys;
mod search;
mod svg;

use std::sync::atomic::{AtomicU64, Ordering};

use martlet_protocol::UnixMillis;
use martlet_protocol::control::{
    Contact, ConversationSettings, ConversationSummary, Delivery, Diagnosis, Direction,
    EndedReason, Event, EventBody, Finding, FindingCode, History, Identity, LockState, Lost,
    MailboxStatus, Message, MessageRequest, Reaction, Reply, Room, RoomAddBy, RoomMember,
    RoomPerson, RoomRole, RoomSettings, Severity, Status, Switch, Verified,
};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Position;
use unicode_width::UnicodeWidthStr;

use super::model::{Ask, Feed, Happened, Model, Place, Told};
use super::view::{Theme, draw};
use crate::render::Clock;

/// Monday, 23 November 2026, 12:00 UTC.
const NOON: UnixMillis = UnixMillis(1_795_435_200_000);
const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// A model, and all that it has asked for.
struct Chat {
    model: Model,
    asks: Vec<Ask>,
}

impl Chat {
    /// Of a screen of this size, before anything is known.
    fn new(columns: u16, rows: u16) -> Self {
        Self { model: Model::new(Clock::at(NOON), (columns, rows), None), asks: Vec::new() }
    }

    /// Connected, with these contacts, each with so many unread messages; bob is open.
    fn with(columns: u16, rows: u16, contacts: &[(&str, u64)]) -> Self {
        let mut chat = Self::new(columns, rows);
        chat.up();
        chat.told(Told::Status(Box::new(status(3))));
        chat.told(Told::Doctor(Diagnosis { findings: Vec::new(), clock_ahead_ms: None }));
        chat.told(Told::Contacts(
            contacts.iter().map(|(name, unread)| contact(name, *unread)).collect(),
        ));
        if contacts.iter().any(|(name, _)| *name == "bob") {
            chat.open("bob");
        }
        chat
    }

    fn happen(&mut self, happened: Happened) {
        let asks = self.model.update(happened);
        self.asks.extend(asks);
    }

    fn up(&mut self) {
        self.happen(Happened::Feed(Feed::Up { whole: true }));
    }

    fn told(&mut self, told: Told) {
        self.happen(Happened::Told(Box::new(told)));
    }

    fn event(&mut self, body: EventBody) {
        let event = Event { seq: 1, at: NOON, body };
        self.happen(Happened::Feed(Feed::Event(Box::new(event))));
    }

    /// Opens a conversation as the list does.
    fn open(&mut self, name: &str) {
        self.model.cursor = Some(Place::Contact(name.to_owned()));
        self.model.focus = super::model::Focus::List;
        self.key(KeyCode::Enter);
    }

    /// The newest page of a conversation comes.
    fn page(&mut self, name: &str, messages: Vec<Message>, more: bool, lost: Vec<Lost>) {
        let place = Place::Contact(name.to_owned());
        let history = History { messages, more, lost };
        self.told(Told::Page { place, before: None, history });
    }

    fn key(&mut self, code: KeyCode) {
        self.happen(Happened::Key(KeyEvent::new(code, KeyModifiers::NONE)));
    }

    fn control(&mut self, character: char) {
        let key = KeyEvent::new(KeyCode::Char(character), KeyModifiers::CONTROL);
        self.happen(Happened::Key(key));
    }

    fn type_in(&mut self, text: &str) {
        for character in text.chars() {
            self.key(KeyCode::Char(character));
        }
    }

    /// What was asked since the last time.
    fn asked(&mut self) -> Vec<Ask> {
        let asks = std::mem::take(&mut self.asks).into_iter();
        let is_told = |ask: &Ask| {
            !matches!(ask, Ask::Typing { .. } | Ask::Conversations | Ask::Timers { .. })
        };
        asks.filter(is_told).collect()
    }

    /// The texts among what was asked to be sent.
    fn sends(&mut self) -> Vec<(u64, String)> {
        let sends = self.asked().into_iter().filter_map(|ask| match ask {
            Ask::Send { ticket, text, .. } => Some((ticket, text)),
            _ => None,
        });
        sends.collect()
    }

    fn draft(&self) -> &str {
        self.model.open_conversation().unwrap().draft.text()
    }

    /// The screen, and where its cursor is.
    fn screen(&self, colours: bool) -> (Buffer, Option<Position>) {
        let backend = TestBackend::new(self.model.columns, self.model.height);
        let mut terminal = Terminal::new(backend).unwrap();
        terminal.draw(|frame| draw(&self.model, Theme { colours }, frame)).unwrap();
        let cursor =
            terminal.backend().cursor_visible().then(|| terminal.backend().cursor_position());
        (terminal.backend().buffer().clone(), cursor)
    }

    /// The screen's text.
    fn shown(&self) -> String {
        text(&self.screen(true).0)
    }
}

/// What a buffer shows, line by line.
fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let mut line = String::new();
        let mut x = 0;
        while x < buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += u16::try_from(symbol.width().max(1)).unwrap();
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn contact(name: &str, unread: u64) -> Contact {
    let id = format!("martlet1{name}");
    Contact {
        name: name.into(),
        id,
        added_at: NOON,
        devices: 1,
        unread,
        note: None,
        device_list: Vec::new(),
        terminated_at: None,
        blocked: false,
        invite_pending: false,
        verified: Verified::No,
        verified_at: None,
        safety_number: None,
        calls_themselves: None,
        picture_bytes: None,
    }
}

fn message(direction: Direction, text: &str, minutes_ago: u64, state: Delivery) -> Message {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let at = UnixMillis(NOON.0 - minutes_ago * MINUTE_MS);
    Message {
        id: format!("{:032x}", NUMBER.fetch_add(1, Ordering::Relaxed)),
        conversation: "bob".into(),
        direction,
        text: text.into(),
        sent_at: at,
        stored_at: at,
        state,
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
        reply_to: None,
        edited_at: None,
        reactions: Vec::new(),
        versions: Vec::new(),
    }
}

fn summary(name: &str, minutes_ago: u64, pinned: bool) -> ConversationSummary {
    let (receipts, typing) = (Switch::Default, Switch::Default);
    ConversationSummary {
        room: None,
        name: name.into(),
        unread: 0,
        mentions: 0,
        last_at: Some(UnixMillis(NOON.0 - minutes_ago * MINUTE_MS)),
        last: None,
        draft: false,
        settings: ConversationSettings { muted: false, pinned, receipts, typing },
    }
}

fn received(text: &str, minutes_ago: u64) -> Message {
    message(Direction::In, text, minutes_ago, Delivery::Read)
}

fn new(text: &str, minutes_ago: u64) -> Message {
    message(Direction::In, text, minutes_ago, Delivery::Delivered)
}

fn sent(text: &str, minutes_ago: u64, state: Delivery) -> Message {
    message(Direction::Out, text, minutes_ago, state)
}

fn request(name: Option<&str>, preview: &str) -> MessageRequest {
    MessageRequest {
        id: "martlet1".to_owned() + &"q8".repeat(41),
        suggested_name: name.map(str::to_owned),
        first_at: UnixMillis(NOON.0 - 90 * MINUTE_MS),
        messages: 2,
        preview: Some(preview.to_owned()),
    }
}

fn finding(severity: Severity, problem: &str, advice: &str) -> Finding {
    let code = FindingCode::NoPeers;
    Finding { code, severity, problem: problem.into(), advice: advice.into() }
}

fn status(peers: u32) -> Status {
    Status {
        version: "0.1.0".into(),
        pid: 1,
        lock: LockState::Unlocked,
        passphrase: Some(true),
        identity: Some(Identity {
            id: "martlet1".to_owned() + &"x7".repeat(41),
            name: Some("Ann".into()),
        }),
        network: "lan".into(),
        closed: false,
        privacy: None,
        transports: Vec::new(),
        peer_id: "12D3KooW".into(),
        listen: Vec::new(),
        metrics_listen: None,
        reachability: None,
        external: Vec::new(),
        peers_connected: peers,
        role: martlet_protocol::control::Role::Full,
        shards: martlet_protocol::control::KeptShards::default(),
        mailbox: MailboxStatus { envelopes: 120, bytes: 400_000, bytes_max: 1 << 30 },
        depot: None,
        outbox: Some(1),
        stamping: 0,
        unread: Some(0),
        shred: None,
        warnings: Vec::new(),
    }
}
