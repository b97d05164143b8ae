#![expect(clippy::unwrap_used, reason = "tests")]

use futures::io::Cursor;
use libp2p::StreamProtocol;
use libp2p::request_response::Codec;
use martlet_protocol::limits::GOSSIP_BYTES_MAX;
use martlet_protocol::{Ack, AckSecret, EnvelopeId};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::codec::{Answer, StemCodec, encode};
use super::*;
use crate::limits::STEM_EPOCH_MAX;
use crate::net::asked::Unread;

const PROTOCOL: StreamProtocol = StreamProtocol::new("/martlet/test/stem/2");

fn envelope(number: u8, bytes: usize) -> Stemmed {
    Stemmed::Envelope(Envelope::new(vec![number; bytes]))
}

fn neighbours(count: usize, dialled: usize) -> Vec<Candidate> {
    let candidate = |number| Candidate { peer: PeerId::random(), dialled_here: number < dialled };
    (0..count).map(candidate).collect()
}

/// Were the way drawn for each item anew, who writes much would be met on many ways.
#[test]
fn an_edge_keeps_its_successor_for_an_epoch_and_never_goes_back() {
    let (now, mut rng) = (Instant::now(), StdRng::seed_from_u64(1));
    let (mut stem, all) = (Stem::new(now), neighbours(8, 4));
    let edges: Vec<Edge> =
        std::iter::once(None).chain(all.iter().map(|it| Some(it.peer))).collect();
    let mut draw = |stem: &mut Stem, at| -> Vec<Option<PeerId>> {
        edges.iter().map(|edge| stem.successor(None, *edge, &all, at, &mut rng)).collect()
    };
    let first = draw(&mut stem, now);
    assert_eq!(first, draw(&mut stem, now + Duration::from_secs(60)));
    for (edge, successor) in edges.iter().zip(&first) {
        assert!(successor.is_some() && successor != edge);
    }
    let used: std::collections::HashSet<_> = first.iter().flatten().collect();
    assert!(used.len() <= 2, "{} successors", used.len());
    let dialled = |peer: &PeerId| all.iter().any(|it| it.peer == *peer && it.dialled_here);
    assert!(used.into_iter().all(dialled), "strangers chose to be successors");
    let later: Vec<_> =
        (1..20).map(|epoch| draw(&mut stem, now + epoch * STEM_EPOCH_MAX)).collect();
    assert!(later.iter().any(|drawn| *drawn != first));
}

#[test]
fn with_one_neighbour_what_it_brings_goes_no_further() {
    let (now, mut rng) = (Instant::now(), StdRng::seed_from_u64(2));
    let (mut stem, all) = (Stem::new(now), neighbours(1, 0));
    let only = Some(all[0].peer);
    assert_eq!(stem.successor(None, None, &all, now, &mut rng), only);
    assert_eq!(stem.successor(None, only, &all, now, &mut rng), None);
    // It failed, and there is no other: rather that one again than none.
    stem.forget(&all[0].peer, true);
    assert_eq!(stem.successor(None, None, &all, now, &mut rng), only);
    assert_eq!(stem.successor(None, None, &[], now, &mut rng), None);
}

#[test]
fn what_neighbours_bring_is_bounded_for_each_and_in_all() {
    let (now, mut rng) = (Instant::now(), StdRng::seed_from_u64(3));
    let mut stem = Stem::new(now);
    let ack = |number: usize| {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&(number as u64).to_be_bytes());
        Stemmed::Ack(Ack { envelope: EnvelopeId(id), slot: 0, secret: AckSecret([7; 16]) })
    };
    let mut hold =
        |stem: &mut Stem, item: &Stemmed, edge| stem.hold(Key::of(item), item, edge, now, &mut rng);
    let peers: Vec<PeerId> = (0..4).map(|_| PeerId::random()).collect();
    let taken =
        |stem: &mut Stem, hold: &mut dyn FnMut(&mut Stem, &Stemmed, Edge) -> bool, peer: usize| {
            (0..STEM_ITEMS_PER_PEER_MAX + 10)
                .filter(|number| hold(stem, &ack(peer * 10_000 + number), Some(peers[peer])))
                .count()
        };
    for peer in 0..3 {
        assert_eq!(taken(&mut stem, &mut hold, peer), STEM_ITEMS_PER_PEER_MAX);
    }
    assert_eq!(taken(&mut stem, &mut hold, 3), STEM_ITEMS_MAX - 3 * STEM_ITEMS_PER_PEER_MAX);
    // Who has used up its share is answered the same for what is held here and for what is not.
    assert!(!hold(&mut stem, &ack(0), Some(peers[0])));
    // The user's own has a bound of its own.
    let own = (0..STEM_OWN_HELD_MAX + 10)
        .filter(|number| hold(&mut stem, &ack(100_000 + number), None))
        .count();
    assert_eq!(own, STEM_OWN_HELD_MAX);
    assert!(hold(&mut stem, &ack(100_000), None), "it is held already");
    assert_eq!(stem.take_due(now + STEM_FAILSAFE_MAX).len(), STEM_ITEMS_MAX + STEM_OWN_HELD_MAX);
    assert!(stem.is_empty() && stem.by_peer.is_empty() && stem.own == 0 && stem.bytes == 0);

    let large = STEM_BYTES_MAX / 200;
    let held =
        (0..=200).filter(|number| hold(&mut stem, &envelope(*number, large), Some(peers[0])));
    assert_eq!(held.count(), 200);
}

/// Who publishes first, of those on a stem, must not be its beginning more often than any other.
#[test]
fn the_fail_safe_waits_as_long_as_is_said() {
    let mut rng = StdRng::seed_from_u64(4);
    let mut times: Vec<Duration> = (0..10_000).map(|_| failsafe(&mut rng)).collect();
    times.sort_unstable();
    assert!(times[0] >= STEM_FAILSAFE_MIN && times[9_999] <= STEM_FAILSAFE_MAX);
    let median = times[5_000] - STEM_FAILSAFE_MIN;
    assert!(median.abs_diff(STEM_FAILSAFE_MEAN.mul_f64(0.693)) < STEM_FAILSAFE_MEAN / 20);
}

#[test]
fn what_was_seen_goes_no_further_and_no_neighbour_gets_more_than_it_takes() {
    let (now, mut rng) = (Instant::now(), StdRng::seed_from_u64(5));
    let (mut stem, peer) = (Stem::new(now), PeerId::random());
    for number in 0..10 {
        let item = envelope(number, 600);
        let key = Key::of(&item);
        assert!(stem.hold(key, &item, None, now, &mut rng));
        stem.enqueue(peer, Ride { key, edge: None, is_again: false });
    }
    assert!(stem.take(&Key::of(&envelope(0, 600))).is_some());
    let begun: Vec<Stemmed> =
        std::iter::from_fn(|| stem.next_hop()).map(|(_, _, item)| item).collect();
    assert_eq!(begun.len(), STEM_IN_FLIGHT_MAX);
    assert!(!begun.contains(&envelope(0, 600)));
}

/// One item, sent again and again to a node whose successor takes none, filled its memory.
#[test]
fn what_a_neighbour_brings_again_and_again_waits_once() {
    let (now, mut rng) = (Instant::now(), StdRng::seed_from_u64(6));
    let (mut stem, successor) = (Stem::new(now), PeerId::random());
    let (one, other) = (Some(PeerId::random()), Some(PeerId::random()));
    let item = envelope(1, 600);
    let key = Key::of(&item);
    assert!(stem.hold(key, &item, one, now, &mut rng));
    for edge in [one, other, one, other, one] {
        stem.enqueue(successor, Ride { key, edge, is_again: false });
    }
    assert_eq!(stem.queues[&successor].waiting.len(), 2);
    assert_eq!(std::iter::from_fn(|| stem.next_hop()).count(), 2);
    // Once it is on its way it may come again.
    stem.enqueue(successor, Ride { key, edge: one, is_again: false });
    assert_eq!(std::iter::from_fn(|| stem.next_hop()).count(), 1);

    for number in 0..STEM_QUEUE_MAX + 10 {
        let mut key = [1; 32];
        key[..8].copy_from_slice(&(number as u64).to_be_bytes());
        stem.enqueue(successor, Ride { key: Key(key), edge: one, is_again: false });
    }
    assert_eq!(stem.queues[&successor].waiting.len(), STEM_QUEUE_MAX);
    // What is in flight to a neighbour that is gone counts until it is over.
    assert_eq!(stem.forget(&successor, false).len(), STEM_QUEUE_MAX);
    assert_eq!(stem.queues[&successor].in_flight, 3);
}

#[tokio::test]
async fn requests_and_answers_round_trip_and_garbage_is_an_error() {
    let mut codec = StemCodec;
    let request = Ok(encode(&envelope(1, 600)));
    let mut wire = Cursor::new(Vec::new());
    codec.write_request(&PROTOCOL, &mut wire, request.clone()).await.unwrap();
    wire.set_position(0);
    assert_eq!(codec.read_request(&PROTOCOL, &mut wire).await.unwrap(), request);
    for answer in [Answer::Taken, Answer::Refused] {
        let mut wire = Cursor::new(Vec::new());
        codec.write_response(&PROTOCOL, &mut wire, answer).await.unwrap();
        wire.set_position(0);
        assert_eq!(codec.read_response(&PROTOCOL, &mut wire).await.unwrap(), answer);
    }
    for bytes in [&b""[..], b"\x02", b"\0\0"] {
        assert!(codec.read_response(&PROTOCOL, &mut Cursor::new(bytes)).await.is_err());
    }
    let mut long = Cursor::new(vec![0; 2 * GOSSIP_BYTES_MAX]);
    let unread = codec.read_request(&PROTOCOL, &mut long).await.unwrap();
    assert_eq!(unread, Err(Unread::Invalid));
    assert_eq!(long.position(), GOSSIP_BYTES_MAX as u64 + 1);
}
