//! The list of conversations.

use ratatui::buffer::Buffer;

use super::super::layout::Layout;
use super::super::model::{Focus, Model, Place};
use super::super::rows::list_time;
use super::super::text::{short, width};
use super::{Theme, after, put, put_right, rule};
use crate::render::count;

/// The number of the first place that is seen in the list.
pub(crate) fn first_listed(model: &Model, layout: &Layout) -> usize {
    let places = model.places();
    let at = model.cursor.as_ref().and_then(|cursor| places.iter().position(|p| p == cursor));
    (at.unwrap_or(0) + 1).saturating_sub(usize::from(layout.list.height))
}

pub(super) fn draw(model: &Model, theme: Theme, layout: &Layout, buffer: &mut Buffer) {
    if layout.list.is_empty() {
        return;
    }
    let has_focus = model.focus == Focus::List;
    let style = if has_focus { theme.bold() } else { theme.dim() };
    let unread = model.unread();
    let title = match unread {
        0 => "Conversations".to_owned(),
        1..10 => format!("Conversations: {unread} new"),
        unread => format!("{unread} new"),
    };
    rule(buffer, layout.list_title, &title, theme, style);
    let places = model.places();
    let first = first_listed(model, layout);
    for (place, row) in places.iter().skip(first).zip(layout.list.rows()) {
        let conversation = model.conversation(place);
        let unread = conversation.map_or(0, |conversation| conversation.unread);
        let (name, style) = match place {
            Place::Contact(name) if unread > 0 => (short(name), theme.bold()),
            Place::Contact(name) => (short(name), ratatui::style::Style::new()),
            Place::Notes => ("Notes to myself".to_owned(), theme.dim()),
            Place::Requests => {
                let requests = u64::try_from(model.requests.list.len()).unwrap_or(u64::MAX);
                (count(requests, "request"), theme.warn())
            }
        };
        let is_open = model.open.as_ref() == Some(place);
        let typed = conversation.is_some_and(|it| !it.draft.is_empty()) && !is_open;
        let (right, right_style) = match (unread, conversation.and_then(|it| it.newest.as_ref())) {
            (1.., _) => (format!("{unread}"), theme.warn().patch(theme.bold())),
            (0, _) if typed => ("draft".to_owned(), theme.warn()),
            (0, Some((at, _))) => (list_time(&model.clock, *at), theme.dim()),
            (0, None) => (String::new(), theme.dim()),
        };
        put(buffer, row, if is_open { "▌" } else { " " }, theme.warn());
        let room = u16::try_from(width(&right)).unwrap_or(0) + 2;
        let mut names = after(row, 1);
        names.width = names.width.saturating_sub(room);
        put(buffer, names, &name, style);
        let mut rights = row;
        rights.width = rights.width.saturating_sub(1);
        put_right(buffer, rights, &right, right_style);
        let is_chosen = model.cursor.as_ref() == Some(place) && has_focus;
        if is_chosen {
            buffer.set_style(row, theme.chosen());
        }
    }
}
