//! Voice memos: what is one, how long it lasts, and what is none.

use martlet_protocol::file::FileName;
use martlet_protocol::file::voice::{
    VoiceError, VoiceReader, checksum, duration_ms, in_words, is_named, longest_ms, named,
};
use martlet_protocol::limits::DURATION_MS_MAX;
use proptest::prelude::*;

/// Three seconds of a tone, by opusenc 0.2: `opusenc --bitrate 6 --framesize 60`.
const OF_OPUSENC: &[u8] = include_bytes!("opusenc.ogg");
/// A packet of Opus: 20 ms of silence.
const SILENCE: &[u8] = b"\xf8\xff\xfe";
/// The samples of that.
const PACKET: i64 = 960;
const FIRST: u8 = 2;
const LAST: u8 = 4;

/// A page with these pieces of packets, and its checksum.
fn page(flags: u8, position: i64, number: u32, pieces: &[&[u8]]) -> Vec<u8> {
    let mut page = b"OggS\0".to_vec();
    page.push(flags);
    page.extend(position.to_le_bytes());
    page.extend(*b"memo");
    page.extend(number.to_le_bytes());
    page.extend([0; 4]);
    page.push(u8::try_from(pieces.len()).unwrap());
    page.extend(pieces.iter().map(|piece| u8::try_from(piece.len()).unwrap()));
    page.extend(pieces.concat());
    signed(page)
}

fn signed(mut page: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&page).to_le_bytes();
    page[22..26].copy_from_slice(&sum);
    page
}

fn head() -> Vec<u8> {
    let mut head = b"OpusHead\x01\x01".to_vec();
    head.extend(312_u16.to_le_bytes());
    head.extend(48_000_u32.to_le_bytes());
    head.extend([0, 0, 0]);
    head
}

fn headers() -> Vec<u8> {
    [page(FIRST, 0, 0, &[&head()]), page(0, 0, 1, &[b"OpusTags\0\0\0\0\0\0\0\0"])].concat()
}

/// A memo of pages of 25 packets each, half a second, whose positions begin with `first`.
fn memo(first: i64, pages: u32) -> Vec<u8> {
    let mut memo = headers();
    for at in 0..pages {
        let flags = if at + 1 == pages { LAST } else { 0 };
        let position = first + 25 * PACKET * i64::from(at + 1);
        memo.extend(page(flags, position, at + 2, &[SILENCE; 25]));
    }
    memo
}

/// The headers, and these pages.
fn with(pages: &[Vec<u8>]) -> Result<u32, VoiceError> {
    duration_ms(&[headers(), pages.concat()].concat())
}

#[test]
fn what_encoders_make_is_a_memo() {
    assert_eq!(duration_ms(OF_OPUSENC), Ok(3000));
    // As it comes: a byte at a time.
    let mut reader = VoiceReader::default();
    for byte in OF_OPUSENC {
        reader.feed(std::slice::from_ref(byte)).unwrap();
    }
    assert_eq!(reader.finish(), Ok(3000));
}

/// Libraries take the last position for the length: a second that was cut out of a stream after an hour lasted an hour.
#[test]
fn a_memo_that_was_cut_from_a_stream_lasts_as_long_as_it_sounds() {
    // 312 samples are not heard.
    assert_eq!(duration_ms(&memo(0, 2)), Ok(993));
    assert_eq!(duration_ms(&memo(3600 * 48_000, 2)), Ok(993));
}

#[test]
fn packets_go_on_from_page_to_page_and_the_last_may_be_cut_off() {
    let long = [&[0xf8][..], &[7; 599]].concat();
    let pieces: Vec<&[u8]> = vec![SILENCE, &long[..255]];
    let pages = [
        page(0, PACKET, 2, &pieces),
        page(1, -1, 3, &[&long[255..510]]),
        page(1 | LAST, 2 * PACKET - 100, 4, &[&long[510..]]),
    ];
    assert_eq!(with(&pages), Ok(u32::try_from((2 * PACKET - 100 - 312) / 48).unwrap()));
    // All of it on one page that is cut off: its sound begins at zero.
    assert_eq!(with(&[page(LAST, 1000, 2, &[SILENCE; 2])]), Ok((1000 - 312) / 48));
    // One that was recorded by a program that was killed lacks the last flag, and can be played.
    assert_eq!(with(&[page(0, 2 * PACKET, 2, &[SILENCE; 2])]), Ok((1920 - 312) / 48));
    // An empty page.
    let empty = page(LAST, 2 * PACKET, 3, &[]);
    assert_eq!(with(&[page(0, 2 * PACKET, 2, &[SILENCE; 2]), empty]), Ok((1920 - 312) / 48));
}

#[test]
fn tags_may_take_several_pages() {
    let tags = [b"OpusTags".to_vec(), vec![7; 300]].concat();
    let pages = [
        page(FIRST, 0, 0, &[&head()]),
        page(0, -1, 1, &[&tags[..255]]),
        page(1, 0, 2, &[&tags[255..]]),
        page(LAST, 2 * PACKET, 3, &[SILENCE; 2]),
    ];
    assert_eq!(duration_ms(&pages.concat()), Ok((1920 - 312) / 48));
}

#[test]
fn what_is_no_memo_says_why() {
    use VoiceError::*;
    for (bytes, error) in [
        (&b""[..], NotOgg),
        (b"RIFF....WAVE", NotOgg),
        (&[0x4f; 100_000], NotOgg),
        (b"Ogg", Truncated),
    ] {
        assert_eq!(duration_ms(bytes), Err(error));
    }
    let vorbis = page(FIRST, 0, 0, &[b"\x01vorbis and what is after it"]);
    assert_eq!(duration_ms(&vorbis), Err(NotOpus));
    assert_eq!(duration_ms(&page(0, 0, 0, &[&head()])), Err(Damaged));
    let changed = |at: usize, byte| {
        let mut head = head();
        head[at] = byte;
        duration_ms(&page(FIRST, 0, 0, &[&head]))
    };
    assert_eq!(changed(8, 0x11), Err(NotOpus));
    assert_eq!(changed(9, 0), Err(Channels { found: 0 }));
    assert_eq!(changed(9, 6), Err(Channels { found: 6 }));
    assert_eq!(changed(18, 1), Err(Channels { found: 1 }));
    // A second one beside it, one after it, and what follows its end.
    let other = {
        let mut other = page(FIRST, 0, 0, &[&head()]);
        other[14] = b'M';
        signed(other)
    };
    let first = page(FIRST, 0, 0, &[&head()]);
    assert_eq!(duration_ms(&[first, other.clone()].concat()), Err(Streams));
    assert_eq!(duration_ms(&[memo(0, 2), other].concat()), Err(Streams));
    assert_eq!(duration_ms(&[memo(0, 2), memo(0, 2)].concat()), Err(Streams));
    assert_eq!(with(&[page(LAST, 960, 2, &[SILENCE]), page(0, 960, 3, &[])]), Err(Damaged));
}

#[test]
fn a_damaged_memo_is_none() {
    use VoiceError::*;
    let whole = memo(0, 3);
    assert!(duration_ms(&whole).is_ok());
    // Each flipped bit is noticed, each lost page, and each end in the midst of one.
    let ends: Vec<usize> = (1..=3).map(|pages| memo(0, pages).len()).collect();
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 4;
        assert!(duration_ms(&flipped).is_err(), "byte {at}");
        match duration_ms(&whole[..at]) {
            Ok(_) => assert!(ends.contains(&at), "{at} bytes"),
            // The headers alone are whole, too.
            Err(error) => assert!(matches!(error, Truncated | NotOgg | Empty), "{at}: {error}"),
        }
    }
    let lost = [headers(), page(LAST, 2 * PACKET, 3, &[SILENCE])].concat();
    assert_eq!(duration_ms(&lost), Err(Damaged));
    // In the midst of a packet, though at the end of a page.
    assert_eq!(with(&[page(0, -1, 2, &[&[0xf8; 255]])]), Err(Truncated));
    for no_packet in [&b""[..], b"\x03", b"\x03\0", b"\x1b\x03", b"\x1a"] {
        assert_eq!(with(&[page(LAST, 960, 2, &[no_packet])]), Err(Damaged), "{no_packet:?}");
    }
    let untagged = [page(FIRST, 0, 0, &[&head()]), page(LAST, 960, 1, &[SILENCE])].concat();
    assert_eq!(duration_ms(&untagged), Err(Damaged));
}

#[test]
fn positions_that_tell_of_other_sound_than_there_is_are_refused() {
    use VoiceError::*;
    let sound = |positions: &[i64]| {
        let numbered = positions.iter().zip(2..);
        let pages: Vec<_> = numbered.map(|(at, number)| page(0, *at, number, &[SILENCE])).collect();
        with(&pages)
    };
    for absurd in [
        &[-1][..],
        &[i64::MIN],
        &[PACKET - 1],
        &[PACKET, i64::MAX],
        &[PACKET, PACKET - 1],
        &[PACKET, -1],
        &[PACKET, 2 * PACKET + 1],
    ] {
        assert_eq!(sound(absurd), Err(Positions), "{absurd:?}");
    }
    // The largest that there are, of sound that there is.
    assert!(sound(&[i64::MAX - PACKET, i64::MAX]).is_ok());
    for nothing in [&[][..], &[page(LAST, 312, 2, &[SILENCE])], &[page(LAST, 0, 2, &[SILENCE])]] {
        assert_eq!(with(nothing), Err(Empty));
    }
}

#[test]
fn a_memo_lasts_a_day_at_most() {
    // Two empty frames of 60 ms.
    let densest = |pages: u32| {
        let mut reader = VoiceReader::default();
        reader.feed(&headers()).unwrap();
        let mut bytes = 0;
        for at in 0..pages {
            let position = i64::from(at + 1) * 255 * 5760;
            let page = page(0, position, at + 2, &[b"\x19".as_slice(); 255]);
            bytes += page.len() as u64;
            reader.feed(&page).unwrap();
        }
        (reader.finish(), bytes)
    };
    let pages = DURATION_MS_MAX / (255 * 120);
    let (lasts, bytes) = densest(pages);
    assert!(u64::from(lasts.unwrap()) <= longest_ms(bytes));
    assert_eq!(densest(pages + 1).0, Err(VoiceError::TooLong));
}

#[test]
fn lengths_and_names_are_as_people_have_them() {
    let words = [1, 499, 1500, 42_300, 59_500, 60_000, 3_599_499, 3_600_000, DURATION_MS_MAX];
    let shown = ["0:01", "0:01", "0:02", "0:42", "1:00", "1:00", "59:59", "1:00:00", "24:00:00"];
    assert_eq!(words.map(in_words), shown);
    assert_eq!(in_words(u32::MAX), "1193:02:47");
    let called = |name: &str| named(FileName::harmless(name)).as_str().to_owned();
    assert_eq!(called("memo.ogg"), "memo.ogg");
    assert_eq!(called("Memo.OPUS"), "Memo.OPUS");
    assert_eq!(called("memo.html"), "memo.html.ogg");
    assert_eq!(called("memo"), "memo.ogg");
    assert!(is_named(&named(FileName::harmless(&"n".repeat(255)))));
}

proptest! {
    /// Whatever comes is read within its bounds, and in pieces as at once.
    #[test]
    fn pages_of_any_kind_are_read_as_they_come(
        pages in prop::collection::vec(
            (0..8u8, -2..100_000_i64, prop::collection::vec(prop::collection::vec(any::<u8>(), 0..=255), 0..4)),
            0..5,
        ),
        cut in 1..300_usize,
    ) {
        let mut bytes = headers();
        for ((flags, position, pieces), number) in pages.iter().zip(2..) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            bytes.extend(page(*flags, *position, number, &pieces));
        }
        let mut reader = VoiceReader::default();
        let fed = bytes.chunks(cut).try_for_each(|piece| reader.feed(piece));
        let in_pieces = fed.and_then(|()| reader.finish());
        prop_assert_eq!(in_pieces, duration_ms(&bytes));
        if let Ok(ms) = in_pieces {
            prop_assert!(ms > 0 && u64::from(ms) <= longest_ms(bytes.len() as u64));
        }
    }
}
