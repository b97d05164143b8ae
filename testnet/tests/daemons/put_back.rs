//! A vault that is put back from a copy, twice within minutes, with real daemons and `martletctl`: what a contact wrote since the copy
//! was made comes again.

use std::fs;

use martlet_testnet::cluster::verbs::{run, shows, shows_all};
use martlet_testnet::cluster::{Cluster, introduce};

use crate::TestResult;

const VAULT: [&str; 3] = ["vault.redb", "vault.key", "vault.keys"];

/// Nothing came again where the copy was put back a second time within the hour. And in one of five runs nothing came again in the
/// room: the key of Alice's session there, whose receipt she had not got when the copy was made, was taken for one that told of the loss.
#[tokio::test]
async fn a_vault_put_back_twice_gets_again_what_was_written_since() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let mut alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    run(&bob, &["room", "create", "hall"]).await?;
    run(&bob, &["room", "invite", "hall", "alice"]).await?;
    shows_all(&alice, &["room", "show", "hall"], &["bob", "2 operations"]).await?;
    run(&alice, &["send", "hall", "I am here"]).await?;
    shows(&bob, &["history", "hall"], "I am here").await?;

    alice.stop().await?;
    let copy = cluster.path().join("copy");
    fs::create_dir(&copy)?;
    for file in VAULT {
        fs::copy(alice.data_dir().join(file), copy.join(file))?;
    }
    alice.start().await?;
    run(&bob, &["send", "hall", "lost in the hall"]).await?;
    run(&bob, &["send", "alice", "lost on the way"]).await?;
    shows(&alice, &["history", "hall"], "lost in the hall").await?;
    shows(&alice, &["history", "bob"], "lost on the way").await?;

    for round in 0..2 {
        alice.stop().await?;
        for file in VAULT {
            fs::copy(copy.join(file), alice.data_dir().join(file))?;
        }
        alice.start().await?;
        let after = format!("after {round}");
        run(&bob, &["send", "hall", &after]).await?;
        let all = ["I am here", "lost in the hall", &after];
        shows_all(&alice, &["history", "hall"], &all).await?;
        shows(&alice, &["history", "bob"], "lost on the way").await?;
    }
    for node in [&alice, &bob] {
        let hall = run(node, &["history", "hall"]).await?;
        for text in ["I am here", "lost in the hall", "after 0", "after 1"] {
            assert_eq!(hall.matches(text).count(), 1, "{}: {text}: {hall}", node.name());
        }
    }
    Ok(())
}
