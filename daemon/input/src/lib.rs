//! What a user names: files, opened to be read, and [programs](Group), of which nothing is left.
//!
//! A named pipe keeps who opens it until someone writes into it, and many a device who reads it. So a name that was mistyped could
//! stop a program for ever. [`open`] takes what can be read to its end:
//!
//! | what | taken |
//! | --- | --- |
//! | a file | yes |
//! | a pipe, terminal or socket that the program was given already: `/dev/stdin`, `<(…)` of a shell | yes |
//! | a terminal | yes |
//! | `/dev/null` and its like, from which something comes at once | yes; how much is the reader's to bound |
//! | a pipe or socket that has a name | no |
//! | another device | no |
//! | a directory | no |

mod group;

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

pub use group::Group;
use rustix::fs::{OFlags, fcntl_setfl, fstat, major};

/// What is open in this process, by number.
const OPEN_FILES: &str = "/proc/self/fd";

/// Opens what a user named, to be read. It does not wait, whatever it is.
///
/// # Errors
/// What the system says; [`ErrorKind::InvalidInput`] or [`ErrorKind::IsADirectory`], with words for the user, where it is nothing
/// that is read.
pub fn open(path: &Path) -> io::Result<File> {
    let found = fs::metadata(path)?;
    if !found.is_file() && is_standard_input(&found) {
        // Sockets can't be opened again, and a pipe's writer may have ended already.
        return Ok(rustix::io::dup(rustix::stdio::stdin())?.into());
    }
    check(&found)?;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    // It may have become something else since.
    let found = file.metadata()?;
    check(&found)?;
    let is_meant = found.is_file()
        || if found.file_type().is_fifo() {
            is_open_already(&found, &file)
        } else {
            comes_to_an_end(&found, &file)
        };
    if !is_meant {
        return Err(refused(match found.file_type().is_fifo() {
            true => {
                "it is a pipe, into which perhaps nobody writes: name a file, or give what is in the pipe by standard input, as \
                 /dev/stdin"
            }
            false => "it is a device: name a file",
        }));
    }
    fcntl_setfl(&file, OFlags::empty())?;
    Ok(file)
}

/// Refuses what is never read.
fn check(found: &Metadata) -> io::Result<()> {
    let kind = found.file_type();
    if kind.is_dir() {
        return Err(io::Error::new(ErrorKind::IsADirectory, "it is a directory: name a file"));
    }
    if kind.is_socket() {
        return Err(refused("it is a socket: name a file"));
    }
    Ok(())
}

fn refused(reason: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, reason)
}

fn is_standard_input(found: &Metadata) -> bool {
    fstat(rustix::stdio::stdin())
        .is_ok_and(|held| (held.st_dev, held.st_ino) == (found.dev(), found.ino()))
}

/// Whether this process had it open before it opened `file`: by who started it, so that it is meant.
fn is_open_already(found: &Metadata, file: &File) -> bool {
    let own = file.as_raw_fd().to_string();
    let held = fs::read_dir(OPEN_FILES).into_iter().flatten().flatten();
    held.filter(|held| held.file_name() != own.as_str())
        .filter_map(|held| fs::metadata(held.path()).ok())
        .any(|held| (held.dev(), held.ino()) == (found.dev(), found.ino()))
}

/// Whether a device is a terminal, or one of those that are memory (`/dev/null`, `/dev/zero`).
fn comes_to_an_end(found: &Metadata, file: &File) -> bool {
    let of_memory = fs::metadata("/dev/null").map(|null| major(null.rdev()));
    found.file_type().is_char_device()
        && (file.as_fd().is_terminal()
            || of_memory.is_ok_and(|of_memory| major(found.rdev()) == of_memory))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn read(path: &Path) -> io::Result<String> {
        let mut text = String::new();
        open(path)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn what_is_read_to_its_end_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, "text").unwrap();
        assert_eq!(read(&path).unwrap(), "text");
        assert_eq!(read(Path::new("/dev/null")).unwrap(), "");
        let error = read(&directory.path().join("none")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    /// `--avatar` and a named pipe: the command waited for ever.
    #[test]
    fn what_could_be_waited_for_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let error = read(&pipe).unwrap_err();
        assert!(error.to_string().contains("/dev/stdin"), "{error}");
        // Nor by another name.
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        assert!(read(&link).is_err());
        let socket = directory.path().join("socket");
        let _listener = UnixListener::bind(&socket).unwrap();
        assert_eq!(read(&socket).unwrap_err().to_string(), "it is a socket: name a file");
        let error = read(directory.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
    }

    /// As a shell gives what a program writes: `--passphrase-file <(pass martlet)`.
    #[test]
    fn a_pipe_that_the_program_was_given_is_read_to_its_end() {
        let (mine, mut theirs) = io::pipe().unwrap();
        let path = format!("/dev/fd/{}", mine.as_raw_fd());
        let writer = std::thread::spawn(move || {
            // After the reader has begun, or before: it waits.
            theirs.write_all(b"correct horse").unwrap();
        });
        assert_eq!(read(Path::new(&path)).unwrap(), "correct horse");
        writer.join().unwrap();
    }
}
