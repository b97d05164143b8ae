//! Linking: a further device joins an identity, by a code and a comparison.
//!
//! The device that has the root shows a [code]. The new device is given it. Both send a few [steps], under keys that derive
//! from the code. Then both show the same [numbers](compare), and whoever has both devices says on the one with the root whether
//! they are equal. Only then is the new device certified. What is secret is [sealed](crate::message::linked) to the new device's
//! own keys, never to those of the code: who saw the code can read the steps and disturb them, and that is all.
//!
//! | step | from | says |
//! | --- | --- | --- |
//! | 1 | new device | [`Join`]: its keys, its name, and a commitment to its comparison key |
//! | 2 | device with the root | [`Answer`]: its comparison key |
//! | 3 | new device | [`Reveal`]: its comparison key |
//! | 4 | device with the root | [`Refused`]: nothing comes of it, and why |
//! | 5 | new device | the same |
//!
//! The new device commits to its key before it knows the other one. So someone in the middle has to choose both of theirs
//! before they know what either side will show: they have one guess in 2^39 for each code.

pub mod code;
pub mod compare;
pub mod steps;

pub use code::{LinkCode, LinkCodeError, LinkKeys, LinkSecret};
pub use compare::{ComparisonKey, Numbers, Transcript, commitment};
pub use steps::{Answer, Join, LinkError, Refused, Reveal, Step, Why};
