//! Following the events across restarts of the daemon.

use std::time::Duration;

use martlet_protocol::control::{ErrorCode, Event};
use martlet_protocol::limits::{EVENTS_RECONNECT_MAX, EVENTS_RECONNECT_MIN};

use super::{Client, ClientError, EventStream};

/// Events without end: when the daemon goes away, it is waited for, and the events are taken up
/// after the last one seen, so that none is lost or seen twice.
#[derive(Debug)]
pub struct Follower<'a> {
    client: &'a Client,
    stream: Option<EventStream>,
    last: Option<u64>,
    /// Came after a gap that is told first.
    held: Option<Event>,
    wait: Duration,
    waiting_for_unlock: bool,
}

/// What [`Follower::next`] saw.
#[derive(Debug)]
pub enum Step {
    /// An event.
    Event(Box<Event>),
    /// The daemon ended the stream, or itself. It is waited for.
    Lost,
    /// The daemon is there, but its vault is locked: it is waited for.
    Locked,
    /// The events go on.
    Back,
    /// `count` events were no longer in the log when they were asked for.
    Missed {
        /// How many.
        count: u64,
    },
}

impl<'a> Follower<'a> {
    /// Follows the events after number `since`, as [`Client::events`] does.
    ///
    /// # Errors
    /// Any [`ClientError`]: at the start, a daemon that isn't there is not waited for.
    pub async fn open(client: &'a Client, since: Option<u64>) -> Result<Self, ClientError> {
        let stream = client.events(since).await?;
        // 0 asks for what is kept: that older ones are gone is no loss.
        let last = since.filter(|&since| since > 0);
        Ok(Self {
            client,
            stream: Some(stream),
            last,
            held: None,
            wait: EVENTS_RECONNECT_MIN,
            waiting_for_unlock: false,
        })
    }

    /// The next event or change. Nothing is lost if the future is dropped before it is ready.
    ///
    /// # Errors
    /// [`ClientError::UnknownEvent`], after which `next` may be called again; any other that
    /// waiting does not cure.
    pub async fn next(&mut self) -> Result<Step, ClientError> {
        if let Some(event) = self.held.take() {
            return Ok(Step::Event(Box::new(event)));
        }
        loop {
            let Some(stream) = &mut self.stream else {
                match self.reconnect().await? {
                    Some(step) => return Ok(step),
                    None => continue,
                }
            };
            match stream.next().await {
                Ok(Some(event)) => return Ok(self.arrived(event)),
                Ok(None) | Err(ClientError::Disconnected { .. }) => {
                    // It may have been told where the stream started, and nothing else.
                    self.last = stream.last_seq().or(self.last);
                    self.stream = None;
                    return Ok(Step::Lost);
                }
                Err(error) => {
                    self.last = stream.last_seq().or(self.last);
                    return Err(error);
                }
            }
        }
    }

    /// The number of the last event, or of the place where the events began, once the daemon has told it.
    #[must_use]
    pub fn last_seq(&self) -> Option<u64> {
        self.last.or_else(|| self.stream.as_ref()?.last_seq())
    }

    fn arrived(&mut self, event: Event) -> Step {
        self.wait = EVENTS_RECONNECT_MIN;
        // Events are numbered without gaps.
        let missed = self.last.map_or(0, |last| event.seq.saturating_sub(last.saturating_add(1)));
        self.last = Some(event.seq);
        if missed > 0 {
            self.held = Some(event);
            return Step::Missed { count: missed };
        }
        Step::Event(Box::new(event))
    }

    async fn reconnect(&mut self) -> Result<Option<Step>, ClientError> {
        tokio::time::sleep(self.wait).await;
        self.wait = (self.wait * 2).min(EVENTS_RECONNECT_MAX);
        let opened = match self.last {
            Some(last) => self.client.resume_events(last).await,
            None => self.client.events(None).await,
        };
        match opened {
            Ok(stream) => {
                self.stream = Some(stream);
                self.waiting_for_unlock = false;
                Ok(Some(Step::Back))
            }
            Err(ClientError::Problem(problem)) if problem.code == ErrorCode::Locked => {
                // Told once, not at each attempt.
                let told = std::mem::replace(&mut self.waiting_for_unlock, true);
                Ok((!told).then_some(Step::Locked))
            }
            Err(ClientError::Problem(problem)) if problem.code == ErrorCode::Stopping => Ok(None),
            Err(
                ClientError::NotRunning { .. }
                | ClientError::Disconnected { .. }
                | ClientError::Timeout,
            ) => Ok(None),
            Err(
                error @ (ClientError::Problem(_)
                | ClientError::Connect { .. }
                | ClientError::Protocol(_)
                | ClientError::UnknownEvent { .. }),
            ) => Err(error),
        }
    }
}
