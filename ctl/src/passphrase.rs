//! Passphrases: from a file or the terminal, never from the arguments, and wiped after use.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use martlet_protocol::limits::PASSPHRASE_BYTES_MAX;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use zeroize::{Zeroize, Zeroizing};

use crate::exit::Failure;
use crate::render::Output;

/// How often a new passphrase is asked for before giving up.
const ATTEMPTS_MAX: u32 = 3;

/// The first line of `path`, without its line end.
///
/// Warns when others than the owner can read it.
pub(crate) fn from_file(path: &Path, output: &Output) -> Result<Zeroizing<String>, Failure> {
    line_of("passphrase file", path, output)
}

/// The same of a file with a kill phrase.
pub(crate) fn kill_phrase(path: &Path, output: &Output) -> Result<Zeroizing<String>, Failure> {
    line_of("kill phrase file", path, output)
}

/// The same of a file with the last words of a recovery phrase.
pub(crate) fn last_words(path: &Path, output: &Output) -> Result<Zeroizing<String>, Failure> {
    line_of("file of the last words", path, output)
}

/// The first line of a file of secrets, which is called `what`.
fn line_of(what: &str, path: &Path, output: &Output) -> Result<Zeroizing<String>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::Usage(format!("cannot read the {what} {}: {error}", path.display()))
    };
    let file = martlet_input::open(path).map_err(unreadable)?;
    warn_if_open(what, &file, path, output).map_err(unreadable)?;
    first_line(|buffer| (&file).read(buffer))
        .map_err(unreadable)?
        .into_passphrase()
        .map_err(|why| Failure::Usage(format!("the {what} {}: {why}", path.display())))
}

/// Warns when others than the owner can read or write a file of secrets, which is called `what`.
pub(crate) fn warn_if_open(
    what: &str,
    file: &File,
    path: &Path,
    output: &Output,
) -> std::io::Result<()> {
    let metadata = file.metadata()?;
    let mode = metadata.permissions().mode();
    if metadata.is_file() && mode & 0o077 != 0 {
        output.note(&format!(
            "warning: others may use the {what} {path} (mode {mode:03o}): chmod 600 {path}",
            path = path.display(),
            mode = mode & 0o777,
        ));
    }
    Ok(())
}

/// Asks once on the terminal.
pub(crate) async fn ask(text: &str, output: &Output) -> Result<Zeroizing<String>, Failure> {
    require_terminal()?;
    prompt(text, output).await
}

/// Asks for a new passphrase, twice, on the terminal. `without` says how to have none.
pub(crate) async fn ask_new(output: &Output, without: &str) -> Result<Zeroizing<String>, Failure> {
    require_terminal()?;
    for _ in 0..ATTEMPTS_MAX {
        let first = prompt("New passphrase: ", output).await?;
        if first.is_empty() {
            output.note(&format!("It is empty. {without}"));
            continue;
        }
        let second = prompt("Once more: ", output).await?;
        if *first == *second {
            return Ok(first);
        }
        output.note("They differ.");
    }
    Err(Failure::Usage("no passphrase was set".to_owned()))
}

fn require_terminal() -> Result<(), Failure> {
    if std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::Usage(
        "standard input is not a terminal, so the passphrase can't be asked for: put it into a file that only you can read, and name that with --passphrase-file, or with --old-file and --new-file of martletctl passphrase (/dev/stdin for a pipe)"
            .to_owned(),
    ))
}

async fn prompt(text: &str, output: &Output) -> Result<Zeroizing<String>, Failure> {
    let unusable =
        |error: std::io::Error| Failure::Usage(format!("cannot use the terminal: {error}"));
    // Before the echo is off: afterwards Ctrl-C would leave it off.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(unusable)?;
    let silence = Silence::new().map_err(unusable)?;
    output.prompt(text);
    // On a thread of its own, so that Ctrl-C can give the terminal its echo back.
    let read = tokio::task::spawn_blocking(|| {
        // Not through std's standard input, whose buffer would keep a copy.
        first_line(|buffer| Ok(rustix::io::read(rustix::stdio::stdin(), buffer)?))
    });
    let line = tokio::select! {
        line = read => line,
        _ = interrupt.recv() => return Err(Failure::Interrupted),
    };
    drop(silence);
    line.map_err(|_| Failure::Interrupted)?
        .map_err(unusable)?
        .into_passphrase()
        .map_err(Failure::Usage)
}

/// The terminal without echo, until dropped.
struct Silence {
    before: Termios,
}

impl Silence {
    fn new() -> std::io::Result<Self> {
        let before = tcgetattr(rustix::stdio::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        // The user's Enter is the one thing shown.
        silent.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self { before })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // If it fails the terminal is gone.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}

/// A line read, at most one byte more than a passphrase and its line end may have.
struct Line(Zeroizing<Vec<u8>>);

impl Line {
    fn into_passphrase(mut self) -> Result<Zeroizing<String>, String> {
        if self.0.last() == Some(&b'\r') {
            self.0.pop();
        }
        if self.0.len() > PASSPHRASE_BYTES_MAX {
            return Err(format!("a passphrase has at most {PASSPHRASE_BYTES_MAX} bytes"));
        }
        String::from_utf8(std::mem::take(&mut *self.0)).map(Zeroizing::new).map_err(|error| {
            error.into_bytes().zeroize();
            "the passphrase is not UTF-8".to_owned()
        })
    }
}

/// Reads up to the first LF, the end, or one byte more than fits.
fn first_line(mut read: impl FnMut(&mut [u8]) -> std::io::Result<usize>) -> std::io::Result<Line> {
    // With its line end and the byte that shows it is too long. Never reallocated, which would
    // leave copies.
    let bytes_max = PASSPHRASE_BYTES_MAX + 2;
    let mut line = Zeroizing::new(Vec::with_capacity(bytes_max));
    let mut buffer = Zeroizing::new([0; 256]);
    loop {
        let count = match read(&mut *buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = &buffer[..count];
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let bytes = &bytes[..end.unwrap_or(count)];
        let room = bytes_max - line.len();
        line.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if end.is_some() || count == 0 || line.len() == bytes_max {
            return Ok(Line(line));
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn passphrase(mut bytes: &[u8]) -> Result<String, String> {
        let line = first_line(|buffer| {
            // In small pieces, as a terminal or pipe may give them.
            let count = bytes.len().min(3);
            buffer[..count].copy_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            Ok(count)
        });
        line.unwrap().into_passphrase().map(|passphrase| passphrase.to_string())
    }

    #[test]
    fn the_first_line_counts_without_its_end() {
        assert_eq!(passphrase(b"correct horse \n").as_deref(), Ok("correct horse "));
        assert_eq!(passphrase(b"correct horse").as_deref(), Ok("correct horse"));
        assert_eq!(passphrase(b"one\r\ntwo\n").as_deref(), Ok("one"));
        assert_eq!(passphrase(b"").as_deref(), Ok(""));
    }

    #[test]
    fn the_bound_is_kept() {
        let longest = "x".repeat(PASSPHRASE_BYTES_MAX);
        assert_eq!(passphrase(longest.as_bytes()), Ok(longest.clone()));
        assert_eq!(passphrase(format!("{longest}\r\n").as_bytes()), Ok(longest.clone()));
        assert!(passphrase(format!("{longest}x").as_bytes()).is_err());
        assert!(passphrase(format!("{longest}{longest}\n").as_bytes()).is_err());
        assert!(passphrase(b"\xff\n").is_err());
    }
}
