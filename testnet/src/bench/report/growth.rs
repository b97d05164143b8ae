//! How costs grow with what a daemon has.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::significant;

/// So many times what it is for the least size a figure may be for the largest, if it has a target.
const FACTOR_MAX: f64 = 1.5;

/// Columns of a figure's name in the table, and of each value.
const NAME_COLUMNS: usize = 32;
const VALUE_COLUMNS: usize = 9;

/// Costs by what grows: the figures of each size, from the least to the largest.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::bench) struct GrowthFigures {
    /// Messages in a conversation.
    pub(in crate::bench) messages: Vec<Stage>,
    /// Contacts.
    pub(in crate::bench) contacts: Vec<Stage>,
    /// Messages in the outbox, since the recipient is away.
    pub(in crate::bench) outbox: Vec<Stage>,
}

/// What was measured at one size.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::bench) struct Stage {
    /// So many there were.
    pub(in crate::bench) size: usize,
    /// The figures.
    pub(in crate::bench) figures: BTreeMap<Figure, f64>,
}

/// What is measured at each size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::bench) enum Figure {
    /// From a send request to its answer, half of them.
    SendP50,
    /// The same, 99 of 100.
    SendP99,
    /// Bytes that the sender writes for it, into files and sockets.
    SendWritten,
    /// Processor time of both daemons, at full speed.
    CpuFull,
    /// Processor time of the sender for a message, at 20 a second.
    CpuPaced,
    /// A page of the newest messages.
    PageFirst,
    /// A page of the oldest.
    PageDeep,
    /// The recipient's unread messages.
    Inbox,
    /// All contacts.
    Contacts,
    /// From the start of the process until it answers.
    Start,
    /// Memory of the process that got to this size.
    Memory,
    /// Memory after a restart.
    MemoryRestarted,
    /// Bytes of the data directory for each message.
    Disk,
}

impl Figure {
    /// Its key in JSON.
    fn key(self) -> &'static str {
        match self {
            Self::SendP50 => "send_p50_ms",
            Self::SendP99 => "send_p99_ms",
            Self::SendWritten => "send_written_kb",
            Self::CpuFull => "cpu_s_per_1000",
            Self::CpuPaced => "cpu_ms_per_message",
            Self::PageFirst => "page_first_ms",
            Self::PageDeep => "page_deep_ms",
            Self::Inbox => "inbox_ms",
            Self::Contacts => "contacts_ms",
            Self::Start => "start_s",
            Self::Memory => "rss_mib",
            Self::MemoryRestarted => "rss_restarted_mib",
            Self::Disk => "disk_bytes_per_message",
        }
    }

    /// What people read, with the unit.
    fn words(self) -> &'static str {
        match self {
            Self::SendP50 => "a send, p50, ms",
            Self::SendP99 => "a send, p99, ms",
            Self::SendWritten => "written for a send, KB",
            Self::CpuFull => "CPU of 1,000 at full speed, s",
            Self::CpuPaced => "CPU of one at 20 a second, ms",
            Self::PageFirst => "first page of history, ms",
            Self::PageDeep => "last page of history, ms",
            Self::Inbox => "inbox, ms",
            Self::Contacts => "contact list, ms",
            Self::Start => "start, s",
            Self::Memory => "memory, MiB",
            Self::MemoryRestarted => "memory after a restart, MiB",
            Self::Disk => "on disk for a message, bytes",
        }
    }

    /// Whether it should not grow. A start reads what there is; a file has pages beside its records;
    /// a list of contacts has all of them.
    fn is_to_stay(self, of: Grows) -> bool {
        match self {
            Self::Contacts => of != Grows::Contacts,
            Self::Start | Self::Disk => false,
            Self::SendP50
            | Self::SendP99
            | Self::SendWritten
            | Self::CpuFull
            | Self::CpuPaced
            | Self::PageFirst
            | Self::PageDeep
            | Self::Inbox
            | Self::Memory
            | Self::MemoryRestarted => true,
        }
    }
}

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grows {
    Messages,
    Contacts,
    Outbox,
}

impl GrowthFigures {
    /// Appends its tables.
    pub(super) fn write(&self, table: &mut String) {
        for (grows, title, stages) in [
            (Grows::Messages, "messages in a conversation", &self.messages),
            (Grows::Contacts, "contacts", &self.contacts),
            (Grows::Outbox, "in the outbox, recipient away", &self.outbox),
        ] {
            write_one(table, grows, title, stages);
        }
    }
}

fn write_one(table: &mut String, grows: Grows, title: &str, stages: &[Stage]) {
    let mut line = format!("{title:<NAME_COLUMNS$}");
    for stage in stages {
        let _ = write!(line, " {:>VALUE_COLUMNS$}", stage.size);
    }
    // Writing to a String can't fail.
    let _ = writeln!(table, "\n{line} {:>VALUE_COLUMNS$}", "factor");
    let factors = factors(stages);
    for figure in figures(stages) {
        let mut line = format!("{:<NAME_COLUMNS$}", format!("  {}", figure.words()));
        for stage in stages {
            let value = stage.figures.get(&figure).map_or("-".to_owned(), |v| significant(*v));
            let _ = write!(line, " {value:>VALUE_COLUMNS$}");
        }
        let factor = factors.get(figure.key()).copied();
        let said = factor.map_or("-".to_owned(), significant);
        let _ = write!(line, " {said:>VALUE_COLUMNS$}");
        if let Some(factor) = factor.filter(|_| figure.is_to_stay(grows)) {
            let met = if factor <= FACTOR_MAX { "met" } else { "NOT met" };
            let _ = write!(line, "  ≤ {FACTOR_MAX} {met}");
        }
        let _ = writeln!(table, "{line}");
    }
}

/// The figures that some of these have.
fn figures(stages: &[Stage]) -> std::collections::BTreeSet<Figure> {
    stages.iter().flat_map(|stage| stage.figures.keys().copied()).collect()
}

/// Of each figure, how many times its value at the least size is the one at the largest.
fn factors(stages: &[Stage]) -> BTreeMap<&'static str, f64> {
    let (Some(first), Some(last)) = (stages.first(), stages.last()) else { return BTreeMap::new() };
    let factor = |figure: &Figure| {
        let (least, most) = (first.figures.get(figure)?, last.figures.get(figure)?);
        (*least > 0.0).then(|| (figure.key(), super::rounded(most / least)))
    };
    first.figures.keys().filter_map(factor).collect()
}

impl Serialize for GrowthFigures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts =
            [("messages", &self.messages), ("contacts", &self.contacts), ("outbox", &self.outbox)];
        let mut map = serializer.serialize_map(None)?;
        for (name, stages) in parts {
            map.serialize_entry(name, stages)?;
        }
        let factor: BTreeMap<_, _> =
            parts.into_iter().map(|(name, stages)| (name, factors(stages))).collect();
        map.serialize_entry("factor", &factor)?;
        map.end()
    }
}

impl Serialize for Stage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("size", &self.size)?;
        for (figure, value) in &self.figures {
            map.serialize_entry(figure.key(), value)?;
        }
        map.end()
    }
}

/// Figures of every kind.
#[cfg(test)]
pub(super) fn example() -> GrowthFigures {
    let stage = |size, by: f64| Stage {
        size,
        figures: [
            Figure::SendP50,
            Figure::SendP99,
            Figure::SendWritten,
            Figure::CpuFull,
            Figure::CpuPaced,
            Figure::PageFirst,
            Figure::PageDeep,
            Figure::Inbox,
            Figure::Contacts,
            Figure::Start,
            Figure::Memory,
            Figure::MemoryRestarted,
            Figure::Disk,
        ]
        .into_iter()
        .map(|figure| (figure, by))
        .collect(),
    };
    let stages = || vec![stage(1000, 1.0), stage(10_000, 1.2), stage(100_000, 1.4)];
    GrowthFigures { messages: stages(), contacts: stages(), outbox: stages() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_past_its_target_is_told() {
        let mut growth = example();
        for figure in [Figure::SendP50, Figure::Start] {
            growth.messages[2].figures.insert(figure, 1.6);
        }
        let mut table = String::new();
        growth.write(&mut table);
        let not_met: Vec<&str> = table.lines().filter(|line| line.contains("NOT met")).collect();
        assert_eq!(not_met.len(), 1, "a start has no such target: {table}");
        assert!(not_met[0].starts_with("  a send, p50, ms"), "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
        assert!(table.contains(" 1.60"), "{table}");
    }

    #[test]
    fn factors_are_of_the_largest_to_the_least() -> Result<(), serde_json::Error> {
        let mut growth = example();
        growth.outbox[0].figures.insert(Figure::CpuPaced, 0.0);
        let json = serde_json::to_value(growth)?;
        assert_eq!(json["factor"]["messages"]["start_s"], 1.4);
        assert_eq!(json["factor"]["outbox"]["cpu_ms_per_message"], serde_json::Value::Null);
        assert_eq!(json["messages"][2]["size"], 100_000);
        Ok(())
    }
}
