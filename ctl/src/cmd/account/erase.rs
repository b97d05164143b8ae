//! `account erase`: the account ends on this node.

use martlet_protocol::control::{ERASE_CONFIRMATION, EraseRequest, Erased, LockState, Status};

use crate::cmd::Context;
use crate::exit::Failure;
use crate::render::{Page, word};

/// Erase your account from this node: identity, keys, contacts, all messages
///
/// It can't be undone. The keys are overwritten, then the files removed. The daemon goes on for others, without a user; a new
/// identity can be made at once. No passphrase is asked for: who can use the daemon can remove its files as well.
///
/// Others keep what you wrote to them. What is on its way to them goes on, sealed, for six days at most. Your contacts are not
/// told. Your identity is not terminated (martletctl account terminate does that, before). It goes on elsewhere: on your other
/// devices, from a backup, and from the recovery phrase. Backups and exports, a file with the passphrase, and the cursor files
/// of martletctl listen stay where they are.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl account export ~/last-look && martletctl account erase
  martletctl account erase --yes 'erase this account'")]
pub(crate) struct Args {
    /// Don't ask: the words that would be asked for, "erase this account"
    #[arg(long, value_name = "WORDS")]
    yes: Option<String>,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let (client, output) = (context.client()?, &context.output);
        match &self.yes {
            Some(words) if words == ERASE_CONFIRMATION => {}
            Some(_) => {
                return Err(Failure::Usage(format!(
                    "nothing was erased: --yes must be '{ERASE_CONFIRMATION}'"
                )));
            }
            None => {
                // Asked only where there is something to erase.
                let status: Status = client.get("/v1/status").await?;
                if status.lock != LockState::NoIdentity {
                    output.note(WARNING);
                    let option = format!("--yes '{ERASE_CONFIRMATION}'");
                    output.confirm_words(ERASE_CONFIRMATION, &option, "nothing was erased")?;
                }
            }
        }
        let request = EraseRequest { confirm: ERASE_CONFIRMATION.to_owned() };
        let erased: Erased = client.post("/v1/account/erase", &request).await?;
        output.show(&erased, human)
    }
}

/// What is asked about.
const WARNING: &str = "\
This erases your account from this node: identity, keys, contacts, all messages, drafts and settings. It can't be undone. \
Others keep what you wrote to them. Your identity is not terminated, and nobody is told: it goes on on your other devices, \
from a backup, and from the recovery phrase.";

fn human(erased: &Erased, page: &mut Page) {
    page.line("Erased: this node has no user any more. It goes on for others.");
    page.line(
        "Others keep what you wrote to them, and what is on its way to them goes on, sealed, for six days at most. Your \
         identity is not terminated: it goes on on your other devices, and can go on from a backup or from the recovery \
         phrase. Remove backups, exports and a file with the passphrase yourself.",
    );
    if !erased.copies.is_empty() {
        let copies: Vec<_> = erased.copies.iter().map(|copy| word(copy)).collect();
        page.line(format!(
            "In the data directory are copies of the vault that somebody made. They stay: {}",
            copies.join(", ")
        ));
    }
}
