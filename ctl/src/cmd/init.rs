//! `init`: create the identity.

use std::path::PathBuf;

use martlet_protocol::control::{
    ErrorCode, Identity, InitRequest, InitResponse, LockState, Problem, RecoverRequest, Status,
};
use zeroize::Zeroize;

use super::Context;
use crate::client::{Client, ClientError};
use crate::exit::Failure;
use crate::render::{Page, Paint, word};
use crate::{passphrase, phrase, sheet, strength};

/// Create your identity; prints its ID, recovery phrase and kill phrase
///
/// With --recover your identity comes back from its recovery phrase: the same one, on a new device. Your contacts find it
/// by the ID that they have, and see that it has a new device. Messages don't come back; contacts do if another device of
/// yours is on. Timers of conversations that were set before are not known here until they are set again.
///
/// The passphrase protects the identity and the messages on this machine; it is asked for twice
/// unless one of the options says otherwise. It can't be recovered.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl init --name Alice
  martletctl init --name Alice --passphrase-file ~/.config/martlet/passphrase
  pass show martlet | martletctl init --passphrase-file /dev/stdin
  martletctl init --recover                   asks for the 24 words, then for a new passphrase
  martletctl init --recover --phrase-file /media/usb/phrase.txt")]
pub(crate) struct Args {
    /// Your name. Others see it with your first message, and may call you by another one
    #[arg(long)]
    name: Option<String>,

    /// Take the passphrase from the first line of FILE
    #[arg(long, value_name = "FILE", conflicts_with = "no_passphrase")]
    passphrase_file: Option<PathBuf>,

    /// No passphrase: whoever can read the daemon's files can read the messages
    #[arg(long)]
    no_passphrase: bool,

    /// Recover the identity from its recovery phrase, which is asked for, or read from standard input
    #[arg(long)]
    recover: bool,

    /// Take the recovery phrase from FILE
    #[arg(long, value_name = "FILE", requires = "recover")]
    phrase_file: Option<PathBuf>,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let phrase = match self.recover {
            false => None,
            true => {
                if self.phrase_file.is_none() {
                    check_none(client).await?;
                }
                Some(phrase::given(self.phrase_file.as_deref(), &context.output).await?)
            }
        };
        let passphrase = match &self.passphrase_file {
            Some(file) => Some(passphrase::from_file(file, &context.output)?),
            None if self.no_passphrase => None,
            None => {
                // Before the user has thought of a passphrase in vain.
                check_none(client).await?;
                Some(passphrase::ask_new(&context.output, WITHOUT).await?)
            }
        };
        if let Some(passphrase) = &passphrase {
            let words: Vec<&str> = self.name.iter().map(String::as_str).collect();
            strength::tell(passphrase, &words, &context.output);
        }
        let passphrase = passphrase.map(|mut passphrase| std::mem::take(&mut *passphrase));
        if let Some(mut phrase) = phrase {
            let recovery_phrase = std::mem::take(&mut *phrase);
            let mut request = RecoverRequest { name: self.name, passphrase, recovery_phrase };
            let answer = client.post_secret("/v1/identity/recover", &request).await;
            request.passphrase.zeroize();
            request.recovery_phrase.zeroize();
            return context.output.show::<Identity>(&answer?, recovered);
        }
        let mut request = InitRequest { name: self.name, passphrase };
        let answer = client.post_secret("/v1/identity", &request).await;
        request.passphrase.zeroize();
        let mut answer: InitResponse = answer?;
        let shown = sheet::show(&answer, &context.output);
        answer.recovery_phrase.zeroize();
        answer.kill_phrase.zeroize();
        shown
    }
}

const WITHOUT: &str = "For a vault without a passphrase use --no-passphrase.";

/// Before something is asked for in vain.
async fn check_none(client: &Client) -> Result<(), ClientError> {
    let status: Status = client.get("/v1/status").await?;
    if status.lock == LockState::NoIdentity { Ok(()) } else { Err(exists()) }
}

fn recovered(identity: &Identity, page: &mut Page) {
    page.line("Your identity is back, on this device. Your ID:");
    page.line("");
    page.line(format!("  {}", page.paint(Paint::Bold, &word(&identity.id))));
    page.line("");
    page.line(
        "Your contacts find you by it, and see that you have a new device. Messages are gone. Your list of contacts comes by \
         itself if another device of yours is on, with the timers of conversations. Else add them again (martletctl contact \
         add), or accept them when they write (martletctl requests list), and set timers again (martletctl conversation set \
         NAME --expire TIME). A room comes back when a contact of yours writes in it.",
    );
    page.line(
        "If your account was terminated this one is, too, once that notice comes: martletctl status says so.",
    );
    page.line(
        "If you had reset your ID (martletctl id --reset), your contacts have another one. Then reset it again, and write to \
         each of them.",
    );
}

fn exists() -> ClientError {
    ClientError::Problem(Problem::new(
        ErrorCode::IdentityExists,
        "there is an identity already: `martletctl id` shows its ID",
    ))
}
