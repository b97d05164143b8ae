//! What users, programs and attackers do, with real daemons and the real `martletctl`.

mod account;
mod agents;
mod attacks;
mod bad_files;
mod bad_input;
mod bad_socket;
mod blobs;
mod chat;
mod closed;
mod conversation;
mod depots;
mod devices;
mod file_parts;
mod files;
mod handles;
mod hostile;
mod invite;
mod kill;
mod link;
mod memory;
mod metrics;
mod notify;
mod offline;
mod open;
mod past;
mod ping;
mod put_back;
mod rooms;
mod root;
mod shards;
mod siblings;
mod stamps;
mod talk;
mod timers;
mod trust;
mod voice;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use martlet_protocol::control::Delivery;
use martlet_testnet::cluster::{Cluster, ClusterError, Node, introduce};

type TestResult<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn cluster() -> Result<Cluster, ClusterError> {
    Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))
}

/// A file with this in a line, that only its owner can read.
fn file(cluster: &Cluster, name: &str, text: &str) -> TestResult<String> {
    let path = cluster.path().join(name);
    fs::write(&path, format!("{text}\n"))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(path.display().to_string())
}

/// Two are contacts, and have written to each other.
async fn talk(alice: &Node, bob: &Node) -> TestResult {
    introduce(alice, bob).await?;
    for (from, to) in [(alice, "bob"), (bob, "alice")] {
        let sent = from.send(to, "hello").await?;
        from.wait_state(&sent.id, Delivery::Delivered, Duration::from_secs(60)).await?;
    }
    Ok(())
}
