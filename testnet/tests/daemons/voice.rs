//! Voice memos, with real daemons and the real command: in their messages, fetched, and in a room.

use std::fs;

use martlet_protocol::control::FileState;
use martlet_protocol::file::voice::checksum;
use martlet_testnet::cluster::verbs::{ask, run, shows, try_run};
use martlet_testnet::cluster::{introduce, until};

use crate::files::{DEADLINE, pair, refused, text};
use crate::{TestResult, cluster};

/// Three seconds of a tone, as opusenc made it.
pub(crate) const SHORT: &[u8] = include_bytes!("../../../protocol/tests/file/opusenc.ogg");

/// A page of Ogg.
fn page(flags: u8, position: i64, number: u32, packets: &[&[u8]]) -> TestResult<Vec<u8>> {
    let mut page = [&b"OggS\0"[..], &[flags], &position.to_le_bytes(), b"memo"].concat();
    page.extend([&number.to_le_bytes()[..], &[0; 4], &[u8::try_from(packets.len())?]].concat());
    for packet in packets {
        page.push(u8::try_from(packet.len())?);
    }
    page.extend(packets.concat());
    let sum = checksum(&page).to_le_bytes();
    page[22..26].copy_from_slice(&sum);
    Ok(page)
}

/// A memo of so many seconds, 5 kB each.
fn memo(seconds: u32) -> TestResult<Vec<u8>> {
    let packet = [&[0xf8][..], &[7; 99]].concat();
    let mut memo = page(2, 0, 0, &[b"OpusHead\x01\x01\0\0\x80\xbb\0\0\0\0\0"])?;
    memo.extend(page(0, 0, 1, &[b"OpusTags\0\0\0\0\0\0\0\0"])?);
    for second in 1..=seconds {
        let flags = if second == seconds { 4 } else { 0 };
        memo.extend(page(flags, 48_000 * i64::from(second), second + 1, &[&packet[..]; 50])?);
    }
    Ok(memo)
}

#[tokio::test]
async fn voice_memos_are_shown_with_their_length() -> TestResult {
    let cluster = cluster()?;
    let (alice, bob) = pair(&cluster).await?;
    let place = tempfile::tempdir()?;
    let at = |name: &str| place.path().join(name);
    fs::write(at("short"), SHORT)?;
    fs::write(at("long.opus"), memo(42)?)?;
    for (name, called, words) in [
        ("short", "short.ogg", "[voice memo, 0:03] listen"),
        ("long.opus", "long.opus", "[voice memo, 0:42] listen"),
    ] {
        let file = at(name);
        let sent = ["send", "bob", "--voice", text(&file), "--text", "listen"];
        let id = run(&alice, &sent).await?.trim().to_owned();
        until("Bob should have the memo", DEADLINE, async || {
            let message = bob.message(&id).await.ok();
            let state = message.and_then(|message| message.file).map(|file| file.state);
            Ok((state == Some(FileState::Complete)).then_some(()))
        })
        .await?;
        for (node, with) in [(&alice, "bob"), (&bob, "alice")] {
            shows(node, &["history", with], words).await?;
            let listed = ask(node, &["file", "list"]).await?;
            let file = &listed["files"][0]["file"];
            assert_eq!((&file["name"], &file["media_type"]), (&called.into(), &"audio/ogg".into()));
        }
        shows(&bob, &["inbox"], words).await?;
        let saved = at("saved");
        let save = ["file", "save", &id, text(&saved), "--yes"];
        let (code, _, err) = try_run(&bob, &save).await?;
        assert!(code == Some(0) && !err.contains("as its sender says"), "{err}");
        assert_eq!(fs::read(&saved)?, fs::read(at(name))?);
    }
    let list = run(&bob, &["file", "list"]).await?;
    assert!(list.contains("2.6 KiB, 0:03") && list.contains(", 0:42"), "{list}");

    // What is none: small, and found out while it is sent.
    let no_memo = "A voice memo is one sound";
    let cut = memo(42)?;
    for (name, bytes, why) in [
        ("text", &b"hello"[..], "it is no Ogg file"),
        ("film", &[7; 3 << 20], "it is no Ogg file"),
        ("cut", &cut[..cut.len() - 1], "it ends in the midst"),
        ("two", &[&cut[..], &cut].concat(), "there is more than one stream in it"),
    ] {
        fs::write(at(name), bytes)?;
        let file = at(name);
        let args = ["send", "bob", "--voice", text(&file)];
        refused(&alice, &args, 1, why).await?;
        refused(&alice, &args, 1, no_memo).await?;
    }
    let listed = ask(&alice, &["file", "list"]).await?;
    assert_eq!(listed["files"].as_array().map(Vec::len), Some(2), "{listed}");
    Ok(())
}

#[tokio::test]
async fn a_voice_memo_goes_to_a_room() -> TestResult {
    let cluster = cluster()?;
    let alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    run(&alice, &["room", "create", "choir"]).await?;
    run(&alice, &["room", "invite", "choir", "bob"]).await?;
    shows(&bob, &["room", "show", "choir"], "alice").await?;
    let place = tempfile::tempdir()?;
    for seconds in [3, 42] {
        let file = place.path().join(format!("{seconds}.ogg"));
        fs::write(&file, memo(seconds)?)?;
        run(&alice, &["send", "--room", "choir", "--voice", text(&file)]).await?;
        shows(&bob, &["history", "choir"], &format!("[voice memo, 0:{seconds:02}]")).await?;
    }
    Ok(())
}
