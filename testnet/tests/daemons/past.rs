//! Messages of before on a device that is linked, with real daemons and `martletctl`, also where both ends are killed.
//!
//! `MARTLET_SEED` repeats a run's choices.

use std::time::Duration;

use martlet_protocol::control::{
    Delivery, Device, DeviceHistory, DeviceList, Direction, JoinState, LinkState,
};
use martlet_testnet::cluster::verbs::{run, try_run};
use martlet_testnet::cluster::{Cluster, Node, introduce, until};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::TestResult;

/// By then everything has arrived, also on a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(180);
/// Messages of each: some twenty pages.
const MESSAGES: usize = 400;
/// How often each end is killed.
const KILLS: usize = 4;

/// Waits until a linking is so far.
async fn wait_state(node: &Node, verb: &str, state: &Value) -> TestResult<Value> {
    Ok(until(format!("{verb} should be {state}"), DEADLINE, async || {
        let shown: Result<Value, _> = node.client().get(&format!("/v1/{verb}")).await;
        Ok(shown.ok().filter(|shown| shown["state"] == *state))
    })
    .await?)
}

async fn devices(node: &Node) -> TestResult<Vec<Device>> {
    let list: DeviceList = node.client().get("/v1/devices").await?;
    Ok(list.devices)
}

/// How far a node is.
async fn taken(node: &Node) -> Option<DeviceHistory> {
    devices(node).await.ok()?.into_iter().find(|device| device.this)?.history
}

/// What a node shows: id, direction and text.
async fn rows(node: &Node) -> TestResult<Vec<(String, Direction, String)>> {
    let rows = node.history("bob").await?.into_iter();
    Ok(rows.map(|row| (row.id, row.direction, row.text)).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_linked_device_has_all_of_before_though_both_ends_are_killed() -> TestResult {
    let seed = std::env::var("MARTLET_SEED").ok().and_then(|it| it.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| rand::rng().random());
    // Shown when the test fails.
    println!("MARTLET_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let mut alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    alice.options_mut().peers = vec![bob.address()?];
    introduce(&alice, &bob).await?;
    let filling = "x".repeat(400);
    let mut last = Vec::new();
    for number in 0..MESSAGES {
        let text = format!("{number} {filling}");
        last = vec![alice.send("bob", &text).await?.id, bob.send("alice", &text).await?.id];
    }
    alice.wait_state(&last[0], Delivery::Delivered, DEADLINE).await?;
    bob.wait_state(&last[1], Delivery::Delivered, DEADLINE).await?;

    let mut phone = cluster.start("phone", &[&alice, &bob]).await?;
    phone.wait_connected(&[&bob], DEADLINE).await?;
    let args = ["--json", "device", "link", "--no-wait"];
    let link: Value = serde_json::from_str(&run(&alice, &args).await?)?;
    let code = link["code"].as_str().ok_or("no code")?.to_owned();
    let args = ["device", "join", &code, "--no-passphrase", "--no-wait", "--name", "phone"];
    run(&phone, &args).await?;
    wait_state(&alice, "link", &serde_json::to_value(LinkState::Compare)?).await?;
    let (code, out, err) = try_run(&alice, &["device", "link", "--confirm", "--history"]).await?;
    assert!(code == Some(0) && out.contains("phone is linked"), "{code:?} {out} {err}");
    assert!(err.contains("Your messages of before follow"), "{err}");
    wait_state(&phone, "join", &serde_json::to_value(JoinState::Joined)?).await?;

    for _ in 0..KILLS {
        for node in [&mut alice, &mut phone] {
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..1500))).await;
            node.kill()?;
            node.start().await?;
        }
        println!("after a kill of each: {:?}", taken(&phone).await);
    }
    until("the phone should have all".to_owned(), DEADLINE, async || {
        let is_whole = |it: DeviceHistory| it.conversations_left == Some(0) && it.messages > 0;
        let is_whole = taken(&phone).await.is_some_and(is_whole);
        let (Ok(here), Ok(there)) = (rows(&alice).await, rows(&phone).await) else {
            return Ok(None);
        };
        Ok((is_whole && here.len() == there.len()).then_some(()))
    })
    .await?;
    // Once each, and in the same order.
    assert_eq!(rows(&alice).await?, rows(&phone).await?);
    // Nothing of it is new to the user.
    let (_, out, _) = try_run(&phone, &["inbox"]).await?;
    assert!(!out.contains(&filling), "{out}");
    let (_, out, _) = try_run(&phone, &["device", "list"]).await?;
    assert!(out.contains("messages of before"), "{out}");
    let (_, out, _) = try_run(&alice, &["device", "list"]).await?;
    assert!(out.contains("was given"), "{out}");
    // What is written from now on comes after it.
    let sent = bob.send("alice", "to both").await?;
    bob.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    until("the phone should show it last".to_owned(), DEADLINE, async || {
        let last = phone.history("bob").await?.pop();
        Ok(last.filter(|last| last.id == sent.id))
    })
    .await?;
    Ok(())
}
