//! The account: what the vault holds of its user, to be taken along; and its end on this node.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::Ref;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::blocked::Blocked;
use super::contact::{Contact, MessageRequest};
use super::conversation::{ConversationSettings, Draft, Settings};
use super::message::Message;
use super::profile::OwnProfile;
use super::room::{Room, RoomOperation};
use super::schema::{
    ContactText, ConversationText, HandleText, HexId, IdText, MessageIdText, PassphraseText,
    ShownName, ShownText,
};
use super::timers::ConversationTimers;
use crate::time::UnixMillis;

/// The version of the format of exports: it grows when a reader of the one before would read something wrong. What is only
/// added doesn't change it.
pub const EXPORT_FORMAT: u32 = 1;

/// What [`EraseRequest`] must say.
pub const ERASE_CONFIRMATION: &str = "erase this account";

/// `POST /v1/account/erase`: ends the user of this node. It can't be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EraseRequest {
    /// The words that confirm it: they are in the documentation, so that no program says them by accident.
    #[schema(pattern = "^erase this account$", max_length = 18)]
    pub confirm: String,
}

/// The account is not on this node any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Erased {
    /// Files in the data directory that look like copies of the vault's, which somebody made: they stay.
    pub copies: Vec<String>,
}

/// `POST /v1/account/phrase`: shows what `init` showed once more.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PhraseRequest {
    /// The vault's passphrase, also where the vault is open; `null` if it has none.
    #[serde(default)]
    #[schema(value_type = Option<PassphraseText>)]
    pub passphrase: Option<String>,
}

/// `POST /v1/account/lock-root`: the root leaves the vault for good.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LockRootRequest {
    /// The last four words of the recovery phrase: who does not have it would lock themselves out.
    #[schema(max_length = 1024)]
    pub last_words: String,
}

/// One line of `GET /v1/account/export`. The first is `export`, the last is `end`: an export without it is not whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ExportLine {
    /// What this is.
    Export {
        /// The version of the format, 1.
        format: u32,
        /// When the export began.
        at: UnixMillis,
        /// Which program wrote it.
        program: String,
    },
    /// The user.
    Account {
        /// Their ID.
        #[schema(value_type = IdText)]
        id: String,
        /// The name given at `init`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<ShownName>)]
        name: Option<String>,
        /// How they want all conversations to be.
        settings: Settings,
        /// How they want contacts to see them.
        profile: OwnProfile,
        /// The handle that they claim, in this network or in the one where they claimed it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<HandleText>)]
        handle: Option<String>,
        /// Since when.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        handle_claimed_at: Option<UnixMillis>,
    },
    /// A picture of a profile.
    Picture {
        /// The contact's name; absent for the user's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<ContactText>)]
        contact: Option<String>,
        /// The JPEG, as it came, hexadecimal.
        #[schema(max_length = 49152)]
        jpeg: String,
    },
    /// The small picture that its sender made of a file which is not in its message.
    Thumbnail {
        /// The message's id, hexadecimal.
        #[schema(value_type = MessageIdText)]
        message: String,
        /// What the file is called.
        #[schema(max_length = 255)]
        name: String,
        /// The JPEG or WebP, as it came, hexadecimal.
        #[schema(max_length = 16384)]
        bytes: String,
    },
    /// Someone who is blocked.
    Blocked {
        /// Who.
        person: Blocked,
    },
    /// Someone unknown who has written. What they wrote follows.
    Request {
        /// Who, since when, and how the first message begins.
        request: MessageRequest,
    },
    /// What an unknown person wrote.
    RequestMessage {
        /// Their ID.
        #[schema(value_type = IdText)]
        from: String,
        /// The message's id, hexadecimal.
        #[schema(value_type = MessageIdText)]
        id: String,
        /// When it was written, by the writer's clock.
        sent_at: UnixMillis,
        /// When it was committed here.
        stored_at: UnixMillis,
        /// Its text.
        #[schema(value_type = ShownText)]
        text: String,
    },
    /// A contact. The conversation with them follows.
    Contact {
        /// Who, with the user's note about them.
        contact: Contact,
        /// How the user wants the conversation to be.
        settings: ConversationSettings,
        /// How long its messages live where nothing else is said.
        timers: ConversationTimers,
        /// What the user began to write.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        draft: Option<Draft>,
    },
    /// A room that the user is in, or was. What was done to it follows, and then the conversation in it.
    Room {
        /// Which, and who is in it.
        room: Box<Room>,
        /// How the user wants the conversation to be.
        settings: ConversationSettings,
        /// What the user began to write.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        draft: Option<Draft>,
    },
    /// Something that someone did to a room, oldest first.
    RoomOperation {
        /// The room's id, hexadecimal.
        #[schema(value_type = HexId)]
        room: String,
        /// What.
        operation: Box<RoomOperation>,
    },
    /// A message, in the order of its conversation, with what it said before it was edited. Notes have the user's own ID
    /// for their conversation, and come last.
    Message {
        /// The message.
        message: Message,
    },
    /// The file that the message before it is.
    File {
        /// The message's id, hexadecimal.
        #[schema(value_type = MessageIdText)]
        message: String,
        /// Its name.
        #[schema(max_length = 255)]
        name: String,
        /// All of it, hexadecimal.
        bytes: String,
    },
    /// Messages that never came, though the one that follows did.
    Lost {
        /// The contact's name.
        #[schema(value_type = ConversationText)]
        conversation: String,
        /// The id of the message that was shown without them.
        #[schema(value_type = MessageIdText)]
        before: String,
        /// How many.
        count: u64,
    },
    /// The last line.
    End {
        /// Lines before this one.
        lines: u64,
        /// Messages among them, without those of unknown people.
        messages: u64,
        /// Messages that are damaged in the vault, and are not in it.
        unreadable: u64,
    },
}

/// The JSON Schema (2020-12) of [`ExportLine`]: the description of the API has the same.
#[derive(Serialize)]
pub struct ExportSchema {
    #[serde(rename = "$schema")]
    dialect: &'static str,
    title: &'static str,
    #[serde(flatten)]
    line: Ref,
    components: Components,
}

#[derive(Serialize)]
struct Components {
    schemas: BTreeMap<String, RefOr<Schema>>,
}

impl ExportSchema {
    /// Of this build.
    #[must_use]
    pub fn of_this_build() -> Self {
        let mut used = vec![(ExportLine::name().into_owned(), ExportLine::schema())];
        ExportLine::schemas(&mut used);
        Self {
            dialect: "https://json-schema.org/draft/2020-12/schema",
            title: "A line of an export of a Martlet account",
            line: Ref::from_schema_name(ExportLine::name()),
            components: Components { schemas: used.into_iter().collect() },
        }
    }
}

/// Hand-written: the passphrase is secret.
impl std::fmt::Debug for PhraseRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PhraseRequest(…)")
    }
}

/// Hand-written: the words are secret.
impl std::fmt::Debug for LockRootRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LockRootRequest(…)")
    }
}
