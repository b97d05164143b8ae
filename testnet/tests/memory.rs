//! What a daemon's memory holds once its vault is locked.

#[path = "memory/process.rs"]
mod process;
#[path = "memory/secrets.rs"]
mod secrets;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use martlet_protocol::control::{Delivery, InitRequest, InitResponse, UnlockRequest};
use martlet_testnet::cluster::{Cluster, Node, introduce};
use secrets::Secret;

const DEADLINE: Duration = Duration::from_secs(30);
/// How long secrets may be found after the answer to `lock`: threads end in this time.
const WIPED_WITHIN: Duration = Duration::from_secs(5);
const PASSPHRASE: &str = "correct horse battery staple, as nobody else has it";
const WORDS: &str = "Secret words that were said by";

type TestResult<T = ()> = Result<T, Box<dyn std::error::Error>>;

async fn talk(a: &Node, b: &Node) -> TestResult {
    for (from, to) in [(a, b), (b, a)] {
        let sent = from.send(to.name(), &format!("{WORDS} {}", from.name())).await?;
        from.wait_state(&sent.id, Delivery::Delivered, DEADLINE).await?;
    }
    Ok(())
}

/// The generator kept its seed for the life of the process: whoever looked through the memory of a daemon
/// with a locked vault could make the root key again. Buffers that had held keys, the passphrase or the
/// recovery phrase were freed as they were, and what keys leave on the stacks of threads stayed there.
#[tokio::test]
async fn the_memory_of_a_daemon_with_a_locked_vault_holds_no_secret_of_it() -> TestResult {
    let cluster = Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?;
    let bob = cluster.user("bob", &[]).await?;
    let mut alice = cluster.start("alice", &[&bob]).await?;
    let request =
        InitRequest { name: Some("alice".into()), passphrase: Some(PASSPHRASE.to_owned()) };
    let made: InitResponse = alice.post("/v1/identity", &request).await?;
    introduce(&alice, &bob).await?;

    // In the process that made the keys, after it read them again, and in one that only read them.
    for when in ["after init", "after a second unlock", "after a restart"] {
        if when != "after init" {
            if when == "after a restart" {
                alice.restart().await?;
            }
            let request = UnlockRequest { passphrase: Some(PASSPHRASE.into()) };
            alice.post::<_, ()>("/v1/unlock", &request).await?;
        }
        talk(&alice, &bob).await?;
        alice.history("bob").await?;
        let Some(open) = process::memory(alice.pid()?)? else {
            eprintln!("skipped: this user may not read the memory of another process");
            return Ok(());
        };
        alice.shared_client().post_empty::<()>("/v1/lock").await?;
        let locked_at = Instant::now();

        let mut secrets = secrets::of_vault(&copy(&alice.data_dir(), cluster.path())?, PASSPHRASE)?;
        secrets.push(Secret::new("passphrase", PASSPHRASE.as_bytes()));
        secrets.push(Secret::new("recovery phrase", made.recovery_phrase.as_bytes()));
        secrets.push(Secret::new("messages", WORDS.as_bytes()));
        assert!(secrets.len() > 15, "{} secrets", secrets.len());
        // The search finds what is there: an open vault is in memory.
        let found = process::find(&open, &secrets);
        for name in ["device seed", "key of records", "prekey 1", "own session"] {
            assert!(found.iter().any(|found| found.starts_with(name)), "{name}: {found:#?}");
        }
        loop {
            let locked = process::memory(alice.pid()?)?.ok_or("it can't be read any more")?;
            let found = process::find(&locked, &secrets);
            if found.is_empty() {
                // Nor the seed of a generator that made any of them.
                let seeds = process::find_seeds(&locked, &secrets);
                assert!(seeds.is_empty(), "{when}: {seeds:#?}");
                break;
            }
            assert!(locked_at.elapsed() < WIPED_WITHIN, "{when}: {found:#?}");
        }
    }
    Ok(())
}

/// A copy of a data directory's vault, for this test's own use.
fn copy(data_dir: &Path, parent: &Path) -> TestResult<PathBuf> {
    let to = tempfile::Builder::new().prefix("copy").tempdir_in(parent)?.keep();
    for file in ["vault.redb", "vault.key"] {
        fs::copy(data_dir.join(file), to.join(file))?;
    }
    Ok(to)
}
