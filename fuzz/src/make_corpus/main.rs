//! Writes valid encodings, from which the fuzzer starts, to `corpus/<target>/`.
//!
//! `cargo run --bin make-corpus`, in this directory. What is there under other names (found by the
//! fuzzer and kept) stays.

mod rooms;
mod steps;

use std::path::Path;

use martlet_protocol::control::{
    ContactAdd, Delivery, Direction, ErrorCode, Event, EventBody, InitRequest, Message as Shown,
    Problem, SendRequest, UnlockRequest,
};
use martlet_protocol::file::ask::{Commitment, Get, Groups, Have, Put, Question, Release};
use martlet_protocol::file::{FileKey, FileName, Thumbnail, blob};
use martlet_protocol::hlc::Hlc;
use martlet_protocol::ids::{DeviceId, MessageId, Rendezvous, Shard, Tag};
use martlet_protocol::invite::{Invite, InviteSecret};
use martlet_protocol::message::settings::values::{Note, Value};
use martlet_protocol::message::{
    BlobContent, Content, DeviceMessage, Edit, Emoji, File, FileBytes, FileContent, FileHolders,
    Holder, Linked, Message, Payload, Picture, Ping, Pong, Profile, Progress, Reached, Reaction,
    Read, ReadUpTo, Sent, SessionKeyMessage, Setting, SettingKey, Settings, Stamp, Text, Timers,
    Typing,
};
use martlet_protocol::network::{NetworkDescriptor, NetworkKey};
use martlet_protocol::sync::{
    Bucket, BucketDigest, Fingerprint, Refusal, Request, Response, ShardSet,
};
use martlet_protocol::{
    Ack, AckSecret, Envelope, EnvelopeId, ExpiryHour, FormatInfo, Header, Kind, UnixMillis, codec,
};

/// A format of version 3, from 2 on, with two extensions; by hand.
const EXTENDED: [u8; 18] =
    [0xa4, 0, 3, 1, 2, 2, 7, 3, 0xa2, 1, 0x43, b'o', b'n', b'e', 0x19, 0x9c, 0x40, 0x40];

/// Who is there?, as every libp2p asks it by mDNS.
const MDNS_QUERY: &[u8] =
    b"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04_p2p\x04_udp\x05local\x00\x00\x0c\x00\x01";

/// One that is, at one address.
fn mdns_answer() -> Vec<u8> {
    let text =
        b"dnsaddr=/ip6/fe80::7/tcp/4177/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
    let mut answer = vec![0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 1];
    // The service, of two minutes, leads to "own.local."; names are repeated by their offset (RFC 1035, section 4.1.4).
    answer.extend(
        b"\x04_p2p\x04_udp\x05local\x00\x00\x0c\x00\x01\x00\x00\x00\x78\x00\x06\x03own\xc0\x16",
    );
    answer.extend(b"\xc0\x27\x00\x10\x00\x01\x00\x00\x00\x78");
    let length = u8::try_from(text.len()).expect("a text of a record is short");
    answer.extend([0, length + 1, length]);
    answer.extend(text);
    answer
}

fn main() -> std::io::Result<()> {
    let mut conversation = martlet_fuzz::outbound();
    let text = Message {
        id: MessageId([0xab; 16]),
        sent_at: martlet_fuzz::NOW,
        seq: 1,
        timers: Timers::OFF,
        content: Content::Text(Text::new("hello").expect("short enough")),
        reply_to: None,
        mentions: vec![martlet_fuzz::sender_id().identity],
    };
    let first =
        conversation.seal(&martlet_fuzz::addressing(), &text.encode()).expect("a new session");
    let session_key = DeviceMessage::SessionKey(Box::new(SessionKeyMessage {
        grant: martlet_fuzz::grant(),
        suggested_name: Some("Ada".into()),
        rendezvous: Rendezvous { secret: martlet_fuzz::SECRET, reset_at: martlet_fuzz::NOW },
        lost_since: None,
        invite: None,
    }));
    let to_device = martlet_fuzz::to_device(&session_key.encode());
    let bundle = martlet_fuzz::bundle();
    let bundle_content = bundle
        .seal(&mut martlet_fuzz::rng(9), &martlet_fuzz::addressing(), &martlet_fuzz::SECRET)
        .expect("a bundle fits");
    let certificate = martlet_fuzz::sender().certificate().as_bytes();

    for (name, content) in
        [("conversation", &first), ("to-device", &to_device), ("bundle", &bundle_content)]
    {
        keep("envelope", name, &Envelope::new(content.clone()).encode())?;
        keep("header", name, content)?;
    }
    keep("header", "eight-slots", &eight_slots())?;
    keep("conversation", "first", &first)?;
    keep("conversation_body", "megolm", &megolm_message())?;
    keep("to_device", "session-key", &to_device)?;
    keep("to_device_body", "session-key", &martlet_fuzz::to_device_data(&session_key.encode()))?;
    keep("bundle", "bundle", bundle.as_bytes())?;
    keep("identity_state", "state", &martlet_fuzz::identity_state())?;
    let (steps, link_content) = martlet_fuzz::link_steps();
    for (name, step) in ["join", "answer", "reveal", "refused"].into_iter().zip(&steps) {
        keep("link", name, step)?;
    }
    keep("link", "content", &link_content)?;
    let (claim, claim_content) = martlet_fuzz::claim();
    keep("handle", "claim", &claim)?;
    keep("handle", "content", &claim_content)?;
    keep("handle", "text", "\u{430}lice_10".as_bytes())?;
    keep("link", "code", martlet_fuzz::link_code().to_text().as_bytes())?;
    let linked = DeviceMessage::Linked(Box::new(Linked {
        certificate: certificate.to_vec(),
        state: martlet_fuzz::identity_state(),
        rendezvous: Rendezvous { secret: martlet_fuzz::SECRET, reset_at: martlet_fuzz::NOW },
        name: Some("Ada".into()),
        first_secret: martlet_fuzz::SECRET,
    }));
    keep("link", "linked", &linked.encode())?;
    keep("bundle_envelope", "content", &bundle_content)?;
    keep("bundle_envelope", "bundle", bundle.as_bytes())?;
    keep("engine", "conversation", steps::CONVERSATION.as_flattened())?;
    keep("engine", "requests", steps::REQUESTS.as_flattened())?;
    keep("certificate", "certificate", certificate)?;
    keep("mdns6", "query", MDNS_QUERY)?;
    keep("mdns6", "answer", &mdns_answer())?;
    keep("message", "text", &text.encode())?;
    let bytes = Payload(b"not known here".to_vec());
    let unknown =
        Message { content: Content::Unknown { kind: 999, bytes: bytes.clone() }, ..text.clone() };
    keep("message", "unknown", &unknown.encode())?;
    let target = MessageId([0xcd; 16]);
    let answer = Message { reply_to: Some(target), ..text.clone() };
    keep("message", "reply", &answer.encode())?;
    let edit = Edit { target, text: Text::new("hello!").expect("short enough") };
    let emoji = Emoji::new("👍").expect("short enough");
    let picture = Picture::new(vec![0xff, 0xd8, 0xff, 0xe0]).ok();
    let profile = Profile { name: Some("Ada".to_owned()), picture };
    let deeds = [
        ("edit", Content::Edit(edit)),
        ("reaction", Content::Reaction(Reaction { target, emoji: Some(emoji) })),
        ("read", Content::Read(Read { up_to: target })),
        ("profile", Content::Profile(profile)),
    ];
    for (name, content) in deeds {
        keep("message", name, &Message { content, ..text.clone() }.encode())?;
    }
    let (conversation_of, note) = (martlet_fuzz::sender_identity(), Note { text: "a note".into() });
    let stamp = Stamp { hlc: Hlc { at: martlet_fuzz::NOW, count: 1 }, device: DeviceId([2; 32]) };
    let key = SettingKey { what: Note::WHAT, of: conversation_of.0.to_vec() };
    let setting = Setting { key, value: Payload(note.encode()), stamp };
    let copy = Sent { conversation: conversation_of, message: Payload(text.encode()) };
    keep("siblings", "sent-body", &copy.encode())?;
    keep("siblings", "settings-body", &Settings(vec![setting.clone()]).encode())?;
    let read = ReadUpTo { conversation: conversation_of, message: target };
    let progress =
        |reached| Progress { conversation: conversation_of, messages: vec![target], reached };
    for (name, content) in [
        ("sent", Content::Sent(copy)),
        ("read-up-to", Content::ReadUpTo(read)),
        ("settings", Content::Settings(Settings(vec![setting]))),
        ("delivered", Content::Progress(progress(Reached::DELIVERED))),
        ("expired", Content::Progress(progress(Reached::EXPIRED))),
    ] {
        let message = Message { content, ..text.clone() }.encode();
        keep("message", name, &message)?;
        keep("siblings", name, &message)?;
    }
    let typing = DeviceMessage::Typing(Typing { sent_at: martlet_fuzz::NOW });
    keep("session_key", "typing", &typing.encode())?;
    keep("session_key", "named", &session_key.encode())?;
    keep("session_key", "unknown", &DeviceMessage::Unknown { kind: 999, bytes }.encode())?;
    let ping = Ping { nonce: [0xcd; 16], sent_at: martlet_fuzz::NOW };
    keep("session_key", "ping", &DeviceMessage::Ping(ping).encode())?;
    keep("session_key", "pong", &DeviceMessage::Pong(Pong { nonce: ping.nonce }).encode())?;
    keep("format", "current", &codec::encode(&FormatInfo::current()))?;
    keep("format", "extended", &EXTENDED)?;
    keep("olm", "begun", &martlet_fuzz::olm_payload(&session_key.encode()))?;
    keep("session_record", "outbound", &conversation.to_record())?;
    keep("session_record", "inbound", &martlet_fuzz::inbound().to_record())?;
    keep("identity_id", "id", martlet_fuzz::sender_id().to_string().as_bytes())?;
    keep("identity_id", "short", martlet_fuzz::sender_identity().to_string().as_bytes())?;
    keep("identity_id", "message", MessageId([0xab; 16]).to_string().as_bytes())?;
    keep("network", "lan", b"name = \"lan\"\n")?;
    keep(
        "network",
        "all-keys",
        b"name = \"ship\"\nshard_bits = 3\nstamp_bits = 20\nlan_only = false\nbootstrap = [\"/ip4/10.0.0.1/tcp/4177\"]\n",
    )?;
    let key = Some(NetworkKey::from_bytes([7; 32]));
    let closed = NetworkDescriptor { name: "ship".into(), key, ..NetworkDescriptor::default() };
    keep("network", "closed", closed.to_toml().as_bytes())?;
    let invite = Invite {
        network: closed.clone(),
        id: martlet_fuzz::sender_id(),
        secret: InviteSecret([0xef; 16]),
        expires_at: martlet_fuzz::NOW,
        addresses: vec!["/ip4/192.168.178.27/tcp/4177".into()],
        name: Some("Ada".into()),
    };
    if let Ok(link) = invite.to_link() {
        keep("network", "invite", link.as_bytes())?;
    }
    if let Ok(text) = closed.to_text() {
        keep("network", "closed-text", text.as_bytes())?;
    }
    rooms::keep_room()?;
    keep_file()?;
    keep_sync(&first)?;
    keep_control()
}

/// Files, and what is asked about blobs.
fn keep_file() -> std::io::Result<()> {
    let small = File {
        name: FileName::harmless("minutes.pdf"),
        media_type: "application/pdf".into(),
        content: FileContent::Here(FileBytes::new(b"%PDF".to_vec()).expect("small")),
        duration_ms: None,
        text: "of Monday".into(),
    };
    keep("file", "small", &small.encode())?;
    let holder = Holder {
        peer: vec![1; 38].into(),
        addresses: vec![vec![4, 127, 0, 0, 1, 6, 16, 81].into()],
    };
    let (id, size) = (martlet_fuzz::blob(), 700_000);
    let content = BlobContent {
        size,
        key: FileKey::from_bytes([1; 32]),
        blob: id,
        has_parts: true,
        thumbnail: Thumbnail::new(vec![0xff, 0xd8, 0xff, 0xe0]).ok(),
        holders: vec![holder.clone()],
    };
    let large = File { content: FileContent::Blob(Box::new(content)), ..small };
    keep("file", "large", &large.encode())?;
    let file = MessageId([0xcd; 16]);
    keep("file", "holders", &FileHolders { file, holders: vec![holder] }.encode())?;
    keep("voice", "opusenc", include_bytes!("../../../protocol/tests/file/opusenc.ogg"))?;
    keep("file", "name", "../\u{202e}fdp.exe".as_bytes())?;

    let all = Groups::all(size);
    let questions = [
        ("get", Question::Get(Get { id, size, groups: all.clone() })),
        ("have", Question::Have(Have { ids: vec![id] })),
        (
            "put",
            Question::Put(Put {
                id,
                size,
                expiry: ExpiryHour(490_923),
                releases: vec![Commitment([1; 16])],
            }),
        ),
        ("release", Question::Release(Release { id, slot: 0, secret: AckSecret([1; 16]) })),
    ];
    for (name, question) in questions {
        keep("blob", name, &question.encode())?;
    }
    keep("blob", "groups", &all.encode())?;
    let length = u16::try_from(all.encode().len()).unwrap_or_default();
    let put_answer = [&[0][..], &length.to_be_bytes(), &all.encode()].concat();
    keep("blob", "put-answer", &put_answer)?;
    keep("blob", "put-refused", &[4, 2])?;
    let bytes = martlet_fuzz::blob_bytes();
    let (_, tree) = blob::name(bytes, size)?;
    let mut answer = Vec::new();
    // Its beginning: what the fuzzer takes is no longer than 64 KiB.
    blob::send(&martlet_fuzz::blob(), size, &all, bytes, &tree[..], &mut answer).expect("true");
    answer.truncate(1024);
    keep("blob", "answer", &answer)?;
    let (addressing, slots) = (martlet_fuzz::addressing(), [AckSecret([1; 16])]);
    let part = martlet_fuzz::parts_key().seal(&addressing, 0, &slots, &[7; 100]);
    keep("blob", "part", &part.expect("it fits"))
}

fn keep_sync(content: &[u8]) -> std::io::Result<()> {
    let id = EnvelopeId([1; 32]);
    let bucket = Bucket { shard: Shard(0), hour: ExpiryHour(490_923) };
    let ack = Ack { envelope: id, slot: 0, secret: AckSecret([0x11; 16]) };
    let envelope = Envelope::new(content.to_vec());
    keep("acks", "two", &codec::encode(&vec![ack.clone(), ack.clone()]))?;
    let digest = BucketDigest { bucket, count: 2, fingerprint: Fingerprint([3; 32]) };
    let some = ShardSet::of([Shard(5), Shard(8)], 4);
    for (name, request) in [
        ("digests", Request::Digests(vec![digest])),
        ("reconcile", Request::Reconcile { buckets: vec![bucket], message: vec![0x61, 0, 0, 0] }),
        ("fetch", Request::Fetch(vec![id])),
        ("offer", Request::Offer(vec![id])),
        ("push", Request::Push { envelopes: vec![envelope.clone()], acks: vec![ack.clone()] }),
        ("stored", Request::Stored(vec![id])),
        ("time", Request::Time),
        ("compare", Request::Compare { shards: some.clone(), digests: vec![digest] }),
        ("lookup", Request::Lookup { shard: Shard(5), tags: vec![Tag([0x22; 16])] }),
    ] {
        keep("sync_request", name, &codec::encode(&request))?;
    }
    for (name, response) in [
        ("differing", Response::Differing(vec![bucket])),
        ("reconcile", Response::Reconcile(vec![0x61, 0, 0, 0])),
        ("envelopes", Response::Envelopes { envelopes: vec![envelope], gone: vec![id] }),
        ("wanted", Response::Wanted { ids: vec![id], acks: vec![ack], gone: vec![id] }),
        ("done", Response::Done),
        ("pushed", Response::Pushed { refused: vec![id] }),
        ("refused", Response::Refused(Refusal::Busy)),
        ("time", Response::Time(1_795_435_200)),
        ("compared", Response::Compared { buckets: vec![bucket], kept: some, compared: true }),
    ] {
        keep("sync_response", name, &codec::encode(&response))?;
    }
    Ok(())
}

fn keep_control() -> std::io::Result<()> {
    let json = |name, bytes: serde_json::Result<Vec<u8>>| keep("control", name, &bytes?);
    let message = Shown {
        id: "00".repeat(16),
        conversation: "Ada".into(),
        direction: Direction::In,
        text: "hello".into(),
        sent_at: UnixMillis(1),
        stored_at: UnixMillis(2),
        state: Delivery::Delivered,
        expire_seconds: None,
        burn_seconds: None,
        ends_at: None,
        sets_timers: None,
        file: None,
        room: None,
        author: None,
        sent_before_removal_was_known: false,
        received: None,
        mentions: Vec::new(),
        mentions_you: false,
        told_by: None,
        recalled_by: None,
        reply_to: None,
        edited_at: None,
        reactions: Vec::new(),
        versions: Vec::new(),
    };
    let body = EventBody::MessageReceived { message };
    json("event", serde_json::to_vec(&Event { seq: 1, at: UnixMillis(2), body }))?;
    json(
        "send",
        serde_json::to_vec(&SendRequest {
            to: "Ada".into(),
            text: "hi".into(),
            ..SendRequest::default()
        }),
    )?;
    json("init", serde_json::to_vec(&InitRequest { name: Some("Ada".into()), passphrase: None }))?;
    json("unlock", serde_json::to_vec(&UnlockRequest { passphrase: Some("x".into()) }))?;
    json("contact", serde_json::to_vec(&ContactAdd { id: "martlet1".into(), name: "Ada".into() }))?;
    json("problem", serde_json::to_vec(&Problem::new(ErrorCode::Locked, "locked")))
}

/// The largest header, over the smallest body.
fn eight_slots() -> Vec<u8> {
    let to = martlet_fuzz::addressing();
    let mut content =
        Header::encode_prefix(Kind::ToDevice, to.network, to.shard, to.expiry, 8).to_vec();
    content.resize(Kind::ToDevice.header_len(8) + 512, 0xa5);
    content
}

/// A Megolm message of another session: version, index, ciphertext, MAC, signature.
fn megolm_message() -> Vec<u8> {
    let mut bytes = vec![3, 0x08, 0, 0x12, 16];
    bytes.resize(5 + 16 + 8 + 64, 0x5a);
    bytes
}

fn keep(target: &str, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join(name), bytes)
}
