//! What a node keeps for others: sealed files that their senders bring, so that who was away can fetch them while the sender is off.
//!
//! A depot knows of each its id, its size, which peer brought it, and until when it stays: at most six days by its own clock. Nothing
//! goes for the sake of something else. Whoever is full refuses.
//!
//! All of it is in a directory of its own, and nothing in a database: a node that has no user and no vault can be a depot. The note of a
//! blob is on disk before anything of it is. It is whole once it has its last name, as any blob; so a crash makes nothing be
//! there that is not, and what came in part goes on, or goes.
//!
//! The time is an argument. It works with files, and waits for the disk.

mod note;

use std::collections::{HashMap, HashSet};
use std::io;

use martlet_protocol::file::ask::{Commitment, Put, PutRefusal, Release};
use martlet_protocol::limits::ENVELOPE_LIFETIME_MAX;
use martlet_protocol::{BlobId, UnixMillis};
use rand_core::Rng;

use super::{BlobDir, BlobName};
use crate::limits::{DEPOT_BLOBS_MAX, DEPOT_PEER_PART, DEPOT_UNFINISHED_MAX};
use note::Note;

/// All that is kept for others.
#[derive(Debug)]
pub struct Depot {
    directory: BlobDir,
    bytes_max: u64,
    /// By id and size: whoever brings one says both, and only the right size makes it whole.
    kept: HashMap<(BlobId, u64), Kept>,
}

#[derive(Debug)]
struct Kept {
    name: BlobName,
    until: UnixMillis,
    from: Vec<u8>,
    releases: Vec<Commitment>,
    stage: Stage,
}

/// How far one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// All of it is on disk.
    Whole,
    /// Some of it is; since when nothing more came.
    Part(UnixMillis),
    /// It is just being brought.
    Coming,
}

/// What comes of a wish to bring a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It is here, whole.
    Have,
    /// It is just being brought.
    Busy,
    /// It is not kept.
    Refused(PutRefusal),
    /// It is taken under this name. [`Depot::end`] is called once that is over.
    Take(BlobName),
}

/// What comes of a wish to let a blob go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetGo {
    /// It is gone.
    Gone,
    /// It was not here.
    NotHere,
    /// The secret opens no commitment of it: nobody who may asks so.
    False,
}

/// How much is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Holds {
    /// Blobs, whole or not.
    pub blobs: u64,
    /// Their bytes. One that is not whole counts as all of it.
    pub bytes: u64,
    /// Bytes that may be kept.
    pub bytes_max: u64,
}

impl Depot {
    /// The depot in a directory, which may hold `bytes_max` bytes; 0 for none: then what is there goes. So does what nobody has a
    /// note of, and what is over. More than is allowed stays until it is over: the bound was another when it came.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(directory: BlobDir, bytes_max: u64, now: UnixMillis) -> io::Result<Self> {
        let mut kept = HashMap::new();
        let notes = if bytes_max == 0 { Vec::new() } else { directory.notes()? };
        for (name, note) in notes {
            if note.until <= now {
                continue;
            }
            let Note { id, size, until, from, releases } = note;
            let stage = match directory.whole(&name, &id, size) {
                Ok(_) => Stage::Whole,
                Err(_) => Stage::Part(now),
            };
            // No clock makes it stay longer than one of now would.
            let until = until.min(now.plus(ENVELOPE_LIFETIME_MAX));
            kept.insert((id, size), Kept { name, until, from: from.into_vec(), releases, stage });
        }
        let names: HashSet<_> = kept.values().map(|it| it.name).collect();
        directory.keep_only(|name| names.contains(name))?;
        Ok(Self { directory, bytes_max, kept })
    }

    /// A peer would bring a blob. If it is taken, the note of that is on disk when this returns.
    pub fn begin(&mut self, from: &[u8], put: &Put, now: UnixMillis, rng: &mut impl Rng) -> Begun {
        if self.bytes_max == 0 {
            return Begun::Refused(PutRefusal::NoDepot);
        }
        self.sweep(now);
        if let Some(kept) = self.kept.get_mut(&(put.id, put.size)) {
            return match kept.stage {
                Stage::Whole => Begun::Have,
                Stage::Coming => Begun::Busy,
                Stage::Part(_) => {
                    kept.stage = Stage::Coming;
                    Begun::Take(kept.name)
                }
            };
        }
        if put.expiry.is_past(now) {
            return Begun::Refused(PutRefusal::Over);
        }
        if let Some(why) = self.lack(from, put.size) {
            return Begun::Refused(why);
        }
        let name = BlobName::random(rng);
        let until = put.expiry.instant().min(now.plus(ENVELOPE_LIFETIME_MAX));
        let Put { id, size, releases, .. } = put.clone();
        let note = Note { id, size, until, from: from.to_vec().into(), releases };
        if self.directory.write_note(&name, &note).is_err() {
            self.directory.remove(&name).unwrap_or_default();
            return Begun::Refused(PutRefusal::Disk);
        }
        let Note { from, releases, .. } = note;
        let (from, stage) = (from.into_vec(), Stage::Coming);
        self.kept.insert((id, size), Kept { name, until, from, releases, stage });
        Begun::Take(name)
    }

    /// Whose share so many bytes more would be over.
    fn lack(&self, from: &[u8], size: u64) -> Option<PutRefusal> {
        let of_peer = self.kept.iter().filter(|(_, kept)| kept.from == from);
        let (count, bytes) = of_peer.fold((0, 0), |(count, bytes), ((_, size), _)| {
            (count + 1, u64::saturating_add(bytes, *size))
        });
        let part = usize::try_from(DEPOT_PEER_PART).unwrap_or(usize::MAX);
        let share = self.bytes_max / DEPOT_PEER_PART;
        if bytes.saturating_add(size) > share || count >= DEPOT_BLOBS_MAX / part {
            return Some(PutRefusal::Share);
        }
        let Holds { bytes, blobs, .. } = self.holds();
        let is_full = bytes.saturating_add(size) > self.bytes_max;
        (is_full || blobs >= DEPOT_BLOBS_MAX as u64).then_some(PutRefusal::Full)
    }

    /// Nobody brings it any more for now. Whether it is here, whole or in part.
    pub fn end(&mut self, put: &Put, name: &BlobName, is_whole: bool, now: UnixMillis) -> bool {
        match self.kept.get_mut(&(put.id, put.size)).filter(|kept| kept.name == *name) {
            Some(kept) => {
                kept.stage = if is_whole { Stage::Whole } else { Stage::Part(now) };
                true
            }
            // It was let go, or was over, while it came: what was written since goes.
            None => {
                self.directory.remove(name).unwrap_or_default();
                false
            }
        }
    }

    /// One that was about to be taken is not, for want of room: nothing of it stays.
    pub fn give_up(&mut self, put: &Put) {
        if self.kept.get(&(put.id, put.size)).is_some_and(|kept| kept.stage == Stage::Coming) {
            self.forget(&(put.id, put.size)).unwrap_or_default();
        }
    }

    /// Lets a blob go, if the secret opens one of its commitments. Then no crash brings it back.
    pub fn let_go(&mut self, release: &Release) -> LetGo {
        let of_id: Vec<_> = self.kept.keys().filter(|(id, _)| *id == release.id).copied().collect();
        let opened = Commitment::of(&release.secret);
        let slot = usize::from(release.slot);
        let mut answer = if of_id.is_empty() { LetGo::NotHere } else { LetGo::False };
        for key in of_id {
            let is_his = |kept: &Kept| kept.releases.get(slot) == Some(&opened);
            if self.kept.get(&key).is_some_and(is_his) {
                // What can't be unlinked now goes at the next start.
                self.forget(&key).and_then(|()| self.directory.sync()).unwrap_or_default();
                answer = LetGo::Gone;
            }
        }
        answer
    }

    /// What a whole one is called.
    #[must_use]
    pub fn named(&self, id: &BlobId, size: Option<u64>) -> Option<BlobName> {
        let found = self.kept.iter().find(|((of, bytes), kept)| {
            of == id && size.is_none_or(|size| size == *bytes) && kept.stage == Stage::Whole
        });
        found.map(|(_, kept)| kept.name)
    }

    /// The disk has lost or damaged it.
    pub fn lost(&mut self, name: &BlobName) {
        let found = self.kept.iter().find(|(_, kept)| kept.name == *name).map(|(key, _)| *key);
        if let Some(key) = found {
            self.forget(&key).unwrap_or_default();
        }
    }

    /// Removes what is over, and what came in part and did not go on.
    pub fn sweep(&mut self, now: UnixMillis) {
        let is_over = |kept: &Kept| {
            let is_left = |since: UnixMillis| now.since(since) >= DEPOT_UNFINISHED_MAX;
            kept.until <= now || matches!(kept.stage, Stage::Part(since) if is_left(since))
        };
        let over = self.kept.iter().filter(|(_, kept)| is_over(kept)).map(|(key, _)| *key);
        for key in over.collect::<Vec<_>>() {
            self.forget(&key).unwrap_or_default();
        }
    }

    fn forget(&mut self, key: &(BlobId, u64)) -> io::Result<()> {
        match self.kept.remove(key) {
            Some(kept) => self.directory.remove(&kept.name),
            None => Ok(()),
        }
    }

    /// How much is here.
    #[must_use]
    pub fn holds(&self) -> Holds {
        let bytes = self.kept.keys().fold(0, |bytes: u64, (_, size)| bytes.saturating_add(*size));
        Holds { blobs: self.kept.len() as u64, bytes, bytes_max: self.bytes_max }
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &BlobDir {
        &self.directory
    }
}
