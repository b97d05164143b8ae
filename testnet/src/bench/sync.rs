//! Two daemons with full mailboxes meet: with nearly the same ones, or with very different ones.

use std::fs;
use std::time::Instant;

use martlet_protocol::control::DialRequest;

use super::WAIT_MAX;
use super::fill::{self, HOURS};
use super::report::{SyncFigures, SyncLarge, rounded};
use crate::cluster::{Cluster, ClusterError, Node, NodeOptions, until};

/// What one of the two lacks.
#[derive(Debug, Clone, Copy)]
pub(super) enum Missing {
    /// They end in three neighbouring hours, as after a short split.
    Clustered,
    /// They end in all hours.
    Spread,
}

const MIB: u64 = 1 << 20;

/// One has `envelopes`, the other lacks `missing` of them. The time is from the dial until it has
/// them, on disk.
pub(super) async fn run(
    cluster: &Cluster,
    envelopes: usize,
    missing: usize,
    which: Missing,
) -> Result<SyncFigures, ClusterError> {
    let mut whole = cluster.node("whole", options());
    let mut lacking = cluster.node("lacking", options());
    eprintln!("  filling two mailboxes with {envelopes} envelopes …");
    tokio::task::block_in_place(|| {
        let mailbox = fill::open(&lacking.data_dir())?;
        fill::put(&mailbox, envelopes - missing, |number| number)?;
        drop(mailbox);
        copy_mailbox(&lacking, &whole)?;
        let hour = |number| match which {
            Missing::Clustered => HOURS / 2 + number % 3,
            Missing::Spread => number,
        };
        fill::put(&fill::open(&whole.data_dir())?, missing, hour).map(drop)
    })?;

    let started = Instant::now();
    lacking.start().await?;
    let start_s = rounded(started.elapsed().as_secs_f64());
    whole.start().await?;
    let mut rss_bytes = most_memory(&whole, &lacking)?;

    let expected = u64::try_from(envelopes).unwrap_or(u64::MAX);
    let dial = DialRequest { address: whole.address()?, wait: false };
    let started = Instant::now();
    lacking.post::<_, ()>("/v1/peers", &dial).await?;
    until(format!("{envelopes} envelopes in both mailboxes"), WAIT_MAX, async || {
        let status = lacking.status().await?;
        Ok((status.mailbox.envelopes == expected).then_some(()))
    })
    .await?;
    let seconds = rounded(started.elapsed().as_secs_f64());
    rss_bytes = rss_bytes.max(most_memory(&whole, &lacking)?);

    let (passes, bytes) = until("the end of the sync in the log", WAIT_MAX, async || {
        Ok(compared(&whole, missing).or_else(|| compared(&lacking, missing)))
    })
    .await?;
    rss_bytes = rss_bytes.max(most_memory(&whole, &lacking)?);
    whole.stop().await?;
    lacking.stop().await?;
    let rss_mib = u32::try_from(rss_bytes / MIB).map_or(f64::INFINITY, f64::from);
    Ok(SyncFigures { seconds, passes, bytes, start_s, rss_mib })
}

/// What two mailboxes hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unlike {
    /// Envelopes that both have.
    pub(super) common: usize,
    /// Envelopes of each that the other lacks.
    pub(super) more: [usize; 2],
}

/// The two have little in common, and all envelopes end in all hours. The time is from the dial until both have
/// all of them, on disk.
pub(super) async fn large(cluster: &Cluster, unlike: Unlike) -> Result<SyncLarge, ClusterError> {
    let Unlike { common, more } = unlike;
    let mut nodes = [cluster.node("one", options()), cluster.node("other", options())];
    let [one, other] = more;
    eprintln!("  filling two mailboxes with {common} envelopes, and {one} and {other} more …");
    tokio::task::block_in_place(|| {
        fill::put(&fill::open(&nodes[0].data_dir())?, common, |number| number)?;
        copy_mailbox(&nodes[0], &nodes[1])?;
        nodes.iter().zip(more).try_for_each(|(node, more)| {
            fill::put(&fill::open(&node.data_dir())?, more, |number| number).map(drop)
        })
    })?;
    for node in &mut nodes {
        node.start().await?;
    }

    let all = u64::try_from(common + one + other).unwrap_or(u64::MAX);
    let dial = DialRequest { address: nodes[0].address()?, wait: false };
    let started = Instant::now();
    nodes[1].post::<_, ()>("/v1/peers", &dial).await?;
    let mut missing = u64::MAX;
    let done = until("all in both mailboxes", WAIT_MAX, async || {
        missing = 0;
        for node in &nodes {
            missing += all.saturating_sub(node.status().await?.mailbox.envelopes);
        }
        Ok((missing == 0).then_some(()))
    });
    match done.await {
        Ok(()) | Err(ClusterError::TimedOut { .. }) => {}
        Err(error) => return Err(error),
    }
    let seconds = started.elapsed().as_secs_f64();
    for node in &mut nodes {
        node.stop().await?;
    }
    let count = |envelopes: u64| u32::try_from(envelopes).map_or(f64::INFINITY, f64::from);
    let moved = count(u64::try_from(one + other).unwrap_or(u64::MAX)) - count(missing);
    Ok(SyncLarge { seconds: rounded(seconds), per_s: (moved / seconds).round(), missing })
}

fn options() -> NodeOptions {
    NodeOptions {
        config: vec![
            format!("mailbox_bytes_max = {}", fill::BYTES_MAX),
            "user = false".into(),
            "log = \"martletd=debug\"".into(),
        ],
        ..NodeOptions::default()
    }
}

fn copy_mailbox(from: &Node, to: &Node) -> Result<(), ClusterError> {
    // Makes the directory.
    drop(fill::open(&to.data_dir())?);
    let path = to.data_dir().join("mailbox.redb");
    match fs::copy(from.data_dir().join("mailbox.redb"), &path) {
        Ok(_) => Ok(()),
        Err(source) => Err(ClusterError::File { path, source }),
    }
}

/// Memory of the one that has more: without the files that the system keeps in memory.
fn most_memory(a: &Node, b: &Node) -> Result<u64, ClusterError> {
    Ok(a.usage()?.anonymous_bytes.max(b.usage()?.anonymous_bytes))
}

/// How many syncs a node began until `missing` envelopes had gone over, and the bytes it took to
/// find them, by its log.
fn compared(node: &Node, missing: usize) -> Option<(usize, usize)> {
    let log = node.log();
    let (mut passes, mut bytes, mut moved) = (0, 0, 0);
    for line in log.lines().filter(|line| line.contains("synced") || line.contains("sync ended")) {
        let field = |name: &str| {
            let value = line.split_whitespace().find_map(|word| word.strip_prefix(name));
            value.and_then(|value| value.parse::<usize>().ok()).unwrap_or(0)
        };
        passes += 1;
        bytes += field("compared_bytes=");
        moved += field("fetched=") + field("pushed=");
        if moved >= missing {
            return Some((passes, bytes));
        }
    }
    None
}
