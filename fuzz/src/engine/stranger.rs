//! Someone without an engine, who writes to whom they like.

use martlet_protocol::bundle::Bundle;
use martlet_protocol::crypto::olm::{self, OlmSecret, Route};
use martlet_protocol::crypto::seal;
use martlet_protocol::crypto::session::{OutboundSession, SessionContext};
use martlet_protocol::identity::{DeviceKeys, RootKey};
use martlet_protocol::message::{Content, DeviceMessage, Message, SessionKeyMessage, Text, Timers};
use martlet_protocol::{
    ConversationId, DeviceId, Envelope, IdentityId, MessageId, Rendezvous, UnixMillis,
};
use rand_chacha::ChaCha20Rng;

pub(crate) struct Stranger {
    root: RootKey,
    device: DeviceKeys,
    /// To one device at a time.
    session: Option<(DeviceId, OutboundSession)>,
}

impl Stranger {
    pub(crate) fn new(rng: &mut ChaCha20Rng, now: UnixMillis) -> Self {
        let root = RootKey::generate(rng);
        let device = DeviceKeys::generate(rng, &root, now);
        Self { root, device, session: None }
    }

    pub(crate) fn identity(&self) -> IdentityId {
        self.root.identity()
    }

    /// The key of a session with whom `bundle` is of: of the last one, if `again`.
    pub(crate) fn key(
        &mut self,
        rng: &mut ChaCha20Rng,
        addressing: &martlet_protocol::crypto::Addressing,
        bundle: &Bundle,
        again: bool,
    ) -> Option<Envelope> {
        let (to, device) = (bundle.certificate().identity(), bundle.certificate().device());
        let conversation = ConversationId::direct(&self.identity(), &to);
        let is_known = self.session.as_ref().is_some_and(|(of, _)| *of == device);
        if !(again && is_known) {
            let context = SessionContext {
                sender: self.identity(),
                device: self.device.device(),
                conversation,
            };
            self.session = Some((device, OutboundSession::new(rng, context, &[device]).ok()?));
        }
        let (_, session) = self.session.as_ref()?;
        let grant = session.grant(&device)?;
        let key = SessionKeyMessage {
            grant,
            suggested_name: Some("stranger".into()),
            rendezvous: Rendezvous::default(),
            lost_since: None,
            invite: None,
        };
        let key = DeviceMessage::SessionKey(Box::new(key)).encode();
        let route =
            Route { sender: (self.identity(), self.device.device()), recipient: (to, device) };
        let payload =
            olm::once(&OlmSecret::of_device(&self.device.seed()), &route, bundle.olm(), key)
                .ok()?;
        let recipients = [bundle.recipient()];
        let sender = &self.device;
        let content =
            seal::seal(rng, addressing, sender, &to, &recipients, &conversation, &payload).ok()?;
        Some(Envelope::new(content))
    }

    /// A message in the session, with any number.
    pub(crate) fn message(
        &mut self,
        addressing: &martlet_protocol::crypto::Addressing,
        number: u32,
        seq: u64,
        text: &str,
    ) -> Option<Envelope> {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        id[4..].copy_from_slice(&self.identity().0[..12]);
        let content = Content::Text(Text::new(text.to_owned()).ok()?);
        let message = Message {
            id: MessageId(id),
            sent_at: crate::NOW,
            seq,
            timers: Timers::OFF,
            content,
            reply_to: None,
            mentions: Vec::new(),
        };
        let (_, session) = self.session.as_mut()?;
        Some(Envelope::new(session.seal(addressing, &message.encode()).ok()?))
    }
}
