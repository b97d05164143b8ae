//! Descriptors in files: read like any input, written for the user alone.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use martlet_protocol::invite::{Invite, InviteError};
use martlet_protocol::limits::CONFIG_BYTES_MAX;
use martlet_protocol::network::NetworkDescriptor;
use zeroize::Zeroizing;

use crate::cmd::Context;
use crate::exit::Failure;
use crate::render::one_line;

/// As whom a daemon runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner {
    user: u32,
    group: u32,
}

impl Owner {
    /// Of the daemon with this socket, where root talks to another user's, which could not read what is root's alone.
    pub(super) fn of_other(socket: &Path) -> Option<Self> {
        let found = fs::metadata(socket).ok()?;
        let is_others = rustix::process::geteuid().is_root() && found.uid() != 0;
        is_others.then(|| Self { user: found.uid(), group: found.gid() })
    }
}

/// Where a descriptor comes from.
#[derive(Debug)]
pub(super) enum Source {
    File(PathBuf),
    Stdin,
    Text(Zeroizing<String>),
}

impl Source {
    /// What an argument means: `-`, a text, else a file. What has a text in it is one, mistyped, and no path that
    /// would be shown.
    pub(super) fn of(argument: String) -> Self {
        let lower = Zeroizing::new(argument.to_ascii_lowercase());
        let is_text =
            ["martletnet1", "martletkey1", "martletinvite1"].iter().any(|it| lower.contains(it));
        match argument.as_str() {
            "-" => Self::Stdin,
            _ if is_text => Self::Text(Zeroizing::new(argument)),
            _ => Self::File(argument.into()),
        }
    }

    /// Reads and checks it.
    pub(super) fn read(&self, context: &Context) -> Result<NetworkDescriptor, Failure> {
        let (name, text) = match self {
            Self::File(path) => {
                let name = shown(path);
                let file =
                    martlet_input::open(path).map_err(|error| cannot("read", path, &error))?;
                let mode = file.metadata().map_or(0, |metadata| metadata.mode());
                let text = bounded(file).map_err(|error| cannot("read", path, &error))?;
                return parse(&name, &text).inspect(|network| {
                    if network.is_closed() && mode & 0o077 != 0 {
                        context.output.note(&format!(
                            "martletctl: {name}: its key can be read by other users of this machine: chmod 600 {name}"
                        ));
                    }
                });
            }
            Self::Stdin => {
                context.output.progress("Paste the network's text, then press Enter and Ctrl-D.");
                let text = bounded(io::stdin()).map_err(|error| {
                    Failure::Usage(format!("cannot read standard input: {error}"))
                })?;
                ("standard input", text)
            }
            Self::Text(text) => ("the text", text.clone()),
        };
        parse(name, &text)
    }
}

/// `$XDG_CONFIG_HOME/martlet/network.toml`, else below `~/.config`: where a daemon with the default
/// configuration reads it.
pub(super) fn default_file(environment: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let directory = |name| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = directory("XDG_CONFIG_HOME").or_else(|| Some(directory("HOME")?.join(".config")))?;
    Some(base.join("martlet/network.toml"))
}

/// Whether a file has this descriptor.
pub(super) fn holds(path: &Path, network: &NetworkDescriptor) -> bool {
    let text = martlet_input::open(path).and_then(bounded);
    text.is_ok_and(|text| NetworkDescriptor::read(&text).is_ok_and(|found| found == *network))
}

/// Writes a descriptor, whole or not at all, readable by the user alone. A file that is there is
/// refused, or with `force` kept as `FILE.old`. What root writes for a daemon of another user is that one's.
pub(super) fn write(
    path: &Path,
    network: &NetworkDescriptor,
    force: bool,
    owner: Option<Owner>,
) -> Result<(), Failure> {
    let is_there = path.symlink_metadata().is_ok();
    if is_there && !force {
        return Err(Failure::Usage(format!(
            "{} is there already; --force writes over it, and keeps it with .old at its end",
            shown(path)
        )));
    }
    let failed = |error| cannot("write", path, &error);
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(failed)?;
    }
    let new = with_end(path, ".new");
    let written = write_new(&new, network, owner).and_then(|()| {
        if is_there {
            fs::rename(path, with_end(path, ".old"))?;
        }
        fs::rename(&new, path)?;
        // The only copy of a new key: on disk, its name as well.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    });
    written.map_err(|error| {
        // What is left of it may hold half a key.
        let _ = fs::remove_file(&new);
        failed(error)
    })
}

fn write_new(path: &Path, network: &NetworkDescriptor, owner: Option<Owner>) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    if let Some(Owner { user, group }) = owner {
        fchown(&file, Some(user), Some(group))?;
    }
    let kind = if network.is_closed() {
        "A closed Martlet network. Its key is a secret: whoever has it can take part."
    } else {
        "A Martlet network."
    };
    file.write_all(format!("# {kind}\n").as_bytes())?;
    file.write_all(network.to_toml().as_bytes())?;
    file.sync_all()
}

/// The descriptor in a text: it alone, or that of an invite.
fn parse(name: &str, text: &str) -> Result<NetworkDescriptor, Failure> {
    let wrong = |error: String| Failure::Usage(format!("{name}: {}", one_line(&error)));
    if Invite::is_link(text) {
        let invite: Invite = text.parse().map_err(|error: InviteError| wrong(error.to_string()))?;
        return Ok(invite.network);
    }
    NetworkDescriptor::read(text).map_err(|error| wrong(error.to_string()))
}

/// Never more than a descriptor may have: a mistaken path is not read whole.
fn bounded(source: impl Read) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::new());
    source.take(CONFIG_BYTES_MAX + 1).read_to_string(&mut text)?;
    Ok(text)
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::Usage(format!("cannot {what} {}: {error}", shown(path)))
}

fn shown(path: &Path) -> String {
    one_line(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_where_the_daemon_looks() {
        let with = |variables: &[(&str, &str)]| {
            let variables: Vec<(String, OsString)> =
                variables.iter().map(|(n, v)| ((*n).to_owned(), (*v).into())).collect();
            default_file(|name| variables.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()))
        };
        assert_eq!(with(&[("HOME", "/a")]), Some("/a/.config/martlet/network.toml".into()));
        let xdg = with(&[("HOME", "/a"), ("XDG_CONFIG_HOME", "/c")]);
        assert_eq!(xdg, Some("/c/martlet/network.toml".into()));
        assert_eq!(with(&[("XDG_CONFIG_HOME", "c")]), None);
    }
}
