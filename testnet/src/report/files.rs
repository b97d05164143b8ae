//! What became of files.

use serde::{Deserialize, Serialize};

use super::Latency;

/// Most files of which each is told: what a person looks through.
pub(super) const FILES_TOLD_MAX: usize = 1_000;

/// All files of a run. A file is *whole* at someone when all of it is on the disk of one of their nodes, and was compared with what its
/// message says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FilesReport {
    /// Files that their senders' daemons took.
    pub sent: u64,
    /// Of these, in their messages.
    pub in_messages: u64,
    /// In parts, through mailboxes.
    pub in_parts: u64,
    /// From node to node.
    pub direct: u64,
    /// Bytes of all that were sent, each counted once.
    pub bytes: u64,
    /// How often a file was to come to someone.
    pub expected: u64,
    /// How often it was whole there.
    pub whole: u64,
    /// `whole / expected`; 1 if none was to come to anyone.
    pub whole_ratio: f64,
    /// How often a file that is not whole somewhere failed there: a disk that is full, or something else than its message says.
    pub failed: u64,
    /// From sending to being whole at someone, of each.
    pub to_each: Latency,
    /// From sending to being whole at the last of all who are to get it.
    pub to_all: Latency,
    /// Bytes that nodes fetched from each other directly, sealed: what was fetched twice counts twice.
    pub fetched_bytes: u64,
    /// Nodes that fetched any, or gave any.
    pub nodes: Vec<FileNode>,
    /// Who fetched how much from whom; only where the runner sees it (`sim`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fetched: Vec<Fetched>,
    /// Each file, the first 1,000 of them, by when they were sent.
    pub each: Vec<FileReport>,
}

/// What a node fetched and gave directly.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FileNode {
    /// Its place in `nodes`.
    pub node: usize,
    /// Bytes that it fetched, over restarts.
    pub received_bytes: u64,
    /// Bytes that it gave.
    pub sent_bytes: u64,
}

/// What one node fetched from another.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Fetched {
    /// Who, by its place in `nodes`.
    pub by: usize,
    /// From whom.
    pub from: usize,
    /// How many bytes.
    pub bytes: u64,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FileReport {
    /// Its message's place in the plan.
    pub message: usize,
    /// The sender's node, by its place in `nodes`.
    pub from: usize,
    /// The name of whom it was sent to.
    pub to: String,
    /// Its bytes.
    pub bytes: u64,
    /// `message`, `parts` or `direct`.
    pub way: String,
    /// When it was sent.
    pub sent_s: f64,
    /// To how many people it was to come.
    pub expected: u64,
    /// At how many it was whole.
    pub whole: u64,
    /// From sending to being whole at the last of them; absent if it was not so at all.
    pub to_all_s: Option<f64>,
}
