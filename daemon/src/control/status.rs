//! The daemon's state, its identity, and the vault's lock.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use martlet_protocol::control::{
    DepotStatus, ErrorCode, Identity, InitRequest, InitResponse, KeptShards, LockState, Network,
    PassphraseChange, Problem, RecoverRequest, Status, UnlockRequest,
};
use martlet_protocol::sync::ShardSet;
use martlet_store::blobs::depot::Holds;
use zeroize::Zeroizing;

use super::endpoints::endpoints;
use super::extract::{JsonBody, NoBody};
use super::network::pending_warning;
use super::problem::Refusal;
use super::{Shared, doctor};
use martlet_engine::command::{GetClockDoubt, GetIdentity, GetStatus, Lock, ResetId};

endpoints!(
    get_status,
    get_identity,
    create_identity,
    recover_identity,
    reset_identity,
    unlock,
    lock,
    change_passphrase
);

/// The daemon's state.
#[utoipa::path(get, path = "/v1/status", tag = "daemon", responses(
    (status = 200, body = Status),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn get_status(State(shared): State<Shared>) -> Result<Json<Status>, Refusal> {
    let (status, doubt, net, listen, reach, kept, depot) = tokio::join!(
        shared.engine().call(GetStatus {}),
        shared.engine().call(GetClockDoubt {}),
        shared.net().report(),
        shared.net().listen_addresses(),
        shared.net().reach(),
        shared.net().kept(),
        shared.context().blobs.holds(),
    );
    let mut status = status?;
    status.depot = depot.map(depot_status);
    let context = shared.context();
    status.transports = Network::of(&context.network).transports;
    status.warnings.extend(context.warnings.iter().cloned());
    status.warnings.extend(pending_warning(context).await);
    if status.lock == LockState::Locked {
        status.warnings.extend(context.unlock_failure.clone());
    }
    status.peer_id = context.peer_id.to_base58();
    status.listen = listen.iter().map(ToString::to_string).collect();
    status.metrics_listen = context.metrics_listen.map(|address| address.to_string());
    status.warnings.extend(doubt?.as_ref().and_then(doctor::clock::jump_warning));
    if let Some(net) = net {
        status.peers_connected = u32::try_from(net.connected).unwrap_or(u32::MAX);
        status.warnings.extend(doctor::clock::clock_warning(&net));
    }
    status.reachability = reach.state;
    status.external = reach.addresses.iter().map(ToString::to_string).collect();
    status.role = context.role;
    status.shards = shown(&kept, context.network.shard_bits);
    Ok(Json(status))
}

pub(super) fn depot_status(holds: Holds) -> DepotStatus {
    let Holds { blobs: files, bytes, bytes_max } = holds;
    DepotStatus { files, bytes, bytes_max }
}

pub(super) fn shown(kept: &ShardSet, shard_bits: u8) -> KeptShards {
    let list: Vec<u16> = kept.iter(shard_bits).map(|shard| shard.0).collect();
    KeptShards {
        total: 1 << shard_bits,
        kept: u16::try_from(list.len()).unwrap_or(u16::MAX),
        list: if kept.is_all() { Vec::new() } else { list },
    }
}

/// Creates the identity.
#[utoipa::path(post, path = "/v1/identity", tag = "identity", request_body = InitRequest, responses(
    (status = 201, body = InitResponse),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn create_identity(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<InitRequest>,
) -> Result<(StatusCode, Json<InitResponse>), Refusal> {
    let passphrase = request.passphrase.map(Zeroizing::new);
    check_user(&shared)?;
    let response = shared.engine().init(request.name, passphrase).await?;
    Ok((StatusCode::CREATED, Json(response)))
}

/// That there may be a user here.
pub(super) fn check_user(shared: &Shared) -> Result<(), Refusal> {
    if !shared.context().user {
        return Err(Refusal::new(
            ErrorCode::Forbidden,
            "this daemon works for others only (user = false, or role = \"mailbox\", in its configuration); to have an identity here, change that and restart it",
        ));
    }
    Ok(())
}

/// Recovers an identity from its phrase, on a new device. Contacts and messages don't come back.
#[utoipa::path(post, path = "/v1/identity/recover", tag = "identity", request_body = RecoverRequest,
    responses(
        (status = 201, body = Identity),
        (status = "default", body = Problem, content_type = "application/problem+json"),
    ))]
async fn recover_identity(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<RecoverRequest>,
) -> Result<(StatusCode, Json<Identity>), Refusal> {
    let passphrase = request.passphrase.map(Zeroizing::new);
    let phrase = Zeroizing::new(request.recovery_phrase);
    check_user(&shared)?;
    let identity = shared.engine().recover(request.name, passphrase, phrase).await?;
    Ok((StatusCode::CREATED, Json(identity)))
}

/// The identity.
#[utoipa::path(get, path = "/v1/identity", tag = "identity", responses(
    (status = 200, body = Identity),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn get_identity(State(shared): State<Shared>) -> Result<Json<Identity>, Refusal> {
    Ok(Json(shared.engine().call(GetIdentity {}).await?))
}

/// Resets the secret in the ID. Contacts learn of the new one by themselves; nobody else finds the user by the
/// old ID any more.
#[utoipa::path(post, path = "/v1/identity/reset", tag = "identity", responses(
    (status = 200, body = Identity),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn reset_identity(
    State(shared): State<Shared>,
    _: NoBody,
) -> Result<Json<Identity>, Refusal> {
    Ok(Json(shared.engine().call(ResetId {}).await?))
}

/// Opens the vault. A passphrase takes about a second to check, by design.
#[utoipa::path(post, path = "/v1/unlock", tag = "identity", request_body = UnlockRequest, responses(
    (status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn unlock(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<UnlockRequest>,
) -> Result<StatusCode, Refusal> {
    let passphrase = request.passphrase.map(Zeroizing::new);
    shared.engine().unlock(passphrase).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Closes the vault. Streams of events end.
#[utoipa::path(post, path = "/v1/lock", tag = "identity", responses(
    (status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn lock(State(shared): State<Shared>, _: NoBody) -> Result<StatusCode, Refusal> {
    shared.engine().call(Lock {}).await?;
    shared.vault_was_locked();
    Ok(StatusCode::NO_CONTENT)
}

/// Changes the vault's passphrase, or sets or removes it. The vault stays as it is, open or locked. Takes some seconds,
/// by design.
#[utoipa::path(post, path = "/v1/passphrase", tag = "identity", request_body = PassphraseChange, responses(
    (status = 204),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn change_passphrase(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<PassphraseChange>,
) -> Result<StatusCode, Refusal> {
    let [old, new] = [request.old, request.new].map(|typed| typed.map(Zeroizing::new));
    shared.engine().change_passphrase(old, new).await?;
    Ok(StatusCode::NO_CONTENT)
}
