//! `device join`: this device joins an identity.

use std::io::{IsTerminal, stdin};
use std::path::PathBuf;
use std::str::FromStr;

use martlet_protocol::control::{
    ErrorCode, Join, JoinRequest, JoinState, LockState, Problem, Status,
};
use martlet_protocol::link::LinkCode;
use zeroize::{Zeroize, Zeroizing};

use super::super::Context;
use super::super::text::given;
use super::reason;
use super::wait::{POLL_EVERY, Wait};
use crate::client::{Client, ClientError};
use crate::exit::Failure;
use crate::render::{Page, Paint, word};
use crate::{passphrase, strength};

/// How often a code is asked for before giving up.
const ATTEMPTS_MAX: u32 = 3;

/// Have this device join your identity, by the code that the other one shows
///
/// There must be no identity yet, and the daemon must be part of the same network as the other device's. Both devices then show
/// three numbers. Compare them, and answer on the other one.
///
/// The passphrase protects what is on this device. It may be another one than on your other devices, and is asked for twice unless one
/// of the options says otherwise.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl device join                                 asks for the code
  martletctl device join --name phone                    the same, and names this device
  martletctl --json device join - --no-passphrase --no-wait <code.txt
  martletctl --json device join --status

Other users of the machine can see what is on the command line, and the shell keeps it: '-' reads the code from \
standard input.")]
pub(super) struct Args {
    /// The code; - reads it from standard input. Without it, it is asked for
    #[arg(conflicts_with_all = ["status", "cancel"])]
    code: Option<String>,

    /// What this device is called; your contacts see it
    #[arg(long)]
    name: Option<String>,

    /// Take the passphrase from the first line of FILE
    #[arg(long, value_name = "FILE", conflicts_with = "no_passphrase")]
    passphrase_file: Option<PathBuf>,

    /// No passphrase: whoever can read the daemon's files can read the messages
    #[arg(long)]
    no_passphrase: bool,

    /// Return at once
    #[arg(long, group = "what")]
    no_wait: bool,

    /// Show how far it came
    #[arg(long, group = "what")]
    status: bool,

    /// End it
    #[arg(long, group = "what")]
    cancel: bool,
}

impl Args {
    /// Runs the verb.
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        if self.status {
            return context.output.show(&client.get::<Join>("/v1/join").await?, human);
        }
        if self.cancel {
            client.delete("/v1/join").await?;
            return context.output.done("This device joins no identity.");
        }
        // Before anything is asked for in vain.
        check_none(client).await?;
        let code = match self.code {
            Some(code) => {
                let code = Zeroizing::new(given(code)?);
                LinkCode::from_str(&code).map_err(|error| refused(error.to_string()))?;
                code
            }
            None => ask(context)?,
        };
        let passphrase = match &self.passphrase_file {
            Some(file) => Some(passphrase::from_file(file, &context.output)?),
            None if self.no_passphrase => None,
            None => Some(passphrase::ask_new(&context.output, WITHOUT).await?),
        };
        if let Some(passphrase) = &passphrase {
            let words: Vec<&str> = self.name.iter().map(String::as_str).collect();
            strength::tell(passphrase, &words, &context.output);
        }
        let mut wait = Wait::begin()?;
        let mut request = JoinRequest {
            code: code.to_string(),
            name: self.name,
            passphrase: passphrase.map(|mut passphrase| std::mem::take(&mut *passphrase)),
        };
        let answer = client.post_secret::<_, Join>("/v1/join", &request).await;
        request.code.zeroize();
        request.passphrase.zeroize();
        let mut join = answer?;
        context.output.show(&join, human)?;
        if self.no_wait {
            return Ok(());
        }
        loop {
            if let Err(interrupted) = wait.sleep(POLL_EVERY).await {
                client.delete("/v1/join").await?;
                return Err(interrupted);
            }
            let before = join.state;
            join = client.get("/v1/join").await?;
            match join.state {
                JoinState::Joining => {}
                JoinState::Compare if before != JoinState::Compare => {
                    context.output.show(&join, human)?;
                }
                JoinState::Compare => {}
                JoinState::Joined => return context.output.show(&join, human),
                JoinState::Refused | JoinState::Expired => return end(&join, context),
            }
        }
    }
}

const WITHOUT: &str = "For a vault without a passphrase use --no-passphrase.";

async fn check_none(client: &Client) -> Result<(), ClientError> {
    let status: Status = client.get("/v1/status").await?;
    if status.lock == LockState::NoIdentity {
        return Ok(());
    }
    Err(ClientError::Problem(Problem::new(
        ErrorCode::IdentityExists,
        "there is an identity already, and a device belongs to one; the new device needs a data directory of its own",
    )))
}

/// Asks for the code on the terminal: three times, if it is mistyped.
fn ask(context: &Context) -> Result<Zeroizing<String>, Failure> {
    if !stdin().is_terminal() {
        return Err(Failure::Usage(
            "standard input is not a terminal, so the code can't be asked for: give it, or - to read it from standard input"
                .to_owned(),
        ));
    }
    let mut said = String::new();
    for _ in 0..ATTEMPTS_MAX {
        context.output.prompt("Code: ");
        let mut code = Zeroizing::new(String::new());
        let read = stdin().read_line(&mut code);
        read.map_err(|error| Failure::Usage(format!("cannot use the terminal: {error}")))?;
        match LinkCode::from_str(&code) {
            Ok(_) => return Ok(code),
            Err(error) => {
                said = error.to_string();
                context.output.note(&said);
            }
        }
    }
    Err(refused(said))
}

fn refused(why: String) -> Failure {
    Failure::Client(ClientError::Problem(Problem::new(ErrorCode::InvalidLinkCode, why)))
}

fn human(join: &Join, page: &mut Page) {
    match join.state {
        JoinState::Joining => {
            page.line("Looking for the other device. Both have to be connected to the network.");
        }
        JoinState::Compare => {
            page.line("The other device has to show these numbers, and no others:");
            page.line("");
            let numbers = word(join.numbers.as_deref().unwrap_or_default());
            page.line(format!("  {}", page.paint(Paint::Bold, &numbers)));
            page.line("");
            page.line("Compare them, and answer on the other device.");
        }
        JoinState::Joined => {
            page.line("This device is linked. Your ID:");
            page.line("");
            let id = word(join.id.as_deref().unwrap_or_default());
            page.line(format!("  {}", page.paint(Paint::Bold, &id)));
            page.line("");
            page.line(
                "Your contacts, who you blocked and your settings come from the other device. What was written before now stays there, \
                 unless it was told --history: then martletctl device list shows how far that is.",
            );
        }
        JoinState::Refused => page.line(format!("This device was not linked: {}.", why(join))),
        JoinState::Expired => page.line(format!("This device was not linked: {EXPIRED}.")),
    }
}

/// How it ended, if nothing came of it.
fn end(join: &Join, context: &Context) -> Result<(), Failure> {
    if context.output.is_json() {
        context.output.show(join, human)?;
    }
    let what = "this device was not linked";
    Err(match join.state {
        JoinState::Expired => Failure::TimedOut(format!("{what}: {EXPIRED}")),
        JoinState::Joining | JoinState::Compare | JoinState::Joined | JoinState::Refused => {
            Failure::Failed(format!("{what}: {}", why(join)))
        }
    })
}

const EXPIRED: &str = "nobody answered in ten minutes. Either the other device is not connected, or its code has ended: it is good for ten \
     minutes, once, and not after a restart of its daemon. Make another one there: martletctl device link";

fn why(join: &Join) -> String {
    if let Some(failure) = &join.failure {
        return format!("its vault could not be made: {}", word(failure));
    }
    reason::why(join.reason, join.by_other.then_some("the other device"))
}
