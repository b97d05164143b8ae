//! Colours: the terminal's own sixteen, or none.

use ratatui::style::{Color, Modifier, Style};

use super::super::rows::Role;

/// How things stand out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Theme {
    /// Without, by weight and inversion alone (<https://no-color.org>).
    pub(crate) colours: bool,
}

impl Theme {
    /// Of a piece of a message's line.
    pub(super) fn role(self, role: Role) -> Style {
        match role {
            Role::Text => Style::new(),
            Role::Dim => self.dim(),
            Role::Me => self.colour(Color::Cyan).add_modifier(Modifier::BOLD),
            Role::Them => self.colour(Color::Magenta).add_modifier(Modifier::BOLD),
            Role::Good => self.good(),
            Role::Warn => self.warn(),
            Role::Bad => self.bad(),
            Role::New => self.warn().add_modifier(Modifier::BOLD),
        }
    }

    pub(super) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    pub(super) fn good(self) -> Style {
        self.colour(Color::Green)
    }

    pub(super) fn warn(self) -> Style {
        self.colour(Color::Yellow)
    }

    pub(super) fn bad(self) -> Style {
        self.colour(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// What is chosen.
    pub(super) fn chosen(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// What was found.
    pub(super) fn found(self) -> Style {
        match self.colours {
            true => Style::new().fg(Color::Black).bg(Color::Yellow),
            false => Style::new().add_modifier(Modifier::REVERSED),
        }
    }

    fn colour(self, colour: Color) -> Style {
        match self.colours {
            true => Style::new().fg(colour),
            false => Style::new(),
        }
    }
}
