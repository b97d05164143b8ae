//! A mailbox that begins anew in its file: what it holds is of another network, or of version 1 of the wire format
//! (before version 3 of the mailbox's layout), and no neighbour takes it. Arrivals go on counting, so that what was
//! looked at stays told from what comes.

use redb::{ReadableTable, TableHandle, WriteTransaction};

use super::row::Totals;
use super::tables::{META, TOTALS_KEY};
use crate::error::StoreError;
use crate::schema::Meta;

/// Empties a mailbox: only `meta` stays.
pub(super) fn forget(transaction: &WriteTransaction) -> Result<(), StoreError> {
    let all = transaction.list_tables().map_err(StoreError::failed)?;
    for table in all.filter(|table| table.name() != META).collect::<Vec<_>>() {
        transaction.delete_table(table).map_err(StoreError::failed)?;
    }
    let mut meta = transaction.open_table(Meta::new(META)).map_err(StoreError::failed)?;
    let totals = match meta.get(TOTALS_KEY).map_err(StoreError::failed)? {
        None => Totals::default(),
        Some(totals) => Totals::decode(totals.value()).ok_or(StoreError::Record { table: META })?,
    };
    let totals = Totals { last_arrival: totals.last_arrival, ..Totals::default() };
    meta.insert(TOTALS_KEY, totals.encode().as_slice()).map_err(StoreError::failed)?;
    Ok(())
}
