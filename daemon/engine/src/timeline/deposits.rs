//! Own files that depots keep: what is to be let go there, and who refused. And who has others' files.

use std::collections::{BTreeMap, HashMap};

use martlet_protocol::UnixMillis;
use martlet_protocol::control::DepotRefusal as Shown;
use martlet_protocol::file::ask::{Commitment, PutRefusal};
use martlet_protocol::limits::HOLDERS_MAX;
use martlet_protocol::message::{File, FileContent, Holder};
use martlet_store::blobs::BlobName;
use martlet_store::records::{Body, FileRecord, RELEASES, ReleaseRecord};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

use super::Timeline;
use crate::conversation::Place;
use crate::kinds;
use crate::limits::RELEASES_MAX;
use crate::seam::ToBlobs;

/// What is to be let go, and why files are not kept.
#[derive(Default)]
pub(super) struct Deposits {
    releases: BTreeMap<BlobName, ReleaseRecord>,
    refusals: HashMap<BlobName, PutRefusal>,
}

impl Timeline {
    pub(super) fn load_releases(&mut self, records: &VaultTxn) -> Result<(), StoreError> {
        records.for_each(&RELEASES, |release: ReleaseRecord| {
            self.files.deposits.releases.insert(named(&release), release);
        })
    }

    /// Has depots let go what they have of a file, once that is committed.
    pub(crate) fn release_deposit(
        &mut self,
        records: &mut VaultTxn,
        file: &FileRecord,
    ) -> Result<(), StoreError> {
        self.files.deposits.refusals.remove(&file.name);
        let Some(deposit) = file.deposit.as_ref().filter(|it| !it.depots.is_empty()) else {
            return Ok(());
        };
        let depots = deposit.depots.iter().map(|it| it.holder.peer.clone()).collect();
        let (blob, until, secret) = (file.blob, deposit.until, deposit.secret.clone());
        let release = ReleaseRecord { blob, until, secret, depots };
        let releases = &mut self.files.deposits.releases;
        while releases.len() >= RELEASES_MAX {
            // The one that ends by itself first.
            let first = releases.iter().min_by_key(|(_, it)| it.until).map(|(name, _)| *name);
            let Some(first) = first else { break };
            releases.remove(&first);
            records.delete(&RELEASES, Key::Named(&first.0))?;
        }
        let name = named(&release);
        records.put(&RELEASES, Key::Named(&name.0), &release)?;
        releases.insert(name, release.clone());
        self.order(ToBlobs::Release(name, Box::new(release)));
        Ok(())
    }

    /// A depot has let something go.
    pub(crate) fn note_released(
        &mut self,
        records: &mut VaultTxn,
        name: &BlobName,
        peer: &[u8],
    ) -> Result<(), StoreError> {
        let releases = &mut self.files.deposits.releases;
        let Some(release) = releases.get_mut(name) else { return Ok(()) };
        release.depots.retain(|it| it != peer);
        if release.depots.is_empty() {
            releases.remove(name);
            return records.delete(&RELEASES, Key::Named(&name.0)).map(drop);
        }
        records.put(&RELEASES, Key::Named(&name.0), release)
    }

    /// After the vault was opened: what is to be let go still.
    pub(crate) fn order_releases(&mut self) {
        let releases = self.files.deposits.releases.clone();
        for (name, release) in releases {
            self.order(ToBlobs::Release(name, Box::new(release)));
        }
    }

    /// What ended by itself need not be let go.
    pub(crate) fn forget_old_releases(
        &mut self,
        records: &mut VaultTxn,
        sure: UnixMillis,
    ) -> Result<(), StoreError> {
        let releases = &mut self.files.deposits.releases;
        for (name, _) in releases.extract_if(.., |_, release| release.until.is_past(sure)) {
            records.delete(&RELEASES, Key::Named(&name.0))?;
        }
        Ok(())
    }

    /// Why a depot does not keep a file; `None` once one does.
    pub(crate) fn note_refusal(&mut self, name: BlobName, why: Option<PutRefusal>) {
        match why {
            Some(why) => self.files.deposits.refusals.insert(name, why),
            None => self.files.deposits.refusals.remove(&name),
        };
    }

    /// How many depots keep a file, if any are to; and why none does.
    pub(super) fn told_deposit(&self, file: &FileRecord) -> (Option<u32>, Option<Shown>) {
        let Some(deposit) = &file.deposit else { return (None, None) };
        let kept = deposit.depots.iter().filter(|it| it.is_kept).count();
        let why = self.files.deposits.refusals.get(&file.name).filter(|_| kept == 0);
        (u32::try_from(kept).ok(), why.map(|why| shown(*why)))
    }

    /// Notes in the message of a file who has it, too; whether that is news. There are never more than [`HOLDERS_MAX`]: those that its message
    /// named first stay, as long as there is room.
    pub(crate) fn add_holders(
        &mut self,
        records: &mut VaultTxn,
        place: &Place,
        told: &[Holder],
    ) -> Result<bool, StoreError> {
        self.mark(records, place, |message, _| {
            let Body::Raw { kind: kinds::file::KIND, bytes } = &message.body else { return false };
            let Ok(mut file) = File::decode(bytes) else { return false };
            let FileContent::Blob(blob) = &mut file.content else { return false };
            let before = blob.holders.clone();
            blob.holders.retain(|it| !told.iter().any(|other| other.peer == it.peer));
            blob.holders.truncate(HOLDERS_MAX.saturating_sub(told.len()));
            blob.holders.extend_from_slice(told);
            blob.holders.truncate(HOLDERS_MAX);
            if blob.holders == before {
                return false;
            }
            message.body = kinds::file::body(&file);
            true
        })
    }
}

/// A release is called by its commitment: a blob that is brought anew has another.
fn named(release: &ReleaseRecord) -> BlobName {
    BlobName(Commitment::of(&release.secret).0)
}

fn shown(why: PutRefusal) -> Shown {
    match why {
        PutRefusal::Share => Shown::Share,
        PutRefusal::Full => Shown::Full,
        PutRefusal::Disk => Shown::DiskLow,
        PutRefusal::NoDepot | PutRefusal::Over => Shown::Other,
    }
}
