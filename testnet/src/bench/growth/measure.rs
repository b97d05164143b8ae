//! What is measured at each size.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use martlet_protocol::control::{ContactList, History, Inbox};
use martletctl::client::encode;
use rand::RngExt;
use serde::de::DeserializeOwned;

use crate::bench::idle::mib;
use crate::bench::latency::percentile;
use crate::bench::report::{Figure, rounded};
use crate::bench::{WAIT_MAX, flow};
use crate::cluster::{ClusterError, Node, written_bytes};

/// Pause before memory is read: what a start, or the last messages, set off is over by then.
const SETTLING: Duration = Duration::from_secs(2);
/// Longest pause before a send that is timed; the mean is half of it. So each is a batch of its own.
const PAUSE_MAX: Duration = Duration::from_millis(20);
/// Requests that are timed; the middle one counts.
const REQUESTS: usize = 51;
/// Messages of a page.
pub(super) const PAGE: usize = 50;
/// Bytes of a block, as stat(2) counts them.
const BLOCK_BYTES: u64 = 512;

/// Figures of one size.
pub(super) type Figures = BTreeMap<Figure, f64>;

/// Sends the texts of these numbers one after another, and takes the time of each.
pub(super) async fn sends(
    figures: &mut Figures,
    from: &Node,
    to: &str,
    numbers: std::ops::Range<usize>,
) -> Result<Vec<String>, ClusterError> {
    let client = from.client();
    let (mut ids, mut taken_ms) = (Vec::new(), Vec::new());
    let before = written(from)?;
    for text in numbers {
        tokio::time::sleep(PAUSE_MAX.mul_f64(rand::rng().random_range(0.0..1.0))).await;
        let started = Instant::now();
        let sent = flow::send(&client, to, text).await;
        taken_ms.push(started.elapsed().as_secs_f64() * 1000.0);
        ids.push(sent.map_err(|source| from.error(source))?);
    }
    let written_kb = (written(from)? - before) / 1000.0 / number(ids.len()).max(1.0);
    figures.insert(Figure::SendWritten, rounded(written_kb));
    taken_ms.sort_by(f64::total_cmp);
    figures.insert(Figure::SendP50, rounded(percentile(&taken_ms, 50)));
    figures.insert(Figure::SendP99, rounded(percentile(&taken_ms, 99)));
    Ok(ids)
}

/// The newest page of the conversation with `with`; and the one before the message `before`.
pub(super) async fn pages(
    figures: &mut Figures,
    of: &Node,
    with: &str,
    before: Option<&str>,
) -> Result<(), ClusterError> {
    let path = format!("/v1/conversations/{}/messages?limit={PAGE}", encode(with));
    figures.insert(Figure::PageFirst, request_ms::<History>(of, &path).await?);
    if let Some(before) = before {
        let path = format!("{path}&before={before}");
        figures.insert(Figure::PageDeep, request_ms::<History>(of, &path).await?);
    }
    Ok(())
}

/// The unread messages of one, and the contacts of another.
pub(super) async fn lists(
    figures: &mut Figures,
    unread_of: &Node,
    contacts_of: &Node,
) -> Result<(), ClusterError> {
    figures.insert(Figure::Inbox, request_ms::<Inbox>(unread_of, "/v1/inbox").await?);
    figures.insert(Figure::Contacts, request_ms::<ContactList>(contacts_of, "/v1/contacts").await?);
    Ok(())
}

/// Memory of these now, then their starts, and their memory after them. `connected` are those that
/// run all the time, besides.
pub(super) async fn restarts(
    figures: &mut Figures,
    nodes: &mut [&mut Node],
    connected: &[&Node],
) -> Result<(), ClusterError> {
    tokio::time::sleep(SETTLING).await;
    figures.insert(Figure::Memory, memory(nodes)?);
    for node in nodes.iter_mut() {
        node.stop().await?;
    }
    let mut slowest = Duration::ZERO;
    // One after the other: two that start at once share the processors.
    for node in nodes.iter_mut() {
        let started = Instant::now();
        node.start().await?;
        slowest = slowest.max(started.elapsed());
    }
    figures.insert(Figure::Start, rounded(slowest.as_secs_f64()));
    for (at, node) in nodes.iter().enumerate() {
        let others: Vec<&Node> = nodes[..at].iter().map(|other| &**other).collect();
        node.wait_connected(&[&others[..], connected].concat(), WAIT_MAX).await?;
    }
    tokio::time::sleep(SETTLING).await;
    figures.insert(Figure::MemoryRestarted, memory(nodes)?);
    Ok(())
}

/// Bytes that a directory's files take on the disk.
pub(super) fn disk_bytes(dir: &Path) -> Result<u64, ClusterError> {
    let failed = |source| ClusterError::File { path: dir.to_owned(), source };
    let mut bytes = 0;
    for entry in fs::read_dir(dir).map_err(failed)? {
        let found = entry.map_err(failed)?.metadata().map_err(failed)?;
        if found.is_file() {
            bytes += found.blocks() * BLOCK_BYTES;
        }
    }
    Ok(bytes)
}

/// Bytes that a node has written so far, into files and sockets.
#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn written(node: &Node) -> Result<f64, ClusterError> {
    let bytes = written_bytes(node.pid()?)
        .map_err(|source| ClusterError::Process { node: node.name().to_owned(), source })?;
    Ok(bytes as f64)
}

/// The most memory that one of these has, MiB.
fn memory(nodes: &[&mut Node]) -> Result<f64, ClusterError> {
    let mut most: f64 = 0.0;
    for node in nodes {
        most = most.max(mib(node.usage()?.rss_bytes));
    }
    Ok(most)
}

/// How long an answer takes, milliseconds: the middle one of several.
async fn request_ms<T: DeserializeOwned>(of: &Node, path: &str) -> Result<f64, ClusterError> {
    let mut taken_ms = Vec::with_capacity(REQUESTS);
    for _ in 0..REQUESTS {
        let started = Instant::now();
        of.get::<T>(path).await?;
        taken_ms.push(started.elapsed().as_secs_f64() * 1000.0);
    }
    taken_ms.sort_by(f64::total_cmp);
    Ok(rounded(percentile(&taken_ms, 50)))
}

/// A count as a number to divide by.
pub(super) fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
