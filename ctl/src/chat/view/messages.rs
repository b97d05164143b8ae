//! The right side: messages and input, requests, or what to do where there is nothing.

use martlet_protocol::control::{LockState, Room, RoomMember, RoomRole, Verified};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::super::layout::Layout;
use super::super::model::{
    About, Deciding, Find, Focus, Link, Model, Place, Shown, timers_in_words,
};
use super::super::rows::{self, Role};
use super::super::text::{fit, in_one_line, lines, short, width};
use super::{Theme, after, put, put_right, rule};
use crate::render::count;

pub(super) fn draw(
    model: &Model,
    theme: Theme,
    place: &Place,
    layout: &Layout,
    buffer: &mut Buffer,
) -> Option<Position> {
    let (title, about) = title(model, place);
    rule(buffer, layout.title, &title, theme, theme.bold());
    if !about.is_empty() {
        let room = layout.title.width.saturating_sub(u16::try_from(width(&title)).unwrap_or(0) + 6);
        let about = fit(&format!(" {about} "), usize::from(room));
        let mut area = layout.title;
        area.width = area.width.saturating_sub(2);
        put_right(buffer, area, &about, theme.warn());
    }
    let conversation = model.conversation(place)?;
    let area = layout.messages;
    let height = usize::from(area.height);
    let wanted = conversation.scroll.saturating_add(height);
    let found = rows::visible(model, place, usize::from(area.width), wanted);
    let end = found.len().saturating_sub(conversation.scroll);
    let start = end.saturating_sub(height);
    let seen = &found[start..end];
    // Few messages stand at the bottom, where the input is.
    let top = area.height.saturating_sub(u16::try_from(seen.len()).unwrap_or(u16::MAX));
    let chosen = conversation.chosen.as_ref().map(|chosen| chosen.id.as_str());
    let found_at = model.seek.find.as_ref().and_then(|find| find.at.as_deref()).or(chosen);
    let found_at = found_at.and_then(|id| conversation.place(id));
    for (line, row) in seen.iter().zip(area.rows().skip(usize::from(top))) {
        let mut column = 0;
        for (role, part) in &line.parts {
            column += put(buffer, after(row, column), part, theme.role(*role));
            if let (Role::Text, Some(find)) = (role, &model.seek.find) {
                let begin = column.saturating_sub(u16::try_from(width(part)).unwrap_or(0));
                highlight(find, part, after(row, begin), theme, buffer);
            }
        }
        if line.row.is_some() && line.row == found_at {
            put(buffer, row, "▶", theme.warn());
        }
    }
    if found.is_empty() {
        let text = match (conversation.loaded, &model.link) {
            (true, _) if *place == Place::Notes => "What you write here is for you alone.",
            (true, _) => "No messages yet.",
            (false, Link::Up) => "…",
            (false, _) => "",
        };
        paragraph(buffer, area, text, theme.dim());
    }
    let to = match (&conversation.about, place) {
        (Some(About::Reply { excerpt, .. }), _) => {
            let room = usize::from(layout.input_title.width).saturating_sub(24);
            format!("answering: {}; Esc ends", fit(&in_one_line(excerpt), room))
        }
        (Some(About::Edit { .. }), _) => "what it is to say instead; Esc ends".to_owned(),
        (None, Place::Contact(name)) => format!("to {}", short(name)),
        (None, Place::Notes | Place::Requests) => "to yourself".to_owned(),
    };
    let has_focus = model.focus == Focus::Input && model.seek.find.is_none();
    let style = if has_focus { theme.bold() } else { theme.dim() };
    rule(buffer, layout.input_title, &to, theme, style);
    let mut right = layout.input_title;
    right.width = right.width.saturating_sub(2);
    if conversation.scroll > 0 {
        let below = conversation.scroll;
        let text = match conversation.unread {
            0 => {
                format!(" {} below, Esc ", count(u64::try_from(below).unwrap_or(u64::MAX), "line"))
            }
            unread => format!(" {unread} new below, Esc "),
        };
        put_right(buffer, right, &text, theme.warn());
    }
    let shown = conversation.draft.shown(usize::from(layout.input.width));
    Some(input(buffer, layout.input, &shown, Style::new()))
}

/// Whose conversation it is, and what is to be known of them.
fn title(model: &Model, place: &Place) -> (String, String) {
    match place {
        Place::Contact(name) if model.room(name).is_some() => {
            let about = model.room(name).map(|room| about_room(room, &manner(model, place)));
            (short(name), about.unwrap_or_default())
        }
        Place::Contact(name) => {
            let contact = model.contact(name);
            let keyless = contact.is_some_and(|contact| contact.devices == 0);
            let is_writing = model.conversation(place).is_some_and(|it| it.typing.is_some());
            let verified = contact.map_or(Verified::No, |contact| contact.verified);
            let about = match (verified, keyless, is_writing) {
                (Verified::Changed, ..) => "NEW DEVICE, not confirmed".to_owned(),
                (_, true, _) => "keys not found yet: messages wait".to_owned(),
                (_, false, true) => "is writing…".to_owned(),
                (_, false, false) if !manner(model, place).is_empty() => manner(model, place),
                // The user's name for them stands first, whatever they call themselves.
                (_, false, false) => contact
                    .and_then(|contact| contact.calls_themselves.as_deref())
                    .filter(|own| own != name)
                    .map_or_else(String::new, |own| format!("calls themselves \"{}\"", short(own))),
            };
            let mark = if verified == Verified::Yes { " ✓ verified" } else { "" };
            (format!("{}{mark}", short(name)), about)
        }
        Place::Notes => ("Notes to myself".to_owned(), String::new()),
        Place::Requests => ("Requests".to_owned(), String::new()),
    }
}

/// How many are in a room, and what the user is there.
fn about_room(room: &Room, manner: &str) -> String {
    let is_in = |member: &&RoomMember| {
        matches!(member.role, RoomRole::Invited | RoomRole::Member | RoomRole::Moderator)
    };
    let people = room.members.iter().filter(is_in).count();
    let people = match people {
        1 => "1 person".to_owned(),
        people => format!("{people} people"),
    };
    let what = match (room.role, room.closed) {
        (RoomRole::Removed, _) => "you were removed: it can be read only",
        (RoomRole::Left, _) => "you left: it can be read only",
        (_, true) => "closed: it can be read only",
        (RoomRole::Moderator, false) => "you moderate",
        (RoomRole::Invited | RoomRole::Member, false) => "",
    };
    let parts = [people.as_str(), what, manner];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// How long messages live there, and whether it is muted.
fn manner(model: &Model, place: &Place) -> String {
    let Some(conversation) = model.conversation(place) else { return String::new() };
    let timers = conversation.timers.as_ref().and_then(timers_in_words);
    let muted = conversation.muted.then(|| "muted".to_owned());
    timers.into_iter().chain(muted).collect::<Vec<_>>().join(", ")
}

/// Shows where in a piece of text what is looked for is.
fn highlight(find: &Find, part: &str, area: Rect, theme: Theme, buffer: &mut Buffer) {
    let query = find.query.text().trim().to_lowercase();
    let lower = part.to_lowercase();
    // Where letters change their length with their case, positions don't fit.
    if query.is_empty() || lower.len() != part.len() {
        return;
    }
    for (at, matched) in lower.match_indices(&query) {
        let (Some(before), Some(matched)) = (part.get(..at), part.get(at..at + matched.len()))
        else {
            continue;
        };
        let columns = |text: &str| u16::try_from(width(text)).unwrap_or(u16::MAX);
        let mut cells = after(area, columns(before));
        cells.width = cells.width.min(columns(matched));
        buffer.set_style(cells, theme.found());
    }
}

/// Draws an input, scrolled to its cursor; returns where the cursor is.
fn input(buffer: &mut Buffer, area: Rect, shown: &Shown, style: Style) -> Position {
    let height = usize::from(area.height);
    let first = (shown.row + 1).saturating_sub(height);
    for (line, row) in shown.lines.iter().skip(first).zip(area.rows()) {
        put(buffer, row, line, style);
    }
    let column = u16::try_from(shown.column).unwrap_or(0).min(area.width.saturating_sub(1));
    let row = u16::try_from(shown.row - first).unwrap_or(0);
    Position::new(area.x + column, area.y + row)
}

pub(super) fn draw_requests(
    model: &Model,
    theme: Theme,
    layout: &Layout,
    buffer: &mut Buffer,
) -> Option<Position> {
    rule(buffer, layout.title, "Requests: people you don't know", theme, theme.bold());
    let requests = &model.requests;
    let area = layout.messages;
    let columns = usize::from(area.width).saturating_sub(4);
    let mut text: Vec<(Style, String, bool)> = Vec::new();
    for (number, request) in requests.list.iter().enumerate() {
        let is_chosen = number == requests.at;
        let who = match &request.suggested_name {
            Some(name) => format!("calls themselves \"{}\"", short(name)),
            None => "tells no name".to_owned(),
        };
        let when = model.clock.day_and_minute(request.first_at);
        text.push((theme.bold(), format!("{who}, {when}"), is_chosen));
        text.push((theme.dim(), short(&request.id), is_chosen));
        let preview = request.preview.as_deref().unwrap_or_default();
        let preview = fit(&in_one_line(preview), columns);
        text.push((Style::new(), preview, is_chosen));
        text.push((theme.dim(), count(request.messages, "message"), is_chosen));
        text.push((Style::new(), String::new(), false));
    }
    let height = usize::from(area.height);
    let first = ((requests.at + 1) * 5).saturating_sub(height);
    for ((style, line, is_chosen), row) in text.iter().skip(first).zip(area.rows()) {
        if *is_chosen && model.focus == Focus::Input {
            put(buffer, row, "▌", theme.warn());
        }
        put(buffer, after(row, 2), line, *style);
    }
    let (title, cursor) = match &requests.deciding {
        Some(Deciding::Accept { name, .. }) => {
            let shown = name.shown(usize::from(layout.input.width));
            (
                "Accept under which name? Enter, or Esc",
                Some(input(buffer, layout.input, &shown, Style::new())),
            )
        }
        Some(Deciding::Drop { .. }) => {
            put(buffer, layout.input, "y drops them; any other key keeps them", theme.bad());
            ("Drop them and what they wrote?", None)
        }
        None => {
            put(buffer, layout.input, "a accept   d drop   ↑↓ choose   Esc back", theme.dim());
            ("What now?", None)
        }
    };
    rule(buffer, layout.input_title, title, theme, theme.bold());
    cursor
}

pub(super) fn draw_nothing(model: &Model, theme: Theme, layout: &Layout, buffer: &mut Buffer) {
    rule(buffer, layout.title, "Martlet", theme, theme.bold());
    rule(buffer, layout.input_title, "", theme, theme.dim());
    let has_identity = model.status.as_ref().is_some_and(|s| s.lock != LockState::NoIdentity);
    let text = match &model.link {
        Link::Connecting => "Connecting to the daemon…".to_owned(),
        Link::NoDaemon(why) | Link::Broken(why) => in_one_line(why),
        Link::NoIdentity => "There is no identity yet. In another terminal:\n\n  martletctl init --name Ann\n\nIf you have an identity already, one of these instead:\n\n  martletctl device join\n  martletctl init --recover\n\nThis goes on by itself then.".to_owned(),
        Link::Locked => "The vault is locked.".to_owned(),
        Link::Lost => "The daemon is away; waiting for it.".to_owned(),
        Link::Up if model.contacts.is_empty() && model.rooms.is_empty() && has_identity => {
            let id = model.status.as_ref().and_then(|status| status.identity.as_ref());
            let id = id.map_or_else(String::new, |identity| short(&identity.id));
            format!("No contacts yet. Give others your ID:\n\n{id}\n\nand add theirs: a in the list.")
        }
        Link::Up => "Choose a conversation: ↑ ↓ and Enter.\n\nF1 shows all keys.".to_owned(),
    };
    let style = match &model.link {
        Link::NoDaemon(_) | Link::Broken(_) => theme.warn(),
        Link::Connecting | Link::NoIdentity | Link::Locked | Link::Lost | Link::Up => Style::new(),
    };
    paragraph(buffer, layout.messages, &text, style);
}

/// Writes a text a bit below the top, with some room at its sides.
fn paragraph(buffer: &mut Buffer, area: Rect, text: &str, style: Style) {
    let columns = usize::from(area.width).saturating_sub(4);
    let top = usize::from(area.height > 8) + 1;
    for (line, row) in lines(text, columns).iter().zip(area.rows().skip(top)) {
        put(buffer, after(row, 2), line, style);
    }
}
