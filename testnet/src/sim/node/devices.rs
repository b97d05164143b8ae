//! What a person does who has several devices.

use martlet_engine::command::{ConfirmLink, GetIdentity, RevokeDevice, ShowLink, StartLink};
use martlet_protocol::control::{DeviceRevoke, LinkState, RevocationReason};
use martlet_protocol::link::LinkCode;
use martletd::host::{CallError, EngineHandle};

use super::Node;

impl Node {
    pub(super) fn engine(&self) -> Result<&EngineHandle, CallError> {
        self.running.as_ref().map(|running| &running.engine).ok_or(CallError::Stopping)
    }

    /// Its user's ID, if it has one.
    pub(in crate::sim) async fn id(&self) -> Option<String> {
        let identity = self.engine().ok()?.call(GetIdentity {}).await;
        identity.ok().map(|identity| identity.id)
    }

    /// Makes a code by which a device joins its user's identity.
    pub(in crate::sim) async fn start_link(&self) -> Result<Option<String>, CallError> {
        self.engine()?.call(StartLink {}).await.map(|link| link.code)
    }

    /// How far that came; `None`: there is no code.
    pub(in crate::sim) async fn link_state(&self) -> Option<LinkState> {
        self.engine().ok()?.call(ShowLink {}).await.ok().map(|link| link.state)
    }

    /// Its user saw the same numbers on both devices.
    pub(in crate::sim) async fn confirm_link(&self) -> Result<(), CallError> {
        self.engine()?.call(ConfirmLink { equal: true, history: false }).await.map(drop)
    }

    /// Joins an identity by a code.
    pub(in crate::sim) async fn join(&self, code: &str, name: &str) -> Result<(), CallError> {
        let engine = self.engine()?;
        // It was made by a node of this simulation.
        let Ok(code) = code.parse::<LinkCode>() else { return Ok(()) };
        engine.join(code, Some(name.to_owned()), None).await.map(drop)
    }

    /// Its user lost the device of this name.
    pub(in crate::sim) async fn revoke(&self, device: &str) -> Result<(), CallError> {
        let reason = Some(RevocationReason::Lost);
        let request = DeviceRevoke { reason, recovery_phrase: None };
        self.engine()?.call(RevokeDevice { device: device.to_owned(), request }).await.map(drop)
    }
}
