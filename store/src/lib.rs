//! Martlet's storage: the mailbox (ciphertext of others) and the vault (the user's own, encrypted
//! at rest), each one redb database.

pub mod error;
pub mod mailbox;
pub mod records;
pub mod vault;

pub use error::StoreError;
pub use mailbox::{Mailbox, MailboxTxn, MailboxView};
pub use vault::{Vault, VaultTxn};
