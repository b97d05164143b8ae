//! What people do with their devices: they link them, and revoke those that they lost.

use std::time::Duration;

use futures::future::try_join_all;
use martlet_protocol::control::{
    Device, DeviceRevoke, Identity, Join, JoinRequest, JoinState, Link, LinkConfirm, LinkState,
    RevocationReason,
};
use martletctl::client::{Client, ClientError, encode};

use super::stage::Stage;
use super::{Diary, Hosts, RunError};
use crate::plan::NodeIndex;

/// Time between two looks at the two screens.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long the two devices may take, before their person begins anew: one of them was killed meanwhile, or is off.
const LINKING_MAX: Duration = Duration::from_secs(60);

/// Links devices, each person's one after the other.
pub(super) async fn link(
    stage: &Stage<'_>,
    hosts: &impl Hosts,
    diary: &Diary<'_>,
    devices: &[NodeIndex],
) -> Result<(), RunError> {
    try_join_all(devices.iter().map(async |device| {
        let person = stage.plan.person(*device);
        let (root, new) = (Client::new(hosts.socket(person)?), Client::new(hosts.socket(*device)?));
        let _one_after_the_other = stage.linking(person).await;
        stage.until_id(person).await;
        loop {
            stage.until_on(person).await;
            stage.until_on(*device).await;
            let linked = tokio::time::timeout(LINKING_MAX, one(&root, &new, stage.name(*device)));
            match linked.await {
                Ok(Ok(id)) => {
                    stage.set_id(*device, id);
                    diary.linked(*device, diary.now());
                    return Ok::<_, RunError>(());
                }
                // One of them is about to stop or to start, or the code died.
                Ok(Err(_)) | Err(_) => tokio::time::sleep(LOOK_INTERVAL).await,
            }
        }
    }))
    .await
    .map(drop)
}

/// Links a device; returns the ID of its user.
async fn one(root: &Client, new: &Client, name: &str) -> Result<String, ClientError> {
    // By an attempt that was given up too early.
    if let Ok(identity) = new.get::<Identity>("/v1/identity").await {
        return Ok(identity.id);
    }
    let offer: Link = root.post_empty("/v1/link").await?;
    let code = offer.code.unwrap_or_default();
    let request = JoinRequest { code, name: Some(name.to_owned()), passphrase: None };
    new.post::<_, Join>("/v1/join", &request).await?;
    let mut confirmed = false;
    loop {
        let link: Link = root.get("/v1/link").await?;
        if link.state == LinkState::Compare && !confirmed {
            let confirm = LinkConfirm { equal: true, history: false, recovery_phrase: None };
            root.post::<_, Link>("/v1/link/confirm", &confirm).await?;
            confirmed = true;
        }
        let join: Join = new.get("/v1/join").await?;
        match (join.state, join.id) {
            (JoinState::Joined, Some(id)) => return Ok(id),
            (JoinState::Refused | JoinState::Expired, _) => {
                return Err(ClientError::Protocol(format!("{name} was not linked")));
            }
            (JoinState::Joining | JoinState::Compare | JoinState::Joined, _) => {}
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// Revokes devices, by the first ones of their people.
pub(super) async fn revoke(
    stage: &Stage<'_>,
    hosts: &impl Hosts,
    diary: &Diary<'_>,
    devices: &[NodeIndex],
) -> Result<(), RunError> {
    try_join_all(devices.iter().map(async |device| {
        let person = stage.plan.person(*device);
        let root = Client::new(hosts.socket(person)?);
        // Before it is linked it can't be lost.
        stage.until_id(*device).await;
        let path = format!("/v1/devices/{}/revoke", encode(stage.name(*device)));
        let request = DeviceRevoke { reason: Some(RevocationReason::Lost), recovery_phrase: None };
        loop {
            stage.until_on(person).await;
            if root.post::<_, Device>(&path, &request).await.is_ok() {
                diary.knows_cut(person, *device, diary.now());
                return Ok::<_, RunError>(());
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }))
    .await
    .map(drop)
}
