//! A voice memo that is larger than a message holds: looked at as it comes.

use std::io::{self, Read};
use std::sync::{Arc, OnceLock};

use martlet_protocol::file::voice::{VoiceError, VoiceReader};
use martlet_store::blobs::BlobDirError;

/// Passes on what it reads, and looks whether that is a voice memo, if it is to be one.
pub(super) struct Listening<R> {
    file: R,
    reader: Option<VoiceReader>,
    heard: Arc<OnceLock<u32>>,
}

impl<R: Read> Listening<R> {
    /// How long the memo lasts, milliseconds, is told once all of it was read.
    pub(super) fn to(file: R, is_voice: bool) -> (Self, Arc<OnceLock<u32>>) {
        let heard = Arc::default();
        let reader = is_voice.then(VoiceReader::default);
        (Self { file, reader, heard: Arc::clone(&heard) }, heard)
    }
}

impl<R: Read> Read for Listening<R> {
    /// Fails with a [`VoiceError`] as soon as it is no memo.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        let Some(mut reader) = self.reader.take() else { return Ok(read) };
        match read {
            0 => {
                let ms = reader.finish().map_err(io::Error::other)?;
                self.heard.get_or_init(|| ms);
            }
            1.. => {
                reader.feed(&buffer[..read]).map_err(io::Error::other)?;
                self.reader = Some(reader);
            }
        }
        Ok(read)
    }
}

/// Why what came is no voice memo, if that is why it was not taken.
pub(super) fn no_voice(error: &BlobDirError) -> Option<VoiceError> {
    match error {
        BlobDirError::Io(error) => error.get_ref()?.downcast_ref().copied(),
        BlobDirError::Sealed(_)
        | BlobDirError::Damaged
        | BlobDirError::NotHere
        | BlobDirError::DiskLow { .. }
        | BlobDirError::Ended => None,
    }
}
