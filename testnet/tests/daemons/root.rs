//! The recovery phrase shown once more, and a root that is in nothing but the phrase, with real daemons and the real
//! `martletctl`.

use std::time::Duration;

use martlet_protocol::control::PhraseRequest;
use martlet_testnet::cluster::verbs::{ask, run, try_run};
use martlet_testnet::cluster::{Cluster, Node, until};
use serde_json::Value;

use crate::{TestResult, file};

const DEADLINE: Duration = Duration::from_secs(60);

/// That it is refused, with this said.
async fn refused(node: &Node, args: &[&str], code: i32, says: &str) -> TestResult {
    let (exit, out, err) = try_run(node, args).await?;
    let err = err.replace('\n', " ");
    assert!(exit == Some(code) && err.contains(says), "{args:?}: {exit:?} {out} {err}");
    Ok(())
}

async fn compares(node: &Node, verb: &str) -> TestResult {
    let path = format!("/v1/{verb}");
    until(format!("{verb} should show numbers"), DEADLINE, async || {
        let shown: Value = node.get(&path).await?;
        Ok((shown["state"] == "compare").then_some(()))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn the_sheet_is_shown_once_more_to_who_has_the_passphrase() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let alice = cluster.start("alice", &[]).await?;
    refused(&alice, &["account", "phrase", "--yes"], 1, "there is no identity yet").await?;
    let right = file(&cluster, "right", "orange tram")?;
    let wrong = file(&cluster, "wrong", "orange trams")?;
    let made = ask(&alice, &["init", "--passphrase-file", &right]).await?;
    let shown = ask(&alice, &["account", "phrase", "--passphrase-file", &right]).await?;
    assert_eq!(shown, made);
    let out = run(&alice, &["account", "phrase", "--passphrase-file", &right]).await?;
    for says in ["Your recovery phrase:", "Your kill phrase:", "█"] {
        assert!(out.contains(says), "{says}: {out}");
    }
    // Though the vault is open.
    let with = ["account", "phrase", "--passphrase-file", &wrong];
    refused(&alice, &with, 1, "wrong passphrase; try again").await?;
    let without = PhraseRequest { passphrase: None };
    let refused_too = alice.post::<_, Value>("/v1/account/phrase", &without).await;
    assert!(refused_too.is_err(), "the API asks for it, too");
    run(&alice, &["lock"]).await?;
    refused(&alice, &["account", "phrase", "--passphrase-file", &right], 4, "locked").await?;
    let phrase = made["recovery_phrase"].as_str().ok_or("no phrase")?;
    let words: Vec<&str> = phrase.split(' ').collect();
    let log = alice.log();
    assert!(log.contains("the recovery phrase was shown"), "{log}");
    assert!(words.windows(2).all(|pair| !log.contains(&pair.join(" "))), "{log}");

    let bob = cluster.start("bob", &[]).await?;
    let made = ask(&bob, &["init", "--no-passphrase"]).await?;
    refused(&bob, &["account", "phrase"], 2, "--yes").await?;
    assert_eq!(ask(&bob, &["account", "phrase", "--yes"]).await?, made);
    Ok(())
}

#[tokio::test]
async fn a_locked_root_links_and_revokes_by_the_phrase_alone() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let mut alice = cluster.start("alice", &[]).await?;
    let made = ask(&alice, &["init", "--no-passphrase"]).await?;
    let phrase = made["recovery_phrase"].as_str().ok_or("no phrase")?;
    let words: Vec<&str> = phrase.split(' ').collect();
    let (right, other) = (
        file(&cluster, "phrase", phrase)?,
        file(&cluster, "other", &format!("{}art", "abandon ".repeat(23)))?,
    );
    let last = file(&cluster, "last", &words[20..].join(" "))?;
    let not_last = file(&cluster, "not-last", &words[19..23].join(" "))?;
    let lock = |file| ["account", "lock-root", "--last-words-file", file];
    refused(&alice, &["account", "lock-root"], 2, "standard input is not a terminal").await?;
    refused(&alice, &lock(&not_last), 1, "not the last 4 words").await?;
    let out = run(&alice, &lock(&last)).await?.replace('\n', " ");
    assert!(out.contains("is not on this device any more"), "{out}");
    alice.restart().await?;
    refused(&alice, &["account", "phrase", "--yes"], 1, "in your recovery phrase alone").await?;
    refused(&alice, &["device", "link"], 1, "add --phrase").await?;

    let phone = cluster.start("phone", &[&alice]).await?;
    phone.wait_connected(&[&alice], DEADLINE).await?;
    let with = |file| ["device", "link", "--phrase-file", file];
    refused(&alice, &with(&other), 1, "of another identity").await?;
    let (linked, joined, compared) = tokio::join!(
        run(&alice, &["device", "link", "--no-wait", "--phrase"]),
        async {
            let code = until("there should be a code".to_owned(), DEADLINE, async || {
                let link = alice.client().get::<Value>("/v1/link").await;
                Ok(link.ok().and_then(|link| link["code"].as_str().map(str::to_owned)))
            })
            .await?;
            run(&phone, &["device", "join", &code, "--name", "phone", "--no-passphrase"]).await
        },
        async {
            let began = std::time::Instant::now();
            while alice.client().get::<Value>("/v1/link").await.is_err() {
                assert!(began.elapsed() < DEADLINE, "no code was made");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            compares(&alice, "link").await?;
            compares(&phone, "join").await?;
            refused(&alice, &["device", "link", "--confirm"], 1, "add --phrase").await?;
            TestResult::Ok(
                run(&alice, &["device", "link", "--confirm", "--phrase-file", &right]).await?,
            )
        }
    );
    linked?;
    let compared = compared?;
    assert!(compared.contains("phone is linked"), "{compared}");
    let joined = joined?;
    assert!(joined.contains("This device is linked"), "{joined}");

    // The phone never had the root. It says who may have it, and does it with the phrase.
    run(&alice, &["device", "rename", "desk"]).await?;
    martlet_testnet::cluster::verbs::shows(&phone, &["device", "list"], "desk").await?;
    let revoke = ["device", "revoke", "desk", "--reason", "lost", "--yes"];
    refused(&phone, &revoke, 1, "it was linked by \"desk\"").await?;
    refused(&phone, &["account", "phrase", "--yes"], 1, "it was linked by \"desk\"").await?;
    let out = run(&phone, &[&revoke[..], &["--phrase-file", &right]].concat()).await?;
    assert!(out.contains("Revoked desk"), "{out}");
    Ok(())
}
