//! vodozemac's account, made of keys that are given: its own constructor draws them from the system, which would make a simulated
//! network differ from run to run, and it keeps two fallback keys only, where prekeys of many days are kept. This goes by the
//! public serialized form instead. An account lives for one call.

use serde::Serialize;
use vodozemac::olm::{Account, AccountPickle};
use zeroize::Zeroizing;

use super::{OlmError, OlmSecret};
use crate::codec;
use crate::limits::BODY_BYTES_MAX;

#[derive(Serialize)]
enum SecretKeys {
    Normal(#[serde(with = "serde_bytes")] [u8; 32]),
}

#[derive(Serialize)]
struct NoOneTimeKeys {
    next_key_id: u64,
    public_keys: std::collections::BTreeMap<u64, ()>,
    private_keys: std::collections::BTreeMap<u64, ()>,
}

#[derive(Serialize)]
struct FallbackKey<'a> {
    key_id: u64,
    key: &'a [u8; 32],
    published: bool,
}

#[derive(Serialize)]
struct FallbackKeys<'a> {
    key_id: u64,
    fallback_key: Option<FallbackKey<'a>>,
    previous_fallback_key: Option<FallbackKey<'a>>,
}

#[derive(Serialize)]
struct Pickle<'a> {
    signing_key: SecretKeys,
    diffie_hellman_key: &'a [u8; 32],
    one_time_keys: NoOneTimeKeys,
    fallback_keys: FallbackKeys<'a>,
}

/// The account of the device with this identity key. It accepts sessions that were begun with `key`, of whatever kind that is: who
/// keeps the keys sees to it that a one-time key is used once.
pub(super) fn account(identity: &OlmSecret, key: Option<&OlmSecret>) -> Result<Account, OlmError> {
    let fallback_key = key.map(|key| FallbackKey { key_id: 0, key: key.bytes(), published: true });
    let pickle = Zeroizing::new(codec::encode_named(&Pickle {
        // Signs nothing: the device's own key does.
        signing_key: SecretKeys::Normal([0; 32]),
        diffie_hellman_key: identity.bytes(),
        one_time_keys: NoOneTimeKeys {
            next_key_id: 0,
            public_keys: Default::default(),
            private_keys: Default::default(),
        },
        fallback_keys: FallbackKeys { key_id: 1, fallback_key, previous_fallback_key: None },
    }));
    let pickle: AccountPickle = codec::decode_named(&pickle, BODY_BYTES_MAX)?;
    Ok(Account::from_pickle(pickle))
}
