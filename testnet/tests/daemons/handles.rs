//! Handles, with real daemons and `martletctl`.

use std::time::Duration;

use martlet_protocol::control::Delivery;
use martlet_protocol::network::{NetworkDescriptor, NetworkKey};
use martlet_testnet::cluster::verbs::{ask, run, shows, try_run};
use martlet_testnet::cluster::{Cluster, Node, NodeOptions, until};
use serde_json::Value;

use crate::TestResult;

const DEADLINE: Duration = Duration::from_secs(60);

/// Waits until so many people are found by a handle; what was found.
async fn found(node: &Node, handle: &str, count: usize) -> TestResult<Vec<Value>> {
    let what = format!("{} should find {count} by {handle}", node.name());
    let found = until(what, DEADLINE, async || {
        let found = ask(node, &["handle", "find", handle]).await?;
        let claimants = found["claimants"].as_array().cloned().unwrap_or_default();
        Ok((claimants.len() == count).then_some(claimants))
    });
    Ok(found.await?)
}

async fn refused(node: &Node, args: &[&str], exit: i32, why: &str) -> TestResult {
    let (code, _, err) = try_run(node, args).await?;
    let err = err.replace('\n', " ");
    if code == Some(exit) && err.contains(why) {
        return Ok(());
    }
    Err(format!("{args:?}: {code:?} {err}, not {exit} {why:?}").into())
}

#[tokio::test]
async fn who_knows_a_name_finds_who_claims_it_and_two_are_told_apart() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let mut alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    let carol = cluster.user("carol", &[&alice, &bob]).await?;
    carol.wait_connected(&[&alice, &bob], DEADLINE).await?;

    refused(&carol, &["contact", "add", "@alice"], 1, "nobody answers to @alice").await?;
    shows(&carol, &["handle", "find", "alice"], "Nobody answers to @alice here.").await?;
    refused(&alice, &["handle", "claim", "two words"], 1, "no spaces").await?;
    refused(&alice, &["handle", "claim", "a"], 1, "2 to 32 characters").await?;
    refused(&alice, &["handle", "claim", &"a".repeat(33)], 1, "2 to 32 characters").await?;
    refused(&alice, &["handle", "release"], 6, "handle claim").await?;
    shows(&alice, &["handle", "show"], "No handle").await?;

    run(&alice, &["handle", "claim", "Alice"]).await?;
    shows(&alice, &["handle", "show"], "@alice").await?;
    refused(&alice, &["handle", "claim", "alissa"], 1, "release it first").await?;
    shows(&alice, &["privacy"], "You claim @alice").await?;
    found(&carol, "alice", 1).await?;
    // Found, added, written to.
    let added = run(&carol, &["contact", "add", "@ALICE"]).await?;
    assert!(added.contains("contact verify alice"), "{added}");
    let sent = carol.send("alice", "found you").await?;
    carol.wait_state(&sent.id, Delivery::Sent, DEADLINE).await?;
    refused(&carol, &["contact", "add", "martlet1"], 2, "--name").await?;

    // Bob's looks the same: a Cyrillic letter. He is not refused, and both are shown to all.
    let told = run(&bob, &["handle", "claim", "\u{430}lice"]).await?;
    assert!(told.contains("Others claim it, too") && told.contains("Safety no."), "{told}");
    shows(&alice, &["handle", "show"], "Others claim it, too").await?;
    let both = found(&carol, "alice", 2).await?;
    assert_eq!(both[0]["contact"], "alice");
    assert_eq!((&both[1]["lookalike"], &both[1]["handle"]), (&true.into(), &"\u{430}lice".into()));
    let numbers: Vec<_> = both.iter().map(|it| it["safety_number"]["digits"].clone()).collect();
    assert!(numbers[0] != numbers[1] && numbers.iter().all(Value::is_string), "{numbers:?}");
    let page = run(&carol, &["handle", "find", "alice"]).await?;
    assert!(page.contains("2 answer to @alice") && page.contains("other letters"), "{page}");
    let dave = cluster.user("dave", &[&carol]).await?;
    found(&dave, "alice", 2).await?;
    let choose = "2 people answer to @alice";
    refused(&dave, &["contact", "add", "@alice", "--name", "a"], 1, choose).await?;

    // It outlives a restart, and is taken back by a word.
    alice.restart().await?;
    shows(&alice, &["handle", "show"], "@alice").await?;
    found(&dave, "alice", 2).await?;
    run(&alice, &["handle", "release"]).await?;
    let left = found(&dave, "alice", 1).await?;
    assert_eq!(left[0]["id"], bob.id().await?);
    // The one who is left writes it otherwise.
    refused(&dave, &["contact", "add", "@alice"], 1, "in other letters").await?;
    run(&dave, &["contact", "add", "@\u{430}lice", "--name", "bob"]).await?;
    Ok(())
}

/// In a closed network, from behind a locked vault.
#[tokio::test]
async fn a_handle_is_of_one_network_and_kept_behind_the_lock() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let key = Some(NetworkKey::from_bytes([7; 32]));
    let network = NetworkDescriptor { name: "ship".into(), key, ..NetworkDescriptor::default() };
    std::fs::write(cluster.path().join("ship.net"), network.to_toml().as_bytes())?;
    let config = vec!["network = \"ship.net\"".to_owned()];
    let options =
        || NodeOptions { config: config.clone(), tcp_only: true, ..NodeOptions::default() };
    let mut alice = cluster.node("alice", options());
    alice.start().await?;
    refused(&alice, &["handle", "claim", "alice"], 1, "martletctl init").await?;
    let secret = cluster.path().join("secret.txt");
    std::fs::write(&secret, "a good long passphrase")?;
    let secret = secret.to_str().ok_or("a path")?;
    run(&alice, &["init", "--name", "alice", "--passphrase-file", secret]).await?;
    run(&alice, &["handle", "claim", "alice"]).await?;
    run(&alice, &["lock"]).await?;
    for args in [&["handle", "show"][..], &["handle", "find", "bob"], &["handle", "release"]] {
        refused(&alice, args, 4, "locked").await?;
    }

    let mut bob = cluster.node("bob", NodeOptions { peers: vec![alice.address()?], ..options() });
    bob.start().await?;
    bob.init().await?;
    // A locked node keeps the claim like any envelope.
    found(&bob, "alice", 1).await?;
    run(&bob, &["contact", "add", "@alice"]).await?;
    run(&alice, &["unlock", "--passphrase-file", secret]).await?;
    shows(&alice, &["handle", "show"], "@alice").await?;

    let eve = cluster.user("eve", &[]).await?;
    shows(&eve, &["handle", "find", "alice"], "Nobody answers").await?;
    Ok(())
}
