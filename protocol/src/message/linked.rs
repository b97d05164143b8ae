//! Kind 8, to devices: a new device is the identity's from now on.
//!
//! Payload: `{0: certificate bytes, 1: identity state bytes, 2: {0: rendezvous secret 15, 1: reset at ms}, 3: name or null, 4: first rendezvous
//! secret 15}`, at most
//! 27 KiB. Further fields are ignored. It is the end of a [linking](crate::link) that came about, sealed to the keys that the new
//! device showed in step 1. The secret and the name are the user's: by the secret the identity's bundles are found, and others are
//! offered the name. By the first secret a device is found that is restored from the recovery phrase.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::identity::certificate::CERTIFICATE_BYTES_MAX;
use crate::ids::{Rendezvous, RendezvousSecret};
use crate::limits::IDENTITY_STATE_BYTES_MAX;

/// The kind's number.
pub const KIND: u16 = 8;
/// Longest payload, bytes: the longest state and certificate, and room for fields to come.
pub const BYTES_MAX: usize = IDENTITY_STATE_BYTES_MAX + CERTIFICATE_BYTES_MAX + 1536;

/// A new device is the identity's from now on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    /// The device's certificate.
    #[serde(with = "serde_bytes")]
    pub certificate: Vec<u8>,
    /// What is known of the identity's devices.
    #[serde(with = "serde_bytes")]
    pub state: Vec<u8>,
    /// By what the user's bundles are found.
    pub rendezvous: Rendezvous,
    /// The name that others are offered.
    pub name: Option<String>,
    /// The secret that the identity had first.
    pub first_secret: RendezvousSecret,
}

/// Hand-written: the secret is not shown.
impl fmt::Debug for Linked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Linked(…)")
    }
}
