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

use martlet_testnet::cluster::{Cluster, ClusterError};

type TestResult<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn cluster() -> Result<Cluster, ClusterError> {
    Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))
}
