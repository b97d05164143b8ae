//! What `martlet-testnet` does for who runs it: the demonstration, scenarios with real processes, networks by hand, sweeps,
//! benchmarks, exports and reports.

mod bench;
mod dashboard;
mod data;
mod demo;
mod exports;
mod hand;
mod observer;
mod people;
mod plans;
mod rerun;
mod run;
mod sweep;

type TestResult<T = ()> = Result<T, Box<dyn std::error::Error>>;

const PROGRAM: &str = env!("CARGO_BIN_EXE_martlet-testnet");
