//! What is so, in words: each statement rests on a fact, and says nothing that would be wrong where the fact is another.

mod outside;
mod rooms;
mod root;

use std::time::Duration;

use martlet_protocol::UnixMillis;
use martlet_protocol::control::{
    InvitesHold, LockState, PrivacySection, PrivacyStatement, PrivacySubject, Role, VaultHolds,
};
use martlet_protocol::network::Privacy;

use super::Facts;
use super::tables::{self, Group};
use crate::config::Notify;

/// The statements about one subject, while they are gathered.
#[derive(Default)]
struct Said(Vec<PrivacyStatement>);

impl Said {
    fn say(&mut self, code: &str, text: impl Into<String>) {
        self.0.push(PrivacyStatement { code: code.to_owned(), text: text.into() });
    }

    /// One of two, as a setting has it.
    fn either(&mut self, is: bool, yes: (&str, &str), no: (&str, &str)) {
        let (code, text) = if is { yes } else { no };
        self.say(code, text);
    }
}

/// Tells what is so about one subject.
type Tell = fn(&Facts, &mut Said);

/// All that is so.
pub(super) fn sections(facts: &Facts) -> Vec<PrivacySection> {
    let subjects: [(PrivacySubject, Tell); 9] = [
        (PrivacySubject::You, you),
        (PrivacySubject::Others, outside::others),
        (PrivacySubject::Lan, outside::lan),
        (PrivacySubject::Internet, outside::internet),
        (PrivacySubject::Peer, peer),
        (PrivacySubject::Relay, relay),
        (PrivacySubject::IdHolder, id_holder),
        (PrivacySubject::Contact, contact),
        (PrivacySubject::RoomMember, rooms::tell),
    ];
    let sections = subjects.into_iter().map(|(about, tell)| {
        let mut said = Said::default();
        tell(facts, &mut said);
        PrivacySection { about, statements: said.0 }
    });
    sections.filter(|section| !section.statements.is_empty()).collect()
}

fn you(facts: &Facts, said: &mut Said) {
    match facts.lock {
        LockState::NoIdentity if facts.has_user => {
            return said.say("no-identity", "There is no identity here yet: nothing is held of a user.");
        }
        LockState::NoIdentity => {
            return said.say("no-user", "This node has no user, by its configuration.");
        }
        LockState::Locked => said.say(
            "locked",
            "The vault is locked: identity, keys, contacts and messages are on the disk alone, encrypted. How many there are is \
             not known before it is opened.",
        ),
        LockState::Unlocked => said.say(
            "unlocked",
            "The vault is open: keys and contacts are in the daemon's memory, and what is read of messages; the system \
             may swap that out. Programs of this user and root can ask for all of it.",
        ),
    }
    said.either(
        facts.has_passphrase,
        (
            "passphrase",
            "The vault has a passphrase: a copy of the files shows without it how many records there are, how large they are and \
             when they changed, and nothing of what is in them.",
        ),
        (
            "no-passphrase",
            "The vault has no passphrase: who can read the files of this node, or a copy of them, can read all of it. \
             martletctl passphrase sets one.",
        ),
    );
    if let Some(by) = &facts.exposure.opened_by {
        said.say(
            "opened-at-start",
            format!(
                "The vault is opened when the daemon starts, by {by}: who is this user or root on the machine has the passphrase."
            ),
        );
    }
    match facts.auto_lock {
        Some(after) if facts.has_passphrase => said.say(
            "auto-lock",
            format!("It is locked when nobody has asked for anything for {}.", time(after)),
        ),
        // There is nothing to lock it with.
        Some(_) => {}
        None if facts.has_passphrase => said.say(
            "no-auto-lock",
            "It stays open until it is locked by hand or the daemon ends (auto_lock is off).",
        ),
        None => {}
    }
    if let Some(vault) = &facts.vault {
        held(vault, facts.at, said);
        root::tell(vault.keys.root, said);
    }
    if let Some(vault) = facts.vault.as_ref().filter(|vault| vault.devices > 1) {
        said.say(
            "own-devices",
            format!(
                "What you write, read and decide here, your notes too, goes to your {}, encrypted. What they keep, this node can't \
                 tell.",
                many(vault.devices - 1, "other device", "other devices")
            ),
        );
    }
    let by = if facts.exposure.has_notify_command { "A program" } else { "The desktop" };
    match facts.exposure.notify {
        Notify::Off => {}
        Notify::Sender => said.say(
            "notify-sender",
            format!(
                "{by} gets the name of who wrote, to notify of it: what is kept of it there, this node can't tell."
            ),
        ),
        Notify::Full => said.say(
            "notify-full",
            format!(
                "{by} gets the name of who wrote and the beginning of the message, in clear, to notify of it: what is kept of \
                 it there, this node can't tell."
            ),
        ),
    }
}

/// What an open vault holds, and for how long.
fn held(vault: &VaultHolds, now: UnixMillis, said: &mut Said) {
    for group in Group::ALL {
        let (code, begin, until) = tables::said_of(group, vault, now);
        let listed = tables::listed(group, &vault.records);
        if !listed.is_empty() {
            said.say(code, format!("{begin}{listed}. {until}"));
        }
    }
    match vault.timed_conversations {
        0 => said.say("no-timers", "No conversation has a timer that ends all of its messages."),
        count => said.say(
            "timers",
            format!(
                "{} a timer that ends new messages, on both sides.",
                many(count, "conversation has", "conversations have")
            ),
        ),
    }
    match vault.search {
        None => said.say("not-searched", "No texts are kept in memory for searches."),
        Some(search) => said.say(
            "searched",
            format!(
                "For searches the daemon's memory has the text of {}, {} KiB. It is wiped ten minutes after the last search, and \
                 when the vault is locked.",
                many(search.texts, "message", "messages"),
                search.bytes.div_ceil(1024)
            ),
        ),
    }
    let shred = &vault.shred;
    match (shred.waiting, shred.old_layout) {
        (_, true) => said.say(
            "shred-old",
            "What an older version deleted can still be opened by who takes the files and their key, until a shred and a \
             restart of the daemon: martletctl shred",
        ),
        (0, false) => said.say(
            "shredded",
            "What you deleted can't be opened any more from these files or later copies of them, not with the passphrase either.",
        ),
        (waiting, false) => said.say(
            "shred-waits",
            format!(
                "Some of what was deleted or changed lately can still be opened by who takes the files and their key: {waiting} \
                 of {} keys wait to be changed. That is done daily, and now by: martletctl shred",
                shred.keys
            ),
        ),
    }
}

fn peer(facts: &Facts, said: &mut Said) {
    said.say(
        "peer-address",
        format!(
            "{} now. Each knows this node's IP address and transport key, which is tied to no identity.",
            many(u64::try_from(facts.connected).unwrap_or(u64::MAX), "node is connected", "nodes are connected")
        ),
    );
    let has_user = facts.lock != LockState::NoIdentity;
    match (facts.others.shards.total, facts.others.role) {
        (0 | 1, _) => said.say(
            "no-shards",
            format!(
                "All nodes of the network {:?} get all of its envelopes: their sizes, and the hour in which they were made. \
                 From whom and to whom is not in them.",
                facts.network
            ),
        ),
        (total, Role::Mailbox) => said.say(
            "shards-all",
            format!("It says that it keeps all {total} shards."),
        ),
        (_, Role::Full | Role::Edge) => said.say(
            "shards",
            "Peers see which shards this node keeps. The user's is among them, once the vault was open. A peer that keeps \
             another shard in which you write sees that you are the author of what you bring there, and not to whom it is.",
        ),
    }
    if has_user {
        said.say(
            "sizes",
            "Of a message, or a file in one, they see one of seven sizes: 512 bytes to 32 KiB, each twice the one before. A file \
             of more than some 15 KiB has the largest, which texts hardly ever have.",
        );
        match facts.privacy {
            Privacy::Fast => said.say(
                "fast",
                "Your messages go from you to all neighbours at once, and each ack within 20 ms (privacy = \"fast\"). So a \
                 neighbour can mostly tell which messages you wrote, and when you received one; not what, nor with whom.",
            ),
            Privacy::Mixed => said.say(
                "mixed",
                "Your messages and acks leave by way of other nodes, acks seconds late (privacy = \"mixed\"). A neighbour can \
                 tell of about a quarter of what it could otherwise that it is yours; a neighbour that doesn't know this way is \
                 given them as others are.",
            ),
        }
    }
}

fn relay(facts: &Facts, said: &mut Said) {
    if facts.is_lan_only && facts.relayed == 0 {
        return said.say("no-relays", "No relays are used: the network is lan_only.");
    }
    match facts.relayed {
        0 => said.say("relays-unused", "No connection goes through a relay now."),
        count => said.say(
            "relayed",
            format!(
                "{} a relay now. It sees both addresses, how much and when, and none of what.",
                many(
                    u64::try_from(count).unwrap_or(u64::MAX),
                    "connection goes through",
                    "connections go through"
                )
            ),
        ),
    }
}

fn id_holder(facts: &Facts, said: &mut Said) {
    if facts.lock == LockState::NoIdentity {
        return;
    }
    said.say(
        "bundles",
        "Whoever has your ID can see on which days your device was on (it publishes its keys once a day), and can write to you. \
         Nothing of that is acknowledged before you accept it. martletctl id --reset gives you another ID.",
    );
    match facts.vault.as_ref().map(|vault| vault.name.as_deref()) {
        Some(Some(name)) => said.say(
            "name-offered",
            format!("Everyone you write to is offered the name {name:?} for you."),
        ),
        Some(None) => said.say("no-name", "No name is offered to those you write to."),
        None => {}
    }
    let Some(vault) = &facts.vault else { return };
    match vault.devices {
        0 => said.say("identity-ended", "Your identity has ended: everyone who knows it can see that."),
        count => said.say(
            "devices",
            match count {
                1 => "They see that you have 1 device, its id and when it was added; contacts see its name, if you gave it one."
                    .to_owned(),
                count => format!(
                    "They see that you have {count} devices, their ids and when each was added; contacts see their names, if you \
                     gave them any."
                ),
            },
        ),
    }
    if let Some(handle) = &vault.profile.handle {
        said.say(
            "handle",
            format!(
                "You claim @{handle}. Whoever tries this name finds your ID, with which they can write to you and find your devices. \
                 Nobody can list such names, but many are easily guessed. To take it back: martletctl handle release."
            ),
        );
    }
    let InvitesHold { open, ended: _, accepted } = vault.invites;
    if open > 0 {
        let key = if facts.is_closed { ", its key" } else { "" };
        said.say(
            "invites",
            format!(
                "{} good. Whoever has such a link has your ID, the network{key} and up to two addresses of this node, so can tie \
                 these together; who uses it first becomes a contact.",
                many(open, "invite of yours is", "invites of yours are")
            ),
        );
    }
    if accepted > 0 {
        said.say(
            "invites-accepted",
            format!(
                "The {} of whose inviters the device has not heard of you yet: it goes to them with what you write first.",
                many(accepted, "invite that you accepted is kept", "invites that you accepted are kept")
            ),
        );
    }
}

fn contact(facts: &Facts, said: &mut Said) {
    match facts.lock {
        LockState::NoIdentity => return,
        LockState::Locked => {
            return said.say(
                "contact-locked",
                "While the vault is locked contacts get no sign of you: what they send is kept sealed and not acknowledged.",
            );
        }
        LockState::Unlocked => {}
    }
    said.say(
        "pings",
        "A contact can ask whether your device is on: it answers by itself, unseen by you, and to nobody else.",
    );
    said.say(
        "files",
        "Of a file that you send a contact they see name, type, size and content. Photos go without what a camera wrote into \
         them, but for --original; documents go with all that is in them.",
    );
    match facts.privacy {
        Privacy::Fast => said.say(
            "delivery-fast",
            "A contact sees within fractions of a second that their message is on your device: so also when you are on.",
        ),
        Privacy::Mixed => said.say(
            "delivery-mixed",
            "A contact sees some seconds later that their message is on your device: so also when you are on.",
        ),
    }
    let Some(vault) = &facts.vault else { return };
    let differ = |count: u64, is_on: bool| match (count, is_on) {
        (0, _) => String::new(),
        (count, true) => format!(", but for {}", many(count, "contact", "contacts")),
        (count, false) => format!(", but {}", many(count, "contact is", "contacts are")),
    };
    let (receipts, typing) = (vault.manners.receipts_differ, vault.manners.typing_differ);
    match vault.manners.receipts {
        true => said.say(
            "receipts",
            format!("Contacts are told what you have read{}.", differ(receipts, true)),
        ),
        false => said.say(
            "no-receipts",
            format!("Contacts are not told what you have read{}.", differ(receipts, false)),
        ),
    }
    match vault.manners.typing {
        true => said.say(
            "typing",
            format!(
                "Contacts are told that you are writing, by clients that say so{}.",
                differ(typing, true)
            ),
        ),
        false => said.say(
            "no-typing",
            format!("Contacts are not told that you are writing{}.", differ(typing, false)),
        ),
    }
    match (vault.profile.says_something, vault.profile.shared) {
        (false, _) => said.say("no-profile", "You have no profile: contacts are told nothing of you beyond what you write."),
        (true, false) => said.say("profile-unshared", "Your profile is not shared: no contact is told its name or picture."),
        (true, true) => said.say(
            "profile-shared",
            format!(
                "Your profile is shared: contacts see its name and picture once you have a conversation; {} told so far. \
                 Who is blocked gets nothing.",
                many(vault.profile.told, "contact was", "contacts were")
            ),
        ),
    }
    said.either(
        vault.strict_devices,
        (
            "strict-devices",
            "When a contact whom you verified has another device, nothing that you write goes to them before you confirm it \
             (strict_devices).",
        ),
        (
            "no-strict-devices",
            "When a contact has another device, it gets what you write from then on. Of those whom you verified you are told \
             (strict_devices is off).",
        ),
    );
    said.say(
        "contacts-keep",
        "They can keep and show what you wrote, whatever timers it had: also after you edited it or took it back. They can prove \
         to others that you wrote it.",
    );
    match vault.blocked {
        0 => {}
        count => said.say(
            "blocked",
            format!(
                "To {} you are away; they are told nothing.",
                many(count, "blocked person", "blocked people")
            ),
        ),
    }
}

pub(super) fn many(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}

fn time(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds % 3600 == 0 => many(seconds / 3600, "hour", "hours"),
        seconds if seconds % 60 == 0 => many(seconds / 60, "minute", "minutes"),
        seconds => many(seconds, "second", "seconds"),
    }
}
