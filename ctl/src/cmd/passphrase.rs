//! `passphrase`: change it, set one, or remove it.

use std::path::PathBuf;

use martlet_protocol::control::{LockState, PassphraseChange, Status};
use zeroize::Zeroize;

use super::Context;
use crate::exit::Failure;
use crate::{passphrase, strength};

/// Change the vault's passphrase, set one, or remove it
///
/// A copy of the vault from before, such as a backup, keeps the passphrase it had.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl passphrase
  martletctl passphrase --old-file ~/.config/martlet/passphrase --new-file ~/.config/martlet/passphrase.new
  martletctl passphrase --remove")]
pub(crate) struct Args {
    /// Take the passphrase until now from the first line of FILE
    #[arg(long, value_name = "FILE")]
    old_file: Option<PathBuf>,

    /// Take the new passphrase from the first line of FILE
    #[arg(long, value_name = "FILE", conflicts_with = "remove")]
    new_file: Option<PathBuf>,

    /// No passphrase any more: whoever can read the daemon's files can read the messages
    #[arg(long)]
    remove: bool,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, output) = (context.client()?, &context.output);
        let old = match &self.old_file {
            Some(file) => Some(passphrase::from_file(file, output)?),
            None => {
                let status: Status = client.get("/v1/status").await?;
                // Without an identity the daemon has the words for it.
                let has_one =
                    status.lock != LockState::NoIdentity && status.passphrase != Some(false);
                match has_one {
                    true => Some(passphrase::ask("Passphrase until now: ", output).await?),
                    false => None,
                }
            }
        };
        let new = match &self.new_file {
            Some(file) => Some(passphrase::from_file(file, output)?),
            None if self.remove => None,
            None => Some(passphrase::ask_new(output, "To have none, use --remove.").await?),
        };
        if let Some(new) = &new {
            strength::tell(new, &[], output);
        }
        let [old, new] =
            [old, new].map(|typed| typed.map(|mut passphrase| std::mem::take(&mut *passphrase)));
        let mut request = PassphraseChange { old, new };
        let is_removed = request.new.is_none();
        let answer: Result<(), _> = client.post_secret("/v1/passphrase", &request).await;
        request.old.zeroize();
        request.new.zeroize();
        answer?;
        output.done(match is_removed {
            true => "The vault has no passphrase any more.",
            false => "The vault has the new passphrase.",
        })
    }
}
