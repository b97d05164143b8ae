//! Files that go in parts, through mailboxes: which parts are there, on their way, or to come.
//!
//! What is here knows neither messages nor the outbox; `user/parts_in.rs` and `user/parts_out.rs` bring these together.

mod incoming;
mod outgoing;

use martlet_protocol::limits::{PARTS_MAX, PARTS_STAMPED_MAX};
use martlet_protocol::message::file::parts_of;
use martlet_protocol::network::NetworkDescriptor;
use martlet_store::{StoreError, VaultTxn};

pub(crate) use incoming::{Came, FileId, Incoming, Wants};
pub(crate) use outgoing::Outgoing;

/// Files of others that come in parts, and own ones that go so.
#[derive(Default)]
pub(crate) struct FileParts {
    pub(crate) incoming: Incoming,
    pub(crate) outgoing: Outgoing,
}

impl FileParts {
    pub(crate) fn load(&mut self, records: &VaultTxn) -> Result<(), StoreError> {
        self.incoming.load(records)?;
        self.outgoing.load(records)
    }

    pub(crate) fn flush(&mut self, records: &mut VaultTxn) -> Result<(), StoreError> {
        self.incoming.flush(records)?;
        self.outgoing.flush(records)
    }
}

/// The largest file that goes in parts on a network, bytes.
#[must_use]
pub fn largest_in_parts(network: &NetworkDescriptor) -> u64 {
    let (mut fits, mut over) = (0, network.mailbox_file_bytes() + 1);
    while over - fits > 1 {
        let size = fits.midpoint(over);
        if goes_in_parts(network, size) { fits = size } else { over = size }
    }
    fits
}

/// Whether a file of `size` bytes, too large for its message, goes in parts on a network. Where envelopes need stamps, a few parts
/// are stamped in time, and many are not.
#[must_use]
pub fn goes_in_parts(network: &NetworkDescriptor, size: u64) -> bool {
    let most = if network.stamp_bits > 0 { PARTS_STAMPED_MAX } else { PARTS_MAX };
    size <= network.mailbox_file_bytes() && parts_of(size).is_some_and(|parts| parts <= most)
}
