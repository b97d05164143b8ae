//! The daemon's command line, and the whole of its `main`.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use rustix::fs::Mode;

use crate::config::{Config, ConfigError, LogConfig, Places, Settings, paths};
use crate::logging;
use crate::restore;
use crate::run::{self, DaemonError};

/// Exit code: stopped as asked.
pub const EXIT_OK: u8 = 0;
/// Exit code: could not start, or could not go on.
pub const EXIT_FAILED: u8 = 1;
/// Exit code: the command line or the configuration is wrong.
pub const EXIT_USAGE: u8 = 2;
/// Exit code: another daemon has the data directory or the socket.
pub const EXIT_ALREADY_RUNNING: u8 = 3;
/// Exit code: a database or key file is damaged.
pub const EXIT_DAMAGED: u8 = 4;

/// The Martlet daemon: a messenger without servers
///
/// It exchanges end-to-end encrypted messages with other nodes, without servers. It also keeps other
/// people's messages until they are delivered: sealed, and for at most six days. Each user runs one.
/// `martletctl` talks to it over a Unix socket that only this user and root can open.
#[derive(Debug, Parser)]
#[command(name = "martletd", version, after_long_help = MORE_HELP)]
struct Arguments {
    /// The configuration file [default: $XDG_CONFIG_HOME/martlet/martletd.toml, or
    /// ~/.config/martlet/martletd.toml, if it is there]
    #[arg(long, env = "MARTLET_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    settings: Settings,

    /// Put a backup, made by martletctl backup, back into the data directory, and exit. The data directory
    /// must have no vault. The backup's network.toml is put where the daemon reads it, unless there is one
    #[arg(long, value_name = "DIR", conflicts_with = "check_config")]
    restore: Option<PathBuf>,

    /// Print the configuration in effect, as a configuration file, and exit
    #[arg(long)]
    check_config: bool,
}

const MORE_HELP: &str = "\
Examples:
  martletd                                       run for this user, on the local network
  martletctl init --name Ann --no-passphrase     then: make an identity (the daemon is running)
  martletd --static-peer /ip4/192.168.1.7/tcp/4177
                                                 keep a connection to a node that mDNS can't find
  martletd --data-dir /tmp/second --socket /tmp/second/control.sock --listen /ip4/0.0.0.0/tcp/0
                                                 a second node on the same machine
  martletd --check-config > martletd.toml        start a configuration file

Configuration:
  A flag wins over its environment variable. That wins over the file, and the file over the default.
  The file has the same keys as the environment, in small letters and without MARTLET_, such as
  static_peers and log_format. Relative paths in it are relative to the file.

Files, in the data directory:
  mailbox.redb     envelopes on their way, all of them sealed
  vault.redb       identity, contacts, messages; encrypted
  vault.key        the vault's key, encrypted with the passphrase if there is one
  vault.keys       keys of the vault's records, encrypted; what is deleted ends with them
  peer.key         this node's transport key; it says nothing about who uses the node
  peers.json       peers remembered across restarts
  bans.json        peers that are refused
  martletd.lock    locked while a daemon runs; holds its process id

Signals:
  SIGTERM, SIGINT, SIGHUP
                   stop: answer what was asked, close the databases, remove the socket. A second one
                   stops at once. Nothing that was acknowledged is lost. If SIGHUP was ignored when
                   martletd was started (nohup), it stays ignored.

Service manager:
  READY=1 and STOPPING=1 are sent to $NOTIFY_SOCKET (systemd: Type=notify).

Exit codes:
  0  stopped as asked
  1  could not start, or could not go on; the reason is on standard error
  2  the command line or the configuration is wrong
  3  already running: another martletd has the data directory or the socket
  4  a database or key file is damaged, missing or another's; all was left as it is
";

/// The daemon's options, for manual pages.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the daemon with a command line (the program's name first) until it is told to stop.
pub fn main_from(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // To standard output and 0 for --help and --version, else to standard error.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { EXIT_USAGE } else { EXIT_OK });
        }
    };
    let lookup: paths::Lookup<'_> = &|name| std::env::var_os(name);
    if let Some(backup) = &arguments.restore {
        return match Config::places(arguments.config.as_deref(), arguments.settings, lookup) {
            Ok(places) => restore(&places, backup),
            Err(error) => refuse_config(&error),
        };
    }
    let config = match Config::load(arguments.config.as_deref(), arguments.settings, lookup) {
        Ok(config) => config,
        Err(error) => return refuse_config(&error),
    };
    if arguments.check_config {
        return print_config(&config);
    }
    if let Err(code) = prepare(&config.log) {
        return code;
    }
    match run::run_blocking(config) {
        Ok(()) => ExitCode::from(EXIT_OK),
        Err(error) => fail(&error, exit_code(&error)),
    }
}

/// The log, and that whatever this process makes is the user's alone, from the first instant.
fn prepare(log: &LogConfig) -> Result<(), ExitCode> {
    logging::init(&log.filter, log.format).map_err(|error| fail(&error, EXIT_FAILED))?;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    Ok(())
}

fn restore(places: &Places, backup: &Path) -> ExitCode {
    if let Err(code) = prepare(&places.log) {
        return code;
    }
    match restore::restore(places, backup) {
        Ok(done) => {
            let _ = writeln!(io::stdout(), "{done}");
            ExitCode::from(EXIT_OK)
        }
        Err(error) if error.is_in_use() => fail(&error, EXIT_ALREADY_RUNNING),
        Err(error) if error.is_damage() => fail(&error, EXIT_DAMAGED),
        Err(error) => fail(&error, EXIT_FAILED),
    }
}

fn exit_code(error: &DaemonError) -> u8 {
    if error.is_already_running() {
        EXIT_ALREADY_RUNNING
    } else if error.is_damage() {
        EXIT_DAMAGED
    } else {
        EXIT_FAILED
    }
}

fn refuse_config(error: &ConfigError) -> ExitCode {
    fail(error, EXIT_USAGE)
}

fn print_config(config: &Config) -> ExitCode {
    let text = match config.to_toml() {
        Ok(text) => text,
        Err(error) => return fail(&error, EXIT_USAGE),
    };
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::from(EXIT_OK),
        Err(error) => fail(&error, EXIT_FAILED),
    }
}

fn fail(error: &dyn std::error::Error, code: u8) -> ExitCode {
    // Standard error may be closed; the exit code still tells.
    let _ = writeln!(io::stderr(), "martletd: {error}");
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_teaches() {
        let help = Arguments::command().render_long_help().to_string();
        for part in ["Examples:", "Signals:", "Exit codes:", "MARTLET_DATA_DIR", "vault.key"] {
            assert!(help.contains(part), "{part} is missing in\n{help}");
        }
    }
}
