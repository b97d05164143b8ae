//! Invites: one link with which two people meet.
//!
//! The link has all that the invited person's node needs: who invites, in which network (and the network's
//! key, if it is closed), where to try to connect, and a secret that is good once. Whoever shows the secret to
//! the inviter's device is accepted by it unasked ([session key](crate::message::session_key), field 4).
//!
//! Its text is the bech32m, prefix `martletinvite`, at most 1,023 characters, of `{0: network descriptor,
//! 1: identity 32, 2: rendezvous secret 15, 3: invite secret 16, 4: expires at ms, 5: [address…],
//! 6: the inviter's name or null}`.

use std::fmt;
use std::str::FromStr;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Hrp};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::codec;
use crate::ids::{Id, IdError, IdentityId, RendezvousSecret};
use crate::limits::{INVITE_ADDRESSES_MAX, NAME_BYTES_MAX};
use crate::network::{self, NetworkDescriptor, NetworkError};
use crate::time::UnixMillis;

/// Human-readable part of the text.
const PREFIX: &str = "martletinvite";
/// What a link may begin with.
const SCHEME: &str = "martlet:";
/// Longest text, characters: up to so many the checksum is made for.
const TEXT_CHARS_MAX: usize = <Bech32m as bech32::Checksum>::CODE_LENGTH;
/// Longest text that is looked at, bytes: a mail program may have broken it into lines.
const GIVEN_BYTES_MAX: usize = 2 * TEXT_CHARS_MAX;

/// What shows that someone was invited: 16 random bytes, good once.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InviteSecret(#[serde(with = "serde_bytes")] pub [u8; 16]);

/// An invite, as the link has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// In which network. It has the key of a closed one.
    pub network: NetworkDescriptor,
    /// Who invites.
    pub id: Id,
    /// What shows that one was invited.
    pub secret: InviteSecret,
    /// Until when it is good, by the inviter's clock.
    pub expires_at: UnixMillis,
    /// Multiaddresses at which the inviter's node may be reached, at most [`INVITE_ADDRESSES_MAX`].
    pub addresses: Vec<String>,
    /// What the inviter calls themselves.
    pub name: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    network: NetworkDescriptor,
    #[serde(with = "serde_bytes")]
    identity: [u8; 32],
    rendezvous: RendezvousSecret,
    secret: InviteSecret,
    expires_at: UnixMillis,
    addresses: Vec<String>,
    name: Option<String>,
}

/// Why a text is no invite. It repeats nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InviteError {
    /// The text of something else.
    #[error("not an invite: it starts with martletinvite1, and is copied whole")]
    SomethingElse,
    /// Mistyped, or cut.
    #[error(
        "the invite is damaged: some of it is missing or was changed on the way; ask for it again"
    )]
    Damaged,
    /// What a newer version made.
    #[error("the invite is of another version of Martlet; one of you has to update")]
    OtherVersion,
    /// Its network is none.
    #[error("the invite's network: {0}")]
    Network(#[from] NetworkError),
    /// Its ID is none.
    #[error("the invite's ID: {0}")]
    Id(#[from] IdError),
    /// A value out of bounds.
    #[error("the invite has {0}")]
    Value(&'static str),
    /// An invite that fits no link.
    #[error(
        "the network's descriptor is too long for a link; pass it on as a file, and your ID beside it"
    )]
    TooLong,
}

impl InviteSecret {
    /// A new one.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut secret = Self([0; 16]);
        rng.fill_bytes(&mut secret.0);
        secret
    }
}

impl Invite {
    /// Its link. It contains secrets. Addresses that it has no room for are left out, the last ones first.
    ///
    /// # Errors
    /// [`InviteError::TooLong`].
    pub fn to_link(&self) -> Result<Zeroizing<String>, InviteError> {
        let mut fields = Fields {
            network: self.network.clone(),
            identity: self.id.identity.0,
            rendezvous: self.id.secret.clone(),
            secret: self.secret.clone(),
            expires_at: self.expires_at,
            addresses: self.addresses.clone(),
            name: self.name.clone(),
        };
        loop {
            let bytes = Zeroizing::new(codec::encode(&fields));
            match bech32::encode::<Bech32m>(Hrp::parse_unchecked(PREFIX), &bytes) {
                Ok(text) => return Ok(Zeroizing::new(text)),
                Err(_) => fields.addresses.pop().ok_or(InviteError::TooLong)?,
            };
        }
    }

    /// Whether a text looks like a link.
    #[must_use]
    pub fn is_link(text: &str) -> bool {
        let text = without_scheme(text.trim_start());
        let start = text.get(..PREFIX.len() + 1).unwrap_or_default();
        start.eq_ignore_ascii_case("martletinvite1")
    }

    fn check(&self) -> Result<(), InviteError> {
        self.network.validate()?;
        self.id.identity.verifying_key()?;
        if self.addresses.len() > INVITE_ADDRESSES_MAX {
            return Err(InviteError::Value("too many addresses"));
        }
        let is_closed = self.network.is_closed();
        if self.addresses.iter().any(|address| network::check_address(address, is_closed).is_err())
        {
            return Err(InviteError::Value("an address that is none"));
        }
        if self.name.as_ref().is_some_and(|name| name.len() > NAME_BYTES_MAX) {
            return Err(InviteError::Value("a name that is too long"));
        }
        Ok(())
    }
}

impl FromStr for Invite {
    type Err = InviteError;

    fn from_str(text: &str) -> Result<Self, InviteError> {
        if !Self::is_link(text) {
            return Err(InviteError::SomethingElse);
        }
        if text.len() > GIVEN_BYTES_MAX {
            return Err(InviteError::Damaged);
        }
        let text = Zeroizing::new(text.split_whitespace().collect::<String>());
        let text = without_scheme(&text);
        if text.len() > TEXT_CHARS_MAX {
            return Err(InviteError::Damaged);
        }
        let checked = CheckedHrpstring::new::<Bech32m>(text).map_err(|_| InviteError::Damaged)?;
        let bytes = Zeroizing::new(checked.byte_iter().collect::<Vec<u8>>());
        let fields: Fields =
            codec::decode(&bytes, TEXT_CHARS_MAX).map_err(|_| InviteError::OtherVersion)?;
        let Fields { network, identity, rendezvous, secret, expires_at, addresses, name } = fields;
        let id = Id { identity: IdentityId(identity), secret: rendezvous };
        let invite = Self { network, id, secret, expires_at, addresses, name };
        invite.check()?;
        Ok(invite)
    }
}

fn without_scheme(text: &str) -> &str {
    match text.get(..SCHEME.len()) {
        Some(start) if start.eq_ignore_ascii_case(SCHEME) => &text[SCHEME.len()..],
        _ => text,
    }
}

/// Hand-written: the secret is not shown.
impl fmt::Debug for InviteSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteSecret(…)")
    }
}
