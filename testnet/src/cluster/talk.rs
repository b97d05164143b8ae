//! What tests and scenarios ask of a node, over its control socket.

use std::time::Duration;

use martlet_protocol::control::{
    Contact, ContactAdd, Delivery, Direction, Event, EventBody, History, Identity, InitRequest,
    InitResponse, Message, Peer, PeerList, SendRequest, SendResponse, Status,
};
use martlet_protocol::limits::HISTORY_PAGE_MAX;
use martletctl::client::{ClientError, EventStream, encode};

use super::{ClusterError, Node, until};

impl Node {
    /// Creates an identity without a passphrase, with the node's name; returns the ID.
    ///
    /// # Errors
    /// When the daemon refuses.
    pub async fn init(&self) -> Result<String, ClusterError> {
        let request = InitRequest { name: Some(self.name().to_owned()), passphrase: None };
        let response: InitResponse = self.post("/v1/identity", &request).await?;
        Ok(response.id)
    }

    /// The user's ID.
    ///
    /// # Errors
    /// When there is none, or the vault is locked.
    pub async fn id(&self) -> Result<String, ClusterError> {
        let identity: Identity = self.get("/v1/identity").await?;
        Ok(identity.id)
    }

    /// Adds a contact.
    ///
    /// # Errors
    /// When the daemon refuses.
    pub async fn add_contact(&self, name: &str, id: &str) -> Result<Contact, ClusterError> {
        self.post("/v1/contacts", &ContactAdd { id: id.to_owned(), name: name.to_owned() }).await
    }

    /// Sends a text; it is acknowledged when this returns.
    ///
    /// # Errors
    /// When the daemon refuses.
    pub async fn send(&self, to: &str, text: &str) -> Result<SendResponse, ClusterError> {
        self.post(
            "/v1/messages",
            &SendRequest { to: to.to_owned(), text: text.to_owned(), ..SendRequest::default() },
        )
        .await
    }

    /// A message.
    ///
    /// # Errors
    /// When there is none of this id.
    pub async fn message(&self, id: &str) -> Result<Message, ClusterError> {
        self.get(&format!("/v1/messages/{id}")).await
    }

    /// The status.
    ///
    /// # Errors
    /// When the daemon doesn't answer.
    pub async fn status(&self) -> Result<Status, ClusterError> {
        self.get("/v1/status").await
    }

    /// Peer ids of the connected peers.
    ///
    /// # Errors
    /// When the daemon doesn't answer.
    pub async fn connected_peers(&self) -> Result<Vec<String>, ClusterError> {
        let connected = self.peers().await?.into_iter().filter(|peer| peer.connected);
        Ok(connected.map(|peer| peer.peer_id).collect())
    }

    /// The peers it is connected to or knows.
    ///
    /// # Errors
    /// When the daemon doesn't answer.
    pub async fn peers(&self) -> Result<Vec<Peer>, ClusterError> {
        let list: PeerList = self.get("/v1/peers").await?;
        Ok(list.peers)
    }

    /// All of a conversation, oldest first.
    ///
    /// # Errors
    /// When the daemon refuses, or its pages have no end.
    pub async fn history(&self, name: &str) -> Result<Vec<Message>, ClusterError> {
        let mut pages: Vec<Vec<Message>> = Vec::new();
        let base = format!("/v1/conversations/{}/messages?limit={HISTORY_PAGE_MAX}", encode(name));
        let mut path = base.clone();
        loop {
            let History { messages, more, .. } = self.get(&path).await?;
            let Some(first) = messages.first() else { break };
            path = format!("{base}&before={}", first.id);
            pages.push(messages);
            if !more {
                break;
            }
        }
        Ok(pages.into_iter().rev().flatten().collect())
    }

    /// Texts received from a contact, in the order of the history.
    ///
    /// # Errors
    /// When the daemon refuses.
    pub async fn received(&self, from: &str) -> Result<Vec<String>, ClusterError> {
        let messages = self.history(from).await?.into_iter();
        let received = messages.filter(|message| message.direction == Direction::In);
        Ok(received.map(|message| message.text).collect())
    }

    /// Events after `since`, or from now on.
    ///
    /// # Errors
    /// When the daemon refuses.
    pub async fn events(&self, since: Option<u64>) -> Result<EventStream, ClusterError> {
        self.client().events(since).await.map_err(|source| self.error(source))
    }

    /// Waits until `count` messages came from a contact; returns their texts.
    ///
    /// # Errors
    /// [`ClusterError::TimedOut`], or when the daemon refuses.
    pub async fn wait_received(
        &self,
        from: &str,
        count: usize,
        deadline: Duration,
    ) -> Result<Vec<String>, ClusterError> {
        let what = format!("{} should have {count} messages from {from}", self.name());
        until(what, deadline, async || {
            let texts = self.received(from).await?;
            Ok((texts.len() >= count).then_some(texts))
        })
        .await
    }

    /// Waits until a message has got at least as far as `state`.
    ///
    /// # Errors
    /// [`ClusterError::TimedOut`]; [`ClusterError::Wrong`] if it expired.
    pub async fn wait_state(
        &self,
        id: &str,
        state: Delivery,
        deadline: Duration,
    ) -> Result<(), ClusterError> {
        let what = format!("{}'s message {id} should be {state:?}", self.name());
        until(what, deadline, async || {
            let now = self.message(id).await?.state;
            if now >= Delivery::Expired && now != state {
                return Err(ClusterError::Wrong(format!("message {id} is {now:?}")));
            }
            Ok((now >= state).then_some(()))
        })
        .await
    }

    /// Waits for a connection to each of `others`.
    ///
    /// # Errors
    /// [`ClusterError::TimedOut`], or when a daemon doesn't answer.
    pub async fn wait_connected(
        &self,
        others: &[&Node],
        deadline: Duration,
    ) -> Result<(), ClusterError> {
        for other in others {
            let peer_id = other.status().await?.peer_id;
            let what = format!("{} should be connected to {}", self.name(), other.name());
            until(what, deadline, async || {
                Ok(self.connected_peers().await?.contains(&peer_id).then_some(()))
            })
            .await?;
        }
        Ok(())
    }

    /// `GET` from the control API.
    ///
    /// # Errors
    /// When the daemon refuses or doesn't answer.
    pub async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, ClusterError> {
        self.shared_client().get(path).await.map_err(|source| self.error(source))
    }

    /// `POST` to the control API.
    ///
    /// # Errors
    /// When the daemon refuses or doesn't answer.
    pub async fn post<B: serde::Serialize, T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ClusterError> {
        self.shared_client().post(path, body).await.map_err(|source| self.error(source))
    }

    /// `POST` without a body.
    ///
    /// # Errors
    /// When the daemon refuses or doesn't answer.
    pub async fn post_empty<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<T, ClusterError> {
        self.shared_client().post_empty(path).await.map_err(|source| self.error(source))
    }

    /// The error of this node for a client's.
    #[must_use]
    pub fn error(&self, source: ClientError) -> ClusterError {
        ClusterError::Client { node: self.name().to_owned(), source }
    }
}

/// The next event of `stream` for which `pick` returns something.
///
/// # Errors
/// [`ClusterError::TimedOut`]; [`ClusterError::Client`] when the stream ends.
pub async fn next_event<T>(
    node: &Node,
    stream: &mut EventStream,
    deadline: Duration,
    mut pick: impl FnMut(Event) -> Option<T>,
) -> Result<T, ClusterError> {
    let wait = async {
        loop {
            match stream.next().await {
                Ok(Some(event)) => {
                    if let Some(picked) = pick(event) {
                        return Ok(picked);
                    }
                }
                Ok(None) => {
                    let socket = node.socket();
                    return Err(node.error(ClientError::Disconnected { socket }));
                }
                Err(source) => return Err(node.error(source)),
            }
        }
    };
    tokio::time::timeout(deadline, wait).await.unwrap_or_else(|_| {
        Err(ClusterError::TimedOut {
            what: format!("an event of {} did not come", node.name()),
            after: deadline,
        })
    })
}

/// The received message in an event.
#[must_use]
pub fn received_message(event: Event) -> Option<Message> {
    match event.body {
        EventBody::MessageReceived { message } => Some(message),
        EventBody::MessageQueued { .. }
        | EventBody::MessageState { .. }
        | EventBody::MessageReached { .. }
        | EventBody::RequestReceived { .. }
        | EventBody::ContactAdded { .. }
        | EventBody::ContactRenamed { .. }
        | EventBody::ContactRemoved { .. }
        | EventBody::ContactReachable { .. }
        | EventBody::ContactDevicesChanged { .. }
        | EventBody::ContactVerified { .. }
        | EventBody::InviteUsed { .. }
        | EventBody::RoomJoined { .. }
        | EventBody::RoomChanged { .. }
        | EventBody::RoomLeft { .. }
        | EventBody::RoomUndone { .. }
        | EventBody::RoomEquivocation { .. }
        | EventBody::InviteRefused { .. }
        | EventBody::InviteAccepted { .. }
        | EventBody::ConversationRead { .. }
        | EventBody::MessagesLost { .. }
        | EventBody::MessageEdited { .. }
        | EventBody::MessageReaction { .. }
        | EventBody::MessageRead { .. }
        | EventBody::Typing { .. }
        | EventBody::FileProgress { .. }
        | EventBody::FileReceived { .. }
        | EventBody::FileFailed { .. }
        | EventBody::MessageEnded { .. }
        | EventBody::ConversationCleared { .. }
        | EventBody::ContactProfile { .. }
        | EventBody::ContactDevices { .. }
        | EventBody::ContactTerminated { .. }
        | EventBody::DevicesChanged
        | EventBody::AccountTerminated
        | EventBody::Gone { .. } => None,
    }
}

/// The message and the state in a `message_state` event.
#[must_use]
pub fn state_change(event: Event) -> Option<(String, Delivery)> {
    match event.body {
        EventBody::MessageState { id, state, .. } => Some((id, state)),
        EventBody::MessageReceived { .. }
        | EventBody::MessageQueued { .. }
        | EventBody::MessageReached { .. }
        | EventBody::RequestReceived { .. }
        | EventBody::ContactAdded { .. }
        | EventBody::ContactRenamed { .. }
        | EventBody::ContactRemoved { .. }
        | EventBody::ContactReachable { .. }
        | EventBody::ContactDevicesChanged { .. }
        | EventBody::ContactVerified { .. }
        | EventBody::InviteUsed { .. }
        | EventBody::RoomJoined { .. }
        | EventBody::RoomChanged { .. }
        | EventBody::RoomLeft { .. }
        | EventBody::RoomUndone { .. }
        | EventBody::RoomEquivocation { .. }
        | EventBody::InviteRefused { .. }
        | EventBody::InviteAccepted { .. }
        | EventBody::ConversationRead { .. }
        | EventBody::MessagesLost { .. }
        | EventBody::MessageEdited { .. }
        | EventBody::MessageReaction { .. }
        | EventBody::MessageRead { .. }
        | EventBody::Typing { .. }
        | EventBody::FileProgress { .. }
        | EventBody::FileReceived { .. }
        | EventBody::FileFailed { .. }
        | EventBody::MessageEnded { .. }
        | EventBody::ConversationCleared { .. }
        | EventBody::ContactProfile { .. }
        | EventBody::ContactDevices { .. }
        | EventBody::ContactTerminated { .. }
        | EventBody::DevicesChanged
        | EventBody::AccountTerminated
        | EventBody::Gone { .. } => None,
    }
}
