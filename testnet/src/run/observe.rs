//! Following each user's events, over restarts of their daemons, to see what is delivered.

use std::time::Duration;

use futures::future::try_join_all;
use martlet_protocol::control::{
    Contact, Delivery, DeviceList, DeviceState, Direction, Event, EventBody, FileState, Message,
    Room, RoomRole,
};
use martletctl::client::{Client, ClientError, Follower, Step, encode};

use super::stage::Stage;
use super::{Diary, Hosts, RunError, traffic};
use crate::plan::{NodeIndex, of_file_name};
use crate::report::recorder::RoomSeen;

/// Wait before a daemon is asked again that refused: it is on its way up or down.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Follows all users for ever.
pub(super) async fn follow(
    stage: &Stage<'_>,
    hosts: &impl Hosts,
    diary: &Diary<'_>,
) -> Result<(), RunError> {
    try_join_all(stage.users().map(async |node| {
        let client = Client::new(hosts.socket(node)?);
        stage.until_id(node).await;
        let mut follower = loop {
            stage.until_on(node).await;
            // From the first event on: nothing that came before this is lost.
            match Follower::open(&client, Some(0)).await {
                Ok(follower) => break follower,
                Err(_) => tokio::time::sleep(AGAIN_AFTER).await,
            }
        };
        loop {
            match follower.next().await {
                // What a node dates whose clock is off is dated here.
                Ok(Step::Event(event)) => {
                    let has_own_clock = stage.plan.has_own_clock(node);
                    let at = if has_own_clock { diary.now() } else { diary.time_of(event.at) };
                    note(diary, node, &event, at);
                    accept(stage, &client, node, &event).await;
                    look_at_devices(stage, &client, diary, node, &event).await;
                    look_at_room(stage, &client, diary, node, &event).await;
                    stage.board.told(node, &event, has_own_clock);
                }
                Ok(Step::Lost) => stage.until_on(node).await,
                Ok(Step::Back | Step::Locked | Step::Missed { .. })
                | Err(ClientError::UnknownEvent { .. }) => {}
                // It left for good, or is on its way up or down. What ended by itself is found by
                // the samples.
                Err(_) => {
                    tokio::time::sleep(AGAIN_AFTER).await;
                    stage.until_on(node).await;
                }
            }
        }
        #[expect(unreachable_code, reason = "it tells the type of the error")]
        Ok::<(), RunError>(())
    }))
    .await?;
    std::future::pending().await
}

/// Accepts a file that the user was offered, if they are to.
async fn accept(stage: &Stage<'_>, client: &Client, node: NodeIndex, event: &Event) {
    let EventBody::MessageReceived { message } = &event.body else { return };
    let Some(file) = message.file.as_ref() else { return };
    let planned = of_file_name(&file.name).and_then(|number| stage.plan.messages.get(number)?.file);
    if !planned.is_some_and(|planned| planned.accept.takes(file.state)) {
        return;
    }
    let path = format!("/v1/files/{}/accept", encode(&message.id));
    loop {
        match client.post_empty::<Message>(&path).await {
            // Refused: it comes from who is no contact, and stays with its sender.
            Ok(_) | Err(ClientError::Problem(_)) => return,
            Err(_) => tokio::time::sleep(AGAIN_AFTER).await,
        }
        stage.until_on(node).await;
    }
}

/// The number of the message that is a file which others sent.
fn file_of_others(message: &Message) -> Option<usize> {
    let file = message.file.as_ref().filter(|_| message.direction == Direction::In);
    file.and_then(|file| of_file_name(&file.name))
}

/// Finds out whether the user knows since `event` that a device was revoked.
async fn look_at_devices(
    stage: &Stage<'_>,
    client: &Client,
    diary: &Diary<'_>,
    node: NodeIndex,
    event: &Event,
) {
    let devices = match &event.body {
        EventBody::ContactDevices { name } => {
            let contact = client.get::<Contact>(&format!("/v1/contacts/{}", encode(name))).await;
            contact.map(|contact| contact.device_list)
        }
        EventBody::DevicesChanged => {
            client.get::<DeviceList>("/v1/devices").await.map(|list| list.devices)
        }
        _ => return,
    };
    // It is about to stop: what it knows counts from when it says so.
    for device in devices.unwrap_or_default() {
        let name = device.name.as_deref();
        if device.state == DeviceState::Revoked
            && let Some(device) = name.and_then(|name| stage.named(name))
        {
            diary.knows_cut(node, device, diary.now());
        }
    }
}

/// Finds out how the user sees a room to which something was done.
async fn look_at_room(
    stage: &Stage<'_>,
    client: &Client,
    diary: &Diary<'_>,
    node: NodeIndex,
    event: &Event,
) {
    let (EventBody::RoomJoined { room, .. }
    | EventBody::RoomChanged { room, .. }
    | EventBody::RoomLeft { room, .. }
    | EventBody::RoomUndone { room, .. }
    | EventBody::RoomEquivocation { room, .. }) = &event.body
    else {
        return;
    };
    let Ok(shown) = client.get::<Room>(&format!("/v1/rooms/{}", encode(room))).await else {
        return;
    };
    let Some(room) = stage.plan.rooms.iter().position(|it| it.name == shown.settings.name) else {
        return;
    };
    let is_in = |role: RoomRole| match role {
        RoomRole::Invited | RoomRole::Member | RoomRole::Moderator => true,
        RoomRole::Removed | RoomRole::Left => false,
    };
    let members = shown.members.iter().filter(|member| is_in(member.role));
    let seen = RoomSeen {
        is_in: is_in(shown.role),
        members: members.filter_map(|member| stage.known_as(&member.who.id)).collect(),
        digest: shown.digest,
    };
    diary.sees_room(node, room, seen, diary.now());
}

fn note(diary: &Diary<'_>, node: NodeIndex, event: &Event, at: Duration) {
    match &event.body {
        // What the user writes on another device comes as theirs.
        EventBody::MessageReceived { message } | EventBody::MessageQueued { message } => {
            let file = message.file.as_ref();
            let number = match file {
                Some(file) => of_file_name(&file.name),
                None => traffic::number(&message.text),
            };
            if let Some(index) = number {
                diary.shown(index, node, at);
            }
            let is_here = file.is_some_and(|file| file.state == FileState::Complete);
            if let Some(index) = file_of_others(message).filter(|_| is_here) {
                diary.file_whole(index, node, at);
            }
        }
        EventBody::FileReceived { message } => {
            if let Some(index) = file_of_others(message) {
                diary.file_whole(index, node, at);
            }
        }
        EventBody::FileFailed { message } => {
            if let Some(index) = file_of_others(message) {
                diary.file_failed(index, node, at);
            }
        }
        EventBody::MessageState { id, state, .. } => match state {
            Delivery::Sent => diary.told_sent(id, diary.time_of(event.at)),
            Delivery::Delivered => diary.told_delivered(id, diary.time_of(event.at)),
            Delivery::NeedsConfirmation
            | Delivery::NeedsState
            | Delivery::Queued
            | Delivery::Read
            | Delivery::Expired
            | Delivery::Recalled => {}
        },
        EventBody::MessageReached { .. }
        | EventBody::RequestReceived { .. }
        | EventBody::ContactAdded { .. }
        | EventBody::ContactRenamed { .. }
        | EventBody::ContactRemoved { .. }
        | EventBody::ContactReachable { .. }
        | EventBody::ContactDevicesChanged { .. }
        | EventBody::ContactVerified { .. }
        | EventBody::InviteUsed { .. }
        | EventBody::RoomJoined { .. }
        | EventBody::RoomChanged { .. }
        | EventBody::RoomLeft { .. }
        | EventBody::RoomUndone { .. }
        | EventBody::RoomEquivocation { .. }
        | EventBody::InviteRefused { .. }
        | EventBody::InviteAccepted { .. }
        | EventBody::ConversationRead { .. }
        | EventBody::MessagesLost { .. }
        | EventBody::MessageEdited { .. }
        | EventBody::MessageReaction { .. }
        | EventBody::MessageRead { .. }
        | EventBody::Typing { .. }
        | EventBody::FileProgress { .. }
        | EventBody::MessageEnded { .. }
        | EventBody::ConversationCleared { .. }
        | EventBody::ContactProfile { .. }
        | EventBody::ContactDevices { .. }
        | EventBody::ContactTerminated { .. }
        | EventBody::DevicesChanged
        | EventBody::AccountTerminated
        | EventBody::Gone { .. } => {}
    }
}
