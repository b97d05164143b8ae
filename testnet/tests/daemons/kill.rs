//! SIGKILL at random instants while messages flow: nothing acknowledged is lost, nothing comes
//! twice, and the order of sending holds.
//!
//! `MARTLET_KILL_ROUNDS` sets the number of rounds (15), `MARTLET_SEED` repeats a run's choices.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use martlet_protocol::control::{Delivery, Direction, SendRequest, SendResponse};
use martlet_testnet::cluster::{Cluster, ClusterError, Node, introduce, until};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinHandle;

use crate::TestResult;

const DEADLINE: Duration = Duration::from_secs(30);
/// Longest wait for everything to have arrived in the end.
const SETTLED_MAX: Duration = Duration::from_secs(120);
const ROUNDS_DEFAULT: usize = 15;
/// A round's flow of messages is cut off at an instant within this.
const FLOW_MAX_MS: u64 = 400;

/// One direction of the conversation.
struct Flow {
    /// How many sends were tried: the next text's number.
    tried: Arc<AtomicUsize>,
    /// Numbers of the texts that were acknowledged.
    acknowledged: Vec<usize>,
}

impl Flow {
    fn new() -> Self {
        Self { tried: Arc::new(AtomicUsize::new(0)), acknowledged: Vec::new() }
    }

    /// Sends one text after another, with pauses of at most `pause_ms`, until the daemon is gone;
    /// returns the numbers acknowledged.
    fn run(&self, from: &Node, to: &str, pause_ms: u64, seed: u64) -> JoinHandle<Vec<usize>> {
        let (client, to, tried) = (from.client(), to.to_owned(), Arc::clone(&self.tried));
        tokio::spawn(async move {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut acknowledged = Vec::new();
            loop {
                let number = tried.fetch_add(1, Ordering::Relaxed);
                let request = SendRequest {
                    to: to.clone(),
                    text: number.to_string(),
                    ..SendRequest::default()
                };
                match client.post::<_, SendResponse>("/v1/messages", &request).await {
                    Ok(_) => acknowledged.push(number),
                    Err(_) => return acknowledged,
                }
                tokio::time::sleep(Duration::from_millis(rng.random_range(0..=pause_ms))).await;
            }
        })
    }
}

fn setting<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kills_exactly_once_and_in_order() -> TestResult {
    let rounds = setting("MARTLET_KILL_ROUNDS").unwrap_or(ROUNDS_DEFAULT);
    let seed = setting("MARTLET_SEED").unwrap_or_else(|| rand::rng().random());
    // Shown when the test fails.
    println!("{rounds} rounds, MARTLET_SEED={seed}");
    let mut rng = StdRng::seed_from_u64(seed);

    let mut cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let outcome = run(&cluster, rounds, &mut rng).await;
    if let Err(error) = outcome {
        cluster.keep();
        return Err(format!(
            "MARTLET_SEED={seed}: {error}; logs and databases are in {}",
            cluster.path().display()
        )
        .into());
    }
    Ok(())
}

async fn run(cluster: &Cluster, rounds: usize, rng: &mut StdRng) -> TestResult {
    let mut alice = cluster.user("alice", &[]).await?;
    let mut bob = cluster.user("bob", &[&alice]).await?;
    // Either may be back first.
    alice.options_mut().peers = vec![bob.address()?];
    introduce(&alice, &bob).await?;
    let (mut there, mut back) = (Flow::new(), Flow::new());

    for round in 0..rounds {
        let pause_ms = if rng.random_bool(0.5) { 0 } else { 10 };
        let flows = [
            there.run(&alice, "bob", pause_ms, rng.random()),
            back.run(&bob, "alice", pause_ms, rng.random()),
        ];
        tokio::time::sleep(Duration::from_millis(rng.random_range(0..FLOW_MAX_MS))).await;
        kill_both(&mut alice, &mut bob, rng).await?;
        let [sent_there, sent_back] = flows;
        there.acknowledged.extend(sent_there.await?);
        back.acknowledged.extend(sent_back.await?);
        for node in [&mut alice, &mut bob] {
            // Recovery is killed as well, now and then.
            if rng.random_bool(0.2) {
                node.spawn()?;
                tokio::time::sleep(Duration::from_millis(rng.random_range(0..100))).await;
                node.kill()?;
            }
            node.spawn()?;
        }
        for node in [&mut alice, &mut bob] {
            node.ready().await.map_err(|error| format!("round {round}: {error}"))?;
        }
    }

    bob.wait_connected(&[&alice], DEADLINE).await?;
    check(&alice, &bob, &there).await?;
    check(&bob, &alice, &back).await?;
    let counts = [there.acknowledged.len(), back.acknowledged.len()];
    println!("acknowledged: {} there, {} back; all arrived once, in order", counts[0], counts[1]);
    if counts.iter().any(|count| *count < rounds) {
        return Err(format!("too little flowed for a test: {counts:?}").into());
    }
    Ok(())
}

async fn kill_both(alice: &mut Node, bob: &mut Node, rng: &mut StdRng) -> Result<(), ClusterError> {
    let (first, second) = if rng.random_bool(0.5) { (alice, bob) } else { (bob, alice) };
    first.kill()?;
    tokio::time::sleep(Duration::from_millis(rng.random_range(0..30))).await;
    second.kill()
}

/// Everything acknowledged must be in the recipient's history, once, in order of sending. What was
/// not acknowledged may be: the kill came between the commit and the answer.
async fn check(from: &Node, to: &Node, flow: &Flow) -> TestResult {
    let name = format!("{} → {}", from.name(), to.name());
    until(format!("{name}: all should be delivered"), SETTLED_MAX, async || {
        Ok((from.status().await?.outbox == Some(0)).then_some(()))
    })
    .await?;
    let mut sent = Vec::new();
    for message in from.history(to.name()).await? {
        if message.direction == Direction::Out {
            if message.state != Delivery::Delivered {
                return Err(format!("{name}: {} is {:?}", message.text, message.state).into());
            }
            sent.push(message.text.parse::<usize>()?);
        }
    }
    let received: Result<Vec<usize>, _> =
        to.received(from.name()).await?.iter().map(|text| text.parse()).collect();
    let received = received?;
    for (side, numbers) in [("sender", &sent), ("recipient", &received)] {
        if let Some(pair) = numbers.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(format!("{name}: {} before {} at the {side}", pair[0], pair[1]).into());
        }
        let missing: Vec<&usize> = flow
            .acknowledged
            .iter()
            .filter(|number| numbers.binary_search(number).is_err())
            .collect();
        if !missing.is_empty() {
            return Err(format!("{name}: acknowledged, not at the {side}: {missing:?}").into());
        }
    }
    if sent != received {
        return Err(format!("{name}: {} sent, {} received", sent.len(), received.len()).into());
    }
    Ok(())
}
