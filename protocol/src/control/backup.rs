//! Backups.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::schema::DirectoryText;

/// `POST /v1/backup`: where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// An absolute path, on the daemon's machine. It is made if it isn't there; a backup in it is not written over.
    #[schema(value_type = DirectoryText)]
    pub directory: String,
}

/// A backup that was made and verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Backup {
    /// Where it is.
    pub directory: String,
    /// The files in it.
    pub files: Vec<String>,
    /// Their bytes in all.
    pub bytes: u64,
}
