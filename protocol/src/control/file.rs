//! Files.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::message::{Delivery, Direction};
use super::room::RoomPerson;
use super::schema::{
    ConversationText, FileNameText, FileText, HexId, MessageIdStart, MessageIdText, ThumbnailText,
};
use super::timers::TimerSetting;
use crate::time::UnixMillis;

/// The file that a message is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MessageFile {
    /// Its name: never a path, and harmless in any folder.
    #[schema(max_length = 255)]
    pub name: String,
    /// What it is, as its sender says: nobody has looked.
    #[schema(max_length = 100)]
    pub media_type: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Where it is.
    #[serde(default)]
    pub state: FileState,
    /// How much of it is here, bytes of what is sent over the network, which is some more; while it is fetched, or waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetched_bytes: Option<u64>,
    /// Why it is not here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FileFailure>,
    /// Of a file that the user sent, and that was too large for its message: the other side has all of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub received: bool,
    /// Of a file that the user sent, and that goes through mailboxes: how much of it the device has that has most, bytes of what is
    /// sent over the network. It stays for as long as the mailboxes keep the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_bytes: Option<u64>,
    /// Of a voice memo: how long it lasts, milliseconds. Of one of more than 24 KiB it is what its sender says, and no more than so many bytes
    /// can hold; else the node looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voice_ms: Option<u32>,
    /// Bytes of a small picture of it that its sender made, if there is one: `GET /v1/files/{id}/thumbnail` has it, also before the file
    /// is here. Nobody has looked whether it shows what the file is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thumbnail_bytes: Option<u64>,
    /// Of a file that the user sent, and that is too large for mailboxes: how many depots keep it for who is away. Absent where none is to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depots: Option<u32>,
    /// Why no depot keeps it: what the last one said that was asked since the vault was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depot_refusal: Option<DepotRefusal>,
}

/// Why a depot does not keep a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DepotRefusal {
    /// It would be more than what one node may bring there.
    Share,
    /// All that it keeps for others is taken.
    Full,
    /// Its disk has too little free space.
    DiskLow,
    /// It did not say, or said something that should not be.
    Other,
}

/// Where a file is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileState {
    /// Here, all of it.
    #[default]
    Complete,
    /// With its sender: it is fetched once the user accepts it.
    Offered,
    /// On its way here.
    Fetching,
    /// It is to be fetched as soon as someone who has it is on.
    Waiting,
    /// It could not be fetched or kept. It can be accepted again.
    Failed,
    /// The user does not want it.
    Refused,
    /// The user's own, and not here any more: nobody can fetch it from here.
    Gone,
}

/// Why a file is not here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileFailure {
    /// It is not what its message says: whoever sent it is broken, or means harm.
    Corrupt,
    /// The disk has too little free space.
    DiskLow,
    /// The disk failed.
    Disk,
    /// It was here, and the disk lost or damaged it.
    Lost,
}

/// Query of `POST /v1/files`. What the file is, the body's `content-type` says.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FileSend {
    /// A contact's name; or a room's name, its id, or an id that begins so.
    #[param(inline, value_type = ConversationText)]
    pub to: String,
    /// The file's name, whatever it is, at most 4,096 bytes of UTF-8: it is made harmless, and cut to 255 bytes.
    #[param(inline, value_type = FileNameText)]
    pub name: String,
    /// What you say about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline, value_type = Option<FileText>)]
    pub text: Option<String>,
    /// How long it lives from when it is sent; as the conversation has it if absent.
    #[serde(default, deserialize_with = "timer", skip_serializing_if = "Option::is_none")]
    #[param(inline, value_type = Option<TimerSetting>)]
    pub expire_seconds: Option<TimerSetting>,
    /// How long it lives from when it is read; as the conversation has it if absent.
    #[serde(default, deserialize_with = "timer", skip_serializing_if = "Option::is_none")]
    #[param(inline, value_type = Option<TimerSetting>)]
    pub burn_seconds: Option<TimerSetting>,
    /// The message of the same conversation that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline, value_type = Option<MessageIdStart>)]
    pub reply_to: Option<String>,
    /// It is a voice memo: one stream of Opus in Ogg. Anything else is refused. Its type is `audio/ogg` then, whatever is said, and its name
    /// ends in `.ogg` if it did not in that, `.oga` or `.opus`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub voice: bool,
    /// How it looks, small: a JPEG or WebP of at most 8 KiB, hexadecimal. It goes in the message, which gets larger by it. Of a file of up to
    /// 24 KiB it is left out: that is in its message itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(inline, value_type = Option<ThumbnailText>)]
    pub thumbnail: Option<String>,
}

/// Query of `GET /v1/files`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FilesQuery {
    /// Only in the conversation that is called so.
    #[serde(default, rename = "in", skip_serializing_if = "Option::is_none")]
    #[param(inline, value_type = Option<ConversationText>)]
    pub within: Option<String>,
    /// Most files to return: 1 to 1000, 50 if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// Files of conversations, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileList {
    /// The files.
    pub files: Vec<FileEntry>,
    /// Whether there may be more: older ones, or among messages that were not looked at.
    pub more: bool,
}

/// A file of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileEntry {
    /// The id of its message, which is its own.
    #[schema(value_type = MessageIdText)]
    pub id: String,
    /// The contact's name, or the room's.
    #[schema(value_type = ConversationText)]
    pub conversation: String,
    /// In a room: its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<HexId>)]
    pub room: Option<String>,
    /// In a room: who sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<Box<RoomPerson>>,
    /// Who sent it.
    pub direction: Direction,
    /// When it was sent, by the sender's clock.
    pub sent_at: UnixMillis,
    /// How far its message got.
    pub state: Delivery,
    /// The file.
    pub file: MessageFile,
}

/// A timer in a query: there all is text.
fn timer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TimerSetting>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let setting = match text.as_str() {
        "off" => Some(TimerSetting::OFF),
        seconds => seconds.parse().ok().map(TimerSetting::Seconds),
    };
    setting.map(Some).ok_or_else(|| {
        serde::de::Error::custom("a timer is whole seconds, 1 to 518400 (six days), or `off`")
    })
}

/// Hand-written: names of files, and what is said about them, are never logged.
impl std::fmt::Debug for FileSend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FileSend(…)")
    }
}
