#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use martlet_protocol::control::{
    InvitesHold, KeptShards, KeysHold, MailboxStatus, MannersHold, ProfileHolds, Role, RoomsHold,
    RootHeld, SearchHolds, Shred,
};
use martlet_store::records::TABLES;

use crate::config::Notify;

use super::*;

const SHARED: ProfileHolds =
    ProfileHolds { says_something: true, shared: true, told: 1, handle: None };

const IN_A_ROOM: RoomsHold = RoomsHold { joined: 1, people: 3, no_contacts: 2, not_strict: 1 };

/// A user of the built-in network, with a passphrase and a contact.
fn usual() -> Facts {
    Facts {
        at: UnixMillis(3 * 86_400_000),
        lock: LockState::Unlocked,
        has_passphrase: true,
        has_user: true,
        auto_lock: Some(Duration::from_secs(900)),
        vault: Some(VaultHolds {
            name: Some("Ann".into()),
            contacts: 2,
            blocked: 0,
            requests: 0,
            timed_conversations: 0,
            outbox: 0,
            profile: ProfileHolds::default(),
            manners: MannersHold {
                receipts: true,
                receipts_differ: 0,
                typing: true,
                typing_differ: 0,
            },
            strict_devices: false,
            verified: 1,
            devices: 1,
            keys: KeysHold { oldest_prekey: Some(UnixMillis(1_000)), root: RootHeld::Here },
            invites: InvitesHold::default(),
            rooms: RoomsHold::default(),
            search: None,
            records: records(),
            shred: shred(0),
        }),
        others: OthersHold {
            role: Role::Full,
            shards: KeptShards { total: 1, kept: 1, list: Vec::new() },
            mailbox: MailboxStatus { envelopes: 12, bytes: 40_000, bytes_max: 1 << 30 },
            depot: None,
            tombstones: 5,
            known_peers: 3,
            bans: 0,
        },
        network: "lan".into(),
        is_closed: false,
        is_lan_only: true,
        privacy: Privacy::Fast,
        connected: 2,
        relayed: 0,
        reachability: None,
        has_metrics: None,
        exposure: Exposure { mdns: true, is_log_usual: true, ..Exposure::default() },
    }
}

fn records() -> BTreeMap<String, u64> {
    let held = [("contacts", 2), ("contact_notes", 1), ("messages", 7), ("events", 30)];
    held.map(|(table, count)| (table.to_owned(), count)).into()
}

/// Adds a record to a table.
fn add(facts: &mut Facts, table: &str) {
    *vault(facts).records.entry(table.to_owned()).or_default() += 1;
}

fn shred(waiting: u32) -> Shred {
    Shred {
        running: false,
        waiting,
        keys: 1024,
        resealed: 0,
        finished_at: None,
        old_layout: false,
        rewrite_at_start: false,
    }
}

fn codes(facts: &Facts) -> BTreeSet<String> {
    let sections = words::sections(facts);
    let statements = sections.iter().flat_map(|section| &section.statements);
    statements.map(|statement| statement.code.clone()).collect()
}

fn text(facts: &Facts, code: &str) -> String {
    let sections = words::sections(facts);
    let mut statements = sections.into_iter().flat_map(|section| section.statements);
    statements.find(|statement| statement.code == code).unwrap().text
}

/// What a change of one fact takes from the report, and what it adds.
fn changed(change: impl FnOnce(&mut Facts)) -> (Vec<String>, Vec<String>) {
    let (before, mut facts) = (codes(&usual()), usual());
    change(&mut facts);
    let after = codes(&facts);
    (before.difference(&after).cloned().collect(), after.difference(&before).cloned().collect())
}

fn vault(facts: &mut Facts) -> &mut VaultHolds {
    facts.vault.as_mut().unwrap()
}

/// Each setting says something of its own, and nothing of its opposite.
#[test]
fn another_setting_says_something_else() {
    type Case = (&'static str, fn(&mut Facts), &'static [&'static str], &'static [&'static str]);
    let cases: &[Case] = &[
        (
            "mixed",
            |f| f.privacy = Privacy::Mixed,
            &["delivery-fast", "fast"],
            &["delivery-mixed", "mixed"],
        ),
        (
            "beyond the LAN",
            |f| f.is_lan_only = false,
            &["lan-only", "no-relays"],
            &["discovery", "relays-unused"],
        ),
        ("closed", |f| f.is_closed = true, &["open"], &["closed"]),
        ("no mDNS", |f| f.exposure.mdns = false, &["mdns"], &["no-mdns"]),
        (
            "shards",
            |f| f.others.shards.total = 16,
            &["no-shards", "role-full"],
            &["role-full-shards", "shards"],
        ),
        ("edge", |f| f.others.role = Role::Edge, &["role-full"], &["role-edge"]),
        (
            "no passphrase",
            |f| f.has_passphrase = false,
            &["auto-lock", "passphrase"],
            &["no-passphrase"],
        ),
        ("no auto-lock", |f| f.auto_lock = None, &["auto-lock"], &["no-auto-lock"]),
        (
            "opened by a file",
            |f| f.exposure.opened_by = Some("the file /p".into()),
            &[],
            &["opened-at-start"],
        ),
        ("notify sender", |f| f.exposure.notify = Notify::Sender, &[], &["notify-sender"]),
        ("notify full", |f| f.exposure.notify = Notify::Full, &[], &["notify-full"]),
        ("no receipts", |f| vault(f).manners.receipts = false, &["receipts"], &["no-receipts"]),
        ("no typing", |f| vault(f).manners.typing = false, &["typing"], &["no-typing"]),
        ("timers", |f| vault(f).timed_conversations = 1, &["no-timers"], &["timers"]),
        ("no name", |f| vault(f).name = None, &["name-offered"], &["no-name"]),
        ("a block", |f| vault(f).blocked = 1, &[], &["blocked"]),
        (
            "a room",
            |f| vault(f).rooms = IN_A_ROOM,
            &["no-rooms"],
            &["rooms", "rooms-delivery", "rooms-found", "rooms-not-strict", "rooms-signed"],
        ),
        (
            "a strict room",
            |f| vault(f).rooms = RoomsHold { not_strict: 0, ..IN_A_ROOM },
            &["no-rooms"],
            &["rooms", "rooms-delivery", "rooms-found", "rooms-signed", "rooms-strict"],
        ),
        ("a request", |f| add(f, "requests"), &[], &["requests"]),
        ("an outbox", |f| add(f, "outbox"), &[], &["outbox"]),
        ("a session", |f| add(f, "sessions_of_others"), &[], &["keys"]),
        (
            "strict devices",
            |f| vault(f).strict_devices = true,
            &["no-strict-devices"],
            &["strict-devices"],
        ),
        ("an open invite", |f| vault(f).invites.open = 1, &[], &["invites"]),
        ("an ended invite", |f| vault(f).invites.ended = 1, &[], &[]),
        ("an accepted invite", |f| vault(f).invites.accepted = 1, &[], &["invites-accepted"]),
        ("a handle", |f| vault(f).profile.handle = Some("ann".into()), &[], &["handle"]),
        (
            "a linked device",
            |f| vault(f).keys.root = RootHeld::Linked,
            &["root-here"],
            &["root-linked"],
        ),
        (
            "a locked root",
            |f| vault(f).keys.root = RootHeld::Locked,
            &["root-here"],
            &["root-locked"],
        ),
        ("devices", |f| vault(f).devices = 2, &[], &["own-devices"]),
        ("the end", |f| vault(f).devices = 0, &["devices"], &["identity-ended"]),
        (
            "a search",
            |f| vault(f).search = Some(SearchHolds { texts: 7, bytes: 700 }),
            &["not-searched"],
            &["searched"],
        ),
        ("to be shredded", |f| vault(f).shred = shred(3), &["shredded"], &["shred-waits"]),
        ("an old vault", |f| vault(f).shred.old_layout = true, &["shredded"], &["shred-old"]),
        (
            "a profile",
            |f| vault(f).profile.says_something = true,
            &["no-profile"],
            &["profile-unshared"],
        ),
        ("a shared profile", |f| vault(f).profile = SHARED, &["no-profile"], &["profile-shared"]),
        ("a debug log", |f| f.exposure.is_log_usual = false, &["log-usual"], &["log-other"]),
        ("metrics", |f| f.has_metrics = Some("127.0.0.1:9".into()), &[], &["metrics"]),
        ("relayed", |f| f.relayed = 1, &["no-relays"], &["relayed"]),
        (
            "locked",
            |f| (f.lock, f.vault) = (LockState::Locked, None),
            &[
                "contacts-keep",
                "conversations",
                "delivery-fast",
                "devices",
                "files",
                "log",
                "name-offered",
                "no-profile",
                "no-rooms",
                "no-strict-devices",
                "no-timers",
                "not-searched",
                "people",
                "pings",
                "receipts",
                "root-here",
                "shredded",
                "typing",
                "unlocked",
            ],
            &["contact-locked", "locked"],
        ),
    ];
    for (what, change, gone, come) in cases {
        let (was, is) = changed(change);
        assert_eq!(
            (was.as_slice(), is.as_slice()),
            (&strings(gone)[..], &strings(come)[..]),
            "{what}"
        );
    }
}

fn strings(codes: &[&str]) -> Vec<String> {
    codes.iter().map(|code| (*code).to_owned()).collect()
}

#[test]
fn without_a_user_nothing_is_said_of_one() {
    let mut facts = usual();
    (facts.lock, facts.vault) = (LockState::NoIdentity, None);
    for (has_user, code) in [(true, "no-identity"), (false, "no-user")] {
        facts.has_user = has_user;
        let said = codes(&facts);
        assert!(said.contains(code), "{said:?}");
        for code in ["fast", "bundles", "passphrase", "contact-locked", "receipts", "delivery-fast"]
        {
            assert!(!said.contains(code), "{code}");
        }
    }
}

/// Beyond the LAN there is more to be said, as it is configured and found out.
#[test]
fn beyond_the_lan_each_service_is_told() {
    let mut facts = usual();
    facts.is_lan_only = false;
    facts.exposure.dialled = 2;
    assert!(text(&facts, "discovery").contains("always dials 2 nodes"));
    for (state, code) in [(Reachability::Public, "public"), (Reachability::Private, "private")] {
        facts.reachability = Some(state);
        assert!(codes(&facts).contains(code), "{code}");
    }
    let before = codes(&facts);
    let Exposure { upnp, announces, relay_server, .. } = &mut facts.exposure;
    (*upnp, *announces, *relay_server) = (true, true, true);
    let more: Vec<_> = codes(&facts).difference(&before).cloned().collect();
    assert_eq!(more, ["announced", "relay-server", "upnp"]);
}

/// Numbers are those of the databases, and exceptions are told.
#[test]
fn numbers_are_in_the_words() {
    let mut facts = usual();
    for (code, part) in [
        ("people", "2 contacts; 1 note about"),
        ("people", "You verified 1 contact."),
        ("conversations", "7 messages (your notes"),
        ("log", "30 events"),
        ("mailbox", "of 5 that went"),
        ("devices", "1 device,"),
    ] {
        assert!(text(&facts, code).contains(part), "{part}: {}", text(&facts, code));
    }
    add(&mut facts, "prekeys");
    assert!(text(&facts, "keys").contains("in the last 3 days"), "{}", text(&facts, "keys"));
    vault(&mut facts).devices = 2;
    assert!(
        text(&facts, "devices").contains("2 devices, their ids"),
        "{}",
        text(&facts, "devices")
    );
    assert!(text(&facts, "own-devices").contains("your 1 other device,"));
    vault(&mut facts).search = Some(SearchHolds { texts: 7, bytes: 1025 });
    assert!(text(&facts, "searched").contains("of 7 messages, 2 KiB"));
    assert!(text(&facts, "auto-lock").contains("15 minutes"));
    assert!(text(&facts, "mailbox").starts_with("12 envelopes"));
    assert!(text(&facts, "peers-known").contains("3 nodes"));
    vault(&mut facts).rooms = IN_A_ROOM;
    assert!(text(&facts, "rooms").contains("in 1 room with 3 people, 2 of them are no contacts"));
    vault(&mut facts).manners.receipts_differ = 1;
    assert!(text(&facts, "receipts").ends_with("read, but for 1 contact."));
    vault(&mut facts).manners.receipts = false;
    assert!(text(&facts, "no-receipts").ends_with("read, but 1 contact is."));
}

/// Whoever adds a table to the vault says here what is in it: `tables.rs`.
#[test]
fn each_table_of_the_vault_is_told_of() {
    let missing: Vec<_> = TABLES.iter().filter(|it| tables::described(it).is_none()).collect();
    assert!(missing.is_empty(), "the report doesn't know these tables: {missing:?}");
    let said = |facts: &Facts| {
        let sections = words::sections(facts).into_iter();
        sections.flat_map(|section| section.statements).collect::<Vec<_>>()
    };
    for table in TABLES {
        let mut facts = usual();
        add(&mut facts, table);
        assert_ne!(said(&facts), said(&usual()), "one record more in {table} changes nothing");
    }
}
