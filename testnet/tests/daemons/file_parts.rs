//! Files that go through mailboxes, with real daemons: their sender and their recipient are never on at the same time.

use std::fs;
use std::path::Path;
use std::time::Duration;

use martlet_protocol::control::{Delivery, FileState};
use martlet_testnet::cluster::verbs::{run, shows};
use martlet_testnet::cluster::{Cluster, Node, introduce, until};
use tokio::time::Instant;

use crate::{TestResult, cluster};

const DEADLINE: Duration = Duration::from_secs(60);

/// Alice and Bob, who tell nobody where they are, and a node that keeps what waits.
async fn through_mailbox(cluster: &Cluster) -> TestResult<(Node, Node, Node)> {
    let mailbox = cluster.start("mailbox", &[]).await?;
    let mut alice = cluster.user("alice", &[&mailbox]).await?;
    let mut bob = cluster.user("bob", &[&mailbox]).await?;
    introduce(&alice, &bob).await?;
    for node in [&mut alice, &mut bob] {
        node.stop().await?;
        node.options_mut().config.push("direct_files = false".into());
        node.start().await?;
        node.wait_connected(&[&mailbox], DEADLINE).await?;
    }
    alice.send("bob", "before").await?;
    bob.wait_received("alice", 1, DEADLINE).await?;
    Ok((mailbox, alice, bob))
}

/// Bytes of a file that no other has.
fn photo(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

/// Sends a file and waits until the mailbox has all of it: its id.
async fn send(alice: &Node, mailbox: &Node, path: &Path) -> TestResult<String> {
    let path = path.to_str().ok_or("a path")?;
    let before = mailbox.status().await?.mailbox.bytes;
    let bytes = fs::metadata(path)?.len();
    let id = run(alice, &["send", "bob", "--file", path]).await?.trim().to_owned();
    until("the mailbox should have the file", DEADLINE, async || {
        Ok((mailbox.status().await?.mailbox.bytes > before + bytes).then_some(()))
    })
    .await?;
    Ok(id)
}

async fn wait_file(node: &Node, id: &str, wanted: FileState) -> TestResult {
    until(format!("{}'s file should be {wanted:?}", node.name()), DEADLINE, async || {
        let message = node.message(id).await.ok();
        let state = message.and_then(|message| message.file).map(|file| file.state);
        Ok((state == Some(wanted)).then_some(()))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_photo_reaches_who_was_away_though_its_sender_was_killed() -> TestResult {
    let cluster = cluster()?;
    let (mailbox, mut alice, mut bob) = through_mailbox(&cluster).await?;
    bob.stop().await?;
    let place = tempfile::tempdir()?;
    let at = |name: &str| place.path().join(name);
    let sent = photo(1_000_000);
    fs::write(at("photo.bin"), &sent)?;
    let before = mailbox.status().await?.mailbox.bytes;
    let id = send(&alice, &mailbox, &at("photo.bin")).await?;
    shows(&alice, &["file", "list"], "taken 0 %").await?;
    alice.kill()?;

    bob.start().await?;
    wait_file(&bob, &id, FileState::Complete).await?;
    let saved = at("saved");
    run(&bob, &["file", "save", &id, saved.to_str().ok_or("a path")?]).await?;
    assert_eq!(blake3::hash(&fs::read(saved)?), blake3::hash(&sent));
    // Nobody keeps it any longer, and its sender learns that it came.
    until("the mailbox should let it go", DEADLINE, async || {
        Ok((mailbox.status().await?.mailbox.bytes < before + 100_000).then_some(()))
    })
    .await?;
    alice.start().await?;
    shows(&alice, &["file", "list"], "received").await?;
    Ok(())
}

/// How long a text takes to who comes back: alone, and behind a file of 3 MiB that was sent before it.
#[tokio::test]
async fn a_text_does_not_wait_for_a_file_that_was_sent_before_it() -> TestResult {
    let cluster = cluster()?;
    let (mailbox, alice, mut bob) = through_mailbox(&cluster).await?;
    let place = tempfile::tempdir()?;
    let path = place.path().join("photo.bin");
    fs::write(&path, photo(3 << 20))?;
    let mut took = Vec::new();
    for (count, has_file) in [(2, false), (4, true)] {
        bob.stop().await?;
        let file = if has_file { Some(send(&alice, &mailbox, &path).await?) } else { None };
        let text = alice.send("bob", "see you at eight").await?.id;
        alice.wait_state(&text, Delivery::Sent, DEADLINE).await?;
        bob.start().await?;
        let begun = Instant::now();
        bob.wait_received("alice", count, DEADLINE).await?;
        took.push(begun.elapsed());
        if let Some(file) = file {
            wait_file(&bob, &file, FileState::Complete).await?;
            took.push(begun.elapsed());
        }
    }
    println!("a text alone: {:?}; behind a file: {:?}; the file: {:?}", took[0], took[1], took[2]);
    assert!(took[1] < took[2], "{took:?}");
    Ok(())
}
