//! Which blobs there are, as the engine told, and which are being made, of which it does not know yet.

use std::collections::{HashMap, HashSet};

use martlet_engine::KnownBlob;
use martlet_protocol::BlobId;
use martlet_protocol::message::Holder;
use martlet_store::blobs::BlobName;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::stream::Cancelled;

#[derive(Default)]
pub(super) struct Known {
    blobs: HashMap<BlobName, Entry>,
    /// Names of blobs that are being made, until the engine tells of them.
    made: HashSet<BlobName>,
    /// Told when the vault is closed, and at the end.
    closing: watch::Sender<bool>,
}

pub(super) struct Entry {
    id: BlobId,
    size: u64,
    pub(super) is_whole: bool,
    pub(super) fetch: Option<Fetching>,
}

pub(super) struct Fetching {
    pub(super) cancel: watch::Sender<bool>,
    pub(super) task: JoinHandle<()>,
    /// Of whom it is asked.
    pub(super) holders: Vec<Holder>,
}

impl Known {
    /// One that the engine tells of.
    pub(super) fn entry(&mut self, blob: &KnownBlob) -> &mut Entry {
        let KnownBlob { name, id, size } = *blob;
        self.made.remove(&name);
        let new = Entry { id, size, is_whole: false, fetch: None };
        self.blobs.entry(name).or_insert(new)
    }

    /// One that it does not know any more.
    pub(super) fn remove(&mut self, name: &BlobName) -> Option<Entry> {
        self.blobs.remove(name)
    }

    /// One that it told of.
    pub(super) fn get_mut(&mut self, name: &BlobName) -> Option<&mut Entry> {
        self.blobs.get_mut(name)
    }

    /// Those that it told of before, and are not among these.
    pub(super) fn others_than(&self, names: &HashSet<BlobName>) -> Vec<BlobName> {
        self.blobs.keys().filter(|name| !names.contains(*name)).copied().collect()
    }

    /// One is being made.
    pub(super) fn begin(&mut self, name: BlobName) {
        self.made.insert(name);
    }

    /// Whether it is being made, or was and the engine did not tell of it yet. What the engine told before does not say that it is unknown.
    pub(super) fn is_made(&self, name: &BlobName) -> bool {
        self.made.contains(name)
    }

    /// It was not made, or its message was not committed; whether its files are to go. They stay if the engine told of it nevertheless.
    pub(super) fn end(&mut self, name: &BlobName) -> bool {
        self.made.remove(name);
        !self.blobs.contains_key(name)
    }

    /// What a whole one is called.
    pub(super) fn whole(&self, id: &BlobId, size: Option<u64>) -> Option<BlobName> {
        let found = self.blobs.iter().find(|(_, entry)| {
            entry.is_whole && entry.id == *id && size.is_none_or(|size| size == entry.size)
        });
        found.map(|(name, _)| *name)
    }

    pub(super) fn note_whole(&mut self, name: &BlobName, is_whole: bool) {
        if let Some(entry) = self.blobs.get_mut(name) {
            entry.is_whole = is_whole;
        }
    }

    /// Told once the vault is closed.
    pub(super) fn closing(&self) -> Cancelled {
        self.closing.subscribe()
    }

    /// The vault is closed: ends what has a key.
    pub(super) fn close(&mut self) {
        std::mem::take(&mut self.closing).send_replace(true);
        self.blobs.values().for_each(Entry::cancel);
    }
}

impl Entry {
    pub(super) fn cancel(&self) {
        if let Some(fetch) = &self.fetch {
            fetch.cancel.send_replace(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stream::is_cancelled;
    use super::*;

    const NAME: BlobName = BlobName([1; 16]);

    fn blob() -> KnownBlob {
        KnownBlob { name: NAME, id: BlobId([2; 32]), size: 65_536 }
    }

    /// The vault is opened, and the engine lists what it knows. A file is sent meanwhile, and its message committed. Then the directory is
    /// cleared of all that was not listed: with it went the file.
    #[test]
    fn what_was_sent_since_the_engine_listed_what_it_knows_is_not_cleared() {
        let mut known = Known::default();
        known.begin(NAME);
        // Its message is committed; the engine's word of that waits behind the list.
        assert!(known.is_made(&NAME));
        known.entry(&blob()).is_whole = true;
        assert!(!known.is_made(&NAME) && known.others_than(&HashSet::from([NAME])).is_empty());
        assert_eq!(known.whole(&blob().id, None), Some(NAME));
        // Whoever sent it heard of a failure, or nothing: the engine's word counts.
        assert!(!known.end(&NAME));
        known.remove(&NAME);
        known.begin(NAME);
        assert!(known.end(&NAME) && !known.is_made(&NAME));
    }

    #[test]
    fn what_has_a_key_ends_when_the_vault_is_closed_and_what_begins_after_that_does_not() {
        let mut known = Known::default();
        let before = known.closing();
        assert!(!is_cancelled(&before));
        known.close();
        assert!(is_cancelled(&before) && !is_cancelled(&known.closing()));
    }
}
