//! All settings for a device of the user's that comes new, in pieces, once; and again if it may have missed some.
//!
//! While the user has one device nothing is a setting. So first what holds here becomes settings, of some people in each
//! tick; then they are sent, in the order of their keys. After a crash that begins anew, and changes nothing.

use std::collections::BTreeSet;

use martlet_protocol::message::{Content, Setting, SettingKey, Settings};
use martlet_protocol::{DeviceId, IdentityId, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::MessageRecord;

use super::User;
use crate::conversation::ConversationRef;
use crate::directory::{Giving, Next, Subject, room_line};
use crate::kinds;
use crate::limits::{
    SETTINGS_PEOPLE_PER_TICK_MAX, SETTINGS_PIECE_BYTES_MAX, SETTINGS_PIECES_PER_TICK_MAX,
};
use crate::turn::Turn;

/// What there may be about a person.
pub(super) const ABOUT_A_PERSON: [fn(IdentityId) -> Subject; 7] = [
    Subject::Contact,
    Subject::Verified,
    Subject::Blocked,
    Subject::Dropped,
    Subject::Manner,
    Subject::Note,
    Subject::Timers,
];

impl User {
    /// An own deed expired. If it carried settings, whoever has not got it lacks them.
    pub(super) fn settings_expired(
        &mut self,
        turn: &mut Turn<'_>,
        deed: &MessageRecord,
    ) -> Result<(), StoreError> {
        match kinds::is_settings(deed) {
            true => self.directory.siblings_mut().give_again(turn.vault()?, |_| true),
            false => Ok(()),
        }
    }

    /// Gives another device of the user's all settings: at once if its bundle is known, else once it comes. (One that is
    /// seen for the first time is given them anyway.)
    pub(crate) fn give_settings(
        &mut self,
        turn: &mut Turn<'_>,
        device: DeviceId,
    ) -> Result<(), StoreError> {
        self.directory.siblings_mut().give_again(turn.vault()?, |it| *it == device)
    }

    /// Goes on giving settings to devices that lack them, as much as one tick may.
    pub(super) fn give_some(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        if !self.directory.siblings_mut().begin_giving(turn.now) || !self.is_active() {
            return Ok(());
        }
        for _ in 0..SETTINGS_PIECES_PER_TICK_MAX {
            let Some(Giving { next, .. }) = self.directory.siblings().giving() else { break };
            let next = match next.clone() {
                Next::Make(after) => {
                    // That is enough for one tick.
                    let next = self.make_some(turn, after)?;
                    self.directory.siblings_mut().go_on_giving(next);
                    break;
                }
                Next::Send(after) => {
                    let (piece, last) = self.piece_after(turn, after)?;
                    let Some(last) = last else {
                        return self.directory.siblings_mut().end_giving(turn.vault()?);
                    };
                    self.tell_siblings(turn, Content::Settings(Settings(piece)), None)?;
                    Next::Send(Some(last))
                }
            };
            self.directory.siblings_mut().go_on_giving(next);
        }
        Ok(())
    }

    /// What holds here and is no setting yet becomes one, of some people.
    fn make_some(
        &mut self,
        turn: &mut Turn<'_>,
        after: Option<IdentityId>,
    ) -> Result<Next, StoreError> {
        let people = self.people_after(after);
        for identity in &people {
            for subject in ABOUT_A_PERSON {
                let subject = subject(*identity);
                let at = self.since(&subject);
                self.make_setting(turn, &subject, at)?;
            }
        }
        match people.last() {
            Some(last) if people.len() == SETTINGS_PEOPLE_PER_TICK_MAX => {
                Ok(Next::Make(Some(*last)))
            }
            Some(_) | None => {
                self.make_setting(turn, &Subject::Preferences, UnixMillis(0))?;
                Ok(Next::Send(None))
            }
        }
    }

    /// People of whom there may be settings, and how rooms stand among them, in the order of their identities.
    fn people_after(&self, after: Option<IdentityId>) -> Vec<IdentityId> {
        let directory = &self.directory;
        let blocked = directory.blocked().iter().map(|record| &record.identity);
        let known = directory.shared().keys_after(None).filter_map(|key| {
            // Also of who is nobody here any more.
            IdentityId::from_slice(&key.of).ok()
        });
        let people = directory.identities().chain(blocked).chain(directory.dropped().iter());
        let rooms = directory.rooms().shown().map(|known| room_line(&known.room.id()));
        let people: BTreeSet<_> = people.copied().chain(known).chain(rooms).collect();
        let after = people.into_iter().filter(|identity| after.is_none_or(|it| *identity > it));
        after.take(SETTINGS_PEOPLE_PER_TICK_MAX).collect()
    }

    /// Settings that fit one message, and the last of them.
    fn piece_after(
        &self,
        turn: &mut Turn<'_>,
        after: Option<SettingKey>,
    ) -> Result<(Vec<Setting>, Option<SettingKey>), StoreError> {
        let (mut piece, mut last, mut bytes) = (Vec::new(), None, 0);
        let shared = self.directory.shared();
        for key in shared.keys_after(after.as_ref()) {
            if let Some(setting) = shared.setting(turn.vault()?, key)? {
                bytes += setting.encoded_bytes();
                if bytes > SETTINGS_PIECE_BYTES_MAX {
                    break;
                }
                piece.push(setting);
            }
            last = Some(key.clone());
        }
        Ok((piece, last))
    }

    /// Since when something holds here, as far as that is known.
    fn since(&self, subject: &Subject) -> UnixMillis {
        let contact = |identity| self.directory.contact(identity);
        let since = match subject {
            Subject::Contact(of) => contact(of).map(|contact| contact.added_at()),
            Subject::Verified(of) => contact(of).and_then(|contact| contact.verified_at()),
            Subject::Blocked(of) => self.directory.blocked().get(of).map(|record| record.since),
            Subject::Dropped(of) => self.directory.dropped().at(of),
            Subject::Timers(of) => {
                self.timeline.timers_set(&ConversationRef::direct(of)).map(|set| set.set_at)
            }
            Subject::Manner(_) | Subject::Note(_) | Subject::Preferences => None,
        };
        since.unwrap_or_default()
    }
}
