//! What is in each table of the vault, in words. A test asks for each table that there is.

use std::collections::BTreeMap;

use martlet_protocol::UnixMillis;
use martlet_protocol::control::VaultHolds;
use martlet_store::records::TABLES;

use super::words::many;

/// What tables are about, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Keys,
    Yours,
    People,
    Requests,
    Conversations,
    Way,
    Log,
}

impl Group {
    pub(super) const ALL: [Self; 7] = [
        Self::Keys,
        Self::Yours,
        Self::People,
        Self::Requests,
        Self::Conversations,
        Self::Way,
        Self::Log,
    ];
}

/// What a table is about, and what one record of it is, and several are; `None` of a table that nobody has described.
pub(super) fn described(table: &str) -> Option<(Group, &'static str, &'static str)> {
    Some(match table {
        "profile" => (Group::Keys, "identity with this device's keys", "identities with keys"),
        "prekeys" => (Group::Keys, "prekey", "prekeys"),
        "olm_peers" => (
            Group::Keys,
            "device with which keys are exchanged",
            "devices with which keys are exchanged",
        ),
        "outbound_sessions" => (Group::Keys, "session of yours", "sessions of yours"),
        "sessions_of_others" => (Group::Keys, "session of others", "sessions of others"),
        "identity_states" => {
            (Group::Keys, "person's devices, you included", "people's devices, you included")
        }
        "published" => (Group::Keys, "published bundle of keys", "published bundles of keys"),

        "siblings" => {
            (Group::Keys, "record of your other devices", "records of your other devices")
        }

        "shared_settings" => (
            Group::Yours,
            "setting that your devices have in common",
            "settings that your devices have in common",
        ),
        "settings" => (Group::Yours, "record of settings", "records of settings"),
        "own_profile" => (Group::Yours, "profile", "profiles"),
        "counters" => (Group::Yours, "record of counters", "records of counters"),

        "contacts" => (Group::People, "contact", "contacts"),
        "contact_notes" => (Group::People, "note about contacts", "notes about contacts"),
        "contact_profiles" => {
            (Group::People, "profile that a contact shared", "profiles that contacts shared")
        }
        "contact_pictures" => (Group::People, "picture of a contact", "pictures of contacts"),
        "profile_told" => (
            Group::People,
            "contact who was told your profile",
            "contacts who were told your profile",
        ),
        "blocked" => (
            Group::People,
            "person who is blocked, or was of late",
            "people who are blocked, or were of late",
        ),
        "dropped" => {
            (Group::People, "person whose request you dropped", "people whose requests you dropped")
        }
        "handle" => (Group::People, "handle that you claim", "handles that you claim"),
        "invites" => (Group::People, "invite that you made", "invites that you made"),

        "rooms" => (Group::People, "room", "rooms"),
        "forgotten_rooms" => (
            Group::People,
            "room that you forgot, of which its id is kept",
            "rooms that you forgot, of which their ids are kept",
        ),
        "room_ops" => (Group::People, "operation on a room", "operations on rooms"),
        "room_people" => (
            Group::People,
            "person whom you know from a room alone",
            "people whom you know from rooms alone",
        ),

        "requests" => (Group::Requests, "person", "people"),
        "request_messages" => {
            (Group::Requests, "message of theirs, opened", "messages of theirs, opened")
        }
        "request_acks" => (
            Group::Requests,
            "receipt that waits for your word",
            "receipts that wait for your word",
        ),

        "conversations" => (Group::Conversations, "conversation", "conversations"),
        "messages" => (
            Group::Conversations,
            "message (your notes among them)",
            "messages (your notes among them)",
        ),
        "message_index" => (Group::Conversations, "message's id", "messages' ids"),
        "marks" => (
            Group::Conversations,
            "message with reactions, or with what it said before it was edited",
            "messages with reactions, or with what they said before they were edited",
        ),
        "files" => (
            Group::Conversations,
            "file of more than 24 KiB that is here, or is to be; it is sealed, in a directory of its own",
            "files of more than 24 KiB that are here, or are to be; they are sealed, in a directory of their own",
        ),
        "releases" => (
            Group::Way,
            "file of yours that depots are to let go",
            "files of yours that depots are to let go",
        ),
        "parts_in" => (
            Group::Conversations,
            "file of others that came, or comes, through mailboxes: what of it is here, and its receipts",
            "files of others that came, or come, through mailboxes: what of them is here, and their receipts",
        ),
        "parts_out" => (
            Group::Way,
            "file of yours that goes through mailboxes: what of it is on its way, and who has what",
            "files of yours that go through mailboxes: what of them is on its way, and who has what",
        ),
        "deeds" => (
            Group::Conversations,
            "edit, reaction or receipt of yours on its way",
            "edits, reactions and receipts of yours on their way",
        ),
        "early" => (
            Group::Conversations,
            "conversation where an edit or a reaction came before its message",
            "conversations where edits or reactions came before their messages",
        ),
        "link_offer" => (
            Group::People,
            "code by which a further device may be linked",
            "codes by which a further device may be linked",
        ),
        "early_copies" => (
            Group::Conversations,
            "message of another device of yours that waits for its contact",
            "messages of other devices of yours that wait for their contacts",
        ),
        "history_given" => (
            Group::Way,
            "device of yours that is given messages of before",
            "devices of yours that are given messages of before",
        ),
        "history_taken" => (
            Group::Way,
            "record of messages of before that this device takes",
            "records of messages of before that this device takes",
        ),
        "history_lines" => (
            Group::Way,
            "conversation of which messages of before are taken",
            "conversations of which messages of before are taken",
        ),
        "history_pages" => (
            Group::Conversations,
            "page of messages of before that came before an earlier one",
            "pages of messages of before that came before earlier ones",
        ),
        "drafts" => (Group::Conversations, "draft", "drafts"),
        "held" => (
            Group::Conversations,
            "message that waits for earlier ones",
            "messages that wait for earlier ones",
        ),
        "unknown" => (
            Group::Conversations,
            "message of a kind unknown to this version",
            "messages of kinds unknown to this version",
        ),
        "removals" => (Group::Conversations, "removal under way", "removals under way"),
        "ends" => (Group::Conversations, "end to come", "ends to come"),
        "unburnt" => (
            Group::Conversations,
            "unread message that burns once it is read",
            "unread messages that burn once they are read",
        ),

        "outbox" => (Group::Way, "sealed envelope", "sealed envelopes"),
        "waiting" => (
            Group::Way,
            "message that waits for a contact's keys",
            "messages that wait for contacts' keys",
        ),
        "untold_progress" => (
            Group::Way,
            "message of whose progress your other devices are to be told",
            "messages of whose progress your other devices are to be told",
        ),
        "recent_acks" => (Group::Way, "commit with receipts", "commits with receipts"),
        "late_acks" => {
            (Group::Way, "receipt that waits for its time", "receipts that wait for their time")
        }

        "events" => (Group::Log, "event", "events"),
        _ => return None,
    })
}

/// What the tables of a group hold, in words; empty if they hold nothing.
pub(super) fn listed(group: Group, records: &BTreeMap<String, u64>) -> String {
    let held = TABLES.iter().filter_map(|table| {
        let (about, one, more) = described(table)?;
        let count = records.get(*table).copied().filter(|count| *count > 0)?;
        (about == group).then(|| many(count, one, more))
    });
    held.collect::<Vec<_>>().join("; ")
}

/// The code of what is said of a group of tables, how it begins, and how it ends: for how long that is held.
pub(super) fn said_of(
    group: Group,
    vault: &VaultHolds,
    now: UnixMillis,
) -> (&'static str, String, String) {
    let begin = |text: &str| text.to_owned();
    match group {
        Group::Keys => {
            let days =
                vault.keys.oldest_prekey.map_or(0, |made| now.since(made).as_secs() / 86_400);
            let reach = format!(
                "Whoever takes these keys, and has recorded envelopes, can open those that were sealed to this device in the last {}. \
                 A prekey goes 8 days after the next was made, a session when nothing can come in it any more.",
                many(days + 1, "day", "days")
            );
            ("keys", begin("Your keys, encrypted: "), reach)
        }
        Group::Yours => (
            "settings",
            begin("Your settings, and how far this node has got, encrypted: "),
            begin("They stay until you change them."),
        ),
        Group::People => (
            "people",
            begin("Whom you know, encrypted: "),
            format!(
                "You verified {}. All of it stays until you remove it, but for invites: those go 30 days after they ended.",
                many(vault.verified, "contact", "contacts")
            ),
        ),
        Group::Requests => (
            "requests",
            begin("Of people who wrote without being contacts: "),
            begin("That stays until you decide, for 30 days at most, and they are told nothing."),
        ),
        Group::Conversations => (
            "conversations",
            begin("What was said, encrypted: "),
            begin(
                "Messages stay until you delete them or their timers end them, and so does all that is about them. The id of one \
                 that is gone stays known for two weeks, so that no copy of it is taken for new.",
            ),
        ),
        Group::Way => (
            "outbox",
            begin("On its way from you: "),
            begin("It goes once its delivery is proved, and after six days at most."),
        ),
        Group::Log => (
            "log",
            begin("What happened to what, without texts and names: "),
            begin("The newest 100,000 stay."),
        ),
    }
}
