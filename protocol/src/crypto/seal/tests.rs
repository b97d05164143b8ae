use std::cell::Cell;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::*;
use crate::crypto::seal::{Opened, OpeningKeys, open};
use crate::envelope::Envelope;
use crate::identity::RootKey;
use crate::ids::Shard;
use crate::time::{ExpiryHour, UnixMillis};

thread_local! {
    /// Counted by `decapsulate`.
    pub(super) static DECAPSULATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Ada's device, and Bob's with nine prekeys.
struct People {
    rng: ChaCha20Rng,
    sender_root: RootKey,
    sender: DeviceKeys,
    identity: IdentityId,
    prekeys: Vec<PrekeySecret>,
    detection: DetectionSecret,
}

impl People {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let sender_root = RootKey::generate(&mut rng);
        let sender = DeviceKeys::generate(&mut rng, &sender_root, UnixMillis(5));
        let identity = RootKey::generate(&mut rng).identity();
        let prekeys = (0..9).map(|_| PrekeySecret::generate(&mut rng)).collect();
        let detection = DetectionSecret::generate(&mut rng);
        Self { rng, sender_root, sender, identity, prekeys, detection }
    }

    fn seal(&mut self, recipients: &[(PrekeyPublic, [u8; 32])]) -> Result<Vec<u8>, SealError> {
        let to = Addressing {
            network: NetworkTag::of("test"),
            shard: Shard(0),
            expiry: ExpiryHour(500_000),
        };
        let recipients: Vec<_> =
            recipients.iter().map(|(prekey, detection)| Recipient { prekey, detection }).collect();
        let (sender, identity) = (&self.sender, &self.identity);
        let conversation = ConversationId::direct(identity, &self.sender_root.identity());
        seal(&mut self.rng, &to, sender, identity, &recipients, &conversation, b"hello")
    }
}

/// Opens `content`, and tells how many decapsulations that took.
fn open_counted(
    content: &[u8],
    keys: &OpeningKeys<'_>,
) -> Result<(Result<Option<Opened>, SealError>, usize), crate::EnvelopeError> {
    let header = Header::parse(content)?;
    let before = DECAPSULATIONS.get();
    let opened = open(&Envelope::new(content.to_vec()).id(), &header, content, keys);
    Ok((opened, DECAPSULATIONS.get() - before))
}

#[test]
fn each_addressed_device_opens_and_nobody_else() -> Result<(), Box<dyn std::error::Error>> {
    let mut people = People::new();
    let devices: Vec<_> = (0..3)
        .map(|_| {
            let prekey = PrekeySecret::generate(&mut people.rng);
            (prekey, DetectionSecret::generate(&mut people.rng))
        })
        .collect();
    let publics: Vec<_> = devices.iter().map(|(p, d)| (p.public(), d.public())).collect();
    let envelope = Envelope::new(people.seal(&publics)?);
    let header = Header::parse(&envelope.content)?;
    assert_eq!(header.slots, 4);
    let identity = people.identity;

    for (prekey, detection) in &devices {
        let prekeys = [people.prekeys[0].prepare(), prekey.prepare()];
        let keys = OpeningKeys { identity: &identity, detection, prekeys: &prekeys };
        let opened =
            open(&envelope.id(), &header, &envelope.content, &keys)?.ok_or("not opened")?;
        assert_eq!(opened.payload.as_slice(), b"hello");
        assert_eq!(opened.certificate.identity(), people.sender_root.identity());
        // Its own slot and the unused fourth; not its siblings'.
        assert_eq!(opened.acks.len(), 2);
        assert!(opened.acks.iter().all(|ack| header.verifies(&envelope.content, ack)));

        let other = IdentityId([9; 32]);
        let keys = OpeningKeys { identity: &other, detection, prekeys: &prekeys };
        let redirected = open(&envelope.id(), &header, &envelope.content, &keys);
        assert!(matches!(redirected, Err(SealError::Signature)));
    }
    let stranger = DetectionSecret::generate(&mut people.rng);
    let keys = OpeningKeys { identity: &identity, detection: &stranger, prekeys: &[] };
    assert!(open(&envelope.id(), &header, &envelope.content, &keys)?.is_none());
    Ok(())
}

/// Whatever had a valid view tag was tried with every prekey: nine decapsulations, 2.2 ms, for 1 KiB
/// of garbage.
#[test]
fn only_the_prekey_that_the_hint_fits_is_tried() -> Result<(), Box<dyn std::error::Error>> {
    let mut people = People::new();
    let detection = people.detection.clone();
    let secrets = people.prekeys.clone();
    let prepared: Vec<_> = secrets.iter().map(PrekeySecret::prepare).collect();
    let identity = people.identity;
    let keys = OpeningKeys { identity: &identity, detection: &detection, prekeys: &prepared };

    // The oldest as the newest: one decapsulation.
    for secret in &secrets {
        let content = people.seal(&[(secret.public(), detection.public())])?;
        let (opened, tried) = open_counted(&content, &keys)?;
        assert!(opened?.is_some());
        assert_eq!(tried, 1);
    }
    // A prekey that is gone, and a hint of someone who guesses: none.
    let gone = PrekeySecret::generate(&mut people.rng).public();
    let mut content = people.seal(&[(gone, detection.public())])?;
    for _ in 0..100 {
        let (opened, tried) = open_counted(&content, &keys)?;
        assert!(matches!(opened, Err(SealError::NoPrekey)));
        assert_eq!(tried, 0);
        people.rng.fill_bytes(&mut content[89..93]);
    }
    // Who made the envelope can have one tried, not more, and that is told from the above.
    let mut content = people.seal(&[(secrets[3].public(), detection.public())])?;
    content[200] ^= 1;
    let (opened, tried) = open_counted(&content, &keys)?;
    assert!(matches!(opened, Err(SealError::Unwrap)));
    assert_eq!(tried, 1);
    // Someone else's: none.
    let stranger = DetectionSecret::generate(&mut people.rng);
    let keys = OpeningKeys { identity: &identity, detection: &stranger, prekeys: &prepared };
    let (opened, tried) = open_counted(&content, &keys)?;
    assert!(opened?.is_none());
    assert_eq!(tried, 0);
    Ok(())
}
