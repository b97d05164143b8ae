//! What a daemon's memory holds once its vault is locked.

mod process;
mod secrets;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use martlet_protocol::control::{
    Delivery, Device, DeviceList, DeviceRevoke, Draft, DraftRequest, InitRequest, InitResponse,
    LockRootRequest, PhraseRequest, SearchResults, Shred, UnlockRequest,
};
use martlet_testnet::cluster::verbs::{ask, hides, run, shows};
use martlet_testnet::cluster::{Cluster, Node, introduce, until};
use rustix::process::Signal;
use secrets::Secret;

use crate::TestResult;

const DEADLINE: Duration = Duration::from_secs(30);
const PASSPHRASE: &str = "correct horse battery staple, as nobody else has it";
const WORDS: &str = "Secret words that were said by";

async fn talk(a: &Node, b: &Node) -> TestResult {
    for (from, to) in [(a, b), (b, a)] {
        let sent = from.send(to.name(), &format!("{WORDS} {}", from.name())).await?;
        from.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    }
    Ok(())
}

/// What was done with the vault before it is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Round {
    Made,
    /// By a process that knows it already.
    Unlocked,
    /// And locked at once: nothing else has used the stacks since.
    OnlyUnlocked,
    /// By a process that never saw it.
    UnlockedAfterRestart,
}

const ROUNDS: [Round; 8] = [
    Round::Made,
    Round::Unlocked,
    Round::OnlyUnlocked,
    Round::OnlyUnlocked,
    Round::UnlockedAfterRestart,
    Round::Unlocked,
    Round::OnlyUnlocked,
    Round::OnlyUnlocked,
];

/// The generator kept its seed for the life of the process: whoever looked through the memory of a daemon
/// with a locked vault could make the root key again. Buffers that had held keys, the passphrase or the
/// recovery phrase were freed as they were, and what keys leave on the stacks of threads stayed there.
///
/// The first look at it came more than a second after the lock, when other work had overwritten the stacks. Now
/// the process is stopped as soon as the answer is there. So it was seen that the answer came before the
/// engine's stack was wiped.
#[tokio::test]
async fn the_memory_of_a_daemon_with_a_locked_vault_holds_no_secret_of_it() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let bob = cluster.user("bob", &[]).await?;
    let mut alice = cluster.start("alice", &[&bob]).await?;
    let mut secrets = vec![
        Secret::new("passphrase", PASSPHRASE.as_bytes()),
        Secret::new("messages", WORDS.as_bytes()),
        // As they are searched.
        Secret::new("folded messages", WORDS.to_lowercase().as_bytes()),
    ];

    for (number, round) in ROUNDS.into_iter().enumerate() {
        match round {
            Round::Made => {
                let request = InitRequest {
                    name: Some("alice".into()),
                    passphrase: Some(PASSPHRASE.to_owned()),
                };
                let made: InitResponse = alice.post("/v1/identity", &request).await?;
                secrets.push(Secret::new("recovery phrase", made.recovery_phrase.as_bytes()));
                introduce(&alice, &bob).await?;
            }
            Round::Unlocked | Round::OnlyUnlocked => unlock(&alice).await?,
            Round::UnlockedAfterRestart => {
                alice.restart().await?;
                unlock(&alice).await?;
            }
        }
        if round != Round::OnlyUnlocked {
            talk(&alice, &bob).await?;
            alice.history("bob").await?;
            let found: SearchResults = alice.get("/v1/search?words=said&in=bob").await?;
            assert!(!found.results.is_empty(), "{found:?}");
        }
        let Some(open) = process::memory(alice.pid()?)? else {
            eprintln!("skipped: this user may not read the memory of another process");
            return Ok(());
        };
        // The connection that the passphrase came by stays open.
        alice.client().post_empty::<()>("/v1/lock").await?;
        alice.signal(Signal::STOP)?;
        process::wait_stopped(alice.pid()?, DEADLINE)?;
        let locked = process::memory(alice.pid()?)?.ok_or("it can't be read any more")?;
        alice.signal(Signal::CONT)?;

        // Those of earlier rounds are no less secret.
        for secret in secrets::of_vault(&copy(&alice.data_dir(), cluster.path())?, PASSPHRASE)? {
            if !secrets.contains(&secret) {
                secrets.push(secret);
            }
        }
        assert!(secrets.len() > 15, "{} secrets", secrets.len());
        // The search finds what is there: an open vault is in memory.
        let found = process::find(&open, &secrets);
        for name in ["device seed", "key of records", "erasable key 7", "prekey 1", "own session"] {
            assert!(found.iter().any(|found| found.starts_with(name)), "{name}: {found:#?}");
        }
        let when = format!("round {number}, {round:?}");
        let found = process::find(&locked, &secrets);
        assert!(found.is_empty(), "{when}: {found:#?}");
        // Nor the seed of a generator that made any of them.
        let seeds = process::find_seeds(&locked, &secrets);
        assert!(seeds.is_empty(), "{when}: {seeds:#?}");
    }
    Ok(())
}

/// While the vault is open, and after all was searched, so that every text was in memory.
#[tokio::test]
async fn what_has_ended_is_not_in_the_memory_of_a_daemon_with_an_open_vault() -> TestResult {
    const ENDS: [&str; 6] = [
        "recalled: wombats eat turnips at dusk",
        "deleted: glaciers hum beneath the ferry",
        "expired: violet lanterns over Bergen",
        "burned: seven pelicans guard a bakery",
        "a note: marzipan hidden behind clocks",
        "a draft: otters juggle copper kettles",
    ];
    const STAYS: &str = "kept: a lighthouse keeper paints zebras";
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let mut alice = cluster.user("alice", &[]).await?;
    let bob = cluster.user("bob", &[&alice]).await?;
    introduce(&alice, &bob).await?;
    let send = async |text: &str, timers: &[&str]| -> TestResult<String> {
        let sent = ask(&bob, &[&["send", "alice", text][..], timers].concat()).await?;
        Ok(sent["id"].as_str().ok_or("no id")?.to_owned())
    };
    let recalled = send(ENDS[0], &[]).await?;
    let deleted = send(ENDS[1], &[]).await?;
    send(ENDS[2], &["--expire", "8s"]).await?;
    send(ENDS[3], &["--expire", "1h", "--burn", "1s"]).await?;
    send(STAYS, &[]).await?;
    let note = ask(&alice, &["note", ENDS[4]]).await?;
    let history = ["history", "bob"];
    shows(&alice, &history, STAYS).await?;
    run(&alice, &["search", "keeper"]).await?;
    run(&alice, &["read", "bob"]).await?;
    let draft = "/v1/conversations/bob/draft";
    let begun = DraftRequest { text: ENDS[5].to_owned() };
    alice.post::<_, Draft>(draft, &begun).await?;
    run(&bob, &["recall", &recalled]).await?;
    let note = note["id"].as_str().ok_or("no id")?;
    run(&alice, &["delete", &deleted, note]).await?;
    alice.client().delete(draft).await?;
    for gone in &ENDS[..4] {
        hides(&alice, &history, gone).await?;
    }
    run(&alice, &["shred"]).await?;

    // As they are searched, too.
    let forms = ENDS.iter().flat_map(|text| [(*text).to_owned(), text.to_lowercase()]);
    let ended: Vec<_> = forms.map(|text| Secret::new(text.clone(), text.as_bytes())).collect();
    // What ends by itself is hidden at once, and deleted with the engine's next tick.
    let deadline = Instant::now() + DEADLINE;
    loop {
        alice.signal(Signal::STOP)?;
        process::wait_stopped(alice.pid()?, DEADLINE)?;
        let memory = process::memory(alice.pid()?)?;
        alice.signal(Signal::CONT)?;
        let Some(memory) = memory else {
            eprintln!("skipped: this user may not read the memory of another process");
            return Ok(());
        };
        // The text that is there is found: the vault is open, and it was searched.
        assert!(!process::find(&memory, &[Secret::new("kept", STAYS.as_bytes())]).is_empty());
        let found = process::find(&memory, &ended);
        if found.is_empty() {
            return Ok(());
        }
        assert!(Instant::now() < deadline, "{found:#?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// While the vault is open, where all its other keys are in memory.
///
/// Once in many runs the root's seed was on the engine's stack. Of a phrase with one word wrong the right one is looked for, which makes
/// the seed; and a command that was refused was answered before that was wiped. So the wrong phrase is given several times.
#[tokio::test]
async fn a_root_that_was_locked_and_a_phrase_that_was_used_are_not_in_memory() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let mut alice = cluster.start("alice", &[]).await?;
    let request =
        InitRequest { name: Some("alice".into()), passphrase: Some(PASSPHRASE.to_owned()) };
    let made: InitResponse = alice.post("/v1/identity", &request).await?;
    let secrets: Vec<Secret> =
        secrets::of_vault(&copy(&alice.data_dir(), cluster.path())?, PASSPHRASE)?
            .into_iter()
            .filter(|secret| secret.name.starts_with("root"))
            .chain([Secret::new("recovery phrase", made.recovery_phrase.as_bytes())])
            .collect();
    assert_eq!(secrets.len(), 5);
    let words: Vec<&str> = made.recovery_phrase.split(' ').collect();
    let request = PhraseRequest { passphrase: Some(PASSPHRASE.to_owned()) };
    let again: InitResponse = alice.post("/v1/account/phrase", &request).await?;
    assert_eq!(again, made);
    let last_words = words[20..].join(" ");
    let shred: Shred = alice.post("/v1/account/lock-root", &LockRootRequest { last_words }).await?;
    until("the root should be shredded".to_owned(), DEADLINE, async || {
        let now: Shred = alice.get("/v1/shred").await?;
        Ok((!now.running && now.finished_at > shred.finished_at).then_some(()))
    })
    .await?;
    // A phrase that is used is not kept: here to revoke this very device.
    let list: DeviceList = alice.get("/v1/devices").await?;
    let path = format!("/v1/devices/{}/revoke", list.devices[0].id);
    let wrong = (false, made.recovery_phrase.replacen(' ', "x ", 1));
    let phrases = std::iter::repeat_n(wrong, 6).chain([(true, made.recovery_phrase.clone())]);
    for (used, phrase) in phrases {
        let request = DeviceRevoke { reason: None, recovery_phrase: Some(phrase) };
        assert_eq!(alice.post::<_, Device>(&path, &request).await.is_ok(), used);
        // No other work comes between that overwrites what was left.
        alice.signal(Signal::STOP)?;
        process::wait_stopped(alice.pid()?, DEADLINE)?;
        let memory = process::memory(alice.pid()?)?;
        alice.signal(Signal::CONT)?;
        let Some(memory) = memory else {
            eprintln!("skipped: this user may not read the memory of another process");
            return Ok(());
        };
        let found = process::find(&memory, &secrets);
        assert!(found.is_empty(), "{used}: {found:#?}");
    }
    Ok(())
}

async fn unlock(node: &Node) -> TestResult {
    let request = UnlockRequest { passphrase: Some(PASSPHRASE.into()) };
    Ok(node.post::<_, ()>("/v1/unlock", &request).await?)
}

/// A copy of a data directory's vault, for this test's own use.
fn copy(data_dir: &Path, parent: &Path) -> TestResult<PathBuf> {
    let to = tempfile::Builder::new().prefix("copy").tempdir_in(parent)?.keep();
    for file in ["vault.redb", "vault.key", "vault.keys"] {
        fs::copy(data_dir.join(file), to.join(file))?;
    }
    Ok(to)
}
