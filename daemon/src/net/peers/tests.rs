#![expect(clippy::unwrap_used, reason = "tests")]

use libp2p::core::transport::PortUse;

use super::*;

fn endpoint(dialled_here: bool) -> ConnectedPoint {
    if dialled_here {
        ConnectedPoint::Dialer {
            address: Multiaddr::empty(),
            role_override: Endpoint::Dialer,
            port_use: PortUse::New,
        }
    } else {
        ConnectedPoint::Listener {
            local_addr: Multiaddr::empty(),
            send_back_addr: Multiaddr::empty(),
        }
    }
}

fn peers_of(local: PeerId) -> Peers {
    Peers::new(local, ConnectionPolicy::default())
}

fn two_ids() -> (PeerId, PeerId) {
    let (a, b) = (PeerId::random(), PeerId::random());
    (a.min(b), a.max(b))
}

fn id(number: usize) -> ConnectionId {
    ConnectionId::new_unchecked(number)
}

/// What each side retires of the same connections, in the order given: who dialled each. And what each closes
/// when its grace is over.
fn both(dialled_by_smaller: &[bool]) -> [(Vec<ConnectionId>, Vec<ConnectionId>); 2] {
    let (smaller, larger) = two_ids();
    [(smaller, larger, true), (larger, smaller, false)].map(|(local, remote, is_smaller)| {
        let mut peers = peers_of(local);
        let mut retired = Vec::new();
        for (number, by_smaller) in dialled_by_smaller.iter().enumerate() {
            let seen = endpoint(*by_smaller == is_smaller);
            retired.extend(peers.established(remote, id(number), &seen).1);
        }
        let closed = peers.take_due(Instant::now() + DUPLICATE_CONNECTION_GRACE);
        (retired, closed)
    })
}

/// It was closed at once: what gossip had written to it, and what the other side had, came seconds later, by sync.
#[test]
fn of_two_dialled_at_once_the_smaller_ids_stays_and_the_larger_closes_its_own_after_a_while() {
    for (order, closed) in [([true, false], id(1)), ([false, true], id(0))] {
        assert_eq!(both(&order), [(vec![closed], vec![]), (vec![closed], vec![closed])]);
    }
}

#[test]
fn of_two_dialled_by_the_same_the_newer_stays_and_the_dialler_closes_the_other() {
    let (retired, older) = (vec![id(0)], vec![id(0)]);
    assert_eq!(both(&[true, true]), [(retired.clone(), older.clone()), (retired.clone(), vec![])]);
    assert_eq!(both(&[false, false]), [(retired.clone(), vec![]), (retired, older)]);
}

#[test]
fn those_who_connect_leave_room_for_those_who_are_chosen() {
    let mut peers = peers_of(PeerId::random());
    let pinned = PeerId::random();
    assert_eq!((peers.wanted(), peers.inbound_room(|_| false)), (24, 32));
    for number in 0..20 {
        peers.established(PeerId::random(), id(number), &endpoint(number % 2 == 0));
    }
    peers.established(pinned, id(20), &endpoint(false));
    assert_eq!(peers.wanted(), 3);
    assert_eq!(peers.inbound_room(|of| *of == pinned), 32);
    for number in 21..40 {
        peers.established(PeerId::random(), id(number), &endpoint(true));
    }
    assert_eq!(peers.wanted(), 0);
    assert_eq!(peers.inbound_room(|of| *of == pinned), 48 - 30);
    let candidates = peers.candidates(|of| *of == pinned);
    assert_eq!(candidates.iter().filter(|one| one.is_pinned).count(), 1);
}

#[test]
fn a_direct_connection_takes_the_place_of_one_through_a_relay() {
    let relay = PeerId::random();
    let relayed: Multiaddr = Multiaddr::empty()
        .with(Protocol::Ip4([8, 8, 8, 8].into()))
        .with(Protocol::Tcp(1))
        .with(Protocol::P2p(relay))
        .with(Protocol::P2pCircuit);
    let (smaller, larger) = two_ids();
    // Whoever has the smaller id, and whatever part it takes in punching the hole.
    for (local, remote) in [(smaller, larger), (larger, smaller)] {
        for role_override in [Endpoint::Dialer, Endpoint::Listener] {
            let mut peers = peers_of(local);
            let through_relay = ConnectedPoint::Dialer {
                address: relayed.clone(),
                role_override: Endpoint::Dialer,
                port_use: PortUse::New,
            };
            peers.established(remote, id(0), &through_relay);
            let told = peers.describe(UnixMillis(0), |_, _| {});
            assert_eq!(told[0].transport, Some(Transport::Relay));
            let direct = ConnectedPoint::Dialer {
                address: Multiaddr::empty(),
                role_override,
                port_use: PortUse::Reuse,
            };
            assert_eq!(peers.established(remote, id(1), &direct), (false, vec![id(0)]));
            assert!(peers.closed(&remote, id(0)).is_none());
            assert!(peers.describe(UnixMillis(0), |_, _| {})[0].upgraded);
        }
    }
}

/// Over QUIC a process that is killed says no word: restarted, it dials, and does not know the older
/// connection. Other implementations have several on purpose. Both connections were closed, and the log said
/// that the older one was dead.
#[tokio::test(start_paused = true)]
async fn of_a_peer_that_dials_long_after_it_was_connected_the_newest_connection_stays() {
    let (smaller, larger) = two_ids();
    for (local, remote) in [(smaller, larger), (larger, smaller)] {
        for older_dialled_here in [true, false] {
            let mut peers = peers_of(local);
            peers.established(remote, id(0), &endpoint(older_dialled_here));
            peers.get_mut(&remote).unwrap().answered(Duration::from_millis(50), Pace::USUAL);
            tokio::time::advance(DUPLICATE_CONNECTION_GRACE + Duration::from_millis(400)).await;
            assert_eq!(peers.established(remote, id(1), &endpoint(false)), (false, vec![id(0)]));
            assert!(peers.take_due(Instant::now()).is_empty(), "what is on its way still comes");
            tokio::time::advance(DUPLICATE_CONNECTION_GRACE).await;
            assert_eq!(peers.take_due(Instant::now()), [id(0)]);
            assert!(peers.closed(&remote, id(0)).is_none());
            assert_eq!(peers.next_due(), None);
        }
    }
}

/// The larger id's connection may come up last, and is closed by the larger: meanwhile it isn't taken for one of a
/// peer that knows no other.
#[tokio::test(start_paused = true)]
async fn of_several_connections_that_a_peer_has_on_purpose_the_first_stays() {
    let (smaller, larger) = two_ids();
    for (local, remote) in [(smaller, larger), (larger, smaller)] {
        let mut peers = peers_of(local);
        peers.established(remote, id(0), &endpoint(false));
        peers.get_mut(&remote).unwrap().answered(Duration::from_millis(50), Pace::USUAL);
        tokio::time::advance(DUPLICATE_CONNECTION_GRACE * 2).await;
        peers.established(remote, id(1), &endpoint(false));
        assert!(peers.is_doubted(&remote, id(0)) && !peers.is_doubted(&remote, id(1)));
        peers.answered(&remote, id(1));
        peers.answered(&remote, id(0));
        tokio::time::advance(DUPLICATE_CONNECTION_GRACE * 3).await;
        assert!(peers.take_due(Instant::now()).is_empty(), "a daemon closes the older by now");
        tokio::time::advance(DUPLICATE_CONNECTION_GRACE).await;
        assert_eq!(peers.take_due(Instant::now()), [id(1)]);
    }
}

#[tokio::test(start_paused = true)]
async fn on_a_slow_link_a_second_connection_may_come_late() {
    let (smaller, larger) = two_ids();
    for latency in [None, Some(Duration::from_secs(1))] {
        let mut peers = peers_of(smaller);
        peers.established(larger, id(0), &endpoint(true));
        if let Some(latency) = latency {
            peers.get_mut(&larger).unwrap().answered(latency, Pace::USUAL);
        }
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(peers.established(larger, id(1), &endpoint(false)), (false, vec![id(1)]));
        tokio::time::advance(DUPLICATE_CONNECTION_GRACE * 3).await;
        assert!(peers.take_due(Instant::now()).is_empty());
        assert!(peers.closed(&larger, id(1)).is_none());
        assert_eq!(peers.next_due(), None);
    }
}

/// A split shorter than the time-outs of pings ended no connection, so that no sync followed it:
/// gossip lost meanwhile came with the next round, up to a minute later, newer messages first.
#[tokio::test(start_paused = true)]
async fn a_connection_that_was_silent_is_told_from_a_slow_one() {
    let mut peer = PeerState::new(Instant::now());
    let mut ping = async |round_trip, waited| {
        tokio::time::advance(waited + round_trip).await;
        peer.answered(round_trip, Pace::USUAL)
    };
    let (short, long) = (Duration::from_millis(20), Duration::from_secs(5));
    assert!(!ping(short, Duration::ZERO).await, "the first");
    assert!(!ping(short, PING_INTERVAL).await);
    assert!(ping(long, PING_INTERVAL).await, "answered late");
    assert!(!ping(long, PING_INTERVAL).await, "a slow link is no silent one");
    assert!(!ping(short, PING_INTERVAL).await);
    // The first that is not answered is not reported.
    assert!(ping(short, PING_INTERVAL * 2).await);
    assert!(!ping(short, PING_INTERVAL).await);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_was_restarted_does_not_know_the_older_one_which_is_then_closed() {
    let (smaller, larger) = two_ids();
    for older_dialled_here in [true, false] {
        for newer_dialled_here in [true, false] {
            let mut peers = peers_of(smaller);
            peers.established(larger, id(0), &endpoint(older_dialled_here));
            let (first, retired) = peers.established(larger, id(1), &endpoint(newer_dialled_here));
            assert!(!first);
            assert_eq!(retired.len(), 1);
            assert!(peers.take_due(Instant::now()).is_empty());
            tokio::time::advance(DUPLICATE_CONNECTION_GRACE * 4).await;
            assert_eq!(peers.take_due(Instant::now()), [id(0)], "never the newer");
            assert!(peers.closed(&larger, id(0)).is_none());
            assert_eq!(peers.next_due(), None);
            assert!(peers.closed(&larger, id(1)).is_some());
        }
    }
}
