//! This device's keys: from the profile, also from that of an older build.

use martlet_protocol::identity::{CertificateError, DeviceKeys, RootKey};
use martlet_store::records::{PROFILE, Profile};
use martlet_store::vault::Key;
use martlet_store::{StoreError, VaultTxn};

/// The device's keys. A certificate of an older version than this build's is issued anew by the root, for
/// the same device.
pub(super) fn keys(profile: &Profile) -> Result<DeviceKeys, StoreError> {
    let seed = &profile.device_seed.0;
    let found = match DeviceKeys::from_parts(seed, &profile.certificate) {
        // Only old vaults have such a certificate, and all of these have the root.
        Err(error @ CertificateError::Codec(_)) => match &profile.root_seed {
            Some(root) => {
                DeviceKeys::renew(seed, &RootKey::from_seed(root.0), &profile.certificate)
            }
            None => Err(error),
        },
        found => found,
    };
    found.map_err(|_| StoreError::Record { table: PROFILE.name() })
}

/// Writes the certificate that the profile has not yet, if it was issued anew.
pub(super) fn keep_certificate(
    records: &mut VaultTxn,
    device: &DeviceKeys,
) -> Result<(), StoreError> {
    let certificate = device.certificate().as_bytes();
    let Some(mut profile) = records.get(&PROFILE, Key::Named(b""))? else { return Ok(()) };
    if profile.certificate != certificate {
        profile.certificate = certificate.to_vec();
        records.put(&PROFILE, Key::Named(b""), &profile)?;
    }
    Ok(())
}
