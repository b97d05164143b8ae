//! Bounds of sweeps.

/// Runs of one sweep. Each has a directory with a report of some 100 kB, and its figures are in memory at the end.
pub const RUNS_MAX: usize = 10_000;

/// Bytes of what a directory's name says of the values; names have at most 255 (`NAME_MAX`), and the seed follows.
pub const NAME_BYTES_MAX: usize = 200;
