//! The user's devices, and the end of an identity.

use martlet_protocol::control::{
    Device, DeviceList, DeviceRename, DeviceRevoke, RevocationReason, TerminateResponse,
};
use martlet_protocol::crypto::Addressing;
use martlet_protocol::identity::state::encode_termination;
use martlet_protocol::identity::statement::Reason;
use martlet_protocol::identity::{IdentityState, KillKey, Statement};
use martlet_protocol::notice;
use martlet_protocol::{DeviceId, ExpiryHour, Id, IdentityId, Shard};
use martlet_store::StoreError;
use zeroize::Zeroizing;

use super::{Command, CommandError};
use crate::engine::Engine;
use crate::error::Fault;
use crate::limits::NOTICE_STAMP_BITS_MAX;
use crate::turn::Turn;
use crate::user::User;

/// The user's devices.
#[derive(Debug)]
pub struct ListDevices {}

/// Says what this device is called.
#[derive(Debug)]
pub struct RenameDevice {
    /// Its id, the beginning of it, or its name.
    pub device: String,
    /// What it is called from now on.
    pub request: DeviceRename,
}

/// Revokes a device of the user's.
#[derive(Debug)]
pub struct RevokeDevice {
    /// Its id, the beginning of it, or its name.
    pub device: String,
    /// Why.
    pub request: DeviceRevoke,
}

/// Ends an identity for good.
#[derive(Debug)]
pub struct TerminateAccount {
    /// Whose.
    pub id: String,
    /// By which right: `None` by the root, in the vault.
    pub kill_phrase: Option<KillKey>,
}

impl Command for ListDevices {
    type Reply = DeviceList;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _: &mut Turn<'_>) -> Result<DeviceList, Fault> {
        let user = engine.user_mut()?;
        let identity = user.identity;
        Ok(DeviceList { devices: user.show_devices(&identity) })
    }
}

impl Command for RenameDevice {
    type Reply = Device;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Device, Fault> {
        let user = engine.user_mut()?;
        user.check_active()?;
        let device = user.find_device(&self.device)?;
        let statement = user.rename_this(&device, self.request.name, turn)?;
        user.state_own(turn, statement)?;
        shown(user, &device)
    }
}

impl Command for RevokeDevice {
    type Reply = Device;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<Device, Fault> {
        revoke(engine.user_mut()?, turn, &self.device, self.request.reason, None)
    }
}

impl Command for TerminateAccount {
    type Reply = TerminateResponse;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<TerminateResponse, Fault> {
        let id: Id = super::contacts::parse_id(&self.id)?;
        let identity = id.identity;
        let verified = match self.kill_phrase {
            None => {
                let user = engine.user_mut()?;
                if identity != user.identity {
                    return Err(CommandError::NotOwnId.into());
                }
                let statement = user.root(turn)?.terminate(turn.now);
                user.state_own(turn, statement)?;
                true
            }
            Some(key) => terminate_by(engine, turn, identity, &key)?,
        };
        Ok(TerminateResponse { id: id.to_string(), verified })
    }
}

/// Revokes a device of the user's, by the root in the vault or that of a recovery phrase.
pub(super) fn revoke(
    user: &mut User,
    turn: &mut Turn<'_>,
    device: &str,
    reason: Option<RevocationReason>,
    phrase: Option<&Zeroizing<String>>,
) -> Result<Device, Fault> {
    if !user.is_one_too_many() {
        user.check_active()?;
    }
    let device = user.find_device(device)?;
    let reason = match reason {
        None => Reason::NotSaid,
        Some(RevocationReason::Lost) => Reason::Lost,
        Some(RevocationReason::Stolen) => Reason::Stolen,
        Some(RevocationReason::Retired) => Reason::Retired,
    };
    let statement = user.revoke(turn, device, reason, phrase)?;
    user.state_own(turn, statement)?;
    shown(user, &device)
}

/// Ends an identity by its kill key; whether this node can tell that it is the right one.
fn terminate_by(
    engine: &mut Engine,
    turn: &mut Turn<'_>,
    identity: IdentityId,
    key: &KillKey,
) -> Result<bool, Fault> {
    let termination = key.terminate(identity, turn.now);
    let ending = encode_termination(&termination);
    let Some(user) = &mut engine.user else {
        publish(engine, turn, identity, &ending)?;
        return Ok(false);
    };
    let state = user.identity_state(&identity);
    let is_known = state.is_some_and(IdentityState::names_kill_key);
    if is_known && !state.is_some_and(|state| state.has_kill_key(&key.public())) {
        return Err(CommandError::WrongKillPhrase.into());
    }
    if identity == user.identity {
        user.state_own(turn, Statement::Termination(termination))?;
    } else {
        user.hear_of_end(turn, identity, &ending)?;
    }
    Ok(is_known)
}

/// Publishes a notice from a node that has no user, or whose vault is locked.
fn publish(
    engine: &mut Engine,
    turn: &mut Turn<'_>,
    identity: IdentityId,
    ending: &[u8],
) -> Result<(), Fault> {
    let network = &engine.config.network;
    let bits = network.stamp_bits;
    if bits > NOTICE_STAMP_BITS_MAX {
        return Err(CommandError::StampTooDear { bits }.into());
    }
    let addressing = Addressing {
        network: network.tag(),
        shard: Shard::of(&identity, network.shard_bits),
        expiry: ExpiryHour::latest(turn.now),
    };
    let content = notice::seal(turn.rng, &addressing, &identity, ending);
    let content = content.map_err(|error| StoreError::Failed { reason: error.to_string() })?;
    Ok(engine.publish_without_user(turn, content)?)
}

fn shown(user: &User, device: &DeviceId) -> Result<Device, Fault> {
    let id = device.to_string();
    let found = user.show_devices(&user.identity).into_iter().find(|shown| shown.id == id);
    found.ok_or_else(|| CommandError::UnknownDevice.into())
}
