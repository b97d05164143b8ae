//! A peer of our own that is no daemon: it records all that is gossiped, and says what no honest
//! node would say.

use std::hash::{Hash, Hasher};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::Boxed;
use libp2p::core::upgrade::Version;
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode};
use libp2p::identity::Keypair;
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{
    Multiaddr, PeerId, StreamProtocol, Swarm, Transport as _, identify, noise, request_response,
    swarm, tcp, yamux,
};
use martlet_protocol::network::NetworkDescriptor;
use tokio::sync::{mpsc, oneshot};

/// Largest message it says or hears: far over what daemons allow, so that they can be sent too
/// much.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Requests to the task that wait at most.
const QUEUE_MAX: usize = 64;
/// Longest wait for the connection and the other's subscriptions.
const CONNECT_MAX: Duration = Duration::from_secs(15);
/// Longest wait for an answer to a request.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Why a peer of our own can't do what it should.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// The swarm could not be made.
    #[error("cannot make a swarm: {0}")]
    Setup(String),
    /// Not a multiaddress with a peer id.
    #[error("{address:?} is not a multiaddress that ends in /p2p/PEER-ID")]
    Address {
        /// What was given.
        address: String,
    },
    /// No connection, or the other subscribed to no topic, in time.
    #[error("could not connect to {address} in time")]
    Connect {
        /// Where.
        address: String,
    },
    /// Gossipsub would not send it.
    #[error("cannot publish: {0}")]
    Publish(String),
    /// A request without a response.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The task has ended.
    #[error("the peer's task has ended")]
    Ended,
}

/// A gossiped message as it was heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Its topic.
    pub topic: String,
    /// Its bytes.
    pub data: Vec<u8>,
}

/// A peer of one daemon, subscribed to the topics of its network. Its connection ends with it.
#[derive(Debug)]
pub struct RawPeer {
    peer_id: PeerId,
    daemon: PeerId,
    network: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    orders: mpsc::Sender<Order>,
}

/// What the task is asked to do.
#[derive(Debug)]
enum Order {
    Publish { topic: String, data: Vec<u8>, done: oneshot::Sender<Result<(), PeerError>> },
    Request { data: Vec<u8>, done: oneshot::Sender<Result<Vec<u8>, PeerError>> },
    IsConnected { done: oneshot::Sender<bool> },
}

#[derive(NetworkBehaviour)]
struct Behaviour {
    gossip: gossipsub::Behaviour,
    identify: identify::Behaviour,
    sync: request_response::Behaviour<RawCodec>,
}

impl RawPeer {
    /// Connects to the daemon at `address`, and waits until it has subscribed to the network's
    /// topics.
    ///
    /// # Errors
    /// [`PeerError`].
    pub async fn connect(network: &NetworkDescriptor, address: &str) -> Result<Self, PeerError> {
        let key = Keypair::generate_ed25519();
        let setup = |error: noise::Error| PeerError::Setup(error.to_string());
        let transport = tcp::tokio::Transport::new(tcp::Config::default())
            .upgrade(Version::V1Lazy)
            .authenticate(noise::Config::new(&key).map_err(setup)?)
            .multiplex(yamux::Config::default())
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
            .boxed();
        Self::connect_over(transport, &key, network, address).await
    }

    /// The same over a transport of the caller's, which authenticates by `key`.
    ///
    /// # Errors
    /// [`PeerError`].
    pub async fn connect_over(
        transport: Boxed<(PeerId, StreamMuxerBox)>,
        key: &Keypair,
        network: &NetworkDescriptor,
        address: &str,
    ) -> Result<Self, PeerError> {
        let bad_address = || PeerError::Address { address: address.to_owned() };
        let dial: Multiaddr = address.parse().map_err(|_| bad_address())?;
        let daemon = dial
            .iter()
            .find_map(|part| match part {
                libp2p::multiaddr::Protocol::P2p(peer) => Some(peer),
                _ => None,
            })
            .ok_or_else(bad_address)?;
        let mut swarm = swarm(transport, key, &network.name)?;
        let topics = [envelopes_topic(&network.name), acks_topic(&network.name)];
        for topic in &topics {
            let subscribed = swarm.behaviour_mut().gossip.subscribe(&IdentTopic::new(topic));
            subscribed.map_err(|error| PeerError::Setup(error.to_string()))?;
        }
        let refused = || PeerError::Connect { address: address.to_owned() };
        swarm.dial(dial).map_err(|_| refused())?;
        let mut missing = topics.len();
        let subscriptions = async {
            while missing > 0 {
                if let SwarmEvent::Behaviour(BehaviourEvent::Gossip(
                    gossipsub::Event::Subscribed { .. },
                )) = swarm.select_next_some().await
                {
                    missing -= 1;
                }
            }
        };
        tokio::time::timeout(CONNECT_MAX, subscriptions).await.map_err(|_| refused())?;

        let heard = Arc::new(Mutex::new(Vec::new()));
        let (orders, waiting) = mpsc::channel(QUEUE_MAX);
        let peer_id = *swarm.local_peer_id();
        tokio::spawn(run(swarm, daemon, Arc::clone(&heard), waiting));
        Ok(Self { peer_id, daemon, network: network.name.clone(), heard, orders })
    }

    /// Its own peer id.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// The daemon's peer id.
    #[must_use]
    pub fn daemon(&self) -> PeerId {
        self.daemon
    }

    /// Gossips `data` on the topic of envelopes, whatever it is.
    ///
    /// # Errors
    /// [`PeerError::Publish`], for example when the daemon has cut the connection.
    pub async fn publish_envelope(&self, data: Vec<u8>) -> Result<(), PeerError> {
        self.publish(envelopes_topic(&self.network), data).await
    }

    /// Gossips `data` on the topic of acks, whatever it is.
    ///
    /// # Errors
    /// The same.
    pub async fn publish_acks(&self, data: Vec<u8>) -> Result<(), PeerError> {
        self.publish(acks_topic(&self.network), data).await
    }

    /// Sends `data` as a request of the sync protocol, whatever it is, and returns the response's
    /// bytes.
    ///
    /// # Errors
    /// [`PeerError::NoAnswer`].
    pub async fn request(&self, data: Vec<u8>) -> Result<Vec<u8>, PeerError> {
        let (done, answer) = oneshot::channel();
        self.order(Order::Request { data, done }).await?;
        answer.await.map_err(|_| PeerError::Ended)?
    }

    /// Whether the daemon keeps up the connection.
    ///
    /// # Errors
    /// [`PeerError::Ended`].
    pub async fn is_connected(&self) -> Result<bool, PeerError> {
        let (done, answer) = oneshot::channel();
        self.order(Order::IsConnected { done }).await?;
        answer.await.map_err(|_| PeerError::Ended)
    }

    /// All that was gossiped to it so far.
    #[must_use]
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was gossiped to it after the first `skip` messages.
    #[must_use]
    pub fn heard_after(&self, skip: usize) -> Vec<Heard> {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.get(skip..).unwrap_or_default().to_vec()
    }

    /// How many messages were gossiped to it so far.
    #[must_use]
    pub fn heard_count(&self) -> usize {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    async fn publish(&self, topic: String, data: Vec<u8>) -> Result<(), PeerError> {
        let (done, answer) = oneshot::channel();
        self.order(Order::Publish { topic, data, done }).await?;
        answer.await.map_err(|_| PeerError::Ended)?
    }

    async fn order(&self, order: Order) -> Result<(), PeerError> {
        self.orders.send(order).await.map_err(|_| PeerError::Ended)
    }
}

/// The topic of the envelopes of shard 0.
#[must_use]
pub fn envelopes_topic(network: &str) -> String {
    format!("/martlet/{network}/envelopes/2/0")
}

/// The topic of acks.
#[must_use]
pub fn acks_topic(network: &str) -> String {
    format!("/martlet/{network}/acks/2")
}

fn swarm(
    transport: Boxed<(PeerId, StreamMuxerBox)>,
    key: &Keypair,
    network: &str,
) -> Result<Swarm<Behaviour>, PeerError> {
    fn setup(error: impl std::fmt::Display) -> PeerError {
        PeerError::Setup(error.to_string())
    }
    let sync = StreamProtocol::try_from_owned(format!("/martlet/{network}/sync/2"))
        .map_err(|error| setup(format!("{error:?}")))?;
    let identify_protocol = format!("/martlet/{network}/2");
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Anonymous)
        // The default is made of sender and number, which anonymous messages don't have.
        .message_id_fn(|message| {
            let mut hasher = std::hash::DefaultHasher::new();
            message.data.hash(&mut hasher);
            gossipsub::MessageId::new(&hasher.finish().to_be_bytes())
        })
        .max_transmit_size(MESSAGE_BYTES_MAX)
        .heartbeat_initial_delay(Duration::from_millis(100))
        .flood_publish(true)
        .build()
        .map_err(setup)?;
    let behaviour = Behaviour {
        gossip: gossipsub::Behaviour::new(MessageAuthenticity::Anonymous, config).map_err(setup)?,
        identify: identify::Behaviour::new(identify::Config::new(identify_protocol, key.public())),
        sync: request_response::Behaviour::with_codec(
            RawCodec,
            [(sync, request_response::ProtocolSupport::Outbound)],
            request_response::Config::default().with_request_timeout(ANSWER_MAX),
        ),
    };
    let config = swarm::Config::with_tokio_executor();
    Ok(Swarm::new(transport, behaviour, key.public().to_peer_id(), config))
}

async fn run(
    mut swarm: Swarm<Behaviour>,
    daemon: PeerId,
    heard: Arc<Mutex<Vec<Heard>>>,
    mut orders: mpsc::Receiver<Order>,
) {
    let mut requests = std::collections::HashMap::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Publish { topic, data, done }) => {
                    let published = swarm.behaviour_mut().gossip.publish(IdentTopic::new(topic), data);
                    let published = published.map(drop);
                    // Whoever asked may have gone.
                    let _ = done.send(published.map_err(|e| PeerError::Publish(e.to_string())));
                }
                Some(Order::Request { data, done }) => {
                    let id = swarm.behaviour_mut().sync.send_request(&daemon, data);
                    requests.insert(id, done);
                }
                Some(Order::IsConnected { done }) => {
                    let _ = done.send(swarm.is_connected(&daemon));
                }
                None => return,
            },
            event = swarm.select_next_some() => match event {
                SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message {
                    message, ..
                })) => {
                    let one = Heard { topic: message.topic.into_string(), data: message.data };
                    heard.lock().unwrap_or_else(PoisonError::into_inner).push(one);
                }
                SwarmEvent::Behaviour(BehaviourEvent::Sync(event)) => match event {
                    request_response::Event::Message {
                        message: request_response::Message::Response { request_id, response },
                        ..
                    } => {
                        if let Some(done) = requests.remove(&request_id) {
                            let _ = done.send(Ok(response));
                        }
                    }
                    request_response::Event::OutboundFailure { request_id, error, .. } => {
                        if let Some(done) = requests.remove(&request_id) {
                            let _ = done.send(Err(PeerError::NoAnswer(error.to_string())));
                        }
                    }
                    _ => {}
                },
                _ => {}
            },
        }
    }
}

/// Bytes as they are, ended by the end of the stream.
#[derive(Debug, Clone)]
struct RawCodec;

impl request_response::Codec for RawCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: futures::AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: futures::AsyncRead + Unpin + Send,
    {
        read(io).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Vec<u8>,
    ) -> io::Result<()>
    where
        T: futures::AsyncWrite + Unpin + Send,
    {
        io.write_all(&request).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Vec<u8>,
    ) -> io::Result<()>
    where
        T: futures::AsyncWrite + Unpin + Send,
    {
        io.write_all(&response).await
    }
}

async fn read(io: &mut (impl futures::AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io.take(MESSAGE_BYTES_MAX as u64).read_to_end(&mut bytes).await?;
    Ok(bytes)
}
