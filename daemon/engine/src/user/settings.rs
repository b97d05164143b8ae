//! Settings: what the user decides on one device holds on all of them.
//!
//! What changes here is compared with what the settings say (`directory/shared.rs`). If it differs, a setting is made and
//! told. What comes from another device is taken if it counts, and then what is here is made to follow from it. So what is
//! here is a function of the settings, whatever order they came in.
//!
//! How a device gets all of them is in `giving.rs`.

use martlet_protocol::message::settings::values::{self, Value};
use martlet_protocol::message::{Content, Setting, Settings, Timers};
use martlet_protocol::{Id, IdentityId, Rendezvous, RoomId, UnixMillis};
use martlet_store::StoreError;
use martlet_store::records::{Happened, Manner, SettingsRecord, TimersSet};

use super::User;
use super::giving::ABOUT_A_PERSON;
use crate::conversation::ConversationRef;
use crate::directory::{Subject, room_line};
use crate::limits::{CONTACT_NOTE_BYTES_MAX, CONTACTS_MAX};
use crate::turn::Turn;

/// What there is about a person only while they are a contact.
const ABOUT_A_CONTACT: [fn(IdentityId) -> Subject; 4] =
    [Subject::Verified, Subject::Manner, Subject::Note, Subject::Timers];

impl User {
    /// Whether the user has another device, as far as is known.
    pub(super) fn has_other_devices(&self) -> bool {
        let own = self.keyring.identities.own();
        own.is_some_and(|state| state.valid().nth(1).is_some())
    }

    /// The user may have changed this here: their other devices are told.
    pub(super) fn share(
        &mut self,
        turn: &mut Turn<'_>,
        subject: Subject,
    ) -> Result<(), StoreError> {
        if self.directory.shared().is_applying || !self.has_other_devices() {
            return Ok(());
        }
        let was_called = self.called(&subject);
        let now = turn.now;
        let Some(setting) = self.make_setting(turn, &subject, now)? else { return Ok(()) };
        self.tell_settings(turn, vec![setting])?;
        self.follow_names(turn, &subject, was_called)
    }

    /// Whoever is a contact no more, or again, may be told otherwise of.
    pub(super) fn share_contact(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
    ) -> Result<(), StoreError> {
        ABOUT_A_PERSON.iter().try_for_each(|subject| self.share(turn, subject(identity)))
    }

    pub(super) fn make_setting(
        &mut self,
        turn: &mut Turn<'_>,
        subject: &Subject,
        at: UnixMillis,
    ) -> Result<Option<Setting>, StoreError> {
        let value = self.value_here(turn, subject)?;
        let (now, device) = (turn.now, self.keyring.device().device());
        self.directory.shared_mut().make(turn.vault()?, (subject.key(), value), (at, now), device)
    }

    /// Tells the user's other devices settings. Those that can't be written to now will be given all.
    fn tell_settings(
        &mut self,
        turn: &mut Turn<'_>,
        settings: Vec<Setting>,
    ) -> Result<(), StoreError> {
        let usable = self.directory.siblings().bundles().usable(turn.now);
        let told: Vec<_> = usable.map(|bundle| bundle.certificate().device()).collect();
        let siblings = self.directory.siblings_mut();
        siblings.give_again(turn.vault()?, |device| !told.contains(device))?;
        self.tell_siblings(turn, Content::Settings(Settings(settings)), None)
    }

    /// What holds here, as a setting says it.
    fn value_here(&self, turn: &mut Turn<'_>, subject: &Subject) -> Result<Vec<u8>, StoreError> {
        let contact = |identity| self.directory.contact(identity);
        let value = match subject {
            Subject::Contact(of) => contact(of).map(|contact| {
                let shared = self.directory.shared();
                let is_as_wanted = shared.name_of(of).as_deref() == Some(contact.name());
                let name = shared.wanted_name_of(of).filter(|_| is_as_wanted);
                let name = name.unwrap_or(contact.name()).to_owned();
                let (rendezvous, added_at) = (contact.rendezvous().clone(), contact.added_at());
                values::Contact { name, rendezvous, added_at }.encode()
            }),
            Subject::Verified(of) => {
                contact(of).and_then(|contact| contact.verified_record()).map(|verified| {
                    let devices = verified.devices.clone();
                    values::Verified { at: verified.at, devices }.encode()
                })
            }
            Subject::Blocked(of) => self.directory.blocked().get(of).map(|record| {
                let secret = record.secret.clone();
                let rendezvous = Rendezvous { secret, reset_at: UnixMillis(0) };
                values::Blocked { rendezvous, since: record.since }.encode()
            }),
            Subject::Dropped(of) => {
                self.directory.dropped().at(of).map(|at| values::Dropped { at }.encode())
            }
            Subject::Manner(of) => {
                let manner = self.timeline.manner(&ConversationRef::direct(of));
                (manner != Manner::default()).then(|| {
                    let Manner { is_muted, is_pinned, receipts, typing } = manner;
                    values::Manner { is_muted, is_pinned, receipts, typing }.encode()
                })
            }
            Subject::Note(of) => {
                self.contact_note(turn, of)?.map(|text| values::Note { text }.encode())
            }
            Subject::Timers(of) => {
                self.timeline.timers_set(&ConversationRef::direct(of)).map(|set| {
                    let TimersSet { timers: Timers { expire_s, burn_s }, set_at, author, id } = set;
                    values::TimersSet { expire_s, burn_s, set_at, author, id }.encode()
                })
            }
            Subject::Preferences => {
                let settings = self.timeline.settings();
                (settings != SettingsRecord::default()).then(|| {
                    let SettingsRecord { receipts, typing, snippets, strict_devices } = settings;
                    values::Preferences { receipts, typing, snippets, strict_devices }.encode()
                })
            }
        };
        Ok(value.unwrap_or_default())
    }

    /// Takes settings of another device.
    pub(super) fn settle(
        &mut self,
        turn: &mut Turn<'_>,
        Settings(settings): Settings,
    ) -> Result<(), StoreError> {
        let was_applying = std::mem::replace(&mut self.directory.shared_mut().is_applying, true);
        let settled = settings.iter().try_for_each(|setting| self.settle_one(turn, setting));
        self.directory.shared_mut().is_applying = was_applying;
        settled
    }

    fn settle_one(&mut self, turn: &mut Turn<'_>, setting: &Setting) -> Result<(), StoreError> {
        let subject = Subject::of(&setting.key);
        let was_called = subject.and_then(|subject| self.called(&subject));
        let now = turn.now;
        if !self.directory.shared_mut().take(turn.vault()?, setting, now)? {
            return Ok(());
        }
        let Some(subject) = subject else { return Ok(()) };
        if setting.value.0.is_empty() {
            // Whose name is free once they are gone.
            self.follow(turn, subject)?;
            return self.follow_names(turn, &subject, was_called);
        }
        self.follow_names(turn, &subject, was_called)?;
        self.follow(turn, subject)
    }

    /// What is here is made what the setting says.
    fn follow(&mut self, turn: &mut Turn<'_>, subject: Subject) -> Result<(), StoreError> {
        let value = self.directory.shared().value(turn.vault()?, &subject.key())?;
        let followed = match subject {
            Subject::Contact(of) => match values::Contact::decode(&value) {
                Ok(contact) => Ok(self.follow_contact(turn, of, contact)?),
                Err(error) => Err(error),
            },
            Subject::Verified(of) => match values::Verified::decode(&value) {
                Ok(verified) => Ok(self.follow_verified(turn, of, verified)?),
                Err(error) => Err(error),
            },
            Subject::Blocked(of) => match values::Blocked::decode(&value) {
                Ok(blocked) => Ok(self.follow_blocked(turn, of, blocked)?),
                Err(error) => Err(error),
            },
            Subject::Dropped(of) => match values::Dropped::decode(&value) {
                Ok(dropped) => Ok(self.follow_dropped(turn, of, dropped)?),
                Err(error) => Err(error),
            },
            Subject::Manner(of) => values::Manner::decode(&value).map(|manner| {
                let values::Manner { is_muted, is_pinned, receipts, typing } =
                    manner.unwrap_or_default();
                if self.directory.is_contact(&of) || self.is_shown_room(&of) {
                    let manner = Manner { is_muted, is_pinned, receipts, typing };
                    self.timeline.set_manner(ConversationRef::direct(&of), manner);
                }
            }),
            Subject::Note(of) => match values::Note::decode(&value) {
                Ok(note) => {
                    let text = note.map(|note| note.text).unwrap_or_default();
                    if self.directory.is_contact(&of) && text.len() <= CONTACT_NOTE_BYTES_MAX {
                        self.put_contact_note(turn, &of, text)?;
                    }
                    Ok(())
                }
                Err(error) => Err(error),
            },
            Subject::Timers(of) => values::TimersSet::decode(&value).map(|set| {
                if let Some(set) = set {
                    self.follow_timers(of, set);
                }
            }),
            Subject::Preferences => match values::Preferences::decode(&value) {
                Ok(preferences) => Ok(self.follow_preferences(turn, preferences)?),
                Err(error) => Err(error),
            },
        };
        if let Err(error) = followed {
            tracing::debug!(%error, "a malformed setting is kept, and nothing follows from it");
        }
        Ok(())
    }

    /// The user is in a room now: it is muted and pinned here as on their other devices, if they said so there.
    pub(super) fn follow_manner_in(
        &mut self,
        turn: &mut Turn<'_>,
        room: &RoomId,
    ) -> Result<(), StoreError> {
        let subject = Subject::Manner(room_line(room));
        match self.directory.shared().value(turn.vault()?, &subject.key())?.is_empty() {
            true => Ok(()),
            false => self.follow(turn, subject),
        }
    }

    /// Whether a room that is shown to the user stands there.
    fn is_shown_room(&self, line: &IdentityId) -> bool {
        let known = self.directory.rooms().of_line(line);
        known.is_some_and(|known| known.is_shown(&self.identity))
    }

    fn follow_contact(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        contact: Option<values::Contact>,
    ) -> Result<(), StoreError> {
        let is_contact = self.directory.is_contact(&identity);
        match contact {
            None => {
                if is_contact {
                    self.forget_contact(turn, identity)?;
                }
                let removed_at = self.directory.shared().removed_at(&identity).unwrap_or_default();
                let copies = self.directory.siblings_mut().early_copies_mut();
                copies.forget_of(turn.vault()?, &identity, removed_at)
            }
            Some(contact) if is_contact => {
                self.take_rendezvous(turn, identity, &contact.rendezvous)
            }
            Some(_) if identity == self.identity => Ok(()),
            Some(_) if self.directory.contacts_len() >= CONTACTS_MAX => {
                tracing::warn!("too many contacts: one of another device is none here");
                Ok(())
            }
            Some(contact) => {
                let name = self.directory.shared().name_of(&identity).unwrap_or(contact.name);
                let name = self.free_variant(name);
                let by = (name, None, contact.added_at);
                self.admit_contact(turn, (identity, contact.rendezvous), by)?;
                if self.directory.is_blocked(&identity) {
                    self.keep_away(identity);
                }
                ABOUT_A_CONTACT.iter().try_for_each(|subject| self.follow(turn, subject(identity)))
            }
        }
    }

    fn follow_verified(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        verified: Option<values::Verified>,
    ) -> Result<(), StoreError> {
        let is_news = match verified {
            None => self.directory.unverify(turn.vault()?, &identity)?,
            Some(values::Verified { at, devices }) => {
                self.directory.verify_as(turn.vault()?, &identity, (at, devices))?
            }
        };
        if !is_news {
            return Ok(());
        }
        self.emit(turn, Happened::ContactVerified(identity))?;
        self.send_confirmed(turn, identity)
    }

    fn follow_blocked(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        blocked: Option<values::Blocked>,
    ) -> Result<(), StoreError> {
        match (blocked, self.directory.is_blocked(&identity)) {
            (Some(values::Blocked { rendezvous, since }), false) if identity != self.identity => {
                if self.directory.blocked().check_room().is_err() {
                    tracing::warn!("too many are blocked: one more of another device is not");
                    return Ok(());
                }
                let id = Id { identity, secret: rendezvous.secret };
                self.block_person(turn, &id, since)
            }
            (None, true) => self.unblock_person(turn, identity),
            (Some(_), _) | (None, false) => Ok(()),
        }
    }

    fn follow_dropped(
        &mut self,
        turn: &mut Turn<'_>,
        identity: IdentityId,
        dropped: Option<values::Dropped>,
    ) -> Result<(), StoreError> {
        let is_contact = self.directory.is_contact(&identity);
        match dropped {
            Some(values::Dropped { at }) if !is_contact && identity != self.identity => {
                self.directory.dropped_mut().add(turn.vault()?, identity, at)?;
                self.forget_request(turn, identity)?;
                self.look_for_left_out(turn)
            }
            Some(_) => Ok(()),
            None => self.directory.dropped_mut().remove(turn.vault()?, &identity).map(|_| ()),
        }
    }

    /// Messages of a conversation had timers before this device came. Those that were set last count, whatever was told last.
    fn follow_timers(&mut self, identity: IdentityId, set: values::TimersSet) {
        let values::TimersSet { expire_s, burn_s, set_at, author, id } = set;
        let is_of_both = author == identity || author == self.identity;
        if let Ok(timers) = (Timers { expire_s, burn_s }).check()
            && is_of_both
            && self.directory.is_contact(&identity)
        {
            let set = TimersSet { timers, set_at, author, id };
            self.timeline.set_timers(ConversationRef::direct(&identity), set);
        }
    }

    fn follow_preferences(
        &mut self,
        turn: &mut Turn<'_>,
        preferences: Option<values::Preferences>,
    ) -> Result<(), StoreError> {
        let settings = preferences.map_or_else(SettingsRecord::default, |preferences| {
            let values::Preferences { receipts, typing, snippets, strict_devices } = preferences;
            SettingsRecord { receipts, typing, snippets, strict_devices }
        });
        self.put_settings(turn, settings)
    }

    /// What the user called someone, before that changes.
    fn called(&self, subject: &Subject) -> Option<String> {
        let Subject::Contact(identity) = subject else { return None };
        self.directory.shared().wanted_name_of(identity).map(str::to_owned)
    }

    /// The user called someone otherwise: of several with one name the first has it, on all devices.
    fn follow_names(
        &mut self,
        turn: &mut Turn<'_>,
        subject: &Subject,
        was_called: Option<String>,
    ) -> Result<(), StoreError> {
        let Subject::Contact(_) = subject else { return Ok(()) };
        // What they were called before is free once they are called otherwise.
        let is_called = self.called(subject);
        let was_called = was_called.filter(|was| is_called.as_ref() != Some(was));
        for name in is_called.into_iter().chain(was_called) {
            // The first is the last to be renamed: then the name is free.
            for identity in self.directory.shared().called(&name).into_iter().rev() {
                self.follow_name(turn, identity)?;
            }
        }
        Ok(())
    }

    fn follow_name(&mut self, turn: &mut Turn<'_>, identity: IdentityId) -> Result<(), StoreError> {
        let Some(name) = self.directory.shared().name_of(&identity) else { return Ok(()) };
        let Some(contact) = self.directory.contact(&identity) else { return Ok(()) };
        let from = contact.name().to_owned();
        if from == name {
            return Ok(());
        }
        let name = self.free_variant(name);
        self.rename_as(turn, identity, (from, name))
    }

    /// A name that is free: this one, or with a number behind it.
    fn free_variant(&self, name: String) -> String {
        let is_free = |name: &str| self.directory.identity_of(name).is_none();
        if is_free(&name) {
            return name;
        }
        let variants = (2_u32..).map(|number| format!("{name}-{number}"));
        let mut free = variants.filter(|name| is_free(name));
        free.next().unwrap_or(name)
    }
}
