use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::*;
use crate::crypto::Addressing;
use crate::envelope::{Envelope, Header};
use crate::ids::{NetworkTag, Shard};
use crate::time::ExpiryHour;

const CONTEXT: SessionContext = SessionContext {
    sender: IdentityId([1; 32]),
    device: DeviceId([2; 32]),
    conversation: ConversationId([3; 32]),
};

fn addressing() -> Addressing {
    Addressing { network: NetworkTag::of("test"), shard: Shard(0), expiry: ExpiryHour(500_000) }
}

#[test]
fn any_order_of_arrival_opens() -> Result<(), Box<dyn std::error::Error>> {
    let mut rng = ChaCha20Rng::from_seed([1; 32]);
    let device = DeviceId([7; 32]);
    let mut outbound = OutboundSession::new(&mut rng, CONTEXT, &[device])?;
    let grant = outbound.grant(&device).ok_or("no grant")?;
    let mut envelopes = Vec::new();
    for text in 0..SESSION_MESSAGES_MAX {
        outbound = OutboundSession::from_record(&outbound.to_record())?;
        envelopes.push(Envelope::new(outbound.seal(&addressing(), &text.to_be_bytes())?));
    }
    assert!(matches!(outbound.seal(&addressing(), b"more"), Err(SessionError::Exhausted)));

    let mut inbound = InboundSession::new(&grant, CONTEXT)?;
    let tags: std::collections::HashMap<Tag, u32> =
        inbound.tags().map(|(index, tag)| (tag, index)).collect();
    for envelope in envelopes.iter().rev() {
        let header = Header::parse(&envelope.content)?;
        let tag = header.tag(&envelope.content).ok_or("no tag")?;
        let index = tags[&tag];
        let opened = inbound.open(index, &envelope.id(), &header, &envelope.content)?;
        assert_eq!(opened.data.as_slice(), index.to_be_bytes());
        assert_eq!(opened.acks.len(), 1);
        assert!(header.verifies(&envelope.content, &opened.acks[0]));
        inbound = InboundSession::from_record(&inbound.to_record())?;
    }
    inbound.advance_to(5);
    let header = Header::parse(&envelopes[4].content)?;
    let closed = inbound.open(4, &envelopes[4].id(), &header, &envelopes[4].content);
    assert!(matches!(closed, Err(SessionError::Decrypt)));
    Ok(())
}

#[test]
fn the_same_randomness_gives_the_same_session() -> Result<(), SessionError> {
    let device = DeviceId([7; 32]);
    let make = || OutboundSession::new(&mut ChaCha20Rng::from_seed([2; 32]), CONTEXT, &[device]);
    assert_eq!(make()?.to_record(), make()?.to_record());
    assert_ne!(
        make()?.id(),
        OutboundSession::new(&mut ChaCha20Rng::from_seed([3; 32]), CONTEXT, &[device])?.id()
    );
    Ok(())
}
