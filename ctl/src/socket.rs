//! Where the daemon's socket is.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The socket that was named, or where it may be.
pub(crate) fn sockets(named: Option<PathBuf>) -> Vec<PathBuf> {
    match named {
        Some(socket) => vec![socket],
        None => default_sockets(
            |name| env::var_os(name),
            rustix::process::geteuid().as_raw(),
            Path::is_dir,
        ),
    }
}

/// Where the service of the machine has its socket (`packaging/systemd/system`).
const SERVICE_DIRECTORY: &str = "/run/martlet";

/// Where the socket may be when none was named, the likeliest first: in the runtime directory, in the data directory, and
/// where the machine's service has it. Empty when none can be told, for want of `HOME`.
///
/// Directories are those of the XDG Base Directory Specification, which has relative ones ignored. `cron`, `su`
/// and `sudo` leave `XDG_RUNTIME_DIR` out, or another user's in: so the directory that systemd makes for the user
/// `uid` is looked into besides, where there is one.
fn default_sockets(
    environment: impl Fn(&str) -> Option<OsString>,
    uid: u32,
    is_there: impl Fn(&Path) -> bool,
) -> Vec<PathBuf> {
    let directory = |name| environment(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let usual = PathBuf::from(format!("/run/user/{uid}"));
    let data = directory("XDG_DATA_HOME")
        .or_else(|| directory("HOME").map(|home| home.join(".local/share")));
    let places = [directory("XDG_RUNTIME_DIR"), Some(usual).filter(|path| is_there(path)), data];
    let mut sockets: Vec<PathBuf> =
        places.into_iter().flatten().map(|path| path.join("martlet/control.sock")).collect();
    let service = Path::new(SERVICE_DIRECTORY);
    if is_there(service) {
        sockets.push(service.join("control.sock"));
    }
    sockets.dedup();
    sockets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)], there: &[&str]) -> Vec<PathBuf> {
        default_sockets(
            |name| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()),
            1,
            |path| there.iter().any(|t| path == Path::new(t)),
        )
    }

    fn paths<const N: usize>(paths: [&str; N]) -> Vec<PathBuf> {
        paths.map(PathBuf::from).to_vec()
    }

    const RUN: (&str, &str) = ("XDG_RUNTIME_DIR", "/run/user/1");
    const HOME: (&str, &str) = ("HOME", "/home/a");
    const RUN_SOCKET: &str = "/run/user/1/martlet/control.sock";
    const HOME_SOCKET: &str = "/home/a/.local/share/martlet/control.sock";

    #[test]
    fn the_runtime_directory_comes_first() {
        assert_eq!(with(&[RUN, HOME], &["/run/user/1"]), paths([RUN_SOCKET, HOME_SOCKET]));
        assert_eq!(with(&[RUN, HOME], &[]), paths([RUN_SOCKET, HOME_SOCKET]));
        assert_eq!(with(&[HOME], &[]), paths([HOME_SOCKET]));
        assert_eq!(with(&[], &[]), paths([]));
    }

    /// Without `XDG_RUNTIME_DIR` (cron, su, sudo) only the data directory was looked into, and a daemon that
    /// runs was said not to.
    #[test]
    fn the_users_own_runtime_directory_is_looked_into_where_the_environment_names_none() {
        assert_eq!(with(&[HOME], &["/run/user/1"]), paths([RUN_SOCKET, HOME_SOCKET]));
        assert_eq!(with(&[], &["/run/user/1"]), paths([RUN_SOCKET]));
        let of_another = ("XDG_RUNTIME_DIR", "/run/user/2");
        assert_eq!(
            with(&[of_another, HOME], &["/run/user/1"]),
            paths(["/run/user/2/martlet/control.sock", RUN_SOCKET, HOME_SOCKET])
        );
    }

    #[test]
    fn the_machines_service_comes_last_and_only_where_there_is_one() {
        let service = "/run/martlet/control.sock";
        assert_eq!(
            with(&[RUN, HOME], &["/run/martlet"]),
            paths([RUN_SOCKET, HOME_SOCKET, service])
        );
        assert_eq!(with(&[], &["/run/martlet"]), paths([service]));
    }

    #[test]
    fn the_data_directory_can_be_moved_but_not_to_a_relative_path() {
        let moved = with(&[HOME, ("XDG_DATA_HOME", "/data")], &[]);
        assert_eq!(moved, paths(["/data/martlet/control.sock"]));
        assert_eq!(with(&[HOME, ("XDG_DATA_HOME", "data")], &[]), paths([HOME_SOCKET]));
        assert_eq!(with(&[HOME, ("XDG_RUNTIME_DIR", "")], &[]), paths([HOME_SOCKET]));
    }
}
