//! Large files that depots keep for who is away, with real daemons: their sender and their recipient are never on at the same time.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use martlet_protocol::control::{Delivery, DepotRefusal, DepotStatus, FileState};
use martlet_testnet::cluster::verbs::{run, shows};
use martlet_testnet::cluster::{Cluster, Node, NodeOptions, introduce, until};

use crate::files::{DEADLINE, file_state, large, text, wait_file};
use crate::{TestResult, cluster};

/// More than goes through mailboxes.
const FILM_BYTES: usize = 9_000_000;

async fn depot(cluster: &Cluster, bytes: u64) -> TestResult<Node> {
    let config = vec!["user = false".into(), format!("depot_bytes = {bytes}")];
    let mut node = cluster.node("depot", NodeOptions { config, ..NodeOptions::default() });
    node.start().await?;
    Ok(node)
}

/// Alice and Bob are contacts, and near the depot.
async fn pair(cluster: &Cluster, depot: &Node) -> TestResult<(Node, Node)> {
    let alice = cluster.user("alice", &[depot]).await?;
    let bob = cluster.user("bob", &[depot]).await?;
    introduce(&alice, &bob).await?;
    for node in [&alice, &bob] {
        node.wait_connected(&[depot], DEADLINE).await?;
    }
    let sent = alice.send("bob", "before").await?;
    alice.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    Ok((alice, bob))
}

fn film(cluster: &Cluster, bytes: usize) -> TestResult<PathBuf> {
    let path = cluster.path().join("film");
    fs::write(&path, large(bytes))?;
    Ok(path)
}

async fn wait_kept(node: &Node, id: &str, depots: u32) -> TestResult {
    let what = format!("{} depots should keep the file", depots);
    until(what, DEADLINE, async || {
        let file = node.message(id).await?.file;
        Ok((file.and_then(|file| file.depots) == Some(depots)).then_some(()))
    })
    .await?;
    Ok(())
}

async fn keeps(depot: &Node) -> TestResult<DepotStatus> {
    Ok(depot.status().await?.depot.ok_or("a depot")?)
}

async fn wait_empty(depot: &Node) -> TestResult {
    until("the depot should be empty", DEADLINE, async || {
        Ok((depot.status().await?.depot.unwrap_or_default().files == 0).then_some(()))
    })
    .await?;
    assert_eq!(fs::read_dir(depot.data_dir().join("depot"))?.count(), 0, "nothing of it is left");
    Ok(())
}

#[tokio::test]
async fn a_file_is_fetched_from_a_depot_while_its_sender_is_off_and_goes_with_its_message()
-> TestResult {
    let cluster = cluster()?;
    let depot = depot(&cluster, 1 << 30).await?;
    let (mut alice, mut bob) = pair(&cluster, &depot).await?;
    bob.stop().await?;
    let path = film(&cluster, FILM_BYTES)?;
    let id = run(&alice, &["send", "bob", "--file", text(&path)]).await?.trim().to_owned();
    wait_kept(&alice, &id, 1).await?;
    shows(&alice, &["file", "list"], "kept by 1 depot").await?;
    let kept = keeps(&depot).await?;
    assert!(kept.files == 1 && kept.bytes > FILM_BYTES as u64, "{kept:?}");
    assert_eq!(depot.metrics().await?.get("martlet_depot_files")?, 1.0);
    shows(&depot, &["status"], "1 large file of others").await?;
    shows(&depot, &["privacy"], "1 large file,").await?;
    // It has neither its name nor its bytes.
    for entry in fs::read_dir(depot.data_dir().join("depot"))? {
        let bytes = fs::read(entry?.path())?;
        let plain = fs::read(&path)?;
        assert!(!bytes.windows(32).any(|window| window == &plain[..32]));
    }
    // Word of it is kept by the mailbox, too.
    let after = alice.send("bob", "after").await?;
    alice.wait_state(&after.id, Delivery::Sent, DEADLINE).await?;
    alice.stop().await?;

    bob.start().await?;
    bob.wait_connected(&[&depot], DEADLINE).await?;
    wait_file(&bob, &id, FileState::Offered).await?;
    run(&bob, &["file", "accept", &id, "--wait", "--timeout", "60"]).await?;
    let saved = cluster.path().join("saved");
    run(&bob, &["file", "save", &id, text(&saved)]).await?;
    assert!(fs::read(&saved)? == fs::read(&path)?, "it is what it was");

    // The depot hears that the message is gone, though it was off then.
    let mut depot = depot;
    depot.stop().await?;
    alice.start().await?;
    run(&alice, &["file", "forget", &id, "--yes"]).await?;
    depot.start().await?;
    assert_eq!(keeps(&depot).await?.files, 1, "after a restart it is there");
    wait_empty(&depot).await?;
    Ok(())
}

#[tokio::test]
async fn a_full_depot_refuses_and_its_sender_says_so() -> TestResult {
    let cluster = cluster()?;
    let depot = depot(&cluster, 80_000_000).await?;
    let (alice, _bob) = pair(&cluster, &depot).await?;
    // A share is an eighth.
    let path = film(&cluster, 12_000_000)?;
    let id = run(&alice, &["send", "bob", "--file", text(&path)]).await?.trim().to_owned();
    until("the depot should have refused", DEADLINE, async || {
        let file = alice.message(&id).await?.file;
        let why = file.and_then(|file| file.depot_refusal);
        Ok((why == Some(DepotRefusal::Share)).then_some(()))
    })
    .await?;
    assert_eq!(file_state(&alice, &id).await?, FileState::Complete);
    shows(&alice, &["file", "list"], "too large for the depot's share").await?;
    assert_eq!(keeps(&depot).await?.files, 0);
    // Half of it fits.
    let path = film(&cluster, 6_000_000)?;
    let id = run(&alice, &["send", "bob", "--file", text(&path)]).await?.trim().to_owned();
    wait_kept(&alice, &id, 1).await?;
    run(&alice, &["recall", &id]).await?;
    wait_empty(&depot).await?;
    Ok(())
}

/// Killed again and again while it is brought a file, the depot never says that it has what it has not, and in the end has it.
#[tokio::test]
async fn a_depot_that_is_killed_while_it_is_brought_a_file_has_it_in_the_end() -> TestResult {
    let cluster = cluster()?;
    let mut depot = depot(&cluster, 4 << 30).await?;
    let (mut alice, mut bob) = pair(&cluster, &depot).await?;
    bob.stop().await?;
    let path = film(&cluster, 200_000_000)?;
    let id = run(&alice, &["send", "bob", "--file", text(&path)]).await?.trim().to_owned();
    let mut halves = 0;
    for pause in [100, 200, 300, 400] {
        until("the depot should be brought it", DEADLINE, async || {
            Ok((keeps(&depot).await.is_ok_and(|kept| kept.files == 1)).then_some(()))
        })
        .await?;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        depot.kill()?;
        let names = fs::read_dir(depot.data_dir().join("depot"))?;
        let names: Vec<_> =
            names.map(|it| it.map(|it| it.file_name())).collect::<Result<_, _>>()?;
        let has = |end: &str| names.iter().any(|name| name.to_string_lossy().ends_with(end));
        halves += usize::from(has(".part"));
        let told = alice.message(&id).await?.file.and_then(|file| file.depots);
        assert!(told == Some(0) || has(".blob"), "{told:?}: {names:?}");
        depot.start().await?;
    }
    assert!(halves > 0, "it was never killed in between");
    wait_kept(&alice, &id, 1).await?;
    alice.stop().await?;
    bob.start().await?;
    wait_file(&bob, &id, FileState::Offered).await?;
    run(&bob, &["file", "accept", &id, "--wait", "--timeout", "120"]).await?;
    let saved = cluster.path().join("saved");
    run(&bob, &["file", "save", &id, text(&saved)]).await?;
    assert!(fs::read(&saved)? == fs::read(&path)?, "it is what it was");
    Ok(())
}

/// Where contacts are not told where one is, files that were too large for mailboxes could not be sent.
#[tokio::test]
async fn depots_alone_carry_files_of_who_tells_nobody_where_they_are() -> TestResult {
    let cluster = cluster()?;
    let depot = depot(&cluster, 1 << 30).await?;
    let (mut alice, mut bob) = pair(&cluster, &depot).await?;
    for node in [&mut alice, &mut bob] {
        node.stop().await?;
        let keys = ["direct_files = false", "depot_files = true"];
        node.options_mut().config.extend(keys.map(str::to_owned));
        node.start().await?;
        node.wait_connected(&[&depot], DEADLINE).await?;
    }
    let path = film(&cluster, FILM_BYTES)?;
    let id = run(&alice, &["send", "bob", "--file", text(&path)]).await?.trim().to_owned();
    wait_kept(&alice, &id, 1).await?;
    wait_file(&bob, &id, FileState::Offered).await?;
    run(&bob, &["file", "accept", &id, "--wait", "--timeout", "60"]).await?;
    let saved = cluster.path().join("saved");
    run(&bob, &["file", "save", &id, text(&saved)]).await?;
    assert!(fs::read(&saved)? == fs::read(&path)?, "it is what it was");
    Ok(())
}
