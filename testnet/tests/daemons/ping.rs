//! `martletctl ping`, with real daemons.

use std::time::{Duration, Instant};

use martlet_protocol::control::{Delivery, EventBody, PingRequest, PingResponse};
use martlet_testnet::cluster::{Cluster, Node, introduce};
use martletctl::client::Client;
use martletd::limits::CONTROL_STOP_MAX;

use crate::TestResult;

const DEADLINE: Duration = Duration::from_secs(30);

/// Runs `martletctl`: its exit code and what it printed.
async fn run(
    node: &Node,
    args: &[&str],
) -> Result<(i32, String, String), Box<dyn std::error::Error>> {
    let output = node.ctl(args).await?;
    let code = output.status.code().unwrap_or(-1);
    Ok((code, String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?))
}

#[tokio::test]
async fn a_contact_who_is_on_answers_and_one_who_is_off_does_not() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let alice = cluster.user("alice", &[]).await?;
    let mut bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    bob.wait_connected(&[&alice], DEADLINE).await?;
    // Once this is delivered both have the other's keys.
    for (from, to) in [(&alice, "bob"), (&bob, "alice")] {
        let sent = from.send(to, "hello").await?;
        from.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    }

    let (code, out, err) = run(&alice, &["ping", "bob", "--timeout", "30"]).await?;
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("bob answered: ") && out.ends_with(" ms\n"), "{out}");
    let (code, out, _) = run(&bob, &["--json", "ping", "alice", "--timeout", "30"]).await?;
    let answer: serde_json::Value = serde_json::from_str(&out)?;
    assert!(code == 0 && answer["round_trip_ms"].as_u64().is_some_and(|ms| ms < 30_000), "{out}");

    // Nobody sees anything of it.
    for (node, other) in [(&alice, "bob"), (&bob, "alice")] {
        assert_eq!(node.history(other).await?.len(), 2);
        assert_eq!(node.status().await?.outbox, Some(0));
    }
    for (node, other) in [(&alice, "bob"), (&bob, "alice")] {
        let mut events = node.events(Some(0)).await?;
        // This one is the last, and all before it are of the two messages and the contact.
        let sent = node.send(other, "bye").await?;
        loop {
            let event = tokio::time::timeout(DEADLINE, events.next()).await??.ok_or("an end")?;
            match event.body {
                EventBody::MessageQueued { message } if message.id == sent.id => break,
                EventBody::MessageQueued { .. }
                | EventBody::MessageReceived { .. }
                | EventBody::MessageState { .. }
                | EventBody::RequestReceived { .. }
                | EventBody::ContactAdded { .. }
                | EventBody::ContactReachable { .. } => {}
                other => return Err(format!("{other:?}").into()),
            }
        }
    }

    bob.stop().await?;
    let (code, out, err) = run(&alice, &["ping", "bob", "--timeout", "0.5"]).await?;
    assert_eq!((code, out.as_str()), (5, ""), "{err}");
    assert!(err.contains("has not answered within 0.5 s"), "{err}");
    let (code, ..) = run(&alice, &["ping", "carol"]).await?;
    assert_eq!(code, 6);
    Ok(())
}

/// A ping that waited held up the daemon's end for five seconds.
#[tokio::test]
async fn a_ping_that_waits_does_not_keep_the_daemon_from_stopping() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let mut alice = cluster.user("alice", &[]).await?;
    let mut bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    bob.wait_connected(&[&alice], DEADLINE).await?;
    let sent = alice.send("bob", "hello").await?;
    alice.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    bob.stop().await?;

    let client = Client::new(alice.socket().to_owned());
    let ping = tokio::spawn(async move {
        let request = PingRequest { timeout_ms: Some(50_000) };
        client.post::<_, PingResponse>("/v1/contacts/bob/ping", &request).await
    });
    // The ping's connection came first, and is asked on by then.
    for _ in 0..20 {
        alice.status().await?;
    }
    let begin = Instant::now();
    alice.stop().await?;
    let took = begin.elapsed();
    assert!(took < CONTROL_STOP_MAX, "{took:?}");
    assert!(ping.await?.is_err());
    Ok(())
}
