//! To version 2 of the vault's layout: what was made for version 1 of the wire format is forgotten.
//!
//! Sessions, the published bundle and acks not revealed yet are of no use to anyone who speaks version 2.
//! The event log held events as they were told, texts and names included: it goes, and the numbers go on.
//! All else stays as it was: identity, contacts, messages, and the outbox. The engine makes anew
//! what is in the outbox without a session for its recipient, from the messages, under their ids.

use redb::{TableHandle, WriteTransaction};

use crate::error::StoreError;

/// By the names of version 1, whatever records are called today.
const FORGOTTEN: [&str; 5] =
    ["inbound_sessions", "outbound_sessions", "published", "recent_acks", "events"];

/// Brings a vault of version 1 to version 2. Needs no key: whole tables go.
pub(super) fn migrate(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let all = transaction.list_tables().map_err(StoreError::failed)?;
    for table in all.filter(|table| FORGOTTEN.contains(&table.name())).collect::<Vec<_>>() {
        transaction.delete_table(table).map_err(StoreError::failed)?;
    }
    Ok(())
}
