//! What lies over the conversations: the help, the doctor, the question for the passphrase.

use martlet_protocol::control::{
    Direction, RoomAddBy, RoomMember, RoomRole, SearchResult, Severity,
};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::widgets::{Clear, Widget};

use super::super::model::{HELP, Link, Model, Overlay, Place, Search, in_order};
use super::super::text::{fit, in_one_line, lines, padded, short, width};
use super::{Theme, after, put, put_centred};
use crate::render::{bytes, count, person};

/// What stands below: where all is seen, and where it is not.
const ENDS: [&str; 2] = [" any key: back ", " ↑ ↓ more, any other key: back "];

/// Columns of an overlay at most: lines stay easy to read.
const COLUMNS_MAX: u16 = 74;

/// Draws what there is; returns where the cursor is to be, if something is asked.
pub(super) fn draw(
    model: &Model,
    theme: Theme,
    area: Rect,
    buffer: &mut Buffer,
) -> Option<Position> {
    match (model.overlay, &model.link) {
        (Some((overlay, above)), _) => {
            let title = match overlay {
                Overlay::Help => "Keys",
                Overlay::Doctor => "Peers and doctor",
                Overlay::Members => "Who is in the room",
                Overlay::Found => return found(model, theme, area, buffer),
            };
            window(title, &text(model, overlay, theme, area), above, ENDS, theme, area, buffer);
            None
        }
        (None, Link::Locked) => Some(passphrase(model, theme, area, buffer)),
        (None, _) => None,
    }
}

/// How many lines an overlay has.
pub(crate) fn overlay_lines(model: &Model, overlay: Overlay) -> usize {
    let area = Rect::new(0, 0, model.columns, model.height);
    text(model, overlay, Theme { colours: false }, area).len()
}

fn text(model: &Model, overlay: Overlay, theme: Theme, area: Rect) -> Vec<(Style, String)> {
    match overlay {
        Overlay::Help => help(theme, area),
        Overlay::Doctor => doctor(model, theme, area),
        Overlay::Found => found_lines(model, theme, area),
        Overlay::Members => members(model, theme, area),
    }
}

/// Who is in the room on the screen, or was, a line each: what they are, and where they can't be written to.
fn members(model: &Model, theme: Theme, area: Rect) -> Vec<(Style, String)> {
    let columns = usize::from(inner_columns(area));
    let Some(room) = model.open_room() else { return Vec::new() };
    let line = |member: &RoomMember| {
        let (style, what) = match member.role {
            RoomRole::Moderator if member.creator => (theme.bold(), "moderator, made it"),
            RoomRole::Moderator => (theme.bold(), "moderator"),
            RoomRole::Member => (Style::new(), "member"),
            RoomRole::Invited => (theme.warn(), "invited: nothing came from them yet"),
            RoomRole::Removed => (theme.bad(), "removed"),
            RoomRole::Left => (theme.dim(), "left"),
        };
        let is_in = !matches!(member.role, RoomRole::Removed | RoomRole::Left);
        let reach = match member.terminated_at {
            _ if !is_in => "",
            Some(_) => ", terminated",
            None if member.devices == 0 => ", no keys yet",
            None => "",
        };
        let who = padded(&fit(&person(&member.who), 24), 24);
        (style, fit(&format!("{who}  {what}{reach}"), columns))
    };
    let mut text: Vec<_> = in_order(room).into_iter().map(line).collect();
    text.push((Style::new(), String::new()));
    let who = match room.settings.add_by {
        RoomAddBy::Moderators => "Moderators add people",
        RoomAddBy::Members => "All members add people",
    };
    let most = room.settings.members_max;
    let how = format!("{who}, up to {most}. martletctl room changes it.");
    text.extend(lines(&how, columns).into_iter().map(|line| (theme.dim(), line)));
    text
}

/// What a search found, two lines each: whose and when, and the text around it.
fn found_lines(model: &Model, theme: Theme, area: Rect) -> Vec<(Style, String)> {
    let columns = usize::from(inner_columns(area));
    let Some(Search { found, .. }) = &model.seek.search else { return Vec::new() };
    let mut text: Vec<(Style, String)> = Vec::new();
    for result in &found.results {
        let name = match Search::place(result) {
            Place::Contact(name) => short(&name),
            Place::Notes | Place::Requests => "Notes to myself".to_owned(),
        };
        let time = model.clock.day_and_minute(result.sent_at);
        text.push((theme.bold(), fit(&format!("{name}, {time}"), columns)));
        let whole = in_one_line(&format!("{}{}{}", lead(result), result.found, result.after));
        text.push((Style::new(), fit(&whole, columns)));
    }
    if found.more || found.partial {
        text.push((theme.dim(), fit("There are older ones: another word finds fewer.", columns)));
    }
    text
}

/// What stands before the place that was found, in its line.
fn lead(result: &SearchResult) -> String {
    let by = match result.direction {
        Direction::Out => "you: ",
        Direction::In | Direction::Note => "",
    };
    format!("  {by}{}", result.before)
}

fn found(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let Search { words, found, at } = model.seek.search.as_ref()?;
    let lines = found_lines(model, theme, area);
    let height = usize::from(area.height.saturating_sub(3));
    let above = ((at + 1) * 2).saturating_sub(height).next_multiple_of(2);
    let title = format!("Found: {}", fit(&in_one_line(words), 30));
    let ends = [" Enter goes there, Esc back "; 2];
    let inner = window(&title, &lines, above, ends, theme, area, buffer);
    for (number, result) in found.results.iter().enumerate() {
        let rows = [number * 2, number * 2 + 1].map(|line| {
            let line = u16::try_from(line.checked_sub(above)?).ok()?;
            (line < inner.height).then(|| Rect { y: inner.y + line, height: 1, ..inner })
        });
        if number == *at {
            rows.into_iter().flatten().for_each(|row| buffer.set_style(row, theme.chosen()));
        }
        if let Some(row) = rows[1] {
            let columns = |text: &str| u16::try_from(width(&in_one_line(text))).unwrap_or(u16::MAX);
            let mut place = after(row, columns(&lead(result)));
            place.width = place.width.min(columns(&result.found));
            buffer.set_style(place, theme.found());
        }
    }
    None
}

fn help(theme: Theme, area: Rect) -> Vec<(Style, String)> {
    let keys = HELP.iter().map(|(keys, _)| width(keys)).max().unwrap_or(0);
    let columns = usize::from(inner_columns(area));
    let mut text: Vec<(Style, String)> = Vec::new();
    for (key, what) in HELP {
        if columns >= keys + 20 {
            let room = columns - keys - 2;
            for (number, line) in lines(what, room).iter().enumerate() {
                let lead = padded(if number == 0 { key } else { "" }, keys);
                text.push((Style::new(), format!("{lead}  {line}")));
            }
        } else {
            text.push((theme.bold(), (*key).to_owned()));
            text.extend(
                lines(what, columns.saturating_sub(2))
                    .into_iter()
                    .map(|line| (Style::new(), format!("  {line}"))),
            );
        }
    }
    text.push((Style::new(), String::new()));
    let states = "queued: on disk here. ✓ sent: another node has it. ✓✓: it was delivered.";
    text.extend(lines(states, columns).into_iter().map(|line| (theme.dim(), line)));
    text
}

fn doctor(model: &Model, theme: Theme, area: Rect) -> Vec<(Style, String)> {
    let columns = usize::from(inner_columns(area));
    let mut text: Vec<(Style, String)> = Vec::new();
    let mut add = |style: Style, line: &str| {
        text.extend(lines(line, columns).into_iter().map(|line| (style, line)));
    };
    if let Some(status) = &model.status {
        let peers = count(u64::from(status.peers_connected), "peer");
        add(Style::new(), &format!("{peers} in network {}", short(&status.network)));
        if let Some(waiting) = status.outbox {
            add(Style::new(), &format!("{} not delivered yet", count(waiting, "message")));
        }
        let mailbox = status.mailbox;
        let (used, most) = (bytes(mailbox.bytes), bytes(mailbox.bytes_max));
        let envelopes = count(mailbox.envelopes, "envelope");
        add(theme.dim(), &format!("mailbox: {envelopes}, {used} of {most}"));
        add(theme.dim(), &format!("martletd {}", short(&status.version)));
        add(Style::new(), "");
    }
    match &model.doctor {
        Some(diagnosis) if diagnosis.findings.is_empty() => {
            add(theme.good(), "The doctor finds nothing wrong.");
        }
        Some(diagnosis) => {
            for finding in &diagnosis.findings {
                let (style, name) = match finding.severity {
                    Severity::Error => (theme.bad(), "error"),
                    Severity::Warning => (theme.warn(), "warning"),
                    Severity::Info => (theme.dim(), "info"),
                };
                add(style, &format!("{name}: {}", in_one_line(&finding.problem)));
                add(Style::new(), &in_one_line(&finding.advice));
                add(Style::new(), "");
            }
        }
        None => add(theme.dim(), "Nothing is heard of the doctor yet."),
    }
    text
}

fn passphrase(model: &Model, theme: Theme, area: Rect, buffer: &mut Buffer) -> Position {
    let columns = usize::from(inner_columns(area));
    let (ask, line) = match model.needs_passphrase() {
        true => {
            let stars = model.passphrase.0.chars().count().min(columns.saturating_sub(1));
            ("Its passphrase, then Enter:", "•".repeat(stars))
        }
        false => ("It has no passphrase: Enter opens it.", String::new()),
    };
    let column = u16::try_from(width(&line)).unwrap_or(0);
    let text =
        [(theme.bold(), ask.to_owned()), (Style::new(), line), (Style::new(), String::new())];
    let inner = window("The vault is locked", &text, 0, [""; 2], theme, area, buffer);
    Position::new(inner.x + column.min(inner.width.saturating_sub(1)), inner.y + 1)
}

/// Columns within a window.
fn inner_columns(area: Rect) -> u16 {
    area.width.saturating_sub(2).min(COLUMNS_MAX).saturating_sub(4)
}

/// A frame in the middle with lines in it; returns the area within.
fn window(
    title: &str,
    text: &[(Style, String)],
    above: usize,
    ends: [&str; 2],
    theme: Theme,
    area: Rect,
    buffer: &mut Buffer,
) -> Rect {
    let columns = inner_columns(area) + 4;
    let wanted = u16::try_from(text.len()).unwrap_or(u16::MAX).saturating_add(2);
    let rows = wanted.min(area.height.saturating_sub(1));
    let frame = Rect::new((area.width - columns) / 2, (area.height - 1 - rows) / 2, columns, rows);
    Clear.render(frame, buffer);
    let bar = "─".repeat(usize::from(columns) - 2);
    for (number, row) in frame.rows().enumerate() {
        let line = match number {
            0 => format!("┌{bar}┐"),
            _ if number + 1 == usize::from(rows) => format!("└{bar}┘"),
            _ => format!("│{}│", " ".repeat(usize::from(columns) - 2)),
        };
        put(buffer, row, &line, theme.dim());
    }
    put_centred(buffer, Rect { height: 1, ..frame }, &format!(" {title} "), theme.bold());
    let inner = Rect::new(frame.x + 2, frame.y + 1, columns - 4, rows - 2);
    for ((style, line), row) in text.iter().skip(above).zip(inner.rows()) {
        put(buffer, row, line, *style);
    }
    let is_cut = text.len() > usize::from(inner.height);
    let bottom = Rect { y: frame.bottom() - 1, height: 1, ..frame };
    put_centred(buffer, bottom, ends[usize::from(is_cut)], theme.dim());
    inner
}
