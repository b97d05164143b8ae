//! `init`: create the identity.

use std::path::PathBuf;

use martlet_protocol::control::{ErrorCode, InitRequest, InitResponse, LockState, Problem, Status};
use zeroize::Zeroize;

use super::Context;
use crate::client::ClientError;
use crate::exit::Failure;
use crate::passphrase;
use crate::render::{Page, Paint, word};

/// Create your identity; prints its ID, and the recovery phrase once
///
/// The passphrase protects the identity and the messages on this machine; it is asked for twice
/// unless one of the options says otherwise. It can't be recovered.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl init --name Alice
  martletctl init --name Alice --passphrase-file ~/.config/martlet/passphrase
  pass show martlet | martletctl init --passphrase-file /dev/stdin")]
pub(crate) struct Args {
    /// The name that others are offered for you with your first message
    #[arg(long)]
    name: Option<String>,

    /// Take the passphrase from the first line of FILE
    #[arg(long, value_name = "FILE", conflicts_with = "no_passphrase")]
    passphrase_file: Option<PathBuf>,

    /// No passphrase: whoever can read the daemon's files can read the messages
    #[arg(long)]
    no_passphrase: bool,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let passphrase = match &self.passphrase_file {
            Some(file) => Some(passphrase::from_file(file, &context.output)?),
            None if self.no_passphrase => None,
            None => {
                // Before the user has thought of a passphrase in vain.
                let status: Status = client.get("/v1/status").await?;
                if status.lock != LockState::NoIdentity {
                    return Err(exists().into());
                }
                Some(passphrase::ask_new(&context.output).await?)
            }
        };
        let mut request = InitRequest {
            name: self.name,
            passphrase: passphrase.map(|mut passphrase| std::mem::take(&mut *passphrase)),
        };
        let answer = client.post_secret("/v1/identity", &request).await;
        request.passphrase.zeroize();
        let mut answer: InitResponse = answer?;
        let shown = context.output.show(&answer, human);
        answer.recovery_phrase.zeroize();
        shown
    }
}

fn exists() -> ClientError {
    ClientError::Problem(Problem::new(
        ErrorCode::IdentityExists,
        "there is an identity already: `martletctl id` shows its ID",
    ))
}

fn human(answer: &InitResponse, page: &mut Page) {
    page.line("Your ID, to give to others:");
    page.line("");
    page.line(format!("  {}", page.paint(Paint::Bold, &word(&answer.id))));
    page.line("");
    page.line("Your recovery phrase:");
    page.line("");
    let words: Vec<&str> = answer.recovery_phrase.split_whitespace().collect();
    for line in words.chunks(6) {
        page.line(format!("  {}", page.paint(Paint::Bold, &word(&line.join(" ")))));
    }
    page.line("");
    page.line(
        "Write these words on paper now, in this order, and keep them where only you can get at them: they are your \
         identity. They are shown this once and stored nowhere; without them a lost machine or a forgotten \
         passphrase is a lost identity.",
    );
}

#[cfg(test)]
mod tests {
    use martlet_protocol::UnixMillis;

    use super::*;
    use crate::render::Clock;

    #[test]
    fn the_phrase_is_shown_six_words_a_line() {
        let words: Vec<String> = (1..=24).map(|number| format!("w{number}")).collect();
        let answer = InitResponse { id: "martlet1x".to_owned(), recovery_phrase: words.join(" ") };
        let mut page = Page::new(false, Clock::at(UnixMillis(0)));
        human(&answer, &mut page);
        assert!(page.text().contains("\n  martlet1x\n"));
        assert!(page.text().contains("\n  w1 w2 w3 w4 w5 w6\n  w7 "));
        assert!(page.text().contains(" w24\n\nWrite these words"));
    }
}
