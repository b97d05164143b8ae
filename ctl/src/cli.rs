//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::client::{Client, ClientError};
use crate::cmd::{Context, Verb};
use crate::complete;
use crate::exit::{Exit, Failure};
use crate::picture;
use crate::render::{Output, block};
use crate::socket::sockets;

/// Talks to people through the Martlet daemon: messages without servers, end-to-end encrypted.
#[derive(Debug, Parser)]
#[command(
    name = "martletctl",
    bin_name = "martletctl",
    version,
    long_about = INTRODUCTION,
    after_long_help = REFERENCE,
    after_help = "Quick start, exit codes, environment and files: martletctl --help",
    subcommand_required = true,
    arg_required_else_help = true,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs",
    max_term_width = 100
)]
struct Cli {
    /// The daemon's socket
    ///
    /// Default: the first of these on which a daemon answers: $XDG_RUNTIME_DIR/martlet/control.sock,
    /// /run/user/UID/martlet/control.sock, control.sock in the daemon's data directory,
    /// /run/martlet/control.sock.
    #[arg(
        long,
        value_name = "PATH",
        env = "MARTLET_SOCKET",
        global = true,
        hide_env = true,
        help_heading = "Options of every verb"
    )]
    socket: Option<PathBuf>,

    /// Print JSON, one value a line on standard output, as the control API describes it.
    #[arg(long, global = true, help_heading = "Options of every verb")]
    json: bool,

    #[command(subcommand)]
    verb: Verb,
}

const INTRODUCTION: &str = "\
Talks to people through the Martlet daemon: messages without servers, end-to-end encrypted.

Quick start:
  martletd &                                    the daemon, if it isn't running yet
  martletctl init --name Alice                  your identity: write down the recovery phrase
  martletctl id                                 your ID, to give to others
  martletctl contact add martlet1… --name bob   someone else's ID, and your name for them
  martletctl send bob 'Hello!'                  then: martletctl watch";

const REFERENCE: &str = "\
Exit codes:
  0    done
  1    the daemon refused or failed; the reason is on standard error
  2    the arguments, or a file or terminal they name, cannot be used
  3    the daemon isn't running
  4    the vault is locked: martletctl unlock
  5    it did not happen in time (send --wait, ping, device link or join, or no answer from the daemon)
  6    no such contact, message, request, invite, room, device or peer, or no handle
  7    doctor found something that keeps messages from coming or going
  130  interrupted at a prompt

JSON:
  With --json, data is one JSON value a line on standard output; a verb without data prints {}.
  When the daemon refused, the last line on standard error is its reason as JSON
  (status, code, detail).

Environment:
  MARTLET_SOCKET    the daemon's socket, as --socket
  XDG_RUNTIME_DIR, XDG_DATA_HOME, HOME    where the socket is looked for
  NO_COLOR          no colours, if set to anything
  TZ                the time zone of times shown

Files:
  $XDG_RUNTIME_DIR/martlet/control.sock    the daemon's socket
  /run/user/UID/martlet/control.sock       the same, where XDG_RUNTIME_DIR isn't set (cron, su, sudo)
  ~/.local/share/martlet/control.sock      the same, where there is no runtime directory
  /run/martlet/control.sock                that of the machine's service, for root
";

/// Runs the command with `args`, the first of which is the program's name, as
/// [`std::env::args_os`] gives them.
pub fn main_from(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    if args.get(1).is_some_and(|verb| verb == picture::CHILD) {
        return picture::child(args.get(2));
    }
    let before = before(args.len());
    match complete::answer(&args, command) {
        Ok(false) => {}
        Ok(true) => return Exit::Ok.into(),
        Err(error) => {
            let _ = error.print();
            return Exit::Usage.into();
        }
    }
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too, with code 0. A reader gone is no error.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok }.into();
        }
    };
    let sockets = sockets(cli.socket);
    let context = Context {
        client: (!sockets.is_empty()).then(|| Client::of_first(sockets)),
        output: Output::new(cli.json),
        before,
    };
    let result = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let result = runtime.block_on(cli.verb.run(&context));
            // Not waiting for a thread that reads the terminal.
            runtime.shutdown_background();
            result
        }
        Err(error) => Err(Failure::Failed(format!("cannot start: {error}"))),
    };
    match result {
        Ok(()) => Exit::Ok.into(),
        Err(failure) => {
            report(&failure, &context.output);
            failure.exit().into()
        }
    }
}

/// The verbs and their arguments, for completions and manual pages.
#[must_use]
pub fn command() -> clap::Command {
    Cli::command()
}

/// What stands before the verb among the process's own arguments, where `given` of them, with the program's name, are
/// this command's.
fn before(given: usize) -> Vec<OsString> {
    let own: Vec<OsString> = std::env::args_os().skip(1).collect();
    let others = (own.len() + 1).saturating_sub(given);
    own.into_iter().take(others).collect()
}

fn report(failure: &Failure, output: &Output) {
    if failure.exit() == Exit::Ok {
        return;
    }
    output.note_hanging("martletctl: ", &block(&failure.to_string(), 0));
    if let Failure::Client(ClientError::Problem(problem)) = failure
        && output.is_json()
    {
        output.note_json(problem);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_verb_has_an_example() {
        fn check(command: &clap::Command) {
            if command.get_subcommands().next().is_none() {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("  martletctl "), "{}: no example", command.get_name());
            }
            assert!(command.get_about().is_some(), "{}: no description", command.get_name());
            command.get_subcommands().for_each(check);
        }
        command().get_subcommands().for_each(check);
    }

    #[test]
    fn global_options_may_stand_after_the_verb() {
        let cli = Cli::try_parse_from(["martletctl", "status", "--json", "--socket", "/s"]);
        let cli = cli.unwrap();
        assert!(cli.json);
        assert_eq!(cli.socket, Some(PathBuf::from("/s")));
    }
}
