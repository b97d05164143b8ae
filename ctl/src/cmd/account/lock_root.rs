//! `account lock-root`: the root leaves the vault, and is in the recovery phrase alone.

use std::path::PathBuf;

use martlet_protocol::control::{LockRootRequest, Shred};
use zeroize::Zeroize;

use crate::cmd::{Context, shred};
use crate::exit::Failure;
use crate::render::Page;
use crate::{passphrase, phrase};

/// Take the root of your identity out of this vault: from then on it is only in your recovery phrase
///
/// Who then steals this device, or its files and the passphrase, can't link devices of their own to your identity: they have this one
/// device, until you revoke it. Linking and revoking devices goes on: martletctl asks for the recovery phrase each time.
///
/// You are asked for the last four words of the phrase first, so that you don't lock yourself out. What the files hold of the root is
/// shredded; that is waited for. Backups made before still have it. So have other devices on which you recovered your identity: run it
/// there, too. It can't be undone here: a vault that has the root again is made by martletctl init --recover.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl account lock-root
  martletctl account lock-root --last-words-file /media/usb/last-words.txt")]
pub(crate) struct Args {
    /// Take the last four words of your recovery phrase from the first line of FILE
    #[arg(long, value_name = "FILE")]
    last_words_file: Option<PathBuf>,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, output) = (context.client()?, &context.output);
        let mut last_words = match self.last_words_file {
            Some(file) => passphrase::last_words(&file, output)?,
            None => {
                output.note(WARNING);
                phrase::ask_last(output).await?
            }
        };
        let mut request = LockRootRequest { last_words: std::mem::take(&mut *last_words) };
        let answer = client.post_secret("/v1/account/lock-root", &request).await;
        request.last_words.zeroize();
        let shred: Shred = shred::wait(answer?, client, output).await?;
        output.show(&shred, human)
    }
}

/// What is asked about.
const WARNING: &str = "\
This takes the root of your identity out of this vault. From then on it is only in your recovery phrase. Without the phrase you could \
link and revoke no device any more, and not get your identity back. So have it at hand, on paper (martletctl account phrase shows it).";

fn human(_: &Shred, page: &mut Page) {
    page.line(
        "Done: the root of your identity is not on this device any more, and what the files held of it is shredded. To link or revoke \
         a device, martletctl asks for your recovery phrase.",
    );
    page.line(
        "Backups of before still have the root: remove them, and make new ones (martletctl backup). So have devices on which you \
         recovered your identity.",
    );
}
