//! The device with the root: its code, and who came by it.

use std::time::Duration;

use martlet_protocol::link::{
    Answer, ComparisonKey, Join, LinkCode, LinkKeys, Numbers, Refused, Reveal, Step, Transcript,
    Why, commitment,
};
use martlet_protocol::{DeviceId, Tag, UnixMillis};

use super::End;
use crate::limits::{LINK_LIFE, LINK_REFUSALS_MAX};

/// A code, and how far it came.
pub(crate) struct Offer {
    code: LinkCode,
    keys: LinkKeys,
    /// Until when it is good, as it is shown.
    pub(crate) expires_at: UnixMillis,
    ends: Duration,
    stage: Stage,
    /// The device that came by it.
    joiner: Option<Box<Join>>,
    /// Whether a device that came was answered: it, or whoever is in between, can compute the numbers.
    was_answered: bool,
    /// How many who were not wanted were told so.
    refusals: u8,
}

enum Stage {
    /// Nobody has come by it yet.
    Offered,
    /// Someone has, and was answered.
    Answered { key: ComparisonKey, answer: Vec<u8> },
    /// Both sides show the numbers.
    Compare(Numbers),
    /// It is over.
    Ended(End),
}

/// What is to be done about a step that came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Nothing.
    None,
    /// This is sent.
    Send(Step, Vec<u8>),
    /// The numbers are there now.
    Compare,
    /// The code has ended; this is sent, if anything.
    End(Option<(Step, Vec<u8>)>),
}

impl Offer {
    pub(crate) fn new(code: LinkCode, now: UnixMillis, steady: Duration) -> Self {
        Self {
            keys: code.keys(),
            code,
            expires_at: now.plus(LINK_LIFE),
            ends: steady.saturating_add(LINK_LIFE),
            stage: Stage::Offered,
            joiner: None,
            was_answered: false,
            refusals: 0,
        }
    }

    /// A code that a restart or a lock ended: who comes by it is told so.
    pub(crate) fn broken_off(code: LinkCode) -> Self {
        let end = End::Refused { why: Why::Cancelled, by_other: false };
        let offer = Self::new(code, UnixMillis(0), Duration::ZERO);
        Self { stage: Stage::Ended(end), ..offer }
    }

    pub(crate) fn keys(&self) -> &LinkKeys {
        &self.keys
    }

    /// The code, while nobody has come by it.
    pub(crate) fn code(&self) -> Option<&LinkCode> {
        match self.stage {
            Stage::Offered => Some(&self.code),
            Stage::Answered { .. } | Stage::Compare(_) | Stage::Ended(_) => None,
        }
    }

    /// Whether a device that came was answered.
    pub(crate) fn was_answered(&self) -> bool {
        self.was_answered
    }

    /// The device that came by it.
    pub(crate) fn joiner(&self) -> Option<&Join> {
        self.joiner.as_deref()
    }

    /// The numbers, while they are compared.
    pub(crate) fn numbers(&self) -> Option<Numbers> {
        match self.stage {
            Stage::Compare(numbers) => Some(numbers),
            Stage::Offered | Stage::Answered { .. } | Stage::Ended(_) => None,
        }
    }

    /// How it ended.
    pub(crate) fn end(&self) -> Option<End> {
        match self.stage {
            Stage::Ended(end) => Some(end),
            Stage::Offered | Stage::Answered { .. } | Stage::Compare(_) => None,
        }
    }

    /// Tags of the steps that may come.
    pub(crate) fn tags(&self) -> [Tag; 3] {
        [Step::Join, Step::Reveal, Step::JoinerRefused].map(|step| self.keys.tag(step))
    }

    /// Which step has this tag.
    pub(crate) fn step_of(&self, tag: &Tag) -> Option<Step> {
        let steps = [Step::Join, Step::Reveal, Step::JoinerRefused];
        steps.into_iter().find(|step| self.keys.tag(*step) == *tag)
    }

    /// Ends it if its time is over; whether that is new.
    pub(crate) fn look_at_time(&mut self, steady: Duration) -> bool {
        let is_over = steady >= self.ends && self.end().is_none();
        if is_over {
            self.stage = Stage::Ended(End::Expired);
        }
        is_over
    }

    /// Ends it, if it has not; what the other side is told.
    pub(crate) fn finish(&mut self, end: End) -> Option<(Step, Vec<u8>)> {
        if self.end().is_some() {
            return None;
        }
        self.stage = Stage::Ended(end);
        match end {
            End::Refused { why, by_other: false } => Some(refusal(None, why)),
            End::Refused { by_other: true, .. } | End::Linked | End::Expired => None,
        }
    }

    /// Takes a step that came, of a code whose time is not over. `own` is this device; `objection` says why a device can't be
    /// linked, if it can't.
    pub(crate) fn take(
        &mut self,
        step: Step,
        payload: &[u8],
        own: DeviceId,
        objection: impl FnOnce(&Join) -> Option<Why>,
    ) -> Reaction {
        match step {
            Step::Join => self.take_join(payload, own, objection),
            Step::Reveal => self.take_reveal(payload),
            Step::JoinerRefused => self.take_refusal(payload),
            // Its own.
            Step::Answer | Step::LinkerRefused => Reaction::None,
        }
    }

    fn take_join(
        &mut self,
        payload: &[u8],
        own: DeviceId,
        objection: impl FnOnce(&Join) -> Option<Why>,
    ) -> Reaction {
        let is_known = self.joiner.as_ref().is_some_and(|join| join.as_bytes() == payload);
        if is_known {
            return Reaction::None;
        }
        let join = match Join::from_bytes(&self.code.identity, payload) {
            Ok(join) => join,
            Err(_) if self.end().is_some() => return Reaction::None,
            Err(_) => return self.die(Why::Malformed),
        };
        match &self.stage {
            Stage::Offered => {}
            // Nobody but the one who came is to hear of it: their certificate may still be on its way.
            Stage::Ended(_) if self.refusals < LINK_REFUSALS_MAX => {
                self.refusals += 1;
                let (step, payload) = refusal(Some(join.device()), Why::Used);
                return Reaction::Send(step, payload);
            }
            Stage::Ended(_) => return Reaction::None,
            Stage::Answered { .. } | Stage::Compare(_) => return self.die(Why::Disturbed),
        }
        match objection(&join) {
            None => {}
            // It may come again under another name.
            Some(Why::NameTaken) if self.refusals < LINK_REFUSALS_MAX => {
                self.refusals += 1;
                let (step, payload) = refusal(Some(join.device()), Why::NameTaken);
                return Reaction::Send(step, payload);
            }
            Some(why) => {
                self.joiner = Some(Box::new(join));
                return self.die(why);
            }
        }
        let key = ComparisonKey::generate();
        let answer = Answer::new(key.public(), self.code.identity, own).encode();
        self.joiner = Some(Box::new(join));
        self.was_answered = true;
        self.stage = Stage::Answered { key, answer: answer.clone() };
        Reaction::Send(Step::Answer, answer)
    }

    fn take_reveal(&mut self, payload: &[u8]) -> Reaction {
        let Some(join) = &self.joiner else { return Reaction::None };
        let (key, answer) = match std::mem::replace(&mut self.stage, Stage::Offered) {
            Stage::Answered { key, answer } => (key, answer),
            // A second one: it is another's, or the first once more, which the mailbox would not bring.
            stage @ Stage::Compare(_) => {
                self.stage = stage;
                return self.die(Why::Disturbed);
            }
            stage @ (Stage::Offered | Stage::Ended(_)) => {
                self.stage = stage;
                return Reaction::None;
            }
        };
        let reveal = Reveal::decode(payload);
        let Ok(reveal) = reveal else { return self.die(Why::Malformed) };
        if commitment(&reveal.key, &reveal.nonce) != *join.commitment() {
            return self.die(Why::Commitment);
        }
        let transcript = Transcript {
            network: &self.code.network,
            identity: &self.code.identity,
            device: &join.device(),
            steps: [join.as_bytes(), &answer, payload],
        };
        match key.numbers(&reveal.key, &transcript) {
            Ok(numbers) => {
                self.stage = Stage::Compare(numbers);
                Reaction::Compare
            }
            Err(_) => self.die(Why::Malformed),
        }
    }

    fn take_refusal(&mut self, payload: &[u8]) -> Reaction {
        let Ok(refused) = Refused::decode(payload) else { return Reaction::None };
        let is_of_joiner =
            self.joiner.as_ref().is_some_and(|join| refused.device == Some(join.device()));
        if !is_of_joiner || self.end().is_some() {
            return Reaction::None;
        }
        self.stage = Stage::Ended(End::Refused { why: refused.why(), by_other: true });
        Reaction::End(None)
    }

    fn die(&mut self, why: Why) -> Reaction {
        self.stage = Stage::Ended(End::Refused { why, by_other: false });
        Reaction::End(Some(refusal(None, why)))
    }
}

/// The step that says that a device, or each, is refused.
pub(crate) fn refusal(device: Option<DeviceId>, why: Why) -> (Step, Vec<u8>) {
    (Step::LinkerRefused, Refused::new(device, why).encode())
}
