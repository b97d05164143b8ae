//! The `martlet-testnet` executable.

mod hooks;

use std::process::ExitCode;

fn main() -> ExitCode {
    martlet_testnet::cli::main_from(std::env::args_os())
}
