//! The last line: the daemon, the doctor, and which keys there are; or what is looked for.

use martlet_protocol::control::Severity;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;

use super::super::layout::Layout;
use super::super::model::{Deed, Focus, Input, Link, Model, Place, Prompt};
use super::super::text::{in_one_line, width};
use super::{Theme, after, put, put_right};
use crate::render::count;

pub(super) fn draw(
    model: &Model,
    theme: Theme,
    layout: &Layout,
    buffer: &mut Buffer,
) -> Option<Position> {
    let area = layout.status;
    if let Some(notice) = &model.notice {
        put(buffer, area, &format!(" {}", in_one_line(notice)), theme.warn().patch(theme.bold()));
        return None;
    }
    if let Some(prompt) = &model.seek.prompt {
        return Some(draw_prompt(prompt, theme, layout, buffer));
    }
    if let Some(find) = &model.seek.find {
        return Some(draw_find(model, find, theme, layout, buffer));
    }
    let chosen = model.open_conversation().and_then(|conversation| conversation.chosen.as_ref());
    match chosen.map(|chosen| chosen.deed) {
        None => {}
        Some(None) => {
            let hints = [
                " ↑↓ choose  a answer  e edit  1-6 👍❤️😂😮😢🙏 0 none  r recall  d delete  Esc ",
                " ↑↓  a answer  e edit  1-6 react  r recall  d delete  Esc ",
                " ↑↓ a e 1-6 r d Esc; F1 explains ",
            ];
            let fitting = hints.into_iter().find(|hint| width(hint) <= usize::from(area.width));
            put(buffer, area, fitting.unwrap_or_default(), theme.bold());
            return None;
        }
        Some(Some(deed)) => {
            let question = match deed {
                Deed::Recall => " y recalls it for both; else it stays",
                Deed::Delete => " y deletes it here; else it stays",
            };
            put(buffer, area, question, theme.bad());
            return None;
        }
    }
    let parts = state(model, theme);
    let used: usize = parts.iter().map(|(text, _)| width(text)).sum();
    let room = usize::from(area.width).saturating_sub(used + 2);
    let hints = hints(model).into_iter().find(|hints| width(hints) <= room);
    put_right(buffer, area, &hints.unwrap_or_default(), theme.dim());
    let mut column = 0;
    for (text, style) in &parts {
        column += put(buffer, after(area, column), text, *style);
    }
    None
}

/// What is to be known, the most urgent first.
fn state(model: &Model, theme: Theme) -> Vec<(String, Style)> {
    let away = |text: &str| vec![(format!(" ○ {text}"), theme.bad())];
    match &model.link {
        Link::Connecting => return vec![(" ○ connecting".to_owned(), theme.dim())],
        Link::Lost => return away("the daemon is away; waiting for it"),
        Link::NoDaemon(_) => return away("the daemon isn't running"),
        Link::Locked => return away("the vault is locked"),
        Link::NoIdentity => return away("no identity yet"),
        Link::Broken(why) => return away(&in_one_line(why)),
        Link::Up => {}
    }
    let peers = model.status.as_ref().map_or(0, |status| status.peers_connected);
    let dot = if peers > 0 { theme.good() } else { theme.warn() };
    let mut parts = vec![
        (" ●".to_owned(), dot),
        (format!(" {}", count(u64::from(peers), "peer")), Style::new()),
    ];
    let findings = model.doctor.iter().flat_map(|diagnosis| &diagnosis.findings);
    let of = |severity: Severity| {
        let found = findings.clone().filter(|finding| finding.severity == severity);
        u64::try_from(found.count()).unwrap_or(u64::MAX)
    };
    let (errors, warnings) = (of(Severity::Error), of(Severity::Warning));
    if errors > 0 {
        parts.push((format!("  {} F2", count(errors, "error")), theme.bad()));
    } else if warnings > 0 {
        parts.push((format!("  {} F2", count(warnings, "warning")), theme.warn()));
    }
    let requests = model.requests.list.len();
    if requests > 0 {
        let requests = count(u64::try_from(requests).unwrap_or(u64::MAX), "request");
        parts.push((format!("  {requests} ^R"), theme.warn()));
    }
    if model.layout().list.is_empty() && model.unread() > 0 {
        parts.push((format!("  {} new", model.unread()), theme.warn()));
    }
    parts
}

/// Which keys there are, in the order of preference: the first that fits is shown.
fn hints(model: &Model) -> Vec<String> {
    let own = match (model.focus, &model.open, &model.link) {
        (_, _, Link::Locked) => "",
        (Focus::List, None, _) => "Enter open  a add  / search  ",
        (Focus::List, Some(_), _) => "Enter open  / search  Tab back  ",
        (Focus::Input, Some(Place::Requests), _) => "Tab list  ",
        (Focus::Input, Some(_), _) => "Enter send  ^J line  Tab list  ^F find  ",
        (Focus::Input, None, _) => "",
    };
    let common = "F1 help  ^Q quit ";
    let few = if own.contains("Tab list") { "Tab list  " } else { "" };
    vec![
        format!("{own}{common}"),
        format!("{few}{common}"),
        common.to_owned(),
        "F1 help ".to_owned(),
    ]
}

fn draw_prompt(prompt: &Prompt, theme: Theme, layout: &Layout, buffer: &mut Buffer) -> Position {
    let area = layout.status;
    let label = put(buffer, area, &format!(" {}", prompt.question()), theme.bold());
    let (position, room, used) = typed(&prompt.given, after(area, label), buffer);
    let hint = "Enter, or Esc ";
    if usize::from(room.width.saturating_sub(used + 2)) >= width(hint) {
        put_right(buffer, room, hint, theme.dim());
    }
    position
}

/// Draws what is typed in the last line: where the cursor is to be, the room there was, and how much was used.
fn typed(given: &Input, room: Rect, buffer: &mut Buffer) -> (Position, Rect, u16) {
    let shown = given.shown(usize::from(room.width));
    let line = shown.lines.get(shown.row).map_or("", String::as_str);
    let used = put(buffer, room, line, Style::new());
    let column = u16::try_from(shown.column).unwrap_or(0);
    let last = room.right().saturating_sub(1);
    (Position::new((room.x + column).min(last), room.y), room, used)
}

fn draw_find(
    model: &Model,
    find: &super::super::model::Find,
    theme: Theme,
    layout: &Layout,
    buffer: &mut Buffer,
) -> Position {
    let area = layout.status;
    let label = put(buffer, area, " Find: ", theme.bold());
    let (position, room, used) = typed(&find.query, after(area, label), buffer);
    let (at, of) = model.found();
    let more = model.open_conversation().is_some_and(|conversation| conversation.more);
    let among = if more { " so far" } else { "" };
    let found = match (find.query.is_empty(), of) {
        (true, _) => String::new(),
        (false, 0) => format!("nothing{among}  "),
        (false, of) => format!("{at} of {of}{among}  "),
    };
    let hints =
        [format!("{found}Enter older  ↓ newer  Esc end "), format!("{found}Esc end "), found];
    let left = usize::from(room.width.saturating_sub(used + 2));
    if let Some(hint) = hints.iter().find(|hint| width(hint) <= left) {
        put_right(buffer, room, hint, theme.dim());
    }
    position
}
