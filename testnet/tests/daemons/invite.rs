//! Invites, with real daemons and `martletctl`.

use std::time::Duration;

use martlet_protocol::control::{ContactList, Delivery, EventBody, RequestList};
use martlet_protocol::network::{NetworkDescriptor, NetworkKey};
use martlet_testnet::cluster::verbs::ask;
use martlet_testnet::cluster::{Cluster, Node, NodeOptions, next_event, until};
use serde_json::Value;

use crate::TestResult;

const DEADLINE: Duration = Duration::from_secs(60);

/// Runs `martletctl`: its exit code, what it printed, and what it said.
async fn try_run(node: &Node, args: &[&str]) -> TestResult<(Option<i32>, String, String)> {
    let output = node.ctl(args).await?;
    let (out, err) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
    Ok((output.status.code(), out, err.replace('\n', " ")))
}

async fn refused(node: &Node, link: &str, why: &str) -> TestResult {
    let (exit, _, err) = try_run(node, &["invite", "accept", link, "--name", "x"]).await?;
    if exit == Some(1) && err.contains(why) {
        return Ok(());
    }
    Err(format!("{exit:?} {err}, not {why:?}").into())
}

fn link(invite: &Value) -> TestResult<String> {
    Ok(invite["link"].as_str().ok_or("no link")?.to_owned())
}

/// A node in a network of its own file, not yet started.
fn node(cluster: &Cluster, name: &str, network: &str, is_closed: bool) -> TestResult<Node> {
    let key = is_closed.then(|| NetworkKey::from_bytes([7; 32]));
    let network = NetworkDescriptor { name: network.into(), key, ..NetworkDescriptor::default() };
    std::fs::write(cluster.path().join(format!("{name}.net")), network.to_toml().as_bytes())?;
    let config = vec![format!("network = \"{name}.net\"")];
    Ok(cluster.node(name, NodeOptions { config, tcp_only: true, ..NodeOptions::default() }))
}

/// They know nothing of each other: neither ID nor address. The link is enough, once.
#[tokio::test]
async fn two_strangers_meet_in_one_step() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[]).await?;
    let carol = cluster.user("carol", &[]).await?;
    let made = ask(&alice, &["invite", "create", "--expires", "1h"]).await?;
    let link = link(&made)?;
    assert!(bob.connected_peers().await?.is_empty());
    let mut told = alice.events(None).await?;
    let mut at_bob = bob.events(None).await?;
    let added = ask(&bob, &["invite", "accept", &link]).await?;
    assert_eq!(added["name"], "alice");
    next_event(&alice, &mut told, DEADLINE, |event| match &event.body {
        EventBody::InviteUsed { name, .. } if name == "bob" => Some(()),
        _ => None,
    })
    .await?;
    next_event(&bob, &mut at_bob, DEADLINE, |event| match &event.body {
        EventBody::InviteAccepted { name } if name == "alice" => Some(()),
        _ => None,
    })
    .await?;
    for (node, to) in [(&bob, "alice"), (&alice, "bob")] {
        let sent = node.send(to, "hello").await?;
        node.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    }
    assert_eq!(ask(&alice, &["requests", "list"]).await?["requests"], Value::Array(Vec::new()));
    let list = ask(&alice, &["invite", "list"]).await?;
    assert_eq!(
        (&list["invites"][0]["state"], &list["invites"][0]["used_by"]),
        (&"used".into(), &"bob".into())
    );
    assert!(list["invites"][0]["link"].is_null(), "{list}");

    // A second time it is worth nothing; whoever invited learns that it went on.
    refused(&bob, &link, "your contact \"alice\" already").await?;
    refused(&alice, &link, "your own invite").await?;
    ask(&carol, &["invite", "accept", &link]).await?;
    next_event(&alice, &mut told, DEADLINE, |event| match &event.body {
        EventBody::InviteRefused { .. } => Some(()),
        _ => None,
    })
    .await?;
    carol.send("alice", "me too").await?;
    until("carol should be a request", DEADLINE, async || {
        let list: RequestList = alice.get("/v1/requests").await?;
        Ok((list.requests.len() == 1).then_some(()))
    })
    .await?;
    assert_eq!(alice.get::<ContactList>("/v1/contacts").await?.contacts.len(), 1);
    Ok(())
}

#[tokio::test]
async fn bad_invites_are_refused_with_the_reason() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    bob.wait_connected(&[&alice], DEADLINE).await?;
    let made = ask(&alice, &["invite", "create", "--name", "bob"]).await?;
    let good = link(&made)?;
    refused(&bob, &good[..good.len() - 2], "damaged").await?;
    refused(&bob, &alice.id().await?, "not an invite").await?;
    // Revoked: it makes nobody a contact.
    let number = made["number"].to_string();
    ask(&alice, &["invite", "revoke", &number]).await?;
    let (exit, _, err) = try_run(&alice, &["invite", "show", &number]).await?;
    assert!(exit == Some(1) && err.contains("revoked"), "{exit:?} {err}");
    let (exit, _, err) = try_run(&alice, &["invite", "revoke", "77"]).await?;
    assert!(exit == Some(6) && err.contains("no invite 77"), "{exit:?} {err}");
    // Of someone blocked.
    ask(&bob, &["block", &alice.id().await?]).await?;
    let other = link(&ask(&alice, &["invite", "create"]).await?)?;
    refused(&bob, &other, "is blocked").await?;
    ask(&bob, &["unblock", &alice.id().await?]).await?;
    let mut told = alice.events(None).await?;
    ask(&bob, &["invite", "accept", &good]).await?;
    next_event(&alice, &mut told, DEADLINE, |event| match &event.body {
        EventBody::InviteRefused { .. } => Some(()),
        _ => None,
    })
    .await?;
    assert!(alice.get::<ContactList>("/v1/contacts").await?.contacts.is_empty());
    Ok(())
}

/// A closed network: the link has its key. Where nobody is yet, it is joined; after a restart they meet.
#[tokio::test]
async fn an_invite_leads_into_a_closed_network() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let mut alice = node(&cluster, "alice", "ship", true)?;
    alice.start().await?;
    alice.init().await?;
    let link = link(&ask(&alice, &["invite", "create"]).await?)?;

    // Bob's daemon is of another network, which he leaves only by his own word.
    let mut bob = node(&cluster, "bob", "quay", false)?;
    bob.start().await?;
    let id = bob.init().await?;
    refused(&bob, &link, "closed network ship").await?;
    let joined = try_run(&bob, &["network", "join", "--force", &link]).await?;
    assert_eq!(joined.0, Some(0), "{joined:?}");
    bob.restart().await?;
    assert_eq!(bob.id().await?, id);
    ask(&bob, &["invite", "accept", &link]).await?;
    let sent = bob.send("alice", "on board").await?;
    bob.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    Ok(())
}
