//! Voice memos: Opus in Ogg (RFC 3533, RFC 7845), read only as far as it takes to know that, and how long it lasts.
//!
//! Nothing is decoded. The positions of the pages tell the length, and the first bytes of each packet confirm it. A stream that was
//! cut out of a longer one begins with a large position; what it lasts is counted from there. The usual libraries take the last
//! position for the length, and keep a packet in memory as long as it does not end. So this is a reader of its own. It holds one page.

use crate::limits::{DURATION_MS_MAX, VOICE_BYTES_OF_PACKET_MIN, VOICE_PACKET_MS_MAX};

use super::FileName;

/// The media type of voice memos (RFC 5334).
pub const MEDIA_TYPE: &str = "audio/ogg";
/// Ends of names of voice memos, in small letters. The first is given to what has another.
const EXTENSIONS: [&str; 3] = [".ogg", ".oga", ".opus"];
/// Bytes of a page's header, without the sizes of its pieces of packets.
const HEADER_BYTES: usize = 27;
/// Where its checksum is.
const CHECKSUM: std::ops::Range<usize> = 22..26;
/// A packet ends with a piece that is shorter.
const PIECE_BYTES_MAX: u8 = 255;
/// The page begins in the midst of a packet.
const CONTINUES: u8 = 1;
/// The page is the first of its stream.
const FIRST: u8 = 2;
/// The page is the last of its stream.
const LAST: u8 = 4;
/// Bytes at the beginning of a packet that are looked at: those of the header packet.
const START_BYTES: usize = 19;
/// Positions are counts of samples at this rate, whatever the sound was made from.
const SAMPLES_PER_MS: u64 = 48;
/// Most samples of a packet: 120 ms (RFC 6716, section 3.2.5).
const PACKET_SAMPLES_MAX: u32 = VOICE_PACKET_MS_MAX * 48;

/// Why something is no voice memo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VoiceError {
    /// It does not begin as Ogg does.
    #[error("it is no Ogg file")]
    NotOgg,
    /// Another codec, or a version to come.
    #[error("there is no Opus in it that this build knows")]
    NotOpus,
    /// More than two channels.
    #[error("it has {found} channels, or they are arranged in another way than as mono or stereo")]
    Channels {
        /// How many.
        found: u8,
    },
    /// More than one sound: one after the other, or beside each other.
    #[error("there is more than one stream in it")]
    Streams,
    /// Bytes are false, or pages are missing.
    #[error("it is damaged, or a part of it is missing")]
    Damaged,
    /// It ends in the midst.
    #[error("it ends in the midst: it did not come whole, or is still being recorded")]
    Truncated,
    /// Positions are negative, go back, or tell of more sound than there is.
    #[error("its positions don't fit the sound in it")]
    Positions,
    /// There is nothing to be heard.
    #[error("there is no sound in it")]
    Empty,
    /// Longer than a day.
    #[error("it lasts longer than a day")]
    TooLong,
}

/// What reads a voice memo, as its bytes come.
#[derive(Default)]
pub struct VoiceReader {
    /// What came of a page: at most 65,307 bytes.
    page: Vec<u8>,
    /// Of the stream, once it began.
    stream: Option<Stream>,
}

/// The one stream of a memo.
struct Stream {
    serial: [u8; 4],
    next_page: u32,
    has_ended: bool,
    expects: Expects,
    packet: Packet,
    /// Samples that are decoded before what is heard.
    pre_skip: u16,
    sound: Option<Sound>,
}

/// What the next packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expects {
    Head,
    Tags,
    Sound,
}

/// A packet that has not ended.
#[derive(Default)]
struct Packet {
    start: [u8; START_BYTES],
    bytes: usize,
    is_open: bool,
}

/// How much sound came.
struct Sound {
    /// The position at which it begins.
    begins: u64,
    /// That of its end so far.
    ends: u64,
    /// Samples of all packets.
    samples: u64,
}

/// How long the voice memo is whose bytes these are, milliseconds.
///
/// # Errors
/// [`VoiceError`].
pub fn duration_ms(bytes: &[u8]) -> Result<u32, VoiceError> {
    let mut reader = VoiceReader::default();
    reader.feed(bytes)?;
    reader.finish()
}

/// How long a voice memo of so many bytes can be, milliseconds: nobody has more to say.
#[must_use]
pub fn longest_ms(bytes: u64) -> u64 {
    (bytes / VOICE_BYTES_OF_PACKET_MIN).saturating_mul(u64::from(VOICE_PACKET_MS_MAX))
}

/// Whether a file is called as voice memos are.
#[must_use]
pub fn is_named(name: &FileName) -> bool {
    let (_, extension) = name.split();
    EXTENSIONS.iter().any(|it| extension.eq_ignore_ascii_case(it))
}

/// A name for a voice memo: the same if it is one already, so that programs know what they are given.
#[must_use]
pub fn named(name: FileName) -> FileName {
    match is_named(&name) {
        true => name,
        false => FileName::harmless(&format!("{}{}", name.as_str(), EXTENSIONS[0])),
    }
}

/// A length as people write it: `0:42`, `12:05`, `1:00:00`. What is heard at all lasts a second.
#[must_use]
pub fn in_words(ms: u32) -> String {
    let seconds = (ms.saturating_add(500) / 1000).max(1);
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes}:{seconds:02}"),
        (hours, minutes) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// The checksum of a page, whatever stands in its place (RFC 3533, section 6).
#[must_use]
pub fn checksum(page: &[u8]) -> u32 {
    page.iter().enumerate().fold(0, |sum: u32, (at, byte)| {
        let byte = if CHECKSUM.contains(&at) { 0 } else { *byte };
        (sum << 8) ^ CHECKSUMS[usize::from(sum.to_be_bytes()[0] ^ byte)]
    })
}

impl VoiceReader {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`VoiceError`]: it is of no use to go on.
    pub fn feed(&mut self, mut bytes: &[u8]) -> Result<(), VoiceError> {
        while !bytes.is_empty() {
            let missing = page_bytes(&self.page) - self.page.len();
            let (these, rest) = bytes.split_at(missing.min(bytes.len()));
            self.page.extend_from_slice(these);
            bytes = rest;
            if self.page.len() == HEADER_BYTES && !begins_page(&self.page) {
                return Err(self.no_page());
            }
            if self.page.len() == page_bytes(&self.page) {
                let page = std::mem::take(&mut self.page);
                self.take(&page)?;
            }
        }
        Ok(())
    }

    /// There are no more bytes: how long the memo is, milliseconds.
    ///
    /// # Errors
    /// [`VoiceError`].
    pub fn finish(self) -> Result<u32, VoiceError> {
        let Some(stream) = &self.stream else {
            // As far as it came.
            let is_ogg =
                !self.page.is_empty() && b"OggS".iter().zip(&self.page).all(|(a, b)| a == b);
            return Err(if is_ogg { VoiceError::Truncated } else { VoiceError::NotOgg });
        };
        match self.page.is_empty() && !stream.packet.is_open && stream.expects == Expects::Sound {
            true => stream.duration_ms(),
            false => Err(VoiceError::Truncated),
        }
    }

    fn no_page(&self) -> VoiceError {
        if self.stream.is_none() { VoiceError::NotOgg } else { VoiceError::Damaged }
    }

    /// Takes a whole page.
    fn take(&mut self, page: &[u8]) -> Result<(), VoiceError> {
        let header = Header::of(page).ok_or_else(|| self.no_page())?;
        if checksum(page) != header.checksum {
            return Err(VoiceError::Damaged);
        }
        let is_first = header.flags & FIRST != 0;
        let stream = match &mut self.stream {
            None if is_first => self.stream.insert(Stream::new(&header)),
            None => return Err(VoiceError::Damaged),
            Some(stream) if is_first || stream.serial != header.serial => {
                return Err(VoiceError::Streams);
            }
            Some(stream) => stream,
        };
        stream.take(&header)
    }
}

impl Stream {
    fn new(first: &Header<'_>) -> Self {
        Self {
            serial: first.serial,
            next_page: first.number,
            has_ended: false,
            expects: Expects::Head,
            packet: Packet::default(),
            pre_skip: 0,
            sound: None,
        }
    }

    fn take(&mut self, page: &Header<'_>) -> Result<(), VoiceError> {
        let continues = page.flags & CONTINUES != 0;
        let follows = page.number == self.next_page && continues == self.packet.is_open;
        if self.has_ended || !follows {
            return Err(VoiceError::Damaged);
        }
        self.next_page = self.next_page.wrapping_add(1);
        self.has_ended = page.flags & LAST != 0;
        let (mut at, mut samples, mut ended) = (0, 0, 0_u8);
        for (index, size) in page.sizes.iter().enumerate() {
            let end = at + usize::from(*size);
            self.packet.add(page.body.get(at..end).ok_or(VoiceError::Damaged)?);
            at = end;
            if *size == PIECE_BYTES_MAX {
                continue;
            }
            let packet = std::mem::take(&mut self.packet);
            let is_last = index + 1 == page.sizes.len();
            match self.expects {
                // Each of the two ends its page.
                Expects::Head | Expects::Tags if !is_last => return Err(VoiceError::Damaged),
                Expects::Head => return self.take_head(&packet),
                Expects::Tags => return self.take_tags(&packet),
                Expects::Sound => samples += packet.samples()?,
            }
            ended += 1;
        }
        match ended {
            0 if self.expects == Expects::Head => Err(VoiceError::NotOpus),
            // The position of a page on which no packet ends says nothing.
            0 => Ok(()),
            1.. => self.count(page, u64::from(samples)),
        }
    }

    fn take_head(&mut self, packet: &Packet) -> Result<(), VoiceError> {
        let [.., channels, skip_low, skip_high, _, _, _, _, _, _, family] = packet.start;
        let is_head = packet.start.starts_with(b"OpusHead") && packet.bytes >= START_BYTES;
        // The upper half of the version changes where older readers can't go on.
        if !is_head || packet.start[8] & 0xf0 != 0 {
            return Err(VoiceError::NotOpus);
        }
        if family != 0 || !(1..=2).contains(&channels) {
            return Err(VoiceError::Channels { found: channels });
        }
        self.pre_skip = u16::from_le_bytes([skip_low, skip_high]);
        self.expects = Expects::Tags;
        Ok(())
    }

    fn take_tags(&mut self, packet: &Packet) -> Result<(), VoiceError> {
        match packet.start.starts_with(b"OpusTags") {
            true => self.expects = Expects::Sound,
            false => return Err(VoiceError::Damaged),
        }
        Ok(())
    }

    /// Packets of so many samples ended on a page.
    fn count(&mut self, page: &Header<'_>, samples: u64) -> Result<(), VoiceError> {
        let position = u64::try_from(page.position).map_err(|_| VoiceError::Positions)?;
        match &mut self.sound {
            // The end of a stream may be cut off within its last packets, that of a short one before its first (RFC 7845, section 4.5).
            None => {
                let begins = match position.checked_sub(samples) {
                    None if self.has_ended => 0,
                    begins => begins.ok_or(VoiceError::Positions)?,
                };
                self.sound = Some(Sound { begins, ends: position, samples });
            }
            Some(sound) if position < sound.ends => return Err(VoiceError::Positions),
            Some(sound) => {
                sound.ends = position;
                sound.samples = sound.samples.saturating_add(samples);
            }
        }
        Ok(())
    }

    fn duration_ms(&self) -> Result<u32, VoiceError> {
        let sound = self.sound.as_ref().ok_or(VoiceError::Empty)?;
        let lasts = sound.ends - sound.begins;
        if lasts > sound.samples {
            return Err(VoiceError::Positions);
        }
        match lasts.saturating_sub(u64::from(self.pre_skip)) / SAMPLES_PER_MS {
            0 => Err(VoiceError::Empty),
            ms => u32::try_from(ms)
                .ok()
                .filter(|ms| *ms <= DURATION_MS_MAX)
                .ok_or(VoiceError::TooLong),
        }
    }
}

impl Packet {
    fn add(&mut self, piece: &[u8]) {
        let free = self.start.get_mut(self.bytes..).unwrap_or_default();
        let looked_at = free.len().min(piece.len());
        free[..looked_at].copy_from_slice(&piece[..looked_at]);
        self.bytes = self.bytes.saturating_add(piece.len());
        self.is_open = true;
    }

    /// How many samples it has (RFC 6716, section 3.1).
    fn samples(&self) -> Result<u32, VoiceError> {
        let [first, second, ..] = self.start;
        let frame = match first >> 3 {
            config @ 0..=11 => [480, 960, 1920, 2880][usize::from(config % 4)],
            config @ 12..=15 => [480, 960][usize::from(config % 2)],
            config => [120, 240, 480, 960][usize::from(config % 4)],
        };
        let (frames, least) = match first & 3 {
            0 => (1, 1),
            1 => (2, 1),
            2 => (2, 2),
            _ => (u32::from(second & 0x3f), 2),
        };
        let samples = frame * frames;
        match self.bytes >= least && (1..=PACKET_SAMPLES_MAX).contains(&samples) {
            true => Ok(samples),
            false => Err(VoiceError::Damaged),
        }
    }
}

/// A page (RFC 3533, section 6).
struct Header<'a> {
    flags: u8,
    position: i64,
    serial: [u8; 4],
    number: u32,
    checksum: u32,
    sizes: &'a [u8],
    body: &'a [u8],
}

impl<'a> Header<'a> {
    fn of(page: &'a [u8]) -> Option<Self> {
        let (header, rest) = page.split_first_chunk::<HEADER_BYTES>()?;
        let sizes = usize::from(header[HEADER_BYTES - 1]);
        let (sizes, body) = rest.split_at_checked(sizes)?;
        let number = |at: usize| [header[at], header[at + 1], header[at + 2], header[at + 3]];
        let position = header[6..14].try_into().ok()?;
        Some(Self {
            flags: header[5],
            position: i64::from_le_bytes(position),
            serial: number(14),
            number: u32::from_le_bytes(number(18)),
            checksum: u32::from_le_bytes(number(22)),
            sizes,
            body,
        })
    }
}

fn begins_page(header: &[u8]) -> bool {
    header.starts_with(b"OggS\0")
}

/// How many bytes a page has, as far as its beginning tells.
fn page_bytes(page: &[u8]) -> usize {
    let Some(sizes) = page.get(HEADER_BYTES - 1) else { return HEADER_BYTES };
    let body = HEADER_BYTES + usize::from(*sizes);
    match page.get(HEADER_BYTES..body) {
        Some(sizes) => body + sizes.iter().map(|size| usize::from(*size)).sum::<usize>(),
        None => body,
    }
}

/// The checksums of single bytes: the polynomial 0x04c11db7, from the highest bit on.
const CHECKSUMS: [u32; 256] = {
    let mut sums = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = (byte as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum >> 31 == 1 { (sum << 1) ^ 0x04c1_1db7 } else { sum << 1 };
            bit += 1;
        }
        sums[byte] = sum;
        byte += 1;
    }
    sums
};

/// Hand-written: what people say is never logged.
impl std::fmt::Debug for VoiceReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("VoiceReader(…)")
    }
}
