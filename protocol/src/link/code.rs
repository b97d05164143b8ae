//! The code: what the new device is given.
//!
//! Its text is the bech32m, prefix `martletlink`, of `{0: network tag 8, 1: secret 16, 2: identity 32}`, 121 characters. With
//! `k` = BLAKE3 derive_key(`"martlet 2026 link v2"`, secret 16): the tag of a step's envelope is `trunc16(BLAKE3 keyed(k, "martlet
//! link tag v2" ‖ step u8))`, its body's base key `BLAKE3 keyed(k, "martlet link body v2" ‖ step u8)`.

use std::fmt;
use std::str::FromStr;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Hrp};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::steps::Step;
use crate::codec;
use crate::crypto::body::BaseKey;
use crate::ids::{IdError, IdentityId, NetworkTag, Tag};

/// Human-readable part of the text.
const PREFIX: &str = "martletlink";
/// Longest text that is looked at, bytes: a code has 121, and whoever typed it may have put it on several lines.
const GIVEN_BYTES_MAX: usize = 512;
/// Longest content, bytes.
const CONTENT_BYTES_MAX: usize = 128;

/// What only those know who have seen the code.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkSecret(#[serde(with = "serde_bytes")] pub [u8; 16]);

/// A code: by it a new device finds the one with the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkCode {
    /// In which network.
    pub network: NetworkTag,
    /// What the steps' keys derive from.
    pub secret: LinkSecret,
    /// The identity that the new device is to join.
    pub identity: IdentityId,
}

/// The keys of a code's steps.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct LinkKeys([u8; 32]);

/// Why a text is no code. It repeats nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkCodeError {
    /// The text of something else.
    #[error(
        "not a code of martletctl device link: it starts with martletlink1, and is copied whole"
    )]
    SomethingElse,
    /// Mistyped, or cut.
    #[error("the code has a typing error, or some of it is missing; look at it again")]
    Damaged,
    /// What a newer version made.
    #[error("the code is of another version of Martlet; one of your devices has to be updated")]
    OtherVersion,
    /// Its identity is none.
    #[error("the code's identity: {0}")]
    Identity(#[from] IdError),
}

impl LinkSecret {
    /// A new one.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut secret = Self([0; 16]);
        rng.fill_bytes(&mut secret.0);
        secret
    }
}

impl LinkCode {
    /// Its text. Whoever sees it can disturb the linking.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new(codec::encode(self));
        // 64 bytes are far below what bech32m has room for, so this can't fail.
        let text = bech32::encode::<Bech32m>(Hrp::parse_unchecked(PREFIX), &bytes);
        Zeroizing::new(text.unwrap_or_default())
    }

    /// Whether a text looks like a code.
    #[must_use]
    pub fn is_code(text: &str) -> bool {
        let start = text.trim_start().get(..PREFIX.len() + 1).unwrap_or_default();
        start.eq_ignore_ascii_case("martletlink1")
    }

    /// The keys of its steps.
    #[must_use]
    pub fn keys(&self) -> LinkKeys {
        LinkKeys(blake3::derive_key("martlet 2026 link v2", &self.secret.0))
    }
}

impl FromStr for LinkCode {
    type Err = LinkCodeError;

    fn from_str(text: &str) -> Result<Self, LinkCodeError> {
        if !Self::is_code(text) {
            return Err(LinkCodeError::SomethingElse);
        }
        if text.len() > GIVEN_BYTES_MAX {
            return Err(LinkCodeError::Damaged);
        }
        let text = Zeroizing::new(text.split_whitespace().collect::<String>());
        let checked =
            CheckedHrpstring::new::<Bech32m>(&text).map_err(|_| LinkCodeError::Damaged)?;
        let bytes = Zeroizing::new(checked.byte_iter().collect::<Vec<u8>>());
        let code: Self =
            codec::decode(&bytes, CONTENT_BYTES_MAX).map_err(|_| LinkCodeError::OtherVersion)?;
        code.identity.verifying_key()?;
        Ok(code)
    }
}

impl LinkKeys {
    /// The tag of a step's envelope.
    #[must_use]
    pub fn tag(&self, step: Step) -> Tag {
        let mut tag = [0; 16];
        tag.copy_from_slice(&self.derive(b"martlet link tag v2", step)[..16]);
        Tag(tag)
    }

    /// What its body is encrypted with.
    pub(super) fn base_key(&self, step: Step) -> BaseKey {
        BaseKey(*self.derive(b"martlet link body v2", step))
    }

    fn derive(&self, purpose: &[u8], step: Step) -> Zeroizing<[u8; 32]> {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(purpose).update(&[step.number()]);
        Zeroizing::new(*hasher.finalize().as_bytes())
    }
}

/// Hand-written: the secret is not shown.
impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkSecret(…)")
    }
}

impl fmt::Debug for LinkKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKeys(…)")
    }
}
