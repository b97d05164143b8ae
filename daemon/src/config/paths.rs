//! Where files are when nothing says otherwise: the XDG base directories.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The network's descriptor, beside the configuration file.
pub const NETWORK_FILE: &str = "network.toml";

/// The credential that is the vault's passphrase.
const CREDENTIAL: &str = "martlet-passphrase";

/// Reads an environment variable: `std::env::var_os`, or a test's.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// `$XDG_DATA_HOME/martlet`, else `~/.local/share/martlet`; `None` where there is no home either.
#[must_use]
pub fn data_dir(lookup: Lookup<'_>) -> Option<PathBuf> {
    base(lookup, "XDG_DATA_HOME", ".local/share").map(|base| base.join("martlet"))
}

/// `$XDG_CONFIG_HOME/martlet/martletd.toml`, else `~/.config/martlet/martletd.toml`.
#[must_use]
pub fn config_file(lookup: Lookup<'_>) -> Option<PathBuf> {
    base(lookup, "XDG_CONFIG_HOME", ".config").map(|base| base.join("martlet/martletd.toml"))
}

/// `$XDG_RUNTIME_DIR/martlet/control.sock`, else `<data-dir>/control.sock`.
#[must_use]
pub fn socket(lookup: Lookup<'_>, data_dir: &Path) -> PathBuf {
    match absolute(lookup, "XDG_RUNTIME_DIR") {
        Some(runtime_dir) => runtime_dir.join("martlet/control.sock"),
        None => data_dir.join("control.sock"),
    }
}

/// `$CREDENTIALS_DIRECTORY/martlet-passphrase`, if it is there: what the service manager was told to pass on
/// (`LoadCredential=`, `LoadCredentialEncrypted=` in systemd.exec(5)).
#[must_use]
pub fn credential(lookup: Lookup<'_>) -> Option<PathBuf> {
    let credential = absolute(lookup, "CREDENTIALS_DIRECTORY")?.join(CREDENTIAL);
    credential.exists().then_some(credential)
}

fn base(lookup: Lookup<'_>, variable: &str, below_home: &str) -> Option<PathBuf> {
    absolute(lookup, variable).or_else(|| Some(absolute(lookup, "HOME")?.join(below_home)))
}

/// The XDG specification says that relative paths are to be ignored.
fn absolute(lookup: Lookup<'_>, variable: &str) -> Option<PathBuf> {
    lookup(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follow_xdg() {
        let home = |name: &str| (name == "HOME").then(|| OsString::from("/home/ann"));
        assert_eq!(data_dir(&home), Some("/home/ann/.local/share/martlet".into()));
        assert_eq!(config_file(&home), Some("/home/ann/.config/martlet/martletd.toml".into()));
        assert_eq!(socket(&home, Path::new("/d")), PathBuf::from("/d/control.sock"));

        let xdg = |name: &str| Some(OsString::from(format!("/x/{name}")));
        assert_eq!(data_dir(&xdg), Some("/x/XDG_DATA_HOME/martlet".into()));
        assert_eq!(
            socket(&xdg, Path::new("/d")),
            PathBuf::from("/x/XDG_RUNTIME_DIR/martlet/control.sock")
        );

        let relative = |name: &str| (name != "HOME").then(|| OsString::from("relative"));
        assert_eq!(data_dir(&relative), None);
    }
}
