//! Where lines are written. Those of this crate as they are; those of dependencies with addresses and ids shortened,
//! and only so many a minute: a peer can cause them. Both unless the operator asks for `debug` of the dependency.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::{Level, Metadata};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::LogFormat;
use super::scrub::scrubbed;
use crate::limits::FOREIGN_LOG_LINES_PER_MINUTE_MAX;

/// What the targets of our own lines begin with.
const OWN: &str = "martlet";

/// Writes lines by `W`.
pub(super) struct Lines<W> {
    writer: W,
    format: LogFormat,
    targets: Targets,
    minute: Mutex<Minute>,
}

/// One line; it comes in one piece.
pub(super) enum Line<W> {
    /// As it is.
    Own(W),
    /// Shortened, after a line that says how many were left out before it.
    Foreign(W, Option<String>),
    /// One too many.
    Dropped,
}

/// The lines of dependencies in one minute.
struct Minute {
    began: Instant,
    written: u32,
    left_out: u32,
}

impl<W> Lines<W> {
    /// Lines that `targets` let through.
    pub(super) fn new(writer: W, format: LogFormat, targets: Targets) -> Self {
        let minute = Minute { began: Instant::now(), written: 0, left_out: 0 };
        Self { writer, format, targets, minute: Mutex::new(minute) }
    }

    /// Says that lines were left out. It is made here: a line can't be logged while one is written.
    fn gap(&self, left_out: u32) -> Option<String> {
        if left_out == 0 {
            return None;
        }
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time)).ok()?;
        let (target, what) =
            (module_path!(), "lines of dependencies were left out: they log too much");
        Some(match self.format {
            LogFormat::Text => format!("{time}  WARN {target}: {left_out} {what}\n"),
            LogFormat::Json => format!(
                "{{\"timestamp\":\"{time}\",\"level\":\"WARN\",\"message\":\"{left_out} {what}\",\"target\":\"{target}\"}}\n"
            ),
        })
    }
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Lines<W> {
    type Writer = Line<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Line::Foreign(self.writer.make_writer(), None)
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Self::Writer {
        let is_as_it_is = meta.target().starts_with(OWN)
            || self.targets.would_enable(meta.target(), &Level::DEBUG);
        if is_as_it_is {
            return Line::Own(self.writer.make_writer_for(meta));
        }
        // Nothing panics while it is locked.
        let counted =
            self.minute.lock().unwrap_or_else(PoisonError::into_inner).count(Instant::now());
        match counted {
            Some(left_out) => Line::Foreign(self.writer.make_writer_for(meta), self.gap(left_out)),
            None => Line::Dropped,
        }
    }
}

impl Minute {
    /// Counts a line. Returns how many were left out before it, or `None` if it is left out itself.
    fn count(&mut self, now: Instant) -> Option<u32> {
        if now.duration_since(self.began) >= Duration::from_secs(60) {
            *self = Self { began: now, written: 0, left_out: self.left_out };
        }
        if self.written >= FOREIGN_LOG_LINES_PER_MINUTE_MAX {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self {
            Self::Own(writer) => return writer.write(line),
            Self::Dropped => {}
            Self::Foreign(writer, gap) => {
                if let Some(gap) = gap.take() {
                    writer.write_all(gap.as_bytes())?;
                }
                writer.write_all(scrubbed(&String::from_utf8_lossy(line)).as_bytes())?;
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Own(writer) | Self::Foreign(writer, _) => writer.flush(),
            Self::Dropped => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_next_line_after_a_minute_says_how_many_were_left_out() {
        let start = Instant::now();
        let mut minute = Minute { began: start, written: 0, left_out: 0 };
        let written = (0..100).filter(|_| minute.count(start).is_some()).count();
        assert_eq!(written, FOREIGN_LOG_LINES_PER_MINUTE_MAX as usize);
        let later = start + Duration::from_secs(60);
        assert_eq!(minute.count(later), Some(100 - FOREIGN_LOG_LINES_PER_MINUTE_MAX));
        assert_eq!(minute.count(later), Some(0));
    }

    #[test]
    fn what_is_said_of_lines_left_out_is_json_where_the_lines_are() {
        let gap = |format| Lines::new(io::sink, format, Targets::new()).gap(7).unwrap();
        assert!(gap(LogFormat::Text).contains("WARN martletd::logging::lines: 7 lines"));
        let json: serde_json::Value = serde_json::from_str(&gap(LogFormat::Json)).unwrap();
        assert_eq!(json["level"], "WARN");
    }
}
