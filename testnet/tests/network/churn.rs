//! Half of the nodes are killed and restarted, again and again, while messages flow.
//!
//! `MARTLET_SEED` repeats a run's choices.

use std::time::{Duration, Instant};

use martlet_protocol::control::Delivery;
use martlet_testnet::cluster::{ClusterError, Node, NodeOptions, introduce};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use super::traffic::{Flow, delivered};
use super::{TestResult, cluster, keep_if_failed, say};

pub(crate) const NODES: usize = 10;
/// Nodes killed at a time.
const KILLED: usize = NODES / 2;
/// Messages that flow while nodes are killed.
const MESSAGES: usize = 1000;
/// Longest pause between two messages of one user: a user's share of them takes some rounds.
const PAUSE_MAX_MS: u64 = 150;
/// Messages of the user who never comes back.
const LAST_WORDS: usize = 30;
const DEADLINE: Duration = Duration::from_secs(60);
/// Longest wait for everything to have arrived in the end.
const SETTLED_MAX: Duration = Duration::from_secs(120);

/// Ten nodes, each a static peer of each other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_while_half_of_the_nodes_are_killed_and_restarted() -> TestResult {
    let cluster = cluster()?;
    let outcome = async {
        let mut nodes: Vec<Node> = Vec::new();
        for number in 0..NODES {
            let peers = nodes.iter().map(Node::address).collect::<Result<_, _>>()?;
            let options = NodeOptions { peers, ..NodeOptions::default() };
            let mut node = cluster.node(&format!("n{number}"), options);
            node.start().await?;
            nodes.push(node);
        }
        // From its next start each knows all the others: any of them may be back first.
        let addresses = nodes.iter().map(Node::address).collect::<Result<Vec<_>, _>>()?;
        for (number, node) in nodes.iter_mut().enumerate() {
            node.options_mut().peers.clone_from(&addresses);
            node.options_mut().peers.remove(number);
        }
        survive(nodes).await
    };
    let outcome = outcome.await;
    keep_if_failed(cluster, outcome)
}

/// Makes users of started nodes, has them talk in pairs while nodes are killed, and checks that all
/// arrives. One of them sends, and is gone for good as soon as others hold what it sent.
pub(crate) async fn survive(mut nodes: Vec<Node>) -> TestResult {
    let seed = std::env::var("MARTLET_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| rand::rng().random());
    run(&mut nodes, &mut StdRng::seed_from_u64(seed))
        .await
        .map_err(|error| format!("MARTLET_SEED={seed}: {error}").into())
}

async fn run(nodes: &mut [Node], rng: &mut StdRng) -> TestResult {
    for node in nodes.iter() {
        node.init().await?;
    }
    for pair in nodes.chunks_exact(2) {
        introduce(&pair[0], &pair[1]).await?;
    }
    // Nodes 0 and 1 are for the last words; the others talk, both ways. All have talked before.
    let (lost, recipient) = (0, 1);
    let first = nodes[lost].send(nodes[recipient].name(), "first").await?;
    nodes[lost].wait_state(&first.id, Delivery::Delivered, DEADLINE).await?;
    let pairs: Vec<(usize, usize)> =
        (2..nodes.len()).step_by(2).flat_map(|n| [(n, n + 1), (n + 1, n)]).collect();
    let each = MESSAGES.div_ceil(pairs.len());
    let began = Instant::now();
    let mut running = JoinSet::new();
    for (from, to) in pairs {
        let mut flow = Flow::new(&nodes[from], &nodes[to]);
        flow.send(1, 0, 0).await?;
        delivered(&nodes[from], DEADLINE).await?;
        let seed = rng.random();
        running.spawn(async move {
            flow.send(each, PAUSE_MAX_MS, seed).await.map(|()| (from, to, flow))
        });
    }

    let (mut flows, mut kills, mut last_words) = (Vec::new(), 0, Vec::new());
    let mut restarted = Instant::now();
    while !running.is_empty() {
        let mut others: Vec<usize> = (recipient + 1..nodes.len()).collect();
        others.shuffle(rng);
        let mut victims = vec![recipient];
        victims.extend(others);
        if !last_words.is_empty() {
            victims.shuffle(rng);
        }
        victims.truncate(KILLED);
        for victim in &victims {
            tokio::time::sleep(Duration::from_millis(rng.random_range(0..200))).await;
            nodes[*victim].kill()?;
            kills += 1;
        }
        if last_words.is_empty() {
            let to = nodes[recipient].name().to_owned();
            last_words = say_last_words(&mut nodes[lost], &to).await?;
        }
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..1000))).await;
        victims.shuffle(rng);
        for victim in &victims {
            nodes[*victim].spawn()?;
        }
        for victim in &victims {
            nodes[*victim].ready().await?;
        }
        restarted = Instant::now();
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..1000))).await;
        while let Some(done) = running.try_join_next() {
            flows.push(done??);
        }
    }
    let flowed = began.elapsed();

    for (from, to, flow) in &flows {
        flow.check(&nodes[*from], &nodes[*to], SETTLED_MAX).await?;
    }
    let count = 1 + last_words.len();
    let received = nodes[recipient].wait_received(nodes[lost].name(), count, SETTLED_MAX).await?;
    if received[1..] != last_words {
        return Err(format!("of who is gone: {received:?}").into());
    }
    say(&format!(
        "{kills} kills in {:.1} s while {} messages flowed; all delivered {:.1} s after the last \
         restart, and the {LAST_WORDS} of a node that never came back",
        flowed.as_secs_f64(),
        each * flows.len(),
        restarted.elapsed().as_secs_f64(),
    ));
    Ok(())
}

/// Sends to someone who is off, waits until another node holds everything, and is gone with all
/// its data. Returns the texts.
async fn say_last_words(node: &mut Node, to: &str) -> Result<Vec<String>, ClusterError> {
    let texts: Vec<String> = (0..LAST_WORDS).map(|number| format!("last {number}")).collect();
    let mut ids = Vec::new();
    for text in &texts {
        ids.push(node.send(to, text).await?.id);
    }
    for id in ids {
        node.wait_state(&id, Delivery::Sent, DEADLINE).await?;
    }
    node.kill()?;
    std::fs::remove_dir_all(node.data_dir())
        .map_err(|source| ClusterError::File { path: node.data_dir(), source })?;
    Ok(texts)
}
