//! Completions of a shell: verbs and options from the command line's definition, names from the daemon.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::OnceLock;

use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{Bash, CompleteEnv, Elvish, EnvCompleter, Fish, Powershell, Zsh};
use martlet_protocol::control::{ContactList, RequestList, RoomList};
use serde::de::DeserializeOwned;

use crate::client::Client;
use crate::limits::COMPLETION_ANSWER_MAX;
use crate::render::word;
use crate::socket::sockets;

/// The variable by which a shell's script asks for completions, and that names the shell.
const VARIABLE: &str = "COMPLETE";

/// The shell that asks, once one did. Bash takes candidates as they are, the others quote them.
static SHELL: OnceLock<OsString> = OnceLock::new();

/// The shells there are completions for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Shell {
    /// The script that makes the shell ask this program.
    pub(crate) fn script(self) -> std::io::Result<Vec<u8>> {
        let completer: &dyn EnvCompleter = match self {
            Self::Bash => &Bash,
            Self::Elvish => &Elvish,
            Self::Fish => &Fish,
            Self::Powershell => &Powershell,
            Self::Zsh => &Zsh,
        };
        let mut script = Vec::new();
        let name = "martletctl";
        completer.write_registration(VARIABLE, name, name, name, &mut script)?;
        Ok(script)
    }

    /// Its name, as on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        }
    }
}

/// Answers a shell that asks for completions, and says whether one did.
///
/// # Errors
/// An unknown shell, or standard output that can't be written.
pub(crate) fn answer(
    args: &[OsString],
    command: fn() -> clap::Command,
) -> clap::error::Result<bool> {
    if let Some(shell) = env::var_os(VARIABLE) {
        // Set once: this is asked once a run.
        let _ = SHELL.set(shell);
    }
    CompleteEnv::with_factory(command)
        .var(VARIABLE)
        .completer("martletctl")
        .try_complete(args, None)
}

/// Completes names of contacts.
pub(crate) fn contacts() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let list: Option<ContactList> = ask("/v1/contacts");
        let contacts = list.map(|list| list.contacts).unwrap_or_default();
        candidates(typed, contacts.into_iter().map(|contact| contact.name))
    })
}

/// Completes names of rooms.
pub(crate) fn rooms() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let list: Option<RoomList> = ask("/v1/rooms");
        let rooms = list.map(|list| list.rooms).unwrap_or_default();
        candidates(typed, rooms.into_iter().map(|room| room.name))
    })
}

/// Completes names of contacts and rooms.
pub(crate) fn conversations() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let contacts: Option<ContactList> = ask("/v1/contacts");
        let rooms: Option<RoomList> = ask("/v1/rooms");
        let contacts = contacts.map(|list| list.contacts).unwrap_or_default().into_iter();
        let rooms = rooms.map(|list| list.rooms).unwrap_or_default().into_iter();
        let names = contacts.map(|contact| contact.name).chain(rooms.map(|room| room.name));
        candidates(typed, names)
    })
}

/// Completes IDs of people who wait to be accepted.
pub(crate) fn requests() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| {
        let list: Option<RequestList> = ask("/v1/requests");
        let requests = list.map(|list| list.requests).unwrap_or_default();
        candidates(typed, requests.into_iter().map(|request| request.id))
    })
}

/// What the daemon answers in time. Where it doesn't there is nothing to complete, and nobody to tell why.
fn ask<T: DeserializeOwned>(path: &str) -> Option<T> {
    let sockets = sockets(socket_of(env::args_os()));
    if sockets.is_empty() {
        return None;
    }
    let client = Client::of_first(sockets);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let answer = async { tokio::time::timeout(COMPLETION_ANSWER_MAX, client.get(path)).await };
    runtime.block_on(answer).ok()?.ok()
}

/// The socket that is named on the command line that is being written, or in the environment.
fn socket_of(args: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    let mut args = args;
    while let Some(arg) = args.next() {
        if arg == "--socket" {
            return args.next().map(PathBuf::from);
        }
        if let Some(path) = arg.to_str().and_then(|arg| arg.strip_prefix("--socket=")) {
            return Some(path.into());
        }
    }
    env::var_os("MARTLET_SOCKET").map(PathBuf::from)
}

/// The `names` that begin with what was typed. Those that a terminal couldn't show as they are are left out.
fn candidates(typed: &OsStr, names: impl Iterator<Item = String>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let is_bash = SHELL.get().is_some_and(|shell| shell == "bash");
    let names = names.filter(|name| word(name) == *name);
    match is_bash {
        true => {
            names.filter_map(|name| for_bash(&typed, &name)).map(CompletionCandidate::new).collect()
        }
        false => {
            names.filter(|name| name.starts_with(&*typed)).map(CompletionCandidate::new).collect()
        }
    }
}

/// `name` as bash would have it typed, if it begins with what was typed: in the same quotes, or with backslashes.
fn for_bash(typed: &str, name: &str) -> Option<String> {
    if let Some(quote @ ('"' | '\'')) = typed.chars().next() {
        let is_plain = !name.contains(['"', '\'', '\\', '$', '`', '!']);
        let begins = name.starts_with(&typed[1..]);
        return (is_plain && begins).then(|| format!("{quote}{name}{quote}"));
    }
    let quoted: String = name.chars().fold(String::new(), |mut quoted, character| {
        if character.is_ascii()
            && !character.is_ascii_alphanumeric()
            && !"-_.,/@%+".contains(character)
        {
            quoted.push('\\');
        }
        quoted.push(character);
        quoted
    });
    (quoted.starts_with(typed) || name.starts_with(typed)).then_some(quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bash_gets_names_as_it_would_have_them_typed() {
        assert_eq!(for_bash("b", "bob"), Some("bob".to_owned()));
        assert_eq!(for_bash("", "Zoë & co"), Some("Zoë\\ \\&\\ co".to_owned()));
        assert_eq!(for_bash("Zoë\\ ", "Zoë & co"), Some("Zoë\\ \\&\\ co".to_owned()));
        assert_eq!(for_bash("\"Zo", "Zoë & co"), Some("\"Zoë & co\"".to_owned()));
        assert_eq!(for_bash("'a", "a'$(b)"), None);
        assert_eq!(for_bash("", "a$(b)"), Some("a\\$\\(b\\)".to_owned()));
        assert_eq!(for_bash("c", "bob"), None);
    }

    #[test]
    fn the_socket_that_is_being_named_is_asked() {
        let args = |args: &[&str]| args.iter().map(OsString::from).collect::<Vec<_>>().into_iter();
        assert_eq!(socket_of(args(&["--", "martletctl", "--socket", "/s"])), Some("/s".into()));
        assert_eq!(
            socket_of(args(&["--", "martletctl", "send", "--socket=/t"])),
            Some("/t".into())
        );
    }
}
