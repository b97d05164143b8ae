//! Numbered messages, and what became of them.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use martlet_protocol::control::{Delivery, EventBody, SendRequest, SendResponse};
use martletctl::client::{Client, EventStream};

use super::{TEXT_BYTES, WAIT_MAX};
use crate::cluster::{Cluster, ClusterError, Node, introduce, until};

/// Text number `number`: 200 bytes that begin with it.
pub(super) fn text(number: usize) -> String {
    let mut text = format!("{number:08} ");
    let filler = "All the world's a stage, and all the men and women merely players; ";
    text.extend(filler.chars().cycle().take(TEXT_BYTES - text.len()));
    text
}

/// The number a text begins with.
pub(super) fn number(text: &str) -> Option<usize> {
    text.get(..8)?.parse().ok()
}

/// Two users, connected, in conversation: the first message, which carries the keys, is behind
/// them.
pub(super) async fn pair(
    cluster: &Cluster,
    others: &[&Node],
) -> Result<(Node, Node), ClusterError> {
    let alice = cluster.user("alice", others).await?;
    let mut peers = others.to_vec();
    peers.push(&alice);
    let bob = cluster.user("bob", &peers).await?;
    introduce(&alice, &bob).await?;
    bob.wait_connected(&peers, WAIT_MAX).await?;
    first_messages(&alice, &bob).await?;
    Ok((alice, bob))
}

/// Brings the first message each way behind two contacts.
pub(super) async fn first_messages(alice: &Node, bob: &Node) -> Result<(), ClusterError> {
    for (from, to) in [(alice, bob), (bob, alice)] {
        let first = from.send(to.name(), "first").await?;
        from.wait_state(&first.id, Delivery::Delivered, WAIT_MAX).await?;
    }
    Ok(())
}

/// Sends texts 0 to `count - 1` over `senders` connections, each waiting for its acknowledgement
/// before its next. Returns the message ids by text number.
pub(super) async fn send_all(
    from: &Node,
    to: &str,
    count: usize,
    senders: usize,
) -> Result<Vec<String>, ClusterError> {
    send_range(from, to, 0..count, senders).await
}

/// Sends the texts of these numbers, as [`send_all`] does; returns the message ids in their order.
pub(super) async fn send_range(
    from: &Node,
    to: &str,
    numbers: Range<usize>,
    senders: usize,
) -> Result<Vec<String>, ClusterError> {
    let (start, end) = (numbers.start, numbers.end);
    let next = Arc::new(std::sync::atomic::AtomicUsize::new(start));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..senders {
        let (client, next, to) = (from.client(), Arc::clone(&next), to.to_owned());
        tasks.spawn(async move {
            let mut sent = Vec::new();
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if number >= end {
                    return Ok(sent);
                }
                sent.push((number, send(&client, &to, number).await?));
            }
        });
    }
    let mut ids = vec![String::new(); numbers.len()];
    while let Some(done) = tasks.join_next().await {
        let sent: Result<Vec<(usize, String)>, _> =
            done.map_err(|error| ClusterError::Wrong(error.to_string()))?;
        for (number, id) in sent.map_err(|source| from.error(source))? {
            ids[number - start] = id;
        }
    }
    Ok(ids)
}

/// Sends text `number`; returns the message's id once it is acknowledged.
pub(super) async fn send(
    client: &Client,
    to: &str,
    number: usize,
) -> Result<String, martletctl::client::ClientError> {
    let request = SendRequest { to: to.to_owned(), text: text(number), ..SendRequest::default() };
    let response: SendResponse = client.post("/v1/messages", &request).await?;
    Ok(response.id)
}

/// Follows a recipient's events until it has `count` different texts; returns when each came. Those
/// missing after `deadline` without any news are `None`.
pub(super) async fn arrivals(
    mut events: EventStream,
    count: usize,
    deadline: Duration,
) -> Vec<Option<Instant>> {
    let mut arrived = vec![None; count];
    let mut missing = count;
    while missing > 0 {
        let Ok(Ok(Some(event))) = tokio::time::timeout(deadline, events.next()).await else {
            break;
        };
        let now = Instant::now();
        if let EventBody::MessageReceived { message } = event.body
            && let Some(slot) = number(&message.text).and_then(|number| arrived.get_mut(number))
            && slot.is_none()
        {
            *slot = Some(now);
            missing -= 1;
        }
    }
    arrived
}

/// Follows a sender's events until `count` messages have got as far as `state`; returns their ids
/// and when the last came. Fewer, if there is no news for `deadline`.
pub(super) async fn reached(
    mut events: EventStream,
    count: usize,
    state: Delivery,
    deadline: Duration,
) -> (std::collections::HashSet<String>, Instant) {
    let mut ids = std::collections::HashSet::with_capacity(count);
    let mut last = Instant::now();
    while ids.len() < count {
        let Ok(Ok(Some(event))) = tokio::time::timeout(deadline, events.next()).await else {
            break;
        };
        if let EventBody::MessageState { id, state: now, .. } = event.body
            && now >= state
            && now < Delivery::Expired
            && ids.insert(id)
        {
            last = Instant::now();
        }
    }
    (ids, last)
}

/// Of texts 0 to `count - 1`, those that the recipient's history doesn't have exactly once.
pub(super) async fn lost(to: &Node, from: &str, count: usize) -> Result<usize, ClusterError> {
    let mut times = vec![0usize; count];
    for text in to.received(from).await? {
        if let Some(slot) = number(&text).and_then(|number| times.get_mut(number)) {
            *slot += 1;
        }
    }
    Ok(times.into_iter().filter(|times| *times != 1).count())
}

/// Waits until a node's mailbox holds at least `count` envelopes.
pub(super) async fn held(node: &Node, count: usize) -> Result<(), ClusterError> {
    until(format!("{} should hold {count} envelopes", node.name()), WAIT_MAX, async || {
        let held = node.status().await?.mailbox.envelopes;
        Ok((held >= count as u64).then_some(()))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_numbered_and_of_one_size() {
        for n in [0, 7, 19_999] {
            assert_eq!(text(n).len(), TEXT_BYTES);
            assert_eq!(number(&text(n)), Some(n));
        }
        assert_eq!(number("first"), None);
        assert_eq!(number("not a number"), None);
    }
}
