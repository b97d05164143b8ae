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

/// Both sides' views of the same connections, in the order given: who dialled each.
fn both(dialled_by_smaller: &[bool]) -> (Vec<ConnectionId>, Vec<ConnectionId>) {
    let (smaller, larger) = two_ids();
    let (mut of_smaller, mut of_larger) = (peers_of(smaller), peers_of(larger));
    let (mut closed_by_smaller, mut closed_by_larger) = (Vec::new(), Vec::new());
    for (number, by_smaller) in dialled_by_smaller.iter().enumerate() {
        let seen_there = endpoint(!by_smaller);
        let seen_here = endpoint(*by_smaller);
        closed_by_smaller.extend(of_smaller.established(larger, id(number), &seen_here).1);
        closed_by_larger.extend(of_larger.established(smaller, id(number), &seen_there).1);
    }
    (closed_by_smaller, closed_by_larger)
}

#[test]
fn of_two_dialled_at_once_the_smaller_ids_stays_and_the_larger_closes_its_own() {
    assert_eq!(both(&[true, false]), (vec![], vec![id(1)]));
    assert_eq!(both(&[false, true]), (vec![], vec![id(0)]));
}

#[test]
fn of_two_dialled_by_the_same_the_newer_stays_and_the_dialler_closes_the_other() {
    assert_eq!(both(&[true, true]), (vec![id(0)], vec![]));
    assert_eq!(both(&[false, false]), (vec![], vec![id(0)]));
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

/// Over QUIC a process that is killed says no word. Restarted it dialled; the older connection was
/// closed, but gossipsub says what it takes on a peer's first connection alone: so the restarted
/// peer gossiped nothing here, until sync brought it a minute later.
#[tokio::test(start_paused = true)]
async fn a_peer_that_dials_long_after_it_was_connected_is_connected_anew() {
    let (smaller, larger) = two_ids();
    for (local, remote) in [(smaller, larger), (larger, smaller)] {
        for older_dialled_here in [true, false] {
            let mut peers = peers_of(local);
            peers.established(remote, id(0), &endpoint(older_dialled_here));
            peers.get_mut(&remote).unwrap().answered(Duration::from_millis(50), Pace::USUAL);
            tokio::time::advance(DUPLICATE_CONNECTION_GRACE + Duration::from_millis(400)).await;
            assert_eq!(peers.established(remote, id(1), &endpoint(false)), (false, vec![]));
            assert_eq!(peers.take_dead(Instant::now()), [remote]);
            assert!(peers.take_dead(Instant::now()).is_empty());
        }
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
        assert_eq!(peers.established(larger, id(1), &endpoint(false)), (false, vec![]));
        assert!(peers.take_dead(Instant::now()).is_empty());
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
            let (first, close) = peers.established(larger, id(1), &endpoint(newer_dialled_here));
            assert!(!first);
            if !close.is_empty() {
                assert_eq!(close, [id(0)], "the newer is never closed here");
                continue;
            }
            assert!(peers.take_dead(Instant::now()).is_empty());
            tokio::time::advance(DUPLICATE_CONNECTION_GRACE).await;
            assert_eq!(peers.take_dead(Instant::now()), [larger]);
            assert!(peers.closed(&larger, id(0)).is_none());
            assert!(peers.is_connected(&larger));
            assert!(peers.closed(&larger, id(1)).is_some());
        }
    }
}
