//! What is done with each blob, as the keeper is told it.

use martlet_protocol::IdentityId;
use martlet_store::StoreError;
use martlet_store::records::{FileFailure, FileRecord, FileStage};

use super::super::User;
use super::{author_of, blob_of, wanted};
use crate::conversation::person;
use crate::seam::{BlobUse, ToBlobs};
use crate::timeline::{Live, known};
use crate::turn::Turn;

impl User {
    /// Gathers what the keeper of blobs is to be told: after the vault was opened, all that there is.
    pub(in crate::user) fn tell_blobs(&mut self, turn: &mut Turn<'_>) -> Result<(), StoreError> {
        self.send_parts(turn)?;
        let orders = self.timeline.take_blob_orders();
        if self.timeline.begin_to_tell_files() {
            let files: Vec<FileRecord> = self.timeline.files().cloned().collect();
            let mut all = Vec::with_capacity(files.len());
            for file in files {
                all.extend(self.blob_use(turn, &file)?.map(|does| (known(&file), does)));
            }
            turn.effects.blobs.push(ToBlobs::Known(all));
            // What else was to be done is among it.
            self.order_deposits_anew(turn)?;
            turn.effects.blobs.extend(self.timeline.take_blob_orders());
        }
        turn.effects.blobs.extend(orders);
        Ok(())
    }

    /// What is done with a blob now; `None` if there is none. While someone is blocked nothing is fetched that they sent, and nothing given
    /// that is theirs alone.
    pub(super) fn blob_use(
        &mut self,
        turn: &mut Turn<'_>,
        file: &FileRecord,
    ) -> Result<Option<BlobUse>, StoreError> {
        let is_blocked = self.directory.is_blocked(&person(&file.place.conversation));
        Ok(match file.stage {
            FileStage::Whole if is_blocked => Some(BlobUse::Rest),
            FileStage::Whole => Some(BlobUse::Serve),
            FileStage::Failed(FileFailure::DiskLow | FileFailure::Disk) | FileStage::Collected => {
                Some(BlobUse::Rest)
            }
            FileStage::Failed(FileFailure::Corrupt | FileFailure::Lost) | FileStage::Refused => {
                None
            }
            FileStage::Wanted => {
                let message = self.timeline.message(turn.vault()?, &file.place)?;
                let author = message.as_ref().map(|message| author_of(message, &file.place));
                if is_blocked || author.is_some_and(|author| self.directory.is_blocked(&author)) {
                    let live = Live { is_waiting: true, ..self.timeline.live(&file.name) };
                    self.timeline.note_live(file.name, live);
                    return Ok(Some(BlobUse::Rest));
                }
                let blob = message.as_ref().and_then(blob_of);
                blob.map(|blob| BlobUse::Fetch(Box::new(wanted(&blob))))
            }
        })
    }

    pub(super) fn use_blob(
        &mut self,
        turn: &mut Turn<'_>,
        file: &FileRecord,
    ) -> Result<(), StoreError> {
        let Some(does) = self.blob_use(turn, file)? else { return Ok(()) };
        let is_served = does == BlobUse::Serve;
        self.timeline.use_blob(known(file), does);
        if is_served {
            self.order_deposit(file);
        }
        Ok(())
    }

    /// Someone is blocked, or is no more: what was fetched from them, or given to them, is so no more, or again.
    pub(in crate::user) fn use_blobs_anew(
        &mut self,
        turn: &mut Turn<'_>,
        identity: &IdentityId,
    ) -> Result<(), StoreError> {
        let rooms = self.directory.rooms();
        let concerned = self.timeline.files().filter(|file| {
            let line = person(&file.place.conversation);
            line == *identity || file.stage == FileStage::Wanted && rooms.is_line(&line)
        });
        for file in concerned.cloned().collect::<Vec<_>>() {
            let line = person(&file.place.conversation);
            if line == *identity && self.directory.is_blocked(&line) {
                self.take_back_deposit(turn, file.clone())?;
            }
            self.use_blob(turn, &file)?;
        }
        Ok(())
    }
}
