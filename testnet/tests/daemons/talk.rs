//! Replies, reactions, edits, receipts and the list of conversations, with real daemons and `martletctl`.

use std::time::Duration;

use martlet_protocol::control::{Delivery, EventBody};
use martlet_testnet::cluster::verbs::{ask, hides, run, shows};
use martlet_testnet::cluster::{Cluster, introduce};
use serde_json::Value;

use crate::TestResult;

const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn two_people_talk_as_people_do() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    bob.wait_connected(&[&alice], DEADLINE).await?;
    let question = run(&alice, &["send", "bob", "at seven?"]).await?;
    let question = question.trim();
    alice.wait_state(question, Delivery::Delivered, DEADLINE).await?;
    let mut events = alice.events(None).await?;

    // Bob sees the beginning of the id, answers, reacts and reads.
    let short = question.get(..8).ok_or("an id")?;
    shows(&bob, &["history", "alice", "--ids"], &format!("{short}  at seven?")).await?;
    let list = ask(&bob, &["conversations"]).await?;
    assert_eq!(list["conversations"][0]["unread"], 1, "{list}");
    assert_eq!(list["conversations"][0]["last"]["text"], "at seven?", "{list}");
    run(&bob, &["send", "alice", "at eight", "--reply", short]).await?;
    run(&bob, &["react", short, "👍"]).await?;
    run(&bob, &["read", "alice"]).await?;
    let shown = shows(&alice, &["history", "bob"], "(read) [👍 bob]").await?;
    assert!(shown.contains("> you: at seven?"), "{shown}");
    // They are told as they happen.
    let (mut has_reaction, mut has_read) = (false, false);
    while !(has_reaction && has_read) {
        let event = tokio::time::timeout(DEADLINE, events.next()).await??.ok_or("an end")?;
        match event.body {
            EventBody::MessageReaction { id, emoji, .. } if id == question => {
                assert_eq!(emoji.as_deref(), Some("👍"));
                has_reaction = true;
            }
            EventBody::MessageRead { id, conversation } => {
                assert_eq!((id.as_str(), conversation.as_str()), (question, "bob"));
                has_read = true;
            }
            _ => {}
        }
    }

    // Alice edits; Bob sees what it said before.
    run(&alice, &["edit", short, "at nine?"]).await?;
    let shown = shows(&bob, &["history", "alice", "--edits"], "at nine?  (edited)").await?;
    assert!(shown.contains(": at seven?"), "{shown}");
    let refused = bob.ctl(&["edit", short, "mine"]).await?;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr)?.contains("someone else's"));
    run(&bob, &["react", short, "--remove"]).await?;
    hides(&alice, &["history", "bob"], "👍").await?;

    // Typing is told to who watches, and to nobody else.
    run(&bob, &["conversation", "typing", "alice"]).await?;
    loop {
        let event = tokio::time::timeout(DEADLINE, events.next()).await??.ok_or("an end")?;
        if let EventBody::Typing { conversation } = event.body {
            assert_eq!(conversation, "bob");
            break;
        }
    }

    // Bob wants none of it told any more.
    run(&bob, &["settings", "receipts=off", "snippets=off"]).await?;
    run(&bob, &["conversation", "set", "alice", "--mute", "--pin"]).await?;
    run(&bob, &["draft", "alice", "half a"]).await?;
    run(&bob, &["contact", "note", "alice", "met at the pier"]).await?;
    let last = run(&alice, &["send", "bob", "are you there?"]).await?;
    alice.wait_state(last.trim(), Delivery::Delivered, DEADLINE).await?;
    shows(&bob, &["inbox"], "are you there?").await?;
    run(&bob, &["read", "alice"]).await?;
    // This comes after any receipt would have.
    run(&bob, &["send", "alice", "yes"]).await?;
    shows(&alice, &["history", "bob"], "  yes").await?;
    assert_eq!(alice.message(last.trim()).await?.state, Delivery::Delivered);

    // All of it is there after a restart.
    let mut bob = bob;
    bob.stop().await?;
    bob.start().await?;
    let list = ask(&bob, &["conversations"]).await?;
    let conversation = &list["conversations"][0];
    assert_eq!(conversation["settings"]["muted"], true, "{list}");
    assert_eq!(conversation["settings"]["pinned"], true, "{list}");
    assert_eq!((&conversation["draft"], &conversation["last"]), (&Value::Bool(true), &Value::Null));
    assert_eq!(run(&bob, &["draft", "alice"]).await?, "half a\n");
    assert!(run(&bob, &["contact", "show", "alice"]).await?.contains("met at the pier"));
    assert!(run(&bob, &["history", "alice", "--edits"]).await?.contains("(edited)"));
    Ok(())
}
