//! A file: in its message, or a blob that its message tells of. And the word that a blob has come whole.

use martlet_protocol::control::{FileState, MessageFile};
use martlet_protocol::file::{Thumbnail, voice};
pub(crate) use martlet_protocol::message::file::KIND;
use martlet_protocol::message::{
    self, BlobContent, File, FileContent, FileHolders, FileReceived, Message, file_holders,
    file_received,
};
use martlet_store::records::Body;

/// A file as it is kept, and as it is sent.
pub(crate) fn body(file: &File) -> Body {
    Body::Raw { kind: KIND, bytes: file.encode() }
}

/// That a file has come, as it is kept until it is told.
pub(crate) fn received(received: FileReceived) -> Body {
    Body::Raw { kind: file_received::KIND, bytes: received.encode() }
}

/// Who has a file too, as it is kept until it is told.
pub(crate) fn holders(told: &FileHolders) -> Body {
    Body::Raw { kind: file_holders::KIND, bytes: told.encode() }
}

/// The blob that a message tells of and that goes in parts, as the message came or as it is sent (there what is kept is not read).
pub(crate) fn in_parts(message: &Message) -> Option<BlobContent> {
    let read = match &message.content {
        message::Content::Unknown { kind: KIND, bytes } => Some(File::decode(&bytes.0).ok()?),
        _ => None,
    };
    let file = match &message.content {
        message::Content::File(file) => file,
        _ => read.as_ref()?,
    };
    match &file.content {
        FileContent::Blob(blob) if blob.has_parts => Some(BlobContent::clone(blob)),
        FileContent::Blob(_) | FileContent::Here(_) => None,
    }
}

/// In the words of the control API, as if it were here.
pub(crate) fn told(file: &File) -> MessageFile {
    MessageFile {
        name: file.name.as_str().to_owned(),
        media_type: file.media_type.clone(),
        bytes: file.size(),
        state: FileState::Complete,
        fetched_bytes: None,
        failure: None,
        received: false,
        taken_bytes: None,
        depots: None,
        depot_refusal: None,
        voice_ms: voice_ms(file),
        thumbnail_bytes: thumbnail(file).map(|it| it.as_slice().len() as u64),
    }
}

/// How it looks, if its sender says so.
pub(crate) fn thumbnail(file: &File) -> Option<&Thumbnail> {
    match &file.content {
        FileContent::Blob(blob) => blob.thumbnail.as_ref(),
        FileContent::Here(_) => None,
    }
}

/// How long a voice memo lasts; `None` if it is none. What is here is looked at; of anything else its sender is believed as far as so many
/// bytes can hold that.
fn voice_ms(file: &File) -> Option<u32> {
    let claimed = file.duration_ms.filter(|ms| *ms > 0)?;
    // A program opens it by its name: what is called otherwise is shown by that.
    if file.media_type != voice::MEDIA_TYPE || !voice::is_named(&file.name) {
        return None;
    }
    match &file.content {
        FileContent::Here(bytes) => voice::duration_ms(bytes.as_slice()).ok(),
        FileContent::Blob(blob) => {
            (u64::from(claimed) <= voice::longest_ms(blob.size)).then_some(claimed)
        }
    }
}

/// In words, with what its sender says about it; and where it is, if that is known.
pub(crate) fn shown(file: &File, told: Option<&MessageFile>) -> String {
    let what = match told.map_or_else(|| voice_ms(file), |told| told.voice_ms) {
        Some(ms) => format!("voice memo, {}", voice::in_words(ms)),
        None => format!("file \"{}\", {}", file.name.as_str(), in_words(file.size())),
    };
    let missing = match told.map(|told| told.state) {
        None | Some(FileState::Complete) => "",
        Some(FileState::Offered) => ", not fetched",
        Some(FileState::Fetching) => ", on its way",
        Some(FileState::Waiting) => ", waiting for its sender",
        Some(FileState::Failed) => ", not received",
        Some(FileState::Refused) => ", refused",
        Some(FileState::Gone) => ", gone from here",
    };
    let shown = format!("[{what}{missing}]");
    if file.text.is_empty() { shown } else { format!("{shown} {}", file.text) }
}

/// In words, where its bytes are on another device of the user's alone.
pub(crate) fn shown_elsewhere(file: &File) -> String {
    let (name, size) = (file.name.as_str(), in_words(file.size()));
    let shown = format!("[file \"{name}\", {size}, on your other device]");
    if file.text.is_empty() { shown } else { format!("{shown} {}", file.text) }
}

/// What searches look through.
pub(super) fn searched(file: &File) -> String {
    format!("{} {}", file.name.as_str(), file.text)
}

/// `3.2 KiB`.
fn in_words(bytes: u64) -> String {
    let (unit, name) = match bytes {
        0..1024 => return format!("{bytes} B"),
        1024..0x10_0000 => (1024, "KiB"),
        0x10_0000..0x4000_0000 => (0x10_0000, "MiB"),
        _ => (0x4000_0000, "GiB"),
    };
    let tenths = bytes.saturating_mul(10) / unit;
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} {name}"),
        (whole, tenth) => format!("{whole}.{tenth} {name}"),
    }
}

#[cfg(test)]
mod tests {
    use martlet_protocol::BlobId;
    use martlet_protocol::file::{FileKey, FileName};
    use martlet_protocol::message::FileBytes;

    use super::*;

    #[test]
    fn a_file_is_shown_in_words() {
        let here = FileBytes::new(vec![0; 3280]).map(FileContent::Here).expect("a small one");
        let mut file = File {
            name: FileName::harmless("minutes.pdf"),
            media_type: "application/pdf".into(),
            content: here,
            duration_ms: None,
            text: String::new(),
        };
        assert_eq!(shown(&file, None), "[file \"minutes.pdf\", 3.2 KiB]");
        file.text = "of Monday".into();
        assert_eq!(shown(&file, None), "[file \"minutes.pdf\", 3.2 KiB] of Monday");
        file.content = FileContent::Blob(Box::new(BlobContent {
            size: 3 << 20,
            key: FileKey::from_bytes([0; 32]),
            blob: BlobId([0; 32]),
            has_parts: false,
            thumbnail: None,
            holders: Vec::new(),
        }));
        let offered = MessageFile { state: FileState::Offered, ..told(&file) };
        let words = "[file \"minutes.pdf\", 3 MiB, not fetched] of Monday";
        assert_eq!(shown(&file, Some(&offered)), words);
        assert_eq!([0, 1023, 1024, 5 << 30].map(in_words), ["0 B", "1023 B", "1 KiB", "5 GiB"]);
    }

    #[test]
    fn what_its_sender_says_of_a_voice_memo_is_believed_as_far_as_it_can_be() {
        let memo = |name: &str, media_type: &str, bytes, ms| File {
            name: FileName::harmless(name),
            media_type: media_type.into(),
            content: FileContent::Blob(Box::new(BlobContent {
                size: bytes,
                key: FileKey::from_bytes([0; 32]),
                blob: BlobId([0; 32]),
                has_parts: true,
                thumbnail: None,
                holders: Vec::new(),
            })),
            duration_ms: Some(ms),
            text: "on Monday".into(),
        };
        let said = memo("memo.ogg", voice::MEDIA_TYPE, 84_000, 42_300);
        assert_eq!(shown(&said, None), "[voice memo, 0:42] on Monday");
        let offered = MessageFile { state: FileState::Offered, ..told(&said) };
        assert_eq!(offered.voice_ms, Some(42_300));
        assert_eq!(shown(&said, Some(&offered)), "[voice memo, 0:42, not fetched] on Monday");
        let most = u32::try_from(voice::longest_ms(30_000)).expect("some minutes");
        let fits = memo("MEMO.Opus", voice::MEDIA_TYPE, 30_000, most);
        assert_eq!(shown(&fits, None), "[voice memo, 30:00] on Monday");
        for no_memo in [
            memo("memo.ogg", voice::MEDIA_TYPE, 30_000, most + 1),
            memo("memo.ogg", voice::MEDIA_TYPE, 30_000, 0),
            memo("memo.ogg.desktop", voice::MEDIA_TYPE, 30_000, 42_300),
            memo("memo.ogg", "text/html", 30_000, 42_300),
        ] {
            let words = format!("[file \"{}\", 29.2 KiB] on Monday", no_memo.name.as_str());
            assert_eq!(shown(&no_memo, None), words);
        }
        // What is in its message is looked at.
        let bytes = FileBytes::new(b"OggS, and no sound".to_vec()).map(FileContent::Here);
        let false_one = File { content: bytes.expect("a small one"), ..said };
        assert_eq!(shown(&false_one, None), "[file \"memo.ogg\", 18 B] on Monday");
    }
}
