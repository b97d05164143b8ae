//! The bounds of handles.

use std::time::Duration;

/// People shown of those who claim a handle: more than anyone compares. Whoever knows a name can publish as many claims of it
/// as they make identities, so that there are more is told.
pub const CLAIMANTS_MAX: usize = 32;
/// Envelopes opened in one search for a handle: eight days of as many people. All take 77 ms in a development build
/// (`how_long_a_search_for_a_handle_takes` in the engine's tests), 0.3 ms each.
pub const CLAIMS_OPENED_MAX: usize = 256;
/// Handles of other shards whose claims are remembered: as many as a person looks for at once, each with the claims of
/// [`CLAIMANTS_MAX`] people, about 0.5 KiB each.
pub const HANDLES_SOUGHT_MAX: usize = 8;
/// How long it is remembered that a handle was released: until the last claim of before has ended, six days later, and a day for
/// a clock that is wrong.
pub const RELEASE_KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
