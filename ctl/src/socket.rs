//! Where the daemon's socket is.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The socket when none was named: that in the runtime directory if it is there, else that in the
/// data directory. `None` when neither directory can be told, for want of `HOME`.
///
/// Directories are those of the XDG Base Directory Specification, which has relative ones ignored.
pub(crate) fn default_socket(
    environment: impl Fn(&str) -> Option<OsString>,
    exists: impl Fn(&Path) -> bool,
) -> Option<PathBuf> {
    let directory = |name| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let runtime = directory("XDG_RUNTIME_DIR").map(|path| path.join("martlet/control.sock"));
    let data = directory("XDG_DATA_HOME")
        .or_else(|| directory("HOME").map(|home| home.join(".local/share")))
        .map(|path| path.join("martlet/control.sock"));
    match (runtime, data) {
        (Some(runtime), _) if exists(&runtime) => Some(runtime),
        (_, Some(data)) if exists(&data) => Some(data),
        // Neither is there: the one the daemon would make.
        (runtime, data) => runtime.or(data),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)], there: &[&str]) -> Option<PathBuf> {
        default_socket(
            |name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()),
            |path| there.iter().any(|t| path == Path::new(t)),
        )
    }

    const RUN: (&str, &str) = ("XDG_RUNTIME_DIR", "/run/user/1");
    const HOME: (&str, &str) = ("HOME", "/home/a");
    const RUN_SOCKET: &str = "/run/user/1/martlet/control.sock";
    const HOME_SOCKET: &str = "/home/a/.local/share/martlet/control.sock";

    #[test]
    fn the_runtime_directory_comes_first() {
        assert_eq!(with(&[RUN, HOME], &[RUN_SOCKET, HOME_SOCKET]), Some(RUN_SOCKET.into()));
        assert_eq!(with(&[RUN, HOME], &[HOME_SOCKET]), Some(HOME_SOCKET.into()));
        assert_eq!(with(&[RUN, HOME], &[]), Some(RUN_SOCKET.into()));
        assert_eq!(with(&[HOME], &[]), Some(HOME_SOCKET.into()));
        assert_eq!(with(&[], &[]), None);
    }

    #[test]
    fn the_data_directory_can_be_moved_but_not_to_a_relative_path() {
        assert_eq!(
            with(&[HOME, ("XDG_DATA_HOME", "/data")], &[]),
            Some("/data/martlet/control.sock".into())
        );
        assert_eq!(with(&[HOME, ("XDG_DATA_HOME", "data")], &[]), Some(HOME_SOCKET.into()));
        assert_eq!(with(&[HOME, ("XDG_RUNTIME_DIR", "")], &[]), Some(HOME_SOCKET.into()));
    }
}
