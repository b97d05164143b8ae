//! Large files whose requests are given up, whose vault is locked, and whose disk is another.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use martlet_protocol::control::{FileFailure, FileState, PassphraseChange, UnlockRequest};
use martlet_testnet::cluster::Node;
use martlet_testnet::cluster::verbs::run;

use crate::files::{blobs, file_state, large, pair, refused, send, text, wait_file, wait_no_blobs};
use crate::{TestResult, cluster};

/// Begins to send a file of so many bytes, and sends these of it.
fn post(node: &Node, size: usize, bytes: &[u8]) -> TestResult<UnixStream> {
    let mut stream = UnixStream::connect(node.socket())?;
    let head = format!(
        "POST /v1/files?to=bob&name=film HTTP/1.1\r\nhost: localhost\r\n\
         content-type: video/mp4\r\ncontent-length: {size}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(bytes)?;
    Ok(stream)
}

/// Whoever sent a file went away while its message was committed: what was sealed was taken for given up, and removed. Its message told
/// of a file that nobody had.
#[tokio::test]
async fn a_file_that_was_sent_stays_though_its_request_was_given_up() -> TestResult {
    let cluster = cluster()?;
    let (alice, _bob) = pair(&cluster).await?;
    let film = large(70_000);
    // At some of these moments the message is being committed.
    for pause in 0..60 {
        let stream = post(&alice, film.len(), &film)?;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        drop(stream);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let sent = alice.history("bob").await?;
    assert!(!sent.is_empty(), "none came so far");
    assert_eq!(blobs(&alice)?.len(), 2 * sent.len(), "each has its blob and its tree");
    let saved = cluster.path().join("saved");
    for message in &sent {
        run(&alice, &["file", "save", &message.id, text(&saved), "--yes"]).await?;
        assert!(fs::read(&saved)? == film, "it is what it was");
    }
    Ok(())
}

/// With the vault locked, what was being sealed and fetched went on, with its key in memory.
#[tokio::test]
async fn nothing_is_sealed_or_fetched_while_the_vault_is_locked() -> TestResult {
    let cluster = cluster()?;
    let (alice, bob) = pair(&cluster).await?;
    let passphrase = Some("correct horse".to_owned());
    for node in [&alice, &bob] {
        let change = PassphraseChange { old: None, new: passphrase.clone() };
        node.post::<_, ()>("/v1/passphrase", &change).await?;
    }
    let film = large(150_000_000);
    let path = cluster.path().join("film");
    fs::write(&path, &film)?;
    let id = send(&alice, "bob", &path, &[]).await?;

    let half = &film[..200_000];
    let mut stream = post(&alice, 2 * half.len(), half)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let before = Instant::now();
    while blobs(&alice)?.len() < 3 {
        assert!(before.elapsed() < Duration::from_secs(30), "{:?}", blobs(&alice)?);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    alice.post_empty::<()>("/v1/lock").await?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    assert_eq!(&answer, b"HTTP/1.1 423", "the vault is locked");
    let before = Instant::now();
    while blobs(&alice)?.len() > 2 {
        assert!(before.elapsed() < Duration::from_secs(30), "{:?}", blobs(&alice)?);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    // What is whole is ciphertext, and is served.
    run(&bob, &["file", "accept", &id]).await?;
    let is_there = |end: &str| TestResult::Ok(blobs(&bob)?.iter().any(|name| name.ends_with(end)));
    while !is_there(".part")? {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bob.post_empty::<()>("/v1/lock").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(
        is_there(".part")? && !is_there(".blob")?,
        "it was fetched to its end: {:?}",
        blobs(&bob)?
    );
    bob.post::<_, ()>("/v1/unlock", &UnlockRequest { passphrase }).await?;
    wait_file(&bob, &id, FileState::Complete).await?;
    let saved = cluster.path().join("saved");
    run(&bob, &["file", "save", &id, text(&saved)]).await?;
    assert!(fs::read(saved)? == film, "it is what it was");
    Ok(())
}

/// After a backup was put back on another machine files were said to be `here`, and could not be fetched.
#[tokio::test]
async fn a_file_that_is_on_another_disk_can_be_fetched_again() -> TestResult {
    let cluster = cluster()?;
    let (mut alice, mut bob) = pair(&cluster).await?;
    let path = cluster.path().join("photo");
    // It is too large to go in parts through mailboxes.
    fs::write(&path, large(5_000_000))?;
    let id = send(&alice, "bob", &path, &[]).await?;
    wait_file(&bob, &id, FileState::Offered).await?;
    run(&bob, &["file", "accept", &id]).await?;
    wait_file(&bob, &id, FileState::Complete).await?;
    bob.stop().await?;
    fs::remove_dir_all(bob.data_dir().join("blobs"))?;
    bob.start().await?;
    wait_file(&bob, &id, FileState::Failed).await?;
    let failure =
        async |node: &Node| TestResult::Ok(node.message(&id).await?.file.ok_or("a file")?.failure);
    assert_eq!(failure(&bob).await?, Some(FileFailure::Lost));

    // One whose user wants nobody to know where it is gives it to nobody.
    alice.stop().await?;
    alice.options_mut().config.push("direct_files = false".into());
    alice.start().await?;
    bob.wait_connected(&[&alice], Duration::from_secs(60)).await?;
    run(&bob, &["file", "accept", &id]).await?;
    wait_file(&bob, &id, FileState::Waiting).await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(file_state(&bob, &id).await?, FileState::Waiting);
    alice.stop().await?;
    alice.options_mut().config.pop();
    alice.start().await?;
    wait_file(&bob, &id, FileState::Complete).await?;

    // Damaged, only what is damaged is fetched again.
    bob.stop().await?;
    let name = blobs(&bob)?.into_iter().find(|name| name.ends_with(".blob")).ok_or("a blob")?;
    let blob = bob.data_dir().join("blobs").join(name);
    let mut bytes = fs::read(&blob)?;
    bytes[70_000] ^= 1;
    fs::write(&blob, bytes)?;
    bob.start().await?;
    // Its length was told before it was read.
    let saved = cluster.path().join("saved");
    let output = bob.ctl(&["file", "save", &id, text(&saved)]).await?;
    assert!(!output.status.success() && !saved.exists());
    wait_file(&bob, &id, FileState::Failed).await?;
    assert_eq!(failure(&bob).await?, Some(FileFailure::Disk));
    run(&bob, &["file", "accept", &id]).await?;
    wait_file(&bob, &id, FileState::Complete).await?;
    run(&bob, &["file", "save", &id, text(&saved)]).await?;
    assert!(fs::read(saved)? == fs::read(path)?, "it is what it was");

    // An own one that is lost is lost.
    alice.stop().await?;
    fs::remove_dir_all(alice.data_dir().join("blobs"))?;
    alice.start().await?;
    wait_file(&alice, &id, FileState::Failed).await?;
    assert_eq!(failure(&alice).await?, Some(FileFailure::Lost));
    refused(&alice, &["file", "accept", &id], 1, "").await?;
    wait_no_blobs(&alice).await?;
    Ok(())
}
