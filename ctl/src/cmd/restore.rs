//! `restore`: a backup put back, by the daemon's own program, which doesn't run meanwhile.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Serialize;
use tokio::process::Command;

use super::Context;
use crate::exit::Failure;

/// The daemon's program.
const DAEMON: &str = "martletd";
/// The daemon's exit code for a wrong command line or configuration.
const DAEMON_USAGE: i32 = 2;

/// Put a backup back, while no daemon runs
///
/// The vault (your identity, contacts and messages) and its key file go into the data directory. There must be no vault: first
/// move both vault.redb and vault.key away. The network's descriptor is put where the daemon reads it, unless there is one; with
/// --to and no --config it is put into that directory.
/// The backup is verified before and after, and is left as it is. The program martletd does the work (martletd --restore), with
/// the configuration and environment that it has when it runs as a daemon.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl restore ~/backup/martlet-2026-11-29
  martletctl restore ~/backup/martlet-2026-11-29 --to /mnt/new/martlet
  sudo martletctl restore /backup/martlet-2026-11-29 --to /var/lib/martlet --network /etc/martlet/network.toml
                                                 for the machine's service, once it is stopped")]
pub(crate) struct Args {
    /// The directory that `martletctl backup` wrote
    #[arg(value_name = "BACKUP_DIR")]
    backup: PathBuf,

    /// The daemon's data directory [default: the one it uses]
    #[arg(long, value_name = "DATA_DIR")]
    to: Option<PathBuf>,

    /// The daemon's configuration file [default: the one it uses]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Where the network's descriptor goes [default: where the daemon reads it; with --to and no --config, network.toml
    /// in DATA_DIR]
    #[arg(long, value_name = "FILE")]
    network: Option<PathBuf>,
}

/// What was done, as JSON.
#[derive(Debug, Serialize)]
struct Restored {
    /// In words, and what to do next.
    done: String,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let daemon = env::current_exe().map_or_else(|_| DAEMON.into(), |own| daemon_beside(&own));
        let mut command = Command::new(&daemon);
        // The user's own configuration has nothing to do with another data directory.
        let beside = match (&self.network, &self.to, &self.config) {
            (None, Some(to), None) => Some(to.join("network.toml")),
            (Some(_), _, _) | (None, None, _) | (None, Some(_), Some(_)) => None,
        };
        let network = self.network.clone().or(beside.clone());
        let options =
            [("--data-dir", &self.to), ("--config", &self.config), ("--network", &network)];
        for (option, path) in options {
            if let Some(path) = path {
                command.arg(option).arg(path);
            }
        }
        command.arg("--restore").arg(&self.backup).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.map_err(|error| not_run(&daemon, &error))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        let (said, warned) = (text(&output.stdout), text(&output.stderr));
        if !output.status.success() {
            // The reason is the last line; before it is the log.
            let (log, reason) = warned.rsplit_once('\n').unwrap_or(("", &warned));
            log.lines().for_each(|line| context.output.note(line));
            let reason = reason.strip_prefix("martletd: ").unwrap_or(reason).to_owned();
            return Err(match output.status.code() {
                Some(DAEMON_USAGE) => Failure::Usage(reason),
                Some(_) if !reason.is_empty() => Failure::Failed(reason),
                Some(_) | None => Failure::Failed(format!("{DAEMON} ended with {}", output.status)),
            });
        }
        warned.lines().for_each(|line| context.output.note(line));
        let done = match (&self.to, beside.filter(|beside| beside.exists())) {
            (Some(to), Some(network)) => format!(
                "{said} Unless its configuration says so: martletd --data-dir {} --network {}",
                to.display(),
                network.display()
            ),
            (Some(_) | None, _) => said,
        };
        context.output.show(&Restored { done }, |restored, page| page.line(&restored.done))
    }
}

/// The daemon's program that was installed with this one, else the first in `PATH`.
fn daemon_beside(own: &Path) -> PathBuf {
    let beside = own.with_file_name(DAEMON);
    if beside.is_file() { beside } else { DAEMON.into() }
}

fn not_run(daemon: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!(
        "{} puts backups back, and can't be run: {error}; install it beside martletctl, or in PATH",
        daemon.display()
    ))
}
