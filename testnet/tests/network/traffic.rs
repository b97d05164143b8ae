//! Numbered texts from one user to another, and whether they arrived: all, once, in order.

use std::time::{Duration, Instant};

use martlet_protocol::control::{Delivery, Direction, SendRequest, SendResponse, Status};
use martlet_testnet::cluster::{ClusterError, Node, until};
use martletctl::client::{Client, ClientError};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::TestResult;

/// Longest time for which a killed sender stays away.
const AWAY_MAX: Duration = Duration::from_secs(120);
/// Time between two looks whether it is back.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// One direction of a conversation.
pub(crate) struct Flow {
    from: String,
    to: String,
    client: Client,
    /// The next text's number.
    next: usize,
    /// Numbers of the texts that were acknowledged.
    acknowledged: Vec<usize>,
}

impl Flow {
    pub(crate) fn new(from: &Node, to: &Node) -> Self {
        Self {
            from: from.name().to_owned(),
            to: to.name().to_owned(),
            client: from.client(),
            next: 0,
            acknowledged: Vec::new(),
        }
    }

    /// Sends until `count` more texts are acknowledged, with pauses of at most `pause_ms`. The
    /// sender may be killed and come back meanwhile: a text that was not acknowledged then may have
    /// been committed or not, and the next one has another number.
    pub(crate) async fn send(
        &mut self,
        count: usize,
        pause_ms: u64,
        seed: u64,
    ) -> Result<(), ClusterError> {
        let mut rng = StdRng::seed_from_u64(seed);
        let until_count = self.acknowledged.len() + count;
        while self.acknowledged.len() < until_count {
            let number = self.next;
            self.next += 1;
            let request = SendRequest {
                to: self.to.clone(),
                text: number.to_string(),
                ..SendRequest::default()
            };
            match self.client.post::<_, SendResponse>("/v1/messages", &request).await {
                Ok(_) => self.acknowledged.push(number),
                Err(error) => self.wait_back(error).await?,
            }
            if pause_ms > 0 {
                let pause = Duration::from_millis(rng.random_range(0..=pause_ms));
                tokio::time::sleep(pause).await;
            }
        }
        Ok(())
    }

    /// Waits until all is delivered, and checks that what was acknowledged is in the recipient's
    /// history, once, in order of sending.
    pub(crate) async fn check(&self, from: &Node, to: &Node, deadline: Duration) -> TestResult {
        let name = format!("{} → {}", self.from, self.to);
        delivered(from, deadline).await?;
        let mut sent = Vec::new();
        for message in from.history(&self.to).await? {
            if message.direction == Direction::Out {
                if message.state != Delivery::Delivered {
                    return Err(format!("{name}: {} is {:?}", message.text, message.state).into());
                }
                sent.push(message.text.parse::<usize>()?);
            }
        }
        let received: Vec<usize> = to
            .received(&self.from)
            .await?
            .iter()
            .map(|text| text.parse())
            .collect::<Result<_, _>>()?;
        if let Some(pair) = received.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(format!("{name}: {} came before {}", pair[0], pair[1]).into());
        }
        let lost: Vec<_> =
            self.acknowledged.iter().filter(|n| received.binary_search(n).is_err()).collect();
        if !lost.is_empty() {
            return Err(format!("{name}: acknowledged, not received: {lost:?}").into());
        }
        if sent != received {
            return Err(format!("{name}: sent {sent:?}, received {received:?}").into());
        }
        Ok(())
    }

    async fn wait_back(&mut self, error: ClientError) -> Result<(), ClusterError> {
        match error {
            ClientError::NotRunning { .. }
            | ClientError::Connect { .. }
            | ClientError::Disconnected { .. } => {}
            source => return Err(ClusterError::Client { node: self.from.clone(), source }),
        }
        // Not `until`: its future is for one thread only.
        let waited_from = Instant::now();
        while self.client.get::<Status>("/v1/status").await.is_err() {
            if waited_from.elapsed() > AWAY_MAX {
                let what = format!("{} should be back", self.from);
                return Err(ClusterError::TimedOut { what, after: AWAY_MAX });
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Ok(())
    }
}

/// Waits until everything that a user sent is delivered.
pub(crate) async fn delivered(from: &Node, deadline: Duration) -> Result<(), ClusterError> {
    until(format!("all of {}'s messages should be delivered", from.name()), deadline, async || {
        Ok((from.status().await?.outbox == Some(0)).then_some(()))
    })
    .await
}
