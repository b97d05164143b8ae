//! The bounds of the stem.

use std::time::Duration;

/// Chance that a node passes on what came by the stem, and doesn't publish it: four hops on average, its
/// author's first included. One of thirty goes further than twelve; each hop takes a neighbour's round trip.
pub const STEM_GOES_ON: f64 = 0.75;
/// Neighbours to which a node passes on what is on the stem, in one epoch, as in Dandelion++: with one, what
/// the two sides of a node bring would be mixed in one way; with more, one hostile neighbour in as many more
/// nodes would see the user's own.
pub const STEM_SUCCESSORS: usize = 2;
/// Shortest epoch, in which successors stay the same; ten minutes on average, as in Dandelion++.
pub const STEM_EPOCH_MIN: Duration = Duration::from_secs(300);
/// Longest epoch.
pub const STEM_EPOCH_MAX: Duration = Duration::from_secs(900);
/// Shortest time after which a node of a stem publishes what has not come by gossip: 25 hops of 0.4 s.
pub const STEM_FAILSAFE_MIN: Duration = Duration::from_secs(10);
/// How much longer it waits on average: so long that the beginning of a stem is hardly sooner than any other
/// node of it, and so short that what is lost comes in time to be missed by nobody.
pub const STEM_FAILSAFE_MEAN: Duration = Duration::from_secs(10);
/// The longest that it waits.
pub const STEM_FAILSAFE_MAX: Duration = Duration::from_secs(60);
/// How long after it is connected a neighbour is given to say that it speaks the stem, before the user's own is
/// published without it.
pub const STEM_GRACE: Duration = Duration::from_secs(2);
/// Items of others that a node holds while they are on the stem: those of 60 s, the longest fail-safe, at 50 a
/// second. What goes well is held for a second or two. Forty leaves that know one hub alone and put 75 each on the stem at
/// once, 3,000 in all, had none refused (`what_a_hub_holds_of_forty_leaves`, unoptimized, on two cores with much else to do).
pub const STEM_ITEMS_MAX: usize = 3000;
/// The same of one neighbour: a full node's own 512 ([`martlet_engine::limits::STEM_OWN_MAX`], of envelopes and
/// of acks) and what passes it.
pub const STEM_ITEMS_PER_PEER_MAX: usize = 1000;
/// Bytes of envelopes of others held so: the 3,000 at four times what texts have, 4 KiB.
pub const STEM_BYTES_MAX: usize = 12 * 1024 * 1024;
/// Items of the user's own that a node holds while they are on the stem: four times the 512 that the engine has
/// on it at a time, for the engine takes one for back as soon as a sync brings it, which may be long before
/// gossip does. What is more the engine publishes.
pub const STEM_OWN_HELD_MAX: usize = 2048;
/// Hops that wait for one neighbour: all that is held may wait for the same one, for each neighbour that brought it,
/// but seldom does. 400 KB. What is more is left to its fail-safe.
pub const STEM_QUEUE_MAX: usize = STEM_ITEMS_MAX + STEM_OWN_HELD_MAX;
/// Hops to one neighbour at a time: at a round trip of 50 ms 80 a second, many times what people write.
pub const STEM_IN_FLIGHT_MAX: usize = 4;
/// Streams of the stem on one connection, both ways.
pub const STEM_STREAMS_MAX: usize = 2 * STEM_IN_FLIGHT_MAX;
/// How long a hop may take.
pub const STEM_HOP_MAX: Duration = Duration::from_secs(10);
/// How long a neighbour may take to send what is on the stem: less than a hop, so that it ends here first.
pub const STEM_READ_MAX: Duration = Duration::from_secs(8);
