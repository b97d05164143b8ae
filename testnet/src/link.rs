//! What a link does to what is put on it: one model, for the links of simulated nodes
//! (`sim/pipe.rs`) and for those of processes (`cluster/link.rs`).
//!
//! Bytes of a stream arrive in order, late by the latency, by what chance adds as jitter, and by the
//! time the link takes for what was put on it before. A lost packet of a stream is sent again, which
//! everything after it waits for, or breaks the connection. A lost datagram is lost: whoever sent it
//! sees to the rest.

use std::time::Duration;

use rand::{Rng, RngExt};
use tokio::time::Instant;

use crate::plan::{LinkShape, LossAs};

/// Bytes of a packet, for losses: of a common path over Ethernet.
const PACKET_BYTES: usize = 1400;
/// Bytes under way in one direction before the writer of a stream waits, and datagrams are dropped:
/// the usual receive window of a system's TCP.
pub(crate) const WINDOW_BYTES: usize = 1 << 20;
/// What a lost packet costs at least until it is sent again (RFC 6298, with Linux's minimum).
const RESEND_MIN: Duration = Duration::from_millis(200);

/// One direction of a link, or of one connection over it.
#[derive(Debug)]
pub(crate) struct Direction {
    shape: LinkShape,
    /// When the link has sent what it was given.
    free_at: Instant,
    /// When the last of it arrives: nothing overtakes what was sent before.
    last_due: Instant,
}

impl Direction {
    /// A direction in which nothing is under way.
    pub(crate) fn new(shape: LinkShape) -> Self {
        let now = Instant::now();
        Self { shape, free_at: now, last_due: now }
    }

    /// When the last of so many bytes of a stream arrive, which are sent `now`. `None` where a loss
    /// breaks the connection.
    pub(crate) fn stream(
        &mut self,
        bytes: usize,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<Instant> {
        let (sent, mut delay) = self.send(bytes, now, rng);
        let LinkShape { latency, loss, loss_as, .. } = self.shape;
        if loss > 0.0 {
            let packets = i32::try_from(bytes.div_ceil(PACKET_BYTES)).unwrap_or(i32::MAX);
            if rng.random_bool(1.0 - (1.0 - loss.clamp(0.0, 1.0)).powi(packets)) {
                match loss_as {
                    LossAs::Delay => delay += RESEND_MIN.max(latency * 2),
                    LossAs::Reset => return None,
                }
            }
        }
        Some(self.arrive(sent + delay))
    }

    /// When a datagram arrives that is sent `now`. `None` where it is lost.
    pub(crate) fn datagram(
        &mut self,
        bytes: usize,
        now: Instant,
        rng: &mut impl Rng,
    ) -> Option<Instant> {
        let (sent, delay) = self.send(bytes, now, rng);
        let loss = self.shape.loss.clamp(0.0, 1.0);
        if loss > 0.0 && rng.random_bool(loss) {
            return None;
        }
        Some(self.arrive(sent + delay))
    }

    /// When what was sent until now has arrived.
    pub(crate) fn last_due(&self) -> Instant {
        self.last_due
    }

    /// When the link has sent it, and how long it is under way then.
    fn send(&mut self, bytes: usize, now: Instant, rng: &mut impl Rng) -> (Instant, Duration) {
        let LinkShape { latency, jitter, bandwidth_bytes_per_s, .. } = self.shape;
        let sent = match bandwidth_bytes_per_s {
            Some(rate) => {
                let takes = Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
                self.free_at = self.free_at.max(now) + takes;
                self.free_at
            }
            None => now,
        };
        let mut delay = latency;
        if !jitter.is_zero() {
            delay += jitter.mul_f64(rng.random());
        }
        (sent, delay)
    }

    fn arrive(&mut self, due: Instant) -> Instant {
        self.last_due = self.last_due.max(due);
        self.last_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(shape: LinkShape, sizes: &[usize]) -> Vec<Option<Duration>> {
        let mut direction = Direction::new(shape);
        let now = direction.free_at;
        let mut of =
            |bytes: &usize| direction.stream(*bytes, now, &mut rand::rng()).map(|due| due - now);
        sizes.iter().map(&mut of).collect()
    }

    #[test]
    fn bytes_arrive_late_and_as_fast_as_the_link_is_wide() {
        let ms = Duration::from_millis;
        let shape = LinkShape {
            latency: ms(50),
            bandwidth_bytes_per_s: Some(10_000),
            ..LinkShape::default()
        };
        let late = [150, 250, 450].map(|late| Some(ms(late)));
        assert_eq!(arrivals(shape, &[1000, 1000, 2000]), late);
    }

    #[test]
    fn a_loss_delays_or_breaks_a_stream_and_is_the_end_of_a_datagram() {
        let lossy = |loss_as| LinkShape { loss: 1.0, loss_as, ..LinkShape::default() };
        let late = arrivals(lossy(LossAs::Delay), &[100]);
        assert_eq!(late, [Some(Duration::from_millis(201))]);
        assert_eq!(arrivals(lossy(LossAs::Reset), &[100]), [None]);
        let mut direction = Direction::new(lossy(LossAs::Delay));
        assert_eq!(direction.datagram(100, direction.free_at, &mut rand::rng()), None);
    }

    #[test]
    fn jitter_reorders_nothing() {
        let jitter = Duration::from_millis(100);
        let late = arrivals(LinkShape { jitter, ..LinkShape::default() }, &[10; 50]);
        assert!(late.is_sorted());
        let most = Some(jitter + Duration::from_millis(1));
        assert!(late.iter().all(|late| *late <= most));
    }
}
