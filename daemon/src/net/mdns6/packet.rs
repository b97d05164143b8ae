//! What is said by mDNS (libp2p's specification of it, "Multicast DNS"): who is there is asked by the name of a service,
//! and answered with a name of one's own, whose text records hold an address each, with the peer id at its end.

use std::time::Duration;

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::rdata::{PTR, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use crate::limits::ADDRESSES_PER_PEER_MAX;

/// The service.
const SERVICE: &str = "_p2p._udp.local.";
/// What text begins with that is an address.
const ADDRESS_KEY: &str = "dnsaddr=";
/// The longest text of a record (RFC 1035, section 3.3), bytes.
const TEXT_BYTES_MAX: usize = 255;

/// What a packet says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Packet {
    /// Who is there?
    Query,
    /// These are.
    Answer(Vec<Found>),
}

/// A peer and where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) peer: PeerId,
    /// Without the peer id.
    pub(super) addresses: Vec<Multiaddr>,
    /// How long that is to be believed.
    pub(super) ttl: Duration,
}

/// Asks who is there. `None`: a defect.
pub(super) fn query() -> Option<Vec<u8>> {
    let mut message = Message::new(0, MessageType::Query, OpCode::Query);
    message.add_query(Query::query(service()?, RecordType::PTR));
    message.to_vec().ok()
}

/// Answers. `own`: a name for this answer, of letters and digits. Addresses that are too long for a record are left out.
pub(super) fn answer(
    peer: PeerId,
    own: &str,
    addresses: &[Multiaddr],
    ttl: Duration,
) -> Option<Vec<u8>> {
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    message.metadata.authoritative = true;
    let ttl = u32::try_from(ttl.as_secs()).unwrap_or(u32::MAX);
    let name = Name::from_ascii(format!("{own}.local.")).ok()?;
    let pointer = RData::PTR(PTR(name.clone()));
    message.add_answer(Record::from_rdata(service()?, ttl, pointer));
    let texts = addresses.iter().map(|address| format!("{ADDRESS_KEY}{address}/p2p/{peer}"));
    for text in texts.filter(|text| text.len() <= TEXT_BYTES_MAX).take(ADDRESSES_PER_PEER_MAX) {
        let text = RData::TXT(TXT::new(vec![text]));
        message.add_additional(Record::from_rdata(name.clone(), ttl, text));
    }
    message.to_vec().ok()
}

/// Reads a packet; `None` if it is about something else. Only addresses that end in a peer id are taken, and of each
/// answer only those of one peer.
pub(super) fn parse(bytes: &[u8]) -> Option<Packet> {
    let message = Message::from_vec(bytes).ok()?;
    let service = service()?;
    if message.metadata.message_type == MessageType::Query {
        let asks = message.queries.iter().any(|query| *query.name() == service);
        return asks.then_some(Packet::Query);
    }
    let pointers = message.answers.iter().filter(|answer| answer.name == service);
    let found = pointers.filter_map(|answer| match &answer.data {
        RData::PTR(pointer) => found(&message, &pointer.0, answer.ttl),
        _ => None,
    });
    let found: Vec<Found> = found.collect();
    (!found.is_empty()).then_some(Packet::Answer(found))
}

fn found(message: &Message, name: &Name, ttl: u32) -> Option<Found> {
    let of_name = message.additionals.iter().filter(|record| record.name == *name);
    let texts = of_name.flat_map(|record| match &record.data {
        RData::TXT(text) => text.txt_data.iter().as_slice(),
        _ => &[],
    });
    let mut found = None;
    for text in texts {
        let Some(mut address) = std::str::from_utf8(text)
            .ok()
            .and_then(|text| text.strip_prefix(ADDRESS_KEY))
            .and_then(|text| text.parse::<Multiaddr>().ok())
        else {
            continue;
        };
        let Some(Protocol::P2p(peer)) = address.pop() else { continue };
        let ttl = Duration::from_secs(u64::from(ttl));
        let found = found.get_or_insert_with(|| Found { peer, addresses: Vec::new(), ttl });
        if found.peer == peer && found.addresses.len() < ADDRESSES_PER_PEER_MAX {
            found.addresses.push(address);
        }
    }
    found
}

fn service() -> Option<Name> {
    Name::from_ascii(SERVICE).ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_said_is_read() {
        assert_eq!(parse(&query().unwrap()), Some(Packet::Query));
        let peer = PeerId::random();
        let addresses: Vec<Multiaddr> =
            ["/ip6/fe80::7/tcp/4177", "/ip6/2001:db8::7/udp/4177/quic-v1"]
                .map(|a| a.parse().unwrap())
                .into();
        let ttl = Duration::from_secs(120);
        let bytes = answer(peer, "abc", &addresses, ttl).unwrap();
        assert_eq!(parse(&bytes), Some(Packet::Answer(vec![Found { peer, addresses, ttl }])));
    }

    /// As rust-libp2p asks: the bytes of its query, but for the id, which is random there.
    #[test]
    fn the_question_is_as_other_implementations_ask_it() {
        let question = b"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04_p2p\x04_udp\x05local\x00\x00\x0c\x00\x01";
        assert_eq!(query().unwrap(), question);
    }

    #[test]
    fn what_is_about_something_else_or_of_two_peers_is_left_out() {
        assert_eq!(parse(b""), None);
        let (one, other) = (PeerId::random(), PeerId::random());
        let mut message = Message::new(7, MessageType::Response, OpCode::Query);
        let name = Name::from_ascii("x.local.").unwrap();
        message.add_answer(Record::from_rdata(
            service().unwrap(),
            1,
            RData::PTR(PTR(name.clone())),
        ));
        for text in [
            format!("dnsaddr=/ip6/::1/tcp/1/p2p/{one}"),
            format!("dnsaddr=/ip6/::2/tcp/1/p2p/{other}"),
            "dnsaddr=/ip6/::3/tcp/1".to_owned(),
            "dnsaddr=nonsense".to_owned(),
            "other=1".to_owned(),
        ] {
            let text = RData::TXT(TXT::new(vec![text]));
            message.add_additional(Record::from_rdata(name.clone(), 1, text));
        }
        let Some(Packet::Answer(found)) = parse(&message.to_vec().unwrap()) else {
            panic!("no answer")
        };
        assert_eq!((found.len(), found[0].peer, found[0].addresses.len()), (1, one, 1));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            parse(&bytes);
        }
    }
}
