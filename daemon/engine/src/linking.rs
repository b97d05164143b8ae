//! Linking a further device, decided: what comes of each step, on the device with the root and on the new one.
//!
//! Both are in memory alone: the key of a comparison can't be kept on disk, so a code dies with a restart, and with the
//! vault's lock. The vault has the secret of the code of now, so that who came by it is told so afterwards. What is sent and written is in `user/linking.rs` and `engine/joining.rs`. Time is the time since the host's
//! start, so no clock that is set makes a code live longer.

mod joining;
mod offer;

pub(crate) use joining::{Asked, Joining, Made, Reaction as JoinReaction};
pub(crate) use offer::{Offer, Reaction as OfferReaction, refusal};

use std::collections::VecDeque;
use std::time::Duration;

use martlet_protocol::Tag;
use martlet_protocol::control::LinkReason;
use martlet_protocol::link::{Step, Why};

use crate::limits::{LINK_DEAD_MAX, LINK_FORMER_MAX, LINK_LOCKED_FOR};

/// What the device with the root has of linking.
#[derive(Default)]
pub(crate) struct Linking {
    pub(crate) offer: Option<Offer>,
    /// Codes of before, which have ended: who comes by one is told so.
    former: VecDeque<Offer>,
    /// When codes died, of late.
    dead: VecDeque<Duration>,
}

/// How a linking ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The device is the identity's.
    Linked,
    /// Nothing came of it, as this side found, or as the other one said.
    Refused { why: Why, by_other: bool },
    /// Its time was over.
    Expired,
}

impl Linking {
    /// Which step of a code has this tag.
    pub(crate) fn step_of(&self, tag: &Tag) -> Option<Step> {
        self.offer.iter().chain(&self.former).find_map(|offer| offer.step_of(tag))
    }

    /// The code of which a step has this tag.
    pub(crate) fn with_tag(&mut self, tag: &Tag) -> Option<&mut Offer> {
        let mut all = self.offer.iter_mut().chain(&mut self.former);
        all.find(|offer| offer.step_of(tag).is_some())
    }

    /// Another code is made. That of before has ended.
    pub(crate) fn begin(&mut self, offer: Offer) {
        if let Some(former) = self.offer.replace(offer) {
            self.keep_former(former);
        }
    }

    /// A code has ended, and who comes by it is told so.
    pub(crate) fn keep_former(&mut self, offer: Offer) {
        self.former.push_back(offer);
        if self.former.len() > LINK_FORMER_MAX {
            self.former.pop_front();
        }
    }

    /// The time of the code may be over, which nobody saw yet.
    pub(crate) fn look_at_time(&mut self, steady: Duration) {
        if let Some(offer) = &mut self.offer
            && offer.look_at_time(steady)
            && is_death(End::Expired, offer.was_answered())
        {
            self.note_dead(steady);
        }
    }

    /// A code died: someone disturbed it, or the numbers differed.
    pub(crate) fn note_dead(&mut self, steady: Duration) {
        self.dead.push_back(steady);
        if self.dead.len() > LINK_DEAD_MAX {
            self.dead.pop_front();
        }
    }

    /// How long no code is made, since so many died of late.
    pub(crate) fn locked_for(&mut self, steady: Duration) -> Option<Duration> {
        self.dead.retain(|at| steady.saturating_sub(*at) < LINK_LOCKED_FOR);
        let last = self.dead.back().filter(|_| self.dead.len() >= LINK_DEAD_MAX)?;
        Some(LINK_LOCKED_FOR.saturating_sub(steady.saturating_sub(*last)))
    }
}

/// Whether a code that ended so counts as dead: someone who was not wanted may have taken part.
///
/// Whoever is between two devices knows the numbers of both sides as soon as the new one has revealed its key, and can end the
/// code if they differ: by another step, by breaking it off, or by silence until it expires. Each looks like a new device that
/// crashed, was stopped, or came again after that: with the keys of the comparison, which are in memory alone, it lost all by
/// which it could be told apart. So once a device `was_answered`, all that the other side may have brought about counts.
pub(crate) fn is_death(end: End, was_answered: bool) -> bool {
    match end {
        End::Linked => false,
        End::Expired => was_answered,
        End::Refused { by_other: true, .. } if was_answered => true,
        End::Refused { why, .. } => match why {
            Why::NumbersDiffer
            | Why::Disturbed
            | Why::Commitment
            | Why::Malformed
            | Why::Certified => true,
            Why::Cancelled | Why::Used | Why::Limit | Why::NameTaken | Why::Other => false,
        },
    }
}

/// The reason in the words of the control API.
pub(crate) fn reason(why: Why) -> LinkReason {
    match why {
        Why::Cancelled => LinkReason::Cancelled,
        Why::NumbersDiffer => LinkReason::NumbersDiffer,
        Why::Used => LinkReason::Used,
        Why::Disturbed => LinkReason::Disturbed,
        Why::Commitment => LinkReason::Commitment,
        Why::Malformed => LinkReason::Malformed,
        Why::Certified => LinkReason::Certified,
        Why::Limit => LinkReason::Limit,
        Why::NameTaken => LinkReason::NameTaken,
        Why::Other => LinkReason::Other,
    }
}

impl std::fmt::Debug for Linking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Linking(…)")
    }
}
