//! IDs: what people exchange.
//!
//! An ID is an identity and, beside it, a secret by which its bundles are found. The identity stays
//! for good; the secret can be reset, so that who was told of it earlier no longer finds the bundles.
//!
//! Its text is the bech32m (BIP 350), prefix `martlet`, of identity 32 ‖ secret 15: 90 characters,
//! the most that BIP 350 has for a text. (A secret of 16 bytes would make 91.) Of an identity
//! without a secret it is that of the 32 bytes alone, 66 characters: IDs had no secret before
//! 2026-12, and who never resets theirs keeps it.

use std::fmt;
use std::str::FromStr;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Fe32, Hrp};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{IdError, IdentityId};
use crate::time::UnixMillis;

/// Human-readable part of the text.
const PREFIX: &str = "martlet";

/// Characters of an ID: the most that BIP 350 has for a text.
pub const ID_CHARS: usize = 90;
/// Characters of an ID without a secret.
pub const OLD_ID_CHARS: usize = 66;

/// Bytes of a rendezvous secret: 120 bits, the most that a text of 90 characters has room for.
pub const RENDEZVOUS_SECRET_BYTES: usize = 15;

/// An ID: who someone is, and how their bundles are found.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Id {
    /// Who it is.
    pub identity: IdentityId,
    /// By what their bundles are found.
    pub secret: RendezvousSecret,
}

/// By what the bundles of an identity are found: random bytes, or zeros where there is none. Who has
/// it can tell on which days the identity was there, and write to it; so it is shown in IDs alone.
#[derive(Clone, Default, PartialEq, Eq, Hash, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RendezvousSecret(#[serde(with = "serde_bytes")] pub [u8; RENDEZVOUS_SECRET_BYTES]);

/// A rendezvous secret, and what tells an older one from a newer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rendezvous {
    /// The secret.
    pub secret: RendezvousSecret,
    /// When it was reset, by its owner's clock, and always later than the one before it; 0 if it is
    /// the owner's first.
    pub reset_at: UnixMillis,
}

impl RendezvousSecret {
    /// That of an identity without one.
    pub const NONE: Self = Self([0; RENDEZVOUS_SECRET_BYTES]);

    /// A new one.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut secret = Self::NONE;
        rng.fill_bytes(&mut secret.0);
        secret
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }
}

impl Rendezvous {
    /// The one that takes this one's place at `now`.
    #[must_use]
    pub fn reset(&self, rng: &mut impl CryptoRng, now: UnixMillis) -> Self {
        let after = UnixMillis(self.reset_at.0.saturating_add(1));
        Self { secret: RendezvousSecret::generate(rng), reset_at: now.max(after) }
    }

    /// Whether it is not its owner's first.
    #[must_use]
    pub fn was_reset(&self) -> bool {
        self.reset_at != UnixMillis(0)
    }

    /// Whether this one, of the same owner, takes the place of `known`. The owner's word for the
    /// same time counts more than what was typed.
    #[must_use]
    pub fn replaces(&self, known: &Self) -> bool {
        self.reset_at >= known.reset_at && self.secret != known.secret
    }
}

impl Id {
    /// The ID of an identity without a secret.
    #[must_use]
    pub fn without_secret(identity: IdentityId) -> Self {
        Self { identity, secret: RendezvousSecret::NONE }
    }

    /// The bytes of its text: identity ‖ secret, also where there is none.
    pub(crate) fn to_bytes(&self) -> Zeroizing<[u8; IdentityId::LEN + RENDEZVOUS_SECRET_BYTES]> {
        let mut bytes = Zeroizing::new([0; IdentityId::LEN + RENDEZVOUS_SECRET_BYTES]);
        bytes[..IdentityId::LEN].copy_from_slice(&self.identity.0);
        bytes[IdentityId::LEN..].copy_from_slice(&self.secret.0);
        bytes
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.secret.is_none() {
            return write_text(f, &self.identity.0);
        }
        write_text(f, self.to_bytes().as_slice())
    }
}

impl FromStr for Id {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let text = text.trim();
        let checked = CheckedHrpstring::new::<Bech32m>(text).map_err(|_| explain(text))?;
        if checked.hrp() != Hrp::parse_unchecked(PREFIX) {
            return Err(IdError::WrongPrefix { found: checked.hrp().to_string() });
        }
        // One text per ID: 52 characters carry 260 bits, 76 carry 380, and the four left over must
        // be zero.
        checked.validate_segwit_padding().map_err(|_| IdError::Padding)?;
        let bytes: Zeroizing<Vec<u8>> = Zeroizing::new(checked.byte_iter().collect());
        let (identity, secret) =
            bytes.split_at_checked(IdentityId::LEN).unwrap_or((bytes.as_slice(), &[]));
        let wrong_length = || IdError::WrongLength {
            what: "Martlet ID",
            found: bytes.len(),
            expected: IdentityId::LEN + RENDEZVOUS_SECRET_BYTES,
        };
        let identity = IdentityId::from_slice(identity).map_err(|_| wrong_length())?;
        let secret = match secret {
            [] => RendezvousSecret::NONE,
            secret => RendezvousSecret(secret.try_into().map_err(|_| wrong_length())?),
        };
        if bytes.len() > IdentityId::LEN && secret.is_none() {
            return Err(IdError::EmptySecret);
        }
        identity.verifying_key()?;
        Ok(Self { identity, secret })
    }
}

/// What is wrong with a text that the decoder refuses: what is seen first by who compares it with an ID.
fn explain(text: &str) -> IdError {
    let start = text.get(..PREFIX.len() + 1).filter(|start| start.ends_with('1'));
    let is_ours = start.is_some_and(|start| start[..PREFIX.len()].eq_ignore_ascii_case(PREFIX));
    if !is_ours {
        return IdError::NoPrefix;
    }
    let is_foreign = |character: &char| Fe32::from_char(*character).is_err();
    let mut rest = text.chars().enumerate().skip(PREFIX.len() + 1);
    if let Some((at, character)) = rest.find(|(_, character)| is_foreign(character)) {
        return IdError::WrongCharacter { place: at + 1, character };
    }
    // ASCII from here on.
    let found = text.len();
    if found != ID_CHARS && found != OLD_ID_CHARS {
        return IdError::WrongTextLength { found };
    }
    let has = |is: fn(&u8) -> bool| text.as_bytes().iter().any(is);
    if has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase) {
        return IdError::MixedCase;
    }
    IdError::WrongChecksum { likely: likely_mistake(text) }
}

/// The place, from 1, and the character that must be another, if one alone can be wrong. It isn't corrected: where
/// several are, it would be the ID of nobody, or of somebody else (BIP 173).
///
/// Tried out, a few milliseconds: bech32 0.12's own search panics at some texts.
fn likely_mistake(text: &str) -> Option<(usize, char)> {
    const CHARACTERS: &str = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let is_upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
    let is_good = |text: &str| CheckedHrpstring::new::<Bech32m>(text).is_ok();
    text.char_indices()
        .skip(PREFIX.len() + 1)
        .find(|(at, _)| {
            let (before, after) = (&text[..*at], &text[at + 1..]);
            CHARACTERS.chars().any(|other| {
                let other = if is_upper { other.to_ascii_uppercase() } else { other };
                is_good(&format!("{before}{other}{after}"))
            })
        })
        .map(|(at, character)| (at + 1, character))
}

/// The text of the identity alone: that of its ID if it has no secret.
impl fmt::Display for IdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_text(f, &self.0)
    }
}

/// Whose ID a text is, with a secret or without.
impl FromStr for IdentityId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        text.parse::<Id>().map(|id| id.identity)
    }
}

/// Hand-written: the secret is not shown.
impl fmt::Debug for RendezvousSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RendezvousSecret(…)")
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    bech32::encode_to_fmt::<Bech32m, _>(f, Hrp::parse_unchecked(PREFIX), bytes)
        .map_err(|_| fmt::Error)
}
