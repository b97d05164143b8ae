//! What time makes due: the agenda is read, and what is due is done.

use std::time::Duration;

use martlet_protocol::{ExpiryHour, IdentityId, UnixMillis};
use martlet_store::StoreError;

use super::User;
use super::openings::Bringer;
use crate::agenda::{Due, What};
use crate::observer::Dropped;
use crate::timeline::Line;
use crate::turn::Turn;

/// A day.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How often it is seen whose failed openings are paid for, while there are any.
const DEBTS_SEEN_EVERY: Duration = Duration::from_secs(1);

impl User {
    /// What time has made due.
    pub(crate) fn tick(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let has_begun = self.agenda.has_begun();
        if !has_begun {
            self.timeline.wait_anew(turn.now);
        }
        if !has_begun {
            self.refuse_former_code(turn)?;
        }
        if self.agenda.is_unread() {
            self.read_agenda(turn.now, turn.steady);
        }
        // There may be room by now.
        self.unfinished.fill_mailbox(true);
        if has_begun {
            self.acks.forget_replayed(turn.steady);
        }
        self.plan_ended();
        let due = self.agenda.take_due(turn.now, turn.sure, turn.steady);
        self.release_held(turn, due.iter().filter_map(What::held))?;
        let mut to_look_up = Vec::new();
        for what in due {
            match what {
                // All of them were shown above: there is one bound for all.
                What::Held(_) => {}
                What::Day => self.do_chores(turn)?,
                What::Bundle => self.publish_bundle_in_time(turn)?,
                What::Handle => self.publish_claim_in_time(turn)?,
                What::End(_) => self.unfinished.end_envelopes(),
                What::Ended => self.unfinished.end_messages(),
                What::Pings => self.end_pings(turn)?,
                What::Waiting(identity) => self.send_waiting(turn, identity)?,
                What::LookUp(identity) => to_look_up.push(identity),
                What::Debts => self.forget_debts(turn.steady),
                What::Shred => self.look_at_shred(turn.now, turn.steady),
            }
        }
        self.tell_untold(turn)?;
        self.tell_profiles(turn)?;
        self.greet_some(turn)?;
        self.end_long_asking(turn)?;
        self.tell_untold_state(turn)?;
        self.give_some(turn)?;
        self.tell_past(turn)?;
        self.ask_for_past(turn)?;
        self.make_good(turn)?;
        self.tell_progress(turn)?;
        self.end_sibling_waits(turn)?;
        self.look_up_bundles(turn, to_look_up);
        Ok(())
    }

    /// Once a day, after a start and where the clock has stepped. Here everything may be looked through.
    fn do_chores(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        self.agenda.begin_day(turn.now.day());
        self.keyring.keep_certificate(turn.vault()?)?;
        self.keep_own_state(turn)?;
        let appeared = self.timeline.read_unknown_again(turn.vault()?)?;
        self.tell_appeared(turn, appeared)?;
        let sure = turn.sure;
        let forgotten = self.timeline.forget_early(turn.vault()?, sure)?;
        (0..forgotten).for_each(|_| turn.observer.deed_dropped(Dropped::Waited));
        self.review_early_copies(turn)?;
        self.note_put_back(turn)?;
        self.readdress_outbox(turn)?;
        self.restore_outbox(turn)?;
        self.replay_recent_acks(turn)?;
        self.tell_interest(turn);
        self.note_absence(turn)?;
        self.review_bundle(turn)?;
        self.review_handle(turn)?;
        self.watch_bundles(turn)?;
        self.greet_rooms(turn)?;
        self.renew_sessions(turn, None)?;
        self.directory.blocked_mut().forget_old(turn.vault()?, sure)?;
        self.directory.invites_mut().forget_old(turn.vault()?, sure)?;
        self.directory.forget_ended_invites(turn.vault()?, sure)?;
        self.directory.tell_all_untold();
        self.keyring.identities.tell_all_untold();
        self.forget_old_olm(turn)?;
        self.tell_ends(turn)?;
        self.move_old_requests(turn)?;
        self.resume_parts(turn)?;
        self.end_old_parts(turn)?;
        self.timeline.forget_old_releases(turn.vault()?, sure)?;
        self.unfinished.end_old();
        self.read_agenda(turn.now, turn.steady);
        Ok(())
    }

    /// Reads the agenda from what the owners have.
    fn read_agenda(&mut self, now: UnixMillis, steady: Duration) {
        self.agenda.begin();
        let today = now.day();
        let tomorrow = UnixMillis(0).plus(today.0.saturating_add(1) * DAY);
        let is_done = self.agenda.day() == Some(today);
        self.agenda.set(What::Day, Due::Now(if is_done { tomorrow } else { now }));
        self.plan_bundle(now);
        self.plan_handle(now);
        for line in self.timeline.waiting() {
            self.plan_held(line, now);
        }
        for hour in self.outbox.hours() {
            self.plan_end(hour);
        }
        self.plan_ended();
        self.plan_pings();
        for identity in self.outbox.waited_for() {
            self.plan_waiting(identity, now);
            if self.directory.rooms().is_line(&identity) {
                // Nobody's keys are waited for: what can be sent goes.
                self.unfinished.send_later(identity);
            }
        }
        let people = self.directory.people().identities();
        for identity in self.directory.identities().chain(people).copied().collect::<Vec<_>>() {
            self.plan_lookup(identity, now);
        }
        self.plan_debts(steady);
        self.plan_shred(steady);
    }

    /// When the bundle of the day is to be published.
    pub(super) fn plan_bundle(&mut self, now: UnixMillis) {
        let next = self.counters.next_bundle;
        let today = now.day().0;
        let is_published = self.counters.published_day == today;
        let tomorrow = UnixMillis(0).plus(today.saturating_add(1) * DAY);
        let due = if is_published { next.max(tomorrow) } else { next };
        let due = self.is_active().then_some(Due::Now(due));
        self.agenda.set(What::Bundle, due);
    }

    /// When what is held back of a line has waited long enough.
    pub(super) fn plan_held(&mut self, line: Line, now: UnixMillis) {
        self.agenda.set(What::Held(line), self.timeline.over_at(&line, now).map(Due::Now));
    }

    /// Own envelopes end with this hour.
    pub(super) fn plan_end(&mut self, hour: ExpiryHour) {
        self.agenda.set(What::End(hour), Due::Sure(hour.instant()));
    }

    /// When own pings are of no use.
    pub(super) fn plan_pings(&mut self) {
        self.agenda.set(What::Pings, self.pings.next_due().map(Due::Steady));
    }

    /// When what waits for the keys of `identity` can be sent, if nothing new comes: with any bundle that does,
    /// it is sent at once.
    pub(super) fn plan_waiting(&mut self, identity: IdentityId, now: UnixMillis) {
        let is_waiting = self.outbox.first_waiting(&identity).is_some();
        let may_send = is_waiting
            && !self.directory.is_blocked(&identity)
            && !self.needs_confirmation(&identity)
            && self.is_active();
        let bundles = self.directory.bundles_of(&identity).filter(|_| may_send);
        let due = bundles.and_then(|bundles| bundles.usable_from(now));
        self.agenda.set(What::Waiting(identity), due.map(Due::Now));
    }

    /// When the bundles of a contact are to be looked up, if they are in another shard.
    pub(super) fn plan_lookup(&mut self, identity: IdentityId, now: UnixMillis) {
        let is_elsewhere = !self.kept.contains(self.shard_of(&identity));
        let is_wanted = is_elsewhere && !self.keyring.identities.is_terminated(&identity);
        let due = self.directory.lookup_due(&identity, now).filter(|_| is_wanted);
        self.agenda.set(What::LookUp(identity), due.map(Due::Now));
    }

    /// While there are any openings to be paid for.
    pub(super) fn plan_debts(&mut self, steady: Duration) {
        if self.openings.has_debtors() {
            self.agenda.set_if_none(What::Debts, Due::Steady(steady + DEBTS_SEEN_EVERY));
        }
    }

    /// An opening that failed, or of someone unknown, is to be paid for.
    pub(super) fn count_unwanted(&mut self, bringer: Bringer, steady: Duration) {
        self.openings.unwanted(bringer, steady);
        self.plan_debts(steady);
    }

    fn forget_debts(&mut self, steady: Duration) {
        self.openings.forget_paid(steady);
        self.plan_debts(steady);
    }

    /// Nothing more is due of `identity`, who is no contact any more.
    pub(super) fn plan_nothing_of(&mut self, identity: IdentityId) {
        self.agenda.set(What::Waiting(identity), None);
        self.agenda.set(What::LookUp(identity), None);
    }
}

#[cfg(test)]
mod tests;
