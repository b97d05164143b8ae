//! What a user can get wrong: each gets a clear error, changes nothing, and leaves the daemon
//! running.

use std::time::{Duration, Instant};

use martlet_protocol::control::{
    ContactAdd, ContactList, ErrorCode, InitRequest, InitResponse, LockState, Problem, SendRequest,
    SendResponse, UnlockRequest,
};
use martlet_protocol::limits::{NAME_BYTES_MAX, PASSPHRASE_BYTES_MAX, TEXT_BYTES_MAX};
use martlet_testnet::cluster::{Cluster, ClusterError, Node};
use martletctl::client::ClientError;
use serde::Serialize;

use crate::{TestResult, cluster};

const DEADLINE: Duration = Duration::from_secs(30);
/// An ID that is well-formed and nobody's here.
const STRANGER: &str = "martlet1mx5a38wv8tvhwsr4mqnhdf95xw9p2tx2kq5zh0p7rm3xujxpnelqr6hx8k";

/// The daemon's refusal of a `POST`.
async fn refused<B: Serialize>(node: &Node, path: &str, body: &B) -> Problem {
    match node.shared_client().post::<B, serde_json::Value>(path, body).await {
        Err(ClientError::Problem(problem)) => {
            assert_eq!(problem.status, problem.code.status());
            problem
        }
        other => panic!("POST {path} was not refused: {other:?}"),
    }
}

/// The exit code and standard error of `martletctl`.
async fn ctl(node: &Node, args: &[&str]) -> Result<(i32, String), ClusterError> {
    let output = node.ctl(args).await?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.code().unwrap_or(-1), error))
}

fn text_to(to: &str, text: impl Into<String>) -> SendRequest {
    SendRequest { to: to.to_owned(), text: text.into(), ..SendRequest::default() }
}

fn contact(id: &str, name: &str) -> ContactAdd {
    ContactAdd { id: id.to_owned(), name: name.to_owned() }
}

/// A user with one contact, who is off.
async fn alice(cluster: &Cluster) -> Result<Node, ClusterError> {
    let alice = cluster.user("alice", &[]).await?;
    let mut bob = cluster.user("bob", &[]).await?;
    alice.add_contact("bob", &bob.id().await?).await?;
    bob.stop().await?;
    Ok(alice)
}

#[tokio::test]
async fn malformed_ids_and_ones_own() -> TestResult {
    let cluster = cluster()?;
    let alice = alice(&cluster).await?;
    let own = alice.id().await?;
    let mut mistyped = own.clone();
    let last = if own.ends_with('q') { "p" } else { "q" };
    mistyped.replace_range(own.len() - 1.., last);
    let no_key = "martlet1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqxk0jgk";
    for malformed in ["", "hello", "martlet1", mistyped.as_str(), &own[..40], no_key] {
        let problem = refused(&alice, "/v1/contacts", &contact(malformed, "carol")).await;
        assert_eq!(problem.code, ErrorCode::InvalidId, "{malformed:?}");
        assert!(!problem.detail.is_empty());
    }
    let (code, error) = ctl(&alice, &["contact", "add", &mistyped, "--name", "carol"]).await?;
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("Martlet ID"), "{error}");

    let problem = refused(&alice, "/v1/contacts", &contact(&own, "me")).await;
    assert_eq!(problem.code, ErrorCode::OwnId);
    assert_contacts(&alice, &["bob"]).await
}

#[tokio::test]
async fn bad_names_and_taken_ones() -> TestResult {
    let cluster = cluster()?;
    let alice = alice(&cluster).await?;
    let bob = alice.get::<ContactList>("/v1/contacts").await?.contacts.remove(0).id;
    let carol = cluster.user("carol", &[]).await?.id().await?;
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    for name in ["", "two\nlines", "\u{1b}[31mred", "..", ".", "\u{3164}", long.as_str()] {
        let problem = refused(&alice, "/v1/contacts", &contact(&carol, name)).await;
        assert_eq!(problem.code, ErrorCode::InvalidName, "{name:?}");
    }
    let problem = refused(&alice, "/v1/contacts", &contact(&carol, "bob")).await;
    assert_eq!(problem.code, ErrorCode::NameTaken);
    let problem = refused(&alice, "/v1/contacts", &contact(&bob, "another")).await;
    assert_eq!(problem.code, ErrorCode::AlreadyContact);
    assert_contacts(&alice, &["bob"]).await
}

#[tokio::test]
async fn texts_that_cannot_be_sent() -> TestResult {
    let cluster = cluster()?;
    let alice = alice(&cluster).await?;
    let problem = refused(&alice, "/v1/messages", &text_to("nobody", "hello")).await;
    assert_eq!(problem.code, ErrorCode::UnknownContact);
    assert!(problem.detail.contains("nobody"), "{}", problem.detail);
    let (code, error) = ctl(&alice, &["send", "nobody", "hello"]).await?;
    assert_eq!(code, 6, "{error}");

    let problem = refused(&alice, "/v1/messages", &text_to("bob", "")).await;
    assert_eq!(problem.code, ErrorCode::EmptyText);
    let (code, error) = ctl(&alice, &["send", "bob", "  "]).await?;
    assert_eq!(code, 1, "{error}");
    assert!(error.contains("nothing to send"), "{error}");

    // Bytes count, not characters.
    let long = "é".repeat(TEXT_BYTES_MAX / 2) + "x";
    let problem = refused(&alice, "/v1/messages", &text_to("bob", long)).await;
    assert_eq!(problem.code, ErrorCode::TextTooLong);
    let stated = problem.detail.replace([',', ' ', '.'], "");
    assert!(stated.contains(&TEXT_BYTES_MAX.to_string()), "{}", problem.detail);

    assert!(alice.history("bob").await?.is_empty());
    assert_eq!(alice.status().await?.outbox, Some(0));
    let longest = "x".repeat(TEXT_BYTES_MAX);
    alice.send("bob", &longest).await?;
    assert_eq!(alice.history("bob").await?[0].text, longest);
    Ok(())
}

#[tokio::test]
async fn what_there_is_none_of() -> TestResult {
    let cluster = cluster()?;
    let alice = alice(&cluster).await?;
    for (path, code) in [
        ("/v1/contacts/nobody", ErrorCode::UnknownContact),
        ("/v1/conversations/nobody/messages", ErrorCode::UnknownContact),
        ("/v1/messages/00112233445566778899aabbccddeeff", ErrorCode::UnknownMessage),
        ("/v1/nothing", ErrorCode::NotFound),
        ("/v2/status", ErrorCode::NotFound),
        ("/", ErrorCode::NotFound),
    ] {
        let found = alice.shared_client().get::<serde_json::Value>(path).await;
        assert!(
            matches!(&found, Err(ClientError::Problem(p)) if p.code == code),
            "{path} {found:?}"
        );
    }
    for path in ["/v1/contacts/nobody".to_owned(), format!("/v1/requests/{STRANGER}")] {
        let gone = alice.shared_client().delete(&path).await;
        assert!(
            matches!(&gone, Err(ClientError::Problem(p)) if p.status == 404 || p.status == 400)
        );
    }
    let again = InitRequest { name: None, passphrase: None };
    let problem = refused(&alice, "/v1/identity", &again).await;
    assert_eq!(problem.code, ErrorCode::IdentityExists);
    let dial = serde_json::json!({ "address": "192.168.1.7:4177/tcp" });
    let problem = refused(&alice, "/v1/peers", &dial).await;
    assert_eq!(problem.code, ErrorCode::InvalidAddress);
    Ok(())
}

#[tokio::test]
async fn nothing_can_be_said_without_an_identity() -> TestResult {
    let cluster = cluster()?;
    let node = cluster.start("mailbox", &[]).await?;
    assert_eq!(node.status().await?.lock, LockState::NoIdentity);
    let problem = refused(&node, "/v1/messages", &text_to("bob", "hello")).await;
    assert_eq!(problem.code, ErrorCode::NoIdentity);
    assert!(problem.detail.contains("init"), "{}", problem.detail);
    let problem = refused(&node, "/v1/contacts", &contact(STRANGER, "bob")).await;
    assert_eq!(problem.code, ErrorCode::NoIdentity);
    Ok(())
}

#[tokio::test]
async fn wrong_passphrases_and_a_locked_vault() -> TestResult {
    let cluster = cluster()?;
    let mut node = cluster.start("alice", &[]).await?;
    for bad in [String::new(), "x".repeat(PASSPHRASE_BYTES_MAX + 1)] {
        let problem =
            refused(&node, "/v1/identity", &InitRequest { name: None, passphrase: Some(bad) })
                .await;
        assert_eq!(problem.code, ErrorCode::InvalidPassphrase);
    }
    let passphrase = Some("correct horse".to_owned());
    let init = InitRequest { name: Some("alice".into()), passphrase: passphrase.clone() };
    let made: InitResponse = node.post("/v1/identity", &init).await?;

    // Locked by command, then by a restart.
    for restart in [false, true] {
        if restart {
            node.restart().await?;
        } else {
            node.shared_client().post_empty::<()>("/v1/lock").await?;
        }
        assert_locked(&node).await?;
        for _ in 0..3 {
            let wrong = UnlockRequest { passphrase: Some("incorrect horse".into()) };
            let started = Instant::now();
            let problem = refused(&node, "/v1/unlock", &wrong).await;
            assert_eq!(problem.code, ErrorCode::WrongPassphrase);
            // Each guess costs what the key derivation costs.
            assert!(started.elapsed() > Duration::from_millis(20), "{:?}", started.elapsed());
        }
        let problem = refused(&node, "/v1/unlock", &UnlockRequest { passphrase: None }).await;
        assert!(
            matches!(problem.code, ErrorCode::WrongPassphrase | ErrorCode::InvalidPassphrase),
            "{problem:?}"
        );
        assert_locked(&node).await?;
        // No lock-out: the right one works at once.
        let right = UnlockRequest { passphrase: passphrase.clone() };
        node.post::<_, ()>("/v1/unlock", &right).await?;
        assert_eq!(node.id().await?, made.id);
        assert_eq!(node.status().await?.passphrase, Some(true));
    }
    assert!(!node.log().contains("horse"));
    Ok(())
}

#[tokio::test]
async fn a_dead_daemons_socket() -> TestResult {
    let cluster = cluster()?;
    let mut node = cluster.start("alice", &[]).await?;
    node.kill()?;
    assert!(node.socket().exists(), "a killed daemon can't remove its socket");
    for present in [true, false] {
        if !present {
            std::fs::remove_file(node.socket())?;
        }
        let (code, error) = ctl(&node, &["status"]).await?;
        assert_eq!(code, 3, "{error}");
        assert!(error.contains("isn't running") && error.contains("martletd"), "{error}");
    }
    // A daemon takes the place of a dead one's socket.
    node.start().await?;
    node.kill()?;
    node.start().await?;
    assert_eq!(ctl(&node, &["status"]).await?.0, 0);
    Ok(())
}

#[tokio::test]
async fn usage_errors_of_the_command() -> TestResult {
    let cluster = cluster()?;
    let alice = alice(&cluster).await?;
    for args in [
        ["send"].as_slice(),
        &["send", "bob", "hello", "--wait", "whenever"],
        &["fly"],
        &["history", "bob", "--limit", "many"],
        &["contact", "add"],
    ] {
        let (code, error) = ctl(&alice, args).await?;
        assert_eq!(code, 2, "{args:?}: {error}");
    }
    // Bob is off: it can be waited for, but not for ever.
    let started = Instant::now();
    let (code, error) =
        ctl(&alice, &["send", "bob", "hello", "--wait", "delivered", "--timeout", "1"]).await?;
    assert_eq!(code, 5, "{error}");
    assert!(started.elapsed() < DEADLINE);
    let sent = alice.history("bob").await?;
    assert_eq!(sent.len(), 1, "the message is kept although nobody waits for it any more");
    Ok(())
}

async fn assert_locked(node: &Node) -> TestResult {
    let status = node.status().await?;
    assert_eq!(status.lock, LockState::Locked);
    assert!(status.identity.is_none() && status.unread.is_none());
    let problem = refused(node, "/v1/messages", &text_to("bob", "hello")).await;
    assert_eq!(problem.code, ErrorCode::Locked);
    assert!(problem.detail.contains("unlock"), "{}", problem.detail);
    let sent = node.shared_client().get::<SendResponse>("/v1/conversations/bob/messages").await;
    assert!(matches!(sent, Err(ClientError::Problem(p)) if p.code == ErrorCode::Locked));
    let (code, error) = ctl(node, &["inbox"]).await?;
    assert_eq!(code, 4, "{error}");
    Ok(())
}

async fn assert_contacts(node: &Node, names: &[&str]) -> TestResult {
    let list: ContactList = node.get("/v1/contacts").await?;
    let found: Vec<&str> = list.contacts.iter().map(|contact| contact.name.as_str()).collect();
    assert_eq!(found, names);
    Ok(())
}
