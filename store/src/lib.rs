//! Martlet's storage: the mailbox (ciphertext of others) and the vault (the user's own, encrypted
//! at rest), each one redb database; and the user's files, sealed, in a directory.

mod backend;
pub mod blobs;
mod database;
pub mod error;
mod layer;
pub mod limits;
pub mod mailbox;
mod mark;
pub mod memory;
mod migrate;
pub mod records;
mod schema;
pub mod vault;
mod verify;

pub use database::{Bytes, LastCommit};
pub use error::StoreError;
pub use mailbox::{Mailbox, MailboxTxn, MailboxView};
pub use vault::{Vault, VaultTxn};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_shared_between_threads_and_transactions_go_to_another() {
        fn shared<T: Send + Sync>() {}
        fn sent<T: Send>() {}
        shared::<Mailbox>();
        shared::<MailboxView>();
        shared::<Vault>();
        sent::<MailboxTxn>();
        sent::<VaultTxn>();
    }
}
