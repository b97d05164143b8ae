//! `backup`: a copy of what must not be lost, of the running daemon.

use std::path::PathBuf;

use martlet_protocol::control::{Backup, BackupRequest};

use super::Context;
use crate::exit::Failure;
use crate::render::word;

/// Write a backup of the running daemon, verified
///
/// The vault (your identity, contacts and messages, encrypted), its key file, and the network's descriptor. In a
/// closed network that has the network's key. Whoever has the directory, and the passphrase if there is one, has all of
/// it. Put it back with: martletctl restore DIR
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl backup ~/backup/martlet-2026-11-29
  martletctl restore ~/backup/martlet-2026-11-29   put it back, with no daemon running and no vault there")]
pub(crate) struct Args {
    /// The directory: one that isn't there yet, or is empty
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        // The daemon has another working directory.
        let directory = std::path::absolute(&self.directory);
        let directory = directory.map_err(|error| Failure::Usage(error.to_string()))?;
        let directory = directory.into_os_string().into_string();
        let directory =
            directory.map_err(|_| Failure::Usage("the directory's name is no UTF-8".to_owned()))?;
        let request = BackupRequest { directory };
        let made: Backup = context.client()?.post("/v1/backup", &request).await?;
        context.output.show(&made, |made, page| {
            page.line(format!(
                "Made and verified: {}, {} bytes in {}",
                word(&made.directory),
                made.bytes,
                made.files.join(", ")
            ));
        })
    }
}
