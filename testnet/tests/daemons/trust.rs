//! Safety numbers, new devices, and the recovery of an identity, with real daemons and `martletctl`.

use std::time::Duration;

use martlet_protocol::control::{Delivery, EventBody};
use martlet_protocol::identity::{PhraseError, RootKey};
use martlet_testnet::cluster::verbs::{ask, run, shows, try_run};
use martlet_testnet::cluster::{Cluster, Node, introduce, next_event};
use serde_json::Value;

use crate::TestResult;

const DEADLINE: Duration = Duration::from_secs(60);

/// A node with a user, and the user's recovery phrase.
async fn user(cluster: &Cluster, name: &str, peers: &[&Node]) -> TestResult<(Node, String)> {
    let node = cluster.start(name, peers).await?;
    let made = ask(&node, &["init", "--no-passphrase", "--name", name]).await?;
    let phrase = made["recovery_phrase"].as_str().ok_or("no phrase")?.to_owned();
    Ok((node, phrase))
}

#[tokio::test]
async fn two_people_verify_each_other_by_digits_and_by_the_code() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    let carol = cluster.user("carol", &[]).await?;
    introduce(&alice, &bob).await?;
    introduce(&alice, &carol).await?;
    let number = |seen: &Value| seen["safety_number"].clone();
    let at_alice = ask(&alice, &["contact", "verify", "bob"]).await?;
    let at_bob = ask(&bob, &["contact", "show", "alice"]).await?;
    assert_eq!(number(&at_alice), number(&at_bob));
    let digits = number(&at_bob)["digits"].as_str().ok_or("no digits")?.to_owned();
    let code = number(&at_bob)["qr"].as_str().ok_or("no code")?.to_owned();
    // What a person reads has all the digits, six groups a line, and the code as a picture.
    let page = run(&alice, &["contact", "verify", "bob"]).await?;
    assert!(
        page.contains(&digits[..35]) && page.contains(&digits[36..]) && page.contains('▄'),
        "{page}"
    );

    // Of others, mistyped, or cut: told, and nobody is verified.
    let (exit, _, err) = try_run(&alice, &["contact", "verify", "carol", &digits]).await?;
    assert!(exit == Some(1) && err.contains("DOES NOT FIT"), "{exit:?} {err}");
    let last = if digits.ends_with('1') { "2" } else { "1" };
    let mistyped = format!("{}{last}", &digits[..digits.len() - 1]);
    let (exit, _, err) = try_run(&alice, &["contact", "verify", "bob", &mistyped]).await?;
    assert!(exit == Some(1) && err.contains("group 12 of 12 differs"), "{exit:?} {err}");
    for (bad, why) in [(&digits[..20], "60 digits"), (&code[..40], "damaged"), ("hello", "'h'")] {
        let (exit, _, err) = try_run(&alice, &["contact", "verify", "bob", bad]).await?;
        assert!(exit == Some(1) && err.contains(why), "{bad}: {exit:?} {err}");
    }
    assert!(!run(&alice, &["contact", "list"]).await?.contains("  verified  "));

    // Any spacing, several arguments, the code in capitals as QR codes have it.
    let groups: Vec<&str> = digits.split(' ').collect();
    let args = [&["contact", "verify", "bob"][..], &groups].concat();
    assert!(run(&alice, &args).await?.contains("bob is verified"));
    assert!(run(&alice, &["contact", "list"]).await?.contains("  verified  "));
    run(&bob, &["contact", "verify", "alice", &code.to_uppercase()]).await?;
    assert_eq!(ask(&bob, &["contact", "show", "alice"]).await?["verified"], "yes");
    run(&bob, &["contact", "unverify", "alice"]).await?;
    assert_eq!(ask(&bob, &["contact", "show", "alice"]).await?["verified"], "no");
    Ok(())
}

/// A machine is lost, the words are not. Who had verified its owner is told of the new device, loudly, and with
/// strict devices what they write waits for their word.
#[tokio::test]
async fn a_lost_identity_comes_back_from_its_phrase_and_its_contacts_go_on() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let (mut alice, phrase) = user(&cluster, "alice", &[]).await?;
    let id = alice.id().await?;
    let (bob, _) = user(&cluster, "bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    let sent = bob.send("alice", "before").await?;
    bob.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    run(&bob, &["contact", "verify", "alice", "--compared"]).await?;
    run(&bob, &["settings", "strict_devices=on"]).await?;
    let mut events = bob.events(None).await?;
    alice.kill()?;

    let again = cluster.start("again", &[&bob]).await?;
    let file = cluster.path().join("phrase.txt");
    let recover = |extra: &[&'static str]| {
        let mut args = vec!["init", "--recover", "--no-passphrase", "--name", "alice"];
        args.extend(extra);
        args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>()
    };
    let path = file.to_str().ok_or("a path")?.to_owned();
    let mut args = recover(&["--phrase-file"]);
    args.push(path);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let words: Vec<&str> = phrase.split(' ').collect();
    let with = |at: usize, word: &str| {
        let mut words = words.clone();
        words[at] = word;
        words.join(" ")
    };
    // A typing mistake: the word that was meant is offered. Nothing is made.
    let mistyped = with(4, &format!("{}x", words[4]));
    let is_wrong =
        |word: &&str| matches!(RootKey::from_phrase(&with(0, word)), Err(PhraseError::Checksum));
    let other = ["zoo", "zone", "zero"].into_iter().find(is_wrong).ok_or("all fit by chance")?;
    for (text, why) in [
        (
            mistyped.as_str(),
            format!("word 5 is in no recovery phrase; did you mean {:?}?", words[4]),
        ),
        (&words[..23].join(" "), "has 24 words, and this has 23".to_owned()),
        (&with(0, other), "checksum is wrong".to_owned()),
        ("", "this has 0".to_owned()),
    ] {
        std::fs::write(&file, text)?;
        let (exit, _, err) = try_run(&again, &args).await?;
        assert!(exit == Some(2) && err.replace('\n', " ").contains(&why), "{exit:?} {err}");
    }
    // As it was printed, or numbered and in capitals.
    let numbered: Vec<String> =
        (1..).zip(&words).map(|(n, word)| format!("{n}. {}", word.to_uppercase())).collect();
    std::fs::write(&file, numbered.join("\n"))?;
    assert!(run(&again, &args).await?.contains(&id));
    assert_eq!(again.id().await?, id);
    let (exit, _, err) = try_run(&again, &args).await?;
    assert!(exit == Some(1) && err.contains("an identity already"), "{exit:?} {err}");

    // Bob is told, and asked.
    let devices = next_event(&bob, &mut events, DEADLINE, |event| match &event.body {
        EventBody::ContactDevicesChanged { devices, .. } => Some(*devices),
        _ => None,
    })
    .await?;
    assert_eq!(devices, 2);
    assert!(run(&bob, &["contact", "show", "alice"]).await?.contains("alice has a new device"));
    let (exit, held, err) = try_run(&bob, &["send", "alice", "are you back?"]).await?;
    assert!(exit == Some(0) && err.contains("contact verify alice"), "{err}");
    let (exit, _, err) = try_run(&bob, &["send", "alice", "two", "--wait", "sent"]).await?;
    assert!(exit == Some(1) && err.contains("contact verify alice"), "{exit:?} {err}");
    assert_eq!(bob.message(held.trim()).await?.state, Delivery::NeedsConfirmation);
    run(&bob, &["contact", "verify", "alice", "--compared"]).await?;
    bob.wait_state(held.trim(), Delivery::Sent, DEADLINE).await?;

    // Of the contacts that she had, none is left: who writes is unknown.
    shows(&again, &["requests", "list"], "are you back?").await?;
    run(&again, &["requests", "accept", "1", "--name", "bob"]).await?;
    assert_eq!(again.wait_received("bob", 2, DEADLINE).await?, ["are you back?", "two"]);
    let answer = again.send("bob", "I am").await?;
    again.wait_state(&answer.id, Delivery::Delivered, DEADLINE).await?;
    assert_eq!(bob.received("alice").await?, ["I am"]);
    // What she had received before is not told as lost.
    let history = ask(&again, &["history", "bob"]).await?;
    assert!(history["lost"].as_array().is_none_or(Vec::is_empty), "{history}");
    Ok(())
}
