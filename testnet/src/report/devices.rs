//! What became of messages on each of people's devices, and at those who were cut off.

use serde::{Deserialize, Serialize};

use super::Latency;

/// What became of messages on each device, where people have several. A message is to be shown on each device of its
/// recipient, and on each other one of its writer, that was linked when it was written and not revoked yet.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Devices {
    /// People with several devices.
    pub people: u64,
    /// Their devices.
    pub devices: u64,
    /// Of those, linked at the end; a person's first device counts.
    pub linked: u64,
    /// Of those, revoked.
    pub revoked: u64,
    /// On devices that were not revoked until the end: how often a message was to be shown on one.
    pub expected: u64,
    /// How often it was.
    pub shown: u64,
    /// `shown / expected`; 1 if nothing was to be shown.
    pub delivery_ratio: f64,
    /// From writing to being shown on a device, of each device.
    pub latency: Latency,
    /// From when a device was to be linked to when it was.
    pub linking: Latency,
    /// Each of them.
    pub each: Vec<DeviceReport>,
}

/// A device of a person who has several.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct DeviceReport {
    /// Its place in the report's nodes.
    pub node: usize,
    /// That of its person's first device.
    pub person: usize,
    /// When it was linked, seconds; absent if it never was.
    pub linked_s: Option<f64>,
    /// When it was revoked; absent if it was not.
    pub revoked_s: Option<f64>,
    /// Messages that were to be shown on it.
    pub expected: u64,
    /// Those that were.
    pub shown: u64,
}

/// Who was cut off, and what they read of what was written after that.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct CutOff {
    /// The revoked device, or the first one of who was removed from a room, by its place in the report's nodes.
    pub node: usize,
    /// The room that they were removed from, by its place in the report's rooms; absent of a revoked device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<usize>,
    /// When, seconds.
    pub at_s: f64,
    /// When the last of those knew who wrote what would have been for it; absent if one never did, or nobody wrote.
    pub known_s: Option<f64>,
    /// Messages that would have been for it, written after that by who had not heard of it.
    pub written_unknowing: u64,
    /// Of those, shown there.
    pub read_unknowing: u64,
    /// Messages that would have been for it, written by who had heard of it.
    pub written_knowing: u64,
    /// Of those, shown there: none should be.
    pub read_knowing: u64,
}
