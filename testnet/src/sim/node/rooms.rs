//! What a person does with rooms.

use martlet_engine::command::{
    AddToRoom, ChangeRoom, CreateRoom, GetRoom, RemoveFromRoom, RemoveModerator,
};
use martlet_engine::{CommandError, RoomError};
use martlet_protocol::control::{RoomAddBy, RoomChange, RoomCreate, RoomMemberRequest};
use martletd::host::CallError;

use super::Node;
use crate::plan::{RoomDeed, RoomPlan};
use crate::scenario::limits::ROOM_MEMBERS_DEFAULT;

impl Node {
    /// Makes a room for so many members, unless it is there.
    pub(in crate::sim) async fn create_room(
        &self,
        plan: &RoomPlan,
        members: usize,
    ) -> Result<(), CallError> {
        let engine = self.engine()?;
        if engine.call(GetRoom { room: plan.name.clone() }).await.is_err() {
            let request = RoomCreate { name: plan.name.clone() };
            engine.call(CreateRoom { request }).await?;
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
        engine.call(ChangeRoom { room: plan.name.clone(), change }).await.map(drop)
    }

    /// Does something to someone in a room. What was done already is done.
    pub(in crate::sim) async fn act_in_room(
        &self,
        room: &str,
        deed: RoomDeed,
        who: &str,
    ) -> Result<(), CallError> {
        let (engine, room, who) = (self.engine()?, room.to_owned(), who.to_owned());
        let done = match deed {
            RoomDeed::Create | RoomDeed::Invite | RoomDeed::Moderator => {
                let as_moderator = deed == RoomDeed::Moderator;
                let request = RoomMemberRequest { who };
                engine.call(AddToRoom { room, request, as_moderator }).await.map(drop)
            }
            RoomDeed::Remove => {
                let query = martlet_protocol::control::RoomRemoveQuery::default();
                engine.call(RemoveFromRoom { room, who, query }).await
            }
            RoomDeed::Demote => engine.call(RemoveModerator { room, who }).await,
        };
        match done {
            Err(CallError::Command(CommandError::Room(RoomError::NoChange))) => Ok(()),
            done => done,
        }
    }
}
