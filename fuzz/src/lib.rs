//! What the fuzz targets and the corpus maker share: people whose keys are fixed, so that what the
//! corpus holds opens.

pub mod engine;

use std::sync::LazyLock;

use martlet_protocol::bundle::Bundle;
use martlet_protocol::crypto::Addressing;
use martlet_protocol::crypto::body::{self, BaseKey};
use martlet_protocol::crypto::olm::{self, OlmKeys, OlmSecret, Route};
use martlet_protocol::crypto::seal::{self, OpeningKeys, PrekeySecret};
use martlet_protocol::crypto::session::{
    InboundSession, OutboundSession, SessionContext, SessionGrant,
};
use martlet_protocol::file::FileKey;
use martlet_protocol::file::part::PartsKey;
use martlet_protocol::handle::{self, Claim, Handle, HandleKey};
use martlet_protocol::identity::statement::Reason;
use martlet_protocol::identity::{DeviceKeys, IdentityState, NewDevice, Statement};
use martlet_protocol::link::{
    self, Answer, Join, LinkCode, LinkSecret, Refused, Reveal, Step, Why, steps,
};
use martlet_protocol::network::NetworkDescriptor;
use martlet_protocol::{
    BlobId, ConversationId, DeviceId, Envelope, Header, Id, IdentityId, Kind, RendezvousSecret,
    UnixMillis, codec,
};
use rand_chacha::ChaCha20Rng;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

#[path = "../../protocol/tests/crypto/by_hand.rs"]
mod by_hand;
#[path = "../../protocol/tests/crypto/people.rs"]
mod people;

/// When everything in the corpus was made.
pub const NOW: UnixMillis = people::NOW;
/// Positions in a session.
const FIRST: u32 = 0;
/// The device that reads the session.
const DEVICE: DeviceId = DeviceId([7; 32]);

static ADA: LazyLock<people::Person> = LazyLock::new(|| people::Person::new(1));
static BOB: LazyLock<people::Person> = LazyLock::new(|| people::Person::new(2));
static OPENING: LazyLock<by_hand::Opening> = LazyLock::new(|| {
    by_hand::Opening::new(&people::addressing(), &BOB.recipient(), [5; 32], [5; 32])
});
static GRANT: LazyLock<Vec<u8>> = LazyLock::new(|| grant().encode().to_vec());

/// Ada's device, writing to Bob.
fn context() -> SessionContext {
    SessionContext {
        sender: ADA.identity(),
        device: ADA.device.device(),
        conversation: conversation(),
    }
}

fn conversation() -> ConversationId {
    ADA.conversation_with(&BOB)
}

/// A generator with this seed.
pub fn rng(seed: u8) -> ChaCha20Rng {
    people::rng(seed)
}

/// Where and until when everything in the corpus is addressed.
pub fn addressing() -> Addressing {
    people::addressing()
}

/// The network it is addressed to.
pub fn network() -> NetworkDescriptor {
    NetworkDescriptor { name: "test".into(), ..NetworkDescriptor::default() }
}

/// The sender's device.
pub fn sender() -> &'static DeviceKeys {
    &ADA.device
}

/// The sender's identity.
pub fn sender_identity() -> IdentityId {
    ADA.identity()
}

/// Whom the sender writes to.
pub fn other_identity() -> IdentityId {
    BOB.identity()
}

/// By what the sender's bundles are found.
pub const SECRET: RendezvousSecret = people::SECRET;

/// The sender's ID.
pub fn sender_id() -> Id {
    ADA.id()
}

/// The sender's bundle.
pub fn bundle() -> Bundle {
    Bundle::issue(&ADA.device, &ADA.prekey, ADA.detection.public(), Vec::new(), NOW)
}

/// From the sender to Bob, and Bob's keys: his identity key and the fallback key of the day.
pub fn olm() -> (Route, OlmSecret, OlmSecret) {
    let route = Route {
        sender: (ADA.identity(), ADA.device.device()),
        recipient: (BOB.identity(), BOB.device.device()),
    };
    (route, OlmSecret::of_device(&BOB.device.seed()), BOB.prekey.olm_fallback())
}

/// The payload of a to-device message of the sender's to Bob, which begins a session.
pub fn olm_payload(message: &[u8]) -> Vec<u8> {
    let (route, own, key) = olm();
    let keys = OlmKeys { identity: own.public(), fallback: key.public() };
    let sender = OlmSecret::of_device(&ADA.device.seed());
    olm::once(&sender, &route, &keys, message.to_vec()).unwrap()
}

/// All kinds of statements about the sender's identity, and one that is not known.
pub fn identity_state() -> Vec<u8> {
    let mut state = IdentityState::new(ADA.identity());
    let lost = Reason::Lost;
    let statements = [
        Statement::Certificate(ADA.device.certificate().clone()),
        ADA.device.describe("desk".into(), NOW).unwrap(),
        ADA.device.revoke_itself(NOW, lost),
        ADA.root.name_kill_key(),
        ADA.root.revoke(BOB.device.device(), NOW, lost),
        ADA.root.terminate(NOW),
    ];
    statements.into_iter().for_each(|statement| drop(state.add(statement)));
    state.encode()
}

/// The sender's claim of a handle, and its envelope.
pub fn claim() -> (Vec<u8>, Vec<u8>) {
    let claim = Claim {
        id: ADA.id(),
        device: ADA.device.device(),
        handle: "ada".parse().unwrap(),
        claimed_at: NOW,
        made_at: NOW,
        is_released: false,
    };
    let content = claim.seal(&mut rng(9), &addressing(), &handle_key(), &ADA.device).unwrap();
    let header = Header::parse(&content).unwrap();
    let (head, body) = content.split_at(header.len);
    let mut hasher = blake3::Hasher::new_keyed(&[4; 32]);
    hasher.update(b"martlet handle body v1").update(&NOW.day().0.to_be_bytes());
    let bytes = body::open(&BaseKey(*hasher.finalize().as_bytes()), head, body).unwrap();
    (bytes.to_vec(), content)
}

/// A handle's key that cost nothing.
fn handle_key() -> HandleKey {
    codec::decode(&codec::encode(&ByteBuf::from([4; 32])), 64).unwrap()
}

/// A handle as text, a claim, and a claim's envelope.
pub fn handle(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data)
        && let Ok(handle) = text.parse::<Handle>()
    {
        let again: Handle = handle.name().parse().unwrap();
        assert_eq!(again, handle);
    }
    let _ = Claim::from_bytes(data);
    let (key, ada) = (handle_key(), "ada".parse().unwrap());
    let open = |content: &[u8]| {
        if let Ok(header) = Header::parse(content)
            && let Ok(claim) = Claim::open((&key, &ada), NOW.day(), &header, content, NOW)
        {
            assert!(claim.handle.looks_like(&ada));
        }
    };
    open(data);
    if let Ok(content) = handle::seal_bytes(&mut rng(9), &addressing(), (&key, NOW.day()), data) {
        open(&content);
    }
}

/// A code of the sender's.
pub fn link_code() -> LinkCode {
    let network = NetworkDescriptor::default().tag();
    LinkCode { network, secret: LinkSecret([6; 16]), identity: ADA.identity() }
}

/// The steps by that code, in order, as they are encoded; and the envelope of the first.
pub fn link_steps() -> (Vec<Vec<u8>>, Vec<u8>) {
    let device = NewDevice::generate(&mut rng(21));
    let details = device.describe(ADA.identity(), "phone".into(), NOW).unwrap();
    let prekey = PrekeySecret::generate(&mut rng(22));
    let join =
        Join::issue(&device, details, &prekey, [7; 32], link::commitment(&[7; 32], &[8; 32]));
    let (keys, bytes) = (link_code().keys(), join.as_bytes().to_vec());
    let content = steps::seal(&mut rng(23), &addressing(), &keys, Step::Join, &bytes).unwrap();
    let answer = Answer::new([7; 32], ADA.identity(), ADA.device.device()).encode();
    let reveal = Reveal::new([7; 32], [8; 32]).encode();
    let refused = Refused::new(Some(device.device()), Why::Disturbed).encode();
    (vec![bytes, answer, reveal, refused], content)
}

/// A blob of eleven groups.
pub fn blob_bytes() -> &'static [u8] {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        // 700,000 of them, and no two groups alike.
        (0..700_000u32).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect()
    });
    &BYTES
}

/// Its id.
pub fn blob() -> BlobId {
    static ID: LazyLock<BlobId> = LazyLock::new(|| BlobId(*blake3::hash(blob_bytes()).as_bytes()));
    *ID
}

/// What parts of a file are known and opened by.
pub fn parts_key() -> PartsKey {
    PartsKey::of(&FileKey::from_bytes([1; 32]))
}

/// Decodes, and checks that what was decoded is the same after being encoded and decoded again.
pub fn decode<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    max: usize,
) {
    if let Ok(value) = codec::decode::<T>(bytes, max) {
        let again = codec::decode::<T>(&codec::encode(&value), usize::MAX).unwrap();
        assert_eq!(again, value);
    }
}

/// `payload` sealed to Bob.
pub fn to_device(payload: &[u8]) -> Vec<u8> {
    let recipients = [BOB.recipient()];
    let to = addressing();
    let rng = &mut rng(3);
    seal::seal(rng, &to, sender(), &BOB.identity(), &recipients, &conversation(), payload).unwrap()
}

/// The data inside a valid to-device envelope.
pub fn to_device_data(payload: &[u8]) -> Vec<u8> {
    let signer = ed25519_dalek::SigningKey::from_bytes(&ADA.device.seed());
    let message = by_hand::message(by_hand::Format::current(), &conversation(), payload);
    OPENING.data(&addressing(), sender(), &signer, &BOB.identity(), &message)
}

/// An envelope to Bob's device with `data` inside; `None` if it doesn't fit.
pub fn to_device_with(data: &[u8]) -> Option<Vec<u8>> {
    (data.len() <= body::DATA_BYTES_MAX).then(|| OPENING.content(data))
}

/// Opens an envelope as Bob's device does.
pub fn open_to_device(content: &[u8]) {
    let Ok(header) = Header::parse(content) else { return };
    let keys = OpeningKeys {
        identity: &BOB.identity(),
        detection: &BOB.detection,
        prekeys: std::slice::from_ref(&BOB.prepared),
    };
    let id = Envelope::new(content.to_vec()).id();
    if let Ok(Some(opened)) = seal::open(&id, &header, content, &keys) {
        assert!(opened.acks.iter().all(|ack| header.verifies(content, ack)));
    }
}

/// A session of Ada's.
pub fn outbound() -> OutboundSession {
    OutboundSession::new(&mut rng(4), context(), &[DEVICE]).unwrap()
}

/// What the device is given to read it.
pub fn grant() -> SessionGrant {
    outbound().grant(&DEVICE).unwrap()
}

/// The session that a grant from Ada to Bob opens, if any.
pub fn session_of(grant: &SessionGrant) -> Option<InboundSession> {
    InboundSession::new(grant, SessionContext { conversation: grant.conversation(), ..context() })
        .ok()
}

/// The session as the device has it.
pub fn inbound() -> InboundSession {
    InboundSession::new(&SessionGrant::decode(&GRANT).unwrap(), context()).unwrap()
}

/// A grant's fields as its documentation gives them.
#[derive(Deserialize)]
struct Grant {
    _format: IgnoredAny,
    _conversation: ByteBuf,
    megolm_key: ByteBuf,
    tag_key: ByteBuf,
    _ack_key: ByteBuf,
    _slot: u8,
    _messages_max: u32,
}

/// The session's first envelope, with `data` in place of a Megolm message.
pub fn conversation_with(data: &[u8]) -> Option<Vec<u8>> {
    static BASE: LazyLock<([u8; 32], [u8; 16])> = LazyLock::new(|| {
        let grant: Grant = codec::decode_lenient(&GRANT, 1024).unwrap();
        let (_, tag) = inbound().tags().next().unwrap();
        let id = grant.megolm_key.len() - 64;
        let SessionContext { sender, device, conversation } = context();
        let input = [
            grant.tag_key.as_slice(),
            &grant.megolm_key[id - 32..id],
            &sender.0,
            &device.0,
            &conversation.0,
        ]
        .concat();
        let secret = blake3::derive_key("martlet 2026 session secret v2", &input);
        (*blake3::keyed_hash(&secret, b"martlet session body v2").as_bytes(), tag.0)
    });
    let (base, tag) = &*BASE;
    under_tag(*base, *tag, data)
}

/// Ada's bundle's envelope, with `data` in place of the bundle.
pub fn bundle_with(data: &[u8]) -> Option<Vec<u8>> {
    static BASE: LazyLock<[u8; 32]> = LazyLock::new(|| {
        let key = blake3::derive_key(
            "martlet 2026 bundle secret v2",
            &[sender_identity().0.as_slice(), &SECRET.0].concat(),
        );
        let input = [b"martlet bundle body v2".as_slice(), &NOW.day().0.to_be_bytes()].concat();
        *blake3::keyed_hash(&key, &input).as_bytes()
    });
    under_tag(*BASE, Bundle::tag(&sender_id(), NOW.day()).0, data)
}

/// Opens an envelope as one of the session, at its first position.
pub fn open_conversation(content: &[u8]) {
    let Ok(header) = Header::parse(content) else { return };
    let id = Envelope::new(content.to_vec()).id();
    if let Ok(opened) = inbound().open(FIRST, &id, &header, content) {
        assert!(opened.acks.iter().all(|ack| header.verifies(content, ack)));
    }
}

/// Opens an envelope as the one of Ada's bundle.
pub fn open_bundle(content: &[u8]) {
    let Ok(header) = Header::parse(content) else { return };
    if let Ok(bundle) = Bundle::open(&sender_id(), NOW.day(), &header, content) {
        assert_eq!(bundle.certificate().identity(), sender_identity());
    }
}

fn under_tag(base: [u8; 32], tag: [u8; 16], data: &[u8]) -> Option<Vec<u8>> {
    if data.len() > body::DATA_BYTES_MAX {
        return None;
    }
    let to = addressing();
    let prefix = Header::encode_prefix(Kind::Conversation, to.network, to.shard, to.expiry, 1);
    let header = [prefix.as_slice(), &tag, &[0; 16]].concat();
    Some(body::seal(&BaseKey(base), header, data).unwrap())
}
