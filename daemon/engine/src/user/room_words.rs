//! Rooms as they are shown, in the words of the control API.

use martlet_protocol::control::{
    Room as ShownRoom, RoomAction, RoomAddBy, RoomMember, RoomOperation, RoomPerson, RoomRole,
    RoomSettings,
};
use martlet_protocol::message::Timers;
use martlet_protocol::room::{Action, AddBy, Operation, Role, Setting, Settings, Void};
use martlet_protocol::{IdentityId, OpId, RoomId};

use super::User;
use super::rooms::admitted;
use super::view::View;
use crate::directory::{KnownRoom, room_line};
use crate::error::Fault;
use crate::kinds::timer_words;

impl User {
    /// Those that the user is in, or was.
    pub(super) fn shown_rooms(&self) -> impl Iterator<Item = &KnownRoom> {
        self.directory.rooms().shown()
    }

    pub(crate) fn show_rooms(&self) -> Vec<ShownRoom> {
        let mut rooms: Vec<_> = self.shown_rooms().map(|known| self.show_known(known)).collect();
        rooms.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
        rooms
    }

    pub(crate) fn show_room(&self, id: &RoomId) -> Result<ShownRoom, Fault> {
        Ok(self.show_known(self.known_room(id)?))
    }

    fn show_known(&self, known: &KnownRoom) -> ShownRoom {
        let (state, view) = (known.room.state(), self.view());
        let role_of = |who: &IdentityId| {
            let heard = *who == self.identity || known.has_heard(who);
            known.person(who).map(|person| role(person.role(heard)))
        };
        let mut members: Vec<_> = state
            .people()
            .filter_map(|(who, _)| {
                let usable =
                    self.directory.bundles_of(who).map_or(0, |bundles| bundles.all().len());
                let own = usize::from(*who == self.identity);
                Some(RoomMember {
                    who: view.room_person(who),
                    role: role_of(who)?,
                    creator: state.creator() == *who,
                    devices: u32::try_from(usable + own).unwrap_or(u32::MAX),
                    terminated_at: self.terminated_at(who),
                })
            })
            .collect();
        members.sort_by_cached_key(|it| (order(it.role), it.who.name.clone(), it.who.id.clone()));
        let line = room_line(&known.room.id());
        let digest = known.room.set().digest();
        ShownRoom {
            id: known.room.id().to_string(),
            name: self.directory.room_name(known),
            // Of whom nothing brought in that counts, that was undone.
            role: role_of(&self.identity).unwrap_or(RoomRole::Removed),
            since: known.since(),
            closed: state.is_closed(),
            unread: self.unread_of(&line),
            settings: settings(state.settings()),
            members,
            operations: u64::try_from(known.room.set().len()).unwrap_or(u64::MAX),
            digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    pub(crate) fn show_operations(&self, id: &RoomId) -> Result<Vec<RoomOperation>, Fault> {
        let known = self.known_room(id)?;
        let view = self.view();
        Ok(known.room.set().iter().map(|op| view.room_operation(known, op)).collect())
    }
}

impl View<'_> {
    /// Someone in a room, as they are shown.
    pub(super) fn room_person(&self, who: &IdentityId) -> RoomPerson {
        let person = self.directory.people().get(who);
        let said = person.and_then(|person| person.suggested_name()).map(str::to_owned);
        RoomPerson {
            id: self.id_text(who),
            you: *who == self.own.identity,
            name: self.directory.contact(who).map(|contact| contact.name().to_owned()),
            calls_themselves: said.or_else(|| self.profiles.name_of(who).map(str::to_owned)),
        }
    }

    /// An operation, as it is shown.
    pub(super) fn room_operation(&self, known: &KnownRoom, op: &Operation) -> RoomOperation {
        let state = known.room.state();
        let granted = |grant: &OpId| known.room.set().get(grant).and_then(|op| about(op.action()));
        let who = match op.action() {
            Action::Revoke(grant) => granted(grant),
            other => about(other),
        };
        let void = state.void(&op.id());
        RoomOperation {
            id: op.id().to_string(),
            at: op.at(),
            by: self.room_person(&op.author()),
            action: action(op.action()),
            who: who.map(|who| self.room_person(&who)),
            setting: setting(op.action()),
            counts: void.is_none(),
            undone_by: match void {
                Some(Void::Undone { by }) => Some(by.to_string()),
                Some(Void::NoRight) | None => None,
            },
        }
    }
}

/// Whom an action is about.
fn about(action: &Action) -> Option<IdentityId> {
    match action {
        Action::Remove(who) => Some(*who),
        other => admitted(other),
    }
}

/// Those who moderate come first, and those who are not in it any more last.
fn order(role: RoomRole) -> u8 {
    match role {
        RoomRole::Moderator => 0,
        RoomRole::Member => 1,
        RoomRole::Invited => 2,
        RoomRole::Left => 3,
        RoomRole::Removed => 4,
    }
}

fn role(role: Role) -> RoomRole {
    match role {
        Role::Invited => RoomRole::Invited,
        Role::Member => RoomRole::Member,
        Role::Moderator => RoomRole::Moderator,
        Role::Removed => RoomRole::Removed,
        Role::Left => RoomRole::Left,
    }
}

fn settings(settings: &Settings) -> RoomSettings {
    let Settings { name, history, timers, add_by, strict, members_max } = settings;
    let Timers { expire_s, burn_s } = *timers;
    RoomSettings {
        name: name.clone(),
        expire_seconds: expire_s,
        burn_seconds: burn_s,
        add_by: shown_add_by(*add_by),
        strict: *strict,
        members_max: *members_max,
        history: *history,
    }
}

fn shown_add_by(add_by: AddBy) -> RoomAddBy {
    match add_by {
        AddBy::Moderators => RoomAddBy::Moderators,
        AddBy::Members => RoomAddBy::Members,
    }
}

fn action(action: &Action) -> RoomAction {
    match action {
        Action::Create(_) => RoomAction::Create,
        Action::Add(_) => RoomAction::Add,
        Action::Remove(_) => RoomAction::Remove,
        Action::Grant(_) => RoomAction::AddModerator,
        Action::Revoke(_) => RoomAction::RemoveModerator,
        Action::Set(_) => RoomAction::Set,
        Action::Leave => RoomAction::Leave,
        Action::Close => RoomAction::Close,
        Action::Unknown { .. } => RoomAction::Unknown,
    }
}

/// What an action sets, in words.
fn setting(action: &Action) -> Option<String> {
    let setting = match action {
        Action::Set(setting) => setting,
        Action::Create(_)
        | Action::Add(_)
        | Action::Remove(_)
        | Action::Grant(_)
        | Action::Revoke(_)
        | Action::Leave
        | Action::Close
        | Action::Unknown { .. } => return None,
    };
    Some(match setting {
        Setting::Name(name) => format!("the name is {name:?}"),
        Setting::History(history) => format!("who is new is told the last {history} messages"),
        Setting::Expire(None) => "messages do not expire".to_owned(),
        Setting::Expire(Some(seconds)) => {
            format!("messages end {} after they are sent", timer_words(*seconds))
        }
        Setting::Burn(None) => "messages do not burn".to_owned(),
        Setting::Burn(Some(seconds)) => {
            format!("messages end {} after they are read", timer_words(*seconds))
        }
        Setting::AddBy(AddBy::Moderators) => "moderators add people".to_owned(),
        Setting::AddBy(AddBy::Members) => "all members add people".to_owned(),
        Setting::Strict(true) => "nothing is shown of who is removed".to_owned(),
        Setting::Strict(false) => {
            "of who is removed is shown what they sent before they heard of it".to_owned()
        }
        Setting::MembersMax(members) => format!("people are added up to {members}"),
        Setting::Unknown { .. } => "something that this build does not know".to_owned(),
    })
}
