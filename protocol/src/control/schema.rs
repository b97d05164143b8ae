//! What the texts of requests and answers look like, for the description of the API: each has its bounds from where the code has
//! them.
//!
//! A schema counts characters, the code bytes: what is longer in characters than the bound is longer in bytes, too.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::handle::{HANDLE_CHARS_MAX, HANDLE_CHARS_MIN};
use crate::ids::{ID_CHARS, OLD_ID_CHARS};
use crate::limits::{
    DIAL_ADDRESS_BYTES_MAX, FILE_BYTES_MAX, FILE_NAME_GIVEN_BYTES_MAX, FILE_TEXT_BYTES_MAX,
    NAME_BYTES_MAX, PASSPHRASE_BYTES_MAX, SEARCH_BYTES_MAX, TEXT_BYTES_MAX, THUMBNAIL_BYTES_MAX,
};
use crate::message::profile::PICTURE_BYTES_MAX;
use crate::message::reaction::EMOJI_BYTES_MAX;

/// Declares a text, which is no type of the code: its name, least and most characters, pattern and description.
macro_rules! text {
    ($name:ident, $length:expr, $pattern:expr, $description:expr) => {
        declare!($name, $description, {
            let (min, max): (usize, usize) = $length;
            let pattern: Option<&str> = $pattern;
            ObjectBuilder::new()
                .schema_type(Type::String)
                .min_length(Some(min))
                .max_length(Some(max))
                .pattern(pattern)
        });
    };
}

/// Declares bytes that are a whole body: their name, the most of them, and their description. (`Vec<u8>` would be described as a list of
/// numbers in JSON.)
macro_rules! bytes {
    ($name:ident, $max:expr, $description:expr) => {
        declare!($name, $description, {
            ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
                .max_length(Some(usize::try_from($max).unwrap_or(usize::MAX)))
        });
    };
}

macro_rules! declare {
    ($name:ident, $description:expr, $schema:expr) => {
        #[doc = $description]
        #[derive(Debug)]
        pub struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema.description(Some($description)).into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed(stringify!($name))
            }
        }
    };
}

/// Neither control characters nor a slash, and something but white space, `.` and `..`.
const NAME: &str = r"^(?!\s*\.{0,2}\s*$)[^/\u0000-\u001f\u007f-\u009f]+$";
/// No control characters.
const PASSPHRASE: &str = r"^[^\u0000-\u001f\u007f-\u009f]+$";
/// Of an identity with a secret beside it and without, in small letters or in capitals (BIP 350).
const ID: &str = r"^(martlet1([02-9ac-hj-np-z]{58}|[02-9ac-hj-np-z]{82})|MARTLET1([02-9AC-HJ-NP-Z]{58}|[02-9AC-HJ-NP-Z]{82}))$";
const EMOJI: &str = r"^(?!\s*$)[^\u0000-\u001f\u007f-\u009f\u2028\u2029]+$";
/// Digits of an id of 32 bytes; no name of a device is longer.
const HEX_CHARS: usize = 64;
const MESSAGE_ID: &str = r"^[0-9a-fA-F]{32}$";
/// The last of a peer id's letters and digits, or all, with or without the ellipsis of tables.
const PEER_ID: &str = r"^…*[0-9A-Za-z]{6,}$";

text!(
    NameText,
    (1, NAME_BYTES_MAX),
    Some(NAME),
    "A name: at most 64 bytes of UTF-8, no slash, no control characters, not `.` or `..`, and something to be seen. White space around it is left out."
);
text!(
    IdText,
    (OLD_ID_CHARS, ID_CHARS),
    Some(ID),
    "A Martlet ID: bech32m, with the prefix `martlet`, of 32 bytes or 47; its checksum must be right."
);
text!(PersonText, (1, ID_CHARS), None, "A contact's name, or an ID.");
text!(ContactText, (1, NAME_BYTES_MAX), None, "A contact's name.");
text!(
    RoomText,
    (1, NAME_BYTES_MAX + HEX_CHARS + " ()".len()),
    None,
    "A room's name, its id, or the beginning of it; or its name, and behind it in brackets the beginning of its id."
);
text!(
    ConversationText,
    (1, NAME_BYTES_MAX + HEX_CHARS + " ()".len()),
    None,
    "A contact's name; or a room's name, its id, or an id that begins so."
);
text!(DeviceText, (1, HEX_CHARS), None, "A device's id, the beginning of it, or its name.");
text!(
    OperationIdStart,
    (6, HEX_CHARS),
    None,
    "The id of an operation of a room, hexadecimal, or its beginning."
);
text!(
    HandleText,
    (HANDLE_CHARS_MIN, HANDLE_CHARS_MAX + "@".len()),
    None,
    "A handle: 2 to 32 letters and digits of any script, perhaps with an @ before it."
);
text!(
    FileNameText,
    (0, FILE_NAME_GIVEN_BYTES_MAX),
    None,
    "A file's name, whatever it is: at most 4,096 bytes of UTF-8."
);
text!(
    AddressText,
    (1, DIAL_ADDRESS_BYTES_MAX),
    None,
    "A multiaddress, or a host and perhaps a port: at most 512 bytes."
);
text!(MessageText, (1, TEXT_BYTES_MAX), None, "A text: at most 16,384 bytes of UTF-8.");
text!(
    FileText,
    (0, FILE_TEXT_BYTES_MAX),
    None,
    "A text beside a file: at most 2,048 bytes of UTF-8."
);
text!(
    ThumbnailText,
    (6, 2 * THUMBNAIL_BYTES_MAX),
    Some(r"^([0-9a-fA-F]{2})+$"),
    "A JPEG or WebP of at most 8 KiB, hexadecimal."
);
text!(
    PassphraseText,
    (1, PASSPHRASE_BYTES_MAX),
    None,
    "A passphrase: at most 1,024 bytes of UTF-8."
);
text!(
    NewPassphraseText,
    (1, PASSPHRASE_BYTES_MAX),
    Some(PASSPHRASE),
    "A new passphrase: at most 1,024 bytes of UTF-8, no control or invisible characters. The form of RFC 8265 (OpaqueString) is taken."
);
text!(
    SearchText,
    (1, SEARCH_BYTES_MAX),
    Some(r"\S"),
    "What to look for: at most 1,024 bytes of UTF-8, at most 32 words."
);
text!(MessageIdText, (32, 32), Some(MESSAGE_ID), "A message's id: 16 bytes, hexadecimal.");
text!(
    MessageIdStart,
    (6, 32),
    Some(r"^[0-9a-fA-F]{6,32}$"),
    "A message's id, hexadecimal, or its beginning, six digits or more, where no other of the newest messages begins so, or if it is none of these, no other at all."
);
text!(
    EmojiText,
    (1, EMOJI_BYTES_MAX),
    Some(EMOJI),
    "An emoji, or another short text: at most 64 bytes of UTF-8, no control characters, and something to be seen."
);
text!(
    DirectoryText,
    (1, 4095),
    Some(r"^/[^\u0000]*$"),
    "An absolute path, on the daemon's machine: at most 4,095 bytes, as Linux has it (PATH_MAX)."
);
text!(
    PeerIdText,
    (6, 64),
    Some(PEER_ID),
    "A peer id, or the end of one that is known: its last six characters or more."
);
text!(HexId, (HEX_CHARS, HEX_CHARS), Some(r"^[0-9a-f]{64}$"), "An id of 32 bytes, hexadecimal.");
text!(
    ShownName,
    (0, NAME_BYTES_MAX),
    None,
    "A name as someone gave it: at most 64 bytes of UTF-8."
);
text!(
    ShownText,
    (0, TEXT_BYTES_MAX),
    None,
    "What a message says, perhaps in the words of this program: at most 16,384 bytes of UTF-8. Of one that was taken back nothing."
);
text!(ExcerptText, (0, 80), None, "The beginning of a text: at most 80 characters.");
bytes!(FileOctets, FILE_BYTES_MAX, "A file, at most 5 GiB.");
bytes!(ThumbnailOctets, THUMBNAIL_BYTES_MAX, "A JPEG or WebP of at most 8 KiB.");
bytes!(PictureOctets, PICTURE_BYTES_MAX, "A picture, a JPEG of at most 24 KiB.");
