//! Networks of many real Martlet nodes on one machine: the harness that the end-to-end tests use,
//! the demonstration, and the benchmarks.
//!
//! A [`cluster::Node`] is a real daemon process with its own data directory, driven over its real
//! control socket. The executable `martlet-testnet` serves as the daemon itself (by its hidden
//! subcommand `daemon`), so one build gives all that a test or a demonstration needs.

pub mod agent;
pub mod attack;
pub mod bench;
pub mod cli;
pub mod cluster;
pub mod dashboard;
pub mod demo;
pub mod drive;
pub mod export;
pub mod fidelity;
pub mod hand;
mod link;
pub mod peer;
pub mod plan;
pub mod progress;
pub mod report;
pub mod run;
pub mod scenario;
pub mod sim;
pub mod sweep;
