//! The control API's JSON: what programs were written against must stay.

use martlet_protocol::control::*;
use martlet_protocol::network::{NetworkDescriptor, NetworkKey, Privacy};
use martlet_protocol::time::UnixMillis;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// `value` is exactly `expected` as JSON, and is read back from it.
#[track_caller]
fn is_json<T: Serialize + DeserializeOwned + PartialEq>(value: &T, expected: Value) {
    assert_eq!(serde_json::to_value(value).unwrap(), expected);
    assert!(serde_json::from_value::<T>(expected).unwrap() == *value);
}

fn message() -> Message {
    Message {
        id: "00".repeat(16),
        conversation: "Ada".into(),
        direction: Direction::In,
        text: "hello\n\"you\"".into(),
        sent_at: UnixMillis(1),
        stored_at: UnixMillis(2),
        state: Delivery::Delivered,
        reply_to: None,
        edited_at: None,
        reactions: Vec::new(),
        versions: Vec::new(),
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
    }
}

fn message_json() -> Value {
    json!({
        "id": "00000000000000000000000000000000", "conversation": "Ada", "direction": "in",
        "text": "hello\n\"you\"", "sent_at": 1, "stored_at": 2, "state": "delivered",
    })
}

#[test]
fn messages() {
    is_json(&message(), message_json());
    is_json(
        &SendRequest { to: "Ada".into(), text: "hi".into(), ..SendRequest::default() },
        json!({"to": "Ada", "text": "hi"}),
    );
    is_json(
        &SendRequest {
            to: "Ada".into(),
            text: "hi".into(),
            expire_seconds: Some(TimerSetting::Seconds(60)),
            burn_seconds: Some(TimerSetting::OFF),
            ..SendRequest::default()
        },
        json!({"to": "Ada", "text": "hi", "expire_seconds": 60, "burn_seconds": "off"}),
    );
    let timers = ConversationTimers { expire_seconds: Some(60), burn_seconds: None };
    is_json(&timers, json!({"expire_seconds": 60}));
    is_json(
        &Message {
            expire_seconds: Some(60),
            burn_seconds: Some(5),
            ends_at: Some(UnixMillis(7)),
            sets_timers: Some(timers),
            file: Some(MessageFile {
                name: "a.txt".into(),
                media_type: "text/plain".into(),
                bytes: 2,
                state: FileState::Failed,
                fetched_bytes: Some(1),
                failure: Some(FileFailure::DiskLow),
                received: true,
                taken_bytes: Some(3),
                voice_ms: Some(4),
                thumbnail_bytes: Some(5),
                depots: Some(2),
                depot_refusal: Some(DepotRefusal::Full),
            }),
            ..message()
        },
        {
            let mut json = message_json();
            json["expire_seconds"] = 60.into();
            json["burn_seconds"] = 5.into();
            json["ends_at"] = 7.into();
            json["sets_timers"] = json!({"expire_seconds": 60});
            json["file"] = json!({"name": "a.txt", "media_type": "text/plain", "bytes": 2,
                "state": "failed", "fetched_bytes": 1, "failure": "disk_low", "received": true,
                "taken_bytes": 3, "voice_ms": 4, "thumbnail_bytes": 5, "depots": 2, "depot_refusal": "full"});
            json
        },
    );
    is_json(&TimersRequest::default(), json!({}));
    is_json(
        &SendResponse { id: "ab".into(), state: Delivery::Queued },
        json!({"id": "ab", "state": "queued"}),
    );
    is_json(
        &History { messages: vec![message()], more: true, lost: Vec::new() },
        json!({"messages": [message_json()], "more": true}),
    );
    is_json(&HistoryQuery::default(), json!({}));
    is_json(
        &HistoryQuery { limit: Some(5), before: Some("ab".into()), ..HistoryQuery::default() },
        json!({"limit": 5, "before": "ab"}),
    );
    is_json(
        &History {
            messages: Vec::new(),
            more: false,
            lost: vec![Lost { before: "ab".into(), count: 3 }],
        },
        json!({"messages": [], "more": false, "lost": [{"before": "ab", "count": 3}]}),
    );
    is_json(&ReadResponse { marked: 3, lost: 1 }, json!({"marked": 3, "lost": 1}));
    is_json(
        &Inbox {
            conversations: vec![Conversation {
                room: None,
                name: "Ada".into(),
                unread: 1,
                mentions: 0,
                messages: vec![message()],
            }],
            requests: 2,
        },
        json!({
            "conversations": [{"name": "Ada", "unread": 1, "messages": [message_json()]}],
            "requests": 2,
        }),
    );
}

#[test]
fn states_and_their_order() {
    let states = [
        (Delivery::NeedsConfirmation, "needs_confirmation"),
        (Delivery::Queued, "queued"),
        (Delivery::Sent, "sent"),
        (Delivery::Delivered, "delivered"),
        (Delivery::Read, "read"),
        (Delivery::Expired, "expired"),
        (Delivery::Recalled, "recalled"),
    ];
    for (state, name) in states {
        is_json(&state, json!(name));
    }
    assert!(states.is_sorted_by_key(|(state, _)| *state));
    is_json(&Direction::Out, json!("out"));
}

#[test]
fn contacts_and_requests() {
    let contact = Contact {
        name: "Ada".into(),
        id: "martlet1…".into(),
        added_at: UnixMillis(7),
        devices: 1,
        unread: 2,
        note: None,
        device_list: Vec::new(),
        terminated_at: None,
        blocked: false,
        invite_pending: false,
        verified: Verified::Changed,
        verified_at: Some(UnixMillis(8)),
        safety_number: Some(SafetyNumber { digits: "1 2".into(), qr: "q".into() }),
        calls_themselves: None,
        picture_bytes: None,
    };
    let contact_json = json!({"name": "Ada", "id": "martlet1…", "added_at": 7, "devices": 1, "unread": 2,
        "verified": "changed", "verified_at": 8, "safety_number": {"digits": "1 2", "qr": "q"}});
    is_json(&VerifyRequest { code: None }, json!({}));
    is_json(&VerifyRequest { code: Some("1".into()) }, json!({"code": "1"}));
    is_json(&contact, contact_json.clone());
    is_json(&ContactList { contacts: vec![contact] }, json!({"contacts": [contact_json]}));
    is_json(&BlockRequest { who: "Ada".into() }, json!({"who": "Ada"}));
    let blocked = Blocked { name: None, id: "x".into(), since: UnixMillis(7) };
    is_json(&BlockedList { blocked: vec![blocked] }, json!({"blocked": [{"id": "x", "since": 7}]}));
    is_json(&ContactAdd { id: "x".into(), name: "Ada".into() }, json!({"id": "x", "name": "Ada"}));
    is_json(&ContactRename { name: "Eve".into() }, json!({"name": "Eve"}));
    is_json(&RequestAccept { name: "Eve".into() }, json!({"name": "Eve"}));
    let request = MessageRequest {
        id: "x".into(),
        suggested_name: None,
        first_at: UnixMillis(1),
        messages: 2,
        preview: Some("hi".into()),
    };
    is_json(
        &RequestList { requests: vec![request] },
        json!({"requests": [{"id": "x", "first_at": 1, "messages": 2, "preview": "hi"}]}),
    );
}

#[test]
fn events() {
    let text = String::from;
    for (body, expected) in [
        (
            EventBody::MessageReceived { message: message() },
            json!({"type": "message_received", "message": message_json()}),
        ),
        (
            EventBody::MessageQueued { message: message() },
            json!({"type": "message_queued", "message": message_json()}),
        ),
        (
            EventBody::MessageState {
                id: text("ab"),
                conversation: text("Ada"),
                state: Delivery::Sent,
            },
            json!({"type": "message_state", "id": "ab", "conversation": "Ada", "state": "sent"}),
        ),
        (
            EventBody::MessageReached {
                id: text("ab"),
                conversation: text("bridge"),
                received: Received { have: 3, of: 5 },
            },
            json!({"type": "message_reached", "id": "ab", "conversation": "bridge", "received": {"have": 3, "of": 5}}),
        ),
        (
            EventBody::RequestReceived { id: text("x"), suggested_name: Some(text("Eve")) },
            json!({"type": "request_received", "id": "x", "suggested_name": "Eve"}),
        ),
        (
            EventBody::ContactAdded { name: text("Ada"), id: text("x") },
            json!({"type": "contact_added", "name": "Ada", "id": "x"}),
        ),
        (
            EventBody::ContactRenamed { id: text("x"), from: Some(text("Ada")), to: text("Eve") },
            json!({"type": "contact_renamed", "id": "x", "from": "Ada", "to": "Eve"}),
        ),
        (
            EventBody::ContactRemoved { name: Some(text("Ada")) },
            json!({"type": "contact_removed", "name": "Ada"}),
        ),
        (EventBody::ContactRemoved { name: None }, json!({"type": "contact_removed"})),
        (
            EventBody::MessagesLost { conversation: text("Ada"), count: 3 },
            json!({"type": "messages_lost", "conversation": "Ada", "count": 3}),
        ),
        (
            EventBody::MessageEnded {
                id: text("ab"),
                conversation: text("Ada"),
                reason: EndedReason::Burned,
                by: None,
            },
            json!({"type": "message_ended", "id": "ab", "conversation": "Ada", "reason": "burned"}),
        ),
        (
            EventBody::ConversationCleared { name: text("Ada") },
            json!({"type": "conversation_cleared", "name": "Ada"}),
        ),
        (
            EventBody::ContactProfile { name: text("Ada"), calls_themselves: Some(text("A")) },
            json!({"type": "contact_profile", "name": "Ada", "calls_themselves": "A"}),
        ),
        (
            EventBody::ContactProfile { name: text("Ada"), calls_themselves: None },
            json!({"type": "contact_profile", "name": "Ada"}),
        ),
        (
            EventBody::FileProgress {
                id: text("ab"),
                conversation: text("Ada"),
                fetched_bytes: 1,
                of_bytes: 2,
                waiting: true,
            },
            json!({"type": "file_progress", "id": "ab", "conversation": "Ada", "fetched_bytes": 1,
                "of_bytes": 2, "waiting": true}),
        ),
        (
            EventBody::FileReceived { message: message() },
            json!({"type": "file_received", "message": message_json()}),
        ),
        (
            EventBody::FileFailed { message: message() },
            json!({"type": "file_failed", "message": message_json()}),
        ),
        (
            EventBody::ContactDevices { name: text("Ada") },
            json!({"type": "contact_devices", "name": "Ada"}),
        ),
        (
            EventBody::ContactTerminated { name: text("Ada") },
            json!({"type": "contact_terminated", "name": "Ada"}),
        ),
        (
            EventBody::RoomJoined { room: text("ab"), name: text("bridge") },
            json!({"type": "room_joined", "room": "ab", "name": "bridge"}),
        ),
        (
            EventBody::RoomLeft { room: text("ab"), name: text("bridge"), removed: true },
            json!({"type": "room_left", "room": "ab", "name": "bridge", "removed": true}),
        ),
        (EventBody::DevicesChanged, json!({"type": "devices_changed"})),
        (EventBody::AccountTerminated, json!({"type": "account_terminated"})),
        (
            EventBody::Gone { reason: GoneReason::Removed },
            json!({"type": "gone", "reason": "removed"}),
        ),
        (
            EventBody::ContactReachable { name: text("Ada") },
            json!({"type": "contact_reachable", "name": "Ada"}),
        ),
        (
            EventBody::ConversationRead { name: text("Ada"), marked: 4 },
            json!({"type": "conversation_read", "name": "Ada", "marked": 4}),
        ),
    ] {
        assert_eq!(expected["type"], body.name());
        let mut event = expected;
        event["seq"] = json!(9_007_199_254_740_993_u64);
        event["at"] = json!(5);
        is_json(&Event { seq: 9_007_199_254_740_993, at: UnixMillis(5), body }, event);
    }
    is_json(&EventsQuery { since: Some(0) }, json!({"since": 0}));
    is_json(&EventsQuery::default(), json!({}));
}

#[test]
fn peers() {
    let peer = Peer {
        peer_id: "12D3".into(),
        connected: true,
        address: "/ip4/10.0.0.1/tcp/4177".into(),
        transport: Some(Transport::Quic),
        direction: Some(ConnectionDirection::Out),
        latency_ms: Some(0.5),
        details: Some(PeerDetails {
            since: UnixMillis(9),
            mesh: true,
            pinned: false,
            score: 1.5,
            throttled: false,
            envelopes_in: 2,
            invalid: 3,
            agent: None,
            protocols: vec!["/x/1".into()],
        }),
        ban: None,
        upgraded: true,
    };
    let relayed = Peer {
        address: "/ip4/8.8.8.8/tcp/4177/p2p/12D4/p2p-circuit".into(),
        transport: Some(Transport::Relay),
        upgraded: false,
        details: None,
        ..peer.clone()
    };
    let ban = Ban {
        peer_id: "12D3".into(),
        reason: "garbage".into(),
        since: UnixMillis(1),
        until: None,
        by_user: false,
    };
    let ban_json = json!({"peer_id": "12D3", "reason": "garbage", "since": 1, "by_user": false});
    let known = Peer {
        connected: false,
        transport: None,
        direction: None,
        latency_ms: None,
        details: None,
        ban: Some(ban.clone()),
        upgraded: false,
        ..peer.clone()
    };
    let failed = FailedDial {
        address: "/dns/a.example/tcp/1".into(),
        peer_id: None,
        attempts: 2,
        reason: "refused".into(),
        given_up: true,
    };
    is_json(
        &PeerList { peers: vec![peer, relayed, known], failed: vec![failed] },
        json!({"peers": [
            {"peer_id": "12D3", "connected": true, "address": "/ip4/10.0.0.1/tcp/4177",
             "transport": "quic", "direction": "out", "latency_ms": 0.5, "upgraded": true,
             "details": {"since": 9, "mesh": true, "pinned": false, "score": 1.5,
                "throttled": false, "envelopes_in": 2, "invalid": 3, "protocols": ["/x/1"]}},
            {"peer_id": "12D3", "connected": true,
             "address": "/ip4/8.8.8.8/tcp/4177/p2p/12D4/p2p-circuit",
             "transport": "relay", "direction": "out", "latency_ms": 0.5},
            {"peer_id": "12D3", "connected": false, "address": "/ip4/10.0.0.1/tcp/4177",
             "ban": ban_json},
        ], "failed": [{"address": "/dns/a.example/tcp/1", "attempts": 2, "reason": "refused",
            "given_up": true}]}),
    );
    is_json(&BanList { bans: vec![ban] }, json!({"bans": [ban_json]}));
    is_json(
        &BanRequest { peer_id: "12D3".into(), seconds: Some(5), reason: None },
        json!({"peer_id": "12D3", "seconds": 5}),
    );
    let finding = Finding {
        code: FindingCode::NoPeers,
        severity: Severity::Error,
        problem: "p".into(),
        advice: "a".into(),
    };
    is_json(
        &Diagnosis { findings: vec![finding], clock_ahead_ms: Some(-5) },
        json!({"findings": [{"code": "no-peers", "severity": "error", "problem": "p",
            "advice": "a"}], "clock_ahead_ms": -5}),
    );
    is_json(&DialRequest { address: "/x".into(), wait: false }, json!({"address": "/x"}));
    is_json(
        &DialRequest { address: "/x".into(), wait: true },
        json!({"address": "/x", "wait": true}),
    );
    let connected = Dialled { connected: true, peer_id: Some("12D3".into()), reason: None };
    is_json(&connected, json!({"connected": true, "peer_id": "12D3"}));
    let refused = Dialled { connected: false, peer_id: None, reason: Some("refused".into()) };
    is_json(&refused, json!({"connected": false, "reason": "refused"}));
    let event = |body| PeerEvent { at: UnixMillis(7), peer_id: "12D3".into(), body };
    is_json(
        &event(PeerEventBody::PeerConnected { address: "/x".into() }),
        json!({"at": 7, "peer_id": "12D3", "type": "peer_connected", "address": "/x"}),
    );
    is_json(
        &event(PeerEventBody::PeerDisconnected { silent: true }),
        json!({"at": 7, "peer_id": "12D3", "type": "peer_disconnected", "silent": true}),
    );
}

#[test]
fn status_and_identity() {
    let status = Status {
        version: "0.1.0".into(),
        pid: 42,
        lock: LockState::Unlocked,
        passphrase: Some(false),
        identity: Some(Identity { id: "martlet1…".into(), name: None }),
        network: "lan".into(),
        closed: true,
        privacy: Some(Privacy::Mixed),
        transports: vec![Transport::Tcp],
        peer_id: "12D3".into(),
        listen: vec!["/ip4/127.0.0.1/tcp/1".into()],
        reachability: Some(Reachability::Private),
        external: vec!["/ip4/8.8.8.8/tcp/4177/p2p/12D4/p2p-circuit".into()],
        peers_connected: 3,
        metrics_listen: None,
        role: Role::Edge,
        shards: KeptShards { total: 16, kept: 1, list: vec![5] },
        mailbox: MailboxStatus { envelopes: 1, bytes: 2, bytes_max: 3 },
        depot: None,
        outbox: Some(0),
        stamping: 2,
        unread: None,
        shred: Some(Shred {
            running: false,
            waiting: 12,
            keys: 1024,
            resealed: 345,
            finished_at: Some(UnixMillis(7)),
            old_layout: false,
            rewrite_at_start: true,
        }),
        warnings: vec!["no passphrase".into()],
    };
    is_json(
        &status,
        json!({
            "version": "0.1.0", "pid": 42, "lock": "unlocked", "passphrase": false,
            "identity": {"id": "martlet1…"}, "network": "lan", "closed": true,
            "privacy": "mixed", "transports": ["tcp"], "peer_id": "12D3",
            "listen": ["/ip4/127.0.0.1/tcp/1"], "reachability": "private",
            "external": ["/ip4/8.8.8.8/tcp/4177/p2p/12D4/p2p-circuit"], "peers_connected": 3,
            "mailbox": {"envelopes": 1, "bytes": 2, "bytes_max": 3}, "outbox": 0, "stamping": 2,
            "shred": {"running": false, "waiting": 12, "keys": 1024, "resealed": 345, "finished_at": 7,
                "old_layout": false, "rewrite_at_start": true},
            "identity": {"id": "martlet1…"}, "network": "lan", "peer_id": "12D3",
            "listen": ["/ip4/127.0.0.1/tcp/1"], "peers_connected": 3,
            "role": "edge", "shards": {"total": 16, "kept": 1, "list": [5]},
            "mailbox": {"envelopes": 1, "bytes": 2, "bytes_max": 3}, "outbox": 0,
            "warnings": ["no passphrase"],
        }),
    );
    is_json(&LockState::NoIdentity, json!("no_identity"));
    is_json(&LockState::Locked, json!("locked"));
}

#[test]
fn networks() {
    let key = Some(NetworkKey::from_bytes([7; 32]));
    let descriptor = NetworkDescriptor { name: "ship".into(), key, ..Default::default() };
    let network = Network { file: Some("/etc/network.toml".into()), ..Network::of(&descriptor) };
    let fingerprint = network.key_fingerprint.clone().unwrap();
    assert_eq!(fingerprint.len(), 16);
    is_json(
        &network,
        json!({
            "name": "ship", "closed": true, "key_fingerprint": fingerprint, "shard_bits": 0,
            "stamp_bits": 0, "lan_only": true, "privacy": "fast", "mailbox_file_bytes": 4_194_304, "bootstrap": [],
            "transports": ["tcp"],
            "file": "/etc/network.toml",
        }),
    );
    is_json(&NetworkExport { descriptor: "name = 1".into() }, json!({"descriptor": "name = 1"}));
}

#[test]
fn secrets_are_not_shown() {
    let export = NetworkExport { descriptor: "hunter2".into() };
    assert!(!format!("{export:?}").contains("hunter2"));
    let init = InitRequest { name: Some("Ada".into()), passphrase: Some("hunter2".into()) };
    is_json(&init, json!({"name": "Ada", "passphrase": "hunter2"}));
    let unlock = UnlockRequest { passphrase: Some("hunter2".into()) };
    let made = InitResponse {
        id: "x".into(),
        recovery_phrase: "hunter2".into(),
        kill_phrase: "hunter2".into(),
    };
    let join =
        JoinRequest { code: "hunter2".into(), name: None, passphrase: Some("hunter2".into()) };
    is_json(&join, json!({"code": "hunter2", "passphrase": "hunter2"}));
    let link = Link {
        state: LinkState::Offered,
        code: Some("hunter2".into()),
        expires_at: UnixMillis(7),
        numbers: None,
        device: None,
        reason: None,
        by_other: false,
        replaced: false,
    };
    is_json(&link, json!({"state": "offered", "code": "hunter2", "expires_at": 7}));
    let phrase = PhraseRequest { passphrase: Some("hunter2".into()) };
    is_json(&phrase, json!({"passphrase": "hunter2"}));
    let locking = LockRootRequest { last_words: "hunter2".into() };
    is_json(&locking, json!({"last_words": "hunter2"}));
    let secret = || Some("hunter2".to_owned());
    let confirm = LinkConfirm { equal: true, history: false, recovery_phrase: secret() };
    is_json(&confirm, json!({"equal": true, "recovery_phrase": "hunter2"}));
    let revoke = DeviceRevoke { reason: None, recovery_phrase: secret() };
    is_json(&revoke, json!({"recovery_phrase": "hunter2"}));
    for shown in [
        format!("{phrase:?}"),
        format!("{locking:?}"),
        format!("{confirm:?}"),
        format!("{revoke:?}"),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let shown = [format!("{init:?}"), format!("{unlock:?}"), format!("{made:?}")];
    for shown in shown.into_iter().chain([format!("{join:?}"), format!("{link:?}")]) {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    assert_eq!(serde_json::from_str::<UnlockRequest>("{}").unwrap().passphrase, None);
}

/// Every code, its name and its HTTP status. The match makes the compiler say when one is missing.
#[test]
fn error_codes() {
    use ErrorCode::*;
    let expected = |code: ErrorCode| match code {
        BadRequest => ("bad-request", 400),
        InvalidId => ("invalid-id", 400),
        OwnId => ("own-id", 400),
        InvalidName => ("invalid-name", 400),
        NameTaken => ("name-taken", 409),
        AlreadyContact => ("already-contact", 409),
        UnknownContact => ("unknown-contact", 404),
        UnknownRequest => ("unknown-request", 404),
        UnknownMessage => ("unknown-message", 404),
        NotRecallable => ("not-recallable", 409),
        OnItsWay => ("on-its-way", 409),
        InvalidTimer => ("invalid-timer", 400),
        NotEditable => ("not-editable", 409),
        InvalidReaction => ("invalid-reaction", 400),
        InvalidPicture => ("invalid-picture", 400),
        FileTooLarge => ("file-too-large", 413),
        InvalidVoice => ("invalid-voice", 400),
        NoFile => ("no-file", 404),
        FileNotHere => ("file-not-here", 409),
        LengthRequired => ("length-required", 411),
        FileChanged => ("file-changed", 409),
        FileNeedsDirect => ("file-needs-direct", 409),
        OverQuota => ("over-quota", 507),
        DiskLow => ("disk-low", 507),
        NoSuchRange => ("no-such-range", 416),
        EmptyText => ("empty-text", 400),
        TextTooLong => ("text-too-long", 413),
        InvalidAddress => ("invalid-address", 400),
        InvalidPeerId => ("invalid-peer-id", 400),
        UnknownPeer => ("unknown-peer", 404),
        KeysUnknown => ("keys-unknown", 409),
        NoAnswer => ("no-answer", 504),
        NoIdentity => ("no-identity", 409),
        IdentityExists => ("identity-exists", 409),
        Locked => ("locked", 423),
        WrongPassphrase => ("wrong-passphrase", 403),
        InvalidPassphrase => ("invalid-passphrase", 400),
        Forbidden => ("forbidden", 403),
        NotFound => ("not-found", 404),
        MethodNotAllowed => ("method-not-allowed", 405),
        RequestTimeout => ("request-timeout", 408),
        BodyTooLarge => ("body-too-large", 413),
        HeadTooLarge => ("head-too-large", 431),
        LimitReached => ("limit-reached", 429),
        StorageFailed => ("storage-failed", 507),
        BackupFailed => ("backup-failed", 409),
        ErrorCode::Blocked => ("blocked", 409),
        NotBlocked => ("not-blocked", 409),
        NeedsConfirmation => ("needs-confirmation", 409),
        InvalidPhrase => ("invalid-phrase", 400),
        InvalidInvite => ("invalid-invite", 400),
        OwnInvite => ("own-invite", 400),
        InviteEnded => ("invite-ended", 409),
        OtherNetwork => ("other-network", 409),
        UnknownInvite => ("unknown-invite", 404),
        InvalidSafetyNumber => ("invalid-safety-number", 400),
        SafetyNumberDiffers => ("safety-number-differs", 409),
        Terminated => ("terminated", 409),
        ContactTerminated => ("contact-terminated", 409),
        DeviceRevoked => ("device-revoked", 409),
        UnknownDevice => ("unknown-device", 404),
        OtherDevice => ("other-device", 409),
        InvalidLinkCode => ("invalid-link-code", 400),
        NoRoot => ("no-root", 409),
        WrongWords => ("wrong-words", 403),
        OtherPhrase => ("other-phrase", 409),
        LinkLimit => ("link-limit", 429),
        LinkLocked => ("link-locked", 429),
        NoLink => ("no-link", 404),
        NothingToCompare => ("nothing-to-compare", 409),
        InvalidHandle => ("invalid-handle", 400),
        HandleHeld => ("handle-held", 409),
        NoHandle => ("no-handle", 404),
        WrongKillPhrase => ("wrong-kill-phrase", 403),
        Stopping => ("stopping", 503),
        UnknownRoom => ("unknown-room", 404),
        NotMember => ("not-member", 403),
        NotModerator => ("not-moderator", 403),
        Senior => ("senior", 403),
        RoomFull => ("room-full", 409),
        RoomClosed => ("room-closed", 409),
        RoomAlone => ("room-alone", 409),
        OpLimit => ("op-limit", 429),
        NoChange => ("no-change", 409),
        StillIn => ("still-in", 409),
        NeedsState => ("needs-state", 409),
        Internal => ("internal", 500),
    };
    for code in [
        BadRequest,
        InvalidId,
        OwnId,
        InvalidName,
        NameTaken,
        AlreadyContact,
        UnknownContact,
        UnknownRequest,
        UnknownMessage,
        NotRecallable,
        OnItsWay,
        InvalidTimer,
        NotEditable,
        InvalidReaction,
        InvalidPicture,
        FileTooLarge,
        InvalidVoice,
        NoFile,
        EmptyText,
        TextTooLong,
        InvalidAddress,
        InvalidPeerId,
        UnknownPeer,
        KeysUnknown,
        NoAnswer,
        NoIdentity,
        IdentityExists,
        Locked,
        WrongPassphrase,
        InvalidPassphrase,
        Forbidden,
        NotFound,
        MethodNotAllowed,
        RequestTimeout,
        BodyTooLarge,
        HeadTooLarge,
        LimitReached,
        StorageFailed,
        BackupFailed,
        ErrorCode::Blocked,
        NotBlocked,
        NeedsConfirmation,
        InvalidPhrase,
        InvalidInvite,
        OwnInvite,
        InviteEnded,
        OtherNetwork,
        UnknownInvite,
        InvalidSafetyNumber,
        SafetyNumberDiffers,
        Terminated,
        ContactTerminated,
        DeviceRevoked,
        UnknownDevice,
        OtherDevice,
        InvalidLinkCode,
        NoRoot,
        WrongWords,
        OtherPhrase,
        LinkLimit,
        LinkLocked,
        NoLink,
        NothingToCompare,
        InvalidHandle,
        HandleHeld,
        NoHandle,
        WrongKillPhrase,
        Stopping,
        Internal,
    ] {
        let (name, status) = expected(code);
        is_json(&code, json!(name));
        assert_eq!(code.status(), status, "{name}");
        is_json(
            &Problem::new(code, "why"),
            json!({"status": status, "code": name, "detail": "why"}),
        );
    }
}

#[test]
fn requests_with_unknown_or_missing_fields_are_refused() {
    fn refused<T: DeserializeOwned>(value: Value) -> bool {
        serde_json::from_value::<T>(value).is_err()
    }
    assert!(refused::<SendRequest>(json!({"to": "a", "text": "b", "txt": "c"})));
    assert!(refused::<SendRequest>(json!({"to": "a"})));
    assert!(refused::<SendRequest>(json!({"to": "a", "text": 1})));
    assert!(refused::<SendRequest>(json!(["a"])));
    assert!(refused::<InitRequest>(json!({"passphrase": "x", "pass": "y"})));
    assert!(refused::<UnlockRequest>(json!({"password": "x"})));
    assert!(refused::<ContactAdd>(json!({"id": "x", "name": "y", "note": "z"})));
    assert!(refused::<ContactRename>(json!({"name": "y", "id": "x"})));
    assert!(refused::<RequestAccept>(json!({})));
    assert!(refused::<DialRequest>(json!({"address": "x", "peer": "y"})));
    assert!(refused::<HistoryQuery>(json!({"limit": 1, "after": "x"})));
    assert!(refused::<HistoryQuery>(json!({"limit": -1})));
    assert!(refused::<EventsQuery>(json!({"from": 1})));
}

proptest! {
    #[test]
    fn any_text_survives(to in "\\PC*", text: String) {
        let request = SendRequest { to, text, ..SendRequest::default() };
        let json = serde_json::to_string(&request).unwrap();
        prop_assert_eq!(serde_json::from_str::<SendRequest>(&json).unwrap(), request);
    }

    #[test]
    fn no_json_makes_it_panic(text in "[{}\\[\\]\":,a-z0-9\\\\ ]{0,100}") {
        let _ = serde_json::from_str::<SendRequest>(&text);
        let _ = serde_json::from_str::<Event>(&text);
    }
}
