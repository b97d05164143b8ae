//! How far a run is: a bar with the time that is left, on a terminal; else a line now and then.

use std::cell::Cell;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Without a terminal a line is printed each time another such part is done.
const STEP_PERCENT: u64 = 10;

/// Shows on standard error how far a run is.
#[derive(Debug)]
pub struct Progress {
    title: String,
    total: Duration,
    look: Look,
}

#[derive(Debug)]
enum Look {
    Bar(ProgressBar),
    /// The steps told.
    Lines(Cell<u64>),
    Silent,
}

impl Progress {
    /// Of a run of so much time, as its nodes see it.
    #[must_use]
    pub fn new(title: &str, total: Duration) -> Self {
        let look = if std::io::stderr().is_terminal() {
            let bar = ProgressBar::with_draw_target(
                Some(u64::try_from(total.as_millis()).unwrap_or(u64::MAX)),
                ProgressDrawTarget::stderr(),
            );
            let template = "{prefix} [{bar:30}] {percent:>3} %  ETA {eta}  {msg}";
            // The template is a constant; should a later version refuse it, its own look does.
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(title.to_owned());
            Look::Bar(bar)
        } else {
            Look::Lines(Cell::new(0))
        };
        Self { title: title.to_owned(), total, look }
    }

    /// Shows nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self { title: String::new(), total: Duration::ZERO, look: Look::Silent }
    }

    /// The run has come to `now`; `note` says in a few words what is so.
    pub fn at(&self, now: Duration, note: &str) {
        match &self.look {
            Look::Bar(bar) => {
                bar.set_position(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
                bar.set_message(note.to_owned());
            }
            Look::Lines(told) => {
                let percent =
                    (now.as_secs_f64() / self.total.as_secs_f64().max(0.001) * 100.0) as u64;
                let step = percent.min(100) / STEP_PERCENT;
                if step > told.replace(step.max(told.get())) {
                    eprintln!("{}: {} %  {note}", self.title, step * STEP_PERCENT);
                }
            }
            Look::Silent => {}
        }
    }

    /// Prints a line without disturbing the bar.
    pub fn say(&self, line: &str) {
        match &self.look {
            Look::Bar(bar) => bar.suspend(|| eprintln!("{line}")),
            Look::Lines(_) => eprintln!("{line}"),
            Look::Silent => {}
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Look::Bar(bar) = &self.look {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // Also where the run failed: the reason is printed next.
        self.finish();
    }
}
