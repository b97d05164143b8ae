//! Figures: title, drawing, key to the signs, and how to read them.

use maud::{Markup, PreEscaped, html};

use super::ink::Ink;

/// A figure.
#[derive(Debug)]
pub(super) struct Figure {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What it shows, for who can't see it.
    pub(super) summary: String,
    pub(super) svg: String,
    pub(super) legend: Vec<(Key, String)>,
    /// How to read it.
    pub(super) caption: String,
}

/// A sign of the key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Key {
    Line(Ink),
    Band(Ink),
    Dot(Ink),
    Mark,
    Circle,
    Square,
    Diamond,
    Ring,
}

impl Figure {
    /// As HTML.
    pub(super) fn markup(&self) -> Markup {
        html! {
            figure id=(self.id) {
                h3 { (self.title) }
                @if !self.legend.is_empty() {
                    ul.legend { @for (key, words) in &self.legend { li { (key.markup()) (words) } } }
                }
                div.scroll { (self.drawing()) }
                figcaption { (self.caption) }
            }
        }
    }

    /// What plotters drew, with a name for who can't see it.
    fn drawing(&self) -> Markup {
        let (tag, rest) = self.svg.split_once('>').unwrap_or_default();
        let view = tag.split_once("viewBox=\"").and_then(|(_, rest)| rest.split_once('"'));
        let title_id = format!("{}-title", self.id);
        let inner = rest.trim_end().trim_end_matches("</svg>");
        html! {
            svg.plot viewBox=[view.map(|view| view.0)] role="img" aria-labelledby=(title_id) {
                title id=(title_id) { (self.title) ": " (self.summary) }
                (PreEscaped(inner))
            }
        }
    }
}

impl Key {
    pub(super) fn markup(self) -> Markup {
        let (kind, class) = match self {
            Self::Line(ink) => ("M1 7H27", ink.stroke()),
            Self::Band(ink) => ("M1 1H27V13H1Z", format!("{} band", ink.fill())),
            Self::Dot(ink) => ("M14 2a5 5 0 0 1 0 10a5 5 0 0 1 0-10Z", ink.fill()),
            Self::Mark => ("M14 0V14", Ink::Mark.stroke()),
            Self::Circle => ("M14 2a5 5 0 0 1 0 10a5 5 0 0 1 0-10Z", Ink::Muted.fill()),
            Self::Square => ("M9 2H19V12H9Z", Ink::Muted.fill()),
            Self::Diamond => ("M14 0L21 7L14 14L7 7Z", Ink::Muted.fill()),
            Self::Ring => {
                ("M14 2a5 5 0 0 1 0 10a5 5 0 0 1 0-10Z", format!("{} ring", Ink::Muted.stroke()))
            }
        };
        html! { svg.key viewBox="0 0 28 14" aria-hidden="true" { path class=(class) d=(kind) {} } }
    }
}
