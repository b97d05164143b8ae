//! `logs`: what a node logged.

use std::fs::File;
use std::io::{self, Read, Write};
use std::thread::sleep;

use super::state::States;
use super::{HandError, LOOK_INTERVAL};

/// Prints a node's log; with `follow` goes on until the node ends.
///
/// # Errors
/// [`HandError`]: no such node, or its log can't be read.
pub fn logs(node: &str, follow: bool) -> Result<(), HandError> {
    let node = States::open()?.node(node)?;
    let failed = |source| HandError::File { path: node.log.clone(), source };
    let mut log = File::open(&node.log).map_err(failed)?;
    let mut out = io::stdout().lock();
    loop {
        // Looked at first, so that what it logs last is printed.
        let is_alive = node.process.is_alive();
        let mut new = Vec::new();
        log.read_to_end(&mut new).map_err(failed)?;
        match out.write_all(&new).and_then(|()| out.flush()) {
            // Whoever read it has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            done => done.map_err(failed)?,
        }
        if !follow || !is_alive {
            return Ok(());
        }
        sleep(LOOK_INTERVAL);
    }
}
