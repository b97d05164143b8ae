//! Keys and the mouse.

use martlet_protocol::control::LockState;
use ratatui::crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use super::{Ask, Find, Focus, Input, Link, Model, Overlay, Place, Secret, Wants};
use crate::limits::CHAT_TYPING_INTERVAL;

/// Lines that a turn of the mouse's wheel is.
const WHEEL_LINES: isize = 3;

/// What keys do, as the help says it.
pub(crate) const HELP: &[(&str, &str)] = &[
    ("Enter", "send; in the list: open"),
    ("Alt+Enter, Ctrl+J", "a new line"),
    ("Tab", "between the list and the input"),
    ("Ctrl+N, Ctrl+P", "next, previous conversation"),
    ("Up", "choose a message: a answers, e edits, 1 to 6 react, r recalls, d deletes it"),
    ("PgUp, PgDn, wheel", "scroll; older messages are loaded"),
    ("Ctrl+Home, Ctrl+End", "the oldest loaded, the newest"),
    ("Ctrl+F", "find in this one; Enter older, Down newer"),
    ("F4; / in the list", "search all conversations; Enter goes there"),
    ("a, t, m, p in the list", "add a contact; timers, mute, pin"),
    ("Ctrl+R", "requests: a accepts, d drops"),
    ("F2", "peers and the doctor"),
    ("F5", "who is in the room"),
    ("Ctrl+W, Ctrl+U, Ctrl+K", "delete word, to start, to end of line"),
    ("Ctrl+L", "draw anew"),
    ("Ctrl+Z", "to the shell; fg comes back"),
    ("Ctrl+Q", "quit"),
];

impl Model {
    pub(super) fn key(&mut self, key: KeyEvent, asks: &mut Vec<Ask>) {
        if key.kind == KeyEventKind::Release {
            return;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        self.notice = None;
        let asked_to_quit = std::mem::take(&mut self.attention.quitting);
        match key.code {
            KeyCode::Char('q') if control => return self.quit(false, asks),
            KeyCode::Char('c') if control => return self.interrupt(asked_to_quit, asks),
            KeyCode::Char('l') if control => return asks.push(Ask::Redraw),
            KeyCode::Char('z') if control => return asks.push(Ask::Suspend),
            _ => {}
        }
        if let Some((Overlay::Found, _)) = self.overlay {
            if !self.found_key(key, asks) {
                self.overlay = None;
            }
            return self.read_open(asks);
        }
        if let Some((overlay, above)) = self.overlay {
            let page = usize::from(self.height).saturating_sub(3).max(1);
            let lines = super::super::view::overlay_lines(self, overlay);
            let last = lines.saturating_sub(page);
            let above = match key.code {
                KeyCode::Down if last > 0 => Some((above + 1).min(last)),
                KeyCode::PageDown if last > 0 => Some((above + page).min(last)),
                KeyCode::Up if last > 0 => Some(above.saturating_sub(1)),
                KeyCode::PageUp if last > 0 => Some(above.saturating_sub(page)),
                // Whatever else is pressed, the conversations are back.
                _ => None,
            };
            self.overlay = above.map(|above| (overlay, above));
            return self.read_open(asks);
        }
        match key.code {
            KeyCode::F(1) => return self.overlay = Some((Overlay::Help, 0)),
            KeyCode::F(2) => {
                asks.extend([Ask::Status, Ask::Doctor]);
                return self.overlay = Some((Overlay::Doctor, 0));
            }
            _ => {}
        }
        if self.link == Link::Locked {
            return self.passphrase_key(key, asks);
        }
        if self.seek.prompt.is_some() {
            return self.prompt_key(key, asks);
        }
        if self.seek.find.is_some() {
            return self.find_key(key, asks);
        }
        if self.open == Some(Place::Requests)
            && self.focus == Focus::Input
            && (self.requests.deciding.is_some() || !control)
            && self.request_key(key, asks)
        {
            return;
        }
        if self.focus == Focus::Input && !control && self.choose_key(key, asks) {
            return;
        }
        if self.go(key, control, asks) {
            return;
        }
        match self.focus {
            Focus::List => self.list_key(key, asks),
            Focus::Input => self.input_key(key, asks),
        }
    }

    /// Keys that mean the same wherever the focus is.
    fn go(&mut self, key: KeyEvent, control: bool, asks: &mut Vec<Ask>) -> bool {
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let page = isize::try_from(self.layout().messages.height).unwrap_or(isize::MAX) - 1;
        match key.code {
            KeyCode::Tab | KeyCode::BackTab => {
                self.focus = match self.focus {
                    Focus::Input => Focus::List,
                    Focus::List if self.open.is_some() => Focus::Input,
                    Focus::List => Focus::List,
                };
                self.read_open(asks);
            }
            KeyCode::Char('n') if control => self.next(1, asks),
            KeyCode::Char('p') if control => self.next(-1, asks),
            KeyCode::Down if alt => self.next(1, asks),
            KeyCode::Up if alt => self.next(-1, asks),
            KeyCode::F(3) => self.begin_find(),
            KeyCode::F(5) => self.show_members(asks),
            KeyCode::F(4) => self.ask_user(Wants::Search),
            KeyCode::Char('f') if control => self.begin_find(),
            KeyCode::Char('r') if control => {
                if self.requests.list.is_empty() {
                    self.notice = Some("Nobody unknown has written.".to_owned());
                } else {
                    self.focus = Focus::Input;
                    self.show(Place::Requests, asks);
                }
            }
            KeyCode::PageUp => self.scroll(page.max(1), asks),
            KeyCode::PageDown => self.scroll(-page.max(1), asks),
            KeyCode::Home if control => self.scroll(isize::MAX / 2, asks),
            KeyCode::End if control => self.scroll(isize::MIN / 2, asks),
            _ => return false,
        }
        true
    }

    fn list_key(&mut self, key: KeyEvent, asks: &mut Vec<Ask>) {
        match key.code {
            KeyCode::Down | KeyCode::Char('j') => self.move_cursor(1),
            KeyCode::Up | KeyCode::Char('k') => self.move_cursor(-1),
            KeyCode::Home => self.move_cursor(isize::MIN / 2),
            KeyCode::End => self.move_cursor(isize::MAX / 2),
            KeyCode::Enter | KeyCode::Right => {
                if let Some(place) = self.cursor.clone() {
                    self.focus = Focus::Input;
                    self.show(place, asks);
                }
            }
            KeyCode::Char('?') => self.overlay = Some((Overlay::Help, 0)),
            KeyCode::Char('/') => self.ask_user(Wants::Search),
            KeyCode::Char('a') => self.ask_user(Wants::Id),
            KeyCode::Char('t') => self.ask_timers(),
            KeyCode::Char('m') => self.toggle(false, asks),
            KeyCode::Char('p') => self.toggle(true, asks),
            KeyCode::Esc if self.open.is_some() => self.focus = Focus::Input,
            _ => {}
        }
    }

    fn input_key(&mut self, key: KeyEvent, asks: &mut Vec<Ask>) {
        let Some(conversation) = self.open_conversation_mut() else {
            if key.code == KeyCode::Char('?') {
                self.overlay = Some((Overlay::Help, 0));
            }
            if key.code == KeyCode::Esc {
                self.focus = Focus::List;
            }
            return;
        };
        let draft = &mut conversation.draft;
        let is_new_line = key.code == KeyCode::Enter
            && key.modifiers.intersects(KeyModifiers::ALT | KeyModifiers::SHIFT)
            || key.code == KeyCode::Char('j') && key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            _ if is_new_line => self.insert("\n"),
            KeyCode::Enter => self.send_draft(asks),
            KeyCode::Char('?') if draft.is_empty() => self.overlay = Some((Overlay::Help, 0)),
            KeyCode::Esc if conversation.sought.take().is_some() => {}
            KeyCode::Esc if conversation.about.is_some() => self.forget_about(),
            KeyCode::Esc if conversation.scroll > 0 => self.scroll(isize::MIN / 2, asks),
            KeyCode::Esc => self.focus = Focus::List,
            KeyCode::Up if draft.is_empty() && conversation.scroll == 0 => {
                self.begin_choosing(asks);
            }
            KeyCode::Up if !draft.up() => self.scroll(1, asks),
            KeyCode::Down if !draft.down() => self.scroll(-1, asks),
            KeyCode::Up | KeyCode::Down => {}
            KeyCode::Char(character) if !is_command(key) => {
                self.insert(character.encode_utf8(&mut [0; 4]));
                self.tell_typing(asks);
            }
            _ => edit(draft, key),
        }
        self.hold_scroll(asks);
    }

    /// Tells the contact that the user writes, from time to time. (The daemon does so only where that is on.)
    fn tell_typing(&mut self, asks: &mut Vec<Ask>) {
        let (now, is_up) = (self.clock.now(), self.link == Link::Up);
        let Some(Place::Contact(name)) = self.open.clone() else { return };
        if self.room(&name).is_some() {
            // Nobody is told that in a room.
            return;
        }
        let Some(conversation) = self.open_conversation_mut() else { return };
        let told = conversation.typing_told;
        if is_up && told.is_none_or(|told| now.since(told) >= CHAT_TYPING_INTERVAL) {
            conversation.typing_told = Some(now);
            asks.push(Ask::Typing { name });
        }
    }

    fn insert(&mut self, text: &str) {
        let Some(conversation) = self.open_conversation_mut() else { return };
        if !conversation.draft.insert(text) {
            self.notice =
                Some("A message has at most 16,384 bytes: send what is there first.".to_owned());
        }
    }

    pub(super) fn paste(&mut self, text: &str) {
        if self.link == Link::Locked {
            self.passphrase.push(text.trim_end_matches(['\r', '\n']));
        } else if let Some(prompt) = &mut self.seek.prompt {
            prompt.given.insert(text.lines().next().unwrap_or_default());
        } else if let Some(find) = &mut self.seek.find {
            let line = text.lines().next().unwrap_or_default();
            find.query.insert(line);
        } else if let Some(super::Deciding::Accept { name, .. }) = &mut self.requests.deciding {
            name.insert(text.lines().next().unwrap_or_default());
        } else if self.overlay.is_none() && self.open.is_some() {
            self.focus = Focus::Input;
            self.insert(text);
        }
    }

    fn begin_find(&mut self) {
        if self.open_conversation().is_some() {
            self.seek.find = Some(Find::default());
        }
    }

    fn find_key(&mut self, key: KeyEvent, asks: &mut Vec<Ask>) {
        match key.code {
            KeyCode::Esc => self.seek.find = None,
            KeyCode::Enter | KeyCode::Up | KeyCode::F(3) => self.find_next(true, false, asks),
            KeyCode::Down => self.find_next(false, false, asks),
            KeyCode::Char('f') if is_command(key) => self.find_next(true, false, asks),
            KeyCode::PageUp | KeyCode::PageDown => drop(self.go(key, false, asks)),
            _ => {
                let Some(find) = &mut self.seek.find else { return };
                let before = find.query.clone();
                edit(&mut find.query, key);
                if find.query.text() != before.text() {
                    self.find_next(true, true, asks);
                }
            }
        }
    }

    fn passphrase_key(&mut self, key: KeyEvent, asks: &mut Vec<Ask>) {
        match key.code {
            KeyCode::Enter => {
                let given = std::mem::replace(&mut self.passphrase, Secret::new());
                self.notice = Some("Opening the vault takes about a second.".to_owned());
                asks.push(Ask::Unlock(given));
            }
            KeyCode::Esc => self.passphrase = Secret::new(),
            KeyCode::Char('u') if is_command(key) => self.passphrase = Secret::new(),
            KeyCode::Backspace => drop(self.passphrase.0.pop()),
            KeyCode::Char(character) if !is_command(key) => {
                self.passphrase.push(character.encode_utf8(&mut [0; 4]));
            }
            _ => {}
        }
    }

    /// Whether the vault that is locked has a passphrase.
    pub(crate) fn needs_passphrase(&self) -> bool {
        let status = self.status.as_ref();
        status.is_none_or(|status| {
            status.lock != LockState::Locked || status.passphrase != Some(false)
        })
    }

    /// Ctrl+C: quits, but asks first if something would be lost.
    fn interrupt(&mut self, asked: bool, asks: &mut Vec<Ask>) {
        let is_leaving = self.attention.leaving.is_some();
        if asked || is_leaving || (!self.has_unkept_drafts() && self.outgoing.queue.is_empty()) {
            return self.quit(true, asks);
        }
        self.attention.quitting = true;
        self.notice =
            Some("Something is not sent yet. Ctrl+C again quits all the same.".to_owned());
    }

    /// Ctrl+Q: quits once all is sent; the second time, or after a while, at once.
    pub(super) fn quit(&mut self, at_once: bool, asks: &mut Vec<Ask>) {
        self.keep_drafts(asks);
        if at_once || self.attention.leaving.is_some() || self.outgoing.queue.is_empty() {
            return asks.push(Ask::Quit);
        }
        self.attention.leaving = Some(self.clock.now());
        self.notice =
            Some("Quits when all is sent, in 10 s at most. Ctrl+Q again: at once.".to_owned());
    }

    fn move_cursor(&mut self, by: isize) {
        let places = self.places();
        let at = self.cursor.as_ref().and_then(|cursor| places.iter().position(|p| p == cursor));
        let last = places.len().saturating_sub(1);
        let at = at.map_or(0, |at| at.saturating_add_signed(by).min(last));
        self.cursor = places.get(at).cloned();
    }

    /// The next conversation in the list, or the one before.
    fn next(&mut self, by: isize, asks: &mut Vec<Ask>) {
        self.cursor = self.open.clone();
        self.move_cursor(by);
        if let Some(place) = self.cursor.clone() {
            self.focus = Focus::Input;
            self.show(place, asks);
        }
    }

    pub(super) fn mouse(&mut self, mouse: MouseEvent, asks: &mut Vec<Ask>) {
        let layout = self.layout();
        let at = (mouse.column, mouse.row).into();
        match mouse.kind {
            MouseEventKind::ScrollUp if layout.list.contains(at) => self.move_cursor(-1),
            MouseEventKind::ScrollDown if layout.list.contains(at) => self.move_cursor(1),
            MouseEventKind::ScrollUp => self.scroll(WHEEL_LINES, asks),
            MouseEventKind::ScrollDown => self.scroll(-WHEEL_LINES, asks),
            MouseEventKind::Down(MouseButton::Left) if self.overlay.is_some() => {
                self.seek.prompt = None;
                self.overlay = None;
                self.read_open(asks);
            }
            MouseEventKind::Down(MouseButton::Left) if layout.list.contains(at) => {
                let places = self.places();
                let first = super::super::view::first_listed(self, &layout);
                let row = usize::from(mouse.row - layout.list.y);
                if let Some(place) = places.get(first + row) {
                    self.focus = Focus::Input;
                    self.show(place.clone(), asks);
                }
            }
            MouseEventKind::Down(MouseButton::Left)
                if layout.input.contains(at) || layout.messages.contains(at) =>
            {
                self.focus = Focus::Input;
            }
            _ => {}
        }
    }
}

/// Whether a character is a command rather than to be typed. (Ctrl and Alt together are AltGr on some keyboards.)
fn is_command(key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    control != key.modifiers.contains(KeyModifiers::ALT)
}

/// A key that edits, as shells have them.
pub(super) fn edit(input: &mut Input, key: KeyEvent) {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let by_words = key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT);
    match key.code {
        KeyCode::Char('a') if control => input.home(),
        KeyCode::Char('e') if control => input.end(),
        KeyCode::Char('b') if control => input.left(),
        KeyCode::Char('w') if control => input.delete_word(),
        KeyCode::Char('u') if control => input.delete_to_start(),
        KeyCode::Char('k') if control => input.delete_to_end(),
        KeyCode::Char('d') if control => input.delete(),
        KeyCode::Char('h') if control => input.backspace(),
        KeyCode::Char('b') if by_words => input.word_left(),
        KeyCode::Char('f') if by_words => input.word_right(),
        KeyCode::Char(character) if !is_command(key) => {
            input.insert(character.encode_utf8(&mut [0; 4]));
        }
        KeyCode::Backspace if by_words => input.delete_word(),
        KeyCode::Backspace => input.backspace(),
        KeyCode::Delete => input.delete(),
        KeyCode::Left if by_words => input.word_left(),
        KeyCode::Right if by_words => input.word_right(),
        KeyCode::Left => input.left(),
        KeyCode::Right => input.right(),
        KeyCode::Home => input.home(),
        KeyCode::End => input.end(),
        _ => {}
    }
}
