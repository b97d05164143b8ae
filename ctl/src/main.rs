//! The `martletctl` executable.

use std::process::ExitCode;

fn main() -> ExitCode {
    martletctl::cli::main_from(std::env::args_os())
}
