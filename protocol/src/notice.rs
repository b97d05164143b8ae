//! Notices: that an identity ended, for all who know it.
//!
//! A notice is a conversation envelope with one slot. With `k` = BLAKE3 derive_key(`"martlet 2026 termination notice v2"`,
//! identity 32): its tag is `trunc16(BLAKE3 keyed(k, "martlet notice tag v2"))`, its body's base key `BLAKE3 keyed(k, "martlet
//! notice body v2")`. It holds [what ends the identity](crate::identity::state::IdentityState::encode_ending), at most 4 KiB. Its ack
//! secret is random and kept nowhere.
//!
//! No rendezvous secret is in it, and no day: that an identity ended is no secret of its contacts. Who has a kill phrase on
//! paper may have no ID that is newer than the last reset, and who was away finds the notice under the tag it always had. Who
//! knows the identity can publish under the tag; only signatures count.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::ack::AckSecret;
use crate::crypto::Addressing;
use crate::crypto::body::{self, BaseKey, BodyError};
use crate::envelope::{Header, Kind, PREFIX_BYTES};
use crate::ids::{IdentityId, Tag};

/// Longest content, bytes: four terminations and four kill keys, at their longest.
pub const NOTICE_BYTES_MAX: usize = 8 * 530;

/// The tag of the notices that `identity` ended.
#[must_use]
pub fn tag(identity: &IdentityId) -> Tag {
    let mut tag = [0; 16];
    tag.copy_from_slice(&derive(identity, b"martlet notice tag v2")[..16]);
    Tag(tag)
}

/// The content of the envelope that tells it. `ending` is what [`crate::identity::state::IdentityState::encode_ending`] or
/// [`crate::identity::state::encode_termination`] made.
///
/// # Errors
/// [`BodyError::TooLong`].
pub fn seal(
    rng: &mut impl CryptoRng,
    addressing: &Addressing,
    identity: &IdentityId,
    ending: &[u8],
) -> Result<Vec<u8>, BodyError> {
    let Addressing { network, shard, expiry } = *addressing;
    let mut unknown = AckSecret([0; 16]);
    rng.fill_bytes(&mut unknown.0);
    let mut header = Vec::with_capacity(PREFIX_BYTES + 32 + 2 * ending.len() + 512);
    let prefix = Header::encode_prefix(Kind::Conversation, network, shard, expiry, 1);
    header.extend_from_slice(&prefix);
    header.extend_from_slice(&tag(identity).0);
    header.extend_from_slice(&unknown.commit().0);
    body::seal(&base_key(identity), header, ending)
}

/// What a notice about `identity` says: to be merged into its state, where it is verified.
///
/// # Errors
/// [`BodyError`], if it is none.
pub fn open(
    identity: &IdentityId,
    header: &Header,
    content: &[u8],
) -> Result<Zeroizing<Vec<u8>>, BodyError> {
    let (header, body) = content.split_at_checked(header.len).ok_or(BodyError::Decrypt)?;
    let ending = body::open(&base_key(identity), header, body)?;
    if ending.len() > NOTICE_BYTES_MAX {
        return Err(BodyError::TooLong { found: ending.len() });
    }
    Ok(ending)
}

fn base_key(identity: &IdentityId) -> BaseKey {
    BaseKey(*derive(identity, b"martlet notice body v2"))
}

fn derive(identity: &IdentityId, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
    let key = blake3::derive_key("martlet 2026 termination notice v2", &identity.0);
    Zeroizing::new(*blake3::keyed_hash(&key, purpose).as_bytes())
}
