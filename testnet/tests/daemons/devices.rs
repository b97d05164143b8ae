//! Devices that are named and revoked, and identities that end, with real daemons.

use std::time::Duration;

use martlet_protocol::control::{Contact, DeviceList, DeviceState};
use martlet_testnet::cluster::verbs::try_run as run;
use martlet_testnet::cluster::{Cluster, Node, until};
use serde_json::Value;

use crate::{TestResult, file, talk};

const DEADLINE: Duration = Duration::from_secs(60);

async fn alice_as_seen_by(bob: &Node) -> TestResult<Contact> {
    Ok(bob.get("/v1/contacts/alice").await?)
}

async fn see_end(bob: &Node) -> TestResult {
    until("the end should be known".to_owned(), DEADLINE, async || {
        let alice: Contact = bob.get("/v1/contacts/alice").await?;
        Ok(alice.terminated_at.map(|_| ()))
    })
    .await?;
    let (code, _, err) = run(bob, &["send", "alice", "are you there?"]).await?;
    assert!(code == Some(1) && err.contains("was terminated"), "{code:?} {err}");
    let (code, out, _) = run(bob, &["contact", "show", "alice"]).await?;
    assert!(code == Some(0) && out.contains("Terminated"), "{out}");
    Ok(())
}

#[tokio::test]
async fn an_identity_ends_by_the_passphrase_and_contacts_see_it() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let mut alice = cluster.start("alice", &[]).await?;
    let (right, wrong) = (file(&cluster, "right", "orange tram")?, file(&cluster, "wrong", "no")?);
    let (code, out, _) =
        run(&alice, &["init", "--name", "alice", "--passphrase-file", &right]).await?;
    assert!(code == Some(0) && out.contains("Your kill phrase:"), "{out}");
    let mut bob = cluster.user("bob", &[&alice]).await?;
    talk(&alice, &bob).await?;

    let end = |passphrase: &str| {
        ["account", "terminate", "--yes", "--passphrase-file", passphrase].map(str::to_owned)
    };
    let (code, _, err) = run(&alice, &end(&wrong).each_ref().map(String::as_str)).await?;
    assert!(code == Some(1) && err.contains("wrong passphrase"), "{code:?} {err}");
    let (code, _, err) =
        run(&alice, &["account", "terminate", "--passphrase-file", &right]).await?;
    assert!(code == Some(2) && err.contains("--yes"), "not asked, not done: {code:?} {err}");
    assert_eq!(alice_as_seen_by(&bob).await?.terminated_at, None);
    let (code, out, err) = run(&alice, &end(&right).each_ref().map(String::as_str)).await?;
    assert!(code == Some(0) && out.contains("is terminated"), "{out}{err}");

    see_end(&bob).await?;
    for _ in 0..2 {
        let (code, _, err) = run(&alice, &["send", "bob", "once more"]).await?;
        assert!(code == Some(1) && err.contains("your identity was terminated"), "{code:?} {err}");
        let (_, out, _) = run(&alice, &["history", "bob"]).await?;
        assert!(out.contains("hello"), "what is here can be read: {out}");
        alice.restart().await?;
        let (code, _, err) = run(&alice, &["unlock", "--passphrase-file", &right]).await?;
        assert_eq!(code, Some(0), "{err}");
        bob.restart().await?;
        see_end(&bob).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_kill_phrase_ends_an_identity_from_anybodys_node() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let alice = cluster.start("alice", &[]).await?;
    let (code, out, _) = run(&alice, &["--json", "init", "--no-passphrase"]).await?;
    assert_eq!(code, Some(0));
    let made: Value = serde_json::from_str(&out)?;
    let (id, phrase) = (made["id"].as_str(), made["kill_phrase"].as_str());
    let (id, phrase) = (id.ok_or("no ID")?, phrase.ok_or("no kill phrase")?);
    let bob = cluster.user("bob", &[&alice]).await?;
    talk(&alice, &bob).await?;
    let attic = cluster.start("attic", &[&bob]).await?;
    attic.wait_connected(&[&bob], DEADLINE).await?;

    let typo = phrase.replacen(' ', "x ", 1);
    let word = phrase.split(' ').next().ok_or("no word")?;
    let typo = file(&cluster, "typo", &typo)?;
    let right = file(&cluster, "right", phrase)?;
    let recovery = file(&cluster, "recovery", made["recovery_phrase"].as_str().ok_or("none")?)?;
    let end = |file: &str| {
        let args = ["account", "terminate", "--yes", "--id", id, "--kill-phrase-file", file];
        args.map(str::to_owned)
    };
    for (file, says) in
        [(&typo, format!("did you mean {word:?}?")), (&recovery, "12 words".to_owned())]
    {
        let (code, _, err) = run(&attic, &end(file).each_ref().map(String::as_str)).await?;
        assert!(code == Some(1) && err.contains(&says), "{code:?} {err}");
    }
    let (code, out, err) = run(&attic, &end(&right).each_ref().map(String::as_str)).await?;
    assert!(code == Some(0) && out.contains("It is told to the network"), "{out}{err}");
    see_end(&bob).await?;
    until("Alice's own daemon should know".to_owned(), DEADLINE, async || {
        let list: DeviceList = alice.get("/v1/devices").await?;
        let is_ended = |state| state == DeviceState::Terminated;
        Ok(list.devices.iter().all(|device| is_ended(device.state)).then_some(()))
    })
    .await?;
    let (code, _, err) = run(&alice, &["send", "bob", "once more"]).await?;
    assert!(code == Some(1) && err.contains("your identity was terminated"), "{code:?} {err}");
    Ok(())
}

#[tokio::test]
async fn a_device_is_named_and_revoked_and_contacts_see_it() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    talk(&alice, &bob).await?;
    let (code, out, err) = run(&alice, &["device", "rename", "desk"]).await?;
    assert_eq!((code, out.as_str()), (Some(0), "This device is called desk now.\n"), "{err}");
    let (_, out, _) = run(&alice, &["device", "list"]).await?;
    assert!(out.contains("desk (this)") && out.contains("valid"), "{out}");
    until("Bob should see the name".to_owned(), DEADLINE, async || {
        let alice: Contact = bob.get("/v1/contacts/alice").await?;
        Ok((alice.device_list[0].name.as_deref() == Some("desk")).then_some(()))
    })
    .await?;
    let (code, _, _) = run(&alice, &["device", "revoke", "phone", "--yes"]).await?;
    assert_eq!(code, Some(6));
    let (code, _, err) = run(&alice, &["device", "revoke", "desk"]).await?;
    assert!(code == Some(2) && err.contains("--yes"), "{err}");
    let (code, out, err) =
        run(&alice, &["device", "revoke", "desk", "--reason", "retired", "--yes"]).await?;
    assert!(code == Some(0) && out.contains("It is this device"), "{out}{err}");
    let (code, _, err) = run(&alice, &["send", "bob", "once more"]).await?;
    assert!(code == Some(1) && err.contains("this device was revoked"), "{code:?} {err}");
    until("Bob should see the revocation".to_owned(), DEADLINE, async || {
        let alice: Contact = bob.get("/v1/contacts/alice").await?;
        Ok((alice.device_list[0].state == DeviceState::Revoked).then_some(()))
    })
    .await?;
    let (_, out, _) = run(&bob, &["contact", "show", "alice"]).await?;
    assert!(out.contains("desk") && out.contains("revoked, retired"), "{out}");
    assert_eq!(alice_as_seen_by(&bob).await?.devices, 0);
    Ok(())
}
