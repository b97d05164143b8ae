//! A program of the user's that shows notifications.
//!
//! It gets one line of JSON, `{"title": …, "body": …}`, on its standard input: not in its arguments, which every user of the
//! machine can read. One runs at a time. Its processes are a group of their own: all of them are killed if it takes too long. What it
//! leaves when it has ended well, such as a sound that is played, goes on.

use std::process::Stdio;

use martlet_input::Group;
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
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| problem(format!("it can't be run: {error}")))?;
    let group = Group::of(child.id());
    if let Some(mut input) = child.stdin.take() {
        let mut line = serde_json::to_vec(&Given { title, body }).unwrap_or_default();
        line.push(b'\n');
        // It need not read.
        let _ = input.write_all(&line).await;
    }
    let status = child.wait().await;
    group.let_go();
    let status = status.map_err(|error| problem(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(problem(status.to_string())) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::time::{Duration, Instant};

    use super::*;

    /// Only the program itself was killed: what it had started went on for ever, one more with each message.
    #[tokio::test]
    async fn nothing_is_left_of_a_program_that_took_too_long() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pid");
        let script = format!("sh -c 'echo $$ >{}; exec sleep 1000'; true", file.display());
        let command = ["sh", "-c", &script].map(str::to_owned);
        let deadline = Instant::now() + Duration::from_secs(20);
        let pid = tokio::select! {
            shown = show(&command, "bob", "hello") => panic!("{shown:?}"),
            pid = async {
                loop {
                    assert!(Instant::now() < deadline, "it does not begin");
                    match std::fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<i32>().ok()) {
                        Some(pid) => break pid,
                        None => tokio::time::sleep(Duration::from_millis(10)).await,
                    }
                }
            } => pid,
        };
        while std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
        {
            assert!(Instant::now() < deadline, "it is still there");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
