//! Scenarios with real processes, and networks by hand.

mod dashboard;
mod hand;
mod people;
mod plans;
mod run;

type TestResult = Result<(), Box<dyn std::error::Error>>;

const PROGRAM: &str = env!("CARGO_BIN_EXE_martlet-testnet");
