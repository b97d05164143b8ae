//! `exec`: a command with a node.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use super::HandError;
use super::state::States;
use crate::cluster::remove_own_variables;

/// A shell says so that a signal ended a command.
const SIGNALLED: i32 = 128;

/// Runs a command with `MARTLET_SOCKET` set to the node's, in its network namespace if it has one, and returns its exit
/// code. `martletctl` is the one that is built in.
///
/// # Errors
/// [`HandError`]: no such node, or the command can't be run.
pub fn exec(node: &str, command: &[OsString]) -> Result<u8, HandError> {
    let states = States::open()?;
    let node = states.node(node)?;
    let Some((program, args)) = command.split_first() else {
        return Err(HandError::NoneUp);
    };
    let failed = |source| HandError::Command { command: program.display().to_string(), source };
    let mut run = if program == "martletctl" {
        let mut run = Command::new(std::env::current_exe().map_err(failed)?);
        run.arg("ctl");
        run
    } else if let Some(namespace) = &node.namespace {
        let mut run = Command::new("ip");
        run.args(["netns", "exec", namespace]).arg(program);
        run
    } else {
        Command::new(program)
    };
    remove_own_variables(&mut run);
    let status = run.args(args).env("MARTLET_SOCKET", &node.socket).status().map_err(failed)?;
    let code = status.code().or_else(|| status.signal().map(|signal| SIGNALLED + signal));
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
