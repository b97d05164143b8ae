//! `shred`: what was deleted or overwritten is gone for good.

use std::time::Duration;

use martlet_protocol::control::Shred;

use super::Context;
use crate::client::Client;
use crate::exit::Failure;
use crate::render::{Output, Page, count};

/// How often it is asked how far it is.
const ASKED_EVERY: Duration = Duration::from_millis(250);

/// Make sure that what was deleted can't be read any more
///
/// What you delete is gone from view at once. In the vault's files it lies, encrypted, until its key is
/// changed. That happens by itself every day, and when the daemon has nothing else to do. This does it now, and waits for it:
/// afterwards nobody can read what was deleted from these files or a copy made of them from now on, not even with the
/// passphrase. A backup made before still holds what it held.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl contact remove bob && martletctl shred
  martletctl shred --no-wait
  martletctl status                             when it was done last, and what waits")]
pub(crate) struct Args {
    /// Begin, and don't wait until it is done
    #[arg(long)]
    no_wait: bool,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let mut shred: Shred = client.post_empty("/v1/shred").await?;
        if !self.no_wait {
            shred = wait(shred, client, &context.output).await?;
        }
        context.output.show(&shred, human)
    }
}

/// Waits until a shred that was begun is done.
pub(super) async fn wait(
    mut shred: Shred,
    client: &Client,
    output: &Output,
) -> Result<Shred, Failure> {
    let mut told = 0;
    while shred.running {
        if shred.resealed >= told + 1000 {
            told = shred.resealed;
            let resealed = count(shred.resealed, "record");
            output.progress(&format!("{resealed} sealed under new keys so far"));
        }
        tokio::time::sleep(ASKED_EVERY).await;
        shred = client.get("/v1/shred").await?;
    }
    Ok(shred)
}

fn human(shred: &Shred, page: &mut Page) {
    if shred.running {
        page.line("It is under way; martletctl status says when it was done last.");
        return;
    }
    let resealed = count(shred.resealed, "record");
    page.line(format!(
        "Done: what was deleted has no key any more; {resealed} sealed under new keys."
    ));
    if shred.rewrite_at_start || shred.old_layout {
        let why = if shred.old_layout {
            "What an older version deleted"
        } else {
            "The space that it took"
        };
        page.line(format!("{why} is cleared when the vault is opened next: restart martletd."));
    }
}

/// How things stand, for `status`.
pub(crate) fn in_short(shred: &Shred, page: &Page) -> String {
    let last = match shred.finished_at {
        Some(at) => format!("last {}", page.clock().ago(at)),
        None => "never yet".to_owned(),
    };
    let waiting = match (shred.running, shred.waiting) {
        (true, _) => "under way".to_owned(),
        (false, 0) => "nothing waits".to_owned(),
        (false, 1) => format!("1 of {} keys waits", shred.keys),
        (false, waiting) => format!("{waiting} of {} keys wait", shred.keys),
    };
    format!("{last}; {waiting}")
}
