//! The engine: messenger logic, synchronous, given time and randomness.
//!
//! An [`Input`] goes in, [`Effects`] come out once what they rest on is on disk. Between the engine and
//! the network passes only what [`seam`] names: [`FromNet`] one way, [`ToNet`] the other. So the same code
//! runs on a thread of the daemon, in a simulation and in a test.

// Tests in here use the world that those of `tests/engine/` do.
#[cfg(test)]
extern crate self as martlet_engine;

mod agenda;
pub mod backup;
pub mod clock;
pub mod command;
mod config;
mod conversation;
mod directory;
mod engine;
mod error;
mod identities;
mod keyring;
mod kinds;
pub mod limits;
mod linking;
mod log;
mod mailbox_file;
pub mod observer;
mod orphans;
mod outbox;
mod parts;
mod refused;
pub mod seam;
mod search;
mod space;
mod stamping;
mod storage;
mod timeline;
mod turn;
mod user;
mod vault_files;
mod visible;

pub use command::Command;
pub use config::{EngineConfig, TICK};
pub use directory::{DirectoryError, NameError, RoomError, clean_name};
pub use engine::{Engine, EngineError, Input, Job};
pub use error::{CommandError, Fault, RootPlace};
pub use observer::Observer;
pub use parts::{goes_in_parts, largest_in_parts};
pub use seam::{
    Answer, BlobFailure, BlobUse, Deposit, FromBlobs, FromNet, Interest, KnownBlob, Lookup, NoRoom,
    PartBytes, PeerKey, Received, Stemmed, Stored, Ticket, ToBlobs, ToNet, WantedBlob,
};
pub use search::QueryError;
pub use stamping::{StampJob, StampResult};
pub use storage::{MemoryDisk, Storage};
pub use turn::{Effects, Outlet};
pub use vault_files::key_file_path;
