//! `martletd`: see `martletd --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    martletd::cli::main_from(std::env::args_os())
}
