//! Links of a [`Lan`] as slow, narrow and bad as wanted, by the kernel: tc-htb(8) for bandwidth,
//! tc-netem(8) for delay and loss, on what each host sends, by where it goes.

use std::net::Ipv4Addr;

use super::{Lan, LanError, address, run};
use crate::plan::LinkShape;

/// Bytes a second of a link without bound: no host here sends as much.
const UNBOUNDED: u64 = 10_000_000_000;

impl Lan {
    /// Whether this kernel can delay and lose packets.
    ///
    /// # Errors
    /// [`LanError::Refused`]: it can't, most likely since it was built without netem.
    pub fn can_delay(&self) -> Result<(), LanError> {
        self.tc(0, "qdisc add dev eth0 root netem delay 1ms")?;
        self.tc(0, "qdisc delete dev eth0 root")
    }

    /// Shapes what `host` sends to each of others, replacing what was asked for before.
    ///
    /// # Errors
    /// [`LanError::Refused`].
    pub fn shape(&self, host: usize, to: &[(usize, LinkShape)]) -> Result<(), LanError> {
        self.tc(host, &commands(to).join("\n"))
    }

    fn tc(&self, host: usize, batch: &str) -> Result<(), LanError> {
        let namespace = self.namespace(host);
        run("ip", &["netns", "exec", &namespace, "tc", "-batch", "-"], batch)
    }
}

/// Whether a link needs netem.
pub(crate) fn needs_netem(shape: &LinkShape) -> bool {
    let default = LinkShape::default();
    shape.latency > default.latency || !shape.jitter.is_zero() || shape.loss > 0.0
}

/// What `tc` is to do, in a namespace without queueing disciplines. Classes are numbered from 2;
/// what goes elsewhere is not held up.
fn commands(to: &[(usize, LinkShape)]) -> Vec<String> {
    let mut commands = vec!["qdisc add dev eth0 root handle 1: htb".to_owned()];
    for (number, (host, shape)) in (2..).zip(to) {
        let rate = shape.bandwidth_bytes_per_s.unwrap_or(UNBOUNDED).max(1);
        // A burst of 10 ms, and at least one packet as the card takes it: what the wire holds.
        let burst = (rate / 100).clamp(4096, 1 << 20);
        commands.push(format!(
            "class add dev eth0 parent 1: classid 1:{number:x} htb rate {rate}bps burst {burst}b cburst {burst}b"
        ));
        if needs_netem(shape) {
            let mut netem = format!("delay {}us", shape.latency.as_micros());
            if !shape.jitter.is_zero() {
                // `LinkShape::jitter` is added at most; netem's goes both ways.
                let half = shape.jitter / 2;
                netem = format!(
                    "delay {}us {}us",
                    (shape.latency + half).as_micros(),
                    half.as_micros()
                );
            }
            if shape.loss > 0.0 {
                netem.push_str(&format!(" loss {:.4}%", shape.loss * 100.0));
            }
            commands
                .push(format!("qdisc add dev eth0 parent 1:{number:x} netem {netem} limit 100000"));
        }
        let destination: Ipv4Addr = address(*host);
        commands.push(format!(
            "filter add dev eth0 parent 1: protocol ip u32 match ip dst {destination} flowid 1:{number:x}"
        ));
    }
    commands
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_destination_has_its_class() {
        let ms = Duration::from_millis;
        let slow = LinkShape { latency: ms(80), jitter: ms(10), loss: 0.02, ..Default::default() };
        let thin = LinkShape { bandwidth_bytes_per_s: Some(16_000), ..LinkShape::default() };
        assert_eq!(
            commands(&[(4, slow), (7, thin)]),
            [
                "qdisc add dev eth0 root handle 1: htb",
                "class add dev eth0 parent 1: classid 1:2 htb rate 10000000000bps burst 1048576b cburst 1048576b",
                "qdisc add dev eth0 parent 1:2 netem delay 85000us 5000us loss 2.0000% limit 100000",
                "filter add dev eth0 parent 1: protocol ip u32 match ip dst 10.77.0.5 flowid 1:2",
                "class add dev eth0 parent 1: classid 1:3 htb rate 16000bps burst 4096b cburst 4096b",
                "filter add dev eth0 parent 1: protocol ip u32 match ip dst 10.77.0.8 flowid 1:3",
            ]
        );
    }
}
