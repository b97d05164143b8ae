//! A node without an identity that is given a code: it joins the identity whose device made that.
//!
//! Until it is linked there is no vault, so nothing of it is on disk, and a restart ends it. Its steps are published openly, also
//! where the network has a stem: a node without a user has nothing on it to be hidden among.

use std::time::Duration;

use martlet_protocol::control::{Join, JoinState};
use martlet_protocol::crypto::Addressing;
use martlet_protocol::crypto::olm::{Incoming, OlmError, OlmSecret, OlmSession, Route};
use martlet_protocol::crypto::seal::{self, OpeningKeys};
use martlet_protocol::identity::{DeviceCertificate, DeviceKeys, IdentityState, Statement};
use martlet_protocol::link::{Step, Why, steps};
use martlet_protocol::message::{DeviceMessage, Linked};
use martlet_protocol::sync::ShardSet;
use martlet_protocol::{
    ConversationId, DeviceId, Envelope, EnvelopeId, Header, Id, IdentityId, Kind, Shard,
};
use martlet_store::StoreError;
use martlet_store::records::LinkedBy;
use rand_core::Rng;

use super::Engine;
use crate::directory::{NameError, clean_name};
use crate::error::{CommandError, Fault};
use crate::limits::NOTICE_STAMP_BITS_MAX;
use crate::linking::{Asked, End, JoinReaction as Reaction, Joining, Made, reason};
use crate::seam::Interest;
use crate::turn::Turn;
use crate::user::{User, step_expiry};

impl Engine {
    /// Begins to join the identity of a code.
    pub(crate) fn start_join(&mut self, turn: &mut Turn<'_>, asked: Asked) -> Result<Join, Fault> {
        if self.has_key_file {
            return Err(CommandError::IdentityExists.into());
        }
        let (network, shard_bits) = (self.config.network.tag(), self.config.network.shard_bits);
        if asked.code.network != network {
            return Err(CommandError::OtherNetworkCode.into());
        }
        let bits = self.config.network.stamp_bits;
        if bits > NOTICE_STAMP_BITS_MAX {
            return Err(CommandError::StampTooDear { bits }.into());
        }
        let name = match asked.name.trim() {
            "" => String::new(),
            name => clean_name(name).map_err(|reason| CommandError::DeviceName { reason })?,
        };
        let asked = Asked { name, ..asked };
        // One that was begun before is over.
        self.cancel_joining(turn)?;
        let begun = Joining::begin(asked, turn.rng, turn.now, turn.steady);
        let too_long = CommandError::DeviceName { reason: NameError::TooLong };
        let (joining, join) = begun.ok_or(too_long)?;
        let user = Shard::of(&joining.identity(), shard_bits);
        let contacts = ShardSet::of([], shard_bits);
        turn.net.interest = Some(Interest { user, contacts });
        let awaited = [Step::Answer, Step::LinkerRefused].map(|step| joining.keys().tag(step));
        turn.awaited.extend(awaited);
        self.joining = Some(joining);
        self.publish_step(turn, Step::Join, &join)?;
        self.show_join(turn.steady)
    }

    /// How far it came with the code that was given last.
    pub(crate) fn show_join(&mut self, steady: Duration) -> Result<Join, Fault> {
        let joining = self.joining.as_mut().ok_or(CommandError::NoLink)?;
        joining.look_at_time(steady);
        let (state, why, by_other) = match joining.end() {
            None if joining.numbers().is_some() => (JoinState::Compare, None, false),
            None => (JoinState::Joining, None, false),
            Some(End::Linked) => (JoinState::Joined, None, false),
            Some(End::Expired) => (JoinState::Expired, None, false),
            Some(End::Refused { why, by_other }) => (JoinState::Refused, Some(why), by_other),
        };
        Ok(Join {
            state,
            expires_at: joining.expires_at,
            numbers: joining.numbers().map(|numbers| numbers.to_string()),
            id: joining.id().map(Id::to_string),
            reason: why.map(reason),
            by_other,
            failure: joining.failure().map(str::to_owned),
        })
    }

    /// The user breaks it off.
    pub(crate) fn cancel_join(&mut self, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let joining = self.joining.as_mut().ok_or(CommandError::NoLink)?;
        joining.look_at_time(turn.steady);
        if joining.end().is_some() {
            return Err(CommandError::NoLink.into());
        }
        Ok(self.cancel_joining(turn)?)
    }

    /// Breaks it off, if anything is under way; the other side is told.
    pub(crate) fn cancel_joining(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let Some(joining) = &mut self.joining else { return Ok(()) };
        joining.look_at_time(turn.steady);
        if joining.end().is_some() {
            return Ok(());
        }
        let (step, payload) = joining.refusal(Why::Cancelled);
        joining.finish(End::Refused { why: Why::Cancelled, by_other: false }, None);
        self.publish_step(turn, step, &payload)
    }

    /// Whether an envelope is one that a new device waits for.
    pub(super) fn is_for_joining(&self, header: &Header, envelope: &Envelope) -> bool {
        let Some(joining) = &self.joining else { return false };
        match header.tag(&envelope.content) {
            Some(tag) => joining.step_of(&tag).is_some(),
            None => joining.awaited().is_some_and(|(made, _)| {
                seal::is_addressed_to(header, &envelope.content, &made.detection)
            }),
        }
    }

    /// Looks at an envelope that came while this device is joining an identity.
    pub(super) fn look_as_joining(
        &mut self,
        turn: &mut Turn<'_>,
        id: &EnvelopeId,
        envelope: &Envelope,
        header: &Header,
    ) -> Result<(), StoreError> {
        match header.kind {
            Kind::Conversation => self.take_join_step(turn, envelope, header),
            Kind::ToDevice => match self.linked_in(id, envelope, header) {
                Some((linked, by)) => self.take_linked(turn, &linked, by),
                None => Ok(()),
            },
        }
    }

    fn take_join_step(
        &mut self,
        turn: &mut Turn<'_>,
        envelope: &Envelope,
        header: &Header,
    ) -> Result<(), StoreError> {
        let (Some(joining), Some(tag)) = (&mut self.joining, header.tag(&envelope.content)) else {
            return Ok(());
        };
        let Some(step) = joining.step_of(&tag) else { return Ok(()) };
        let payload = match steps::open(joining.keys(), step, header, &envelope.content) {
            Ok(payload) => payload,
            Err(error) => {
                tracing::debug!(%error, "a step of linking does not open");
                return Ok(());
            }
        };
        match joining.take(step, &payload, turn.steady) {
            Reaction::None => Ok(()),
            Reaction::Send(step, payload) => self.publish_step(turn, step, &payload),
        }
    }

    /// That this device is linked, if an envelope says so, and who says it.
    fn linked_in(
        &self,
        id: &EnvelopeId,
        envelope: &Envelope,
        header: &Header,
    ) -> Option<(Box<Linked>, DeviceId)> {
        let joining = self.joining.as_ref()?;
        let (made, linker) = joining.awaited()?;
        let identity = joining.identity();
        let keys = OpeningKeys {
            identity: &identity,
            detection: &made.detection,
            prekeys: &made.prepared,
        };
        let opened = match seal::open(id, header, &envelope.content, &keys) {
            Ok(opened) => opened?,
            Err(error) => {
                tracing::debug!(%error, "an envelope for this new device can't be opened");
                return None;
            }
        };
        let certificate = &opened.certificate;
        let is_by_linker = certificate.identity() == identity && certificate.device() == linker;
        if !is_by_linker || opened.conversation != ConversationId::direct(&identity, &identity) {
            return None;
        }
        // The session is not kept: once there is a vault, this envelope is looked at again.
        let route =
            Route { sender: (identity, linker), recipient: (identity, made.device.device()) };
        let message = Incoming::decode(&opened.payload).and_then(|incoming| {
            let key = incoming.begins().ok_or(OlmError::NoSession)?.key;
            let mut prepared = made.prepared.iter();
            let key =
                prepared.find_map(|prekey| prekey.olm_fallback(&key)).ok_or(OlmError::NoKey)?;
            OlmSession::accept(&OlmSecret::of_device(&made.device.seed()), &key, &route, &incoming)
        });
        let (_, plain) = match message {
            Ok(opened) => opened,
            Err(error) => {
                tracing::debug!(%error, "what a device sent this new one does not open");
                return None;
            }
        };
        match DeviceMessage::decode(&plain.message) {
            Ok(DeviceMessage::Linked(linked)) => Some((linked, linker)),
            Ok(_) | Err(_) => None,
        }
    }

    /// This device is linked: its vault is made.
    fn take_linked(
        &mut self,
        turn: &mut Turn<'_>,
        linked: &Linked,
        by: DeviceId,
    ) -> Result<(), StoreError> {
        let Some(joining) = &mut self.joining else { return Ok(()) };
        joining.look_at_time(turn.steady);
        let Some((made, _)) = joining.awaited() else { return Ok(()) };
        let Some(state) = checked(joining.identity(), made, linked) else {
            tracing::debug!("what should say that this device is linked does not hold");
            return Ok(());
        };
        let Some(made) = joining.take_made() else { return Ok(()) };
        let at = turn.now;
        // Nothing is changed yet: what hinders concerns nobody else.
        match self.make_vault(
            turn,
            &made,
            linked,
            &state,
            LinkedBy { device: by, at, first_secret: linked.first_secret.clone() },
        ) {
            Ok(id) => {
                if let Some(joining) = &mut self.joining {
                    joining.finish(End::Linked, Some(id));
                }
                let Made { key_file, key, .. } = made;
                self.has_key_file = true;
                self.has_passphrase = key_file.has_passphrase();
                self.config.storage.place_vault()?;
                self.load_user(self.config.storage.open_vault(&key)?, key)?;
                self.join_turn(turn)
            }
            Err(error) => {
                tracing::error!(%error, "the new device's vault can't be made");
                if let Some(joining) = &mut self.joining {
                    joining.fail(error.to_string());
                }
                Ok(())
            }
        }
    }

    /// Writes the vault, and its key file. With that the identity exists here.
    fn make_vault(
        &self,
        turn: &mut Turn<'_>,
        made: &Made,
        linked: &Linked,
        state: &IdentityState,
        by: LinkedBy,
    ) -> Result<Id, StoreError> {
        let storage = &self.config.storage;
        let vault = storage.create_vault(&made.key)?;
        let mut nonce_seed = [0; 32];
        turn.rng.fill_bytes(&mut nonce_seed);
        let mut txn = vault.begin(nonce_seed)?;
        let id = User::create_linked(&mut txn, made, linked, state, by)?;
        txn.commit()?;
        // Closed: it gets another name.
        drop(vault);
        let written = storage.write_key_file(&made.key_file);
        written.map_err(|error| StoreError::Failed { reason: error.to_string() })?;
        Ok(id)
    }

    fn publish_step(
        &mut self,
        turn: &mut Turn<'_>,
        step: Step,
        payload: &[u8],
    ) -> Result<(), StoreError> {
        let Some(joining) = &self.joining else { return Ok(()) };
        let network = &self.config.network;
        let addressing = Addressing {
            network: network.tag(),
            shard: Shard::of(&joining.identity(), network.shard_bits),
            expiry: step_expiry(turn.now),
        };
        let content = steps::seal(turn.rng, &addressing, joining.keys(), step, payload);
        let content = content.map_err(|error| StoreError::Failed { reason: error.to_string() })?;
        self.publish_without_user(turn, content)
    }
}

/// The state of the identity that the new device joins, if its certificate holds.
fn checked(identity: IdentityId, made: &Made, linked: &Linked) -> Option<IdentityState> {
    let certificate = DeviceCertificate::from_bytes(&linked.certificate).ok()?;
    // That it is this device's.
    DeviceKeys::from_parts(&made.device.seed(), &linked.certificate).ok()?;
    let mut state = IdentityState::new(identity);
    state.merge_bytes(&linked.state).ok()?;
    // Of another identity it is refused.
    state.add(Statement::Certificate(certificate)).ok()?;
    state.is_valid(&made.device.device()).then_some(state)
}
