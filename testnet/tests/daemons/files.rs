//! Files, in their messages and fetched, with real daemons and the real command.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use martlet_protocol::control::{Delivery, ErrorCode, FileState, SendResponse};
use martlet_testnet::cluster::verbs::{ask, hides, run, shows, try_run};
use martlet_testnet::cluster::{Cluster, Node, introduce};
use martletctl::client::ClientError;

use crate::TestResult;

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

pub(crate) async fn pair(cluster: &Cluster) -> TestResult<(Node, Node)> {
    let alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    bob.wait_connected(&[&alice], DEADLINE).await?;
    Ok((alice, bob))
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// Sends a file and waits until it is there: its id.
pub(crate) async fn send(node: &Node, to: &str, path: &Path, more: &[&str]) -> TestResult<String> {
    let args = [&["send", to, "--file", text(path)], more].concat();
    let id = run(node, &args).await?.trim().to_owned();
    node.wait_state(&id, Delivery::Delivered, DEADLINE).await?;
    Ok(id)
}

/// That a verb is refused with this code, and says this.
pub(crate) async fn refused(node: &Node, args: &[&str], code: i32, why: &str) -> TestResult {
    let (found, out, err) = try_run(node, args).await?;
    assert_eq!((found, out.as_str()), (Some(code), ""), "{args:?}: {err}");
    // Wrapped where a person would read it.
    let err = err.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(err.contains(why), "{args:?}: {err}");
    Ok(())
}

#[tokio::test]
async fn a_file_is_sent_shown_saved_and_ends() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let (alice, mut bob) = pair(&cluster).await?;
    let place = tempfile::tempdir()?;
    let at = |name: &str| place.path().join(name);

    // The largest there is, of all bytes.
    let largest: Vec<u8> = (0..24 * 1024u32).map(|n| n.to_le_bytes()[0] ^ 0x5a).collect();
    fs::write(at("minutes.pdf"), &largest)?;
    fs::set_permissions(at("minutes.pdf"), fs::Permissions::from_mode(0o755))?;
    let minutes =
        send(&alice, "bob", &at("minutes.pdf"), &["--text", "of Monday", "--burn", "1h"]).await?;
    let short = minutes.get(..8).ok_or("an id")?;
    let words = "[file \"minutes.pdf\", 24 KiB] of Monday";
    shows(&bob, &["history", "alice"], words).await?;
    shows(&bob, &["inbox"], words).await?;
    let message = bob.message(&minutes).await?;
    let file = message.file.ok_or("a file")?;
    assert_eq!((file.media_type.as_str(), file.bytes), ("application/pdf", 24 * 1024));
    let listed = ask(&bob, &["file", "list", "alice"]).await?;
    assert_eq!(listed["files"][0]["id"], minutes.as_str(), "{listed}");
    assert!(run(&bob, &["file", "list"]).await?.contains("24 KiB"));

    // Saved as it was, but as no program, and for its owner alone.
    fs::create_dir(at("saved"))?;
    let saved = at("saved/minutes.pdf");
    let (code, out, err) = try_run(&bob, &["file", "save", short, text(&at("saved"))]).await?;
    assert_eq!(code, Some(0), "{err}");
    assert!(out.contains("Saved") && out.contains("24 KiB"), "{out}");
    assert!(err.contains("you have not verified") && err.contains("ends by itself"), "{err}");
    assert_eq!(fs::read(&saved)?, largest);
    assert_eq!(fs::metadata(&saved)?.permissions().mode() & 0o777, 0o600);
    // Over another only if that is said; through a link never.
    let again = ["file", "save", short, text(&saved)];
    refused(&bob, &again, 2, "give --yes to replace the file that is there").await?;
    fs::write(&saved, "mine")?;
    run(&bob, &["file", "save", short, text(&saved), "--yes"]).await?;
    assert_eq!(fs::read(&saved)?, largest);
    fs::write(at("precious"), "precious")?;
    symlink(at("precious"), at("link"))?;
    let link = at("link");
    for more in [&[][..], &["--yes"]] {
        let args = [&["file", "save", short, text(&link)], more].concat();
        refused(&bob, &args, 2, "there is a link, which is not followed").await?;
    }
    assert_eq!(fs::read(at("precious"))?, b"precious");
    let nowhere = at("none/file");
    refused(&bob, &["file", "save", short, text(&nowhere)], 2, "No such file").await?;
    let output = bob.ctl(&["file", "save", short, "-"]).await?;
    assert_eq!(output.stdout, largest);

    // After a restart it is there; once it is taken back it is not.
    bob.restart().await?;
    run(&bob, &["file", "save", short, text(&at("after"))]).await?;
    run(&alice, &["recall", short]).await?;
    hides(&bob, &["history", "alice"], "minutes.pdf").await?;
    refused(&bob, &["file", "save", &minutes], 6, "this message is no file").await?;
    assert_eq!(run(&bob, &["file", "list"]).await?, "No files.\n");

    // It burns as its message does.
    fs::write(at("code.txt"), "7319")?;
    let code = send(&alice, "bob", &at("code.txt"), &["--burn", "1s"]).await?;
    shows(&bob, &["file", "list"], "code.txt").await?;
    run(&bob, &["read", "alice"]).await?;
    hides(&bob, &["file", "list"], "code.txt").await?;
    refused(&bob, &["file", "save", &code], 6, "there is no message").await?;
    hides(&alice, &["file", "list"], "code.txt").await?;
    Ok(())
}

/// Bytes of a file that no other has.
pub(crate) fn large(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

/// Where a node's file is, as it says.
pub(crate) async fn file_state(node: &Node, id: &str) -> TestResult<FileState> {
    Ok(node.message(id).await?.file.ok_or("a file")?.state)
}

pub(crate) async fn wait_file(node: &Node, id: &str, wanted: FileState) -> TestResult {
    let is_so = async || matches!(file_state(node, id).await, Ok(state) if state == wanted);
    let until = tokio::time::Instant::now() + DEADLINE;
    while !is_so().await {
        if tokio::time::Instant::now() > until {
            let found = file_state(node, id).await?;
            return Err(format!("{} has {found:?}, not {wanted:?}", node.name()).into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Names in the directory of blobs.
pub(crate) fn blobs(node: &Node) -> TestResult<Vec<String>> {
    let entries = fs::read_dir(node.data_dir().join("blobs"))?;
    Ok(entries
        .map(|it| it.map(|it| it.file_name().to_string_lossy().into()))
        .collect::<Result<_, _>>()?)
}

pub(crate) async fn wait_no_blobs(node: &Node) -> TestResult {
    let until = tokio::time::Instant::now() + DEADLINE;
    while !blobs(node)?.is_empty() {
        if tokio::time::Instant::now() > until {
            return Err(format!("{}: {:?}", node.name(), blobs(node)?).into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

#[tokio::test]
async fn a_large_file_is_fetched_saved_in_any_range_and_ends_with_its_message() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let (alice, bob) = pair(&cluster).await?;
    let place = tempfile::tempdir()?;
    let at = |name: &str| place.path().join(name);
    let film = large(6_000_000);
    fs::write(at("film.mp4"), &film)?;
    let id = send(&alice, "bob", &at("film.mp4"), &["--text", "of Monday"]).await?;
    let short = id.get(..8).ok_or("an id")?;
    assert_eq!(blobs(&alice)?.len(), 2, "the blob and its tree");
    let words = "[file \"film.mp4\", 5.7 MiB, not fetched] of Monday";
    shows(&bob, &["history", "alice"], words).await?;
    shows(&bob, &["file", "list"], "offered").await?;
    refused(&bob, &["file", "save", short], 1, "file accept ID fetches it").await?;
    assert!(blobs(&bob)?.is_empty());

    run(&bob, &["file", "accept", short, "--wait", "--timeout", "60"]).await?;
    shows(&bob, &["history", "alice"], "[file \"film.mp4\", 5.7 MiB] of Monday").await?;
    run(&bob, &["file", "save", short, text(&at("saved"))]).await?;
    assert_eq!(fs::read(at("saved"))?, film);
    assert_eq!(bob.ctl(&["file", "save", short, "-"]).await?.stdout, film);
    shows(&alice, &["file", "list"], "received").await?;
    // What is on disk is neither the file nor named as it.
    for node in [&alice, &bob] {
        for name in blobs(node)? {
            assert!(!name.contains("film"), "{name}");
            let bytes = fs::read(node.data_dir().join("blobs").join(&name))?;
            assert!(!bytes.windows(32).any(|window| window == &film[..32]), "{name}");
        }
    }
    let range = Command::new("curl")
        .args(["-s", "--fail", "-r", "65519-131041", "--unix-socket", text(&bob.socket())])
        .arg(format!("http://localhost/v1/files/{id}"))
        .output();
    match range {
        Ok(output) => assert_eq!(output.stdout, &film[65_519..=131_041]),
        Err(_) => println!("skipped: there is no curl"),
    }

    run(&alice, &["recall", short]).await?;
    hides(&bob, &["history", "alice"], "film.mp4").await?;
    wait_no_blobs(&alice).await?;
    wait_no_blobs(&bob).await?;

    // A small one comes by itself, and burns.
    fs::write(at("photo.bin"), &film[..200_000])?;
    let photo = send(&alice, "bob", &at("photo.bin"), &["--burn", "1s"]).await?;
    wait_file(&bob, &photo, FileState::Complete).await?;
    run(&bob, &["read", "alice"]).await?;
    wait_no_blobs(&bob).await?;
    wait_no_blobs(&alice).await?;
    Ok(())
}

/// The one who has the file goes and comes, and both are killed again and again: the file is what it was.
#[tokio::test]
async fn a_fetch_survives_kills_of_both_ends() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let (mut alice, mut bob) = pair(&cluster).await?;
    let place = tempfile::tempdir()?;
    let film = large(80_000_000);
    fs::write(place.path().join("film"), &film)?;
    let id = send(&alice, "bob", &place.path().join("film"), &[]).await?;
    let short = id.get(..8).ok_or("an id")?;
    // Its sender is off when it is accepted.
    alice.kill()?;
    run(&bob, &["file", "accept", short]).await?;
    wait_file(&bob, &id, FileState::Waiting).await?;
    alice.start().await?;
    // As soon as a part of it is on disk, and a while later each time: however fast it comes, it is killed in the midst of it.
    let mut kills = 0;
    let until = tokio::time::Instant::now() + 2 * DEADLINE;
    while kills < 6 && tokio::time::Instant::now() < until {
        let found = blobs(&bob)?;
        if found.iter().any(|name| name.ends_with(".blob")) {
            break;
        }
        if found.iter().any(|name| name.ends_with(".part")) {
            tokio::time::sleep(Duration::from_millis(20 * kills)).await;
            let node = if kills % 2 == 0 { &mut bob } else { &mut alice };
            node.kill()?;
            node.start().await?;
            kills += 1;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(kills > 0, "it was too fast to be killed");
    wait_file(&bob, &id, FileState::Complete).await?;
    let saved = place.path().join("saved");
    run(&bob, &["file", "save", short, text(&saved)]).await?;
    assert!(fs::read(saved)? == film, "it is what it was");
    println!("{kills} kills");

    // Forgotten where it came from, it is still here; refused, it is nowhere.
    run(&alice, &["file", "forget", short, "--yes"]).await?;
    wait_no_blobs(&alice).await?;
    shows(&alice, &["file", "list"], "gone").await?;
    run(&bob, &["file", "forget", short]).await?;
    wait_no_blobs(&bob).await?;
    run(&bob, &["file", "accept", short]).await?;
    wait_file(&bob, &id, FileState::Waiting).await?;
    run(&bob, &["file", "cancel", short]).await?;
    wait_no_blobs(&bob).await?;
    run(&bob, &["file", "refuse", short]).await?;
    shows(&bob, &["file", "list"], "refused").await?;
    Ok(())
}

/// Of a file in a room `file save` asked for a contact that is called as the room: it ended with 6 after it had saved. Lists named
/// the room in place of who sent it, and so did `conversations` and `search`.
#[tokio::test]
async fn a_file_in_a_room_is_saved_and_its_sender_is_named() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    let carol = cluster.user("carol", &[&alice, &bob]).await?;
    introduce(&alice, &bob).await?;
    introduce(&alice, &carol).await?;
    let made = run(&alice, &["room", "create", "night watch"]).await?;
    assert!(made.contains("martletctl room invite 'night watch' NAME"), "{made}");
    for (who, node) in [("bob", &bob), ("carol", &carol)] {
        run(&alice, &["room", "invite", "night watch", who]).await?;
        shows(node, &["room", "show", "night watch"], "alice").await?;
    }
    shows(&bob, &["room", "show", "night watch"], "3 operations").await?;

    let place = tempfile::tempdir()?;
    let notes = place.path().join("notes.txt");
    fs::write(&notes, "all quiet")?;
    let id = run(&bob, &["send", "night watch", "--file", text(&notes)]).await?;
    let id = id.trim();
    for (node, by, of_whom) in [
        (&alice, "bob", "whom you have not verified: martletctl contact verify bob"),
        (&carol, "bob (", "who is no contact of yours"),
    ] {
        shows(node, &["file", "list", "night watch"], by).await?;
        shows(node, &["conversations"], by).await?;
        shows(node, &["search", "notes"], by).await?;
        let listed = ask(node, &["file", "list"]).await?;
        let entry = &listed["files"][0];
        assert!(entry["room"].is_string() && entry["author"]["id"].is_string(), "{listed}");
        let saved = place.path().join(node.name());
        let (code, _, err) = try_run(node, &["file", "save", id, text(&saved)]).await?;
        let err = err.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(code == Some(0) && err.contains(of_whom), "{code:?} {err}");
        assert_eq!(fs::read(&saved)?, b"all quiet");
    }

    // The room's timers, by the verb that sets a conversation's.
    let set = ["conversation", "set", "night watch", "--expire", "1h"];
    refused(&bob, &set, 1, "moderator").await?;
    run(&alice, &set).await?;
    shows(&bob, &["conversation", "show", "night watch"], "1 h after they are sent").await?;
    let did = "alice set that messages end 1 h after they are sent";
    shows(&bob, &["room", "ops", "night watch"], did).await?;
    refused(&alice, &["room", "close", "night watch"], 2, "give --yes to close the room").await?;
    refused(&alice, &["conversation", "clear", "night watch"], 2, "give --yes").await?;
    Ok(())
}

#[tokio::test]
async fn what_can_not_be_sent_is_said_before_anything_is() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    let place = tempfile::tempdir()?;
    let at = |name: &str| place.path().join(name);
    let send_of = |path: &Path| ["send", "bob", "--file", text(path)].map(str::to_owned);
    assert!(Command::new("mkfifo").arg(at("pipe")).status()?.success());
    fs::File::create(at("large"))?.set_len((5 << 30) + 1)?;
    fs::write(at("photo.heic"), b"\0\0\0\x18ftypheic and so on")?;
    fs::write(at("broken.jpg"), [0xff, 0xd8, 0xff, 0xe1, 0, 0])?;
    for (path, why) in [
        (at("none"), "No such file"),
        (place.path().to_owned(), "it is a directory"),
        (at("pipe"), "it is a pipe"),
        (Path::new("/dev/zero").to_owned(), "it is a device"),
        (at("large"), "files of at most 5 GiB can be sent"),
        (at("photo.heic"), "--original sends it as it is"),
        (at("broken.jpg"), "--original sends it as it is"),
    ] {
        let args = send_of(&path);
        let args: Vec<_> = args.iter().map(String::as_str).collect();
        refused(&alice, &args, 2, why).await?;
    }
    assert!(alice.history("bob").await?.is_empty());
    let photo = at("photo.heic");
    run(&alice, &["send", "bob", "--file", text(&photo), "--original"]).await?;
    // Who tells nobody where it is sends nothing that is fetched from it alone.
    let mut alice = alice;
    alice.stop().await?;
    alice.options_mut().config.push("direct_files = false".into());
    alice.start().await?;
    let (path, large) = ("/v1/files?to=bob&name=x", vec![0; 4 * 1024 * 1024 + 1]);
    let answer = alice.client().post_file::<SendResponse>(path, "text/plain", large).await;
    match answer {
        Err(ClientError::Problem(problem)) => assert_eq!(problem.code, ErrorCode::FileNeedsDirect),
        other => return Err(format!("{other:?}").into()),
    }
    assert_eq!(alice.history("bob").await?.len(), 1);
    Ok(())
}

/// Whoever gets a photo sees what it looks like before they fetch it.
#[tokio::test]
async fn what_a_photo_looks_like_is_there_before_the_photo() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let (alice, bob) = pair(&cluster).await?;
    // Over what goes in parts, and over what is fetched without a question.
    let photo = vec![7; 5_000_000];
    let path = "/v1/files?to=bob&name=photo.png&thumbnail=ffd8ffe02a";
    let sent: SendResponse = alice.client().post_file(path, "image/png", photo).await?;
    wait_file(&bob, &sent.id, FileState::Offered).await?;
    assert!(run(&bob, &["file", "list"]).await?.contains("thumbnail"));
    let place = tempfile::tempdir()?;
    run(&bob, &["file", "save", &sent.id, text(place.path()), "--thumbnail"]).await?;
    let saved = fs::read(place.path().join("photo-thumbnail.jpg"))?;
    assert_eq!(saved, [0xff, 0xd8, 0xff, 0xe0, 0x2a]);
    assert_eq!(file_state(&bob, &sent.id).await?, FileState::Offered);
    Ok(())
}
