//! A room of five people, with real daemons and `martletctl`: one is away, one is removed, one comes later, and one is killed in
//! the middle.

use martlet_testnet::cluster::verbs::{ask, run, shows, shows_all};
use martlet_testnet::cluster::{Cluster, Node, introduce};

use crate::TestResult;

async fn digest(node: &Node) -> TestResult<String> {
    let room = ask(node, &["room", "show", "bridge"]).await?;
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
        shows_all(node, &["room", "show", "bridge"], &["alice", "4 operations"]).await?;
    }
    // Bob and Carol are no contacts of each other.
    run(&bob, &["send", "bridge", "ahoy"]).await?;
    shows_all(&carol, &["history", "bridge"], &["bob (", "ahoy"]).await?;
    shows(&alice, &["history", "bridge"], "bob  ahoy").await?;
    shows_all(&dave, &["inbox"], &["bridge  1 unread", "ahoy"]).await?;

    // Dave is away. Carol is removed, and Alice is killed right after it.
    dave.kill()?;
    run(&alice, &["room", "remove", "bridge", "carol"]).await?;
    alice.kill()?;
    alice.start().await?;
    run(&alice, &["send", "bridge", "without carol"]).await?;
    shows(&bob, &["history", "bridge"], "without carol").await?;
    shows(&carol, &["room", "list"], "removed").await?;
    let refused = carol.ctl(&["send", "bridge", "hello?"]).await?;
    assert!(!refused.status.success());

    // Erin comes, Dave comes back.
    run(&alice, &["room", "invite", "bridge", "erin"]).await?;
    shows_all(&erin, &["room", "show", "bridge"], &["alice", "6 operations"]).await?;
    dave.start().await?;
    shows_all(&dave, &["history", "bridge"], &["ahoy", "without carol"]).await?;
    shows_all(&dave, &["room", "show", "bridge"], &["removed", "6 operations"]).await?;
    run(&dave, &["send", "--room", "bridge", "back again"]).await?;
    shows(&erin, &["history", "bridge"], "back again").await?;
    shows(&bob, &["history", "bridge"], "back again").await?;

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

/// What was written right after an invitation never came, if who was invited was off or the key came before the room was known.
#[tokio::test]
async fn what_is_written_right_after_an_invitation_reaches_who_was_off() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let fay = cluster.user("fay", &[]).await?;
    let mut gil = cluster.user("gil", &[&fay]).await?;
    introduce(&fay, &gil).await?;
    gil.kill()?;
    run(&fay, &["room", "create", "watch"]).await?;
    run(&fay, &["room", "invite", "watch", "gil"]).await?;
    for text in ["first", "second", "third"] {
        run(&fay, &["send", "watch", text]).await?;
    }
    gil.start().await?;
    shows_all(&gil, &["history", "watch"], &["first", "second", "third"]).await?;
    shows(&fay, &["history", "watch"], "third  (delivered)").await?;

    // Both are on, and all of it happens at once.
    run(&fay, &["room", "create", "again"]).await?;
    run(&fay, &["room", "invite", "again", "gil"]).await?;
    run(&fay, &["send", "again", "at once"]).await?;
    shows(&gil, &["history", "again"], "at once").await?;
    Ok(())
}

/// What a moderator does against a flood and against a word, and that a room that was left can be forgotten.
#[tokio::test]
async fn floods_are_undone_messages_removed_and_rooms_forgotten() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    let carol = cluster.user("carol", &[&alice, &bob]).await?;
    let dave = cluster.user("dave", &[&alice, &bob]).await?;
    for (one, other) in [(&alice, &bob), (&alice, &carol), (&bob, &dave)] {
        introduce(one, other).await?;
    }
    run(&alice, &["room", "create", "bridge"]).await?;
    run(&alice, &["room", "invite", "bridge", "carol"]).await?;
    run(&alice, &["room", "moderator", "add", "bridge", "bob"]).await?;
    shows(&bob, &["room", "show", "bridge"], "moderator").await?;
    run(&bob, &["room", "invite", "bridge", "dave"]).await?;
    shows(&dave, &["room", "show", "bridge"], "bob").await?;

    // Bob removes what Carol wrote.
    run(&carol, &["send", "bridge", "unseemly"]).await?;
    shows(&bob, &["history", "bridge"], "unseemly").await?;
    let history = ask(&bob, &["history", "bridge"]).await?;
    let id = history["messages"][0]["id"].as_str().ok_or("no id")?.to_owned();
    run(&bob, &["recall", &id]).await?;
    shows(&alice, &["history", "bridge"], "removed by bob").await?;
    let carols = shows(&carol, &["history", "bridge"], "removed by bob").await?;
    assert!(!carols.contains("unseemly"), "{carols}");

    // Alice undoes all that Bob did: Dave is out as well, and is told.
    run(&alice, &["room", "remove", "bridge", "bob", "--undo"]).await?;
    shows(&dave, &["room", "list"], "removed").await?;
    shows(&bob, &["room", "list"], "removed").await?;
    let shown = run(&alice, &["room", "show", "bridge"]).await?;
    assert!(shown.contains("carol") && !shown.contains("dave"), "{shown}");
    let refused = carol.ctl(&["room", "forget", "bridge"]).await?;
    assert!(!refused.status.success());
    run(&dave, &["room", "forget", "bridge"]).await?;
    let list = run(&dave, &["room", "list"]).await?;
    assert!(!list.contains("bridge"), "{list}");
    Ok(())
}

/// How many have a message, whom it mentions though they muted the room, and a moderator who steps down.
#[tokio::test]
async fn it_is_told_who_has_what_and_who_is_mentioned() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let alice = cluster.user("alice", &[]).await?;
    let mut bob = cluster.user("bob", &[&alice]).await?;
    let carol = cluster.user("carol", &[&alice, &bob]).await?;
    for other in [&bob, &carol] {
        introduce(&alice, other).await?;
    }
    run(&alice, &["room", "create", "bridge"]).await?;
    for who in ["bob", "carol"] {
        run(&alice, &["room", "invite", "bridge", who]).await?;
    }
    for node in [&bob, &carol] {
        shows_all(node, &["room", "show", "bridge"], &["alice", "3 operations"]).await?;
    }
    run(&bob, &["send", "bridge", "here"]).await?;
    shows(&carol, &["history", "bridge"], "here").await?;
    // So he learns what she calls herself.
    run(&carol, &["send", "bridge", "aye"]).await?;
    shows_all(&bob, &["history", "bridge"], &["carol (", "aye"]).await?;
    run(&carol, &["conversation", "set", "bridge", "--mute"]).await?;
    run(&carol, &["read", "bridge"]).await?;
    // Bob and Carol are no contacts of each other.
    run(&bob, &["send", "bridge", "@carol and @dave, all hands"]).await?;
    shows(&carol, &["history", "bridge"], "all hands  (mentions you)").await?;
    shows(&carol, &["inbox"], "1 unread, 1 of them mentions you").await?;
    shows(&carol, &["conversations"], "mentions you, muted").await?;
    let alices = shows(&alice, &["history", "bridge"], "all hands").await?;
    assert!(!alices.contains("mentions you"), "{alices}");

    bob.kill()?;
    run(&alice, &["send", "bridge", "at eight"]).await?;
    shows(&alice, &["history", "bridge"], "at eight  (sent, 1 of 2 have it)").await?;
    bob.start().await?;
    shows(&alice, &["history", "bridge"], "at eight  (delivered)").await?;

    run(&alice, &["room", "moderator", "add", "bridge", "bob"]).await?;
    shows(&bob, &["room", "show", "bridge"], "4 operations").await?;
    run(&bob, &["room", "moderator", "remove", "bridge", "bob"]).await?;
    shows(&alice, &["room", "ops", "bridge"], "bob moderates no more").await?;
    let refused = bob.ctl(&["room", "remove", "bridge", "alice"]).await?;
    assert!(!refused.status.success());
    Ok(())
}

/// Who comes into a room that is set so is told the last of what was said there, though they were off when they were added.
#[tokio::test]
async fn who_comes_is_told_what_was_said_before() -> TestResult {
    const HISTORY: [&str; 2] = ["history", "hall"];
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    let mut carol = cluster.user("carol", &[&alice, &bob]).await?;
    for other in [&bob, &carol] {
        introduce(&alice, other).await?;
    }
    run(&alice, &["room", "create", "hall"]).await?;
    run(&alice, &["room", "set", "hall", "--history", "2"]).await?;
    run(&alice, &["room", "invite", "hall", "bob"]).await?;
    shows_all(&bob, &["room", "show", "hall"], &["alice", "3 operations"]).await?;
    run(&alice, &["send", "hall", "the first"]).await?;
    shows(&bob, &HISTORY, "the first").await?;
    let sent = ask(&bob, &["send", "hall", "the secnod"]).await?;
    shows(&alice, &HISTORY, "the secnod").await?;
    run(&bob, &["edit", sent["id"].as_str().ok_or("no id")?, "the second"]).await?;
    shows(&alice, &HISTORY, "the second  (edited)").await?;
    run(&alice, &["send", "hall", "the third"]).await?;
    run(&alice, &["send", "hall", "it burns", "--expire", "1h", "--burn", "1h"]).await?;

    carol.kill()?;
    run(&alice, &["room", "invite", "hall", "carol"]).await?;
    run(&alice, &["send", "hall", "welcome"]).await?;
    carol.start().await?;
    shows(&carol, &["room", "list"], "hall").await?;
    let wanted = ["the second", "the third", "(told by alice)", "welcome"];
    shows_all(&carol, &HISTORY, &wanted).await?;
    // It is the same after a start, and what comes then is told by nobody.
    carol.restart().await?;
    run(&bob, &["send", "hall", "hello carol"]).await?;
    let carols = shows(&carol, &HISTORY, "hello carol").await?;
    assert_eq!(carols.matches("(told by alice)").count(), 2, "{carols}");
    assert_eq!(carols.lines().filter(|line| line.contains("the second")).count(), 1, "{carols}");
    assert!(!carols.contains("the first") && !carols.contains("it burns"), "{carols}");
    let bobs = run(&bob, &HISTORY).await?;
    assert!(!bobs.contains("told by"), "{bobs}");
    Ok(())
}
