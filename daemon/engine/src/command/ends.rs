//! How long messages live, and how they end by the user's will.

use martlet_protocol::control::{ConversationTimers, SendResponse, TimerSetting, TimersRequest};
use martlet_protocol::message::{TimerError, Timers, timer};
use martlet_protocol::room::{Action, Setting};

use super::Command;
use crate::conversation::ConversationRef;
use crate::engine::Engine;
use crate::error::{CommandError, Fault};
use crate::turn::Turn;
use crate::user::shown_timers;

/// The timers of a conversation's messages.
#[derive(Debug)]
pub struct GetTimers {
    /// The contact's name, or the room's.
    pub name: String,
}

/// Sets them, for both sides.
#[derive(Debug)]
pub struct SetTimers {
    /// The contact's name, or the room's.
    pub name: String,
    /// What to set.
    pub request: TimersRequest,
}

/// Takes a message back.
#[derive(Debug)]
pub struct RecallMessage {
    /// Its id.
    pub id: String,
}

/// Deletes a message on this device.
#[derive(Debug)]
pub struct DeleteMessage {
    /// Its id.
    pub id: String,
}

/// Deletes all messages of a conversation on this device.
#[derive(Debug)]
pub struct ClearConversation {
    /// The contact's name, or the room's.
    pub name: String,
}

impl Command for GetTimers {
    type Reply = ConversationTimers;
    const ONLY_READS: bool = true;

    fn run(self, engine: &mut Engine, _: &mut Turn<'_>) -> Result<ConversationTimers, Fault> {
        let user = engine.user_mut()?;
        let line = user.conversation_called(&self.name)?;
        Ok(shown_timers(user.timers_in(&line)))
    }
}

impl Command for SetTimers {
    type Reply = ConversationTimers;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<ConversationTimers, Fault> {
        let user = engine.user_mut()?;
        let line = user.conversation_called(&self.name)?;
        let TimersRequest { expire_seconds, burn_seconds } = self.request;
        let are = user.timers_in(&line);
        let wanted = asked(expire_seconds, burn_seconds, are).map_err(CommandError::from)?;
        match user.room_at(&ConversationRef::direct(&line)) {
            None => {
                user.reachable_identity_of(&self.name)?;
                if wanted != are {
                    user.set_timers(turn, line, wanted)?;
                }
            }
            Some(room) => {
                let Timers { expire_s, burn_s } = wanted;
                let expire = (expire_s != are.expire_s).then_some(Setting::Expire(expire_s));
                let burn = (burn_s != are.burn_s).then_some(Setting::Burn(burn_s));
                for setting in [expire, burn].into_iter().flatten() {
                    user.act(turn, &room, Action::Set(setting), "")?;
                }
            }
        }
        Ok(shown_timers(wanted))
    }
}

impl Command for RecallMessage {
    type Reply = SendResponse;

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<SendResponse, Fault> {
        engine.user_mut()?.recall(turn, &self.id)
    }
}

impl Command for DeleteMessage {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        engine.user_mut()?.delete_message(turn, &self.id)
    }
}

impl Command for ClearConversation {
    type Reply = ();

    fn run(self, engine: &mut Engine, turn: &mut Turn<'_>) -> Result<(), Fault> {
        let user = engine.user_mut()?;
        let identity = user.conversation_called(&self.name)?;
        Ok(user.clear_conversation(turn, identity)?)
    }
}

/// The timers that are asked for, where `default` holds for what is not said.
pub(super) fn asked(
    expire: Option<TimerSetting>,
    burn: Option<TimerSetting>,
    default: Timers,
) -> Result<Timers, TimerError> {
    let one = |setting: Option<TimerSetting>, default| match setting {
        None => Ok(default),
        Some(TimerSetting::Off(_)) => Ok(None),
        Some(TimerSetting::Seconds(seconds)) => timer(seconds).map(Some),
    };
    Ok(Timers { expire_s: one(expire, default.expire_s)?, burn_s: one(burn, default.burn_s)? })
}
