//! `account phrase`: what `init` showed, once more.

use std::path::PathBuf;

use martlet_protocol::control::{InitResponse, PhraseRequest, Status};
use zeroize::Zeroize;

use crate::cmd::Context;
use crate::exit::Failure;
use crate::{passphrase, sheet};

/// What is to be typed where there is no passphrase to ask for.
const TYPED: &str = "show the phrase";

/// Show your ID, recovery phrase and kill phrase once more, as init did
///
/// Whoever sees the recovery phrase can be you. So the vault's passphrase is asked for, also while the vault is open. Where there
/// is none, you are asked to type a few words. The vault must be open.
///
/// A device that was linked does not have them: it says which one to go to.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl account phrase
  martletctl account phrase --passphrase-file ~/.config/martlet/passphrase
  martletctl account phrase --yes                a vault without a passphrase")]
pub(crate) struct Args {
    /// Take the vault's passphrase from the first line of FILE
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Don't ask to type words, where there is no passphrase
    #[arg(long, short)]
    yes: bool,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, output) = (context.client()?, &context.output);
        let passphrase = match self.passphrase_file {
            Some(file) => Some(passphrase::from_file(&file, output)?),
            None => {
                let status: Status = client.get("/v1/status").await?;
                match status.passphrase {
                    Some(true) => Some(passphrase::ask("Passphrase: ", output).await?),
                    Some(false) if !self.yes => {
                        output.note("Whoever sees your recovery phrase can be you.");
                        output.confirm_words(TYPED, "--yes", "nothing was shown")?;
                        None
                    }
                    Some(false) | None => None,
                }
            }
        };
        let passphrase = passphrase.map(|mut secret| std::mem::take(&mut *secret));
        let mut request = PhraseRequest { passphrase };
        let answer = client.post_secret("/v1/account/phrase", &request).await;
        request.passphrase.zeroize();
        let mut answer: InitResponse = answer?;
        let shown = sheet::show(&answer, output);
        answer.recovery_phrase.zeroize();
        answer.kill_phrase.zeroize();
        shown
    }
}
