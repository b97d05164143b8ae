use std::sync::Mutex;

use crate::limits::{
    ACKS_PER_ENVELOPE, CLOCK_ANSWER_MAX, FALSE_ACKS_PER_PEER_PER_MINUTE_MAX,
    PEER_ENVELOPES_PER_MINUTE_MAX, PEER_ENVELOPES_PER_MINUTE_MIN,
};
use martlet_protocol::{AckSecret, Kind, Shard, UnixMillis};

use super::*;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

/// Takes nothing until it is told to.
struct Gate {
    open: tokio::sync::Semaphore,
    taken: Mutex<usize>,
}

impl NetSink for Arc<Gate> {
    async fn deliver(&self, event: FromNet) {
        let permit = self.open.acquire().await;
        let count = match event {
            FromNet::Envelopes { envelopes, .. } => envelopes.len(),
            FromNet::Acks { acks, .. } => acks.len(),
            FromNet::StoredBy { .. }
            | FromNet::Reconciled { .. }
            | FromNet::Outstanding { .. }
            | FromNet::Sift { .. }
            | FromNet::PeersTime { .. }
            | FromNet::OffStem(_)
            | FromNet::Found { .. } => 0,
        };
        if let Ok(mut taken) = self.taken.lock() {
            *taken += count;
        }
        drop(permit);
    }
}

fn intake() -> (Intake, Arc<Gate>, NetworkDescriptor) {
    intake_with(PEER_ENVELOPES_PER_MINUTE_MAX)
}

fn intake_with(share: u32) -> (Intake, Arc<Gate>, NetworkDescriptor) {
    let network = NetworkDescriptor { shard_bits: 1, ..Default::default() };
    let gate = Arc::new(Gate { open: tokio::sync::Semaphore::new(0), taken: Mutex::default() });
    let topics = Topics::new(&network);
    let sink = Arc::new(Arc::clone(&gate));
    let rates = NodeRates::new(share);
    let clock = Arc::new(|| NOW);
    let metrics = Arc::default();
    let intake = Intake::new(network.clone(), rates, topics, Role::Full, clock, sink, metrics);
    (intake, gate, network)
}

fn envelope(network: &NetworkDescriptor, shard: u16, expiry: ExpiryHour, seed: u32) -> Envelope {
    let mut content =
        Header::encode_prefix(Kind::Conversation, network.tag(), Shard(shard), expiry, 1).to_vec();
    content.extend_from_slice(&[0; 32 + 512 - 4]);
    content.extend_from_slice(&seed.to_be_bytes());
    Envelope::new(content)
}

fn offer(intake: &mut Intake, from: PeerId, topic_of: u16, envelope: &Envelope) -> Verdict {
    let topic = intake.topics.envelopes(Shard(topic_of)).cloned();
    let topic = topic.unwrap_or_else(|| TopicHash::from_raw("none"));
    intake.message(from, &topic, Some(envelope.id()), &envelope.encode())
}

#[tokio::test]
async fn only_what_no_honest_peer_sends_is_rejected() {
    let (mut intake, _gate, network) = intake();
    let from = PeerId::random();
    let latest = ExpiryHour::latest(NOW);
    let good = envelope(&network, 1, latest, 1);
    assert_eq!(offer(&mut intake, from, 1, &good), Verdict::Accept);
    let expired = envelope(&network, 1, ExpiryHour::containing(NOW), 2);
    assert_eq!(offer(&mut intake, from, 1, &expired), Verdict::Ignore);
    let far = envelope(&network, 1, ExpiryHour(latest.0 + 4), 3);
    assert_eq!(offer(&mut intake, from, 1, &far), Verdict::FarFuture);
    assert_eq!(offer(&mut intake, from, 0, &good), Verdict::Reject, "another shard's topic");
    let foreign = NetworkDescriptor { name: "other".into(), ..network.clone() };
    let foreign = envelope(&foreign, 1, latest, 4);
    assert_eq!(offer(&mut intake, from, 1, &foreign), Verdict::Reject);
}

#[tokio::test]
async fn acks_come_in_batches_of_a_bounded_size() {
    let (mut intake, gate, _) = intake();
    let from = PeerId::random();
    let topic = intake.topics.acks().clone();
    let acks = |count| {
        let id = EnvelopeId([1; 32]);
        codec::encode(&vec![Ack { envelope: id, slot: 0, secret: AckSecret([2; 16]) }; count])
    };
    assert!(acks(ACKS_PER_BATCH_MAX).len() <= GOSSIP_BYTES_MAX);
    let full = intake.message(from, &topic, None, &acks(ACKS_PER_BATCH_MAX));
    assert_eq!(full, Verdict::Accept);
    for bad in [acks(0), acks(ACKS_PER_BATCH_MAX + 1), b"garbage".to_vec()] {
        assert_eq!(intake.message(from, &topic, None, &bad), Verdict::Reject);
    }
    intake.flush();
    gate.open.add_permits(1);
    while gate.taken.lock().is_ok_and(|taken| *taken < ACKS_PER_BATCH_MAX) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_the_sink_does_not_take_is_shed_and_taken_again_once_it_does() {
    let (mut intake, gate, network) = intake();
    let latest = ExpiryHour::latest(NOW);
    let from = PeerId::random();
    let mut accepted = 0;
    loop {
        let next = envelope(&network, 0, latest, u32::try_from(accepted).unwrap_or(0));
        match offer(&mut intake, from, 0, &next) {
            Verdict::Accept => accepted += 1,
            verdict => {
                assert_eq!(verdict, Verdict::Shed);
                break;
            }
        }
    }
    let bytes = envelope(&network, 0, latest, 0).encode().len();
    assert_eq!(accepted, GOSSIP_BACKLOG_BYTES_MAX / bytes);
    gate.open.add_permits(1);
    while gate.taken.lock().is_ok_and(|taken| *taken < accepted) {
        intake.flush();
        tokio::task::yield_now().await;
    }
    let next = envelope(&network, 0, latest, u32::MAX);
    assert_eq!(offer(&mut intake, from, 0, &next), Verdict::Accept);
}

#[tokio::test(start_paused = true)]
async fn a_peer_over_its_share_is_ignored_and_far_over_it_cut_off() {
    let share = PEER_ENVELOPES_PER_MINUTE_MIN;
    let (mut intake, _gate, network) = intake_with(share);
    let (greedy, modest) = (PeerId::random(), PeerId::random());
    intake.connected(greedy, true);
    let latest = ExpiryHour::latest(NOW);
    let mut bring = |from, numbers: std::ops::Range<u32>| {
        let verdicts = numbers
            .map(|number| offer(&mut intake, from, 0, &envelope(&network, 0, latest, number)));
        verdicts.last()
    };
    assert_eq!(bring(greedy, 0..share), Some(Verdict::Accept));
    assert_eq!(bring(greedy, 0..1), Some(Verdict::OverShare));
    assert_eq!(bring(modest, 0..1), Some(Verdict::Accept));
    assert_eq!(bring(greedy, 0..3 * share - 1), Some(Verdict::OverShare));
    assert_eq!(bring(greedy, 0..1), Some(Verdict::Excess));
    tokio::time::advance(MINUTE).await;
    assert_eq!(bring(greedy, 0..1), Some(Verdict::Accept));
}

#[tokio::test(start_paused = true)]
async fn who_dialled_has_less_and_who_comes_back_no_more() {
    let share = PEER_ENVELOPES_PER_MINUTE_MIN;
    let (mut intake, _gate, network) = intake_with(share);
    let latest = ExpiryHour::latest(NOW);
    let from = PeerId::random();
    intake.connected(from, false);
    for number in 0..share * 3 / 4 {
        let next = envelope(&network, 0, latest, number);
        assert_eq!(offer(&mut intake, from, 0, &next), Verdict::Accept);
    }
    intake.connected(from, true);
    let next = envelope(&network, 0, latest, share);
    assert_eq!(offer(&mut intake, from, 0, &next), Verdict::OverShare);
}

#[tokio::test(start_paused = true)]
async fn who_floods_under_many_names_leaves_the_others_their_reserve() {
    let share = PEER_ENVELOPES_PER_MINUTE_MIN;
    let (mut intake, _gate, network) = intake_with(share);
    let latest = ExpiryHour::latest(NOW);
    let modest = PeerId::random();
    let mut accepted = 0;
    for identity in 0..50 {
        let from = PeerId::random();
        for number in 0..share {
            let number = identity * share + number;
            let next = envelope(&network, 0, latest, number);
            accepted += u32::from(offer(&mut intake, from, 0, &next) == Verdict::Accept);
        }
    }
    assert!(accepted <= 2 * share + 2 * share / 48, "{accepted} of 50 shares of {share}");
    let next = envelope(&network, 0, latest, u32::MAX);
    assert_eq!(offer(&mut intake, modest, 0, &next), Verdict::Accept);
}

#[tokio::test(start_paused = true)]
async fn acks_of_who_brings_false_ones_are_taken_and_not_passed_on() {
    let (mut intake, _gate, _) = intake();
    let (liar, other) = (PeerId::random(), PeerId::random());
    let topic = intake.topics.acks().clone();
    let ack = Ack { envelope: EnvelopeId([1; 32]), slot: 0, secret: AckSecret([2; 16]) };
    let acks = codec::encode(&vec![ack]);
    let tolerated = FALSE_ACKS_PER_PEER_PER_MINUTE_MAX as usize;
    intake.count_false_acks(liar, tolerated);
    assert_eq!(intake.message(liar, &topic, None, &acks), Verdict::Accept);
    intake.count_false_acks(liar, 1);
    assert_eq!(intake.message(liar, &topic, None, &acks), Verdict::Ignore);
    assert!(intake.acks.get(&liar).is_some_and(|batch| batch.items.len() == 2), "taken");
    assert_eq!(intake.message(other, &topic, None, &acks), Verdict::Accept);
    tokio::time::advance(MINUTE).await;
    assert_eq!(intake.message(liar, &topic, None, &acks), Verdict::Accept);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_acks_is_ignored_and_its_sender_cut_off() {
    let share = PEER_ENVELOPES_PER_MINUTE_MIN;
    let (mut intake, _gate, _) = intake_with(share);
    let from = PeerId::random();
    intake.connected(from, true);
    let topic = intake.topics.acks().clone();
    let ack = Ack { envelope: EnvelopeId([1; 32]), slot: 0, secret: AckSecret([2; 16]) };
    let acks = codec::encode(&vec![ack; (share * ACKS_PER_ENVELOPE / 4) as usize]);
    let verdicts = (0..17).map(|_| intake.message(from, &topic, None, &acks));
    let verdicts: Vec<Verdict> = verdicts.collect();
    assert!(verdicts[..4].iter().all(|verdict| *verdict == Verdict::Accept));
    assert!(verdicts[4..16].iter().all(|verdict| *verdict == Verdict::OverShare));
    assert_eq!(verdicts[16], Verdict::Excess);
}

#[tokio::test]
async fn what_no_clock_explains_is_held_against_the_peer() {
    let (mut intake, _gate, network) = intake();
    let from = PeerId::random();
    intake.clock_heard(from, NOW);
    for number in 1..INVALID_PER_PEER_PER_MINUTE_MAX {
        let expiry = if number % 2 == 0 { ExpiryHour(0) } else { ExpiryHour(u32::MAX) };
        let next = envelope(&network, 0, expiry, number);
        assert_eq!(offer(&mut intake, from, 0, &next), Verdict::Reject);
    }
    let next = envelope(&network, 0, ExpiryHour(u32::MAX), 0);
    assert_eq!(offer(&mut intake, from, 0, &next), Verdict::RejectAndCut);
}

#[tokio::test]
async fn a_peer_that_keeps_sending_garbage_is_cut_off() {
    let (mut intake, _gate, _) = intake();
    let from = PeerId::random();
    let topic = intake.topics.acks().clone();
    for _ in 1..INVALID_PER_PEER_PER_MINUTE_MAX {
        assert_eq!(intake.message(from, &topic, None, b"garbage"), Verdict::Reject);
    }
    assert_eq!(intake.message(from, &topic, None, b"garbage"), Verdict::RejectAndCut);
}

/// A small computer started with its clock ten years ahead. In the seconds until it had the time its neighbours cut it off,
/// and it cut them off, for ten minutes.
#[tokio::test(start_paused = true)]
async fn who_says_that_their_clock_is_as_wrong_is_not_cut_off() {
    let (mut intake, _gate, network) = intake();
    let [wrong, mute, liar] = [(); 3].map(|()| PeerId::random());
    let mut number = 0;
    let mut bring = |intake: &mut Intake, from| {
        number += 1;
        offer(intake, from, 0, &envelope(&network, 0, ExpiryHour(u32::MAX), number))
    };
    let years = Duration::from_secs(10 * 365 * 24 * 3600);
    for from in [wrong, mute, liar] {
        assert_eq!(bring(&mut intake, from), Verdict::Doubtful, "it is asked");
        assert_eq!(bring(&mut intake, from), Verdict::Ignore, "once");
    }
    intake.clock_heard(wrong, NOW.plus(years));
    intake.clock_heard(liar, NOW);
    for _ in 0..2 * INVALID_PER_PEER_PER_MINUTE_MAX {
        assert_eq!(bring(&mut intake, wrong), Verdict::Ignore);
    }
    assert_eq!(bring(&mut intake, liar), Verdict::Reject);
    tokio::time::advance(CLOCK_ANSWER_MAX).await;
    assert_eq!(bring(&mut intake, mute), Verdict::Reject);
    // It has the time now.
    intake.clock_heard(wrong, NOW);
    assert_eq!(bring(&mut intake, wrong), Verdict::Reject);
}
