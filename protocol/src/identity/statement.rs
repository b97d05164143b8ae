//! What is said of an identity and its devices, signed by who may say it.
//!
//! Each statement is encoded `{0: payload bytes, 1: signature 64}`, at most 512 bytes; unknown fields are refused. A device's
//! name and when something was said are shown, and decide nothing.
//!
//! | kind | statement | context | payload | signed by |
//! | --- | --- | --- | --- | --- |
//! | 1 | [certificate](super::certificate) | `martlet device certificate v2` | | root |
//! | 2 | [`Details`] | `martlet device details v2` | `{0: format, 1: identity 32, 2: device 32, 3: name, 4: changed at ms}` | the device |
//! | 3 | [`KillKeyNamed`] | `martlet kill key v2` | `{0: format, 1: identity 32, 2: kill key 32}` | root |
//! | 4 | [`Revocation`] | `martlet revocation v2` | `{0: format, 1: identity 32, 2: device 32, 3: at ms, 4: reason u8, 5: certificate bytes or null}` | root, and then without a certificate; or the device itself, with its certificate |
//! | 5 | [`Termination`] | `martlet termination v2` | `{0: format, 1: identity 32, 2: at ms, 3: by 32}` | root or a kill key, which *by* names |
//!
//! A device that revokes itself shows its certificate. Else who is no device of the identity could make any number of
//! revocations, and push out others.

use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::certificate::{CertificateError, DeviceCertificate};
use super::signed::Signed;
use crate::codec::{self, CodecError};
use crate::format::{self, FormatInfo};
use crate::ids::{DeviceId, IdError, IdentityId};
use crate::limits::NAME_BYTES_MAX;
use crate::time::UnixMillis;

/// Longest encoding of a statement, bytes: it has 170 to 340, and room for extensions.
pub const STATEMENT_BYTES_MAX: usize = 512;

/// Why a statement is refused.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// Malformed.
    #[error("statement: {0}")]
    Codec(#[from] CodecError),
    /// A certificate that is not valid.
    #[error("statement: {0}")]
    Certificate(#[from] CertificateError),
    /// The identity or device in it is no key.
    #[error("statement: {0}")]
    Key(#[from] IdError),
    /// Not signed by who may say it.
    #[error("the statement is not signed by who may say it")]
    Signature,
    /// Of another identity.
    #[error("the statement is of another identity")]
    OtherIdentity,
    /// A device's name that is too long, or has control characters.
    #[error("a device's name has at most {NAME_BYTES_MAX} bytes, and no control characters")]
    Name,
}

/// What was said, with the bytes it was received as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated<P> {
    bytes: Vec<u8>,
    said: P,
}

/// What a device says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Details {
    pub(super) format: FormatInfo,
    pub(super) identity: IdentityId,
    /// Which device.
    pub device: DeviceId,
    /// Its name; empty if it has none.
    pub name: String,
    /// When this was said, by the device's clock: of two, the later one counts.
    pub changed_at: UnixMillis,
}

/// The root names a kill key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KillKeyNamed {
    pub(super) format: FormatInfo,
    pub(super) identity: IdentityId,
    /// Its public half.
    #[serde(with = "serde_bytes")]
    pub key: [u8; 32],
}

/// A device is the identity's no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    pub(super) format: FormatInfo,
    pub(super) identity: IdentityId,
    /// Which device.
    pub device: DeviceId,
    /// When, by the clock of who says so.
    pub at: UnixMillis,
    /// Why, as a [`Reason`].
    pub reason: u8,
    /// Where the device says it of itself: that it is one.
    pub(super) certificate: Option<ByteBuf>,
}

/// The identity ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Termination {
    pub(super) format: FormatInfo,
    pub(super) identity: IdentityId,
    /// When, by the clock of who says so.
    pub at: UnixMillis,
    /// The key that it is signed with: the root's, or a kill key.
    #[serde(with = "serde_bytes")]
    pub by: [u8; 32],
}

/// Why a device was revoked. Numbers that aren't here are kept, and shown as [`Self::NotSaid`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It isn't said.
    NotSaid,
    /// It was lost.
    Lost,
    /// Someone has it, or its keys.
    Stolen,
    /// It is used no more.
    Retired,
}

impl Reason {
    /// Its number.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::NotSaid => 0,
            Self::Lost => 1,
            Self::Stolen => 2,
            Self::Retired => 3,
        }
    }

    /// The reason with this number.
    #[must_use]
    pub fn of(number: u8) -> Self {
        let known = [Self::Lost, Self::Stolen, Self::Retired];
        known.into_iter().find(|reason| reason.number() == number).unwrap_or(Self::NotSaid)
    }
}

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Statement {
    /// A device is the identity's.
    Certificate(DeviceCertificate),
    /// What a device says of itself.
    Details(Stated<Details>),
    /// A kill key is the identity's.
    KillKey(Stated<KillKeyNamed>),
    /// A device is the identity's no more.
    Revocation(Stated<Revocation>),
    /// The identity ended.
    Termination(Stated<Termination>),
    /// Of a kind, or a version, that this build doesn't know: nobody checked it.
    Unknown(UnknownStatement),
}

/// A statement that this build can't read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnknownStatement {
    pub(super) kind: u16,
    pub(super) bytes: Vec<u8>,
}

/// What can be stated.
pub trait Say: Serialize + DeserializeOwned {
    /// What it is signed under.
    const CONTEXT: &str;

    /// Of whom it is said.
    fn identity(&self) -> IdentityId;

    /// Whose signature it needs.
    ///
    /// # Errors
    /// [`StatementError`], if nobody's would do.
    fn signer(&self) -> Result<VerifyingKey, StatementError>;

    /// What else must hold.
    ///
    /// # Errors
    /// [`StatementError`].
    fn check(&self) -> Result<(), StatementError> {
        Ok(())
    }
}

impl<P> std::ops::Deref for Stated<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.said
    }
}

impl<P> Stated<P> {
    /// The bytes it was received as.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl<P: Say> Stated<P> {
    /// Reads and verifies what is said of `identity`.
    pub(crate) fn verify(identity: &IdentityId, bytes: &[u8]) -> Result<Self, StatementError> {
        Self::read(identity, bytes, Trust::Nobody)
    }

    pub(super) fn sign(key: &SigningKey, said: P) -> Self {
        let signed = Signed::sign(P::CONTEXT, key, codec::encode(&said));
        Self { bytes: codec::encode(&signed), said }
    }

    fn read(identity: &IdentityId, bytes: &[u8], trust: Trust) -> Result<Self, StatementError> {
        let signed = Signed::decode(bytes, STATEMENT_BYTES_MAX)?;
        let said: P = format::decode(&signed.payload, STATEMENT_BYTES_MAX)?;
        if said.identity() != *identity {
            return Err(StatementError::OtherIdentity);
        }
        match trust {
            Trust::Record => {}
            Trust::Nobody => {
                said.check()?;
                if !signed.is_by(P::CONTEXT, &said.signer()?) {
                    return Err(StatementError::Signature);
                }
            }
        }
        Ok(Self { bytes: bytes.to_vec(), said })
    }
}

/// Whether signatures are verified.
#[derive(Debug, Clone, Copy)]
pub(super) enum Trust {
    /// They are: it came from someone.
    Nobody,
    /// They were, before it was written into the own vault.
    Record,
}

/// The kinds' numbers.
pub(super) mod kind {
    pub(crate) const CERTIFICATE: u16 = 1;
    pub(crate) const DETAILS: u16 = 2;
    pub(crate) const KILL_KEY: u16 = 3;
    pub(crate) const REVOCATION: u16 = 4;
    pub(crate) const TERMINATION: u16 = 5;
}

impl Statement {
    /// Reads a statement of a kind about `identity`.
    pub(super) fn read(
        identity: &IdentityId,
        number: u16,
        bytes: &[u8],
        trust: Trust,
    ) -> Result<Self, StatementError> {
        let read = match number {
            kind::CERTIFICATE => read_certificate(identity, bytes, trust).map(Self::Certificate),
            kind::DETAILS => Stated::read(identity, bytes, trust).map(Self::Details),
            kind::KILL_KEY => Stated::read(identity, bytes, trust).map(Self::KillKey),
            kind::REVOCATION => Stated::read(identity, bytes, trust).map(Self::Revocation),
            kind::TERMINATION => Stated::read(identity, bytes, trust).map(Self::Termination),
            _ => return unknown(number, bytes),
        };
        match read {
            // A later version of this kind: another build can read it.
            Err(
                StatementError::Codec(CodecError::UpdateNeeded { .. })
                | StatementError::Certificate(CertificateError::Codec(CodecError::UpdateNeeded {
                    ..
                })),
            ) => unknown(number, bytes),
            read => read,
        }
    }

    /// Its kind, and its bytes.
    pub(super) fn parts(&self) -> (u16, &[u8]) {
        match self {
            Self::Certificate(said) => (kind::CERTIFICATE, said.as_bytes()),
            Self::Details(said) => (kind::DETAILS, &said.bytes),
            Self::KillKey(said) => (kind::KILL_KEY, &said.bytes),
            Self::Revocation(said) => (kind::REVOCATION, &said.bytes),
            Self::Termination(said) => (kind::TERMINATION, &said.bytes),
            Self::Unknown(said) => (said.kind, &said.bytes),
        }
    }
}

fn read_certificate(
    identity: &IdentityId,
    bytes: &[u8],
    trust: Trust,
) -> Result<DeviceCertificate, StatementError> {
    let certificate = match trust {
        Trust::Nobody => DeviceCertificate::from_bytes(bytes)?,
        Trust::Record => DeviceCertificate::from_record(bytes)?,
    };
    if certificate.identity() != *identity {
        return Err(StatementError::OtherIdentity);
    }
    Ok(certificate)
}

fn unknown(kind: u16, bytes: &[u8]) -> Result<Statement, StatementError> {
    if bytes.len() > STATEMENT_BYTES_MAX {
        let (found, max) = (bytes.len(), STATEMENT_BYTES_MAX);
        return Err(CodecError::TooLong { found, max }.into());
    }
    Ok(Statement::Unknown(UnknownStatement { kind, bytes: bytes.to_vec() }))
}

/// Whether a device may be called so. An empty name is none.
#[must_use]
pub fn is_device_name(name: &str) -> bool {
    name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control)
}

impl Say for Details {
    const CONTEXT: &str = "martlet device details v2";

    fn identity(&self) -> IdentityId {
        self.identity
    }

    fn signer(&self) -> Result<VerifyingKey, StatementError> {
        key(&self.device.0)
    }

    fn check(&self) -> Result<(), StatementError> {
        if is_device_name(&self.name) { Ok(()) } else { Err(StatementError::Name) }
    }
}

impl Say for KillKeyNamed {
    const CONTEXT: &str = "martlet kill key v2";

    fn identity(&self) -> IdentityId {
        self.identity
    }

    fn signer(&self) -> Result<VerifyingKey, StatementError> {
        Ok(self.identity.verifying_key()?)
    }
}

impl Say for Revocation {
    const CONTEXT: &str = "martlet revocation v2";

    fn identity(&self) -> IdentityId {
        self.identity
    }

    fn signer(&self) -> Result<VerifyingKey, StatementError> {
        match &self.certificate {
            None => Ok(self.identity.verifying_key()?),
            Some(certificate) => {
                let certificate = read_certificate(&self.identity, certificate, Trust::Nobody)?;
                if certificate.device() != self.device {
                    return Err(CertificateError::OtherDevice.into());
                }
                Ok(*certificate.device_key())
            }
        }
    }
}

impl Say for Termination {
    const CONTEXT: &str = "martlet termination v2";

    fn identity(&self) -> IdentityId {
        self.identity
    }

    fn signer(&self) -> Result<VerifyingKey, StatementError> {
        key(&self.by)
    }
}

impl Revocation {
    /// Whether this certificate came with it.
    pub(super) fn shows(&self, certificate: &DeviceCertificate) -> bool {
        self.certificate.as_deref().is_some_and(|shown| shown == certificate.as_bytes())
    }

    /// The certificate that came with it.
    pub(super) fn shown_certificate(&self) -> Option<DeviceCertificate> {
        DeviceCertificate::from_record(self.certificate.as_deref()?).ok()
    }
}

fn key(bytes: &[u8; 32]) -> Result<VerifyingKey, StatementError> {
    let key = VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak());
    Ok(key.ok_or(IdError::NotAKey)?)
}
