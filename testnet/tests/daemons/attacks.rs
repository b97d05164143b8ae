//! Every attack in its quick form: honest messages come through, bounds hold, and the peer is
//! punished as it must be.

use martlet_testnet::attack::{Attack, quick};
use martlet_testnet::cluster::{Cluster, ClusterError};

async fn attack(attack: Attack) -> Result<(), ClusterError> {
    quick(attack, &Cluster::new(env!("CARGO_BIN_EXE_martlet-testnet"))?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flood_of_valid_envelopes() -> Result<(), ClusterError> {
    attack(Attack::FloodValid).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flood_of_garbage() -> Result<(), ClusterError> {
    attack(Attack::FloodGarbage).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replays() -> Result<(), ClusterError> {
    attack(Attack::Replay).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_times() -> Result<(), ClusterError> {
    attack(Attack::WrongTimes).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lies_in_reconciliation() -> Result<(), ClusterError> {
    attack(Attack::LyingSync).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_without_end() -> Result<(), ClusterError> {
    attack(Attack::ManyStreams).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stalled_streams() -> Result<(), ClusterError> {
    attack(Attack::StalledStreams).await
}

/// Questions about blobs that can't be read, or broke off, cost their sender nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_about_blobs_that_nobody_can_read() -> Result<(), ClusterError> {
    attack(Attack::BlobQuestions).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peers_that_read_nothing() -> Result<(), ClusterError> {
    attack(Attack::DeafPeers).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flood_of_control_messages() -> Result<(), ClusterError> {
    attack(Attack::FloodControl).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_acks() -> Result<(), ClusterError> {
    attack(Attack::ForgedAcks).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claimed_tags() -> Result<(), ClusterError> {
    attack(Attack::ClaimedTags).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reinjected_items() -> Result<(), ClusterError> {
    attack(Attack::Reinjected).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_names() -> Result<(), ClusterError> {
    attack(Attack::Sybils).await
}
