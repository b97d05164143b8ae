//! A connection that is slower, narrower or worse than loopback.

use std::io;
use std::time::Duration;

use rand::RngExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::plan::{LinkShape, LossAs};

/// Bytes read at once.
const CHUNK_BYTES: usize = 16 * 1024;
/// Chunks on their way in one direction at most: 4 MiB, over what 100 Mbit/s hold at 300 ms.
const CHUNKS_MAX: usize = 256;
/// Bytes of a packet, for [`LinkShape::loss`].
const PACKET_BYTES: usize = 1400;
/// The shortest wait before TCP sends a lost packet again: Linux's minimum (RFC 6298 has a second).
const RETRANSMIT_MIN: Duration = Duration::from_millis(200);

/// Carries bytes both ways, until an end closes its side or a loss breaks the connection.
pub(super) async fn carry(near: TcpStream, far: TcpStream, shape: LinkShape) -> io::Result<()> {
    let (from_near, to_near) = near.into_split();
    let (from_far, to_far) = far.into_split();
    tokio::try_join!(pipe(from_near, to_far, shape), pipe(from_far, to_near, shape))?;
    Ok(())
}

/// One direction.
async fn pipe(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    shape: LinkShape,
) -> io::Result<()> {
    let (wire, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS_MAX);
    let put = async move {
        let mut schedule = Schedule::new(shape);
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let read = from.read(&mut buffer).await?;
            let (Some(chunk), true) = (buffer.get(..read), read > 0) else { return Ok(()) };
            let due = schedule.arrival(Instant::now(), read, &mut rand::rng())?;
            if wire.send((due, chunk.to_vec())).await.is_err() {
                return Ok(());
            }
        }
    };
    let take = async move {
        while let Some((due, chunk)) = arriving.recv().await {
            sleep_until(due).await;
            to.write_all(&chunk).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(put, take)?;
    Ok(())
}

/// When what is put on the wire arrives at its other end.
struct Schedule {
    shape: LinkShape,
    /// When the wire has taken what was put on it before.
    free: Option<Instant>,
    /// When that arrives: bytes of a stream don't overtake each other.
    last: Option<Instant>,
}

impl Schedule {
    fn new(shape: LinkShape) -> Self {
        Self { shape, free: None, last: None }
    }

    fn arrival(
        &mut self,
        now: Instant,
        bytes: usize,
        rng: &mut impl rand::Rng,
    ) -> io::Result<Instant> {
        let LinkShape { latency, jitter, bandwidth_bytes_per_s, loss, loss_as } = self.shape;
        let takes = bandwidth_bytes_per_s
            .map_or(Duration::ZERO, |rate| Duration::from_secs_f64(bytes as f64 / rate as f64));
        let free = self.free.map_or(now, |free| free.max(now)) + takes;
        self.free = Some(free);
        let mut due = free + latency + jitter.mul_f64(rng.random_range(0.0..=1.0));
        for _ in 0..bytes.div_ceil(PACKET_BYTES) {
            if loss > 0.0 && rng.random_bool(loss.min(1.0)) {
                match loss_as {
                    LossAs::Delay => due += (2 * latency).max(RETRANSMIT_MIN),
                    LossAs::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
                }
            }
        }
        let due = self.last.map_or(due, |last| last.max(due));
        self.last = Some(due);
        Ok(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(shape: LinkShape, sizes: &[usize]) -> io::Result<Vec<Duration>> {
        let now = Instant::now();
        let mut schedule = Schedule::new(shape);
        let of = |bytes: &usize| Ok(schedule.arrival(now, *bytes, &mut rand::rng())? - now);
        sizes.iter().map(of).collect()
    }

    #[test]
    fn bytes_arrive_late_and_as_fast_as_the_wire_is_wide() -> io::Result<()> {
        let shape = LinkShape {
            latency: Duration::from_millis(50),
            bandwidth_bytes_per_s: Some(10_000),
            ..LinkShape::default()
        };
        let ms = Duration::from_millis;
        assert_eq!(arrivals(shape, &[1000, 1000, 2000])?, [ms(150), ms(250), ms(450)]);
        Ok(())
    }

    #[test]
    fn a_loss_delays_or_breaks() -> io::Result<()> {
        let lossy = |loss_as| LinkShape { loss: 1.0, loss_as, ..LinkShape::default() };
        let late = arrivals(lossy(LossAs::Delay), &[100])?;
        assert_eq!(late, [Duration::from_millis(201)]);
        assert!(arrivals(lossy(LossAs::Reset), &[100]).is_err());
        Ok(())
    }

    #[test]
    fn jitter_reorders_nothing() -> io::Result<()> {
        let jitter = Duration::from_millis(100);
        let late = arrivals(LinkShape { jitter, ..LinkShape::default() }, &[10; 50])?;
        assert!(late.is_sorted());
        assert!(late.iter().all(|late| *late <= jitter + Duration::from_millis(1)));
        Ok(())
    }
}
