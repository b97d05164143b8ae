//! Two devices of one identity, with real daemons and `martletctl`: what is done on one is so on the other, also where
//! one of them is killed again and again.
//!
//! `MARTLET_KILL_ROUNDS` sets the number of rounds (4), `MARTLET_SEED` repeats a run's choices.

use std::time::Duration;

use martlet_protocol::control::{
    Contact, ContactList, Delivery, Direction, Inbox, SendRequest, SendResponse,
};
use martlet_testnet::cluster::verbs::{run, shows, shows_all};
use martlet_testnet::cluster::{Cluster, Node, introduce, until};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use crate::TestResult;

/// By then everything has arrived, also on a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(120);
const ROUNDS_DEFAULT: usize = 4;
/// A round's flow of messages is cut off at an instant within this.
const FLOW_MAX_MS: u64 = 400;

/// Alice on two nodes, and Bob, whom she knows: the second was made from her recovery phrase.
async fn two_devices(cluster: &Cluster) -> TestResult<(Node, Node, Node)> {
    let alice = cluster.start("alice", &[]).await?;
    let made = run(&alice, &["init", "--no-passphrase", "--name", "alice", "--json"]).await?;
    let made: Value = serde_json::from_str(&made)?;
    let bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    let sent = alice.send("bob", "before").await?;
    alice.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;

    let tablet = cluster.start("tablet", &[&alice, &bob]).await?;
    let phrase = cluster.path().join("phrase.txt");
    std::fs::write(&phrase, made["recovery_phrase"].as_str().ok_or("no phrase")?)?;
    let phrase = phrase.to_str().ok_or("a path")?;
    let args = ["init", "--recover", "--no-passphrase", "--name", "alice", "--phrase-file", phrase];
    run(&tablet, &args).await?;
    // Alice's other device tells whom she knows.
    shows(&tablet, &["contact", "list"], "bob").await?;
    Ok((alice, bob, tablet))
}

#[tokio::test]
async fn what_is_sent_read_and_decided_on_one_device_is_so_on_the_other() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let (alice, bob, tablet) = two_devices(&cluster).await?;

    run(&alice, &["send", "bob", "from the desk"]).await?;
    run(&alice, &["note", "buy milk"]).await?;
    shows(&tablet, &["history", "bob"], "from the desk").await?;
    shows(&tablet, &["history", "--notes"], "buy milk").await?;
    run(&tablet, &["send", "bob", "from the sofa"]).await?;
    shows_all(&alice, &["history", "bob"], &["from the desk", "from the sofa"]).await?;
    shows_all(&bob, &["history", "alice"], &["from the desk", "from the sofa"]).await?;

    // Both get all, and what is read on one is read on the other.
    until("Bob should know the tablet".to_owned(), DEADLINE, async || {
        let alice: Contact = bob.get("/v1/contacts/alice").await?;
        Ok((alice.devices == 2).then_some(()))
    })
    .await?;
    run(&bob, &["send", "alice", "to both of you"]).await?;
    for node in [&alice, &tablet] {
        shows(node, &["inbox"], "to both of you").await?;
    }
    run(&tablet, &["read", "bob"]).await?;
    until("it should be read".to_owned(), DEADLINE, async || {
        let inbox: Inbox = alice.get("/v1/inbox").await?;
        Ok(inbox.conversations.is_empty().then_some(()))
    })
    .await?;

    // Contacts, and what the user thinks of them.
    let carol = cluster.user("carol", &[&bob]).await?;
    let id = carol.id().await?;
    run(&tablet, &["contact", "add", &id, "--name", "carol"]).await?;
    shows_all(&alice, &["contact", "list"], &["bob", "carol"]).await?;
    run(&alice, &["contact", "verify", "bob", "--compared"]).await?;
    run(&alice, &["contact", "rename", "carol", "caro"]).await?;
    shows_all(&tablet, &["contact", "list"], &["caro", "verified"]).await?;
    run(&tablet, &["contact", "remove", "caro", "--yes"]).await?;
    until("Carol should be gone".to_owned(), DEADLINE, async || {
        let list: ContactList = alice.get("/v1/contacts").await?;
        Ok((list.contacts.len() == 1).then_some(()))
    })
    .await?;
    Ok(())
}

/// The texts of one direction, as numbers.
async fn numbers(node: &Node, with: &str, direction: Direction) -> TestResult<Vec<usize>> {
    let history = node.history(with).await?.into_iter();
    let texts = history.filter(|message| message.direction == direction).map(|it| it.text);
    Ok(texts.filter_map(|text| text.parse().ok()).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_killed_loses_nothing_and_shows_nothing_twice() -> TestResult {
    let set = |name: &str| std::env::var(name).ok();
    let rounds = set("MARTLET_KILL_ROUNDS").and_then(|it| it.parse().ok());
    let rounds: usize = rounds.unwrap_or(ROUNDS_DEFAULT);
    let seed = set("MARTLET_SEED").and_then(|it| it.parse().ok());
    let seed: u64 = seed.unwrap_or_else(|| rand::rng().random());
    // Shown when the test fails.
    println!("{rounds} rounds, MARTLET_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let (mut alice, bob, mut tablet) = two_devices(&cluster).await?;
    alice.options_mut().peers = vec![bob.address()?];
    tablet.options_mut().peers = vec![bob.address()?];

    let (mut tried, mut sent) = (0, Vec::new());
    for _ in 0..rounds {
        // Alice writes on one device; one of them, this or the other, is killed.
        let (client, from) = (alice.client(), tried);
        let flow = tokio::spawn(async move {
            let (mut number, mut acknowledged) = (from, Vec::new());
            let end = tokio::time::Instant::now() + Duration::from_millis(FLOW_MAX_MS);
            while tokio::time::Instant::now() < end {
                let (to, text) = ("bob".to_owned(), number.to_string());
                let request = SendRequest { to, text, ..SendRequest::default() };
                number += 1;
                match client.post::<_, SendResponse>("/v1/messages", &request).await {
                    Ok(_) => acknowledged.push(number - 1),
                    Err(_) => break,
                }
            }
            (number, acknowledged)
        });
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..FLOW_MAX_MS))).await;
        let killed = if rng.random_bool(0.5) { &mut alice } else { &mut tablet };
        killed.kill()?;
        let (number, acknowledged) = flow.await?;
        tried = number;
        sent.extend(acknowledged);
        killed.start().await?;
    }

    until("both should have all".to_owned(), DEADLINE, async || {
        let here = numbers(&alice, "bob", Direction::Out).await;
        let there = numbers(&tablet, "bob", Direction::Out).await;
        let (Ok(here), Ok(there)) = (here, there) else { return Ok(None) };
        Ok((here == there).then_some(()))
    })
    .await?;
    // How far they got is told by the one that sent them, whatever was killed in between.
    until("all should be delivered on both".to_owned(), DEADLINE, async || {
        for node in [&alice, &tablet] {
            let Ok(history) = node.history("bob").await else { return Ok(None) };
            let mut sent = history.iter().filter(|it| it.direction == Direction::Out);
            if !sent.all(|it| it.state == Delivery::Delivered) {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .await?;
    let there = numbers(&tablet, "bob", Direction::Out).await?;
    assert!(there.windows(2).all(|pair| pair[0] < pair[1]), "once, in order: {there:?}");
    assert!(sent.iter().all(|number| there.contains(number)), "{sent:?} {there:?}");
    assert!(sent.len() > rounds, "too little flowed: {}", sent.len());
    Ok(())
}
