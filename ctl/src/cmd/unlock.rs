//! `unlock`: open the vault.

use std::path::PathBuf;

use martlet_protocol::control::{LockState, Status, UnlockRequest};
use zeroize::Zeroize;

use super::Context;
use crate::exit::Failure;
use crate::passphrase;

/// Open the vault, with the passphrase
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl unlock
  martletctl unlock --passphrase-file ~/.config/martlet/passphrase")]
pub(crate) struct Args {
    /// Take the passphrase from the first line of FILE
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let passphrase = match &self.passphrase_file {
            Some(file) => Some(passphrase::from_file(file, &context.output)?),
            None => {
                let status: Status = client.get("/v1/status").await?;
                let has_passphrase = status.passphrase != Some(false);
                match status.lock {
                    LockState::Unlocked => {
                        return context.output.done("The vault is open already.");
                    }
                    LockState::Locked if has_passphrase => {
                        Some(passphrase::ask("Passphrase: ", &context.output).await?)
                    }
                    // The daemon has the words for why there is nothing to unlock.
                    LockState::Locked | LockState::NoIdentity => None,
                }
            }
        };
        let mut request = UnlockRequest {
            passphrase: passphrase.map(|mut passphrase| std::mem::take(&mut *passphrase)),
        };
        let answer: Result<(), _> = client.post_secret("/v1/unlock", &request).await;
        request.passphrase.zeroize();
        answer?;
        context.output.done("The vault is open.")
    }
}
