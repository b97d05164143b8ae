//! `profile`: pictures of every kind are made small in a process of their own, and what is none is said to be none.

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::json;

use crate::fake::{Answer, Fake, Seen};
use crate::run::{Ran, finish, run, run_with_input, wait_until};

/// A daemon that takes pictures; and which it took.
fn taking() -> (Fake, Arc<Mutex<Vec<Vec<u8>>>>) {
    let taken = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&taken);
    let fake = Fake::start(move |seen: &Seen| match seen.line().as_str() {
        "PATCH /v1/profile" | "GET /v1/profile" => {
            Answer::Json(json!({"shared": false, "told": 0}))
        }
        "POST /v1/profile/picture" => {
            assert_eq!(seen.headers["content-type"], "image/jpeg");
            keep.lock().unwrap().push(seen.bytes.clone());
            Answer::Json(json!({"shared": false, "told": 0, "picture_bytes": seen.bytes.len()}))
        }
        other => panic!("{other}"),
    });
    (fake, taken)
}

fn set(fake: &Fake, file: &Path) -> Ran {
    run(fake.socket(), &["profile", "set", "--avatar", file.to_str().unwrap()])
}

/// Something with edges and noise, half of it transparent.
pub(crate) fn motif(width: u32, height: u32) -> DynamicImage {
    DynamicImage::ImageRgba8(RgbaImage::from_fn(width, height, |x, y| {
        let noise = u8::try_from((x * 7919 + y * 104_729) % 251).unwrap();
        Rgba([noise, u8::try_from(x % 256).unwrap(), 128, if y % 2 == 0 { 255 } else { 0 }])
    }))
}

pub(crate) fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = match format {
        ImageFormat::Jpeg => DynamicImage::ImageRgb8(picture.to_rgb8()),
        _ => picture.clone(),
    };
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn any_picture_becomes_a_small_square_jpeg() {
    let (fake, taken) = taking();
    let place = tempfile::tempdir().unwrap();
    for (format, width, height) in [
        (ImageFormat::Png, 1200, 700),
        (ImageFormat::Jpeg, 300, 900),
        (ImageFormat::WebP, 640, 640),
        (ImageFormat::Png, 16, 40),
    ] {
        let file = place.path().join("picture");
        fs::write(&file, encoded(&motif(width, height), format)).unwrap();
        let ran = set(&fake, &file);
        assert_eq!(ran.code, 0, "{format:?}: {}", ran.err);
        let made = taken.lock().unwrap().pop().unwrap();
        assert!(made.len() <= 24 * 1024, "{}", made.len());
        let picture = image::load_from_memory_with_format(&made, ImageFormat::Jpeg).unwrap();
        let side = width.min(height).min(256);
        // Noise is made smaller, by half or a quarter.
        assert_eq!(picture.width(), picture.height());
        assert!(picture.width() <= side && picture.width() >= side / 4, "{}", picture.width());
    }
}

/// What a camera wrote into a picture does not go on, and how it was held is seen to.
#[test]
fn what_a_camera_wrote_is_left_out_and_the_picture_stands_upright() {
    let (fake, taken) = taking();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("held.jpg");
    fs::write(&file, held_with_place()).unwrap();
    let ran = set(&fake, &file);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let made = taken.lock().unwrap().pop().unwrap();
    assert!(!made.windows(6).any(|window| window == b"secret"));
    let picture = image::load_from_memory(&made).unwrap().to_luma8();
    // Turned clockwise, what was above is to the right.
    assert!(picture.get_pixel(60, 32).0[0] < 64 && picture.get_pixel(4, 32).0[0] > 192);
}

/// A photo whose upper half is black, of a camera that was turned by a quarter (orientation 6) and wrote down the place.
pub(crate) fn held_with_place() -> Vec<u8> {
    let held = DynamicImage::ImageRgba8(RgbaImage::from_fn(64, 64, |_, y| {
        let light = if y < 32 { 0 } else { 255 };
        Rgba([light, light, light, 255])
    }));
    let jpeg = encoded(&held, ImageFormat::Jpeg);
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0\x06\0\0".to_vec();
    exif.extend(b"\x01\x0e\0\x02\0\0\0\x10\0\0\0\x26\0\0\0\0secret location\0");
    let mut with_exif = jpeg[..2].to_vec();
    with_exif.extend([0xff, 0xe1]);
    with_exif.extend(u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
    with_exif.extend(&exif);
    with_exif.extend(&jpeg[2..]);
    with_exif
}

/// A PNG's head says how large it unpacks to: so many zeros take no room in the file.
pub(crate) fn gigapixel() -> Vec<u8> {
    let mut png = encoded(&motif(16, 16), ImageFormat::Png);
    png[16..20].copy_from_slice(&40_000u32.to_be_bytes());
    png[20..24].copy_from_slice(&30_000u32.to_be_bytes());
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

/// A chunk that says of a PNG that it moves.
pub(crate) fn moving() -> Vec<u8> {
    let png = encoded(&motif(32, 32), ImageFormat::Png);
    let (head, rest) = png.split_at(33);
    let mut chunk = b"acTL\0\0\0\x01\0\0\0\0".to_vec();
    let crc = crc32(&chunk);
    chunk.extend(crc.to_be_bytes());
    [head, &8u32.to_be_bytes(), &chunk, rest].concat()
}

#[test]
fn what_is_no_picture_is_said_to_be_none_and_nothing_is_changed() {
    let (fake, taken) = taking();
    let place = tempfile::tempdir().unwrap();
    let png = encoded(&motif(200, 200), ImageFormat::Png);
    let jpeg = encoded(&motif(200, 200), ImageFormat::Jpeg);
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("text", b"not a picture at all".to_vec(), "no PNG, JPEG or WebP"),
        ("empty", Vec::new(), "no PNG, JPEG or WebP"),
        ("gif", b"GIF89a\x10\0\x10\0\0\0\0;".to_vec(), "no PNG, JPEG or WebP"),
        ("truncated png", png[..png.len() / 2].to_vec(), "damaged"),
        ("only a head", jpeg[..20].to_vec(), "damaged"),
        ("a gigapixel", gigapixel(), "too large"),
        ("a pixel", encoded(&motif(1, 1), ImageFormat::Png), "1 × 1 pixels"),
        ("a line", encoded(&motif(5000, 2), ImageFormat::Png), "5000 × 2 pixels"),
        ("moving", moving(), "it moves"),
    ];
    for (what, bytes, said) in cases {
        let file = place.path().join("picture");
        fs::write(&file, bytes).unwrap();
        let ran = set(&fake, &file);
        assert_eq!(ran.code, 2, "{what}: {}", ran.err);
        let err = ran.err.replace("\n  ", " ");
        assert!(err.contains(said), "{what}: {err}");
    }
    let ran = set(&fake, &place.path().join("missing"));
    assert_eq!(ran.code, 2, "{}", ran.err);
    // One that never ends.
    let ran = set(&fake, Path::new("/dev/zero"));
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("more than 32 MiB"), "{}", ran.err);
    assert!(taken.lock().unwrap().is_empty() && fake.lines().is_empty(), "{:?}", fake.lines());
}

/// What a contact sends is looked at in the child as well, and written for the user alone.
#[test]
fn a_contacts_picture_is_made_anew_before_it_is_written() {
    use std::os::unix::fs::PermissionsExt;
    let jpeg = encoded(&motif(64, 64), ImageFormat::Jpeg);
    let damaged: &'static [u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n\xff\xd8\xff\xe0\0";
    let mut whole =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", jpeg.len()).into_bytes();
    whole.extend(&jpeg);
    let whole: &'static [u8] = whole.leak();
    let fake = Fake::start(move |seen: &Seen| match seen.line().as_str() {
        "GET /v1/contacts/bob/picture" => Answer::Raw(whole),
        "GET /v1/contacts/eve/picture" => Answer::Raw(damaged),
        other => panic!("{other}"),
    });
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("bob.jpg");
    let ran = run(fake.socket(), &["contact", "picture", "bob", file.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(image::open(&file).unwrap().width() == 64);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let again = run(fake.socket(), &["contact", "picture", "bob", file.to_str().unwrap()]);
    assert_eq!(again.code, 2, "{}", again.err);
    let bad = place.path().join("eve.jpg");
    let ran = run(fake.socket(), &["contact", "picture", "eve", bad.to_str().unwrap()]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(!bad.exists());
}

/// What looks at pictures may use so much memory and time, open nothing and write no file.
#[test]
fn what_looks_at_a_picture_is_confined() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_martletctl"))
        .arg("__picture")
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let limits = format!("/proc/{}/limits", child.id());
    let limit = |name: &str| {
        let limits = fs::read_to_string(&limits).unwrap();
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    // The last that it is given.
    wait_until("it is confined", || limit("Max file size") == ["0", "0"]);
    assert_eq!(limit("Max address space"), ["805306368", "805306368"]);
    assert_eq!(limit("Max cpu time"), ["20", "20"]);
    assert_eq!(limit("Max open files"), ["3", "3"]);
    assert_eq!(limit("Max core file size"), ["0", "0"]);
    drop(child.stdin.take());
    let ran = finish(child);
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("no PNG, JPEG or WebP"), "{}", ran.err);
}

/// The command waited for ever for someone to write into the pipe.
#[test]
fn what_could_be_waited_for_is_no_file() {
    let (fake, taken) = taking();
    let place = tempfile::tempdir().unwrap();
    let pipe = place.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    for (file, why) in [(pipe.as_path(), "it is a pipe"), (place.path(), "it is a directory")] {
        let ran = set(&fake, file);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(why), "{ran:?}");
    }
    let pipe = pipe.to_str().unwrap();
    for args in [
        ["unlock", "--passphrase-file", pipe].as_slice(),
        &["passphrase", "--remove", "--old-file", pipe],
        &["init", "--recover", "--no-passphrase", "--phrase-file", pipe],
        &["network", "show", pipe],
        &["account", "lock-root", "--last-words-file", pipe],
        &["listen", "--cursor", pipe, "--exec", "true"],
    ] {
        let ran = run(fake.socket(), args);
        assert!(ran.code != 0 && ran.err.contains("it is a pipe"), "{args:?}: {ran:?}");
    }
    // What standard input is, is meant: even a pipe with a name.
    let picture = place.path().join("picture.png");
    fs::write(&picture, encoded(&motif(64, 64), ImageFormat::Png)).unwrap();
    let bytes = fs::read(&picture).unwrap();
    let args = ["profile", "set", "--avatar", "/dev/stdin"];
    assert_eq!(run_with_input(fake.socket(), &args, &bytes).code, 0);
    assert_eq!(taken.lock().unwrap().len(), 1);
}
