#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::limits::{DIAL_BACKOFF_MAX, FOUND_DIAL_BACKOFF_MIN, STATIC_DIAL_BACKOFF_MAX};
use libp2p::multiaddr::Protocol;

fn dialer() -> Dialer {
    Dialer::new(PeerId::random())
}

fn address(port: u16) -> Multiaddr {
    format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap()
}

fn take_one(dialer: &mut Dialer) -> Option<ConnectionId> {
    let mut due = dialer.take_due(usize::MAX, |_| false);
    assert!(due.len() <= 1);
    due.pop().map(|options| options.connection_id())
}

#[tokio::test(start_paused = true)]
async fn failures_back_off_doubling_and_a_static_peer_is_never_given_up() {
    let mut dialer = dialer();
    dialer.add(address(1), Origin::Static);
    let mut expected = DIAL_BACKOFF_MIN;
    for _ in 0..100 {
        let dial = take_one(&mut dialer).unwrap();
        assert!(take_one(&mut dialer).is_none(), "one dial at a time");
        dialer.failed(dial, Some("refused"));
        let wait = dialer.next_due(usize::MAX, |_| false).unwrap() - Instant::now();
        assert!(wait >= expected.mul_f64(0.74) && wait <= expected.mul_f64(1.26), "{wait:?}");
        assert!(take_one(&mut dialer).is_none(), "not before its time");
        tokio::time::advance(wait).await;
        expected = (expected * 2).min(STATIC_DIAL_BACKOFF_MAX);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_for_is_given_up_in_the_end() {
    let mut dialer = dialer();
    dialer.add(address(1), Origin::Command);
    for _ in 0..DIAL_ATTEMPTS_MAX {
        let dial = take_one(&mut dialer).unwrap();
        dialer.failed(dial, Some("refused"));
        tokio::time::advance(DIAL_BACKOFF_MAX * 2).await;
    }
    assert!(take_one(&mut dialer).is_none());
    assert!(dialer.next_due(usize::MAX, |_| false).is_none());
}

#[tokio::test(start_paused = true)]
async fn an_address_without_a_peer_id_is_quiet_once_its_peer_is_known_and_connected() {
    let mut dialer = dialer();
    let peer = PeerId::random();
    dialer.add(address(1), Origin::Static);
    let dial = take_one(&mut dialer).unwrap();
    dialer.established(dial, peer);
    assert!(dialer.take_due(usize::MAX, |of| *of == peer).is_empty());
    dialer.lost(peer, CONNECTION_SETTLED, false);
    tokio::time::advance(DIAL_BACKOFF_MIN * 2).await;
    assert!(dialer.take_due(usize::MAX, |of| *of == peer).is_empty(), "connected again meanwhile");
    assert!(take_one(&mut dialer).is_some());
}

#[tokio::test(start_paused = true)]
async fn of_two_that_discover_each_other_the_smaller_dials_first() {
    let (a, b) = (PeerId::random(), PeerId::random());
    let (mut smaller, mut larger) = (Dialer::new(a.min(b)), Dialer::new(a.max(b)));
    smaller.discovered(a.max(b), address(1));
    larger.discovered(a.min(b), address(2));
    assert!(take_one(&mut smaller).is_some());
    assert!(take_one(&mut larger).is_none());
    tokio::time::advance(DISCOVERED_DIAL_DELAY).await;
    assert!(take_one(&mut larger).is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_announced_no_longer_is_forgotten_and_what_is_configured_is_not() {
    let mut dialer = dialer();
    let (found, configured) = (PeerId::random(), PeerId::random());
    dialer.discovered(found, address(1));
    dialer.add(address(2).with(Protocol::P2p(configured)), Origin::Static);
    dialer.discovered(configured, address(3));
    for (peer, port) in [(found, 1), (configured, 2), (configured, 3)] {
        dialer.expired(peer, address(port));
    }
    let known: Vec<PeerId> = dialer.known().map(|(peer, _)| peer).collect();
    assert_eq!(known, [configured]);
}

#[tokio::test(start_paused = true)]
async fn discovered_peers_and_addresses_are_bounded() {
    let mut dialer = dialer();
    for _ in 0..DISCOVERED_PEERS_MAX + 10 {
        dialer.discovered(PeerId::random(), address(1));
    }
    assert_eq!(dialer.known().count(), DISCOVERED_PEERS_MAX);
    let (peer, _) = dialer.known().next().unwrap();
    for port in 0..100 {
        dialer.discovered(peer, address(port));
    }
    assert_eq!(dialer.targets[&Key::Peer(peer)].addresses.len(), ADDRESSES_PER_PEER_MAX);
}

#[tokio::test(start_paused = true)]
async fn with_connections_enough_discovered_peers_are_left_alone() {
    let mut dialer = dialer();
    dialer.discovered(PeerId::random(), address(1));
    tokio::time::advance(DISCOVERED_DIAL_DELAY).await;
    assert!(dialer.next_due(0, |_| false).is_none());
    assert!(dialer.take_due(0, |_| false).is_empty());
    dialer.add(address(2), Origin::Static);
    assert_eq!(dialer.take_due(0, |_| false).len(), 1);
    assert!(take_one(&mut dialer).is_some());
}

#[tokio::test(start_paused = true)]
async fn no_more_are_dialled_than_wanted_the_remembered_first() {
    let mut dialer = dialer();
    let local = dialer.local;
    for port in 0..10 {
        dialer.discovered(PeerId::random(), address(port));
        dialer.remembered(PeerId::random(), vec![address(100 + port)]);
    }
    dialer.remembered(local, vec![address(1)]);
    dialer.add(address(200), Origin::Static);
    tokio::time::advance(DISCOVERED_DIAL_DELAY).await;
    let dials = dialer.take_due(4, |_| false);
    assert_eq!(dials.len(), 5, "four, and the configured one");
    let remembered = dials.iter().filter_map(DialOpts::get_peer_id);
    assert!(remembered.into_iter().all(|peer| dialer.origin(&peer) == Some(Origin::Cache)));
    assert!(dialer.take_due(4, |_| false).is_empty(), "those being dialled count");
    assert_eq!(dialer.next_due(4, |_| false), None);
    dialer.failed(dials[1].connection_id(), Some("refused"));
    dialer.failed(dials[2].connection_id(), Some("refused"));
    assert_eq!(dialer.take_due(4, |_| false).len(), 2, "others take their places");
}

#[tokio::test(start_paused = true)]
async fn a_remembered_peer_is_left_alone_after_a_few_attempts_unless_it_is_announced() {
    let (mut dialer, peer) = (dialer(), PeerId::random());
    dialer.remembered(peer, vec![address(1)]);
    for _ in 1..CACHED_DIAL_ATTEMPTS_MAX {
        let dial = take_one(&mut dialer).unwrap();
        dialer.failed(dial, Some("refused"));
        assert!(take_one(&mut dialer).is_none());
        tokio::time::advance(DIAL_BACKOFF_MAX).await;
    }
    dialer.discovered(peer, address(2));
    tokio::time::advance(DISCOVERED_DIAL_DELAY).await;
    let dial = take_one(&mut dialer).unwrap();
    dialer.failed(dial, Some("refused"));
    assert_eq!(dialer.origin(&peer), Some(Origin::Discovered));
    dialer.expired(peer, address(2));
    dialer.expired(peer, address(1));
    dialer.remembered(peer, vec![address(1)]);
    for _ in 0..CACHED_DIAL_ATTEMPTS_MAX {
        let dial = take_one(&mut dialer).unwrap();
        dialer.failed(dial, Some("refused"));
        tokio::time::advance(DIAL_BACKOFF_MAX).await;
    }
    assert_eq!(dialer.origin(&peer), None);
}

/// A peer that was full closed each connection at once, and was dialled four times a second.
#[tokio::test(start_paused = true)]
async fn connections_that_hardly_last_back_off_like_dials_that_fail() {
    let (mut dialer, peer) = (dialer(), PeerId::random());
    dialer.add(address(1).with(Protocol::P2p(peer)), Origin::Static);
    let mut waits = Vec::new();
    for _ in 0..10 {
        let dial = take_one(&mut dialer).unwrap();
        dialer.established(dial, peer);
        dialer.lost(peer, Duration::from_millis(20), false);
        let wait = dialer.next_due(0, |_| false).unwrap() - Instant::now();
        waits.push(wait);
        tokio::time::advance(wait).await;
    }
    assert!(waits[9] > STATIC_DIAL_BACKOFF_MAX / 2, "{waits:?}");
    let dial = take_one(&mut dialer).unwrap();
    dialer.established(dial, peer);
    dialer.lost(peer, CONNECTION_SETTLED, false);
    assert!(dialer.next_due(0, |_| false).unwrap() - Instant::now() < DIAL_BACKOFF_MIN * 2);
}

/// On a path that broke each connection after some seconds, each counted like a dial that failed: soon the nodes were
/// apart for longer than together.
#[tokio::test(start_paused = true)]
async fn connections_that_were_of_use_are_made_anew_at_once() {
    let (mut dialer, peer) = (dialer(), PeerId::random());
    dialer.add(address(1).with(Protocol::P2p(peer)), Origin::Static);
    for _ in 0..10 {
        let dial = take_one(&mut dialer).unwrap();
        dialer.established(dial, peer);
        dialer.lost(peer, Duration::from_secs(2), false);
        let wait = dialer.next_due(0, |_| false).unwrap() - Instant::now();
        assert!(wait < DIAL_BACKOFF_MIN * 2, "{wait:?}");
        tokio::time::advance(wait).await;
    }
}

/// A remembered peer that closed the first connection after a restart, since it still had an older
/// one, was dialled again only after five seconds.
#[tokio::test(start_paused = true)]
async fn after_the_first_connection_that_hardly_lasts_comes_another_soon() {
    let (mut dialer, peer) = (dialer(), PeerId::random());
    dialer.remembered(peer, vec![address(1)]);
    let mut waits = Vec::new();
    for _ in 0..2 {
        let dial = take_one(&mut dialer).unwrap();
        dialer.established(dial, peer);
        dialer.lost(peer, Duration::from_millis(20), false);
        let wait = dialer.next_due(1, |_| false).unwrap() - Instant::now();
        waits.push(wait);
        tokio::time::advance(wait).await;
    }
    assert!(waits[0] < 2 * DIAL_BACKOFF_MIN && waits[1] > FOUND_DIAL_BACKOFF_MIN, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_reached_is_told_with_the_reason() {
    let (mut dialer, peer) = (dialer(), PeerId::random());
    dialer.add(address(1).with(Protocol::P2p(peer)), Origin::Static);
    dialer.add(address(2), Origin::Command);
    assert_eq!(dialer.unreachable(|_| false), (Vec::new(), 1));
    for dial in dialer.take_due(0, |_| false) {
        dialer.failed(dial.connection_id(), Some("Connection refused"));
    }
    let (unreachable, configured) = dialer.unreachable(|_| false);
    assert_eq!((unreachable.len(), configured), (1, 1));
    assert_eq!(unreachable[0].address, address(1));
    assert_eq!(unreachable[0].reason, "Connection refused");
    assert!(dialer.unreachable(|of| *of == peer).0.is_empty(), "it has connected by itself");
    assert_eq!(dialer.pinned().collect::<Vec<_>>(), [peer]);
}

#[tokio::test(start_paused = true)]
async fn this_node_is_never_dialled() {
    let local = PeerId::random();
    let mut dialer = Dialer::new(local);
    dialer.add(address(1).with(Protocol::P2p(local)), Origin::Static);
    dialer.discovered(local, address(2));
    assert!(take_one(&mut dialer).is_none());
    dialer.add(address(3), Origin::Command);
    let dial = take_one(&mut dialer).unwrap();
    dialer.is_self(dial);
    assert!(dialer.next_due(usize::MAX, |_| false).is_none());
}

/// A found peer whose link was lost was dialled after 5, 10, 20 s, and came back that much later than its link.
///
/// Where chance put the last of the loop's dials past the time of many dials, the test itself failed.
#[tokio::test(start_paused = true)]
async fn a_peer_whose_link_was_silently_lost_is_dialled_every_two_seconds() {
    let (mut dialer, peer) = (dialer(), PeerId::random());
    dialer.remembered(peer, vec![address(1)]);
    let dial = take_one(&mut dialer).unwrap();
    dialer.established(dial, peer);
    dialer.lost(peer, CONNECTION_SETTLED, true);
    let start = Instant::now();
    let wait_max = RECONNECT_WAIT_MAX.mul_f64(1.26);
    let mut dials = 0;
    while start.elapsed() < RECONNECT_EAGER_FOR - wait_max {
        let wait = dialer.next_due(1, |_| false).unwrap() - Instant::now();
        assert!(wait <= wait_max, "{wait:?}");
        tokio::time::advance(wait).await;
        let dial = take_one(&mut dialer).unwrap();
        dialer.failed(dial, Some("no route"));
        dials += 1;
    }
    assert!(dials > 200, "{dials}");
    // Then as rarely as others, and given up as they are.
    tokio::time::advance(RECONNECT_WAIT_MAX * 2).await;
    for _ in 0..CACHED_DIAL_ATTEMPTS_MAX {
        let dial = take_one(&mut dialer).unwrap();
        dialer.failed(dial, Some("no route"));
        tokio::time::advance(Duration::from_secs(3600)).await;
    }
    assert!(take_one(&mut dialer).is_none());
}

#[tokio::test(start_paused = true)]
async fn who_was_not_reached_is_dialled_once_a_cable_is_in() {
    let mut dialer = dialer();
    dialer.add(address(1), Origin::Static);
    for _ in 0..10 {
        let dial = take_one(&mut dialer).unwrap();
        dialer.failed(dial, Some("no route"));
        tokio::time::advance(STATIC_DIAL_BACKOFF_MAX * 2).await;
    }
    let dial = take_one(&mut dialer).unwrap();
    dialer.failed(dial, Some("no route"));
    dialer.hurry(Instant::now());
    tokio::time::advance(DIAL_BACKOFF_MIN * 2).await;
    assert!(take_one(&mut dialer).is_some());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_dial_is_told_what_came_of_it() {
    let (mut dialer, peer) = (dialer(), PeerId::random());
    let ask = |dialer: &mut Dialer, port| {
        let (reply, answer) = oneshot::channel();
        dialer.add(address(port), Origin::Command);
        dialer.tell(address(port), reply, |_| false);
        answer
    };
    let mut answer = ask(&mut dialer, 1);
    let dial = take_one(&mut dialer).unwrap();
    dialer.failed(dial, Some("refused"));
    assert_eq!(answer.try_recv(), Ok(Err("refused".into())));

    let mut answer = ask(&mut dialer, 1);
    let dial = take_one(&mut dialer).unwrap();
    dialer.established(dial, peer);
    assert!(answer.try_recv().is_err(), "not before it is known who is there");
    dialer.met(&peer, Err("of another network"));
    assert_eq!(answer.try_recv(), Ok(Err("of another network".into())));

    let mut answer = ask(&mut dialer, 1);
    dialer.met(&PeerId::random(), Ok(()));
    assert!(answer.try_recv().is_err());
    dialer.met(&peer, Ok(()));
    assert_eq!(answer.try_recv(), Ok(Ok(peer)));

    let (reply, mut answer) = oneshot::channel();
    dialer.tell(address(1), reply, |of| *of == peer);
    assert_eq!(answer.try_recv(), Ok(Ok(peer)), "connected already");
}

/// A dial that was given up was seen nowhere but in the log.
#[tokio::test(start_paused = true)]
async fn what_was_given_up_is_told_until_it_is_dialled_again() {
    let mut dialer = dialer();
    dialer.add(address(1), Origin::Command);
    for failures in 1..=DIAL_ATTEMPTS_MAX {
        let dial = take_one(&mut dialer).unwrap();
        dialer.failed(dial, Some("refused"));
        let [one] = dialer.failed_dials(|_| false).try_into().unwrap();
        assert_eq!((one.failures, one.given_up), (failures, failures == DIAL_ATTEMPTS_MAX));
        tokio::time::advance(DIAL_BACKOFF_MAX * 2).await;
    }
    dialer.add(address(1), Origin::Command);
    assert_eq!(dialer.failed_dials(|_| false), []);
}

/// A contact's message says where a file is. Addresses that it makes up were dialled as what the user asks for is: beyond all limits of
/// connections, and kept.
#[test]
fn peers_that_a_message_names_are_no_more_than_tried() {
    let local = PeerId::random();
    let mut dialer = Dialer::new(local);
    let known = PeerId::random();
    dialer.add(address(1).with(Protocol::P2p(known)), Origin::Static);
    dialer.named(known, vec![address(2)]);
    assert_eq!(dialer.origin(&known), Some(Origin::Static));
    let named: Vec<_> = (0..NAMED_PEERS_MAX + 5).map(|_| PeerId::random()).collect();
    for peer in &named {
        dialer.named(*peer, vec![address(3), address(4)]);
    }
    let tried = named.iter().filter(|peer| dialer.origin(peer) == Some(Origin::Cache));
    assert_eq!(tried.count(), NAMED_PEERS_MAX);
    assert_eq!(dialer.pinned().collect::<Vec<_>>(), [known]);
}
