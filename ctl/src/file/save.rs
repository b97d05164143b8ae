//! A file that someone sent, put where the user wants it: whole or not at all, never through a link, never executable, and over
//! another only if the user says so.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use martlet_protocol::file::FileName;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::exit::Failure;

/// What is at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum There {
    /// Nothing.
    Nothing,
    /// A file.
    File,
}

/// Where a file called `name` is saved: in `to` if that is a directory, else at `to`; here if nothing is said.
pub(crate) fn place(to: Option<&Path>, name: &FileName) -> PathBuf {
    match to {
        None => PathBuf::from(name.as_str()),
        Some(to) if to.is_dir() => to.join(name.as_str()),
        Some(to) => to.to_owned(),
    }
}

/// What is at a place, if something may be written there.
///
/// # Errors
/// [`Failure::Usage`] if it is a link, or no file.
pub(crate) fn look(place: &Path) -> Result<There, Failure> {
    let wrong = |what: &str| Failure::Usage(format!("{}: {what}", place.display()));
    match fs::symlink_metadata(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(There::Nothing),
        Err(error) => Err(wrong(&error.to_string())),
        Ok(there) if there.is_file() => Ok(There::File),
        Ok(there) if there.is_symlink() => {
            Err(wrong("there is a link, which is not followed; name another place"))
        }
        Ok(_) => Err(wrong("there is something that is no file; name another place")),
    }
}

/// A file that is being written, beside its place. Nothing of it stays unless it is finished.
pub(crate) struct Unfinished {
    file: File,
    at: PathBuf,
    place: PathBuf,
    is_finished: bool,
}

impl Unfinished {
    /// Begins one: only its owner can read it, and nobody can run it.
    ///
    /// # Errors
    /// [`Failure::Usage`].
    pub(crate) fn begin(place: &Path) -> Result<Self, Failure> {
        let mut name = std::ffi::OsString::from(".");
        // Its own name might be too long for more.
        name.push(format!("martlet-{}.part", std::process::id()));
        let at = place.with_file_name(name);
        let file = create(&at).map_err(|error| failed(place, &error))?;
        Ok(Self { file, at, place: place.to_owned(), is_finished: false })
    }

    /// Writes more of it.
    ///
    /// # Errors
    /// [`Failure::Usage`].
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file.write_all(bytes).map_err(|error| failed(&self.place, &error))
    }

    /// Puts it in its place.
    ///
    /// # Errors
    /// [`Failure::Usage`].
    pub(crate) fn finish(mut self, over: There) -> Result<(), Failure> {
        let place = &self.place;
        let put = self.file.sync_all().and_then(|()| match over {
            There::File => fs::rename(&self.at, place),
            There::Nothing => rename_to_nothing(&self.at, place),
        });
        put.map_err(|error| failed(place, &error))?;
        self.is_finished = true;
        let directory = place.parent().filter(|parent| !parent.as_os_str().is_empty());
        let synced = File::open(directory.unwrap_or(Path::new("."))).and_then(|it| it.sync_all());
        synced.map_err(|error| failed(place, &error))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.is_finished {
            let _ = fs::remove_file(&self.at);
        }
    }
}

fn failed(place: &Path, error: &io::Error) -> Failure {
    Failure::Usage(format!("{}: {error}", place.display()))
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Nothing that came there meanwhile is replaced.
fn rename_to_nothing(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // File systems that know no such renaming: a second name is given to nothing that is there, either.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            fs::hard_link(from, to).and_then(|()| fs::remove_file(from))
        }
        result => result.map_err(io::Error::from),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn write(place: &Path, bytes: &[u8], over: There) -> Result<(), Failure> {
        let mut unfinished = Unfinished::begin(place)?;
        unfinished.write(bytes)?;
        unfinished.finish(over)
    }

    #[test]
    fn nothing_stays_of_a_file_that_did_not_come_whole() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("film");
        let mut unfinished = Unfinished::begin(&place).unwrap();
        unfinished.write(b"the beginning").unwrap();
        assert_eq!(names(directory.path()).len(), 1);
        drop(unfinished);
        assert!(names(directory.path()).is_empty());
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_saved_for_its_owner_and_is_no_program() {
        let directory = tempfile::tempdir().unwrap();
        let name = FileName::harmless("run.sh");
        let place = place(Some(directory.path()), &name);
        assert_eq!(place, directory.path().join("run.sh"));
        assert_eq!(look(&place).unwrap(), There::Nothing);
        write(&place, b"#!/bin/sh\n", There::Nothing).unwrap();
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(look(&place).unwrap(), There::File);
        write(&place, b"other", There::File).unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"other");
        assert_eq!(names(directory.path()), ["run.sh"]);
    }

    #[test]
    fn what_came_there_meanwhile_is_not_replaced_and_no_link_is_followed() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::write(at("precious"), "precious").unwrap();
        assert!(write(&at("precious"), b"new", There::Nothing).is_err());
        symlink(at("precious"), at("link")).unwrap();
        symlink(at("nowhere"), at("dangling")).unwrap();
        for link in ["link", "dangling"] {
            assert!(look(&at(link)).unwrap_err().to_string().contains("link"));
            assert!(write(&at(link), b"new", There::Nothing).is_err());
        }
        // It came between the question and the answer: the link itself is replaced, not what it names.
        write(&at("link"), b"new", There::File).unwrap();
        assert_eq!(fs::read(at("precious")).unwrap(), b"precious");
        assert!(look(&at("")).is_err(), "a directory");
        let nowhere = write(&at("none/file"), b"new", There::Nothing);
        assert!(nowhere.unwrap_err().to_string().contains("No such file"));
        assert_eq!(names(directory.path()), ["dangling", "link", "precious"]);
    }
}
