//! The sources that the program is made of, and which commit has them. Compiled into the build script as well.

use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

/// What the program is compiled from, by places in the repository. It is compiled anew when any of it changes.
pub(crate) const PARTS: [&str; 8] = [
    "protocol/src",
    "input/src",
    "store/src",
    "daemon/src",
    "daemon/engine/src",
    "ctl/src",
    "testnet/src",
    "testnet/scenarios",
];

/// A number that is another one when the sources are: of all names and contents. `root` is the repository. It compares a
/// program with its own sources only, so the hash may be another in another compiler.
///
/// # Errors
/// The sources are not there, or can't be read.
pub(crate) fn fingerprint(root: &Path) -> io::Result<u64> {
    let mut files = Vec::new();
    for part in PARTS {
        list(&root.join(part), &mut files)?;
    }
    files.sort_unstable();
    let mut hasher = DefaultHasher::new();
    for file in files {
        let name = file.strip_prefix(root).unwrap_or(&file);
        for bytes in [name.as_os_str().as_encoded_bytes(), &fs::read(&file)?] {
            hasher.write_usize(bytes.len());
            hasher.write(bytes);
        }
    }
    Ok(hasher.finish())
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => list(&entry.path(), files)?,
            false => files.push(entry.path()),
        }
    }
    Ok(())
}

/// The commit that is checked out in `root`, with `-changed` if tracked files differ from it. `None` without git or history.
pub(crate) fn commit(root: &Path) -> Option<String> {
    let commit = git(root, &["rev-parse", "--short=12", "HEAD"])?;
    let changes = git(root, &["status", "--porcelain", "--untracked-files=no", "--", "."])?;
    Some(if changes.is_empty() { commit } else { format!("{commit}-changed") })
}

/// What git says, without the white space around it.
pub(crate) fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").current_dir(root).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
