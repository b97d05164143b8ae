//! `handle`: a name by which others find you.

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::{Claimant, HandleClaim, HandleFound, OwnHandle};

use super::Context;
use crate::client::{Client, encode};
use crate::exit::Failure;
use crate::render::{Page, Paint, word};

/// A name by which others of your network find you, and you find them
///
/// Handles belong to nobody. Who claims one publishes that they answer to it; nobody can list them. Whoever looks for one sees
/// all who claim it, or a name that looks like it, with the safety number of each.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Answer to a handle: whoever knows it finds your ID
    ///
    /// This device publishes that anew each day. If others claim it, too, you see them.
    #[command(after_help = "\
Example:
  martletctl handle claim alice")]
    Claim {
        /// 2 to 32 letters and digits of any script
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        handle: String,
    },
    /// Answer to your handle no more
    #[command(after_help = "\
Example:
  martletctl handle release")]
    Release,
    /// Show your handle, and who else claims it
    #[command(after_help = "\
Example:
  martletctl handle show")]
    Show,
    /// Show who answers to a handle
    #[command(after_help = "\
Examples:
  martletctl handle find alice
  martletctl contact add @alice       adds whom you find, if it is one person")]
    Find {
        /// The handle
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        handle: String,
    },
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        match self.verb {
            Verb::Claim { handle } => {
                let own: OwnHandle = client.post("/v1/handle", &HandleClaim { handle }).await?;
                context.output.show(&own, |own, page| {
                    let name = handle_of(own.handle.as_deref().unwrap_or_default());
                    let name = page.paint(Paint::Bold, &name);
                    page.line(format!(
                        "You answer to {name} now: whoever looks for it finds your ID."
                    ));
                    others(own, page);
                })
            }
            Verb::Release => {
                client.delete("/v1/handle").await?;
                context.output.done("Released. Who looked for it before may still have your ID.")
            }
            Verb::Show => {
                let own: OwnHandle = client.get("/v1/handle").await?;
                context.output.show(&own, |own, page| {
                    let Some(name) = &own.handle else {
                        return page.line(match &own.elsewhere {
                            None => "No handle: martletctl handle claim NAME".to_owned(),
                            Some(name) => format!(
                                "{} is your handle in another network. In this one nobody finds you by it. To claim it here instead: \
                                 martletctl handle claim {}",
                                handle_of(name),
                                word(name)
                            ),
                        });
                    };
                    page.field("Handle", &page.paint(Paint::Bold, &handle_of(name)));
                    if let Some(at) = own.claimed_at {
                        page.field("Claimed", &page.clock().day_and_minute(at));
                    }
                    others(own, page);
                })
            }
            Verb::Find { handle } => {
                let found = find(client, &handle).await?;
                context.output.show(&found, |found, page| {
                    let name = handle_of(&found.handle);
                    match &found.claimants[..] {
                        [] => return nobody(found, page),
                        [_] => page.line(format!("One answers to {name}:")),
                        several => page.line(format!(
                            "{} answer to {name}. Ask whom you mean for their safety number with you, or for their ID:",
                            several.len()
                        )),
                    }
                    found.claimants.iter().for_each(|claimant| shown(claimant, page));
                    if found.more {
                        page.line("");
                        page.line(page.paint(Paint::Warn, "There are more, which are not shown."));
                    }
                    if let [one] = &found.claimants[..]
                        && !one.own
                        && one.contact.is_none()
                    {
                        page.line("");
                        page.line(match one.lookalike {
                            false => format!("To add them: martletctl contact add {name}"),
                            // The handle alone would be refused.
                            true => format!(
                                "If that is whom you mean: martletctl contact add {} --name NAME",
                                word(&one.id)
                            ),
                        });
                    }
                })
            }
        }
    }
}

/// Who answers to a handle.
pub(super) async fn find(client: &Client, handle: &str) -> Result<HandleFound, Failure> {
    Ok(client.get(&format!("/v1/handles/{}", encode(handle))).await?)
}

/// The one person who answers to a handle.
pub(super) async fn the_one(client: &Client, handle: &str) -> Result<Claimant, Failure> {
    let HandleFound { handle, mut claimants, more, complete } = find(client, handle).await?;
    let name = handle_of(&handle);
    if claimants.len() == 1
        && !more
        && let Some(one) = claimants.pop()
    {
        if one.lookalike {
            return Err(Failure::Failed(format!(
                "nobody was added: who answers to {name} writes it in other letters, {}. If that is whom you mean: \
                 martletctl contact add {} --name NAME",
                handle_of(&one.handle),
                word(&one.id)
            )));
        }
        return Ok(one);
    }
    let why = match (claimants.len(), complete) {
        (0, true) => format!("nobody answers to {name} here; ask them for their ID"),
        (0, false) => format!(
            "nobody was found who answers to {name}: other nodes keep its claims, and none has answered; try again in a while"
        ),
        (count, _) => format!(
            "{count} people answer to {name}. See who they are: martletctl handle find {name}; ask whom you mean for their safety \
             number, and add them by their ID: martletctl contact add ID --name NAME"
        ),
    };
    Err(Failure::Failed(why))
}

/// With its @.
fn handle_of(name: &str) -> String {
    format!("@{}", word(name))
}

fn nobody(found: &HandleFound, page: &mut Page) {
    let name = handle_of(&found.handle);
    page.line(match found.complete {
        true => format!("Nobody answers to {name} here."),
        false => format!(
            "Nobody was found who answers to {name}. Other nodes keep its claims, and none has answered yet: try again in a while."
        ),
    });
}

/// Who else claims the user's own.
fn others(own: &OwnHandle, page: &mut Page) {
    let mut others = own.claimants.iter().filter(|claimant| !claimant.own).peekable();
    if others.peek().is_none() {
        return;
    }
    page.line("");
    page.line(page.paint(
        Paint::Warn,
        "Others claim it, too. Whoever looks for it sees all of you, and compares safety numbers:",
    ));
    others.for_each(|claimant| shown(claimant, page));
    if own.more {
        page.line("");
        page.line(page.paint(Paint::Warn, "There are more, which are not shown."));
    }
}

fn shown(claimant: &Claimant, page: &mut Page) {
    page.line("");
    let name = page.paint(Paint::Bold, &handle_of(&claimant.handle));
    page.field(
        "Handle",
        &match claimant.lookalike {
            true => format!("{name}, in other letters than yours: it only looks like it"),
            false => name,
        },
    );
    if claimant.own {
        page.field("Who", "you");
    }
    if let Some(contact) = &claimant.contact {
        page.field("Who", &format!("your contact {}", word(contact)));
    }
    page.field(
        "Claimed",
        &format!("{}, they say", page.clock().day_and_minute(claimant.claimed_at)),
    );
    page.field("ID", &word(&claimant.id));
    let digits = claimant.safety_number.as_ref().map_or("", |number| number.digits.as_str());
    let groups: Vec<&str> = digits.split_whitespace().collect();
    for (at, line) in groups.chunks(6).enumerate() {
        page.field(if at == 0 { "Safety no." } else { "" }, &word(&line.join(" ")));
    }
}
