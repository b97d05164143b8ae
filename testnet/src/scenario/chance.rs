//! All chance of a plan comes from its seed, from a stream of its own for each use: another line of
//! traffic does not make another topology.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha20Rng;

/// What chance is needed for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Topology = 0,
    Contacts = 1,
    Traffic = 2,
    Events = 3,
    Files = 4,
}

/// The chance for the `index`th table of its kind.
pub(crate) fn chance(seed: u64, purpose: Purpose, index: usize) -> ChaCha20Rng {
    let mut chance = ChaCha20Rng::seed_from_u64(seed);
    chance.set_stream((purpose as u64) << 32 | index as u64);
    chance
}

/// A time to wait for something that happens at a steady rate, once in `mean`: exponential, in
/// whole microseconds, so that machines whose logarithm differs in the last bit agree.
pub(crate) fn exponential(chance: &mut ChaCha20Rng, mean: Duration) -> Duration {
    let uniform: f64 = chance.random();
    let seconds = mean.as_secs_f64() * -(1.0 - uniform).ln();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "positive, and a cast saturates"
    )]
    Duration::from_micros((seconds * 1e6).round() as u64)
}

/// A time below `bound`, in whole milliseconds.
pub(crate) fn below(chance: &mut ChaCha20Rng, bound: Duration) -> Duration {
    let ms = u64::try_from(bound.as_millis()).unwrap_or(u64::MAX).max(1);
    Duration::from_millis(chance.random_range(0..ms))
}
