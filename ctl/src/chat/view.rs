//! Draws the model.

mod list;
mod messages;
mod overlay;
mod status;
mod theme;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::layout::{COLUMNS_MIN, ROWS_MIN};
use super::model::{Focus, Link, Model, Place};
use super::text::{fit, width};

pub(super) use list::first_listed;
pub(super) use overlay::overlay_lines;
pub(super) use theme::Theme;

/// Draws everything, and puts the cursor where keys go.
pub(super) fn draw(model: &Model, theme: Theme, frame: &mut Frame<'_>) {
    let area = frame.area();
    if (area.width, area.height) != (model.columns, model.height) {
        // The window has changed, and the model is about to be told.
        return;
    }
    if let Some(cursor) = paint(model, theme, area, frame.buffer_mut()) {
        frame.set_cursor_position(cursor);
    }
}

/// The same into a buffer; returns where the cursor is to be.
fn paint(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let layout = model.layout();
    if layout.status.is_empty() {
        too_small(area, buffer);
        return None;
    }
    if model.link == Link::Locked {
        // What the vault keeps is not for who can't open it.
        status::draw(model, theme, &layout, buffer);
        return overlay::draw(model, theme, area, buffer);
    }
    list::draw(model, theme, &layout, buffer);
    for row in layout.divider.rows() {
        put(buffer, row, if row.y == 0 { "┬" } else { "│" }, theme.dim());
    }
    let mut cursor = None;
    if !layout.messages.is_empty() {
        cursor = match &model.open {
            Some(Place::Requests) => messages::draw_requests(model, theme, &layout, buffer),
            Some(place) => messages::draw(model, theme, place, &layout, buffer),
            None => {
                messages::draw_nothing(model, theme, &layout, buffer);
                None
            }
        };
    }
    cursor = status::draw(model, theme, &layout, buffer).or(cursor);
    if model.focus == Focus::List && model.seek.find.is_none() && model.seek.prompt.is_none() {
        cursor = None;
    }
    overlay::draw(model, theme, area, buffer);
    if model.overlay.is_some() { None } else { cursor }
}

fn too_small(area: Rect, buffer: &mut Buffer) {
    let lines = [
        format!("{}×{} is too small:", area.width, area.height),
        format!("it needs {COLUMNS_MIN}×{ROWS_MIN}."),
        "Nothing is lost.".to_owned(),
    ];
    let top = area.height.saturating_sub(3) / 2;
    for (line, row) in lines.iter().zip(area.rows().skip(usize::from(top))) {
        put_centred(buffer, row, line, Style::new());
    }
}

/// Writes `text`, which has been made harmless, at the start of `area`; returns the columns it took.
fn put(buffer: &mut Buffer, area: Rect, text: &str, style: Style) -> u16 {
    if area.is_empty() {
        return 0;
    }
    let text = fit(text, usize::from(area.width));
    let (end, _) = buffer.set_stringn(area.x, area.y, &text, usize::from(area.width), style);
    end - area.x
}

/// The same in the middle of `area`.
fn put_centred(buffer: &mut Buffer, area: Rect, text: &str, style: Style) {
    let used = u16::try_from(width(text)).unwrap_or(u16::MAX).min(area.width);
    put(buffer, after(area, (area.width - used) / 2), text, style);
}

/// The same at the end of `area`; what is before it stays.
fn put_right(buffer: &mut Buffer, area: Rect, text: &str, style: Style) {
    let used = u16::try_from(width(text)).unwrap_or(u16::MAX).min(area.width);
    put(buffer, after(area, area.width - used), text, style);
}

/// `area` without its first columns.
fn after(area: Rect, columns: u16) -> Rect {
    let columns = columns.min(area.width);
    Rect { x: area.x + columns, width: area.width - columns, ..area }
}

/// A line with a title in it: `─ title ─────`.
fn rule(buffer: &mut Buffer, area: Rect, title: &str, theme: Theme, style: Style) {
    put(buffer, area, &"─".repeat(usize::from(area.width)), theme.dim());
    if !title.is_empty() && area.width > 6 {
        let room = Rect { x: area.x + 1, width: area.width - 2, ..area };
        put(buffer, room, &format!(" {} ", fit(title, usize::from(room.width) - 2)), style);
    }
}
