//! The demonstration: two users who talk, and a mailbox that keeps what waits for one who is away.

use std::path::Path;
use std::time::{Duration, Instant};

use martlet_protocol::control::Delivery;
use serde::Serialize;

use crate::cluster::{Cluster, ClusterError, Node, introduce, to_json, until};

/// Longest wait for any one step: it happens within a second, so after this it won't.
const STEP_MAX: Duration = Duration::from_secs(15);

/// How to run the demonstration.
#[derive(Debug, Clone, Copy, Default)]
pub struct DemoOptions {
    /// Leave the directory.
    pub keep: bool,
    /// Print one JSON object at the end.
    pub json: bool,
}

/// What happened, as `--json` prints it.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// Whether all of it happened.
    ok: bool,
    /// From the start to the end.
    seconds: f64,
    steps: Vec<Step>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct Step {
    /// When it had happened, from the start.
    seconds: f64,
    what: String,
}

/// Runs the demonstration and prints each step.
///
/// # Errors
/// At the first step that does not happen.
pub async fn run(options: DemoOptions) -> Result<(), ClusterError> {
    let mut cluster = Cluster::of_this_program(Path::new("/tmp"))?;
    let mut story = Story { started: Instant::now(), json: options.json, steps: Vec::new() };
    let outcome = tell(&cluster, &mut story).await;
    // The logs tell what went wrong.
    let keep = options.keep || outcome.is_err();
    if keep {
        cluster.keep();
    }
    let kept = keep.then(|| format!("The nodes' data and logs: {}", cluster.path().display()));
    if options.json {
        let report = Report {
            ok: outcome.is_ok(),
            seconds: story.elapsed(),
            steps: story.steps,
            error: outcome.as_ref().err().map(ToString::to_string),
        };
        println!("{}", to_json(&report)?);
    } else if let Ok(()) = &outcome {
        println!("\nAll of it happened, in {:.1} s.", story.elapsed());
    }
    if let Some(kept) = kept {
        eprintln!("{kept}");
    }
    outcome
}

/// Prints and gathers the steps.
struct Story {
    started: Instant,
    json: bool,
    steps: Vec<Step>,
}

impl Story {
    fn step(&mut self, what: impl Into<String>) {
        let step = Step { seconds: self.elapsed(), what: what.into() };
        if !self.json {
            println!("{:7.3} s  {}", step.seconds, step.what);
        }
        self.steps.push(step);
    }

    fn elapsed(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

async fn tell(cluster: &Cluster, story: &mut Story) -> Result<(), ClusterError> {
    let (mailbox, mut alice, mut bob) = start(cluster, story).await?;
    talk(story, &alice, &bob).await?;
    let waiting = leave(story, &mailbox, &mut alice, &mut bob).await?;
    come_back(story, &mailbox, &mut alice, &mut bob, &waiting).await?;
    for mut node in [alice, bob, mailbox] {
        node.stop().await?;
    }
    story.step("all daemons stopped in good order");
    Ok(())
}

async fn start(cluster: &Cluster, story: &mut Story) -> Result<(Node, Node, Node), ClusterError> {
    let mailbox = cluster.start("mailbox", &[]).await?;
    let alice = cluster.start("alice", &[&mailbox]).await?;
    let bob = cluster.start("bob", &[&mailbox, &alice]).await?;
    story.step("three daemons run: alice's, bob's, and a mailbox node that has no user");
    bob.wait_connected(&[&mailbox, &alice], STEP_MAX).await?;
    alice.wait_connected(&[&mailbox], STEP_MAX).await?;
    story.step("they are connected to each other (TCP, Noise), on loopback");
    for user in [&alice, &bob] {
        let id = user.init().await?;
        story.step(format!("{} has an identity: {}…", user.name(), &id[..id.len().min(20)]));
    }
    introduce(&alice, &bob).await?;
    story.step("alice and bob are told each other's ID, and are contacts now");
    Ok((mailbox, alice, bob))
}

async fn talk(story: &mut Story, alice: &Node, bob: &Node) -> Result<(), ClusterError> {
    for (from, to, text) in [
        (alice, bob, "Hello Bob, nobody in between can read this."),
        (bob, alice, "Hello Alice! Nor who wrote it, nor to whom."),
    ] {
        let sent = from.send(to.name(), text).await?;
        let received = to.wait_received(from.name(), 1, STEP_MAX).await?;
        expect(&received, &[text.to_owned()])?;
        from.wait_state(&sent.id, Delivery::Delivered, STEP_MAX).await?;
        story.step(format!(
            "{} → {}: “{text}”, delivered: {} has proved receipt",
            from.name(),
            to.name(),
            to.name()
        ));
    }
    Ok(())
}

/// Bob goes, Alice writes, Alice goes. Returns the texts that wait.
async fn leave(
    story: &mut Story,
    mailbox: &Node,
    alice: &mut Node,
    bob: &mut Node,
) -> Result<Vec<String>, ClusterError> {
    bob.stop().await?;
    story.step("bob is off");
    let texts = ["Are you there?", "The boat leaves at nine.", "Bring the charts."];
    let texts = texts.map(str::to_owned).to_vec();
    for text in &texts {
        let sent = alice.send(bob.name(), text).await?;
        alice.wait_state(&sent.id, Delivery::Sent, STEP_MAX).await?;
        let state = alice.message(&sent.id).await?.state;
        if state != Delivery::Sent {
            return Err(ClusterError::Wrong(format!(
                "bob is off, yet the message to him is {state:?}"
            )));
        }
        story.step(format!("alice → bob: “{text}”, sent: the mailbox node holds it on disk"));
    }
    let held = mailbox.status().await?.mailbox.envelopes;
    if held < texts.len() as u64 {
        return Err(ClusterError::Wrong(format!("the mailbox node holds only {held} envelopes")));
    }
    alice.stop().await?;
    story.step("alice is off too: what she wrote is only in the mailbox node now");
    Ok(texts)
}

async fn come_back(
    story: &mut Story,
    mailbox: &Node,
    alice: &mut Node,
    bob: &mut Node,
    waiting: &[String],
) -> Result<(), ClusterError> {
    bob.start().await?;
    story.step("bob is on again");
    let mut expected = vec!["Hello Bob, nobody in between can read this.".to_owned()];
    expected.extend_from_slice(waiting);
    let received = bob.wait_received(alice.name(), expected.len(), STEP_MAX).await?;
    expect(&received, &expected)?;
    if alice.is_running() {
        return Err(ClusterError::Wrong("alice's daemon runs, so this shows nothing".into()));
    }
    let peers = bob.connected_peers().await?;
    if peers != [mailbox.status().await?.peer_id] {
        return Err(ClusterError::Wrong(format!("bob is connected to {peers:?}")));
    }
    story.step("bob has the waiting messages, in order, each once");
    story.step("they came from the mailbox node: it is bob's only peer, and alice is off");

    alice.start().await?;
    until("alice should see her messages delivered", STEP_MAX, async || {
        let sent = alice.history(bob.name()).await?;
        let delivered = sent.iter().all(|message| message.state >= Delivery::Delivered);
        Ok(delivered.then_some(()))
    })
    .await?;
    story.step("alice is on again, and sees that all was delivered");
    Ok(())
}

fn expect(received: &[String], expected: &[String]) -> Result<(), ClusterError> {
    if received == expected {
        return Ok(());
    }
    Err(ClusterError::Wrong(format!("expected {expected:?}, received {received:?}")))
}
