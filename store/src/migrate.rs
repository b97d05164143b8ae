//! From an older schema version to the newest, step by step, in one transaction.

use redb::WriteTransaction;

use crate::error::StoreError;

/// Brings a database from one version to the next.
pub(crate) type Step = fn(&WriteTransaction) -> Result<(), StoreError>;

/// Runs the steps from version `found` on: `steps[0]` leads from version 1 to 2.
pub(crate) fn run(
    steps: &[Step],
    found: u32,
    transaction: &WriteTransaction,
) -> Result<(), StoreError> {
    let done = usize::try_from(found.saturating_sub(1)).unwrap_or(usize::MAX);
    steps.iter().skip(done).try_for_each(|step| step(transaction))
}
