//! Whether a voice memo is what its sender says: looked at while it is saved. Nobody did before, if it was too large for its message.

use martlet_protocol::control::MessageFile;
use martlet_protocol::file::voice::{VoiceError, VoiceReader, in_words};

/// A voice memo that is being saved.
pub(super) struct Heard {
    said_ms: u32,
    reader: Result<VoiceReader, VoiceError>,
}

impl Heard {
    /// A file, if it is said to be a voice memo.
    pub(super) fn of(file: &MessageFile) -> Option<Self> {
        file.voice_ms.map(|said_ms| Self { said_ms, reader: Ok(VoiceReader::default()) })
    }

    /// Takes the next bytes of it.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if let Ok(reader) = &mut self.reader
            && let Err(error) = reader.feed(bytes)
        {
            self.reader = Err(error);
        }
    }

    /// That was all: what the user is to be told, if it is not as its sender says.
    pub(super) fn note(self) -> Option<String> {
        let said = in_words(self.said_ms);
        match self.reader.and_then(VoiceReader::finish).map(in_words) {
            Ok(lasts) if lasts == said => None,
            Ok(lasts) => Some(format!("It lasts {lasts}, not {said} as its sender says.")),
            Err(error) => Some(format!("It is no voice memo as its sender says: {error}.")),
        }
    }
}
