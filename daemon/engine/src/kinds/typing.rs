//! Typing: it goes from engine to engine like a [ping](super::ping), is kept nowhere, and is told to who follows the events
//! just then. Of each contact at most one in five seconds goes, and at most one is told.

use std::collections::BTreeMap;
use std::time::Duration;

use martlet_protocol::{IdentityId, UnixMillis};

use crate::limits::{TYPING_AGE_MAX, TYPING_INTERVAL};

/// When typing was told last, by the time since the host's start. In memory alone.
#[derive(Default)]
pub(crate) struct Typings {
    told: BTreeMap<IdentityId, Duration>,
    heard: BTreeMap<IdentityId, Duration>,
}

impl Typings {
    /// Whether `to` is to be told now that the user is writing. If so, it counts.
    pub(crate) fn may_tell(&mut self, to: IdentityId, steady: Duration) -> bool {
        is_in_time(&mut self.told, to, steady)
    }

    /// Whether the user is to be told now that `from` is writing, which they say they did at `sent_at`. If so, it counts.
    pub(crate) fn may_hear(
        &mut self,
        from: IdentityId,
        sent_at: UnixMillis,
        now: UnixMillis,
        steady: Duration,
    ) -> bool {
        let age = now.since(sent_at).max(sent_at.since(now));
        age <= TYPING_AGE_MAX && is_in_time(&mut self.heard, from, steady)
    }
}

fn is_in_time(
    last: &mut BTreeMap<IdentityId, Duration>,
    identity: IdentityId,
    steady: Duration,
) -> bool {
    last.retain(|_, at| steady.saturating_sub(*at) < TYPING_INTERVAL);
    let is_in_time = !last.contains_key(&identity);
    last.entry(identity).or_insert(steady);
    is_in_time
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_793_500_000_000);
    const ANN: IdentityId = IdentityId([1; 32]);

    #[test]
    fn one_is_told_in_five_seconds_each_way() {
        let mut typings = Typings::default();
        let (mut told, mut heard) = (0, 0);
        for second in 0..50 {
            let steady = Duration::from_secs(second);
            for _ in 0..100 {
                told += u32::from(typings.may_tell(ANN, steady));
                heard += u32::from(typings.may_hear(ANN, NOW, NOW, steady));
            }
            assert!(typings.may_tell(IdentityId([2; 32]), steady) || second % 5 != 0);
        }
        assert_eq!((told, heard), (10, 10));
        assert!(typings.told.len() <= 2);
    }

    #[test]
    fn an_old_one_is_not_told() {
        let more = TYPING_AGE_MAX + Duration::from_millis(1);
        let hears = |sent_at| Typings::default().may_hear(ANN, sent_at, NOW, Duration::ZERO);
        assert!(hears(NOW.minus(TYPING_AGE_MAX)) && hears(NOW.plus(TYPING_AGE_MAX)));
        assert!(!hears(NOW.minus(more)) && !hears(NOW.plus(more)) && !hears(UnixMillis(0)));
    }
}
