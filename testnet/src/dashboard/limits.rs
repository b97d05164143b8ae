//! Bounds of the dashboard.

use std::time::Duration;

/// Time between two tellings of what changed: as smooth as a page of figures has to be.
pub(super) const TICK: Duration = Duration::from_millis(200);
/// Ticks after which the time is told though nothing else changed.
pub(super) const QUIET_TICKS: u32 = 5;

/// Pages that look at the same time.
pub(super) const CLIENTS_MAX: usize = 16;
/// Connections at the same time: each page has one for events, and others for the page and the
/// buttons.
pub(super) const CONNECTIONS_MAX: usize = 64;
/// Tellings that wait for one page. One that is further behind is disconnected; it comes again, and
/// gets the whole state.
pub(super) const BEHIND_MAX: usize = 50;
/// Buttons pressed that nobody has dealt with.
pub(super) const REQUESTS_MAX: usize = 32;
/// Longest wait for what a button does: a start of a daemon on a busy machine.
pub(super) const ACTION_MAX: Duration = Duration::from_secs(45);
/// Bytes of what a button sends: a list of 200 nodes in groups, with room.
pub(super) const ACTION_BYTES_MAX: usize = 8 * 1024;
/// Longest wait, when the run ends, until everyone who looks was told.
pub(super) const LAST_WORDS_MAX: Duration = Duration::from_millis(500);
/// Time between two looks whether they were.
pub(super) const LAST_LOOK: Duration = Duration::from_millis(10);

/// Messages of which more than a count is known. Past it the oldest are forgotten; about 200 bytes
/// each.
pub(super) const MESSAGES_MAX: usize = 20_000;
/// Messages that a page is told of, the last ones: as many as it shows.
pub(super) const MESSAGES_TOLD_MAX: usize = 120;
/// Latencies that the percentiles are of, the last ones.
pub(super) const LATENCIES_MAX: usize = 1_000;
/// Lines of the event log, the last ones.
pub(super) const LOG_MAX: usize = 200;

/// Time between two looks at all nodes of a small network.
pub(super) const LOOK_MIN: Duration = Duration::from_secs(1);
/// More time for each node: a look costs it about a millisecond, twice, which is to stay some percent of
/// the machine.
pub(super) const LOOK_PER_NODE: Duration = Duration::from_millis(30);
/// Nodes asked at the same time.
pub(super) const LOOKS_AT_ONCE: usize = 8;
/// Longest wait for one answer.
pub(super) const LOOK_MAX: Duration = Duration::from_secs(5);
/// Wait before a daemon is asked for its events again.
pub(super) const FOLLOW_AGAIN: Duration = Duration::from_millis(500);

/// What the button floods with: envelopes a second, bytes of each, and for how long.
pub(super) const FLOOD: (u32, usize, Duration) = (50, 1_000, Duration::from_secs(10));
