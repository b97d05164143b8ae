//! What the engine tells to whoever counts: the daemon's metrics, or nobody.

use martlet_store::mailbox::{Acknowledged, Inserted, MailboxStats};

/// Takes note of what the engine does. Nothing is decided by it.
pub trait Observer: std::fmt::Debug + Send + Sync {
    /// An envelope that a peer brought was offered to the mailbox; its content has so many bytes.
    fn envelope(&self, outcome: Inserted, bytes: usize);
    /// An envelope addressed to this device was opened, or was not. All but those that wait cost a
    /// decapsulation.
    fn opening(&self, outcome: Opening);
    /// What a contact's message would have done to another was not done.
    fn deed_dropped(&self, why: Dropped);
    /// Of what was said of someone's devices so much is not valid: nothing follows from it.
    fn statements_invalid(&self, count: usize);
    /// An ack that a peer brought was tried.
    fn ack(&self, outcome: Acknowledged);
    /// The mailbox may hold so many bytes.
    fn quota(&self, bytes: u64);
    /// How things stand, told at each tick.
    fn state(&self, state: &State);
    /// A commit that changes something begins.
    fn commit_begins(&self, database: Database);
    /// It ended; whether it succeeded.
    fn commit_ended(&self, database: Database, succeeded: bool);
}

/// What became of an envelope addressed to this device and one of its prekeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It was opened.
    Opened,
    /// It did not open: it is broken, or made up.
    Failed,
    /// It is of a device that was revoked, or of an identity that ended.
    Refused,
    /// Too many failed just now: it waits in the mailbox.
    Waits,
}

/// Why an edit, a reaction or a receipt of a contact's did nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// Its message is not its author's to change, or is of another conversation.
    Foreign,
    /// Its message was recalled.
    Recalled,
    /// Its message is gone, or was never here.
    Gone,
    /// Nothing of it can be seen.
    Unseen,
    /// Too many waited for messages that are not here, or it waited for too long.
    Waited,
}

/// One of the engine's two databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// Everyone's ciphertext.
    Mailbox,
    /// The user's own.
    Vault,
}

/// How things stand.
#[derive(Debug, Clone, Copy)]
pub struct State {
    /// The mailbox.
    pub mailbox: MailboxStats,
    /// Envelopes whose acks came before them.
    pub orphans: usize,
    /// Own messages not yet delivered.
    pub outbox: u64,
    /// Whether there is a user whose vault is open.
    pub is_unlocked: bool,
}

/// Counts nothing.
impl Observer for () {
    fn envelope(&self, _: Inserted, _: usize) {}
    fn opening(&self, _: Opening) {}
    fn deed_dropped(&self, _: Dropped) {}
    fn statements_invalid(&self, _: usize) {}
    fn ack(&self, _: Acknowledged) {}
    fn quota(&self, _: u64) {}
    fn state(&self, _: &State) {}
    fn commit_begins(&self, _: Database) {}
    fn commit_ended(&self, _: Database, _: bool) {}
}
