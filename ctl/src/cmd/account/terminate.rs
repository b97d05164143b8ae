//! `account terminate`: the identity ends, for everyone.

use std::path::PathBuf;

use martlet_protocol::control::{
    ErrorCode, Identity, Problem, Status, TerminateRequest, TerminateResponse,
};
use zeroize::{Zeroize, Zeroizing};

use crate::client::{Client, ClientError};
use crate::cmd::Context;
use crate::exit::Failure;
use crate::passphrase;
use crate::render::{Page, word};

/// What is to be typed before an identity ends: a mere yes is typed too easily.
const TYPED: &str = "terminate";

/// Terminate the identity: nobody can use it again, and your contacts see that it ended
///
/// Nothing is sent or received any more, by any of your devices. Your contacts' nodes tell it on for 90 days. What you have
/// on this device stays, and can be read and exported. It can't be undone, not by the recovery phrase either.
///
/// With the kill phrase, which `init` showed, and your ID, any node of the network will do, also one of someone else's.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl account terminate
  martletctl account terminate --yes --passphrase-file ~/.config/martlet/passphrase
  martletctl account terminate --id martlet1… --kill-phrase-file -      asks for the kill phrase")]
pub(crate) struct Args {
    /// The ID that is to end, with the kill phrase. By default your own, if it is on this node
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Take the kill phrase from the first line of FILE, or ask for it if FILE is -
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    kill_phrase_file: Option<PathBuf>,
    /// Take the vault's passphrase from the first line of FILE
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Don't ask whether to do it
    #[arg(long, short)]
    yes: bool,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let Self { id, kill_phrase_file, passphrase_file, yes } = self;
        let (client, output) = (context.client()?, &context.output);
        let id = match id {
            Some(id) => id,
            None => own(client).await?,
        };
        if !yes {
            output.note(&format!(
                "This ends the identity {} for good. It can't be undone.",
                word(&id)
            ));
            output.confirm_words(TYPED, "--yes", "the identity was not terminated")?;
        }
        let (passphrase, kill_phrase) = match (kill_phrase_file, passphrase_file) {
            (Some(file), _) if file.as_os_str() == "-" => {
                (None, Some(passphrase::ask("Kill phrase, 12 words: ", output).await?))
            }
            (Some(file), _) => (None, Some(passphrase::kill_phrase(&file, output)?)),
            (None, Some(file)) => (Some(passphrase::from_file(&file, output)?), None),
            (None, None) => {
                let status: Status = client.get("/v1/status").await?;
                match status.passphrase {
                    Some(true) => (Some(passphrase::ask("Passphrase: ", output).await?), None),
                    Some(false) | None => (None, None),
                }
            }
        };
        let taken = |secret: Option<Zeroizing<String>>| {
            secret.map(|mut secret| std::mem::take(&mut *secret))
        };
        let (passphrase, kill_phrase) = (taken(passphrase), taken(kill_phrase));
        let mut request = TerminateRequest { id, passphrase, kill_phrase };
        let answer = client.post_secret("/v1/account/terminate", &request).await;
        request.passphrase.zeroize();
        request.kill_phrase.zeroize();
        let answer: TerminateResponse = answer?;
        output.show(&answer, human)
    }
}

/// The ID of this node's user.
async fn own(client: &Client) -> Result<String, ClientError> {
    match client.get::<Identity>("/v1/identity").await {
        Ok(identity) => Ok(identity.id),
        // Making one would be no help to someone who wants to end another.
        Err(ClientError::Problem(problem)) if problem.code == ErrorCode::NoIdentity => {
            Err(ClientError::Problem(Problem::new(ErrorCode::NoIdentity, WHICH)))
        }
        Err(error) => Err(error),
    }
}

const WHICH: &str = "there is no identity on this node: name the identity with --id, and give its kill phrase: martletctl account terminate \
     --id ID --kill-phrase-file -";

fn human(answer: &TerminateResponse, page: &mut Page) {
    if answer.verified {
        page.line("The identity is terminated. Its contacts are told.");
        return;
    }
    page.line(
        "It is told to the network that the identity ended. This node can't tell whether the kill phrase is the right one: \
         its contacts' nodes can. Keep this daemon running until it has peers.",
    );
}
