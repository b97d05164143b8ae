//! The user's own devices: shown, found, renamed.

use martlet_protocol::control::{Device, DeviceHistory, DeviceState, RevocationReason};
use martlet_protocol::identity::state::{self, Standing};
use martlet_protocol::identity::statement::Reason;
use martlet_protocol::identity::{IdentityState, Statement};
use martlet_protocol::{DeviceId, IdentityId};
use zeroize::Zeroizing;

use super::User;
use super::past_taken::is_full;
use crate::directory::{NameError, clean_name};
use crate::error::{CommandError, Fault};
use crate::limits::ID_DIGITS_MIN;
use crate::turn::Turn;

impl User {
    /// Someone's devices, whatever became of them.
    pub(crate) fn show_devices(&self, identity: &IdentityId) -> Vec<Device> {
        let this = self.keyring.device().device();
        let state = self.keyring.identities.state(identity).into_iter();
        let devices = state.flat_map(|state| state.devices());
        devices
            .map(|it| {
                let history = self.history_of(&it.device).filter(|_| *identity == self.identity);
                Device { history, ..shown_device(&it, &this) }
            })
            .collect()
    }

    /// How far messages of before are that this device takes, or that another of the user's is given.
    fn history_of(&self, device: &DeviceId) -> Option<DeviceHistory> {
        let past = self.directory.siblings().past();
        if *device == self.keyring.device().device() {
            let taken = past.taken()?;
            let left = if is_full(taken) { 0 } else { past.lines_left() };
            let left = u64::try_from(left).unwrap_or(u64::MAX);
            let (messages, conversations_left) = (taken.messages, Some(left));
            return Some(DeviceHistory { messages, conversations_left });
        }
        let messages = past.given(device)?.messages;
        Some(DeviceHistory { messages, conversations_left: None })
    }

    /// The device of the user's with this id, an id that begins so, or this name.
    pub(crate) fn find_device(&self, text: &str) -> Result<DeviceId, CommandError> {
        let Some(state) = self.keyring.identities.own() else {
            return Err(CommandError::UnknownDevice);
        };
        let digits = text.to_ascii_lowercase();
        let is_meant = |id: &DeviceId, name: &str| {
            !text.is_empty() && name == text
                || digits.len() >= ID_DIGITS_MIN && id.to_string().starts_with(&digits)
        };
        let mut meant = state.devices().filter(|it| is_meant(&it.device, it.name));
        match (meant.next(), meant.next()) {
            (Some(device), None) => Ok(device.device),
            (Some(_), Some(_)) => Err(CommandError::AmbiguousDevice),
            (None, _) => Err(CommandError::UnknownDevice),
        }
    }

    /// Whether this device is certified and does not count, because too many others do. If it has the root, it makes room
    /// for itself by revoking one.
    pub(crate) fn is_one_too_many(&self) -> bool {
        let this = self.keyring.device().device();
        let mut devices =
            self.keyring.identities.own().into_iter().flat_map(IdentityState::devices);
        devices.any(|it| it.device == this && it.standing == Standing::Surplus)
    }

    /// What this device says to be called otherwise.
    pub(crate) fn rename_this(
        &self,
        device: &DeviceId,
        name: String,
        turn: &Turn<'_>,
    ) -> Result<Statement, CommandError> {
        if *device != self.keyring.device().device() {
            return Err(CommandError::OtherDevice);
        }
        let name = match name.trim() {
            // It has none any more.
            "" => String::new(),
            name => clean_name(name).map_err(|reason| CommandError::DeviceName { reason })?,
        };
        if is_name_taken(self.keyring.identities.own(), &name, device) {
            return Err(CommandError::DeviceNameTaken { name });
        }
        let described = self.keyring.device().describe(name, turn.now);
        described.map_err(|_| CommandError::DeviceName { reason: NameError::TooLong })
    }

    /// What is known of someone's devices.
    pub(crate) fn identity_state(&self, identity: &IdentityId) -> Option<&IdentityState> {
        self.keyring.identities.state(identity)
    }

    /// Says that a device of the user's is so no more: by the root, or this one of itself.
    pub(crate) fn revoke(
        &self,
        turn: &mut Turn<'_>,
        device: DeviceId,
        reason: Reason,
        phrase: Option<&Zeroizing<String>>,
    ) -> Result<Statement, Fault> {
        let this = self.keyring.device();
        match self.root_or(turn, phrase) {
            Ok(root) => Ok(root.revoke(device, turn.now, reason)),
            Err(Fault::Refused(CommandError::NoRoot { .. })) if device == this.device() => {
                Ok(this.revoke_itself(turn.now, reason))
            }
            Err(fault) => Err(fault),
        }
    }
}

/// Whether another device than this, which counts, is called so. Two that were named at once are: then each is known by its id.
pub(super) fn is_name_taken(own: Option<&IdentityState>, name: &str, but: &DeviceId) -> bool {
    let mut devices = own.into_iter().flat_map(IdentityState::devices);
    !name.is_empty()
        && devices.any(|it| it.standing == Standing::Valid && it.device != *but && it.name == name)
}

/// A device in the words of the control API.
fn shown_device(device: &state::Device<'_>, this: &DeviceId) -> Device {
    let (state, revoked_at, reason) = match device.standing {
        Standing::Valid => (DeviceState::Valid, None, None),
        Standing::Surplus => (DeviceState::Surplus, None, None),
        Standing::Terminated => (DeviceState::Terminated, None, None),
        Standing::Revoked { at, reason } => {
            let reason = match reason {
                Reason::NotSaid => None,
                Reason::Lost => Some(RevocationReason::Lost),
                Reason::Stolen => Some(RevocationReason::Stolen),
                Reason::Retired => Some(RevocationReason::Retired),
            };
            (DeviceState::Revoked, Some(at), reason)
        }
    };
    Device {
        id: device.device.to_string(),
        name: (!device.name.is_empty()).then(|| device.name.to_owned()),
        this: device.device == *this,
        created_at: device.created_at,
        state,
        revoked_at,
        reason,
        history: None,
    }
}
