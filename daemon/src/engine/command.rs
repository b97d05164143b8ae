//! Commands: what a user may ask of the engine, one struct each.

use martlet_protocol::control::{
    Contact, ContactAdd, ContactList, Event, History, HistoryQuery, Identity, Inbox, InitResponse,
    Message, Problem, ReadResponse, RequestList, SendRequest, SendResponse, Status,
};

/// One thing a user may ask.
pub trait Command: Send + 'static {
    /// What is answered.
    type Reply: Send + 'static;
}

macro_rules! commands {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty),* } -> $reply:ty;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            #[expect(missing_docs, reason = "skeleton")]
            pub struct $name { $(pub $field: $type),* }
            impl Command for $name { type Reply = $reply; }
        )*
    };
}

commands! {
    /// The engine's part of the status; `network`, `peer_id`, `listen` and `peers_connected` are
    /// filled in by the control task.
    GetStatus {} -> Status;
    /// Creates the identity and the vault. `key` was made (slowly) outside the engine's thread.
    Init { name: Option<String>, passphrase: Option<zeroize::Zeroizing<String>> } -> InitResponse;
    GetIdentity {} -> Identity;
    /// The key derivation is slow, so the handle runs it on a blocking thread first.
    Unlock { passphrase: Option<zeroize::Zeroizing<String>> } -> ();
    Lock {} -> ();
    ListContacts {} -> ContactList;
    AddContact { request: ContactAdd } -> Contact;
    GetContact { name: String } -> Contact;
    RenameContact { name: String, new_name: String } -> Contact;
    RemoveContact { name: String } -> ();
    ListRequests {} -> RequestList;
    AcceptRequest { id: String, name: String } -> Contact;
    DropRequest { id: String } -> ();
    SendText { request: SendRequest } -> SendResponse;
    GetMessage { id: String } -> Message;
    GetHistory { name: String, query: HistoryQuery } -> History;
    MarkRead { name: String } -> ReadResponse;
    GetInbox {} -> Inbox;
    /// Events after `since`, oldest first, at most `limits::EVENTS_PAGE_MAX`. The number of the
    /// newest committed event is in the reply, so that a follower without `since` can start there.
    ReadEvents { since: u64 } -> EventsPage;
}

/// Events from the log.
#[derive(Debug)]
pub struct EventsPage {
    /// In order.
    pub events: Vec<Event>,
    /// The newest committed.
    pub last_seq: u64,
}

#[expect(dead_code, reason = "skeleton")]
type Unused = Problem;
