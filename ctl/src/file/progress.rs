//! How far a file is: a bar on a terminal, else nothing.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on standard error.
#[derive(Debug, Clone)]
pub(crate) struct Bar(Option<ProgressBar>);

impl Bar {
    /// Of something of so many bytes; nothing is shown to who reads JSON, nor where standard error is no terminal.
    pub(crate) fn new(title: &str, bytes: u64, is_json: bool) -> Self {
        if is_json || !io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
        let template =
            "{prefix} [{bar:30}] {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left  {msg}";
        // The template is a constant; should a later version refuse it, its own look does.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(title.to_owned());
        Self(Some(bar))
    }

    /// So many bytes are done.
    pub(crate) fn at(&self, bytes: u64, note: &str) {
        if let Some(bar) = &self.0 {
            bar.set_message(note.to_owned());
            bar.set_position(bytes);
        }
    }

    /// So many more are.
    pub(crate) fn more(&self, bytes: u64) {
        if let Some(bar) = &self.0 {
            bar.inc(bytes);
        }
    }

    /// Takes it from the screen.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
