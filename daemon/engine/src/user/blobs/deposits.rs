//! Own files that depots keep for who is away: which are brought to which, who is told of it, and how they are let go.
//!
//! What lets a file go is on disk before a depot is told anything of it. So nothing stays there that is gone here, but for what no depot could be
//! told in time.

use martlet_protocol::ExpiryHour;
use martlet_protocol::file::ask::{Commitment, PutRefusal};
use martlet_protocol::message::{File, FileContent, FileHolders, Holder, Timers};
use martlet_protocol::{AckSecret, IdentityId};
use martlet_store::StoreError;
use martlet_store::records::{DepositRecord, DepotRecord, FileRecord, FileStage};
use rand_core::Rng;

use super::super::User;
use crate::conversation::{Author, ConversationRef, Place, person};
use crate::kinds;
use crate::limits::DEPOTS_TOLD_MAX;
use crate::observer::Dropped;
use crate::seam::{BlobUse, Deposit, ToBlobs};
use crate::timeline::known;
use crate::turn::Turn;

impl User {
    /// How depots are to keep a file that is about to be sent; `None` if they are not: it goes through mailboxes, or to nobody else.
    pub(super) fn deposit_of(
        &self,
        turn: &mut Turn<'_>,
        place: &Place,
        (file, timers): (&File, Timers),
    ) -> Option<DepositRecord> {
        let FileContent::Blob(blob) = &file.content else { return None };
        let is_own = person(&place.conversation) == self.identity;
        if !self.opened.files.deposits || blob.has_parts || is_own {
            return None;
        }
        let until = match timers.expires_at(turn.now) {
            Some(end) => ExpiryHour::of_use_until(end, turn.now),
            None => ExpiryHour::latest(turn.now),
        };
        Some(DepositRecord { until, secret: secret(turn), depots: Vec::new() })
    }

    /// Has the keeper bring a file to depots.
    pub(super) fn order_deposit(&mut self, file: &FileRecord) {
        // What was sent before the user wanted no depots any more is brought to none, either.
        let is_wanted = self.opened.files.deposits && file.stage == FileStage::Whole;
        let Some(deposit) = file.deposit.as_ref().filter(|_| is_wanted) else { return };
        let DepositRecord { until, secret, depots } = deposit.clone();
        let (release, chooses) = (Commitment::of(&secret), !file.is_received);
        let order = Deposit { until, release, depots, chooses };
        self.timeline.order(ToBlobs::Deposit(known(file), Box::new(order)));
    }

    /// After the vault was opened.
    pub(super) fn order_deposits_anew(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        let with = self.timeline.files().filter(|file| file.deposit.is_some());
        for file in with.cloned().collect::<Vec<_>>() {
            if self.blob_use(turn, &file)? == Some(BlobUse::Serve) {
                self.order_deposit(&file);
            }
        }
        self.timeline.order_releases();
        Ok(())
    }

    /// A depot would be brought a file: from now on it may be.
    pub(super) fn note_depot_chosen(
        &mut self,
        turn: &mut Turn<'_>,
        mut file: FileRecord,
        holder: &Holder,
    ) -> Result<(), StoreError> {
        let is_served = self.blob_use(turn, &file)? == Some(BlobUse::Serve);
        let Some(deposit) = &mut file.deposit else { return Ok(()) };
        let is_known = deposit.depots.iter().any(|it| it.holder.peer == holder.peer);
        let is_full = deposit.depots.len() >= DEPOTS_TOLD_MAX;
        let is_wanted = self.opened.files.deposits && is_served;
        if !is_wanted || file.is_received || is_known || is_full {
            return Ok(());
        }
        deposit.depots.push(DepotRecord { holder: holder.clone(), is_kept: false });
        self.timeline.note_file(turn.vault()?, file.clone())?;
        self.order_deposit(&file);
        Ok(())
    }

    /// A depot has all of a file: those to whom it was sent are told.
    pub(super) fn note_depot_keeps(
        &mut self,
        turn: &mut Turn<'_>,
        mut file: FileRecord,
        peer: &[u8],
    ) -> Result<(), StoreError> {
        let Some(deposit) = &mut file.deposit else { return Ok(()) };
        let mut depots = deposit.depots.iter_mut();
        let Some(depot) = depots.find(|it| it.holder.peer == peer).filter(|it| !it.is_kept) else {
            return Ok(());
        };
        depot.is_kept = true;
        let kept = deposit.depots.iter().filter(|it| it.is_kept);
        let holders = kept.map(|it| it.holder.clone()).collect();
        let (place, is_received) = (file.place, file.is_received);
        self.timeline.note_file(turn.vault()?, file.clone())?;
        self.timeline.note_refusal(file.name, None);
        self.order_deposit(&file);
        let message = self.timeline.message(turn.vault()?, &place)?;
        let Some(message) = message.filter(|_| !is_received) else { return Ok(()) };
        let timers = self.timeline.left(&message, turn.now);
        let body = kinds::file::holders(&FileHolders { file: message.id, holders });
        let when = self.now(turn);
        self.tell_deed(turn, &place, when, body, timers)
    }

    /// A depot does not keep a file.
    pub(super) fn note_depot_refused(
        &mut self,
        turn: &mut Turn<'_>,
        mut file: FileRecord,
        (peer, why): (&[u8], PutRefusal),
    ) -> Result<(), StoreError> {
        let Some(deposit) = &mut file.deposit else { return Ok(()) };
        deposit.depots.retain(|it| it.holder.peer != peer);
        self.timeline.note_file(turn.vault()?, file.clone())?;
        self.timeline.note_refusal(file.name, Some(why));
        self.order_deposit(&file);
        Ok(())
    }

    /// Depots let go what they have of a file whose message stays: its addressee is blocked. If they are no more, it is brought anew.
    pub(super) fn take_back_deposit(
        &mut self,
        turn: &mut Turn<'_>,
        mut file: FileRecord,
    ) -> Result<(), StoreError> {
        let fresh = secret(turn);
        self.timeline.release_deposit(turn.vault()?, &file)?;
        let Some(deposit) = &mut file.deposit else { return Ok(()) };
        *deposit = DepositRecord { until: deposit.until, secret: fresh, depots: Vec::new() };
        self.timeline.note_file(turn.vault()?, file)
    }

    /// Someone tells who has a file of theirs too.
    pub(in crate::user) fn take_file_holders(
        &mut self,
        turn: &mut Turn<'_>,
        (conversation, author): (ConversationRef, Author),
        told: &FileHolders,
    ) -> Result<(), StoreError> {
        // In a room it may be another device of the user's.
        let writer = Some(author.identity).filter(|identity| *identity != self.identity);
        self.learn_holders(turn, (conversation, writer), told)
    }

    /// A file of this person's, or of the user's, is to be had from others, too.
    pub(in crate::user) fn learn_holders(
        &mut self,
        turn: &mut Turn<'_>,
        (conversation, writer): (ConversationRef, Option<IdentityId>),
        FileHolders { file: id, holders }: &FileHolders,
    ) -> Result<(), StoreError> {
        let place = self.timeline.find_of(turn.vault()?, id, writer.as_ref())?;
        let Some(place) = place.filter(|place| place.conversation == conversation) else {
            tracing::debug!("who has a file whose message is not here");
            turn.observer.deed_dropped(Dropped::Gone);
            return Ok(());
        };
        if !self.timeline.add_holders(turn.vault()?, &place, holders)? {
            return Ok(());
        }
        match self.timeline.file(&place).cloned() {
            Some(file) if file.stage == FileStage::Wanted => self.use_blob(turn, &file),
            Some(_) | None => Ok(()),
        }
    }
}

fn secret(turn: &mut Turn<'_>) -> AckSecret {
    let mut secret = AckSecret([0; 16]);
    turn.rng.fill_bytes(&mut secret.0);
    secret
}
