//! Files in their messages, with real daemons and the real command.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use martlet_protocol::control::{Delivery, ErrorCode, SendResponse};
use martlet_testnet::cluster::verbs::{ask, hides, run, shows, try_run};
use martlet_testnet::cluster::{Cluster, Node, introduce};
use martletctl::client::ClientError;

const DEADLINE: Duration = Duration::from_secs(60);

type TestResult<T = ()> = Result<T, Box<dyn std::error::Error>>;

async fn pair(cluster: &Cluster) -> TestResult<(Node, Node)> {
    let alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    bob.wait_connected(&[&alice], DEADLINE).await?;
    Ok((alice, bob))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// Sends a file and waits until it is there: its id.
async fn send(node: &Node, to: &str, path: &Path, more: &[&str]) -> TestResult<String> {
    let args = [&["send", to, "--file", text(path)], more].concat();
    let id = run(node, &args).await?.trim().to_owned();
    node.wait_state(&id, Delivery::Delivered, DEADLINE).await?;
    Ok(id)
}

/// That a verb is refused with this code, and says this.
async fn refused(node: &Node, args: &[&str], code: i32, why: &str) -> TestResult {
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
    fs::write(at("large"), vec![0; 24 * 1024 + 1])?;
    fs::write(at("photo.heic"), b"\0\0\0\x18ftypheic and so on")?;
    fs::write(at("broken.jpg"), [0xff, 0xd8, 0xff, 0xe1, 0, 0])?;
    for (path, why) in [
        (at("none"), "No such file"),
        (place.path().to_owned(), "it is a directory"),
        (at("pipe"), "it is a pipe"),
        (Path::new("/dev/zero").to_owned(), "it is a device"),
        (at("large"), "so far files of at most 24 KiB can be sent"),
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
    // The daemon says the same to whoever asks it alone.
    let (path, large) = ("/v1/files?to=bob&name=x", vec![0; 24 * 1024 + 1]);
    let answer = alice.client().post_file::<SendResponse>(path, "text/plain", large).await;
    match answer {
        Err(ClientError::Problem(problem)) => assert_eq!(problem.code, ErrorCode::FileTooLarge),
        other => return Err(format!("{other:?}").into()),
    }
    assert_eq!(alice.history("bob").await?.len(), 1);
    Ok(())
}
