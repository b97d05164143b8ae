//! The figures of parts that have a row for each in the table.

use serde::Serialize;

/// From the send call on one socket to the event on the other, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(in crate::bench) struct Latency {
    pub(in crate::bench) p50: f64,
    pub(in crate::bench) p99: f64,
}

/// Many messages at full speed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(in crate::bench) struct Throughput {
    /// Messages a second, from the first send call to the last `delivered`.
    #[serde(rename = "throughput_per_s")]
    pub(in crate::bench) per_s: f64,
    /// Not `delivered`, or not exactly once in the recipient's history.
    #[serde(rename = "throughput_lost")]
    pub(in crate::bench) lost: usize,
    /// Processor time of both daemons.
    pub(in crate::bench) cpu_s_per_1000: f64,
}

/// What an idle daemon costs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(in crate::bench) struct Idle {
    /// Percent of one core.
    pub(in crate::bench) cpu_pct: f64,
    /// Resident memory, MiB.
    pub(in crate::bench) rss_mib: f64,
}

/// A recipient comes back to a mailbox node; the sender is off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(in crate::bench) struct CatchUp {
    /// From the start of its process to the last message.
    pub(in crate::bench) seconds: f64,
    pub(in crate::bench) lost: usize,
}

/// A recipient that was killed comes back.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(in crate::bench) struct UnnoticedDeath {
    pub(in crate::bench) sent: usize,
    pub(in crate::bench) lost: usize,
    /// From the start of its process to the last message.
    pub(in crate::bench) seconds_after_return: f64,
}

/// The mailbox alone.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(in crate::bench) struct MailboxFigures {
    /// Envelopes a second, durably, into a mailbox with a million.
    pub(in crate::bench) ingest_per_s: f64,
    /// The same into others.
    pub(in crate::bench) ingest: Ingest,
    /// To drop 100,000 that ended.
    pub(in crate::bench) sweep_s: f64,
}

/// Envelopes a second, durably.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(in crate::bench) struct Ingest {
    /// Into an empty mailbox.
    pub(in crate::bench) empty: f64,
    /// Into one with a fifth of a million.
    pub(in crate::bench) fifth: f64,
}

/// Two daemons with nearly the same mailbox meet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(in crate::bench) struct SyncFigures {
    /// From the dial until both have everything on disk.
    pub(in crate::bench) seconds: f64,
    /// Syncs that took.
    pub(in crate::bench) passes: usize,
    /// Bytes both ways to find what is missing; envelopes apart.
    pub(in crate::bench) bytes: usize,
    /// Start of the process until it answers.
    pub(in crate::bench) start_s: f64,
    /// Memory of the daemon that had more, MiB, files that the system caches apart.
    pub(in crate::bench) rss_mib: f64,
}

/// Two daemons with very different mailboxes meet.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(in crate::bench) struct SyncLarge {
    /// From the dial until both have everything on disk.
    pub(in crate::bench) seconds: f64,
    /// Envelopes brought across, both ways together.
    pub(in crate::bench) per_s: f64,
    /// What the two still lacked after two minutes.
    pub(in crate::bench) missing: u64,
}

/// A room, and a direct message beside it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(in crate::bench) struct RoomFigures {
    /// People in it, each with a daemon of their own.
    pub(in crate::bench) members: usize,
    /// From the send call to the event at the one recipient, in the same run.
    pub(in crate::bench) direct_p50_ms: f64,
    /// From the send call to the event at the last member.
    pub(in crate::bench) to_last_p50_ms: f64,
    /// See above.
    pub(in crate::bench) to_last_p99_ms: f64,
    /// How many times as long the room's takes as the direct one.
    pub(in crate::bench) to_last_factor: f64,
    /// Envelopes that a member was brought for each message.
    pub(in crate::bench) envelopes_per_message: f64,
    /// Processor time of the sender for a change of who is in the room, and the new key for all.
    pub(in crate::bench) key_change_cpu_ms: f64,
}

/// A large file from one daemon to another, and what the machine does without them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(in crate::bench) struct FileFigures {
    /// How large it is, MiB.
    pub(in crate::bench) mib: u32,
    /// From the request to accept it to when it is whole on the recipient's disk: 10^6 bytes a second.
    pub(in crate::bench) mb_per_s: f64,
    /// As many bytes by a stream of libp2p's, over TCP, Noise and Yamux.
    pub(in crate::bench) bare_stream_mb_per_s: f64,
    /// As many by TCP.
    pub(in crate::bench) raw_tcp_mb_per_s: f64,
    /// The file's speed over the bare stream's.
    pub(in crate::bench) of_bare_stream: f64,
    /// Resident memory that a daemon took meanwhile beyond what it had before, MiB, of the one that took more.
    pub(in crate::bench) rss_growth_mib: f64,
}

/// Three daemons on a LAN without a way out, of which nobody wants anything.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(in crate::bench) struct IdleLan {
    /// How long they were watched.
    pub(in crate::bench) seconds: f64,
    /// Whether they were in network namespaces and found each other by mDNS; else on loopback.
    pub(in crate::bench) namespaces: bool,
    /// Percent of one core, of the one that used most.
    pub(in crate::bench) cpu_pct: f64,
    /// Resident memory, MiB, of the one that used most.
    pub(in crate::bench) rss_mib: f64,
    /// Lines that all of them logged above level `info`, from when they were connected.
    pub(in crate::bench) log_above_info: usize,
    /// Lines of any level.
    pub(in crate::bench) log_lines: usize,
}
