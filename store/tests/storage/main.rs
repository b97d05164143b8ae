//! The mailbox and the vault from outside: against a model, through crashes, full disks and damage.

#![expect(clippy::unwrap_used, reason = "tests")]

mod blob_parts;
mod blobs;
mod crash;
mod damage;
mod depot;
mod disk;
mod fixture;
mod mailbox_model;
mod old_files;
#[path = "../../../protocol/tests/crypto/place.rs"]
mod place;
mod shred;
mod vault_model;
mod wiped;
