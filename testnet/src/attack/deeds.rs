//! What a hostile peer does.

use std::collections::HashSet;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use martlet_protocol::control::PeerList;
use martlet_protocol::limits::{ACKS_PER_BATCH_MAX, SYNC_IDS_MAX, SYNC_RESPONSE_BYTES_MAX};
use martlet_protocol::sync::{Bucket, BucketDigest, Fingerprint, Request, Response};
use martlet_protocol::{Ack, AckSecret, Envelope, EnvelopeId, ExpiryHour, Shard, codec};
use martletd::limits::RECONCILE_ROUNDS_MAX;

use super::link::{Manners, is_ended};
use super::report::Fate;
use super::siege::{Cut, Siege, envelopes, write};
use super::{Attack, blobs, frames};
use crate::cluster::ClusterError;
use crate::peer::{acks_topic, envelopes_topic};

/// Names of the attacker that has many.
const SYBILS: u32 = 50;
/// Streams that a stalling peer holds: as many as are allowed.
const STALLED: usize = 60;
/// Names of the attacker that reads nothing.
const DEAF: u32 = 12;
/// Body of the envelopes that those would have to read, bytes.
const DEAF_BODY_BYTES: usize = 15 * 1024;
/// Which part of the usual rate they come at.
const LARGE_PART: u32 = 20;
/// How long it waits before it looks at its streams, or at what was gossiped.
pub(super) const PAUSE: Duration = Duration::from_millis(20);
/// Longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// What forged secrets begin with.
const FORGED: [u8; 8] = [0xee; 8];
/// Forged acks in one message.
const ACKS_AT_ONCE: usize = 100;

/// Attacks until the time is over or the peer is banned; returns what became of it.
pub(super) async fn press(attack: Attack, siege: &mut Siege<'_>) -> Result<Fate, ClusterError> {
    let arena = siege.arena;
    let topic = envelopes_topic(&arena.network.name);
    let held_before = arena.held().await?;
    let heard_before = arena.bystander.heard_count();
    let mut identities = 1;
    let mut connected = 1;
    match attack {
        Attack::FloodValid => flood_valid(siege, 1).await,
        Attack::FloodGarbage => {
            let acks = acks_topic(&arena.network.name);
            siege
                .flood(1, |siege| {
                    let topic = if siege.sent.is_multiple_of(2) { &topic } else { &acks };
                    Some((frames::publish(topic, &[frames::random(300)]), 1))
                })
                .await;
        }
        Attack::Replay => replay(siege, &topic).await,
        Attack::WrongTimes => wrong_times(siege, &topic).await,
        Attack::LyingSync => lying_sync(siege).await,
        Attack::ManyStreams => many_streams(siege).await,
        Attack::StalledStreams => {
            let ended = stalled_streams(siege).await;
            let kept = siege.sent.saturating_sub(ended);
            return Ok(Fate::new(siege.cut(), siege.sent, kept, 1, 1));
        }
        Attack::BlobQuestions => blobs::ask_in_vain(siege).await,
        Attack::DeafPeers => {
            identities = DEAF;
            let (cut, ended) = deaf_peers(siege).await;
            let kept = siege.sent.saturating_sub(ended);
            return Ok(Fate::new(cut, siege.sent, kept, identities, identities));
        }
        Attack::FloodControl => {
            let topics: Vec<String> =
                (0..200).map(|n| format!("/martlet/none/{n}")).chain([topic.clone()]).collect();
            siege
                .flood(1, |siege| {
                    let number = rand::random();
                    let frame = match number % 3 {
                        0 => frames::subscriptions(&topics[200..], siege.progress() < 0.5),
                        1 => frames::subscriptions(&topics[..20], true),
                        _ => frames::control(&topic, number),
                    };
                    Some((frame, 1))
                })
                .await;
        }
        Attack::ForgedAcks => forged_acks(siege).await,
        Attack::ClaimedTags => claimed_tags(siege, &topic).await,
        Attack::Reinjected => {
            let taken = reinjected(siege, &topic).await;
            return Ok(Fate::new(siege.cut(), siege.sent, taken, 1, 1));
        }
        Attack::Sybils => {
            identities = SYBILS;
            connected = sybils(siege).await;
        }
    }
    let taken = match attack {
        Attack::FloodValid | Attack::Sybils | Attack::ClaimedTags => {
            arena.held().await?.saturating_sub(held_before)
        }
        Attack::ForgedAcks => passed_on_acks(siege, heard_before),
        Attack::Replay => {
            let past: HashSet<EnvelopeId> =
                envelopes(&siege.past, &arena.network.name).iter().map(Envelope::id).collect();
            let (heard, _) = siege.heard_envelopes(heard_before);
            let again = heard.iter().filter(|envelope| past.contains(&envelope.id())).count();
            u64::try_from(again).unwrap_or(u64::MAX)
        }
        Attack::WrongTimes
        | Attack::FloodGarbage
        | Attack::LyingSync
        | Attack::ManyStreams
        | Attack::StalledStreams
        | Attack::BlobQuestions
        | Attack::DeafPeers
        | Attack::Reinjected
        | Attack::FloodControl => 0,
    };
    Ok(Fate::new(siege.cut(), siege.sent, taken, identities, connected))
}

async fn flood_valid(siege: &mut Siege<'_>, part: u32) {
    let network = siege.arena.network.clone();
    let topic = envelopes_topic(&network.name);
    siege
        .flood(part, |_| {
            let envelope = frames::envelope(&network, ExpiryHour::latest(frames::now()));
            Some((frames::publish(&topic, &[envelope.encode()]), 1))
        })
        .await;
}

async fn replay(siege: &mut Siege<'_>, topic: &str) {
    let past = envelopes(&siege.past, &siege.arena.network.name);
    siege
        .flood(1, |siege| {
            let count = u64::try_from(past.len()).unwrap_or(1).max(1);
            let envelope = past.get(usize::try_from(siege.sent % count).unwrap_or(0))?;
            // Every other one with another stamp: the same envelope nevertheless.
            let nonce = if rand::random() { envelope.nonce } else { rand::random() };
            let again = Envelope { nonce, ..envelope.clone() };
            siege.sent += 1;
            Some((frames::publish(topic, &[again.encode()]), 0))
        })
        .await;
}

/// At first only what a wrong clock explains, then what none does.
async fn wrong_times(siege: &mut Siege<'_>, topic: &str) {
    let network = siege.arena.network.clone();
    siege
        .flood(1, |siege| {
            let now = ExpiryHour::containing(frames::now());
            let number: u8 = rand::random();
            let expiry = match number % 4 {
                0 => ExpiryHour(now.0 - 1),
                1 => ExpiryHour(now.0 + 7 * 24),
                _ if siege.progress() < 0.3 => ExpiryHour(now.0 + 8 * 24),
                2 => ExpiryHour(0),
                _ => ExpiryHour(u32::MAX),
            };
            Some((frames::publish(topic, &[frames::envelope(&network, expiry).encode()]), 1))
        })
        .await;
}

/// Asks, and answers, what makes no sense.
async fn lying_sync(siege: &mut Siege<'_>) {
    let network = siege.arena.network.clone();
    let protocol = format!("/martlet/{}/sync/2", network.name);
    let latest = ExpiryHour::latest(frames::now());
    let bucket = |back: u32| Bucket { shard: Shard(0), hour: ExpiryHour(latest.0 - back) };
    // A fingerprint of everything that matches nothing: good for as many rounds as one likes.
    let endless = || [&[0x61, 0, 0, 1][..], &frames::random(16)].concat();
    let ids = || (0..SYNC_IDS_MAX).map(|_| EnvelopeId(rand::random())).collect::<Vec<_>>();
    let mut number = 0u32;
    while let Some(link) = siege.link(Manners::Lies).await {
        number += 1;
        let request = match number % 8 {
            0 => Request::Digests(vec![BucketDigest {
                bucket: bucket(0),
                count: u64::MAX,
                fingerprint: Fingerprint(rand::random()),
            }]),
            // Sessions begun in turn, so that none comes to its last round.
            1..=3 => Request::Reconcile { buckets: vec![bucket(number % 3)], message: endless() },
            4 => Request::Fetch(ids()),
            5 => Request::Offer(ids()),
            6 => Request::Stored(ids()),
            _ if number < u32::try_from(RECONCILE_ROUNDS_MAX).unwrap_or(64) => {
                Request::Reconcile { buckets: vec![bucket(0)], message: endless() }
            }
            _ => Request::Push {
                envelopes: vec![frames::envelope(&network, latest)],
                acks: Vec::new(),
            },
        };
        let oversized = number > 200 && number.is_multiple_of(16);
        let bytes = if oversized { vec![0x9b; 3 << 20] } else { codec::encode(&request) };
        let Ok(mut stream) = link.speak(&protocol).await else { continue };
        let asking = async {
            write(&mut stream, &bytes).await?;
            stream.close().await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await
        };
        // No answer is an answer too.
        let _ = tokio::time::timeout(ANSWER_MAX, asking).await;
        siege.sent += 1;
    }
}

async fn many_streams(siege: &mut Siege<'_>) {
    while let Some(link) = siege.link(Manners::Hears).await {
        let mut held = Vec::new();
        let mut opened = 0;
        while link.is_open() {
            let Ok(mut stream) = link.stream().await else { break };
            if write(&mut stream, b"\x13/multistream/1.0.0\n").await.is_err() {
                break;
            }
            opened += 1;
            held.push(stream);
        }
        siege.sent += opened;
    }
}

/// Returns how many of its streams were ended by the other side.
async fn stalled_streams(siege: &mut Siege<'_>) -> u64 {
    let sync = format!("/martlet/{}/sync/2", siege.arena.network.name);
    let mut ended = 0;
    while let Some(link) = siege.link(Manners::Hears).await {
        let mut held = Vec::new();
        let mut opened = 0;
        while link.is_open() && siege.progress() < 1.0 {
            let before = held.len();
            held.retain_mut(|stream| !is_ended(stream));
            ended += u64::try_from(before - held.len()).unwrap_or(0);
            if held.len() >= STALLED {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            let (protocol, begun): (&str, &[u8]) = match rand::random::<u8>() % 6 {
                0 => ("/meshsub/1.1.0", &[0xff, 0xff, 0x02, 1, 2, 3]),
                1 => ("/ipfs/ping/1.0.0", &[1, 2, 3]),
                2 => ("/ipfs/id/push/1.0.0", &[0xff, 0x01, 1]),
                3 => ("", &[]),
                _ => (&sync, &[0x82, 0x02, 0x99, 0xff]),
            };
            let stream = match protocol {
                "" => link.stream().await,
                protocol => link.speak(protocol).await,
            };
            let Ok(mut stream) = stream else { break };
            if write(&mut stream, if begun.is_empty() { b"\x13/mult" } else { begun })
                .await
                .is_err()
            {
                break;
            }
            opened += 1;
            held.push(stream);
            tokio::time::sleep(PAUSE / 4).await;
        }
        siege.sent += opened;
    }
    ended
}

/// Twelve names that want all gossip and read none, and one that sends large envelopes, as many as it may.
/// Returns when the first of them was cut off, and how many were.
async fn deaf_peers(siege: &mut Siege<'_>) -> (Cut, u64) {
    let network = siege.arena.network.clone();
    let topic = envelopes_topic(&network.name);
    let mut deaf: Vec<Siege<'_>> = (0..DEAF).map(|_| siege.twin()).collect();
    let mut loud = siege.twin();
    let listening = deaf.iter_mut().map(|peer| listen_to_nothing(peer, &topic));
    let flooding = loud.flood(LARGE_PART, |_| {
        let expiry = ExpiryHour::latest(frames::now());
        let envelope = frames::envelope_of(&network, expiry, DEAF_BODY_BYTES);
        Some((frames::publish(&topic, &[envelope.encode()]), 1))
    });
    futures::future::join(futures::future::join_all(listening), flooding).await;
    let cuts: Vec<Cut> = deaf.iter_mut().map(Siege::cut).collect();
    let ended = cuts.iter().filter(|cut| cut.after.is_some()).count();
    let first = cuts.iter().filter(|cut| cut.after.is_some()).min_by_key(|cut| cut.after);
    siege.sent = u64::from(DEAF);
    (first.copied().unwrap_or_default(), u64::try_from(ended).unwrap_or(0))
}

/// Wants to be in the mesh, again and again, until it is cut off or the time is over.
async fn listen_to_nothing(siege: &mut Siege<'_>, topic: &str) {
    let Some(link) = siege.link(Manners::Deaf).await else { return };
    let Ok(mut stream) = link.speak("/meshsub/1.1.0").await else { return };
    let subscribed = frames::subscriptions(&[topic.to_owned()], true);
    let mut wish = [subscribed, frames::graft(topic)].concat();
    while siege.progress() < 1.0 && write(&mut stream, &wish).await.is_ok() {
        wish = frames::graft(topic);
        if link.ended_within(Duration::from_secs(1)).await {
            break;
        }
    }
    siege.cut();
}

/// Half of them for envelopes that all hold, half for such as no one has seen.
async fn forged_acks(siege: &mut Siege<'_>) {
    let topic = acks_topic(&siege.arena.network.name);
    let past = envelopes(&siege.past, &siege.arena.network.name);
    let mut known: Vec<EnvelopeId> = past.iter().map(Envelope::id).collect();
    let mut seen = 0;
    siege
        .flood(20, |siege| {
            let (new, count) = siege.heard_envelopes(seen);
            seen = count;
            known.extend(new.iter().map(Envelope::id));
            let acks: Vec<Ack> = (0..ACKS_AT_ONCE)
                .map(|number| {
                    let mut secret: [u8; 16] = rand::random();
                    secret[..8].copy_from_slice(&FORGED);
                    let envelope = match known.iter().rev().nth(number / 2) {
                        Some(id) if number.is_multiple_of(2) => *id,
                        _ => EnvelopeId(rand::random()),
                    };
                    Ack { envelope, slot: 0, secret: AckSecret(secret) }
                })
                .collect();
            let count = u64::try_from(acks.len()).unwrap_or(0);
            Some((frames::publish(&topic, &[codec::encode(&acks)]), count))
        })
        .await;
}

fn passed_on_acks(siege: &Siege<'_>, heard_before: usize) -> u64 {
    let topic = acks_topic(&siege.arena.network.name);
    let heard = siege.arena.bystander.heard_after(heard_before);
    let batches = heard.iter().filter(|one| one.topic == topic);
    let acks = batches
        .filter_map(|one| codec::decode::<Vec<Ack>>(&one.data, one.data.len()).ok())
        .filter(|acks| acks.len() <= ACKS_PER_BATCH_MAX)
        .flatten();
    let forged = acks.filter(|ack| ack.secret.0.starts_with(&FORGED)).count();
    u64::try_from(forged).unwrap_or(u64::MAX)
}

/// As soon as an envelope is heard of, ten others with its tag.
async fn claimed_tags(siege: &mut Siege<'_>, topic: &str) {
    let mut seen = siege.arena.bystander.heard_count();
    let mut own = HashSet::new();
    let mut forged = Vec::new();
    siege
        .flood(20, |siege| {
            if forged.is_empty() {
                let (new, count) = siege.heard_envelopes(seen);
                seen = count;
                for envelope in new.iter().filter(|envelope| !own.contains(&envelope.id())) {
                    let others = (0..10).filter_map(|_| frames::with_other_body(envelope));
                    forged.extend(others);
                }
                own.extend(forged.iter().map(Envelope::id));
            }
            Some((frames::publish(topic, &[forged.pop()?.encode()]), 1))
        })
        .await;
}

/// By gossip, and by offering it in a sync. Returns how many of them are held again.
async fn reinjected(siege: &mut Siege<'_>, topic: &str) -> u64 {
    let past = envelopes(&siege.past, &siege.arena.network.name);
    let ids: Vec<EnvelopeId> = past.iter().map(Envelope::id).take(SYNC_IDS_MAX).collect();
    // Bundles are held for days: what is not held any more was purged.
    let mut checker = siege.twin();
    let Some(Response::Envelopes { gone, .. }) = ask(&mut checker, &Request::Fetch(ids)).await
    else {
        return u64::MAX;
    };
    let purged: Vec<Envelope> =
        past.into_iter().filter(|envelope| gone.contains(&envelope.id())).collect();
    let push = Request::Push { envelopes: purged.clone(), acks: Vec::new() };
    for request in [Request::Offer(gone.clone()), push] {
        // Refused or not: what counts is what is held in the end.
        let _ = ask(siege, &request).await;
        siege.sent += 1;
    }
    let mut next = purged.iter().cycle();
    siege.flood(20, |_| Some((frames::publish(topic, &[next.next()?.encode()]), 1))).await;
    match ask(&mut checker, &Request::Fetch(gone)).await {
        Some(Response::Envelopes { envelopes, .. }) => {
            u64::try_from(envelopes.len()).unwrap_or(u64::MAX)
        }
        _ => u64::MAX,
    }
}

/// Asks by the sync protocol.
async fn ask(siege: &mut Siege<'_>, request: &Request) -> Option<Response> {
    let protocol = format!("/martlet/{}/sync/2", siege.arena.network.name);
    let link = siege.any_link().await?;
    let mut stream = link.speak(&protocol).await.ok()?;
    let asking = async {
        write(&mut stream, &codec::encode(request)).await?;
        stream.close().await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.map(|_| answer)
    };
    let answer = tokio::time::timeout(ANSWER_MAX, asking).await.ok()?.ok()?;
    // Before it come the two lines of multistream-select.
    let skipped = 2 + "/multistream/1.0.0".len() + 2 + protocol.len();
    codec::decode(answer.get(skipped..)?, SYNC_RESPONSE_BYTES_MAX).ok()
}

/// Returns how many of them were connected at once.
async fn sybils(siege: &mut Siege<'_>) -> u32 {
    let mut peers: Vec<Siege<'_>> = (0..SYBILS).map(|_| siege.twin()).collect();
    let mut most = 0;
    {
        let floods = peers.iter_mut().map(|peer| flood_valid(peer, SYBILS));
        let mut floods = std::pin::pin!(futures::future::join_all(floods));
        let mailbox = siege.arena.mailbox.client();
        loop {
            tokio::select! {
                _ = &mut floods => break,
                () = tokio::time::sleep(PAUSE * 10) => {
                    // As the daemon counts: a connection that is refused looks open for a moment.
                    let list: Result<PeerList, _> = mailbox.get("/v1/peers").await;
                    let peers = list.map(|list| list.peers).unwrap_or_default();
                    let connected = peers.iter().filter(|peer| peer.connected).count();
                    // Alice, Bob and the bystander are not the attacker's.
                    let names = connected.saturating_sub(3);
                    most = most.max(u32::try_from(names).unwrap_or(u32::MAX));
                }
            }
        }
    }
    siege.sent = peers.iter().map(|peer| peer.sent).sum();
    most
}
