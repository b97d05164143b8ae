//! Messages that end, with real daemons and the real command: by their timers, taken back, deleted.

use std::time::{Duration, Instant};

use martlet_protocol::control::{Delivery, EndedReason, EventBody, Message};
use martlet_testnet::cluster::{Cluster, Node, NodeOptions, introduce, set_clock, until};
use serde_json::Value;

use crate::TestResult;

const DEADLINE: Duration = Duration::from_secs(30);

/// Two connected users, each of whom has the other's keys, and nothing said yet.
async fn pair(cluster: &Cluster) -> TestResult<(Node, Node)> {
    let alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    bob.wait_connected(&[&alice], DEADLINE).await?;
    for (from, to) in [(&alice, "bob"), (&bob, "alice")] {
        let sent = from.send(to, "hello").await?;
        from.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    }
    for (node, other) in [(&alice, "bob"), (&bob, "alice")] {
        ctl(node, &["conversation", "clear", other, "--yes"]).await?;
        assert!(node.history(other).await?.is_empty());
    }
    Ok((alice, bob))
}

/// Runs `martletctl`, which must succeed; what it printed.
async fn ctl(node: &Node, args: &[&str]) -> TestResult<String> {
    let output = node.ctl(args).await?;
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{args:?}: {err}");
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

async fn texts(node: &Node, other: &str) -> TestResult<Vec<String>> {
    Ok(node.history(other).await?.into_iter().map(|message| message.text).collect())
}

/// Waits until a conversation has these texts.
async fn wait_texts(node: &Node, other: &str, expected: &[&str]) -> TestResult {
    let what = format!("{} should see {expected:?}", node.name());
    until(what, DEADLINE, async || {
        let history = node.history(other).await?;
        let texts: Vec<_> = history.iter().map(|message| message.text.as_str()).collect();
        Ok((texts == expected).then_some(()))
    })
    .await?;
    Ok(())
}

/// Why messages ended, as the events tell from the first on.
async fn wait_ended(node: &Node, id: &str) -> TestResult<EndedReason> {
    let mut events = node.events(Some(0)).await?;
    loop {
        let event = tokio::time::timeout(DEADLINE, events.next()).await??.ok_or("an end")?;
        if let EventBody::MessageEnded { id: ended, reason, .. } = event.body
            && ended == id
        {
            return Ok(reason);
        }
    }
}

#[tokio::test]
async fn messages_expire_and_burn_and_each_side_sees_the_timers_that_the_other_set() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let (alice, mut bob) = pair(&cluster).await?;

    let burns = ctl(&alice, &["send", "bob", "burns", "--expire", "1h", "--burn", "2s"]).await?;
    let stays = ctl(&alice, &["send", "bob", "stays"]).await?;
    let expires = ctl(&alice, &["send", "bob", "expires", "--expire", "15s"]).await?;
    wait_texts(&bob, "alice", &["burns", "stays", "expires"]).await?;
    let shown = ctl(&bob, &["history", "alice"]).await?;
    assert!(shown.contains("left)") && shown.contains("stays"), "{shown}");
    wait_texts(&bob, "alice", &["burns", "stays"]).await?;
    assert_eq!(wait_ended(&bob, &expires).await?, EndedReason::Expired);
    assert_eq!(wait_ended(&alice, &expires).await?, EndedReason::Expired);
    // Not before it is read. Alice's own copy goes once it is delivered.
    wait_texts(&alice, "bob", &["stays"]).await?;
    assert_eq!(texts(&bob, "alice").await?, ["burns", "stays"]);
    ctl(&bob, &["read", "alice"]).await?;
    wait_texts(&bob, "alice", &["stays"]).await?;
    assert_eq!(wait_ended(&bob, &burns).await?, EndedReason::Burned);
    // What is gone is gone after a restart.
    bob.restart().await?;
    assert_eq!(texts(&bob, "alice").await?, ["stays"]);
    assert!(bob.message(&burns).await.is_err());

    let set =
        ctl(&bob, &["conversation", "set", "alice", "--expire", "1d", "--burn", "off"]).await?;
    assert!(set.contains("1 d after they are sent"), "{set}");
    let told = "set messages to end after 1 d";
    wait_texts(&alice, "bob", &["stays", told]).await?;
    let shown: Value =
        serde_json::from_str(&ctl(&alice, &["--json", "conversation", "show", "bob"]).await?)?;
    assert_eq!(shown["expire_seconds"], 86_400);
    let by_default = ctl(&alice, &["send", "bob", "by default"]).await?;
    let message: Message = alice.message(&by_default).await?;
    assert_eq!(message.expire_seconds, Some(86_400));
    assert!(alice.message(&stays).await?.expire_seconds.is_none());

    for refused in ["0s", "-3s", "7d"] {
        let output = alice.ctl(&["send", "bob", "x", "--expire", refused]).await?;
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8(output.stderr)?.contains("1 s to 6 d"));
    }
    Ok(())
}

#[tokio::test]
async fn what_is_taken_back_is_gone_from_mailbox_and_recipient() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let (alice, mut bob) = pair(&cluster).await?;

    // After delivery.
    let read = ctl(&alice, &["send", "bob", "read", "--wait", "delivered"]).await?;
    wait_texts(&bob, "alice", &["read"]).await?;
    ctl(&alice, &["recall", &read]).await?;
    wait_texts(&bob, "alice", &[""]).await?;
    assert_eq!(bob.message(&read).await?.state, Delivery::Recalled);
    assert_eq!(alice.message(&read).await?.state, Delivery::Recalled);
    let shown = ctl(&bob, &["history", "alice"]).await?;
    assert!(shown.ends_with("alice  (recalled)"), "{shown}");
    assert_eq!(wait_ended(&bob, &read).await?, EndedReason::Recalled);

    // Before it: Bob is away, and gets what is written after it alone. (Sync reads what the mailbox has committed: a
    // message taken back came all the same, where he was back within the delay of its commit.)
    bob.stop().await?;
    let early = ctl(&alice, &["send", "bob", "not yet"]).await?;
    ctl(&alice, &["send", "bob", "after"]).await?;
    let taken: Value = serde_json::from_str(&ctl(&alice, &["--json", "recall", &early]).await?)?;
    assert_eq!(taken["state"], "recalled");
    bob.start().await?;
    wait_texts(&bob, "alice", &["", "after"]).await?;
    assert!(bob.message(&early).await.is_err(), "Bob never had it");
    let after = alice.history("bob").await?;
    let after = after.iter().find(|message| message.text == "after").ok_or("it is there")?;
    alice.wait_state(&after.id, Delivery::Delivered, DEADLINE).await?;
    assert_eq!(alice.message(&early).await?.state, Delivery::Recalled);

    // Not what others wrote.
    let theirs = ctl(&bob, &["send", "alice", "mine", "--wait", "delivered"]).await?;
    let output = alice.ctl(&["recall", &theirs]).await?;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr)?.contains("someone else wrote this message"));

    // Deleted on one device alone.
    ctl(&alice, &["delete", &theirs]).await?;
    assert!(alice.message(&theirs).await.is_err());
    assert_eq!(bob.message(&theirs).await?.text, "mine");
    Ok(())
}

/// Two clocks that go wrong while timers run: a message lives as long as its timers say, neither less nor more.
#[tokio::test]
async fn timers_run_on_rightly_while_a_clock_jumps_ahead_and_back() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let clock = cluster.path().join("bob.clock");
    set_clock(&clock, 0)?;
    let alice = cluster.user("alice", &[]).await?;
    let peers = vec![alice.address()?];
    let options = NodeOptions { peers, clock: Some(clock.clone()), ..NodeOptions::default() };
    let mut bob = cluster.node("bob", options);
    bob.start().await?;
    bob.init().await?;
    introduce(&alice, &bob).await?;
    bob.wait_connected(&[&alice], DEADLINE).await?;
    let first = alice.send("bob", "hello").await?;
    alice.wait_state(&first.id, Delivery::Delivered, DEADLINE).await?;
    ctl(&bob, &["conversation", "clear", "alice", "--yes"]).await?;

    ctl(&alice, &["send", "bob", "expires", "--expire", "12s"]).await?;
    let sent_at = Instant::now();
    ctl(&alice, &["send", "bob", "burns", "--burn", "12s"]).await?;
    ctl(&alice, &["send", "bob", "unread", "--burn", "1s"]).await?;
    wait_texts(&bob, "alice", &["expires", "burns", "unread"]).await?;
    let hours = |hours: i64| set_clock(&clock, hours * 3_600_000);
    hours(49)?;
    for hour in [-30, 100, 0, 49, -1] {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let there = texts(&bob, "alice").await?;
        assert!(
            sent_at.elapsed() > Duration::from_secs(11) || there == ["expires", "burns", "unread"],
            "{hour} h: {there:?}"
        );
        hours(hour)?;
    }
    wait_texts(&bob, "alice", &["burns", "unread"]).await?;
    assert!(sent_at.elapsed() > Duration::from_secs(11), "too early: {:?}", sent_at.elapsed());

    // Read: what burns does so 12 s later, wherever the clock is then; and nothing comes back.
    ctl(&bob, &["read", "alice"]).await?;
    let read_at = Instant::now();
    hours(72)?;
    wait_texts(&bob, "alice", &["burns"]).await?;
    hours(-200)?;
    wait_texts(&bob, "alice", &[]).await?;
    let lived = read_at.elapsed();
    assert!(lived > Duration::from_secs(11), "too early: {lived:?}");
    // Stopped at once, before it may be deleted.
    bob.restart().await?;
    stays_gone(&bob).await?;
    // The same where it was killed.
    ctl(&alice, &["send", "bob", "burns too", "--burn", "3s"]).await?;
    wait_texts(&bob, "alice", &["burns too"]).await?;
    ctl(&bob, &["read", "alice"]).await?;
    wait_texts(&bob, "alice", &[]).await?;
    bob.kill()?;
    bob.start().await?;
    stays_gone(&bob).await?;
    // And where it surely was deleted.
    let id = ctl(&alice, &["send", "bob", "burns as well", "--burn", "3s"]).await?;
    wait_texts(&bob, "alice", &["burns as well"]).await?;
    ctl(&bob, &["read", "alice"]).await?;
    assert_eq!(wait_ended(&bob, &id).await?, EndedReason::Burned);
    bob.kill()?;
    bob.start().await?;
    stays_gone(&bob).await
}

/// Nothing is shown by the first answer after a start, nor by those of the next three seconds, in which the node ticks and hears
/// from its peers.
async fn stays_gone(bob: &Node) -> TestResult {
    let started_at = Instant::now();
    while started_at.elapsed() < Duration::from_secs(3) {
        assert!(texts(bob, "alice").await?.is_empty(), "after {:?}", started_at.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
