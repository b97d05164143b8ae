//! Following each user's events, over restarts of their daemons, to see what is delivered.

use std::time::Duration;

use futures::future::try_join_all;
use martlet_protocol::control::{Delivery, Event, EventBody};
use martletctl::client::{Client, ClientError, Follower, Step};

use super::stage::Stage;
use super::{Diary, Hosts, RunError, traffic};

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
                    note(diary, &event, at);
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

fn note(diary: &Diary<'_>, event: &Event, at: Duration) {
    match &event.body {
        EventBody::MessageReceived { message } => {
            if let Some(index) = traffic::number(&message.text) {
                diary.delivered(index, at);
            }
        }
        EventBody::MessageState { id, state, .. } => match state {
            Delivery::Sent => diary.told_sent(id, diary.time_of(event.at)),
            Delivery::Delivered => diary.told_delivered(id, diary.time_of(event.at)),
            Delivery::NeedsConfirmation
            | Delivery::Queued
            | Delivery::Read
            | Delivery::Expired
            | Delivery::Recalled => {}
        },
        EventBody::MessageQueued { .. }
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
