//! What people do to rooms.

use std::time::Duration;

use futures::future::join_all;
use martlet_protocol::control::{
    ErrorCode, Room, RoomAddBy, RoomChange, RoomCreate, RoomMemberRequest,
};
use martletctl::client::{Client, ClientError, encode};

use super::stage::Stage;
use super::{Diary, Hosts, RunError};
use crate::plan::{NodeIndex, RoomDeed, RoomIndex, RoomPlan};
use crate::scenario::limits::ROOM_MEMBERS_DEFAULT;

/// How long someone goes on trying what can't be done: their node is off, or has not heard of what it rests on.
const TRIED_MAX: Duration = Duration::from_secs(120);
/// Wait before the next try.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Does something to a room, or to people in it.
pub(super) async fn act(
    stage: &Stage<'_>,
    hosts: &impl Hosts,
    diary: &Diary<'_>,
    (room, by, deed): (RoomIndex, NodeIndex, RoomDeed),
    whom: &[NodeIndex],
) -> Result<(), RunError> {
    let Some(plan) = stage.plan.rooms.get(room) else { return Ok(()) };
    let client = Client::new(hosts.socket(by)?);
    let given_up = diary.now() + TRIED_MAX;
    if deed == RoomDeed::Create {
        let made = until_done(stage, diary, by, given_up, async || {
            create(&client, plan, whom.len() + 1).await
        });
        if !made.await {
            diary.hindered(by, room, deed, diary.now());
            return Ok(());
        }
    }
    join_all(whom.iter().map(async |who| {
        let done = until_done(stage, diary, by, given_up, async || {
            one(stage, &client, plan, deed, *who).await
        });
        if !done.await {
            diary.hindered(by, room, deed, diary.now());
        }
    }))
    .await;
    Ok(())
}

/// Tries until it is done, or until it is given up.
async fn until_done(
    stage: &Stage<'_>,
    diary: &Diary<'_>,
    by: NodeIndex,
    given_up: Duration,
    attempt: impl AsyncFn() -> Result<(), ClientError>,
) -> bool {
    while diary.now() < given_up {
        if stage.is_on(by) && attempt().await.is_ok() {
            return true;
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
    false
}

/// Makes a room for so many members, unless it is there.
async fn create(client: &Client, plan: &RoomPlan, members: usize) -> Result<(), ClientError> {
    let path = format!("/v1/rooms/{}", encode(&plan.name));
    if client.get::<Room>(&path).await.is_err() {
        client.post::<_, Room>("/v1/rooms", &RoomCreate { name: plan.name.clone() }).await?;
    }
    let many = u16::try_from(members).ok().filter(|many| *many > ROOM_MEMBERS_DEFAULT);
    let change = RoomChange {
        add_by: plan.members_add.then_some(RoomAddBy::Members),
        strict: plan.strict.then_some(true),
        members_max: many,
        ..RoomChange::default()
    };
    if change == RoomChange::default() {
        return Ok(());
    }
    client.patch::<_, Room>(&path, &change).await.map(drop)
}

/// Does something to someone in a room. What was done already is done.
async fn one(
    stage: &Stage<'_>,
    client: &Client,
    plan: &RoomPlan,
    deed: RoomDeed,
    who: NodeIndex,
) -> Result<(), ClientError> {
    let path = format!("/v1/rooms/{}", encode(&plan.name));
    // Who is added is a contact; anyone else is known by their ID.
    let name = stage.name(who).to_owned();
    let id = stage.id(who).unwrap_or_default();
    let done = match deed {
        RoomDeed::Create | RoomDeed::Invite => {
            let request = RoomMemberRequest { who: name };
            client.post::<_, Room>(&format!("{path}/members"), &request).await.map(drop)
        }
        RoomDeed::Moderator => {
            let request = RoomMemberRequest { who: id };
            client.post::<_, Room>(&format!("{path}/moderators"), &request).await.map(drop)
        }
        RoomDeed::Remove => client.delete(&format!("{path}/members/{}", encode(&id))).await,
        RoomDeed::Demote => client.delete(&format!("{path}/moderators/{}", encode(&id))).await,
    };
    match done {
        Err(ClientError::Problem(problem)) if problem.code == ErrorCode::NoChange => Ok(()),
        done => done,
    }
}
