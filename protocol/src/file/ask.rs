//! What nodes ask each other on a stream of the protocol `/martlet/<network>/blob/1`: one question, and its answer.
//!
//! A question is its length as a u16 (big endian) and its encoding, at most [`BLOB_QUESTION_BYTES_MAX`] bytes:
//!
//! | number | question | answer |
//! | --- | --- | --- |
//! | 0 | get `{0: blob id 32, 1: size u64, 2: groups [[first u32, count u32]]}` | a byte: see [`GetAnswer`] |
//! | 1 | have `{0: [blob id 32]}`, at most 64 | a bit for each, the first the highest of the first byte |
//! | 2 | put `{0: blob id 32, 1: size u64, 2: expiry u32, 3: [release commitment 16]}`, 1 to 8 of these | a byte: see [`PutAnswer`] |
//! | 3 | release `{0: blob id 32, 1: slot u8, 2: secret 16}` | a byte: 1 if it was let go, else 0 |
//!
//! After the answer 0 to *get* the groups follow, as [`blob::send`](super::blob::send) writes them. After 3 a length and the
//! groups that there are follow, as in the question.
//!
//! After the answer 0 to *put* a length and the groups that are missing follow, as in *get*: 64 MiB of them at most. The asker sends
//! these, and gets a second answer: 5 if the blob is whole, 6 if it has to ask again for the rest. After 4 a byte says why, see
//! [`PutRefusal`]. A node keeps blobs for others if identify lists the protocol `/martlet/<network>/depot/1`, on whose streams the same
//! questions are asked.
//!
//! *Release* lets a kept blob go at once, by whichever of its commitments the secret opens.
//!
//! Who knows a blob's id may have its bytes: ids are told in encrypted messages alone. What a question claims is
//! checked before anything is read or allocated for it.

use serde::{Deserialize, Serialize};

use super::blob::groups;
use super::sealed::Layout;
use crate::ack::AckSecret;
use crate::codec::{self, CodecError};
use crate::ids::BlobId;
use crate::limits::{
    BLOB_GROUPS_ASKED_MAX, BLOB_HAVE_MAX, BLOB_QUESTION_BYTES_MAX, BLOB_RANGES_MAX, FILE_BYTES_MAX,
    SLOTS_MAX,
};
use crate::time::ExpiryHour;

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// Send groups of a blob.
    Get(Get),
    /// Which of these are here.
    Have(Have),
    /// Keep a blob.
    Put(Put),
    /// Let a kept blob go.
    Release(Release),
}

/// Asks for groups of a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Get {
    /// Of which.
    pub id: BlobId,
    /// How many bytes it has.
    pub size: u64,
    /// Which.
    pub groups: Groups,
}

/// Asks which blobs are here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Have {
    /// Which are asked for.
    pub ids: Vec<BlobId>,
}

/// Asks to keep a blob.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Put {
    /// Which.
    pub id: BlobId,
    /// How many bytes it has.
    pub size: u64,
    /// Until when.
    pub expiry: ExpiryHour,
    /// The commitments of those who may let it go before.
    pub releases: Vec<Commitment>,
}

/// A commitment to a secret, as envelopes have them for acks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Commitment(#[serde(with = "serde_bytes")] pub [u8; 16]);

/// Lets a kept blob go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// Which.
    pub id: BlobId,
    /// Whose commitment the secret opens.
    pub slot: u8,
    /// The secret.
    pub secret: AckSecret,
}

/// Some groups of a blob: ranges that do not touch, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Groups(Vec<(u32, u32)>);

/// How *get* is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GetAnswer {
    /// 0: the groups follow.
    Sending,
    /// 1: the blob is not here.
    NotHere,
    /// 2: others are served; ask again later.
    Busy,
    /// 3: not all of these are here; those that are follow.
    Only,
    /// 4: the asker had its share.
    Refused,
}

/// How *put* is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutAnswer {
    /// 0: send the groups that follow.
    Send,
    /// 1: it is here, whole, until the expiry that it was first put with.
    Have,
    /// 2: others bring blobs, or this one is just being brought; ask again later.
    Busy,
    /// 4: it is not kept, and why follows.
    Refused,
    /// 5: it is on disk, whole.
    Kept,
    /// 6: what was sent is on disk; ask again for the rest.
    More,
}

/// Why *put* is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutRefusal {
    /// 0: this node keeps nothing for others.
    NoDepot,
    /// 1: the asker has its share, or would have more.
    Share,
    /// 2: all that may be kept is taken.
    Full,
    /// 3: the disk has too little room.
    Disk,
    /// 4: it would have ended already.
    Over,
}

/// Why a question is refused: who asks it is a broken peer.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    /// Malformed.
    #[error("question about a blob: {0}")]
    Codec(#[from] CodecError),
    /// No blob has this size.
    #[error("a blob of {found} bytes: there is none")]
    Size {
        /// The size.
        found: u64,
    },
    /// The groups are none, too many, out of order, or beyond the blob.
    #[error(
        "the groups of a blob that are asked for are none, too many, not in order, or beyond it"
    )]
    Groups,
    /// Too many ids, or none.
    #[error("{found} blobs are asked for: 1 to {BLOB_HAVE_MAX} can be")]
    Ids {
        /// How many.
        found: usize,
    },
    /// No slot has this number, or there are too many.
    #[error("{found} is no number of a slot, or of slots")]
    Slots {
        /// The number.
        found: usize,
    },
}

impl Question {
    /// Its bytes, without their length.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a question, and checks what it claims.
    ///
    /// # Errors
    /// [`QuestionError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, QuestionError> {
        let question: Self = codec::decode(bytes, BLOB_QUESTION_BYTES_MAX)?;
        match &question {
            Self::Get(get) => {
                check_size(get.size)?;
                get.groups.check(get.size)?;
            }
            Self::Have(have) => match have.ids.len() {
                1..=BLOB_HAVE_MAX => {}
                found => return Err(QuestionError::Ids { found }),
            },
            Self::Put(put) => {
                check_size(put.size)?;
                match put.releases.len() {
                    1..=SLOTS_MAX => {}
                    found => return Err(QuestionError::Slots { found }),
                }
            }
            Self::Release(release) => match usize::from(release.slot) {
                found if found >= SLOTS_MAX => return Err(QuestionError::Slots { found }),
                _ => {}
            },
        }
        Ok(question)
    }
}

impl Groups {
    /// All groups of a blob of `size` bytes.
    #[must_use]
    pub fn all(size: u64) -> Self {
        Self(vec![(0, groups(size))])
    }

    /// These, each its first group and how many; those that touch are joined.
    ///
    /// # Errors
    /// [`QuestionError::Groups`] if one is empty, or they are not in order.
    pub fn new(ranges: impl IntoIterator<Item = (u32, u32)>) -> Result<Self, QuestionError> {
        let mut joined: Vec<(u32, u32)> = Vec::new();
        for (first, count) in ranges {
            first.checked_add(count).filter(|_| count > 0).ok_or(QuestionError::Groups)?;
            match joined.last_mut() {
                Some((last, before)) if *last + *before == first => *before += count,
                Some((last, before)) if *last + *before > first => {
                    return Err(QuestionError::Groups);
                }
                Some(_) | None => joined.push((first, count)),
            }
        }
        Ok(Self(joined))
    }

    /// The ranges: the first group of each, and how many it has.
    pub fn ranges(&self) -> impl Iterator<Item = (u32, u32)> {
        self.0.iter().copied()
    }

    /// How many groups there are in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// Reads the groups that a holder has of a blob of `size` bytes.
    ///
    /// # Errors
    /// [`QuestionError`].
    pub fn decode(bytes: &[u8], size: u64) -> Result<Self, QuestionError> {
        let groups: Self = codec::decode(bytes, BLOB_QUESTION_BYTES_MAX)?;
        groups.check(size)?;
        Ok(groups)
    }

    /// Their bytes, without their length.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    fn check(&self, size: u64) -> Result<(), QuestionError> {
        if !(1..=BLOB_RANGES_MAX).contains(&self.0.len()) {
            return Err(QuestionError::Groups);
        }
        let (mut after, mut asked) = (None, 0);
        for (first, count) in self.ranges() {
            let end = first.checked_add(count).filter(|_| count > 0);
            let end = end.filter(|end| *end <= groups(size)).ok_or(QuestionError::Groups)?;
            // Neither overlapping nor touching: each set of groups has one form.
            if after.is_some_and(|after| first <= after) {
                return Err(QuestionError::Groups);
            }
            after = Some(end);
            asked += u64::from(count);
        }
        if asked <= BLOB_GROUPS_ASKED_MAX { Ok(()) } else { Err(QuestionError::Groups) }
    }
}

impl GetAnswer {
    /// Its byte.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Sending => 0,
            Self::NotHere => 1,
            Self::Busy => 2,
            Self::Only => 3,
            Self::Refused => 4,
        }
    }

    /// The answer that a byte is, if it is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Sending, Self::NotHere, Self::Busy, Self::Only, Self::Refused]
            .into_iter()
            .find(|answer| answer.number() == number)
    }
}

impl PutAnswer {
    /// Its byte.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Send => 0,
            Self::Have => 1,
            Self::Busy => 2,
            Self::Refused => 4,
            Self::Kept => 5,
            Self::More => 6,
        }
    }

    /// The answer that a byte is, if it is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::Send, Self::Have, Self::Busy, Self::Refused, Self::Kept, Self::More]
            .into_iter()
            .find(|answer| answer.number() == number)
    }
}

impl PutRefusal {
    /// Its byte.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::NoDepot => 0,
            Self::Share => 1,
            Self::Full => 2,
            Self::Disk => 3,
            Self::Over => 4,
        }
    }

    /// The reason that a byte is, if it is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        [Self::NoDepot, Self::Share, Self::Full, Self::Disk, Self::Over]
            .into_iter()
            .find(|refusal| refusal.number() == number)
    }
}

impl Commitment {
    /// The commitment that a secret opens.
    #[must_use]
    pub fn of(secret: &AckSecret) -> Self {
        Self(secret.commit().0)
    }
}

fn check_size(size: u64) -> Result<(), QuestionError> {
    let max = Layout::of(FILE_BYTES_MAX).map_or(0, |layout| layout.sealed_size());
    if (1..=max).contains(&size) { Ok(()) } else { Err(QuestionError::Size { found: size }) }
}
