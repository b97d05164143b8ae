//! A large file from one daemon to another, beside what the same machine does without Martlet: a bare stream of libp2p's, and raw TCP.
//!
//! All three go over loopback in one run, one after the other. Of the file the time is from the request to accept it to when all of it
//! was checked and is on the recipient's disk; what the other two bring is thrown away.

mod bare;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use martlet_protocol::control::{FileState, Message};

use super::report::{FileFigures, rounded};
use super::{WAIT_MAX, flow};
use crate::cluster::{Cluster, ClusterError, Node, until};

/// Between two looks at the recipient's message and at the memory of both.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Bytes that are written at a time: as a node's buffers have.
const PIECE_BYTES: usize = 256 * 1024;
/// Bytes of a megabyte, as speeds have it.
const MB: f64 = 1e6;
/// Bytes of a mebibyte, as memory has it.
const MIB: f64 = 1_048_576.0;

/// Measures a file of `mib` mebibytes: too large to go through mailboxes.
pub(super) async fn run(cluster: &Cluster, mib: u32) -> Result<FileFigures, ClusterError> {
    let bytes = u64::from(mib) << 20;
    let raw = bare::tcp(bytes).await.map_err(failed)?;
    let stream = bare::stream(bytes).await.map_err(failed)?;
    let (alice, bob) = flow::pair(cluster, &[]).await?;
    let file = cluster.path().join("large");
    write(&file, bytes).map_err(failed)?;
    let id = send(&alice, bob.name(), &file).await?;
    until("the recipient should have word of the file", WAIT_MAX, async || {
        Ok(bob.message(&id).await.ok())
    })
    .await?;
    let (took, growth) = fetch(&alice, &bob, &id).await?;
    let megabytes = f64::from(mib) * MIB / MB;
    let per_s = |took: Duration| rounded(megabytes / took.as_secs_f64());
    Ok(FileFigures {
        mib,
        mb_per_s: per_s(took),
        bare_stream_mb_per_s: per_s(stream),
        raw_tcp_mb_per_s: per_s(raw),
        of_bare_stream: rounded(stream.as_secs_f64() / took.as_secs_f64()),
        rss_growth_mib: rounded(growth),
    })
}

/// Has the file fetched: how long it takes, and how much memory the node takes meanwhile that takes more, MiB.
async fn fetch(alice: &Node, bob: &Node, id: &str) -> Result<(Duration, f64), ClusterError> {
    let memory = || -> Result<[u64; 2], ClusterError> {
        Ok([alice.usage()?.rss_bytes, bob.usage()?.rss_bytes])
    };
    let before = memory()?;
    let mut most = before;
    let started = Instant::now();
    let mut message: Message = bob.post_empty(&format!("/v1/files/{id}/accept")).await?;
    while message.file.as_ref().is_none_or(|file| file.state != FileState::Complete) {
        if message.file.as_ref().is_some_and(|file| file.state == FileState::Failed) {
            return Err(ClusterError::Wrong("the file could not be fetched".to_owned()));
        }
        if started.elapsed() > WAIT_MAX {
            let what = "the recipient should have the file".to_owned();
            return Err(ClusterError::TimedOut { what, after: WAIT_MAX });
        }
        tokio::time::sleep(LOOK_EVERY).await;
        for (most, now) in most.iter_mut().zip(memory()?) {
            *most = now.max(*most);
        }
        message = bob.message(id).await?;
    }
    let took = started.elapsed();
    let grown = before.iter().zip(most).map(|(before, most)| most.saturating_sub(*before)).max();
    let grown = u32::try_from(grown.unwrap_or(0) >> 10).unwrap_or(u32::MAX);
    Ok((took, f64::from(grown) / 1024.0))
}

/// Sends the file, by the command: the id of its message.
async fn send(alice: &Node, to: &str, file: &Path) -> Result<String, ClusterError> {
    let path = file.to_string_lossy();
    let sent = alice.ctl(&["send", to, "--file", &path]).await?;
    if !sent.status.success() {
        let said = String::from_utf8_lossy(&sent.stderr).into_owned();
        return Err(ClusterError::Wrong(format!("the file was not sent: {said}")));
    }
    Ok(String::from_utf8_lossy(&sent.stdout).trim().to_owned())
}

/// Writes a file of so many bytes. What is in it makes no difference: it is sealed.
fn write(path: &Path, bytes: u64) -> std::io::Result<()> {
    let (mut file, mut left, piece) = (File::create(path)?, bytes, vec![0x5a; PIECE_BYTES]);
    while left > 0 {
        let next = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        file.write_all(&piece[..next])?;
        left -= next as u64;
    }
    file.sync_all()
}

fn failed(error: std::io::Error) -> ClusterError {
    ClusterError::Wrong(error.to_string())
}
