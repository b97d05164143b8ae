//! What became of messages in rooms, and how far members agreed on what a room is.

use serde::{Deserialize, Serialize};

use super::Latency;

/// A room. A message in it is delivered when all have been shown it who were in it when it was written, as far as its
/// writer's node knew, and stay, as far as the scenario says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RoomReport {
    /// Its name.
    pub name: String,
    /// People in it at the end, as far as the scenario says.
    pub members: u64,
    /// Messages written in it.
    pub written: u64,
    /// Those that all have been shown.
    pub delivered: u64,
    /// How often a message was to be shown to someone.
    pub expected: u64,
    /// How often it was.
    pub shown: u64,
    /// From writing to being shown to the last member.
    pub to_all: Latency,
    /// From writing to being shown to a member, of each.
    pub to_each: Latency,
    /// What the nodes of members received in the whole run, on average.
    pub received_bytes_per_member: u64,
    /// How many states of the room there are at the end, among those who are on and hold themselves to be in it.
    pub states_at_end: u64,
    /// The most that there were.
    pub states_max: u64,
    /// Seconds in which there was more than one.
    pub diverged_s: f64,
    /// Pairs: a time, and how many states there were from then on; of a second in which that changed more than twice, the most and the
    /// last.
    pub states: Vec<(f64, u64)>,
}
