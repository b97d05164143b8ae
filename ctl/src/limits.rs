//! Bounds of the command alone; those that it shares with the daemon are in `martlet_protocol::limits`.

use std::time::Duration;

/// How long a completion waits for the daemon's list of contacts: the shell stands still meanwhile. The daemon answers
/// within milliseconds; one that is busy for longer leaves the name to be typed.
pub(crate) const COMPLETION_ANSWER_MAX: Duration = Duration::from_millis(500);
