//! The network under attack: Alice and Bob, who know each other only by way of a mailbox node, a
//! bystander who hears what that node passes on, and the messages between them.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use martlet_protocol::control::{Delivery, EventBody, SendRequest, SendResponse};
use martlet_protocol::network::NetworkDescriptor;
use tokio::task::JoinHandle;

use super::report::RSS_AFTER_BYTES_MAX;
use crate::cluster::{Cluster, ClusterError, Node, NodeOptions, introduce};
use crate::peer::RawPeer;

/// Longest wait for any step of the preparation.
const STEP_MAX: Duration = Duration::from_secs(30);
/// How long after the attack messages may still come: a sync with every neighbour has then been made.
const DRAIN_MAX: Duration = Duration::from_secs(90);
/// Time between two messages of one sender.
const PAUSE: Duration = Duration::from_millis(200);
/// Time between two looks at memory and disk.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// How long after deaf peers were cut off memory may take to fall: some of the daemon's looks at its connections.
const GIVEN_BACK_MAX: Duration = Duration::from_secs(20);
/// Quota of the mailboxes, bytes: what the disk's bound follows from.
pub(super) const MAILBOX_BYTES: u64 = 128 << 20;

/// The network.
pub(super) struct Arena {
    /// The node between.
    pub(super) mailbox: Node,
    pub(super) alice: Node,
    pub(super) bob: Node,
    /// Connected to the mailbox node.
    pub(super) bystander: RawPeer,
    pub(super) network: NetworkDescriptor,
}

/// The most that any of the daemons used.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Peak {
    pub(super) rss_bytes: u64,
    pub(super) disk_bytes: u64,
    pub(super) log_bytes: u64,
}

/// Messages of one phase.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    pub(super) sent: usize,
    pub(super) delivered: usize,
    pub(super) twice: usize,
    /// Milliseconds, ascending.
    pub(super) latencies: Vec<f64>,
}

impl Arena {
    /// Starts it, and waits until Alice and Bob have exchanged a message each way.
    pub(super) async fn start(cluster: &Cluster, share: u32) -> Result<Self, ClusterError> {
        let options = |peers| NodeOptions {
            peers,
            config: vec![
                format!("mailbox_bytes_max = {MAILBOX_BYTES}"),
                format!("peer_envelopes_per_minute = {share}"),
            ],
            ..NodeOptions::default()
        };
        let mut mailbox = cluster.node("mailbox", options(Vec::new()));
        mailbox.start().await?;
        let peers = vec![mailbox.address()?];
        let mut alice = cluster.node("alice", options(peers.clone()));
        let mut bob = cluster.node("bob", options(peers));
        for user in [&mut alice, &mut bob] {
            user.start().await?;
            user.init().await?;
            user.wait_connected(&[&mailbox], STEP_MAX).await?;
        }
        let network = NetworkDescriptor::default();
        let bystander = RawPeer::connect(&network, &mailbox.address()?)
            .await
            .map_err(|error| ClusterError::Wrong(error.to_string()))?;
        introduce(&alice, &bob).await?;
        for (from, to) in [(&alice, &bob), (&bob, &alice)] {
            let first = from.send(to.name(), "first").await?;
            from.wait_state(&first.id, Delivery::Delivered, STEP_MAX).await?;
        }
        Ok(Self { mailbox, alice, bob, bystander, network })
    }

    /// Alice and Bob write to each other for as long as `during` runs; returns what that returned,
    /// once all messages have come or will not.
    pub(super) async fn talk<T>(
        &self,
        phase: &str,
        during: impl Future<Output = T>,
    ) -> Result<(Traffic, T), ClusterError> {
        let there = Way::open(&self.alice, &self.bob, phase).await?;
        let back = Way::open(&self.bob, &self.alice, phase).await?;
        let talking = async { tokio::try_join!(there.write(&self.alice), back.write(&self.bob)) };
        let done = tokio::select! {
            written = talking => return Err(written.err().unwrap_or_else(ended)),
            done = during => done,
        };
        let mut traffic = Traffic::default();
        let drained = Instant::now() + DRAIN_MAX;
        for way in [there, back] {
            way.drain(drained, &mut traffic).await;
        }
        traffic.latencies.sort_by(f64::total_cmp);
        Ok((traffic, done))
    }

    /// Looks at memory and disk of all daemons until it is dropped.
    pub(super) fn watch(&self) -> Result<Watch, ClusterError> {
        let nodes = [&self.mailbox, &self.alice, &self.bob];
        let mut looked_at = Vec::new();
        for node in nodes {
            looked_at.push((node.pid()?, node.data_dir(), node.log_file()));
        }
        let peak = Arc::new(Mutex::new(Peak::default()));
        let seen = Arc::clone(&peak);
        let task = tokio::spawn(async move {
            loop {
                for (pid, data, log) in &looked_at {
                    let used = crate::cluster::usage(*pid).map_or(0, |usage| usage.rss_bytes);
                    let mut peak = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    peak.rss_bytes = peak.rss_bytes.max(used);
                    peak.disk_bytes = peak.disk_bytes.max(bytes_in(data));
                    peak.log_bytes = peak.log_bytes.max(fs::metadata(log).map_or(0, |m| m.len()));
                }
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        });
        Ok(Watch { task, peak })
    }

    /// Resident memory of the mailbox node once the attacker has gone: as soon as it is within its bound, or else after
    /// [`GIVEN_BACK_MAX`].
    pub(super) async fn rss_once_quiet(&self) -> Result<u64, ClusterError> {
        let pid = self.mailbox.pid()?;
        let end = Instant::now() + GIVEN_BACK_MAX;
        loop {
            let used = crate::cluster::usage(pid).map_or(0, |usage| usage.rss_bytes);
            if used <= RSS_AFTER_BYTES_MAX || Instant::now() > end {
                return Ok(used);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Starts the mailbox node anew: what it has seen lately it knows from its disk alone.
    pub(super) async fn forget_gossip(&mut self) -> Result<(), ClusterError> {
        self.mailbox.restart().await?;
        for user in [&self.alice, &self.bob] {
            user.wait_connected(&[&self.mailbox], STEP_MAX).await?;
        }
        self.bystander = RawPeer::connect(&self.network, &self.mailbox.address()?)
            .await
            .map_err(|error| ClusterError::Wrong(error.to_string()))?;
        Ok(())
    }

    /// Live envelopes that the mailbox node holds.
    pub(super) async fn held(&self) -> Result<u64, ClusterError> {
        Ok(self.mailbox.status().await?.mailbox.envelopes)
    }
}

/// Looks at what daemons use.
pub(super) struct Watch {
    task: JoinHandle<()>,
    peak: Arc<Mutex<Peak>>,
}

impl Watch {
    /// The most so far.
    pub(super) fn peak(&self) -> Peak {
        *self.peak.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Messages from one to another.
struct Way {
    to: String,
    phase: String,
    sent: Arc<Mutex<Vec<Instant>>>,
    /// When each came, and how often.
    arrived: Arc<Mutex<HashMap<usize, (Instant, usize)>>>,
    listening: JoinHandle<()>,
}

impl Way {
    async fn open(from: &Node, to: &Node, phase: &str) -> Result<Self, ClusterError> {
        let mut events = to.events(None).await?;
        let prefix = format!("{phase} {} ", from.name());
        let arrived = Arc::new(Mutex::new(HashMap::new()));
        let seen = Arc::clone(&arrived);
        let listening = tokio::spawn(async move {
            while let Ok(Some(event)) = events.next().await {
                let now = Instant::now();
                if let EventBody::MessageReceived { message } = event.body
                    && let Some(number) = message.text.strip_prefix(&prefix)
                    && let Ok(number) = number.parse::<usize>()
                {
                    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                    seen.entry(number).or_insert((now, 0)).1 += 1;
                }
            }
        });
        Ok(Self {
            to: to.name().to_owned(),
            phase: format!("{phase} {}", from.name()),
            sent: Arc::default(),
            arrived,
            listening,
        })
    }

    /// Writes one message after the other, until dropped.
    async fn write(&self, from: &Node) -> Result<(), ClusterError> {
        let client = from.client();
        loop {
            tokio::time::sleep(PAUSE).await;
            let number = {
                let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
                sent.push(Instant::now());
                sent.len() - 1
            };
            let text = format!("{} {number}", self.phase);
            let request = SendRequest { to: self.to.clone(), text, ..SendRequest::default() };
            let sent: Result<SendResponse, _> = client.post("/v1/messages", &request).await;
            sent.map_err(|source| from.error(source))?;
        }
    }

    async fn drain(self, until: Instant, traffic: &mut Traffic) {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // The last one may have been given up before the daemon had it.
        let sure = sent.len().saturating_sub(1);
        let is_complete = || {
            let arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
            (0..sure).all(|number| arrived.contains_key(&number))
        };
        while !is_complete() && Instant::now() < until {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        self.listening.abort();
        let arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, sent) in sent.iter().enumerate().take(sure) {
            traffic.sent += 1;
            if let Some((at, count)) = arrived.get(&number) {
                traffic.delivered += 1;
                traffic.twice += count - 1;
                traffic.latencies.push((*at - *sent).as_secs_f64() * 1000.0);
            }
        }
    }
}

fn ended() -> ClusterError {
    ClusterError::Wrong("writing ended by itself".into())
}

/// Bytes of the files in a directory, as they are on disk.
fn bytes_in(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let sizes = entries.flatten().filter_map(|entry| entry.metadata().ok());
    sizes.map(|metadata| metadata.blocks() * 512).sum()
}
