//! What this machine takes for what a simulation does in no time.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::fill;
use super::network;
use crate::cluster::{Cluster, ClusterError};
use crate::plan::Costs;

/// Commits measured, after as many that are not.
const COMMITS: usize = 200;
/// Turns measured of a byte that goes to and fro, after as many that are not.
const TURNS: usize = 2000;

/// Measures this machine: the disk of `dir`, this build. Takes a minute or so.
///
/// # Errors
/// When a database, a socket or a simulation fails.
pub async fn calibrate(dir: &Path) -> Result<Costs, ClusterError> {
    let cluster = Cluster::of_this_program(dir)?;
    eprintln!("  commits to {} …", dir.display());
    let commit = commit(cluster.path())?;
    eprintln!("  wake-ups …");
    let failed = |source| ClusterError::Link { node: "the calibration".into(), source };
    let wake = wake().await.map_err(failed)?;
    eprintln!("  envelopes, simulated …");
    let envelope = network::cost_of_copy(&cluster).await?;
    let us = |took: Duration| u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
    Ok(Costs { envelope_us: us(envelope), commit_us: us(commit), wake_us: us(wake) })
}

/// A commit of one envelope to a mailbox, the middle one of many.
fn commit(dir: &Path) -> Result<Duration, ClusterError> {
    let mailbox = fill::open(&dir.join("costs"))?;
    let one = || fill::put(&mailbox, 1, |number| number);
    let all = (0..2 * COMMITS).map(|_| one()).collect::<Result<Vec<_>, _>>()?;
    Ok(middle(&all[COMMITS..]))
}

/// From one task's writing to another's reading, which waited for it on another thread: half of the
/// time that a byte takes to and fro, the middle one of many.
async fn wake() -> io::Result<Duration> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let echo = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let mut stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            // Until the other end is closed.
            while let Ok(byte) = stream.read_u8().await {
                stream.write_all(&[byte]).await?;
            }
            Ok::<_, io::Error>(())
        })
    });
    let (mut stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    let mut all = Vec::with_capacity(2 * TURNS);
    for _ in 0..2 * TURNS {
        let begun = Instant::now();
        stream.write_all(&[0]).await?;
        stream.read_u8().await?;
        all.push(begun.elapsed() / 2);
    }
    drop(stream);
    echo.join().map_err(|_| io::Error::other("the echo broke off"))??;
    Ok(middle(&all[TURNS..]))
}

fn middle(all: &[Duration]) -> Duration {
    let mut sorted = all.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn commits_and_wake_ups_take_some_time() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        assert!(commit(dir.path())? > Duration::ZERO);
        assert!(wake().await? > Duration::ZERO);
        Ok(())
    }

    #[test]
    fn the_middle_is_not_moved_by_a_few_that_took_long() {
        let ms = |times: &[u64]| -> Vec<Duration> {
            times.iter().map(|ms| Duration::from_millis(*ms)).collect()
        };
        assert_eq!(middle(&ms(&[3, 900, 1, 2, 2])), Duration::from_millis(2));
        assert_eq!(middle(&[]), Duration::ZERO);
    }
}
