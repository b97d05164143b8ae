//! A hostile peer at work: its connection, its name, and what it got done.

use std::io;
use std::time::{Duration, Instant};

use futures::AsyncWriteExt;
use libp2p::core::muxing::SubstreamBox;
use libp2p::identity::Keypair;
use martlet_protocol::limits::ENVELOPE_BYTES_MAX;
use martlet_protocol::{Envelope, codec};

use super::arena::Arena;
use super::link::{Link, Manners};
use crate::cluster::ClusterError;
use crate::peer::{Heard, envelopes_topic};

/// Frames a second at most: so that the attacker leaves the daemons a processor.
const FRAMES_PER_SECOND: u32 = 20_000;
/// Frames written at a time.
const FRAMES_AT_ONCE: u32 = 50;
/// Longest wait for bytes to be taken.
const WRITE_MAX: Duration = Duration::from_secs(2);
/// How long a connection must last to count as one: a banned peer is let in and shown out.
const LASTS: Duration = Duration::from_millis(300);
/// Refusals after being cut off, after which it is taken for banned.
const REFUSALS: u32 = 3;

/// One hostile peer against the mailbox node.
pub(super) struct Siege<'a> {
    pub(super) arena: &'a Arena,
    /// What was gossiped before, oldest first.
    pub(super) past: Vec<Heard>,
    /// What it sent: messages, frames, requests or streams.
    pub(super) sent: u64,
    address: String,
    keypair: Keypair,
    link: Option<Link>,
    began: Instant,
    duration: Duration,
    cut_after: Option<Duration>,
    refusals: u32,
}

/// What became of one connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cut {
    /// When it was first cut off, from the beginning.
    pub(super) after: Option<Duration>,
    /// Whether it was then refused under the same name.
    pub(super) is_banned: bool,
}

impl<'a> Siege<'a> {
    /// A peer that will attack for `duration`.
    pub(super) fn begin(
        arena: &'a Arena,
        past: Vec<Heard>,
        duration: Duration,
    ) -> Result<Self, ClusterError> {
        Ok(Self {
            arena,
            past,
            sent: 0,
            address: arena.mailbox.address()?,
            keypair: Keypair::generate_ed25519(),
            link: None,
            began: Instant::now(),
            duration,
            cut_after: None,
            refusals: 0,
        })
    }

    /// Another peer for the same time.
    pub(super) fn twin(&self) -> Siege<'a> {
        Siege {
            arena: self.arena,
            past: Vec::new(),
            sent: 0,
            address: self.address.clone(),
            keypair: Keypair::generate_ed25519(),
            link: None,
            began: self.began,
            duration: self.duration,
            cut_after: None,
            refusals: 0,
        }
    }

    /// The part of its time that has passed, 0 to 1.
    pub(super) fn progress(&self) -> f64 {
        self.began.elapsed().as_secs_f64() / self.duration.as_secs_f64()
    }

    /// Its connection, made again as often as need be; `None` when the time is over, or it is banned.
    pub(super) async fn link(&mut self, manners: Manners) -> Option<Link> {
        loop {
            if self.progress() >= 1.0 || self.refusals >= REFUSALS {
                return None;
            }
            if self.link.as_ref().is_some_and(Link::is_open) {
                break;
            }
            if self.link.take().is_some() {
                self.cut_after.get_or_insert(self.began.elapsed());
            }
            match Link::dial(&self.keypair, &self.address, manners).await {
                Ok(link) if self.cut_after.is_some() && link.ended_within(LASTS).await => {
                    self.refusals += 1;
                }
                Ok(link) => self.link = Some(link),
                Err(_) => tokio::time::sleep(LASTS).await,
            }
        }
        self.link.clone()
    }

    /// A connection, whatever the time.
    pub(super) async fn any_link(&mut self) -> Option<Link> {
        if !self.link.as_ref().is_some_and(Link::is_open) {
            self.link = Link::dial(&self.keypair, &self.address, Manners::Hears).await.ok();
        }
        self.link.clone()
    }

    /// Notes an end of the connection that was not noted yet.
    pub(super) fn cut(&mut self) -> Cut {
        if self.link.as_ref().is_some_and(|link| !link.is_open()) {
            self.cut_after.get_or_insert(self.began.elapsed());
        }
        Cut { after: self.cut_after, is_banned: self.refusals >= REFUSALS }
    }

    /// Sends frames of gossip until the time is over or it is banned. `make` gives one, and how many
    /// messages are in it; `None` waits a little.
    pub(super) async fn flood(
        &mut self,
        part: u32,
        mut make: impl FnMut(&mut Self) -> Option<(Vec<u8>, u64)>,
    ) {
        let pause = Duration::from_secs(1) * FRAMES_AT_ONCE * part / FRAMES_PER_SECOND;
        while let Some(link) = self.link(Manners::Hears).await {
            let Ok(mut stream) = link.speak("/meshsub/1.1.0").await else { continue };
            loop {
                let began = Instant::now();
                let (mut bytes, mut messages) = (Vec::new(), 0);
                for _ in 0..FRAMES_AT_ONCE {
                    let Some((frame, count)) = make(self) else { break };
                    bytes.extend(frame);
                    messages += count;
                }
                if write(&mut stream, &bytes).await.is_err() || self.progress() >= 1.0 {
                    break;
                }
                self.sent += messages;
                tokio::time::sleep(pause.saturating_sub(began.elapsed())).await;
            }
        }
    }

    /// Envelopes that the bystander has heard after its first `skip` messages, and how many messages
    /// there are now.
    pub(super) fn heard_envelopes(&self, skip: usize) -> (Vec<Envelope>, usize) {
        let heard = self.arena.bystander.heard_after(skip);
        let count = skip + heard.len();
        (envelopes(&heard, &self.arena.network.name), count)
    }
}

/// The envelopes among gossiped messages.
pub(super) fn envelopes(heard: &[Heard], network: &str) -> Vec<Envelope> {
    let topic = envelopes_topic(network);
    let of_topic = heard.iter().filter(|one| one.topic == topic);
    of_topic.filter_map(|one| codec::decode(&one.data, ENVELOPE_BYTES_MAX).ok()).collect()
}

/// Writes, unless the other side does not take it for too long.
pub(super) async fn write(stream: &mut SubstreamBox, bytes: &[u8]) -> io::Result<()> {
    let write = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    tokio::time::timeout(WRITE_MAX, write)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
