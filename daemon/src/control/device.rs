//! The user's devices, and the end of an identity.

use axum::Json;
use axum::extract::State;
use martlet_engine::command::{
    ListDevices, RenameDevice, RevokeByPhrase, RevokeDevice, TerminateAccount,
};
use martlet_protocol::control::{
    Device, DeviceList, DeviceRename, DeviceRevoke, DeviceText, ErrorCode, Problem,
    TerminateRequest, TerminateResponse,
};
use martlet_protocol::identity::KillKey;
use zeroize::Zeroizing;

use super::Shared;
use super::endpoints::endpoints;
use super::extract::{JsonBody, PathPart};
use super::problem::Refusal;

endpoints!(list_devices, rename_device, revoke_device, terminate_account);

/// The user's devices, whatever became of them.
#[utoipa::path(get, path = "/v1/devices", tag = "identity", responses(
    (status = 200, body = DeviceList),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn list_devices(State(shared): State<Shared>) -> Result<Json<DeviceList>, Refusal> {
    Ok(Json(shared.engine().call(ListDevices {}).await?))
}

/// Says what this device is called.
#[utoipa::path(patch, path = "/v1/devices/{device}", tag = "identity", request_body = DeviceRename,
    params(("device" = inline(DeviceText), Path, description = "This device's id, the beginning of it, or its name.")),
    responses(
        (status = 200, body = Device),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn rename_device(
    State(shared): State<Shared>,
    PathPart(device): PathPart,
    JsonBody(request): JsonBody<DeviceRename>,
) -> Result<Json<Device>, Refusal> {
    Ok(Json(shared.engine().call(RenameDevice { device, request }).await?))
}

/// Revokes a device of the user's, for good. Contacts are told.
#[utoipa::path(post, path = "/v1/devices/{device}/revoke", tag = "identity",
    request_body = DeviceRevoke,
    params(("device" = inline(DeviceText), Path, description = "Its id, the beginning of it, or its name.")),
    responses(
        (status = 200, body = Device),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn revoke_device(
    State(shared): State<Shared>,
    PathPart(device): PathPart,
    JsonBody(request): JsonBody<DeviceRevoke>,
) -> Result<Json<Device>, Refusal> {
    let DeviceRevoke { reason, recovery_phrase } = request;
    let device = match recovery_phrase.map(Zeroizing::new) {
        Some(phrase) => shared.engine().call(RevokeByPhrase { device, reason, phrase }).await?,
        None => {
            let request = DeviceRevoke { reason, recovery_phrase: None };
            shared.engine().call(RevokeDevice { device, request }).await?
        }
    };
    Ok(Json(device))
}

/// Ends an identity for good. Contacts are told.
#[utoipa::path(post, path = "/v1/account/terminate", tag = "identity",
    request_body = TerminateRequest,
    responses(
        (status = 200, body = TerminateResponse),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn terminate_account(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<TerminateRequest>,
) -> Result<Json<TerminateResponse>, Refusal> {
    let TerminateRequest { id, passphrase, kill_phrase } = request;
    let passphrase = passphrase.map(Zeroizing::new);
    let kill_phrase = match kill_phrase.map(Zeroizing::new) {
        Some(phrase) => Some(KillKey::from_phrase(&phrase).map_err(|error| {
            let detail = format!("this is no kill phrase: {error}");
            Refusal::new(ErrorCode::WrongKillPhrase, detail)
        })?),
        None => {
            shared.engine().check_passphrase(passphrase).await?;
            None
        }
    };
    Ok(Json(shared.engine().call(TerminateAccount { id, kill_phrase }).await?))
}
