//! A program of the user's that shows notifications.
//!
//! It gets one line of JSON, `{"title": …, "body": …}`, on its standard input: not in its arguments, which every user of the
//! machine can read. One runs at a time.

use std::process::Stdio;

use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// What the program is given.
#[derive(Debug, Serialize)]
struct Given<'a> {
    title: &'a str,
    body: &'a str,
}

pub(super) async fn show(command: &[String], title: &str, body: &str) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else { return Ok(()) };
    let problem = |reason: String| format!("notify_command failed: {reason}");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| problem(format!("it can't be run: {error}")))?;
    if let Some(mut input) = child.stdin.take() {
        let mut line = serde_json::to_vec(&Given { title, body }).unwrap_or_default();
        line.push(b'\n');
        // It need not read.
        let _ = input.write_all(&line).await;
    }
    let status = child.wait().await.map_err(|error| problem(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(problem(status.to_string())) }
}
