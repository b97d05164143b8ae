//! A sealed file: padded, cut into segments, and each of them encrypted.
//!
//! ```text
//! padded   = the file ‖ zeros, to the Padmé length of its size
//! segment  = ChaCha20-Poly1305(segments key, nonce, up to 65,520 bytes of it): at most 65,536 bytes
//! nonce    = zeros 7 ‖ segment u32 ‖ 1 if it is the last, else 0       (STREAM, BE32)
//! ```
//!
//! The Padmé length of a size has as many leading bits as the size's own length in bits has: it is at most 12 % longer, and
//! of sizes up to 5 GiB it leaves some 700 lengths (Nikitin and others, "Reducing Metadata Leakage from Encrypted Files",
//! 2019, section 4). An empty file has one empty segment.
//!
//! The order of segments, and that none is missing at the end, is proved by their nonces.

use std::io::{self, Read, Write};
use std::ops::Range;

use aead_stream::{NewStream, Nonce, StreamBE32, StreamPrimitive};
use chacha20poly1305::ChaCha20Poly1305;
use zeroize::Zeroizing;

use super::FileKey;
use crate::limits::FILE_BYTES_MAX;

/// Bytes of the file in a segment.
pub const SEGMENT_BYTES: usize = 65_520;
/// Bytes of a segment once it is sealed.
pub const SEALED_SEGMENT_BYTES: usize = SEGMENT_BYTES + AEAD_TAG_BYTES;
/// Bytes of the AEAD's tag.
const AEAD_TAG_BYTES: usize = 16;

type Stream = StreamBE32<ChaCha20Poly1305>;

/// Where everything is in a sealed file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    size: u64,
    padded: u64,
    segments: u32,
}

/// Why a file is not sealed, or not opened.
#[derive(Debug, thiserror::Error)]
pub enum SealedError {
    /// Larger than any file may be.
    #[error("a file of {found} bytes: at most {FILE_BYTES_MAX} can be sent")]
    TooLarge {
        /// Its size.
        found: u64,
    },
    /// It has not as many bytes as it had before.
    #[error("the file changed while it was read: send it again")]
    Changed,
    /// It has no such segment.
    #[error("the file has {segments} segments, and no segment {found}")]
    NoSegment {
        /// How many there are.
        segments: u32,
        /// The one asked for.
        found: u32,
    },
    /// Another key's, changed, of another place, or not the last where the last should be.
    #[error("the file does not open: it is damaged, or was sealed otherwise than its message says")]
    Corrupt,
    /// Behind the file there is something other than zeros.
    #[error("the file's padding is malformed")]
    Padding,
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Layout {
    /// That of a file of `size` bytes.
    ///
    /// # Errors
    /// [`SealedError::TooLarge`].
    pub fn of(size: u64) -> Result<Self, SealedError> {
        if size > FILE_BYTES_MAX {
            return Err(SealedError::TooLarge { found: size });
        }
        let padded = padme(size);
        let segments = padded.div_ceil(SEGMENT_BYTES as u64).max(1);
        // FILE_BYTES_MAX has fewer than 100,000.
        let segments =
            u32::try_from(segments).map_err(|_| SealedError::TooLarge { found: size })?;
        Ok(Self { size, padded, segments })
    }

    /// Bytes of the file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of it once it is sealed.
    #[must_use]
    pub fn sealed_size(&self) -> u64 {
        self.padded + u64::from(self.segments) * AEAD_TAG_BYTES as u64
    }

    /// How many segments it has.
    #[must_use]
    pub fn segments(&self) -> u32 {
        self.segments
    }

    /// Which bytes of the sealed file a segment is.
    #[must_use]
    pub fn sealed_range(&self, segment: u32) -> Range<u64> {
        let start = u64::from(segment) * SEALED_SEGMENT_BYTES as u64;
        start..(start + SEALED_SEGMENT_BYTES as u64).min(self.sealed_size())
    }

    /// In which segment a byte of the file is.
    #[must_use]
    pub fn segment_of(&self, byte: u64) -> u32 {
        u32::try_from(byte / SEGMENT_BYTES as u64).unwrap_or(u32::MAX)
    }

    /// How many bytes of a segment are the file's; the rest is padding.
    fn file_bytes(&self, segment: u32) -> usize {
        let start = u64::from(segment) * SEGMENT_BYTES as u64;
        let left = self.size.saturating_sub(start).min(SEGMENT_BYTES as u64);
        usize::try_from(left).unwrap_or(SEGMENT_BYTES)
    }

    fn is_last(&self, segment: u32) -> bool {
        segment + 1 == self.segments
    }

    fn sealed_bytes(&self, segment: u32) -> usize {
        let Range { start, end } = self.sealed_range(segment);
        usize::try_from(end - start).unwrap_or(SEALED_SEGMENT_BYTES)
    }
}

/// Seals a file of exactly `layout.size()` bytes, a segment at a time.
///
/// # Errors
/// [`SealedError::Changed`] if it has fewer or more, [`SealedError::Io`].
pub fn seal(
    key: &FileKey,
    layout: &Layout,
    mut file: impl Read,
    mut sealed: impl Write,
) -> Result<(), SealedError> {
    let stream = stream(key);
    let mut segment = Zeroizing::new(Vec::with_capacity(SEALED_SEGMENT_BYTES));
    for at in 0..layout.segments {
        segment.clear();
        segment.resize(layout.file_bytes(at), 0);
        read_exact(&mut file, &mut segment)?;
        segment.resize(layout.sealed_bytes(at) - AEAD_TAG_BYTES, 0);
        let encrypted = stream.encrypt_in_place(at, layout.is_last(at), b"", &mut *segment);
        encrypted.map_err(|_| SealedError::Corrupt)?;
        sealed.write_all(&segment)?;
    }
    match file.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(SealedError::Changed),
    }
}

/// Opens a sealed file, a segment at a time. What was written before an error is the file's beginning.
///
/// # Errors
/// [`SealedError::Corrupt`], [`SealedError::Padding`], [`SealedError::Io`].
pub fn open(
    key: &FileKey,
    layout: &Layout,
    mut sealed: impl Read,
    mut file: impl Write,
) -> Result<(), SealedError> {
    let stream = stream(key);
    let mut segment = Zeroizing::new(Vec::with_capacity(SEALED_SEGMENT_BYTES));
    for at in 0..layout.segments {
        segment.clear();
        segment.resize(layout.sealed_bytes(at), 0);
        sealed.read_exact(&mut segment).map_err(ends_early)?;
        open_in_place(&stream, layout, at, &mut segment)?;
        file.write_all(&segment)?;
    }
    match sealed.read(&mut [0])? {
        0 => Ok(()),
        _ => Err(SealedError::Corrupt),
    }
}

/// Opens one segment, whatever is known of the others: the bytes of the file in it.
///
/// # Errors
/// [`SealedError::NoSegment`], [`SealedError::Corrupt`], [`SealedError::Padding`].
pub fn open_segment(
    key: &FileKey,
    layout: &Layout,
    segment: u32,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealedError> {
    let segments = layout.segments;
    if segment >= segments {
        return Err(SealedError::NoSegment { segments, found: segment });
    }
    if sealed.len() != layout.sealed_bytes(segment) {
        return Err(SealedError::Corrupt);
    }
    let mut bytes = Zeroizing::new(sealed.to_vec());
    open_in_place(&stream(key), layout, segment, &mut bytes)?;
    Ok(bytes)
}

fn open_in_place(
    stream: &Stream,
    layout: &Layout,
    at: u32,
    segment: &mut Zeroizing<Vec<u8>>,
) -> Result<(), SealedError> {
    let decrypted = stream.decrypt_in_place(at, layout.is_last(at), b"", &mut **segment);
    decrypted.map_err(|_| SealedError::Corrupt)?;
    let end = layout.file_bytes(at);
    if segment.iter().skip(end).any(|byte| *byte != 0) {
        return Err(SealedError::Padding);
    }
    segment.truncate(end);
    Ok(())
}

fn stream(key: &FileKey) -> Stream {
    let key = key.derive("martlet 2026 file segments v1");
    Stream::new((&*key).into(), &Nonce::<ChaCha20Poly1305, Stream>::default())
}

fn read_exact(file: &mut impl Read, bytes: &mut [u8]) -> Result<(), SealedError> {
    file.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => SealedError::Changed,
        _ => SealedError::Io(error),
    })
}

fn ends_early(error: io::Error) -> SealedError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => SealedError::Corrupt,
        _ => SealedError::Io(error),
    }
}

/// The Padmé length of a size.
fn padme(size: u64) -> u64 {
    let Some(exponent) = size.checked_ilog2().filter(|exponent| *exponent > 0) else { return size };
    let kept = exponent.ilog2() + 1;
    let mask = (1u64 << exponent.saturating_sub(kept)) - 1;
    (size + mask) & !mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_adds_an_eighth_at_most_and_never_takes_away() {
        assert_eq!([0, 1, 2, 9, 100, 1_000_000].map(padme), [0, 1, 2, 10, 104, 1_015_808]);
        for size in (0..200_000).chain((1..=5).map(|gib| (gib << 30) - 1)) {
            let padded = padme(size);
            assert!(padded >= size && (padded - size) * 100 <= size * 12, "{size}: {padded}");
            assert_eq!(padme(padded), padded, "{size}");
        }
    }
}
