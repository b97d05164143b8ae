//! Engines on a simulated network: no sockets, no clock of their own, everything by a seed.
//!
//! Nodes exchange what their engines release; the network loses, repeats, delays and reorders it as
//! the seed says, and nodes crash between any two batches. Whatever happens, once nodes have synced
//! (here: handed each other their whole mailboxes), every message is in the recipient's history
//! once, in the order it was sent.

mod account;
mod blob_bounds;
mod blobs;
mod blocks;
mod bundles;
mod clocks;
mod copies;
mod delivery;
mod deposits;
mod device_costs;
mod events;
mod extremes;
mod failing_disk;
mod file_parts;
mod files;
mod handles;
mod identities;
mod invites;
mod keys;
mod linking;
mod mailbox;
mod moved_mailbox;
mod networks;
mod notes;
mod old_data;
mod olm;
mod openings;
mod parts;
mod past;
mod pings;
mod profiles;
mod put_back;
mod recalls;
mod rendezvous;
mod requests;
mod rooms;
mod root;
mod searches;
mod sent;
mod shred;
mod siblings;
mod stamps;
mod stem;
mod stranger;
mod tags;
mod talk;
mod timers;
mod trust;
mod walk;
mod world;
