//! What the configuration says of the node's user.

use std::path::PathBuf;

use martlet_protocol::control::Role;

use super::{AutoLock, ConfigError, Notify, Settings, paths};

/// The user who may be here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserConfig {
    /// Whether an identity may be made and used here.
    pub is_allowed: bool,
    /// After how long without a request of theirs the vault is locked.
    pub auto_lock: AutoLock,
    /// Whether contacts are told where this node is, so that they can fetch files from it.
    pub direct_files: bool,
    /// Whether depots are brought the user's large files.
    pub depot_files: bool,
    /// Where the passphrase is, for the vault to be opened at the start.
    pub passphrase_file: Option<PathBuf>,
    /// The same from the service manager.
    pub credential: Option<PathBuf>,
    /// What a notification of a message says.
    pub notify: Notify,
    /// The program that shows it, and its arguments; without one the desktop does, by D-Bus.
    pub notify_command: Vec<String>,
}

impl UserConfig {
    /// As `settings` have it, for a node of this role, in a network that stays on its LAN or not.
    pub(super) fn of(
        settings: &Settings,
        (role, is_lan_only): (Role, bool),
        lookup: paths::Lookup<'_>,
    ) -> Result<Self, ConfigError> {
        let notify = settings.notify.unwrap_or_default();
        let notify_command = settings.notify_command.clone().unwrap_or_default();
        let has_program = match notify_command.first() {
            Some(program) => !program.is_empty(),
            // The desktop shows them.
            None => cfg!(feature = "dbus"),
        };
        if notify != Notify::Off && !has_program {
            let text =
                "notify needs a program that shows notifications: notify_command = [\"PROGRAM\"]";
            return Err(ConfigError::Conflict(text.into()));
        }
        let direct_files = settings.direct_files.unwrap_or(is_lan_only);
        Ok(Self {
            is_allowed: settings.user.unwrap_or(role != Role::Mailbox),
            auto_lock: settings.auto_lock.unwrap_or_default(),
            direct_files,
            depot_files: settings.depot_files.unwrap_or(direct_files),
            passphrase_file: settings.passphrase_file.clone(),
            credential: paths::credential(lookup),
            notify,
            notify_command,
        })
    }
}
