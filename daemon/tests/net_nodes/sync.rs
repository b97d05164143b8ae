//! Sync between nodes.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use martlet_engine::ToNet;
use martlet_protocol::limits::DIGESTS_MAX;
use martlet_protocol::sync::{Bucket, Refusal, Request, Response};
use martlet_protocol::{Envelope, EnvelopeId, ExpiryHour, Shard, codec};

use crate::hostile::{Answer, Hostile, silent};
use crate::support::{Setup, ack, envelope, envelope_of, envelopes, network, now, until};

#[tokio::test(flavor = "multi_thread")]
async fn what_each_lacks_comes_on_connecting() {
    let shared = envelopes(0..500);
    let left: Vec<Envelope> = [&shared[..], &envelopes(1_000..2_000)].concat();
    let right: Vec<Envelope> = [&shared[..], &envelopes(2_000..3_000)].concat();
    let one = Setup { holds: left, ..Setup::default() }.start();
    let started = Instant::now();
    let other = Setup { holds: right, ..Setup::dialling(&one.address().await) }.start();
    until("both hold all", async || one.live() == 2_500 && other.live() == 2_500).await;
    println!("1,000 each way: {:?}", started.elapsed());
    until("each knows what the other stored", async || {
        let (one, other) = (one.seen(), other.seen());
        one.stored_by.len() >= 1_000 && other.stored_by.len() >= 1_000
    })
    .await;
    let reconciled = [one.seen().reconciled.clone(), other.seen().reconciled.clone()].concat();
    assert!(reconciled.contains(&(1_500, 1_000)), "the initiator reports what the peer lacked");
    // The sync is repeated once things have settled; then the two are equal, and both know it.
    until("equal", async || {
        one.seen().reconciled.contains(&(2_500, 0)) && other.seen().reconciled.contains(&(2_500, 0))
    })
    .await;
    let shared_again = shared.iter().any(|envelope| {
        let id = envelope.id();
        one.seen().envelopes.contains_key(&id) || other.seen().envelopes.contains_key(&id)
    });
    assert!(!shared_again, "what both had was not sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_waiting_are_fetched() {
    let one = Setup { holds: envelopes(0..10_000), ..Setup::default() }.start();
    let started = Instant::now();
    let other = Setup::dialling(&one.address().await).start();
    until("all fetched", async || other.live() == 10_000).await;
    println!("10,000 fetched: {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_spreads_whichever_side_begins() {
    // Both purge something that the other holds live: one of the two begins the sync, so both
    // directions are taken.
    let holds = vec![envelope(1), envelope(2), envelope(3)];
    let one = Setup { holds: holds.clone(), acks: vec![ack(1)], ..Setup::default() }.start();
    let other =
        Setup { holds, acks: vec![ack(2)], ..Setup::dialling(&one.address().await) }.start();
    until("both purged both", async || one.live() == 1 && other.live() == 1).await;
    assert!(one.holds(&envelope(3)) && other.holds(&envelope(3)));
    assert!(one.seen().envelopes.is_empty() && other.seen().envelopes.is_empty());
}

/// What one peer brings is bounded, fetched or pushed; others bring the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_over_its_share_is_refused_and_others_are_not() {
    let one = Setup { holds: envelopes(0..200), ..Setup::default() }.start();
    let other = Setup { holds: envelopes(200..220), ..Setup::default() }.start();
    let node = Setup {
        bytes_per_source_max: 50 * 1024,
        holds: envelopes(800..810),
        static_peers: vec![one.address().await, other.address().await],
        ..Setup::default()
    };
    let node = node.start();
    until("what it has is kept elsewhere", async || one.live() >= 210).await;
    until("another's share is its own", async || {
        (200..220).all(|number| node.holds(&envelope(number)))
    })
    .await;
    until("the share is filled", async || node.live() > 50).await;
    assert!(node.live() < 130, "{}", node.live());
    node.until_connected(&one).await;
}

/// A neighbour that passed on a flood held its share of the mailbox. A sync ended with the first
/// batch that there was no room for, the next one began with the same, and the user's own mail
/// behind it never came.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_user_waits_for_comes_from_a_peer_over_its_share() {
    let awaited = envelopes(10_000..10_030);
    let holds = [&envelopes(0..5_000)[..], &awaited].concat();
    let one = Setup { holds, ..Setup::default() }.start();
    let node = Setup {
        bytes_per_source_max: 50 * 1024,
        awaits: awaited.iter().map(Envelope::id).collect(),
        ..Setup::dialling(&one.address().await)
    };
    let node = node.start();
    until("the user's mail came", async || awaited.iter().all(|envelope| node.holds(envelope)))
        .await;
    assert!(node.live() < 130, "{}", node.live());
    let (seen, brought) = (node.seen(), one.live());
    let most = seen.envelopes.values().max().copied();
    assert_eq!(most, Some(1), "nothing is fetched again that was refused");
    assert!(seen.envelopes.len() <= usize::try_from(brought).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_mailbox_refuses_and_stays_connected() {
    let one = Setup { holds: envelopes(0..200), ..Setup::default() }.start();
    let small = Setup {
        bytes_max: 50 * 1024,
        holds: envelopes(800..810),
        ..Setup::dialling(&one.address().await)
    };
    let small = small.start();
    until("full", async || small.live() > 10).await;
    small.until_connected(&one).await;
    assert!(small.live() < 200);
    until("what it has is kept elsewhere", async || one.live() == 210).await;
    one.send(&[envelope(900)]).await;
    until("gossip goes on", async || small.seen().envelopes.contains_key(&envelope(900).id()))
        .await;
}

/// A peer whose clock is right leaves out what ends too late by it. It answered "done" all the same, and
/// the sender's user was told `sent` of a message that nobody held.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_peer_refused_is_not_told_as_stored() {
    let ahead = Duration::from_secs(24 * 3600);
    let late = ExpiryHour::latest(now().plus(ahead));
    let far = envelope_of(&network("test"), 1, late);
    let holds = vec![far.clone(), envelope(2)];
    let one = Setup { holds, clock_ahead: ahead, ..Setup::default() }.start();
    let other = Setup::dialling(&one.address().await).start();
    let is_stored = |envelope: &Envelope| one.seen().stored_by.contains(&envelope.id());
    until("the good one is told", async || is_stored(&envelope(2))).await;
    // By the second sync, which follows the first, both were offered twice.
    until("synced again", async || {
        one.seen().reconciled.len() + other.seen().reconciled.len() >= 2
    })
    .await;
    assert!(!other.holds(&far));
    assert!(!is_stored(&far), "nobody else has it");
}

/// A clock was a day behind for seconds, and what came meanwhile was refused for its hour. Once the clock was right,
/// it came with the next round of sync only, up to a minute later, and what was written after it was shown before it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_for_its_hour_comes_once_the_clock_is_right() {
    let one = Setup::default().start();
    let other = Setup::dialling(&one.address().await).start();
    one.send(&[envelope(1)]).await;
    until("gossip goes", async || other.seen().envelopes.contains_key(&envelope(1).id())).await;
    // The sync after the one on connecting would bring it as well.
    until("the repetition of the sync is over", async || {
        one.seen().reconciled.len() + other.seen().reconciled.len() >= 2
    })
    .await;
    other.ahead_ms.store(-25 * 3_600_000, Ordering::Relaxed);
    one.send(&[envelope(2)]).await;
    let refused = async || other.net.report().await.is_some_and(|report| report.far_future > 0);
    until("refused", refused).await;
    other.ahead_ms.store(0, Ordering::Relaxed);
    one.send(&[envelope(3)]).await;
    // The next round of sync comes after 45 s at the earliest.
    until("what was refused comes", async || other.holds(&envelope(2))).await;
}

/// What a peer did not want was taken for held there, though it may have dropped it before its hour.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_dropped_here_is_told_as_gone() {
    let node = Setup { holds: envelopes(0..2), ..Setup::default() }.start();
    let mut txn = node.mailbox.begin().unwrap();
    for number in 0..2 {
        txn.withdraw(&envelope(number).id(), now()).unwrap();
    }
    txn.commit().unwrap();
    let hostile = Hostile::connect(&node, silent()).await;
    let (wanted, gone) = (vec![envelope(2).id()], vec![envelope(0).id(), envelope(1).id()]);
    let offer = Request::Offer([&gone[..], &wanted[..]].concat());
    let answer = Response::Wanted { ids: wanted, acks: Vec::new(), gone };
    assert_eq!(hostile.ask(&offer).await, answer);
}

/// The other side of it: the initiator told its user `sent` of what the peer had dropped.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_peer_has_dropped_is_not_taken_for_stored() {
    let node = Setup { holds: envelopes(0..3), ..Setup::default() }.start();
    let dropped = envelope(1).id();
    let _peer = Hostile::connect(&node, lacking_all(1, vec![dropped])).await;
    until("the others are told", async || node.seen().stored_by.len() >= 2).await;
    let seen = node.seen();
    assert!(!seen.stored_by.contains(&dropped), "nobody has it");
    assert!(seen.reconciled.contains(&(3, 3)), "what was compared is told");
}

/// A peer that named as many buckets as fit an answer may have left out others that differ; what is in those
/// was taken for held there.
#[tokio::test(flavor = "multi_thread")]
async fn buckets_past_the_bound_are_not_taken_for_compared() {
    let node = Setup { holds: envelopes(0..3), ..Setup::default() }.start();
    let _peer = Hostile::connect(&node, lacking_all(DIGESTS_MAX, Vec::new())).await;
    // Told after what the comparison found would be.
    until("it is offered", async || node.seen().stored_by.len() >= 3).await;
    assert!(node.seen().reconciled.is_empty());
}

/// A peer by whose answers so many buckets differ, that of [`envelope`]s the first, and that lacks all that
/// is in them. It wants none of it, since it has it by now or, of `gone`, has it no more.
fn lacking_all(buckets: usize, gone: Vec<EnvelopeId>) -> Answer {
    Box::new(move |request| {
        let latest = ExpiryHour::latest(now());
        let response = match request {
            Request::Digests(_) => {
                let hours = latest.0 - 100..=latest.0;
                let all = (0..).map(Shard).flat_map(|shard| {
                    hours.clone().map(move |hour| Bucket { shard, hour: ExpiryHour(hour) })
                });
                let mut differing = vec![Bucket { shard: Shard(0), hour: latest }];
                let first = differing[0];
                differing.extend(all.filter(|bucket| *bucket != first).take(buckets - 1));
                Response::Differing(differing)
            }
            Request::ShortList { ids, .. } => Response::Lacking { there: ids, here: Vec::new() },
            Request::Offer(_) => {
                let (ids, acks) = (Vec::new(), Vec::new());
                Response::Wanted { ids, acks, gone: gone.clone() }
            }
            _ => Response::Refused(Refusal::Busy),
        };
        codec::encode(&response)
    })
}

/// What there had been no room for came with the next regular round, up to a minute after there was some: too
/// late for who was shown later messages meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_comes_soon_after_there_is_room() {
    let one = Setup { holds: envelopes(0..200), ..Setup::default() }.start();
    let small = Setup { bytes_max: 100 * 1024, ..Setup::dialling(&one.address().await) };
    let small = small.start();
    until("full", async || small.live() > 60).await;
    until("the last sync on connecting is over", async || {
        one.seen().reconciled.len() + small.seen().reconciled.len() >= 2
    })
    .await;
    let mut txn = small.mailbox.begin().unwrap();
    for number in 0..200 {
        txn.acknowledge(&ack(number)).unwrap();
    }
    txn.commit().unwrap();
    assert_eq!(small.live(), 0);
    small.net.tell(vec![ToNet::HasRoom(vec![one.key()])]).await;
    until("what there is room for came", async || small.live() > 10).await;
}

/// A node that had room for a part of what a sync brought told nobody of that part.
#[tokio::test(flavor = "multi_thread")]
async fn what_there_was_room_for_goes_on_to_others_though_some_was_refused() {
    let other = Setup::default().start();
    let small = Setup { bytes_max: 50 * 1024, ..Setup::dialling(&other.address().await) };
    let small = small.start();
    small.until_connected(&other).await;
    // Two, of which each side tells.
    until("the syncs on connecting are over", async || {
        other.seen().reconciled.len() >= 2 && small.seen().reconciled.len() >= 2
    })
    .await;
    let _one =
        Setup { holds: envelopes(0..200), ..Setup::dialling(&small.address().await) }.start();
    until("full", async || small.live() > 30).await;
    until("it went on", async || other.live() == small.live()).await;
}
