//! Files that are wrong, damaged, taken, or have no room to grow.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use martlet_protocol::control::{Delivery, ErrorCode};
use martlet_testnet::cluster::{Cluster, ClusterError, Node, NodeOptions, introduce, until};
use martletctl::client::ClientError;

use crate::{TestResult, cluster};

const DEADLINE: Duration = Duration::from_secs(30);

/// Messages of a node that was in use.
const USED_MESSAGES: usize = 30;

/// Starts a daemon that must refuse to; returns its exit code and what it said.
async fn refusal(node: &mut Node) -> Result<(i32, String), ClusterError> {
    let before = node.log().len();
    node.spawn()?;
    let status = node.ended(DEADLINE).await?;
    Ok((status.code().unwrap_or(-1), node.log().split_off(before)))
}

#[tokio::test]
async fn a_damaged_configuration_is_named_with_line_and_key() -> TestResult {
    let cluster = cluster()?;
    for (lines, expected) in [
        (vec!["colour = \"red\""], vec!["line 4", "colour"]),
        (vec!["", "log = 7"], vec!["line 5", "log"]),
        (vec!["mailbox_bytes_max = -1"], vec!["line 4", "mailbox_bytes_max"]),
        (vec!["log = info"], vec!["line 4"]),
        (vec!["data_dir = \"/tmp", "log = \"info\""], vec!["line 4"]),
        (vec!["network = \"/nonexistent.toml\""], vec!["/nonexistent.toml"]),
    ] {
        let config = lines.iter().map(|line| (*line).to_owned()).collect();
        let mut node = cluster.node("alice", NodeOptions { config, ..NodeOptions::default() });
        let (code, said) = refusal(&mut node).await?;
        assert_eq!(code, 2, "{lines:?}: {said}");
        for part in expected {
            assert!(said.contains(part), "{part:?} is missing for {lines:?} in\n{said}");
        }
        if !lines[0].starts_with("network") {
            let file = node.config_file().display().to_string();
            assert!(said.contains(&file), "{file} is missing in\n{said}");
        }
        assert!(!node.data_dir().exists(), "{lines:?} made a data directory");
    }
    Ok(())
}

#[tokio::test]
async fn a_second_daemon_names_the_first() -> TestResult {
    let cluster = cluster()?;
    let first = cluster.user("alice", &[]).await?;
    let pid = first.pid()?;
    // The same name is the same data directory.
    let mut second = cluster.node("alice", NodeOptions::default());
    let (code, said) = refusal(&mut second).await?;
    assert_eq!(code, 3, "{said}");
    assert!(said.contains(&pid.to_string()), "{pid} is missing in\n{said}");
    assert_eq!(first.status().await?.pid, pid);
    Ok(())
}

/// A user's node that was in use and was stopped: with a history, and envelopes that wait.
async fn used(cluster: &Cluster) -> Result<Node, ClusterError> {
    let mut alice = cluster.user("alice", &[]).await?;
    let mut bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    for number in 0..USED_MESSAGES {
        if number == USED_MESSAGES / 2 {
            bob.stop().await?;
        }
        let sent = alice.send("bob", &"text ".repeat(10 * number + 1)).await?;
        if bob.is_running() {
            alice.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
        }
    }
    alice.stop().await?;
    Ok(alice)
}

/// Starts a node one of whose files is damaged: it must say which, refuse, and leave it alone.
async fn assert_refused(node: &mut Node, file: &Path, what: &str) -> TestResult {
    let before = contents(&node.data_dir())?;
    let (code, said) =
        refusal(node).await.map_err(|error| format!("{} {what}: {error}", file.display()))?;
    assert_eq!(code, 4, "{} {what}: exit code, and\n{said}", file.display());
    let name = file.display().to_string();
    assert!(said.contains(&name), "{what}: {name} is missing in\n{said}");
    for (path, bytes) in contents(&node.data_dir())? {
        // The other database was opened before this one, and redb notes that in its header.
        if path != file && path.extension().is_some_and(|extension| extension == "redb") {
            continue;
        }
        let old = before.iter().find(|(known, _)| *known == path).map(|(_, bytes)| bytes);
        let len = old.map(Vec::len);
        assert!(
            old == Some(&bytes),
            "{what}: {} was changed; {len:?} bytes before, {} after",
            path.display(),
            bytes.len()
        );
    }
    Ok(())
}

/// The data files of a directory: the lock file holds the process id, and a socket has no bytes.
fn contents(directory: &Path) -> std::io::Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_file() && !path.ends_with("martletd.lock") {
            let bytes = fs::read(&path)?;
            files.push((path, bytes));
        }
    }
    Ok(files)
}

#[tokio::test]
async fn truncated_files_are_named_and_left_alone() -> TestResult {
    let cluster = cluster()?;
    let mut alice = used(&cluster).await?;
    for name in ["mailbox.redb", "vault.redb", "vault.key", "vault.keys", "peer.key"] {
        let path = alice.data_dir().join(name);
        let whole = fs::read(&path)?;
        for len in [0, 1, whole.len() / 2, whole.len() - 1] {
            fs::write(&path, &whole[..len])?;
            let what = format!("cut to {len} of {} bytes", whole.len());
            assert_refused(&mut alice, &path, &what).await?;
        }
        fs::write(&path, &whole)?;
    }
    alice.start().await?;
    assert_eq!(alice.history("bob").await?.len(), USED_MESSAGES);
    Ok(())
}

#[tokio::test]
async fn flipped_bits_are_found_and_left_alone() -> TestResult {
    let cluster = cluster()?;
    let mut alice = used(&cluster).await?;
    let history = {
        alice.start().await?;
        let history = alice.history("bob").await?;
        alice.stop().await?;
        history
    };
    let whole = contents(&alice.data_dir())?;
    for name in ["mailbox.redb", "vault.redb", "vault.key", "peer.key"] {
        let path = alice.data_dir().join(name);
        let bytes = fs::read(&path)?;
        let mut found = 0;
        for at in places(&bytes) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x10;
            fs::write(&path, &flipped)?;
            if starts(&mut alice).await? {
                // A database has pages that are not in use: what is in them means nothing.
                assert!(name.ends_with(".redb"), "{name} flipped at byte {at} was not noticed");
                assert_eq!(alice.history("bob").await?, history, "{name} flipped at byte {at}");
                alice.stop().await?;
            } else {
                fs::write(&path, &flipped)?;
                assert_refused(&mut alice, &path, &format!("flipped at byte {at}")).await?;
                found += 1;
            }
            for (path, bytes) in &whole {
                fs::write(path, bytes)?;
            }
        }
        println!("{name}: {found} flips found");
        assert!(found >= 2, "{name}: only {found} flips found");
    }
    alice.start().await?;
    assert_eq!(alice.history("bob").await?, history);
    Ok(())
}

/// Whether a node starts; `false` if it refuses to.
async fn starts(node: &mut Node) -> Result<bool, ClusterError> {
    match node.start().await {
        Ok(()) => Ok(true),
        Err(ClusterError::Ended { .. }) => Ok(false),
        Err(other) => Err(other),
    }
}

/// Where to flip: the file's first byte, and in pages that hold something.
fn places(bytes: &[u8]) -> Vec<usize> {
    /// Of redb's files, bytes.
    const PAGE: usize = 4096;
    /// Far enough into a page to be in its first entries.
    const IN_PAGE: usize = 200;
    const PLACES_MAX: usize = 24;
    let mut places = vec![0];
    if bytes.len() < 4096 {
        places.push(bytes.len() / 2);
        places.push(bytes.len() - 1);
        return places;
    }
    // Some of them are free, and hold what was there before: take many, spread over the file.
    let used: Vec<usize> = (1..bytes.len() / PAGE)
        .map(|page| page * PAGE + IN_PAGE)
        .filter(|at| bytes[*at..at + IN_PAGE].iter().any(|byte| *byte != 0))
        .collect();
    places.extend(used.iter().step_by(used.len().div_ceil(PLACES_MAX).max(1)));
    places
}

#[tokio::test]
async fn a_full_disk_acknowledges_nothing_and_is_got_over() -> TestResult {
    let cluster = cluster()?;
    let mut alice =
        cluster.node("alice", NodeOptions { survive_file_limit: true, ..NodeOptions::default() });
    alice.start().await?;
    alice.init().await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    let first = alice.send("bob", "first").await?;
    alice.wait_state(&first.id, Delivery::Delivered, DEADLINE).await?;

    // No file can grow any more. What fits into the space that the files have already is taken.
    let vault = fs::metadata(alice.data_dir().join("vault.redb"))?.len();
    let mailbox = fs::metadata(alice.data_dir().join("mailbox.redb"))?.len();
    alice.limit_files(Some(vault.min(mailbox)))?;
    let text = |number: usize| format!("{number:05} {}", "x".repeat(16_000));
    let mut acknowledged = vec!["first".to_owned()];
    let mut refused = 0;
    for number in 0..2000 {
        match alice.send("bob", &text(number)).await {
            Ok(_) => acknowledged.push(text(number)),
            Err(ClusterError::Client { source: ClientError::Problem(problem), .. }) => {
                assert_eq!(problem.code, ErrorCode::StorageFailed, "{problem}");
                assert!(problem.detail.contains("disk"), "{problem}");
                refused += 1;
                if refused == 3 {
                    break;
                }
            }
            Err(other) => return Err(other.into()),
        }
    }
    assert_eq!(refused, 3, "the disk was never full");
    assert!(alice.is_running(), "the daemon ended:\n{}", alice.log());
    alice.status().await?;

    // Room again: it goes on by itself, without a restart.
    alice.limit_files(None)?;
    until("it should work again", DEADLINE, async || match alice.send("bob", "after").await {
        Ok(_) => Ok(Some(())),
        Err(ClusterError::Client { source: ClientError::Problem(problem), .. })
            if problem.code == ErrorCode::StorageFailed =>
        {
            Ok(None)
        }
        Err(other) => Err(other),
    })
    .await?;
    acknowledged.push("after".to_owned());
    let received = bob.wait_received("alice", acknowledged.len(), DEADLINE).await?;
    assert!(received == acknowledged, "{} of {}", received.len(), acknowledged.len());

    // And what is on disk is whole.
    alice.options_mut().survive_file_limit = false;
    alice.restart().await?;
    let texts: Vec<String> =
        alice.history("bob").await?.into_iter().map(|message| message.text).collect();
    assert!(texts == acknowledged, "{} of {}", texts.len(), acknowledged.len());
    Ok(())
}
