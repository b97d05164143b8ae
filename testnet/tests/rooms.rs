//! A room of five people, with real daemons and `martletctl`: one is away, one is removed, one comes later, and one is killed in
//! the middle.

use std::time::Duration;

use martlet_testnet::cluster::verbs::run;
use martlet_testnet::cluster::{Cluster, Node, introduce};
use serde_json::Value;

/// By then everything has arrived, also on a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(120);

type TestResult<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Waits until `martletctl` prints all that is wanted.
async fn shows(node: &Node, args: &[&str], wanted: &[&str]) -> TestResult<String> {
    let end = tokio::time::Instant::now() + DEADLINE;
    loop {
        let out = run(node, args).await?;
        if wanted.iter().all(|wanted| out.contains(wanted)) {
            return Ok(out);
        }
        if tokio::time::Instant::now() > end {
            return Err(format!("{}: {args:?} does not show {wanted:?}: {out}", node.name()).into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn digest(node: &Node) -> TestResult<String> {
    let room: Value =
        serde_json::from_str(&run(node, &["room", "show", "bridge", "--json"]).await?)?;
    Ok(room["digest"].as_str().ok_or("no digest")?.to_owned())
}

#[tokio::test]
async fn five_people_are_in_a_room_whoever_is_away_removed_or_killed() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let mut alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    let carol = cluster.user("carol", &[&alice, &bob]).await?;
    let mut dave = cluster.user("dave", &[&alice, &bob]).await?;
    let erin = cluster.user("erin", &[&alice, &bob]).await?;
    for other in [&bob, &carol, &dave, &erin] {
        introduce(&alice, other).await?;
    }

    run(&alice, &["room", "create", "bridge"]).await?;
    for who in ["bob", "carol", "dave"] {
        run(&alice, &["room", "invite", "bridge", who]).await?;
    }
    for node in [&bob, &carol, &dave] {
        shows(node, &["room", "show", "bridge"], &["alice", "4 operations"]).await?;
    }
    // Bob and Carol are no contacts of each other.
    run(&bob, &["send", "bridge", "ahoy"]).await?;
    shows(&carol, &["history", "bridge"], &["bob (", "ahoy"]).await?;
    shows(&alice, &["history", "bridge"], &["bob  ahoy"]).await?;
    shows(&dave, &["inbox"], &["bridge  1 unread", "ahoy"]).await?;

    // Dave is away. Carol is removed, and Alice is killed right after it.
    dave.kill()?;
    run(&alice, &["room", "remove", "bridge", "carol"]).await?;
    alice.kill()?;
    alice.start().await?;
    run(&alice, &["send", "bridge", "without carol"]).await?;
    shows(&bob, &["history", "bridge"], &["without carol"]).await?;
    shows(&carol, &["room", "list"], &["removed"]).await?;
    let refused = carol.ctl(&["send", "bridge", "hello?"]).await?;
    assert!(!refused.status.success());

    // Erin comes, Dave comes back.
    run(&alice, &["room", "invite", "bridge", "erin"]).await?;
    shows(&erin, &["room", "show", "bridge"], &["alice", "6 operations"]).await?;
    dave.start().await?;
    shows(&dave, &["history", "bridge"], &["ahoy", "without carol"]).await?;
    shows(&dave, &["room", "show", "bridge"], &["removed", "6 operations"]).await?;
    run(&dave, &["send", "--room", "bridge", "back again"]).await?;
    shows(&erin, &["history", "bridge"], &["back again"]).await?;
    shows(&bob, &["history", "bridge"], &["back again"]).await?;

    let all = digest(&alice).await?;
    for node in [&bob, &dave, &erin] {
        assert_eq!(digest(node).await?, all, "{}", node.name());
    }
    let carols = run(&carol, &["history", "bridge"]).await?;
    assert!(carols.contains("ahoy") && !carols.contains("without carol"), "{carols}");
    assert!(!carols.contains("back again"), "{carols}");
    let erins = run(&erin, &["history", "bridge"]).await?;
    assert!(!erins.contains("ahoy"), "who is new sees nothing of before: {erins}");
    Ok(())
}
