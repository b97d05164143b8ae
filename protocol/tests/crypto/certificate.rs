//! Device certificates.

use ed25519_dalek::{Signer, SigningKey};
use martlet_protocol::DeviceId;
use martlet_protocol::codec;
use martlet_protocol::identity::certificate::CERTIFICATE_BYTES_MAX;
use martlet_protocol::identity::{CertificateError, DeviceCertificate};
use serde::Serialize;
use serde_bytes::Bytes;

use crate::by_hand::Format;
use crate::people::{NOW, Person};

/// A certificate's fields as its documentation gives them.
#[derive(Serialize)]
struct Payload<'a> {
    format: Format,
    identity: &'a Bytes,
    device: &'a Bytes,
    created_at: u64,
}

/// The same with one more field.
#[derive(Serialize)]
struct LongerPayload<'a> {
    format: Format,
    identity: &'a Bytes,
    device: &'a Bytes,
    created_at: u64,
    more: u8,
}

pub(crate) fn sign(key: &SigningKey, context: &str, payload: &impl Serialize) -> Vec<u8> {
    let payload = codec::encode(payload);
    let signed = [context.as_bytes(), &[0], &payload].concat();
    let signature = key.sign(&signed).to_bytes();
    #[derive(Serialize)]
    struct Signed<'a> {
        payload: &'a Bytes,
        signature: &'a Bytes,
    }
    codec::encode(&Signed { payload: Bytes::new(&payload), signature: Bytes::new(&signature) })
}

/// A certificate by `root`, made at the same time as those of people.
pub(crate) fn of_device(root: &SigningKey, device: &DeviceId) -> Vec<u8> {
    with_format(root, device, Format::current())
}

/// The same with another format at its head.
pub(crate) fn with_format(root: &SigningKey, device: &DeviceId, format: Format) -> Vec<u8> {
    let identity = root.verifying_key();
    let payload = Payload {
        format,
        identity: Bytes::new(identity.as_bytes()),
        device: Bytes::new(&device.0),
        created_at: NOW.0,
    };
    sign(root, CONTEXT, &payload)
}

const CONTEXT: &str = "martlet device certificate v2";

fn keys() -> (SigningKey, SigningKey) {
    (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]))
}

#[test]
fn made_by_hand_as_documented_it_is_valid() {
    let (root, device) = keys();
    let (identity, device) = (root.verifying_key(), device.verifying_key());
    let bytes = sign(
        &root,
        CONTEXT,
        &Payload {
            format: Format::current(),
            identity: Bytes::new(identity.as_bytes()),
            device: Bytes::new(device.as_bytes()),
            created_at: 7,
        },
    );
    let certificate = DeviceCertificate::from_bytes(&bytes).unwrap();
    assert_eq!(&certificate.identity().0, identity.as_bytes());
    assert_eq!(&certificate.device().0, device.as_bytes());
    assert_eq!(certificate.created_at().0, 7);
    assert_eq!(certificate.as_bytes(), bytes);
}

#[test]
fn signed_by_another_or_for_another_purpose_it_is_refused() {
    let (root, other) = keys();
    let identity = root.verifying_key();
    let payload = Payload {
        format: Format::current(),
        identity: Bytes::new(identity.as_bytes()),
        device: Bytes::new(identity.as_bytes()),
        created_at: 7,
    };
    for bytes in [
        sign(&other, CONTEXT, &payload),
        sign(&root, "martlet bundle v2", &payload),
        sign(&root, "", &payload),
    ] {
        let refused = DeviceCertificate::from_bytes(&bytes);
        assert!(matches!(refused, Err(CertificateError::Signature)));
    }
}

#[test]
fn an_unknown_field_is_refused_though_it_is_signed() {
    let (root, _) = keys();
    let identity = root.verifying_key();
    let bytes = sign(
        &root,
        CONTEXT,
        &LongerPayload {
            format: Format::current(),
            identity: Bytes::new(identity.as_bytes()),
            device: Bytes::new(identity.as_bytes()),
            created_at: 7,
            more: 1,
        },
    );
    assert!(matches!(DeviceCertificate::from_bytes(&bytes), Err(CertificateError::Codec(_))));
}

/// With a key of small order a signature can be made that holds for every message.
#[test]
fn weak_keys_are_refused() {
    let (root, _) = keys();
    let identity = root.verifying_key();
    let mut weak = [0; 32];
    weak[0] = 1;
    for (identity, device) in [(identity.as_bytes(), &weak), (&weak, identity.as_bytes())] {
        let bytes = sign(
            &root,
            CONTEXT,
            &Payload {
                format: Format::current(),
                identity: Bytes::new(identity),
                device: Bytes::new(device),
                created_at: 7,
            },
        );
        assert!(matches!(DeviceCertificate::from_bytes(&bytes), Err(CertificateError::Key(_))));
    }
}

#[test]
fn every_changed_byte_and_every_cut_is_refused() {
    let person = Person::new(1);
    let bytes = person.device.certificate().as_bytes();
    assert_eq!(person.device.certificate().created_at(), NOW);
    for at in 0..bytes.len() {
        for flip in 1..=255 {
            let mut changed = bytes.to_vec();
            changed[at] ^= flip;
            assert!(DeviceCertificate::from_bytes(&changed).is_err(), "byte {at} ^ {flip}");
        }
        assert!(DeviceCertificate::from_bytes(&bytes[..at]).is_err(), "cut to {at}");
    }
    assert!(DeviceCertificate::from_bytes(&[bytes, &[0]].concat()).is_err());
    assert!(DeviceCertificate::from_bytes(&[0; CERTIFICATE_BYTES_MAX + 1]).is_err());
}
