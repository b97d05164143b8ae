//! How often others' vaults that were put back are sent again what they lost, and which losses are known already.
//!
//! A device says since when it lost what came, in each session's key until it knows that it was heard: that is one loss, and a
//! vault that is put back once more says another time. A device that does not know that it was put back uses numbers again, one
//! after the other: that is one loss, until it goes back to a lower number.

use std::collections::HashMap;
use std::time::Duration;

use martlet_protocol::{DeviceId, IdentityId, UnixMillis};
use martlet_store::records::LossRecord;

use crate::limits::{RESENT_BYTES_MAX, RESENT_INTERVAL, RESENT_TIMES_MAX};

/// How a device showed that it lost what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// It says since when.
    Said(UnixMillis),
    /// It used a number again.
    Used(u64),
}

/// What was sent again.
#[derive(Default)]
pub(super) struct Resent {
    /// To whom, in which conversation.
    shares: HashMap<(IdentityId, IdentityId), Share>,
    /// The last number that a device used again in a conversation.
    used: HashMap<(DeviceId, IdentityId), u64>,
    /// To whom since they said that something did not open.
    renewed: HashMap<IdentityId, Share>,
}

/// What someone was sent again within an interval.
struct Share {
    /// When it began, by the time since the host's start.
    began_at: Duration,
    times: u32,
    bytes: usize,
}

impl Share {
    fn begun(steady: Duration) -> Self {
        Self { began_at: steady, times: 0, bytes: 0 }
    }

    fn is_over(&self, steady: Duration) -> bool {
        steady >= self.began_at.saturating_add(RESENT_INTERVAL)
    }
}

impl Resent {
    /// Whether it is another loss than those `known` of the device in this conversation.
    pub(super) fn is_news<'a>(
        &mut self,
        at: (DeviceId, IdentityId),
        loss: Loss,
        (known, now): (impl Iterator<Item = &'a LossRecord>, UnixMillis),
    ) -> bool {
        let mut known = known;
        match loss {
            Loss::Said(since) => {
                let is_news = !known.any(|it| it.since == since);
                if is_news {
                    self.used.remove(&at);
                }
                is_news
            }
            Loss::Used(number) => match self.used.insert(at, number) {
                Some(last) => number <= last,
                // The numbers of who has just said it.
                None => !known.any(|it| now.since(it.heard_at) < RESENT_INTERVAL),
            },
        }
    }

    /// Whether someone may be sent something again in a conversation now.
    pub(super) fn may(&self, of: (IdentityId, IdentityId), steady: Duration) -> bool {
        self.shares.get(&of).is_none_or(|share| {
            let is_left = share.times < RESENT_TIMES_MAX && share.bytes < RESENT_BYTES_MAX;
            is_left || share.is_over(steady)
        })
    }

    /// Someone was sent so much again in a conversation.
    pub(super) fn count(&mut self, of: (IdentityId, IdentityId), bytes: usize, steady: Duration) {
        self.shares.retain(|_, share| !share.is_over(steady));
        let share = self.shares.entry(of).or_insert(Share::begun(steady));
        share.times += 1;
        share.bytes = share.bytes.saturating_add(bytes);
    }

    /// Whether what someone has no receipt of may be sent again, since something did not open. It is counted as if it was.
    pub(super) fn may_renew(&mut self, identity: IdentityId, steady: Duration) -> bool {
        self.renewed.retain(|_, share| !share.is_over(steady));
        let share = self.renewed.entry(identity).or_insert(Share::begun(steady));
        share.times += 1;
        share.times <= RESENT_TIMES_MAX
    }
}

#[cfg(test)]
mod tests;
