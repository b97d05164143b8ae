//! Peers that send what no honest one does.

use std::io;
use std::sync::{Arc, Mutex};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, StreamProtocol, SwarmBuilder, gossipsub, identify, noise, tcp, yamux};
use martlet_protocol::limits::{
    DIGESTS_MAX, RECONCILE_FRAME_BYTES_MAX, SHORT_LIST_IDS_MAX, SYNC_IDS_MAX,
    SYNC_REQUEST_BYTES_MAX,
};
use martlet_protocol::sync::{Bucket, BucketDigest, Fingerprint, Refusal, Request, Response};
use martlet_protocol::{Envelope, EnvelopeId, ExpiryHour, Shard, codec};
use martletd::limits::{INVALID_PER_PEER_PER_MINUTE_MAX, RECONCILE_ROUNDS_MAX};
use tokio::sync::{mpsc, oneshot};

use crate::support::{Node, Setup, envelope, envelopes, identify, now, until};

const TOPIC: &str = "/martlet/test/envelopes/2/0";
const ACKS: &str = "/martlet/test/acks/2";
const SYNC: StreamProtocol = StreamProtocol::new("/martlet/test/sync/2");

/// Sends and takes any bytes.
#[derive(Clone, Default)]
pub(crate) struct Raw;

impl request_response::Codec for Raw {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T: AsyncRead + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        io.read_to_end(&mut bytes).await?;
        Ok(bytes)
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(
        &mut self,
        protocol: &StreamProtocol,
        io: &mut T,
    ) -> io::Result<Vec<u8>> {
        self.read_request(protocol, io).await
    }

    async fn write_request<T: AsyncWrite + Unpin + Send>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        io.write_all(&bytes).await
    }

    async fn write_response<T: AsyncWrite + Unpin + Send>(
        &mut self,
        protocol: &StreamProtocol,
        io: &mut T,
        bytes: Vec<u8>,
    ) -> io::Result<()> {
        self.write_request(protocol, io, bytes).await
    }
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    gossip: gossipsub::Behaviour,
    identify: identify::Behaviour,
    sync: request_response::Behaviour<Raw>,
}

pub(crate) type Answer = Box<dyn FnMut(Request) -> Vec<u8> + Send>;

/// A peer that does as it is told.
#[derive(Clone)]
pub(crate) struct Hostile {
    orders: mpsc::Sender<Order>,
    /// Whether it is connected.
    connected: Arc<Mutex<bool>>,
}

enum Order {
    Gossip(&'static str, Vec<u8>),
    Ask(Vec<u8>, oneshot::Sender<Result<Vec<u8>, String>>),
}

impl Hostile {
    /// Connects to `victim`, answering its requests by `answer`.
    pub(crate) async fn connect(victim: &Node, mut answer: Answer) -> Self {
        let address: Multiaddr = victim.address().await;
        let victim_id = victim.net.peer_id();
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|key| {
                let config = gossipsub::ConfigBuilder::default()
                    .validation_mode(gossipsub::ValidationMode::Anonymous)
                    .max_transmit_size(1 << 20)
                    .message_id_fn(|message: &gossipsub::Message| {
                        gossipsub::MessageId::new(blake3::hash(&message.data).as_bytes())
                    })
                    .build()
                    .unwrap();
                let mut gossip =
                    gossipsub::Behaviour::new(gossipsub::MessageAuthenticity::Anonymous, config)?;
                gossip.subscribe(&gossipsub::IdentTopic::new(TOPIC))?;
                gossip.subscribe(&gossipsub::IdentTopic::new(ACKS))?;
                let sync = request_response::Behaviour::new(
                    [(SYNC, ProtocolSupport::Full)],
                    request_response::Config::default(),
                );
                Ok(Behaviour { gossip, identify: identify(key, "test"), sync })
            })
            .unwrap()
            .build();
        swarm.dial(address).unwrap();
        let (orders, mut inbox) = mpsc::channel(64);
        let connected = Arc::new(Mutex::new(false));
        let is_connected = Arc::clone(&connected);
        tokio::spawn(async move {
            let mut asked = std::collections::HashMap::new();
            let mut waiting = Vec::new();
            loop {
                tokio::select! {
                    Some(order) = inbox.recv() => match order {
                        Order::Gossip(topic, data) => waiting.push((topic, data)),
                        Order::Ask(bytes, reply) => {
                            let id = swarm.behaviour_mut().sync.send_request(&victim_id, bytes);
                            asked.insert(id, reply);
                        }
                    },
                    event = swarm.select_next_some() => match event {
                        SwarmEvent::ConnectionEstablished { .. } => {
                            *is_connected.lock().unwrap() = true;
                        }
                        SwarmEvent::ConnectionClosed { .. } => {
                            *is_connected.lock().unwrap() = false;
                        }
                        SwarmEvent::Behaviour(BehaviourEvent::Sync(event)) => match event {
                            request_response::Event::Message { message, .. } => match message {
                                request_response::Message::Request { request, channel, .. } => {
                                    let request =
                                        codec::decode(&request, SYNC_REQUEST_BYTES_MAX).unwrap();
                                    let bytes = answer(request);
                                    let _ =
                                        swarm.behaviour_mut().sync.send_response(channel, bytes);
                                }
                                request_response::Message::Response { request_id, response } => {
                                    let reply = asked.remove(&request_id).unwrap();
                                    let _ = reply.send(Ok(response));
                                }
                            },
                            request_response::Event::OutboundFailure { request_id, error, .. } => {
                                let reply: oneshot::Sender<_> = asked.remove(&request_id).unwrap();
                                let _ = reply.send(Err(error.to_string()));
                            }
                            _ => {}
                        },
                        _ => {}
                    },
                }
                // What found no one subscribed yet is tried again.
                waiting.retain(|(topic, data)| {
                    let topic = gossipsub::IdentTopic::new(*topic);
                    swarm.behaviour_mut().gossip.publish(topic, data.clone()).is_err()
                });
            }
        });
        let hostile = Self { orders, connected };
        until("the hostile peer is connected", async || hostile.is_connected()).await;
        hostile
    }

    fn is_connected(&self) -> bool {
        *self.connected.lock().unwrap()
    }

    async fn gossip(&self, topic: &'static str, data: Vec<u8>) {
        self.orders.send(Order::Gossip(topic, data)).await.map_err(|_| ()).unwrap();
    }

    /// Sends bytes as a sync request.
    async fn ask_raw(&self, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        let (reply, answer) = oneshot::channel();
        self.orders.send(Order::Ask(bytes, reply)).await.map_err(|_| ()).unwrap();
        answer.await.unwrap()
    }

    pub(crate) async fn ask(&self, request: &Request) -> Response {
        let bytes = self.ask_raw(codec::encode(request)).await.unwrap();
        codec::decode(&bytes, 4 << 20).unwrap()
    }
}

pub(crate) fn silent() -> Answer {
    Box::new(|_| codec::encode(&Response::Refused(Refusal::Busy)))
}

/// The bucket of [`envelope`]s.
fn bucket() -> Bucket {
    Bucket { shard: Shard(0), hour: ExpiryHour::latest(now()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_gossip_is_not_passed_on_and_its_sender_is_cut_off() {
    let victim = Setup::default().start();
    let kin = Setup::dialling(&victim.address().await).start();
    victim.until_connected(&kin).await;
    let hostile = Hostile::connect(&victim, silent()).await;
    hostile.gossip(TOPIC, envelope(1).encode()).await;
    until("a good envelope is taken from anyone", async || kin.holds(&envelope(1))).await;
    assert!(hostile.is_connected());
    for number in 0..INVALID_PER_PEER_PER_MINUTE_MAX {
        let bytes = format!("garbage {number}").into_bytes();
        let topic = if number % 2 == 0 { TOPIC } else { ACKS };
        hostile.gossip(topic, bytes).await;
    }
    until("cut off", async || !hostile.is_connected()).await;
    let again = Hostile::connect(&victim, silent()).await;
    assert!(again.is_connected(), "another peer from the same address is not punished for it");
    victim.send(&[envelope(2)]).await;
    until("the others go on", async || kin.holds(&envelope(2))).await;
    assert_eq!(kin.seen().envelopes.len(), 2);
    assert!(kin.seen().acks.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_gossip_is_not_passed_on() {
    let victim = Setup::default().start();
    let kin = Setup::dialling(&victim.address().await).start();
    victim.until_connected(&kin).await;
    let hostile = Hostile::connect(&victim, silent()).await;
    hostile.gossip(TOPIC, Envelope::new(vec![1; 100 * 1024]).encode()).await;
    // Under gossipsub's bound and over ours.
    hostile.gossip(TOPIC, Envelope::new(vec![1; 62 * 1024]).encode()).await;
    let again = Hostile::connect(&victim, silent()).await;
    again.gossip(TOPIC, envelope(1).encode()).await;
    until("a good envelope is taken", async || kin.holds(&envelope(1))).await;
    assert_eq!(kin.seen().envelopes.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_and_change_nothing() {
    let victim = Setup { holds: envelopes(0..100), ..Setup::default() }.start();
    let ids = vec![EnvelopeId([1; 32]); SYNC_IDS_MAX + 1];
    let digest = |hour| BucketDigest {
        bucket: Bucket { shard: Shard(0), hour: ExpiryHour(hour) },
        count: 1,
        fingerprint: Fingerprint::default(),
    };
    let frame = usize::try_from(RECONCILE_FRAME_BYTES_MAX).unwrap();
    let short_list = |ids| Request::ShortList { buckets: vec![bucket()], key: [0; 32], ids };
    let reconcile = |message| Request::Reconcile { buckets: vec![bucket()], message };
    let push = |envelopes| Request::Push { envelopes, acks: Vec::new() };
    let cases = [
        (Request::Digests(vec![digest(2), digest(1)]), Refusal::Invalid),
        (Request::Digests(vec![digest(1); 2]), Refusal::Invalid),
        (Request::Digests((0..).take(DIGESTS_MAX + 1).map(digest).collect()), Refusal::TooLarge),
        (Request::Fetch(ids.clone()), Refusal::TooLarge),
        (Request::Offer(ids.clone()), Refusal::TooLarge),
        (Request::Stored(ids), Refusal::TooLarge),
        (Request::Reconcile { buckets: Vec::new(), message: vec![0x61] }, Refusal::Invalid),
        (short_list(vec![1; 12]), Refusal::Invalid),
        (short_list(vec![0; 6 * SHORT_LIST_IDS_MAX + 6]), Refusal::TooLarge),
        (reconcile(Vec::new()), Refusal::Invalid),
        (reconcile(vec![0xff; 100]), Refusal::Invalid),
        (reconcile(vec![0x61; frame + 1]), Refusal::TooLarge),
        // A list of 2^34 ids, none of which follow.
        (reconcile(b"\x61\0\0\x02\xc0\x80\x80\x80\0".to_vec()), Refusal::Invalid),
        (push(vec![envelope(500)]), Refusal::Invalid),
        (push(vec![Envelope::new(vec![0; 61 * 1024])]), Refusal::Invalid),
    ];
    for (request, refusal) in cases {
        // Each by a peer of its own: some of these get a peer cut off in time.
        let hostile = Hostile::connect(&victim, silent()).await;
        assert_eq!(hostile.ask(&request).await, Response::Refused(refusal), "{request:?}");
    }
    let hostile = Hostile::connect(&victim, silent()).await;
    for bytes in [vec![], b"garbage".to_vec(), vec![0; SYNC_REQUEST_BYTES_MAX + 1]] {
        let answer = hostile.ask_raw(bytes).await;
        assert!(answer.is_err() || answer.is_ok_and(|bytes| bytes.is_empty()), "answered");
    }
    assert_eq!(victim.live(), 100);
    let Response::Envelopes { envelopes, gone } =
        hostile.ask(&Request::Fetch(vec![envelope(1).id(), envelope(500).id()])).await
    else {
        panic!("an honest request is served");
    };
    assert_eq!((envelopes, gone), (vec![envelope(1)], vec![envelope(500).id()]));
}

/// libp2p tells the side that serves nothing of a request that its codec refused: 7,000 of them in three seconds
/// cost their sender nothing.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_cannot_be_read_get_their_sender_cut_off() {
    let victim = Setup { holds: envelopes(0..1), ..Setup::default() }.start();
    let hostile = Hostile::connect(&victim, silent()).await;
    for number in 0..INVALID_PER_PEER_PER_MINUTE_MAX {
        let garbage = [&[0xff], &number.to_be_bytes()[..]].concat();
        let answer = hostile.ask_raw(garbage).await;
        assert!(answer.is_err() || answer.is_ok_and(|bytes| bytes.is_empty()), "answered");
    }
    until("cut off", async || !hostile.is_connected()).await;
}

/// Nor was anything known of one that broke off. A connection that ends breaks off honest ones, so its sender is
/// throttled, and is not cut off.
#[tokio::test(flavor = "multi_thread")]
async fn half_sent_requests_get_their_sender_throttled() {
    let victim = Setup { holds: envelopes(0..1), ..Setup::default() }.start();
    let hostile = Hostile::connect(&victim, silent()).await;
    let whole = codec::encode(&Request::Fetch(vec![envelope(0).id(); 100]));
    for end in 0..3 * INVALID_PER_PEER_PER_MINUTE_MAX {
        let part = whole[..usize::try_from(end).unwrap()].to_vec();
        let answer = hostile.ask_raw(part).await;
        assert!(answer.is_err() || answer.is_ok_and(|bytes| bytes.is_empty()), "answered");
    }
    until("throttled", async || {
        let peers = victim.connected().await;
        peers.iter().any(|peer| peer.details.as_ref().is_some_and(|details| details.throttled))
    })
    .await;
    assert!(hostile.is_connected());
    let fetch = Request::Fetch(vec![envelope(0).id()]);
    assert!(matches!(hostile.ask(&fetch).await, Response::Envelopes { .. }), "one at a time");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_wanted_is_taken_and_only_once() {
    let victim = Setup { holds: envelopes(0..1), ..Setup::default() }.start();
    let hostile = Hostile::connect(&victim, silent()).await;
    let offer = Request::Offer(vec![envelope(0).id(), envelope(1).id()]);
    let wanted =
        Response::Wanted { ids: vec![envelope(1).id()], acks: Vec::new(), gone: Vec::new() };
    assert_eq!(hostile.ask(&offer).await, wanted);
    let push = Request::Push { envelopes: vec![envelope(1)], acks: Vec::new() };
    assert_eq!(hostile.ask(&push).await, Response::Pushed { refused: Vec::new() });
    assert!(victim.holds(&envelope(1)), "answered once it is on disk");
    assert_eq!(hostile.ask(&push).await, Response::Refused(Refusal::Invalid));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_reconciliation_is_ended_by_the_responder() {
    let victim = Setup { holds: envelopes(0..100), ..Setup::default() }.start();
    let hostile = Hostile::connect(&victim, silent()).await;
    let mut other_side = negentropy::NegentropyStorageVector::new();
    other_side
        .insert(u64::from(bucket().hour.0), negentropy::Id::from_byte_array([9; 32]))
        .unwrap();
    other_side.seal().unwrap();
    let message = negentropy::Negentropy::owned(other_side, 0).unwrap().initiate().unwrap();
    let request = Request::Reconcile { buckets: vec![bucket()], message };
    for _ in 0..RECONCILE_ROUNDS_MAX {
        assert!(matches!(hostile.ask(&request).await, Response::Reconcile(_)));
    }
    assert_eq!(hostile.ask(&request).await, Response::Refused(Refusal::Invalid));
}

/// A node that syncs with a hostile peer gives up on it, and syncs with an honest one.
async fn survives(answer: impl FnMut(Request) -> Vec<u8> + Send + 'static) {
    let (asked, mut was_asked) = mpsc::unbounded_channel();
    let victim = Setup { holds: envelopes(0..100), ..Setup::default() }.start();
    let mut answer = answer;
    let _hostile = Hostile::connect(
        &victim,
        Box::new(move |request| {
            // The first thing that a peer is asked is no part of a sync.
            if request != Request::Time {
                let _ = asked.send(());
            }
            answer(request)
        }),
    )
    .await;
    was_asked.recv().await.unwrap();
    let kin = Setup { holds: envelopes(200..300), ..Setup::dialling(&victim.address().await) };
    let kin = kin.start();
    until("synced with an honest peer", async || victim.live() == 200 && kin.live() == 200).await;
    assert!(!victim.seen().envelopes.contains_key(&envelope(900).id()));
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_answers_end_a_sync() {
    survives(|_| b"garbage".to_vec()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_other_questions_end_a_sync() {
    survives(|_| codec::encode(&Response::Done)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_garbage_reconciliation_ends_a_sync() {
    survives(|request| {
        codec::encode(&match request {
            Request::Digests(_) => Response::Differing(vec![bucket()]),
            Request::ShortList { .. } => Response::Refused(Refusal::TooLarge),
            _ => Response::Reconcile(vec![0x61, 0xff, 0xff, 0xff]),
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_short_list_ends_a_sync() {
    for there in [vec![1; 5], vec![1; 12]] {
        survives(move |request| {
            codec::encode(&match request {
                Request::Digests(_) => Response::Differing(vec![bucket()]),
                _ => Response::Lacking { there: there.clone(), here: Vec::new() },
            })
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_reconciliation_is_ended_by_the_initiator() {
    let rounds = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&rounds);
    survives(move |request| {
        codec::encode(&match request {
            Request::Digests(_) => Response::Differing(vec![bucket()]),
            Request::ShortList { .. } => Response::Refused(Refusal::TooLarge),
            Request::Reconcile { .. } => {
                *counted.lock().unwrap() += 1;
                // Everything up to the end of time has this fingerprint: never ours.
                Response::Reconcile([&[0x61, 0, 0, 1][..], &[7; 16]].concat())
            }
            _ => Response::Done,
        })
    })
    .await;
    until("asked for a round", async || *rounds.lock().unwrap() > 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envelopes_that_were_not_asked_for_are_not_taken() {
    survives(move |request| {
        let foreign = [envelope(901), envelope(902)];
        let mut ids = foreign.iter().map(Envelope::id).collect::<Vec<_>>();
        ids.sort_unstable();
        codec::encode(&match request {
            Request::Digests(_) => Response::Differing(vec![bucket()]),
            Request::ShortList { .. } => Response::Refused(Refusal::TooLarge),
            Request::Reconcile { .. } => {
                // A list of two ids up to the end of time.
                let mut message = vec![0x61, 0, 0, 2, 2];
                ids.iter().for_each(|id| message.extend(id.0));
                Response::Reconcile(message)
            }
            Request::Fetch(asked) => {
                assert_eq!(asked.len(), 2);
                Response::Envelopes { envelopes: vec![envelope(900)], gone: Vec::new() }
            }
            _ => Response::Done,
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn envelopes_held_back_end_a_sync() {
    survives(|request| {
        codec::encode(&match request {
            Request::Digests(_) => Response::Differing(vec![bucket()]),
            Request::ShortList { .. } => Response::Refused(Refusal::TooLarge),
            Request::Reconcile { .. } => {
                let mut message = vec![0x61, 0, 0, 2, 1];
                message.extend(envelope(901).id().0);
                Response::Reconcile(message)
            }
            Request::Fetch(_) => {
                Response::Envelopes { envelopes: Vec::new(), gone: vec![envelope(902).id()] }
            }
            _ => Response::Done,
        })
    })
    .await;
}
