//! The new device: the code that it was given, and how far it came.

use std::time::Duration;

use martlet_protocol::crypto::seal::{DetectionSecret, PrekeySecret, PreparedPrekey};
use martlet_protocol::identity::NewDevice;
use martlet_protocol::link::{
    Answer, ComparisonKey, Join, LinkCode, LinkKeys, Numbers, Refused, Reveal, Step, Transcript,
    Why, commitment,
};
use martlet_protocol::{DeviceId, Id, IdentityId, Tag, UnixMillis};
use martlet_store::vault::keyfile::{KeyFile, MasterKey};
use rand_chacha::ChaCha20Rng;
use rand_core::Rng;

use super::End;
use crate::limits::LINK_LIFE;

/// A code that this node was given, and how far it came.
pub(crate) struct Joining {
    code: LinkCode,
    keys: LinkKeys,
    /// Until when it is tried, as it is shown.
    pub(crate) expires_at: UnixMillis,
    ends: Duration,
    device: DeviceId,
    stage: Stage,
    /// What the vault will be made of; gone once it ended.
    made: Option<Box<Made>>,
}

/// What the vault of a new device will be made of.
pub(crate) struct Made {
    pub(crate) key_file: KeyFile,
    pub(crate) key: MasterKey,
    pub(crate) device: NewDevice,
    pub(crate) prekey: PrekeySecret,
    pub(crate) prepared: [PreparedPrekey; 1],
    pub(crate) detection: DetectionSecret,
    pub(crate) made_at: UnixMillis,
}

enum Stage {
    /// Nobody has answered yet.
    Joining { key: ComparisonKey, nonce: [u8; 32], join: Vec<u8> },
    /// Both sides show the numbers; and which device has the root.
    Compare { numbers: Numbers, answer: Vec<u8>, linker: DeviceId },
    /// It is over. With the ID that it joined.
    Ended { end: End, id: Option<Id> },
    /// It is over: the vault could not be made.
    Failed(String),
}

/// What the user asked for.
pub(crate) struct Asked {
    pub(crate) code: LinkCode,
    pub(crate) key_file: KeyFile,
    pub(crate) key: MasterKey,
    /// What the device is to be called; empty for nothing.
    pub(crate) name: String,
}

/// What is to be done about a step that came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// Nothing.
    None,
    /// This is sent.
    Send(Step, Vec<u8>),
}

impl Joining {
    /// Begins; with the payload of step 1. `None` if the name can't be a device's: it was looked at before.
    pub(crate) fn begin(
        asked: Asked,
        rng: &mut ChaCha20Rng,
        now: UnixMillis,
        steady: Duration,
    ) -> Option<(Self, Vec<u8>)> {
        let Asked { code, key_file, key: vault_key, name } = asked;
        let device = NewDevice::generate(rng);
        let details = device.describe(code.identity, name, now).ok()?;
        let prekey = PrekeySecret::generate(rng);
        let detection = DetectionSecret::generate(rng);
        let key = ComparisonKey::generate();
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        let committed = commitment(&key.public(), &nonce);
        let join = Join::issue(&device, details, &prekey, detection.public(), committed);
        let join = join.as_bytes().to_vec();
        let joining = Self {
            keys: code.keys(),
            code,
            expires_at: now.plus(LINK_LIFE),
            ends: steady.saturating_add(LINK_LIFE),
            device: device.device(),
            stage: Stage::Joining { key, nonce, join: join.clone() },
            made: Some(Box::new(Made {
                key_file,
                key: vault_key,
                device,
                prepared: [prekey.prepare()],
                prekey,
                detection,
                made_at: now,
            })),
        };
        Some((joining, join))
    }

    pub(crate) fn identity(&self) -> IdentityId {
        self.code.identity
    }

    pub(crate) fn keys(&self) -> &LinkKeys {
        &self.keys
    }

    /// The numbers, while they are compared.
    pub(crate) fn numbers(&self) -> Option<Numbers> {
        match &self.stage {
            Stage::Compare { numbers, .. } => Some(*numbers),
            Stage::Joining { .. } | Stage::Ended { .. } | Stage::Failed(_) => None,
        }
    }

    /// How it ended.
    pub(crate) fn end(&self) -> Option<End> {
        match &self.stage {
            Stage::Ended { end, .. } => Some(*end),
            Stage::Failed(_) => Some(End::Refused { why: Why::Other, by_other: false }),
            Stage::Joining { .. } | Stage::Compare { .. } => None,
        }
    }

    /// The ID that it joined.
    pub(crate) fn id(&self) -> Option<&Id> {
        match &self.stage {
            Stage::Ended { id, .. } => id.as_ref(),
            Stage::Joining { .. } | Stage::Compare { .. } | Stage::Failed(_) => None,
        }
    }

    /// Why the vault could not be made.
    pub(crate) fn failure(&self) -> Option<&str> {
        match &self.stage {
            Stage::Failed(reason) => Some(reason),
            Stage::Joining { .. } | Stage::Compare { .. } | Stage::Ended { .. } => None,
        }
    }

    /// What seals to this device are opened with, and which device has to have sealed, once that is known.
    pub(crate) fn awaited(&self) -> Option<(&Made, DeviceId)> {
        match (&self.made, &self.stage) {
            (Some(made), Stage::Compare { linker, .. }) => Some((made, *linker)),
            _ => None,
        }
    }

    /// Which step has this tag.
    pub(crate) fn step_of(&self, tag: &Tag) -> Option<Step> {
        let steps = [Step::Answer, Step::LinkerRefused];
        let step = steps.into_iter().find(|step| self.keys.tag(*step) == *tag);
        step.filter(|_| self.end().is_none())
    }

    /// Ends it if its time is over.
    pub(crate) fn look_at_time(&mut self, steady: Duration) {
        if steady >= self.ends {
            self.finish(End::Expired, None);
        }
    }

    /// Takes a step that came.
    pub(crate) fn take(&mut self, step: Step, payload: &[u8], steady: Duration) -> Reaction {
        self.look_at_time(steady);
        match step {
            Step::Answer => self.take_answer(payload),
            Step::LinkerRefused => {
                let Ok(refused) = Refused::decode(payload) else { return Reaction::None };
                if refused.device.is_none_or(|device| device == self.device) {
                    self.finish(End::Refused { why: refused.why(), by_other: true }, None);
                }
                Reaction::None
            }
            // Its own.
            Step::Join | Step::Reveal | Step::JoinerRefused => Reaction::None,
        }
    }

    fn take_answer(&mut self, payload: &[u8]) -> Reaction {
        let failed = Stage::Failed(String::new());
        let (key, nonce, join) = match std::mem::replace(&mut self.stage, failed) {
            Stage::Joining { key, nonce, join } => (key, nonce, join),
            Stage::Compare { numbers, answer, linker } => {
                let is_same = answer == payload;
                self.stage = Stage::Compare { numbers, answer, linker };
                return if is_same { Reaction::None } else { self.die(Why::Disturbed) };
            }
            stage @ (Stage::Ended { .. } | Stage::Failed(_)) => {
                self.stage = stage;
                return Reaction::None;
            }
        };
        let answer = Answer::decode(payload).ok();
        let answer = answer.filter(|answer| answer.identity == self.code.identity);
        let Some(answer) = answer else { return self.die(Why::Malformed) };
        let reveal = Reveal::new(key.public(), nonce).encode();
        let transcript = Transcript {
            network: &self.code.network,
            identity: &self.code.identity,
            device: &self.device,
            steps: [&join, payload, &reveal],
        };
        match key.numbers(&answer.key, &transcript) {
            Ok(numbers) => {
                let (answer, linker) = (payload.to_vec(), answer.device);
                self.stage = Stage::Compare { numbers, answer, linker };
                Reaction::Send(Step::Reveal, reveal)
            }
            Err(_) => self.die(Why::Malformed),
        }
    }

    fn die(&mut self, why: Why) -> Reaction {
        self.stage = Stage::Ended { end: End::Refused { why, by_other: false }, id: None };
        self.made = None;
        let (step, payload) = self.refusal(why);
        Reaction::Send(step, payload)
    }

    /// What the other side is told where this one breaks it off.
    pub(crate) fn refusal(&self, why: Why) -> (Step, Vec<u8>) {
        (Step::JoinerRefused, Refused::new(Some(self.device), why).encode())
    }

    /// Ends it, if it has not.
    pub(crate) fn finish(&mut self, end: End, id: Option<Id>) {
        if self.end().is_none() {
            self.stage = Stage::Ended { end, id };
            self.made = None;
        }
    }

    /// What the vault is made of, for the last time.
    pub(crate) fn take_made(&mut self) -> Option<Made> {
        self.made.take().map(|made| *made)
    }

    /// Ends it: the vault could not be made.
    pub(crate) fn fail(&mut self, reason: String) {
        self.stage = Stage::Failed(reason);
        self.made = None;
    }
}

impl std::fmt::Debug for Joining {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Joining(…)")
    }
}
