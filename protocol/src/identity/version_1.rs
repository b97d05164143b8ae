//! Device certificates of version 1, of which vaults of older builds have one. They are never sent any
//! more: their devices are certified anew.
//!
//! Encoded `{0: payload bytes, 1: signature 64}`; the payload is `{0: identity 32, 1: device 32, 2: created
//! at, milliseconds}`.

use serde::Deserialize;

use super::certificate::CERTIFICATE_BYTES_MAX;
use crate::codec::{self, CodecError};
use crate::ids::{DeviceId, IdentityId};
use crate::time::UnixMillis;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Signed {
    #[serde(with = "serde_bytes")]
    payload: Vec<u8>,
    /// Not looked at: who reads this has the root's key.
    #[serde(rename = "signature", with = "serde_bytes")]
    _signature: [u8; 64],
}

/// What a certificate says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Certificate {
    pub(super) identity: IdentityId,
    pub(super) device: DeviceId,
    pub(super) created_at: UnixMillis,
}

/// Reads a certificate of the user's own.
pub(super) fn read(certificate: &[u8]) -> Result<Certificate, CodecError> {
    let signed: Signed = codec::decode_lenient(certificate, CERTIFICATE_BYTES_MAX)?;
    codec::decode_lenient(&signed.payload, CERTIFICATE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::{DeviceKeys, RootKey};

    const ROOT_SEED: [u8; 32] = [1; 32];
    const DEVICE_SEED: &str = "f6a12ca8ffc30a66ca140ccc7276336115819361186d3f535dd99f8eaaca8fce";
    /// As a build of version 1 issued it.
    const CERTIFICATE: &str = "a2005851a30058208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c0158207d\
        177f1e71b490ad0ce380f9578ab12bb0fc00a98de8f6a555c81d48c2039249021b0000019b7ca98f2e015840\
        64775a8a8f68e195d06cee2c364b651e316090fc7db96ff7067fefb83527c345d57af922249f5ec523a34d2b\
        01cd0af601d097606457017d48d1f42abbc1000b";

    fn unhex(text: &str) -> Vec<u8> {
        let digits = (0..text.len()).step_by(2);
        digits.map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    #[test]
    fn a_device_of_version_1_is_certified_anew() {
        let old = unhex(CERTIFICATE);
        let seed: [u8; 32] = unhex(DEVICE_SEED).try_into().unwrap();
        let root = RootKey::from_seed(ROOT_SEED);
        let device = DeviceKeys::renew(&seed, &root, &old).unwrap();
        let renewed = device.certificate();
        assert_eq!(renewed.identity(), root.identity());
        assert_eq!(renewed.created_at().0, 1_767_323_045_678);
        DeviceKeys::from_parts(&seed, renewed.as_bytes()).unwrap();
        // Another's, or none.
        assert!(DeviceKeys::renew(&[3; 32], &root, &old).is_err());
        assert!(DeviceKeys::renew(&seed, &RootKey::from_seed([3; 32]), &old).is_err());
        assert!(DeviceKeys::renew(&seed, &root, &old[1..]).is_err());
    }
}
