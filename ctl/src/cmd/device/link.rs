//! `device link`: a further device, on the one that has the root.

use std::io::{IsTerminal, stdin};

use martlet_protocol::control::{ErrorCode, Link, LinkConfirm, LinkState};
use zeroize::Zeroize;

use super::super::Context;
use super::super::by_phrase::PhraseArgs;
use super::reason;
use super::wait::{POLL_EVERY, Wait};
use crate::client::{Client, ClientError};
use crate::exit::Failure;
use crate::render::{Page, Paint, qr, word};

/// Link a further device: shows a code for it, then numbers to compare
///
/// Run it on the device where you made your identity, or on one that you recovered from your phrase. On the new device, whose
/// daemon has no identity yet, run: martletctl device join. Then both show three numbers. If they are the same, say yes here. The new
/// device gets your contacts, who you blocked, and your settings. It does not get your profile, nor your recovery phrase. With
/// --history it gets your messages up to now as well: texts, and the names of files, the newest first.
///
/// The code is good for ten minutes, and once, and until another one is made. Don't show it to others.
///
/// A device that does not have the root (it was linked, or the root was locked) asks for your recovery phrase, and uses it for this
/// once. With --no-wait it is asked for by --confirm.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl device link
  martletctl device link --history               the new device gets your messages of before, too
  martletctl --json device link --no-wait        shows the code and returns
  martletctl --json device link --status         how far it came, and the numbers
  martletctl device link --confirm               the numbers are the same on both devices
  martletctl device link --refuse                they differ
  martletctl device link --phrase                this device does not have the root: asks for the recovery phrase")]
pub(super) struct Args {
    /// Return at once
    #[arg(long, group = "what")]
    no_wait: bool,

    /// Show how far the code came
    #[arg(long, group = "what")]
    status: bool,

    /// Say that both devices show the same numbers: the new device is linked
    #[arg(long, group = "what")]
    confirm: bool,

    /// Say that the numbers differ: the new device is refused
    #[arg(long, group = "what")]
    refuse: bool,

    /// End the code
    #[arg(long, group = "what")]
    cancel: bool,

    /// Give the new device your messages of before
    #[arg(long, conflicts_with_all = ["no_wait", "status", "refuse", "cancel"])]
    history: bool,

    #[command(flatten)]
    phrase: PhraseArgs,
}

impl Args {
    /// Runs the verb.
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        if self.status {
            return show(&client.get::<Link>("/v1/link").await?, context);
        }
        if self.confirm || self.refuse {
            let link = self.answer(context).await?;
            return self.end(&link, context, self.refuse);
        }
        if self.cancel {
            client.delete("/v1/link").await?;
            return context.output.done("The code is good no more.");
        }
        let mut phrase = match self.no_wait {
            true => None,
            false => self.phrase.read(context).await?,
        };
        let begun = match self.phrase.is_given() {
            true => client.post_empty(BY_PHRASE).await,
            false => client.post_empty("/v1/link").await,
        };
        let mut link: Link = match begun {
            Err(refusal) if !self.no_wait => {
                phrase = Some(PhraseArgs::after(refusal, context).await?);
                client.post_empty(BY_PHRASE).await?
            }
            begun => begun?,
        };
        let mut wait = Wait::begin()?;
        let shown = show(&link, context);
        link.code.zeroize();
        shown?;
        if link.replaced {
            context.output.note("The code of before is good no more.");
        }
        if self.no_wait {
            return Ok(());
        }
        loop {
            if let Err(interrupted) = wait.sleep(POLL_EVERY).await {
                client.delete("/v1/link").await?;
                return Err(interrupted);
            }
            let before = link.state;
            link = client.get("/v1/link").await?;
            link.code.zeroize();
            match link.state {
                LinkState::Offered => {}
                LinkState::Compare if before != LinkState::Compare => {
                    show(&link, context)?;
                    if !stdin().is_terminal() {
                        let history = if self.history { " --history" } else { "" };
                        context.output.note(&format!(
                            "If the new device shows the same numbers: martletctl device link --confirm{history}. If not: \
                             martletctl device link --refuse.",
                        ));
                        continue;
                    }
                    let question = "Does the new device show the same numbers?";
                    let equal = match wait.ask(question, &context.output).await {
                        Ok(equal) => equal,
                        Err(failure) => {
                            client.delete("/v1/link").await?;
                            return Err(failure);
                        }
                    };
                    match answer(client, (equal, self.history), phrase.as_deref()).await {
                        Ok(link) => return self.end(&link, context, !equal),
                        // It ended meanwhile: that is told next.
                        Err(ClientError::Problem(problem))
                            if problem.code == ErrorCode::NothingToCompare => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                LinkState::Compare => {}
                LinkState::Linked | LinkState::Refused | LinkState::Expired => {
                    return end(&link, context, false);
                }
            }
        }
    }

    /// How it ended, and what follows.
    fn end(&self, link: &Link, context: &Context, refused: bool) -> Result<(), Failure> {
        end(link, context, refused)?;
        if self.history && !refused {
            context.output.note(
                "Your messages of before follow while both devices are on. martletctl device list shows how far they are.",
            );
        }
        Ok(())
    }

    /// Says whether the numbers are equal.
    async fn answer(&self, context: &Context) -> Result<Link, Failure> {
        let client = context.client()?;
        let phrase = match self.confirm {
            true => self.phrase.read(context).await?,
            false => None,
        };
        let says = (self.confirm, self.history);
        match answer(client, says, phrase.as_deref()).await {
            Err(refusal) => {
                let phrase = PhraseArgs::after(refusal, context).await?;
                Ok(answer(client, says, Some(&phrase)).await?)
            }
            Ok(link) => Ok(link),
        }
    }
}

/// Where a code is made whose device the recovery phrase certifies.
const BY_PHRASE: &str = "/v1/link?phrase=true";

async fn answer(
    client: &Client,
    (equal, history): (bool, bool),
    phrase: Option<&String>,
) -> Result<Link, ClientError> {
    let history = equal && history;
    let mut request = LinkConfirm { equal, history, recovery_phrase: phrase.cloned() };
    let answer = client.post_secret("/v1/link/confirm", &request).await;
    request.recovery_phrase.zeroize();
    answer
}

fn show(link: &Link, context: &Context) -> Result<(), Failure> {
    let code = link.code.as_deref().map(qr).transpose()?;
    context.output.show(link, |link, page| {
        if let (Some(text), Some(code)) = (&link.code, &code) {
            page.qr(code);
            page.line("");
            page.raw_line(text);
            page.line("");
            page.line("On the new device, whose daemon has no identity yet, run:");
            page.line("");
            page.line("  martletctl device join");
            page.line("");
            let until = page.clock().day_and_minute(link.expires_at);
            page.line(format!(
                "and paste the code when it asks. The picture is the same text. It is good until {until}, once. Don't show it to others."
            ));
            return;
        }
        human(link, page);
    })
}

fn human(link: &Link, page: &mut Page) {
    let device = called(link);
    match link.state {
        LinkState::Offered => page.line(format!("{device} came by the code; the numbers follow.")),
        LinkState::Compare => {
            page.line(format!("{device} came by the code. It has to show these numbers, and no others:"));
            page.line("");
            let numbers = word(link.numbers.as_deref().unwrap_or_default());
            page.line(format!("  {}", page.paint(Paint::Bold, &numbers)));
            page.line("");
        }
        LinkState::Linked => page.line(format!(
            "{device} is linked. It gets your contacts, who you blocked, and your settings. Your contacts see that you have a \
             new device, and write to it too."
        )),
        LinkState::Refused => page.line(format!("No device was linked: {}.", why(link))),
        LinkState::Expired => page.line("No device was linked: the ten minutes are over."),
    }
}

/// How it ended; `refused` where that is what was asked for.
fn end(link: &Link, context: &Context, refused: bool) -> Result<(), Failure> {
    let is_done = link.state == LinkState::Linked || refused;
    if is_done || context.output.is_json() {
        context.output.show(link, human)?;
    }
    match link.state {
        _ if is_done => Ok(()),
        LinkState::Expired => Err(Failure::TimedOut(
            "no device was linked: the ten minutes are over; make another code: martletctl device link".to_owned(),
        )),
        LinkState::Refused => Err(Failure::Failed(format!("no device was linked: {}", why(link)))),
        LinkState::Offered | LinkState::Compare | LinkState::Linked => Ok(()),
    }
}

fn called(link: &Link) -> String {
    let device = link.device.as_ref();
    match device.map(|device| (&device.name, &device.id)) {
        Some((Some(name), _)) => word(name),
        Some((None, id)) => format!("The device {}", word(id.get(..12).unwrap_or(id))),
        None => "The device".to_owned(),
    }
}

fn why(link: &Link) -> String {
    reason::why(link.reason, link.by_other.then_some("the new device"))
}
