//! Linking a further device, with real daemons and the real `martletctl`.

use std::time::Duration;

use martlet_protocol::control::{
    Contact, ContactList, Delivery, DeviceList, DeviceState, LockState, Status, VerifyRequest,
};
use martlet_testnet::cluster::verbs::try_run;
use martlet_testnet::cluster::{Cluster, Node, until};
use serde_json::Value;

use crate::{TestResult, talk};

const DEADLINE: Duration = Duration::from_secs(60);

/// Runs `martletctl`: its exit code, what it printed, and what it said.
async fn run(node: &Node, args: &[&str]) -> TestResult<(Option<i32>, String, String)> {
    Ok(try_run(node, args).await?)
}

/// The last line of JSON that it printed.
async fn ask(node: &Node, args: &[&str]) -> TestResult<Value> {
    let args: Vec<_> = ["--json"].iter().chain(args).copied().collect();
    let (_, out, err) = run(node, &args).await?;
    let last = out.lines().last().ok_or_else(|| format!("{args:?}: {err}"))?;
    Ok(serde_json::from_str(last)?)
}

/// How far a linking came, once it is there.
async fn wait_state(node: &Node, verb: &str, state: &str) -> TestResult<Value> {
    let mut found = Value::Null;
    until(format!("{verb} should be {state}"), DEADLINE, async || {
        let shown: Value = match node.client().get(&format!("/v1/{verb}")).await {
            Ok(shown) => shown,
            Err(_) => return Ok(None),
        };
        Ok((shown["state"] == state).then_some(shown))
    })
    .await
    .map(|shown| found = shown)?;
    Ok(found)
}

fn text(value: &Value, key: &str) -> TestResult<String> {
    Ok(value[key].as_str().ok_or_else(|| format!("no {key} in {value}"))?.to_owned())
}

async fn code(node: &Node) -> TestResult<String> {
    text(&ask(node, &["device", "link", "--no-wait"]).await?, "code")
}

async fn devices(node: &Node) -> TestResult<DeviceList> {
    Ok(node.get("/v1/devices").await?)
}

#[tokio::test]
async fn a_device_is_linked_and_both_get_what_contacts_write() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    talk(&alice, &bob).await?;
    let _: Contact = alice.post("/v1/contacts/bob/verify", &VerifyRequest { code: None }).await?;
    let mut phone = cluster.start("phone", &[&bob]).await?;
    phone.wait_connected(&[&bob], DEADLINE).await?;

    // Both verbs wait; who compares does so meanwhile.
    let (linked, joined, compared) = tokio::join!(
        run(&alice, &["device", "link"]),
        async {
            let code = text(&wait_state(&alice, "link", "offered").await?, "code")?;
            run(&phone, &["device", "join", &code, "--name", "phone", "--no-passphrase"]).await
        },
        async {
            let link = wait_state(&alice, "link", "compare").await?;
            let join = wait_state(&phone, "join", "compare").await?;
            assert_eq!(text(&link, "numbers")?, text(&join, "numbers")?);
            run(&alice, &["device", "link", "--confirm"]).await
        }
    );
    let (code, out, err) = compared?;
    assert!(code == Some(0) && out.contains("phone is linked"), "{out} {err}");
    // Whoever compares so fast may be faster than they show the numbers.
    let (code, out, err) = linked?;
    assert!(code == Some(0) && out.contains("martletlink1"), "{out} {err}");
    assert!(out.contains("phone is linked"), "{out} {err}");
    let (code, out, err) = joined?;
    assert!(code == Some(0) && out.contains("This device is linked"), "{out} {err}");
    let id = alice.id().await?;
    assert!(out.contains(&id), "it is the same ID: {out}");
    assert_eq!(phone.id().await?, id);

    // The new device knows whom the user knows, and contacts write to both.
    until("the contact should come".to_owned(), DEADLINE, async || {
        let list: ContactList = phone.get("/v1/contacts").await?;
        Ok(list.contacts.iter().any(|contact| contact.name == "bob").then_some(()))
    })
    .await?;
    let (_, out, _) = run(&phone, &["contact", "show", "bob"]).await?;
    assert!(out.contains("Verified   yes"), "{out}");
    until("Bob should see both devices".to_owned(), DEADLINE, async || {
        let contact: Contact = bob.get("/v1/contacts/alice").await?;
        Ok((contact.devices == 2).then_some(()))
    })
    .await?;
    let sent = bob.send("alice", "to both").await?;
    // What came before is on the first device alone.
    for (node, texts) in [(&alice, &["hello", "to both"][..]), (&phone, &["to both"])] {
        assert_eq!(node.wait_received("bob", texts.len(), DEADLINE).await?, texts);
    }
    bob.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    let sent = phone.send("bob", "from the phone").await?;
    phone.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    assert!(bob.received("alice").await?.contains(&"from the phone".to_owned()));
    until("the first device should show it, too".to_owned(), DEADLINE, async || {
        let shown = alice.history("bob").await?;
        Ok(shown.iter().any(|message| message.text == "from the phone").then_some(()))
    })
    .await?;

    // Without the root: also after a restart.
    phone.restart().await?;
    for args in [&["device", "link"][..], &["device", "revoke", "desk", "--yes"]] {
        run(&alice, &["device", "rename", "desk"]).await?;
        let (code, _, err) = run(&phone, args).await?;
        assert!(code == Some(1) || code == Some(6), "{args:?} {code:?} {err}");
    }
    let (code, _, err) = run(&phone, &["device", "link"]).await?;
    assert!(code == Some(1) && err.contains("does not have the root"), "{code:?} {err}");
    let list = devices(&phone).await?;
    let desk = list.devices.iter().find(|device| !device.this).ok_or("no other device")?;
    let (code, _, err) = run(&phone, &["device", "revoke", &desk.id, "--yes"]).await?;
    assert!(code == Some(1) && err.contains("does not have the root"), "{code:?} {err}");

    // It is revoked like any, and its contacts see that.
    let (code, out, err) =
        run(&alice, &["device", "revoke", "phone", "--reason", "lost", "--yes"]).await?;
    assert!(code == Some(0) && out.contains("Revoked phone"), "{out} {err}");
    until("Bob should see the revocation".to_owned(), DEADLINE, async || {
        let contact: Contact = bob.get("/v1/contacts/alice").await?;
        let is_revoked = |state| state == DeviceState::Revoked;
        Ok(contact.device_list.iter().any(|device| is_revoked(device.state)).then_some(()))
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_linking_that_is_refused_or_broken_off_says_so_on_both_sides() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let mut alice = cluster.user("alice", &[]).await?;
    let mut phone = cluster.start("phone", &[&alice]).await?;
    phone.wait_connected(&[&alice], DEADLINE).await?;
    let join = |code: &str| ["device", "join", code, "--no-passphrase"].map(str::to_owned);
    let join_args = |args: &[String; 4]| args.each_ref().map(String::as_str).map(str::to_owned);

    // Nothing is under way.
    for verb in ["link", "join"] {
        let (code, _, err) = run(&alice, &["device", verb, "--status"]).await?;
        assert!(code == Some(6) && err.contains("no device is being linked"), "{code:?} {err}");
    }
    // A code that is none, is mistyped, or is another thing.
    let right = self::code(&alice).await?;
    let wrong = right.replacen("martletlink1", "martletlink1q", 1);
    let id = alice.id().await?;
    for (code, why) in [(&wrong, "typing error"), (&id, "not a code of")] {
        let (exit, _, err) = run(&phone, &join(code).each_ref().map(String::as_str)).await?;
        assert!(exit == Some(1) && err.contains(why), "{exit:?} {err}");
    }
    // On a device that has an identity.
    let (exit, _, err) = run(&alice, &join(&right).each_ref().map(String::as_str)).await?;
    assert!(exit == Some(1) && err.contains("an identity already"), "{exit:?} {err}");

    // The numbers differ, says the user.
    let args = join_args(&join(&right));
    let args = args.each_ref().map(String::as_str);
    let (joined, refused) = tokio::join!(run(&phone, &args), async {
        wait_state(&alice, "link", "compare").await?;
        run(&alice, &["device", "link", "--refuse"]).await
    });
    let (code, out, err) = refused?;
    assert!(code == Some(0) && out.contains("the numbers differed"), "{code:?} {out} {err}");
    let (code, _, err) = joined?;
    assert!(code == Some(1) && err.contains("the numbers differed"), "{code:?} {err}");
    assert_eq!(devices(&alice).await?.devices.len(), 1);

    // Broken off on the new device.
    let second = self::code(&alice).await?;
    ask(&phone, &["device", "join", &second, "--no-passphrase", "--no-wait"]).await?;
    wait_state(&alice, "link", "compare").await?;
    let (code, _, err) = run(&phone, &["device", "join", "--cancel"]).await?;
    assert_eq!(code, Some(0), "{err}");
    let link = wait_state(&alice, "link", "refused").await?;
    assert_eq!((&link["reason"], &link["by_other"]), (&"cancelled".into(), &true.into()));
    // A code that has ended, once more.
    let (code, _, err) = run(&phone, &join(&second).each_ref().map(String::as_str)).await?;
    assert!(code == Some(1) && err.contains("had been used"), "{code:?} {err}");

    // It does not outlast a restart: neither of the one daemon nor of the other.
    let third = self::code(&alice).await?;
    ask(&phone, &["device", "join", &third, "--no-passphrase", "--no-wait"]).await?;
    wait_state(&alice, "link", "compare").await?;
    alice.restart().await?;
    let (code, _, err) = run(&alice, &["device", "link", "--confirm"]).await?;
    assert!(code == Some(6) && err.contains("does not outlast a restart"), "{code:?} {err}");
    // The new device is told, and does not wait for its ten minutes.
    let join = wait_state(&phone, "join", "refused").await?;
    assert_eq!(join["by_other"], true);
    phone.restart().await?;
    let (code, _, err) = run(&phone, &["device", "join", "--status"]).await?;
    assert!(code == Some(6) && err.contains("does not outlast a restart"), "{code:?} {err}");
    let status: Status = phone.get("/v1/status").await?;
    assert_eq!(status.lock, LockState::NoIdentity);
    assert_eq!(devices(&alice).await?.devices.len(), 1);
    Ok(())
}
