//! `send --file` and `file`: what goes, as it should, and how it is shown.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use image::{DynamicImage, ImageFormat};
use martlet_protocol::control::ErrorCode;
use serde_json::json;

use crate::fake::{Answer, Fake, Seen};
use crate::profile::{encoded, gigapixel, held_with_place, motif, moving};
use crate::run::{Ran, run};
use crate::verbs::check;

/// A daemon that takes files; and what it was asked, with its type and the file.
fn taking() -> (Fake, Arc<Mutex<Vec<Seen>>>) {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&taken);
    let fake = Fake::start(move |seen: &Seen| {
        keep.lock().unwrap().push(seen.clone());
        Answer::Json(json!({"id": "aa".repeat(16), "state": "queued"}))
    });
    (fake, taken)
}

fn send(fake: &Fake, file: &Path, more: &[&str]) -> Ran {
    let args = [&["send", "bob", "--file", file.to_str().unwrap()], more].concat();
    run(fake.socket(), &args)
}

#[test]
fn a_file_goes_as_it_is_with_what_is_said_of_it() {
    let (fake, taken) = taking();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("min & max.PDF");
    fs::write(&file, b"%PDF\0\xff").unwrap();
    let more = ["--text", "-5 °C", "--expire", "1h", "--burn", "off", "--reply", "5f0c1a"];
    let ran = send(&fake, &file, &more);
    assert_eq!((ran.code, ran.out), (0, format!("{}\n", "aa".repeat(16))), "{}", ran.err);
    let seen = taken.lock().unwrap().pop().unwrap();
    assert_eq!(
        seen.line(),
        "POST /v1/files?to=bob&name=min%20%26%20max%2EPDF&text=-5%20%C2%B0C&expire_seconds=3600&burn_seconds=off&reply_to=5f0c1a"
    );
    assert_eq!(seen.headers["content-type"], "application/pdf");
    assert_eq!(seen.bytes, b"%PDF\0\xff");
    for args in [
        &["send", "bob"][..],
        &["send", "bob", "x", "--file", "y"],
        &["send", "bob", "x", "--text", "y"],
        &["send", "bob", "x", "--original"],
    ] {
        assert_eq!(run(fake.socket(), args).code, 2, "{args:?}");
    }
    assert!(taken.lock().unwrap().is_empty());
}

/// The daemon looks whether it is one.
#[test]
fn a_voice_memo_is_sent_as_one() {
    let (fake, taken) = taking();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("memo.ogg");
    fs::write(&file, b"OggS").unwrap();
    let memo = ["send", "bob", "--voice", file.to_str().unwrap()];
    let ran = run(fake.socket(), &[&memo[..], &["--text", "listen"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.err);
    let seen = taken.lock().unwrap().pop().unwrap();
    assert_eq!(seen.line(), "POST /v1/files?to=bob&name=memo%2Eogg&text=listen&voice=true");
    assert_eq!(
        (seen.headers["content-type"].as_str(), &seen.bytes[..]),
        ("audio/ogg", &b"OggS"[..])
    );
    // One thing at a time; and what looks like a picture is no picture here.
    for more in [&["--file", "x"][..], &["--original"], &["hello"]] {
        assert_eq!(run(fake.socket(), &[&memo[..], more].concat()).code, 2, "{more:?}");
    }
    assert!(taken.lock().unwrap().is_empty());
    fs::write(&file, b"II*\0").unwrap();
    assert_eq!(run(fake.socket(), &memo).code, 0);
    assert_eq!(taken.lock().unwrap().len(), 1);
    let refusing = Fake::start(|_| Answer::Problem(ErrorCode::InvalidVoice, "no Opus in it"));
    let ran = run(refusing.socket(), &memo);
    assert!(ran.code == 1 && ran.err.contains("no Opus in it"), "{ran:?}");
}

/// Of a memo that was not in its message, nobody but its sender has said how long it is.
#[test]
fn who_saves_a_voice_memo_is_told_if_it_is_another() {
    const MEMO: &[u8] = include_bytes!("../../../protocol/tests/file/opusenc.ogg");
    let said = |ms: u32, bytes: &'static [u8]| {
        let message = json!({"id": "ab".repeat(16), "conversation": "bob", "direction": "out", "text": "",
            "sent_at": 1, "stored_at": 1, "state": "delivered", "file": {"name": "memo.ogg",
            "media_type": "audio/ogg", "bytes": bytes.len(), "voice_ms": ms}});
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", bytes.len());
        let answer: &'static [u8] = [head.as_bytes(), bytes].concat().leak();
        let fake = Fake::start(move |seen: &Seen| match seen.path.starts_with("/v1/messages") {
            true => Answer::Json(message.clone()),
            false => Answer::Raw(answer),
        });
        let place = tempfile::tempdir().unwrap();
        let to = place.path().join("saved");
        let ran = run(fake.socket(), &["file", "save", "ab", to.to_str().unwrap()]);
        assert_eq!((ran.code, fs::read(&to).unwrap().as_slice()), (0, bytes), "{}", ran.err);
        ran.err.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(said(3000, MEMO), "");
    assert!(said(42_000, MEMO).contains("It lasts 0:03, not 0:42 as its sender says."));
    assert!(
        said(3000, b"#!/bin/sh")
            .contains("It is no voice memo as its sender says: it is no Ogg file.")
    );
    assert!(said(3000, &MEMO[..2000]).contains("it ends in the midst"));
}

/// What a camera wrote into a photo, the place say, does not go on, and how it was held is seen to.
#[test]
fn photos_go_without_what_a_camera_wrote_but_for_original() {
    let (fake, taken) = taking();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("held.jpg");
    let photo = held_with_place();
    fs::write(&file, &photo).unwrap();
    assert_eq!(send(&fake, &file, &[]).code, 0);
    let seen = taken.lock().unwrap().pop().unwrap();
    assert_eq!(seen.headers["content-type"], "image/jpeg");
    assert!(!seen.bytes.windows(6).any(|window| window == b"secret"));
    let made = image::load_from_memory_with_format(&seen.bytes, ImageFormat::Jpeg).unwrap();
    assert_eq!((made.width(), made.height()), (64, 64));
    let made = made.to_luma8();
    // Turned clockwise, what was above is to the right.
    assert!(made.get_pixel(60, 32).0[0] < 64 && made.get_pixel(4, 32).0[0] > 192);
    assert_eq!(send(&fake, &file, &["--original"]).code, 0);
    assert_eq!(taken.lock().unwrap().pop().unwrap().bytes, photo);
}

/// Whoever gets a photo sees what it is before it is fetched. One that is in its message needs nothing beside it.
#[test]
fn a_photo_goes_with_a_small_picture_of_it_unless_it_is_small_itself() {
    let (fake, taken) = taking();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("photo.jpg");
    let photo = encoded(&motif(1200, 600), ImageFormat::Jpeg);
    assert!(photo.len() > 24 * 1024, "{}", photo.len());
    fs::write(&file, &photo).unwrap();
    let small = |more: &[&str]| {
        let ran = send(&fake, &file, more);
        assert_eq!(ran.code, 0, "{}", ran.err);
        let seen = taken.lock().unwrap().pop().unwrap();
        let (_, hex) =
            seen.line().split_once("&thumbnail=").map(|(a, b)| (a.to_owned(), b.to_owned()))?;
        let pair = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
        Some((0..hex.len()).step_by(2).map(pair).collect::<Option<Vec<u8>>>().unwrap())
    };
    let thumbnail = small(&["--text", "look"]).unwrap();
    assert!(thumbnail.len() <= 6 * 1024, "{}", thumbnail.len());
    let seen = image::load_from_memory_with_format(&thumbnail, ImageFormat::Jpeg).unwrap();
    assert_eq!(seen.width(), 2 * seen.height(), "all of it");
    assert!(seen.width() >= 80 && seen.width() <= 320, "{}", seen.width());
    assert_eq!(small(&["--no-thumbnail"]), None);
    // As it is: nobody looks into it.
    assert_eq!(small(&["--original"]), None);
    fs::write(&file, encoded(&motif(60, 40), ImageFormat::Jpeg)).unwrap();
    assert_eq!(small(&[]), None);
    fs::write(place.path().join("letter.pdf"), vec![b'%'; 30_000]).unwrap();
    assert_eq!(send(&fake, &place.path().join("letter.pdf"), &[]).code, 0);
    assert!(!taken.lock().unwrap().pop().unwrap().line().contains("thumbnail"));
}

/// It is another file, whatever the first one is called, and it is there before that.
#[test]
fn the_small_picture_of_a_file_is_saved_under_a_name_of_its_own() {
    const JPEG: &[u8] = b"\xff\xd8\xff\xe0 and so on";
    let message = |thumbnail: Option<u64>| {
        json!({"id": "ab".repeat(16), "conversation": "bob", "direction": "out", "text": "",
            "sent_at": 1, "stored_at": 1, "state": "delivered", "file": {"name": "a.sh.PNG", "state": "offered",
            "media_type": "image/png", "bytes": 5_000_000, "thumbnail_bytes": thumbnail}})
    };
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", JPEG.len());
    let answer: &'static [u8] = [head.as_bytes(), JPEG].concat().leak();
    let asked = |thumbnail: Option<u64>| {
        let message = message(thumbnail);
        Fake::start(move |seen: &Seen| match seen.path.ends_with("/thumbnail") {
            true => Answer::Raw(answer),
            false => Answer::Json(message.clone()),
        })
    };
    let place = tempfile::tempdir().unwrap();
    let save = ["file", "save", "ab", place.path().to_str().unwrap(), "--thumbnail"];
    let ran = run(asked(Some(JPEG.len() as u64)).socket(), &save);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(fs::read(place.path().join("a.sh-thumbnail.jpg")).unwrap(), JPEG);
    let ran = run(asked(None).socket(), &save);
    assert!(ran.code != 0 && ran.err.contains("no small picture"), "{ran:?}");
}

#[test]
fn pictures_of_other_formats_are_the_same_pixels_again() {
    let (fake, taken) = taking();
    let place = tempfile::tempdir().unwrap();
    let small = motif(60, 40);
    for (format, kind) in [(ImageFormat::Png, "image/png"), (ImageFormat::WebP, "image/webp")] {
        let file = place.path().join("picture");
        fs::write(&file, encoded(&small, format)).unwrap();
        let ran = send(&fake, &file, &[]);
        assert_eq!(ran.code, 0, "{format:?}: {}", ran.err);
        let seen = taken.lock().unwrap().pop().unwrap();
        assert_eq!(seen.headers["content-type"], kind);
        let made = image::load_from_memory_with_format(&seen.bytes, format).unwrap();
        assert_eq!(made.to_rgba8(), DynamicImage::to_rgba8(&small), "{format:?}");
    }
}

#[test]
fn pictures_that_can_not_be_made_anew_are_not_sent() {
    let (fake, taken) = taking();
    let place = tempfile::tempdir().unwrap();
    for (name, bytes, why) in [
        ("moving.png", moving(), "it moves"),
        ("giga.png", gigapixel(), "too large"),
        ("photo.tiff", b"II*\0".to_vec(), "--original sends it as it is"),
    ] {
        let file = place.path().join(name);
        fs::write(&file, bytes).unwrap();
        let ran = send(&fake, &file, &[]);
        let said = ran.err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(ran.code == 2 && said.contains(why), "{name}: {ran:?}");
    }
    assert!(taken.lock().unwrap().is_empty());
}

#[test]
fn files_are_listed() {
    let entry = |id: &str, direction: &str, name: &str| {
        json!({"id": id.repeat(16), "conversation": "bob", "direction": direction,
            "sent_at": 1_000_000_000_000_u64, "state": "delivered",
            "file": {"name": name, "media_type": "text/plain", "bytes": 18_637}})
    };
    let mut memo = entry("ef", "in", "memo.ogg");
    memo["file"]["voice_ms"] = json!(42_300);
    let files = [entry("ab", "in", "a.txt"), entry("cd", "out", "\u{202e}b"), memo];
    let list = json!({"files": files, "more": false});
    let none = json!({"files": [], "more": false});
    let nothing = serde_json::Value::Null;
    check(
        &["file", "list", "bob"],
        "GET /v1/files?limit=50&in=bob",
        &nothing,
        &none,
        "No files.\n",
    );
    let fake = Fake::start(move |_| Answer::Json(list.clone()));
    let ran = run(fake.socket(), &["file", "list", "--limit", "2"]);
    assert_eq!(fake.lines(), ["GET /v1/files?limit=2"]);
    let lines: Vec<_> = ran.out.lines().collect();
    assert!(lines[0].starts_with("ID        SENT"), "{}", ran.out);
    assert!(
        lines[1].starts_with("abababab") && lines[1].ends_with("delivered  here  a.txt"),
        "{}",
        ran.out
    );
    assert!(lines[1].contains("  bob   bob  18.2 KiB  "), "{}", ran.out);
    assert!(lines[3].contains("  bob   bob  18.2 KiB, 0:42  "), "{}", ran.out);
    assert!(lines[2].contains("  bob   you  ") && lines[2].ends_with("\\u{202e}b"), "{}", ran.out);
}
