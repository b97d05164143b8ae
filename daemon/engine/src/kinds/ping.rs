//! A ping and its answer, the pong: whether a contact's device is on.
//!
//! They go from engine to engine, and no user sees them: neither is a row of a timeline, neither has a number
//! there, so that nothing waits for one and none is missed. A ping is answered where it comes from a contact
//! (who learns nothing new: the ack of anything they send tells them as much), while it may be of use, and so often
//! as a script would ask.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use martlet_protocol::message::Pong;
use martlet_protocol::{EnvelopeId, IdentityId, UnixMillis};

use super::typing::Typings;
use crate::limits::{PING_ANSWERED_MAX, PING_LIFE, PINGS_ANSWERED_PER_MINUTE_MAX, PINGS_OPEN_MAX};

const MINUTE: Duration = Duration::from_secs(60);

/// Takes the time that a ping and its answer took. Dropped if the answer can't come any more.
pub(crate) type Asker = Box<dyn FnOnce(Duration) + Send>;

/// Own pings that wait for their answers, and answers given. In memory alone: after a start nobody waits.
#[derive(Default)]
pub(crate) struct Pings {
    asked: VecDeque<Asked>,
    answered: BTreeMap<IdentityId, Answered>,
    /// Envelopes of pings and pongs, each with the time from which it is of no use.
    sent: VecDeque<(Duration, EnvelopeId)>,
    /// The same of typing.
    pub(crate) typing: Typings,
}

struct Asked {
    nonce: [u8; 16],
    of: IdentityId,
    at: Duration,
    asker: Asker,
}

/// How often a contact was answered in a minute.
struct Answered {
    minute_began: Duration,
    count: u32,
}

impl Pings {
    /// Whether a ping that says it was sent at `sent_at` is answered now. If so, it counts.
    pub(crate) fn may_answer(
        &mut self,
        from: IdentityId,
        sent_at: UnixMillis,
        now: UnixMillis,
        steady: Duration,
    ) -> bool {
        // Of the future too: the two clocks may differ either way.
        if now.since(sent_at) > PING_ANSWERED_MAX || sent_at.since(now) > PING_ANSWERED_MAX {
            return false;
        }
        self.answered.retain(|_, answered| steady.saturating_sub(answered.minute_began) < MINUTE);
        let new = Answered { minute_began: steady, count: 0 };
        let answered = self.answered.entry(from).or_insert(new);
        let may = answered.count < PINGS_ANSWERED_PER_MINUTE_MAX;
        answered.count += u32::from(may);
        may
    }

    /// A ping was sent.
    pub(crate) fn ask(&mut self, nonce: [u8; 16], of: IdentityId, at: Duration, asker: Asker) {
        if self.asked.len() >= PINGS_OPEN_MAX {
            self.asked.pop_front();
        }
        self.asked.push_back(Asked { nonce, of, at, asker });
    }

    /// Whom `pong` from `from` answers, and how long it took.
    pub(crate) fn answer(
        &mut self,
        from: &IdentityId,
        pong: &Pong,
        steady: Duration,
    ) -> Option<(Asker, Duration)> {
        let is_it = |asked: &Asked| asked.nonce == pong.nonce && asked.of == *from;
        let asked = self.asked.remove(self.asked.iter().position(is_it)?)?;
        Some((asked.asker, steady.saturating_sub(asked.at)))
    }

    /// An envelope with a ping or a pong is on its way.
    pub(crate) fn sent(&mut self, id: EnvelopeId, steady: Duration) {
        self.sent.push_back((steady.saturating_add(PING_LIFE), id));
    }

    /// The next of those envelopes that is of no use any more.
    pub(crate) fn take_useless(&mut self, steady: Duration) -> Option<EnvelopeId> {
        self.asked.retain(|asked| steady.saturating_sub(asked.at) <= PING_LIFE);
        let (_, id) = self.sent.pop_front_if(|(until, _)| *until < steady)?;
        Some(id)
    }

    /// When the next of what is of no use, asked or sent, is to be forgotten.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        let asked = self.asked.front().map(|asked| asked.at.saturating_add(PING_LIFE));
        asked.into_iter().chain(self.sent.front().map(|(until, _)| *until)).min()
    }

    /// Nobody waits for `identity` any more.
    pub(crate) fn forget(&mut self, identity: &IdentityId) {
        self.asked.retain(|asked| asked.of != *identity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_793_500_000_000);
    const ANN: IdentityId = IdentityId([1; 32]);

    /// Between clocks more than five minutes apart no ping was answered, though messages went through.
    #[test]
    fn a_ping_is_answered_between_clocks_that_messages_go_through() {
        let mut pings = Pings::default();
        let mut may = |sent_at| {
            pings.answered.clear();
            pings.may_answer(ANN, sent_at, NOW, Duration::ZERO)
        };
        let most = martlet_protocol::limits::CLOCK_SKEW_MAX;
        assert!(may(NOW) && may(NOW.minus(most)) && may(NOW.plus(most)));
        let more = most + Duration::from_millis(1);
        assert!(!may(NOW.minus(more)) && !may(NOW.plus(more)));
        assert!(!may(UnixMillis(0)) && !may(UnixMillis(u64::MAX)));
    }

    #[test]
    fn each_contact_is_answered_so_often_in_a_minute() {
        let mut pings = Pings::default();
        let mut at = Duration::ZERO;
        for _ in 0..3 {
            for n in 0..2 * PINGS_ANSWERED_PER_MINUTE_MAX {
                let is_within = n < PINGS_ANSWERED_PER_MINUTE_MAX;
                assert_eq!(pings.may_answer(ANN, NOW, NOW, at), is_within);
            }
            assert!(pings.may_answer(IdentityId([2; 32]), NOW, NOW, at));
            at += MINUTE;
        }
        assert_eq!(pings.answered.len(), 2, "those of the last minute");
    }

    #[test]
    fn only_who_was_asked_answers_and_once() {
        let mut pings = Pings::default();
        pings.ask([7; 16], ANN, Duration::from_secs(5), Box::new(|_| ()));
        let pong = Pong { nonce: [7; 16] };
        let at = Duration::from_secs(6);
        assert!(pings.answer(&IdentityId([2; 32]), &pong, at).is_none());
        assert!(pings.answer(&ANN, &Pong { nonce: [8; 16] }, at).is_none());
        let (_, took) = pings.answer(&ANN, &pong, at).expect("an asker");
        assert_eq!(took, Duration::from_secs(1));
        assert!(pings.answer(&ANN, &pong, at).is_none());
    }

    #[test]
    fn what_waits_is_bounded_and_ends() {
        let mut pings = Pings::default();
        for n in 0..=u8::MAX {
            for m in 0..2 {
                pings.ask([n; 16], IdentityId([m; 32]), Duration::ZERO, Box::new(|_| ()));
            }
        }
        assert_eq!(pings.asked.len(), PINGS_OPEN_MAX);
        pings.sent(EnvelopeId([1; 32]), Duration::ZERO);
        assert_eq!(pings.take_useless(PING_LIFE), None);
        let over = PING_LIFE + Duration::from_secs(1);
        assert_eq!(pings.take_useless(over), Some(EnvelopeId([1; 32])));
        assert_eq!((pings.take_useless(over), pings.asked.len()), (None, 0));
    }
}
