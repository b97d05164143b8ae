//! Backups of the running daemon.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use axum::Json;
use axum::extract::State;
use martlet_engine::backup::BackupError;
use martlet_protocol::control::{Backup, BackupRequest, Problem};

use super::Shared;
use super::endpoints::endpoints;
use super::extract::JsonBody;
use super::problem::Refusal;

endpoints!(back_up);

/// Writes a backup: the vault, its key file and its erasable keys, and the network's descriptor, with its key. Answered once it is verified.
#[utoipa::path(post, path = "/v1/backup", tag = "daemon", request_body = BackupRequest, responses(
    (status = 200, body = Backup),
    (status = "default", body = Problem, content_type = "application/problem+json"),
))]
async fn back_up(
    State(shared): State<Shared>,
    JsonBody(request): JsonBody<BackupRequest>,
) -> Result<Json<Backup>, Refusal> {
    let directory = PathBuf::from(&request.directory);
    if !directory.is_absolute() {
        return Err(Refusal::bad_request("directory must be an absolute path"));
    }
    let descriptor = shared.context().network.to_toml();
    let bytes = shared.engine().back_up(directory.clone(), move |directory| {
        write_descriptor(&directory.join("network.toml"), descriptor.as_bytes())
    });
    let files =
        ["vault.redb", "vault.key", "vault.keys", "network.toml"].map(String::from).to_vec();
    Ok(Json(Backup { directory: request.directory, files, bytes: bytes.await? }))
}

/// Bytes written.
fn write_descriptor(path: &Path, bytes: &[u8]) -> Result<u64, BackupError> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let written = file.and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let failed = |error| BackupError::Io { path: path.display().to_string(), error };
    // What is half done is no backup.
    written.inspect_err(|_| drop(std::fs::remove_file(path))).map_err(failed)?;
    Ok(u64::try_from(bytes.len()).unwrap_or_default())
}
