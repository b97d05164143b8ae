//! Bounds of `bench --against`.

use std::time::Duration;

/// Rounds: with so many the interval of a ratio is half as wide as the rounds are spread; for half of that it would
/// take four times as many.
pub const ROUNDS_MAX: usize = 20;

/// Longest run of one part of one build, unless told otherwise: the longest one, `network`, takes 25 minutes on two
/// busy cores.
pub const RUN_MAX_DEFAULT: &str = "1h";

/// Longest answer to `--version`: a program that needs longer is another one. Ten times what a start from a slow disk
/// takes.
pub(super) const VERSION_MAX: Duration = Duration::from_secs(30);

/// Bytes of a build's figures that are read; all parts together print 4 kB.
pub(super) const FIGURES_BYTES_MAX: usize = 1 << 20;

/// Bytes at the end of what a build says besides that are kept, to tell why it failed.
pub(super) const SAID_BYTES_MAX: usize = 16 << 10;

/// Characters of a reason that are shown.
pub(super) const REASON_CHARS_MAX: usize = 300;

/// Figures of one part that are compared: four times what the largest one has.
pub(super) const FIGURES_MAX: usize = 512;
