//! Someone unknown, who has no engine: whose envelopes are made by hand.

use martlet_protocol::bundle::Bundle;
use martlet_protocol::crypto::Addressing;
use martlet_protocol::crypto::olm::{self, OlmSecret, Route};
use martlet_protocol::crypto::seal;
use martlet_protocol::crypto::session::{OutboundSession, SessionContext, SessionGrant};
use martlet_protocol::identity::{DeviceKeys, RootKey};
use martlet_protocol::message::{Content, DeviceMessage, Message, SessionKeyMessage, Text, Timers};
use martlet_protocol::time::Day;
use martlet_protocol::{
    ConversationId, ExpiryHour, Id, IdentityId, MessageId, Rendezvous, Shard, codec,
};
use martlet_store::records::*;
use martlet_store::vault::Collection;
use martlet_store::{Vault, VaultTxn};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::world::*;

pub(crate) struct Stranger {
    root: RootKey,
    device: DeviceKeys,
    session: OutboundSession,
    /// Of the addressee.
    bundle: Bundle,
    seq: u64,
}

impl Stranger {
    /// Someone who knows the ID of a node's user.
    pub(crate) fn new(world: &mut World, to: usize) -> Result<Self> {
        let root = RootKey::generate(&mut world.rng);
        let device = DeviceKeys::generate(&mut world.rng, &root, world.now);
        Self::with(world, to, root, device)
    }

    /// The same, with these keys.
    pub(crate) fn with(
        world: &mut World,
        to: usize,
        root: RootKey,
        device: DeviceKeys,
    ) -> Result<Self> {
        let bundle = bundle_of(world, to)?;
        let to = bundle.certificate();
        let context = SessionContext {
            sender: root.identity(),
            device: device.device(),
            conversation: ConversationId::direct(&root.identity(), &to.identity()),
        };
        let session = OutboundSession::new(&mut world.rng, context, &[to.device()])?;
        Ok(Self { root, device, session, bundle, seq: 0 })
    }

    pub(crate) fn identity(&self) -> IdentityId {
        self.root.identity()
    }

    /// The next message is never sent.
    pub(crate) fn skip(&mut self) {
        self.seq += 1;
    }

    /// Looks up the addressee's bundle of today.
    pub(crate) fn look_up(&mut self, world: &mut World, to: usize) -> Result {
        self.bundle = bundle_of(world, to)?;
        Ok(())
    }

    /// Goes on in a new session.
    pub(crate) fn begin_session(&mut self, world: &mut World) -> Result {
        let to = self.bundle.certificate();
        let context = SessionContext {
            sender: self.identity(),
            device: self.device.device(),
            conversation: self.conversation(),
        };
        self.session = OutboundSession::new(&mut world.rng, context, &[to.device()])?;
        Ok(())
    }

    /// The session's key, sealed anew each time.
    pub(crate) fn key(&self, world: &mut World) -> Result<Envelope> {
        self.sealed(world, self.grant()?)
    }

    /// The key of another's session, granted as this one's own.
    pub(crate) fn stolen_key(&self, world: &mut World, of: &Self) -> Result<Envelope> {
        let mut grant = of.grant()?.encode().to_vec();
        let (theirs, own) = (of.conversation().0, self.conversation().0);
        let at = grant.windows(32).position(|window| window == theirs).ok_or("no conversation")?;
        grant[at..at + 32].copy_from_slice(&own);
        self.sealed(world, SessionGrant::decode(&grant)?)
    }

    fn grant(&self) -> Result<SessionGrant> {
        let device = self.bundle.certificate().device();
        Ok(self.session.grant(&device).ok_or("not a recipient")?)
    }

    fn conversation(&self) -> ConversationId {
        ConversationId::direct(&self.identity(), &self.bundle.certificate().identity())
    }

    fn sealed(&self, world: &mut World, grant: SessionGrant) -> Result<Envelope> {
        let to = self.bundle.certificate().identity();
        let suggested_name = Some("stranger".to_owned());
        let rendezvous = Rendezvous::default();
        let message =
            SessionKeyMessage { grant, suggested_name, rendezvous, lost_since: None, invite: None };
        let message = DeviceMessage::SessionKey(Box::new(message));
        let addressing = addressing(world, &to);
        let content = seal::seal(
            &mut world.rng,
            &addressing,
            &self.device,
            &to,
            &[self.bundle.recipient()],
            &self.conversation(),
            &in_olm(&self.device, &self.bundle, message)?,
        )?;
        Ok(Envelope::new(content))
    }

    /// The next message of the session, with any content.
    pub(crate) fn says(
        &mut self,
        world: &World,
        content: Content,
    ) -> Result<(MessageId, Envelope)> {
        self.says_at(world, world.now, content)
    }

    /// The same, with a time that may be a lie.
    pub(crate) fn says_at(
        &mut self,
        world: &World,
        sent_at: UnixMillis,
        content: Content,
    ) -> Result<(MessageId, Envelope)> {
        let mut id = [0xee; 16];
        id[8..].copy_from_slice(&(self.seq + 1).to_be_bytes());
        let id = MessageId(id);
        Ok((id, self.says_as(world, (id, sent_at), content)?))
    }

    /// The same, under any id.
    pub(crate) fn says_as(
        &mut self,
        world: &World,
        (id, sent_at): (MessageId, UnixMillis),
        content: Content,
    ) -> Result<Envelope> {
        self.seq += 1;
        let timers = Timers::OFF;
        let message = Message {
            id,
            sent_at,
            seq: self.seq,
            timers,
            content,
            reply_to: None,
            mentions: Vec::new(),
        };
        let addressing = addressing(world, &self.bundle.certificate().identity());
        Ok(Envelope::new(self.session.seal(&addressing, &message.encode())?))
    }

    /// The next message of the session.
    pub(crate) fn text(&mut self, world: &World, _to: usize, text: &str) -> Result<Envelope> {
        self.seq += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.identity().0[..8]);
        id[8..].copy_from_slice(&self.seq.to_be_bytes());
        let content = Content::Text(Text::new(text.to_owned())?);
        let message = Message {
            id: MessageId(id),
            sent_at: world.now,
            seq: self.seq,
            timers: Timers::OFF,
            content,
            reply_to: None,
            mentions: Vec::new(),
        };
        let addressing = addressing(world, &self.bundle.certificate().identity());
        Ok(Envelope::new(self.session.seal(&addressing, &message.encode())?))
    }
}

/// The payload that carries a message of a device's to the device of a bundle, in a session of its own.
pub(crate) fn in_olm(sender: &DeviceKeys, to: &Bundle, message: DeviceMessage) -> Result<Vec<u8>> {
    let route = Route {
        sender: (sender.certificate().identity(), sender.device()),
        recipient: (to.certificate().identity(), to.certificate().device()),
    };
    Ok(olm::once(&OlmSecret::of_device(&sender.seed()), &route, to.olm(), message.encode())?)
}

pub(crate) fn addressing(world: &World, identity: &IdentityId) -> Addressing {
    Addressing {
        network: world.network.tag(),
        shard: Shard::of(identity, world.network.shard_bits),
        expiry: ExpiryHour::latest(world.now),
    }
}

/// The newest bundle of a node's user, as found in its mailbox.
pub(crate) fn bundle_of(world: &mut World, node: usize) -> Result<Bundle> {
    let id: Id = world.id_of(node)?.parse()?;
    world.elapse(MAILBOX_COMMIT_DELAY);
    world.run(node, vec![]);
    let today = world.now.day();
    let view = world.nodes[node].engine.as_ref().ok_or("not running")?.mailbox().view()?;
    let mut found: Option<Bundle> = None;
    for digest in view.digests()? {
        let (envelopes, _) = view.fetch(&view.bucket_ids(digest.bucket)?, usize::MAX)?;
        for envelope in envelopes {
            let header = Header::parse(&envelope.content)?;
            let days = (0..7).map(|back| Day(today.0 - back));
            let opened =
                days.filter_map(|day| Bundle::open(&id, day, &header, &envelope.content).ok());
            found = found.into_iter().chain(opened).max_by_key(Bundle::created_at);
        }
    }
    Ok(found.ok_or("no bundle")?)
}

/// The collections of a node's vault with a record in which one of `traces` is, in order of name.
pub(crate) fn left_of(
    world: &mut World,
    node: usize,
    traces: &[Vec<u8>],
) -> Result<Vec<&'static str>> {
    let mut found = Vec::new();
    in_vault(world, node, |txn| look_in_all(txn, traces, &mut found))?;
    Ok(found)
}

/// Does something with a node's vault while the node is off, and starts the node again.
pub(crate) fn in_vault(
    world: &mut World,
    node: usize,
    act: impl FnOnce(&mut VaultTxn) -> Result,
) -> Result {
    let directory = world.nodes[node].dir.path().to_path_buf();
    world.nodes[node].engine = None;
    let key_file = Storage::Directory(directory.clone()).read_key_file()?.ok_or("no key file")?;
    let vault = Vault::open(&directory.join("vault.redb"), &key_file.unwrap(None)?, 1 << 20)?;
    let mut txn = vault.begin([0; 32])?;
    act(&mut txn)?;
    txn.commit()?;
    drop(vault);
    world.start(node)
}

fn look_in_all(txn: &VaultTxn, traces: &[Vec<u8>], found: &mut Vec<&'static str>) -> Result {
    look_in(txn, &BLOCKED, traces, found)?;
    look_in(txn, &CONTACTS, traces, found)?;
    look_in(txn, &CONVERSATIONS, traces, found)?;
    look_in(txn, &CONTACT_NOTES, traces, found)?;
    look_in(txn, &COUNTERS, traces, found)?;
    look_in(txn, &DEEDS, traces, found)?;
    look_in(txn, &DRAFTS, traces, found)?;
    look_in(txn, &EARLY, traces, found)?;
    look_in(txn, &DROPPED, traces, found)?;
    look_in(txn, &EVENTS, traces, found)?;
    look_in(txn, &HELD, traces, found)?;
    look_in(txn, &IDENTITY_STATES, traces, found)?;
    look_in(txn, &INBOUND_SESSIONS, traces, found)?;
    look_in(txn, &LATE_ACKS, traces, found)?;
    look_in(txn, &MARKS, traces, found)?;
    look_in(txn, &MESSAGES, traces, found)?;
    look_in(txn, &MESSAGE_INDEX, traces, found)?;
    look_in(txn, &OUTBOUND_SESSIONS, traces, found)?;
    look_in(txn, &OUTBOX, traces, found)?;
    look_in(txn, &PREKEYS, traces, found)?;
    look_in(txn, &PROFILE, traces, found)?;
    look_in(txn, &PUBLISHED, traces, found)?;
    look_in(txn, &RECENT_ACKS, traces, found)?;
    look_in(txn, &REQUESTS, traces, found)?;
    look_in(txn, &REQUEST_ACKS, traces, found)?;
    look_in(txn, &REQUEST_MESSAGES, traces, found)?;
    look_in(txn, &UNKNOWN, traces, found)?;
    look_in(txn, &WAITING, traces, found)?;
    Ok(())
}

fn look_in<T: Serialize + DeserializeOwned>(
    txn: &VaultTxn,
    collection: &Collection<T>,
    traces: &[Vec<u8>],
    found: &mut Vec<&'static str>,
) -> Result {
    for record in txn.scan(collection)? {
        let bytes = codec::encode(&record);
        let mut traces = traces.iter();
        if traces.any(|trace| bytes.windows(trace.len()).any(|window| window == trace.as_slice())) {
            found.push(collection.name());
            break;
        }
    }
    Ok(())
}
