//! `martletctl` against a node, as a person types it: what tests do with it.

use std::time::Duration;

use serde_json::Value;

use super::{ClusterError, Node, until};

/// How long [`shows`] waits: two minutes, since the machine may be slow and have much else to do.
const SHOWN_WITHIN: Duration = Duration::from_secs(120);

/// Runs `martletctl`: its exit code (`None` if a signal ended it), what it printed, and what it said beside that.
///
/// # Errors
/// When it can't be run.
pub async fn try_run(
    node: &Node,
    args: &[&str],
) -> Result<(Option<i32>, String, String), ClusterError> {
    let output = node.ctl(args).await?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((output.status.code(), text(output.stdout), text(output.stderr)))
}

/// The same, which must succeed: what it printed.
///
/// # Errors
/// When it can't be run, and [`ClusterError::Wrong`] when it fails.
pub async fn run(node: &Node, args: &[&str]) -> Result<String, ClusterError> {
    match try_run(node, args).await? {
        (Some(0), out, _) => Ok(out),
        (code, _, err) => {
            Err(ClusterError::Wrong(format!("{}: {args:?}: {code:?} {err}", node.name())))
        }
    }
}

/// The same with `--json`.
///
/// # Errors
/// As [`run`], and [`ClusterError::Wrong`] when what it prints is no JSON.
pub async fn ask(node: &Node, args: &[&str]) -> Result<Value, ClusterError> {
    let args: Vec<_> = args.iter().chain(&["--json"]).copied().collect();
    let out = run(node, &args).await?;
    serde_json::from_str(&out)
        .map_err(|error| ClusterError::Wrong(format!("{args:?}: {error}: {out}")))
}

/// Waits until `martletctl` prints what is wanted: all that it prints then.
///
/// # Errors
/// As [`run`], and [`ClusterError::TimedOut`].
pub async fn shows(node: &Node, args: &[&str], wanted: &str) -> Result<String, ClusterError> {
    shows_all(node, args, &[wanted]).await
}

/// The same, until all of several texts are there.
///
/// # Errors
/// As [`shows`], with what it printed last.
pub async fn shows_all(
    node: &Node,
    args: &[&str],
    wanted: &[&str],
) -> Result<String, ClusterError> {
    let mut last = String::new();
    let what = format!("{}: {args:?} should show {wanted:?}", node.name());
    let shown = until(what, SHOWN_WITHIN, async || {
        last = run(node, args).await?;
        Ok(wanted.iter().all(|wanted| last.contains(wanted)).then(|| last.clone()))
    });
    match shown.await {
        Err(ClusterError::TimedOut { what, after }) => {
            Err(ClusterError::TimedOut { what: format!("{what}: {last}"), after })
        }
        shown => shown,
    }
}

/// Waits until `martletctl` prints this no more: all that it prints then.
///
/// # Errors
/// As [`shows`].
pub async fn hides(node: &Node, args: &[&str], unwanted: &str) -> Result<String, ClusterError> {
    until(format!("{args:?} should not show {unwanted:?}"), SHOWN_WITHIN, async || {
        Ok(Some(run(node, args).await?).filter(|out| !out.contains(unwanted)))
    })
    .await
}
