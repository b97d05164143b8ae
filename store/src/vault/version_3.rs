//! To version 3 of the vault's layout: records are sealed under erasable keys.
//!
//! The step needs no key, so it seals nothing: it notes that there are records under the key that derives from the master
//! key. They open still; each is sealed anew when it is written, and all that are left by the first shred.

use redb::WriteTransaction;

use super::ledger::{Ledger, Old};
use crate::error::StoreError;

/// Brings a vault of version 2 to version 3.
pub(super) fn migrate(transaction: &WriteTransaction) -> Result<(), StoreError> {
    Ledger::new(Old::Live).write(transaction)
}
