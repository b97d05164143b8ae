//! One run of one part, by one build, in a process of its own.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use martlet_input::Group;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use super::figures;
use crate::bench::limits::{FIGURES_BYTES_MAX, REASON_CHARS_MAX, SAID_BYTES_MAX, VERSION_MAX};
use crate::cluster::{ClusterError, bind_to_this_process, remove_own_variables};

/// What `--version` begins with.
const PROGRAM: &str = "martlet-testnet";
/// Exit code of a wrong usage: here, of a part that the build doesn't know.
const WRONG_USAGE: i32 = 2;
/// How a build that is not optimized says so.
const DEBUG_BUILD: &str = "This is a debug build";

/// A `martlet-testnet`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Build {
    /// Where it is.
    pub(super) program: PathBuf,
    /// What it says of itself.
    pub(super) version: String,
    /// Whether it said that it is not optimized: then its figures say nothing.
    pub(super) is_debug: bool,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// The figures, by their paths in the JSON object.
    Figures(BTreeMap<String, f64>),
    /// The build does not know the part, or an option.
    Refused(String),
    /// It failed, for this reason.
    Failed(String),
    /// It was killed after so long.
    TimedOut(Duration),
}

/// Runs builds.
#[derive(Debug)]
pub(super) struct Runner {
    /// A `martlet-testnet` that becomes a program which ends with this process, whichever way this one ends.
    binder: Option<PathBuf>,
    /// Longest run.
    run_max: Duration,
}

/// How a child ended.
struct Ended {
    /// None: it was killed, as it took too long.
    status: Option<ExitStatus>,
    output: Vec<u8>,
    said: String,
}

impl Outcome {
    /// What went wrong, for people.
    pub(super) fn trouble(&self) -> Option<String> {
        match self {
            Self::Figures(_) => None,
            Self::Refused(reason) => Some(format!("refuses it: {reason}")),
            Self::Failed(reason) => Some(format!("failed: {reason}")),
            Self::TimedOut(after) => {
                Some(format!("was ended, since it was not done after {} s", after.as_secs_f64()))
            }
        }
    }
}

impl Runner {
    pub(super) fn new(binder: Option<PathBuf>, run_max: Duration) -> Self {
        Self { binder, run_max }
    }

    /// The build at a path, once it has said that it is one.
    pub(super) async fn build(&self, program: &Path) -> Result<Build, ClusterError> {
        let failed = |source| ClusterError::File { path: program.to_owned(), source };
        let program = std::fs::canonicalize(program).map_err(failed)?;
        let args = [OsString::from("--version")];
        let ended = self.run(&program, &args, VERSION_MAX).await.map_err(failed)?;
        let version = one_line(&String::from_utf8_lossy(&ended.output));
        if !version.starts_with(PROGRAM) {
            return Err(ClusterError::Wrong(format!(
                "{} is no {PROGRAM}: name the other build's {PROGRAM}, which is its daemon as well",
                program.display()
            )));
        }
        Ok(Build { program, version, is_debug: false })
    }

    /// Runs a part.
    pub(super) async fn measure(
        &self,
        build: &mut Build,
        part: &str,
        args: &[OsString],
    ) -> Outcome {
        let mut all: Vec<OsString> = vec!["bench".into(), part.into()];
        all.extend_from_slice(args);
        let ended = match self.run(&build.program, &all, self.run_max).await {
            Ok(ended) => ended,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
        build.is_debug |= ended.said.contains(DEBUG_BUILD);
        let Some(status) = ended.status else { return Outcome::TimedOut(self.run_max) };
        if status.code() == Some(WRONG_USAGE) {
            return Outcome::Refused(refusal(&ended.said));
        }
        if !status.success() {
            return Outcome::Failed(match reason(&ended.said) {
                reason if reason.is_empty() => status.to_string(),
                reason => reason,
            });
        }
        match figures::read(&ended.output) {
            Some(figures) => Outcome::Figures(figures),
            None => Outcome::Failed("it printed no JSON object".to_owned()),
        }
    }

    async fn run(
        &self,
        program: &Path,
        args: &[OsString],
        longest: Duration,
    ) -> std::io::Result<Ended> {
        let mut command = match &self.binder {
            Some(binder) => {
                let mut command = std::process::Command::new(binder);
                bind_to_this_process(&mut command);
                command.arg("bound").arg(program);
                command
            }
            None => std::process::Command::new(program),
        };
        remove_own_variables(&mut command);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut command = Command::from(command);
        // A group of its own, so that all of it can be killed.
        let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
        let group = Group::of(child.id());
        let (output, said) = (child.stdout.take(), child.stderr.take());
        let ended = async {
            let (output, said) = tokio::join!(first_bytes(output), last_bytes(said));
            // Only now, so that the group's number is its own as long as any of it may be killed.
            let status = child.wait().await?;
            Ok::<_, std::io::Error>((status, output, said))
        };
        match tokio::time::timeout(longest, ended).await {
            Ok(ended) => {
                let (status, output, said) = ended?;
                group.let_go();
                Ok(Ended { status: Some(status), output, said })
            }
            Err(_) => Ok(Ended { status: None, output: Vec::new(), said: String::new() }),
        }
    }
}

/// The first bytes of a stream, read to its end.
async fn first_bytes(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    read(stream, |chunk| {
        let room = FIGURES_BYTES_MAX.saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
    })
    .await;
    kept
}

/// The last bytes of a stream, read to its end.
async fn last_bytes(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut kept = Vec::new();
    read(stream, |chunk| {
        kept.extend_from_slice(chunk);
        kept.drain(..kept.len().saturating_sub(SAID_BYTES_MAX));
    })
    .await;
    String::from_utf8_lossy(&kept).into_owned()
}

async fn read(stream: Option<impl AsyncRead + Unpin>, mut take: impl FnMut(&[u8])) {
    let Some(mut stream) = stream else { return };
    let mut chunk = [0; 4096];
    while let Ok(count) = stream.read(&mut chunk).await {
        if count == 0 {
            break;
        }
        take(&chunk[..count]);
    }
}

/// Why a build failed: the line in which it says so, or its last one.
fn reason(said: &str) -> String {
    let told = format!("{PROGRAM}: ");
    let line = said.lines().find_map(|line| line.strip_prefix(&told));
    let line = line.or_else(|| said.lines().rfind(|line| !line.trim().is_empty()));
    one_line(line.unwrap_or_default())
}

/// Why a build refuses: the line in which it says so, or its first one.
fn refusal(said: &str) -> String {
    let line = said.lines().find_map(|line| line.strip_prefix("error: "));
    let line = line.or_else(|| said.lines().find(|line| !line.trim().is_empty()));
    one_line(line.unwrap_or_default())
}

/// What a program said, fit to be shown.
fn one_line(said: &str) -> String {
    let line = said.lines().next().unwrap_or_default().trim();
    line.chars().filter(|character| !character.is_control()).take(REASON_CHARS_MAX).collect()
}
