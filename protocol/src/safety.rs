//! Safety numbers: what two people compare to know that each has the other's true ID.
//!
//! A safety number is of two identities, the same from both sides. It is made of their root keys alone: it
//! stays when devices come and go, and when an [ID](crate::ids::Id) is reset. Each identity has a
//! fingerprint of 30 bytes:
//!
//! ```text
//! h_0          derive_key("martlet 2026 safety number v2", identity 32)
//! h_i          BLAKE3 keyed(h_{i-1}, identity 32), for i from 1 to 5,200
//! fingerprint  first 30 bytes of h_5200
//! ```
//!
//! As in Signal's safety numbers, the iteration makes it dear to look for a key whose number looks like
//! another's, and half of the digits are of each side. The fingerprints stand in the order of their bytes.
//!
//! - *Digits*: each 5 bytes, as a big-endian integer modulo 100,000, are 5 digits. So there are 60, in 12
//!   groups.
//! - *Text*, for QR codes: bech32m, prefix `martletsafe`, of the 60 bytes.

use std::fmt;
use std::str::FromStr;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Hrp};

use crate::ids::IdentityId;

/// Human-readable part of the text for QR codes.
const PREFIX: &str = "martletsafe";
/// How often is hashed: Signal's number. Half a millisecond.
const ITERATIONS: u32 = 5200;
/// Bytes of one identity's fingerprint: 240 bits, and six groups of digits.
const FINGERPRINT_BYTES: usize = 30;
/// Bytes that make one group.
const GROUP_BYTES: usize = 5;
/// Digits of a group.
const GROUP_DIGITS: usize = 5;
/// Groups of the whole number.
const GROUPS: usize = 2 * FINGERPRINT_BYTES / GROUP_BYTES;
/// Digits of the whole number.
pub const SAFETY_DIGITS: usize = GROUPS * GROUP_DIGITS;
/// Longest code that is looked at, bytes: 60 digits with whatever stands between them, and more than a
/// text has.
pub const SAFETY_CODE_BYTES_MAX: usize = 512;

/// The safety number of two identities. Its `Display` is the digits, in 12 groups of 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SafetyNumber([[u8; FINGERPRINT_BYTES]; 2]);

/// A safety number as someone gives it: in digits, or whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SafetyCode {
    /// Digits alone.
    Digits(String),
    /// What a QR code has.
    Whole(SafetyNumber),
}

/// Why a text is no safety number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SafetyCodeError {
    /// Not 60 digits.
    #[error("a safety number has {SAFETY_DIGITS} digits, and this has {found}; give all of them")]
    Digits {
        /// Digits found.
        found: usize,
    },
    /// Something that no safety number has.
    #[error(
        "{character:?} is in no safety number; give its {SAFETY_DIGITS} digits, or the text of its QR code"
    )]
    Character {
        /// What was found.
        character: char,
    },
    /// The text of a QR code, damaged.
    #[error("the text of the QR code is damaged or incomplete; scan it again, or give the digits")]
    Damaged,
}

/// How a code differs from the safety number that it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SafetyDifference {
    /// The groups of digits that differ, from 1.
    pub groups: Vec<usize>,
}

impl SafetyNumber {
    /// That of two identities, in either order.
    #[must_use]
    pub fn of(one: &IdentityId, other: &IdentityId) -> Self {
        let mut fingerprints = [fingerprint(one), fingerprint(other)];
        fingerprints.sort_unstable();
        Self(fingerprints)
    }

    /// Its text for a QR code.
    #[must_use]
    pub fn to_text(&self) -> String {
        // 60 bytes are far under the longest text.
        bech32::encode::<Bech32m>(Hrp::parse_unchecked(PREFIX), self.0.as_flattened())
            .unwrap_or_default()
    }

    /// Compares it with what someone gave.
    ///
    /// # Errors
    /// [`SafetyDifference`].
    pub fn compare(&self, code: &SafetyCode) -> Result<(), SafetyDifference> {
        let digits: String = self.groups().collect();
        let theirs = match code {
            SafetyCode::Whole(other) if other == self => return Ok(()),
            SafetyCode::Whole(other) => other.groups().collect(),
            SafetyCode::Digits(theirs) if *theirs == digits => return Ok(()),
            SafetyCode::Digits(theirs) => theirs.clone(),
        };
        let group = |digits: &str, at: usize| {
            digits.get(at * GROUP_DIGITS..(at + 1) * GROUP_DIGITS).map(str::to_owned)
        };
        let differ = |at: &usize| group(&digits, *at) != group(&theirs, *at);
        Err(SafetyDifference { groups: (0..GROUPS).filter(differ).map(|at| at + 1).collect() })
    }

    fn groups(&self) -> impl Iterator<Item = String> {
        self.0.as_flattened().chunks(GROUP_BYTES).map(|bytes| {
            let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            format!("{:05}", number % 100_000)
        })
    }
}

impl fmt::Display for SafetyNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.groups().collect::<Vec<_>>().join(" "))
    }
}

/// Digits with whatever people put between them, or the text of a QR code.
impl FromStr for SafetyCode {
    type Err = SafetyCodeError;

    fn from_str(text: &str) -> Result<Self, SafetyCodeError> {
        let text = text.trim();
        let start = text.get(..PREFIX.len() + 1).unwrap_or_default();
        if start.eq_ignore_ascii_case("martletsafe1") {
            return whole(text).map(Self::Whole).ok_or(SafetyCodeError::Damaged);
        }
        let is_between = |c: char| c.is_whitespace() || matches!(c, '-' | '.' | ',' | '‐'..='―');
        let mut digits = String::new();
        for character in text.chars().filter(|c| !is_between(*c)) {
            match character {
                '0'..='9' => digits.push(character),
                character => return Err(SafetyCodeError::Character { character }),
            }
        }
        match digits.len() {
            SAFETY_DIGITS => Ok(Self::Digits(digits)),
            found => Err(SafetyCodeError::Digits { found }),
        }
    }
}

fn whole(text: &str) -> Option<SafetyNumber> {
    if text.len() > SAFETY_CODE_BYTES_MAX {
        return None;
    }
    let checked = CheckedHrpstring::new::<Bech32m>(text).ok()?;
    if checked.hrp() != Hrp::parse_unchecked(PREFIX) {
        return None;
    }
    let bytes: Vec<u8> = checked.byte_iter().collect();
    let (one, other) = bytes.split_at_checked(FINGERPRINT_BYTES)?;
    let fingerprints = [one.try_into().ok()?, other.try_into().ok()?];
    // One text for each: in order, which the checksum doesn't say.
    fingerprints.is_sorted().then_some(SafetyNumber(fingerprints))
}

fn fingerprint(identity: &IdentityId) -> [u8; FINGERPRINT_BYTES] {
    let mut hash = blake3::derive_key("martlet 2026 safety number v2", &identity.0);
    for _ in 0..ITERATIONS {
        hash = *blake3::keyed_hash(&hash, &identity.0).as_bytes();
    }
    let mut fingerprint = [0; FINGERPRINT_BYTES];
    fingerprint.copy_from_slice(&hash[..FINGERPRINT_BYTES]);
    fingerprint
}
