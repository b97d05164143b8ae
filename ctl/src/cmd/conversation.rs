//! `conversation`: how you want one conversation to be, how long its messages live, and clearing it.

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::{
    ConversationChange, ConversationSettings, ConversationTimers, Switch, TimerSetting,
    TimersRequest,
};

use super::Context;
use crate::client::encode;
use crate::complete::conversations;
use crate::exit::Failure;
use crate::render::{Page, Question, argument, in_words, timer, word};

/// Say how long a conversation's messages live, mute or pin it, or clear it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Set how long messages live, for both of you, and how you want the conversation to be
    ///
    /// The contact sees a change of --expire and --burn, and may make another: the last one counts. In a room moderators change
    /// them, for all in it. What was sent before keeps its timers. All else is for you alone. Without an option it shows
    /// what is set.
    #[command(after_help = "\
Examples:
  martletctl conversation set bob --expire 1d
  martletctl conversation set bob --expire 6d --burn 30s
  martletctl conversation set bob --burn off
  martletctl conversation set bob --mute --pin
  martletctl conversation set bob --receipts off --typing default")]
    Set(Box<Change>),
    /// Tell a contact that you are writing just now
    ///
    /// It is kept nowhere. At most one goes in five seconds, and none where that is off.
    #[command(after_help = "\
Example:
  martletctl conversation typing bob")]
    Typing {
        /// The contact's name, or the room's
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = conversations())]
        name: String,
    },
    /// Show how long messages live
    #[command(after_help = "\
Example:
  martletctl conversation show bob")]
    Show {
        /// The contact's name, or the room's
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = conversations())]
        name: String,
    },
    /// Delete all messages on this device. The contact stays, and keeps theirs
    #[command(after_help = "\
Example:
  martletctl conversation clear bob --yes")]
    Clear {
        /// The contact's name, or the room's
        #[arg(value_parser = NonEmptyStringValueParser::new(), add = conversations())]
        name: String,
        /// Don't ask
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Change {
    /// The contact's name, or the room's
    #[arg(value_parser = NonEmptyStringValueParser::new(), add = conversations())]
    name: String,

    /// Messages end so long after they are sent: 1s to 6d (s, min, h, d), or off
    #[arg(long, value_name = "TIME", value_parser = timer, allow_hyphen_values = true)]
    expire: Option<TimerSetting>,

    /// They end so long after they are read: 1s to 6d, or off
    #[arg(long, value_name = "TIME", value_parser = timer, allow_hyphen_values = true)]
    burn: Option<TimerSetting>,

    /// Notify of nothing there
    #[arg(long, conflicts_with = "unmute")]
    mute: bool,

    /// Notify again
    #[arg(long)]
    unmute: bool,

    /// Show it before all that are not pinned
    #[arg(long, conflicts_with = "unpin")]
    pin: bool,

    /// Show it in its place again
    #[arg(long)]
    unpin: bool,

    /// Tell what you have read, and see what they have; default is what settings says
    #[arg(long, value_name = "on|off|default", hide_possible_values = true)]
    receipts: Option<Wanted>,

    /// Tell that you are writing, and see when they are; default is what settings says
    #[arg(long, value_name = "on|off|default", hide_possible_values = true)]
    typing: Option<Wanted>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Wanted {
    On,
    Off,
    Default,
}

impl From<Wanted> for Switch {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::On => Self::On,
            Wanted::Off => Self::Off,
            Wanted::Default => Self::Default,
        }
    }
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        match self.verb {
            Verb::Set(change) => change.make(context).await,
            Verb::Typing { name } => {
                let path = format!("/v1/conversations/{}/typing", encode(&name));
                client.post_empty::<()>(&path).await?;
                context.output.done(&format!(
                    "{} is told that you are writing, if you tell them such things: martletctl conversation set {}",
                    word(&name),
                    argument(&name)
                ))
            }
            Verb::Show { name } => {
                let timers: ConversationTimers = client.get(&timers(&name)).await?;
                context.output.show(&timers, |timers, page| shown(&name, timers, page))
            }
            Verb::Clear { name, yes } => {
                if !yes {
                    // Asked only about one there is.
                    client.get::<ConversationTimers>(&timers(&name)).await?;
                    context.output.confirm(&Question {
                        text: &format!("Delete all messages with {} here?", word(&name)),
                        refused: "nothing was deleted",
                        to_do: "delete the messages",
                    })?;
                }
                client.delete(&format!("/v1/conversations/{}/messages", encode(&name))).await?;
                let name = word(&name);
                context.output.done(&format!("Deleted all messages with {name} on this device."))
            }
        }
    }
}

impl Change {
    /// Asks for what changes: timers, which the contact sees, and all else. If nothing does, for how all of it is.
    async fn make(self, context: &Context) -> Result<(), Failure> {
        let (client, name) = (context.client()?, &self.name);
        let has_timers = self.expire.is_some() || self.burn.is_some();
        let request = ConversationChange {
            muted: either(self.mute, self.unmute),
            pinned: either(self.pin, self.unpin),
            receipts: self.receipts.map(Switch::from),
            typing: self.typing.map(Switch::from),
        };
        let has_settings = request != ConversationChange::default();
        if has_timers || !has_settings {
            let path = timers(name);
            let timers: ConversationTimers = match has_timers {
                true => {
                    let (expire_seconds, burn_seconds) = (self.expire, self.burn);
                    client.patch(&path, &TimersRequest { expire_seconds, burn_seconds }).await?
                }
                false => client.get(&path).await?,
            };
            context.output.show(&timers, |timers, page| shown(name, timers, page))?;
        }
        if has_timers && !has_settings {
            return Ok(());
        }
        let path = format!("/v1/conversations/{}", encode(name));
        let settings: ConversationSettings = client.patch(&path, &request).await?;
        context.output.show(&settings, |settings, page| {
            if has_settings {
                page.field("Name", &word(name));
            }
            human(settings, page);
        })
    }
}

fn either(on: bool, off: bool) -> Option<bool> {
    (on || off).then_some(on)
}

fn human(settings: &ConversationSettings, page: &mut Page) {
    page.field("Muted", yes(settings.muted));
    page.field("Pinned", yes(settings.pinned));
    page.field("Receipts", switch(settings.receipts));
    page.field("Typing", switch(settings.typing));
}

fn yes(is_so: bool) -> &'static str {
    if is_so { "yes" } else { "no" }
}

fn switch(switch: Switch) -> &'static str {
    match switch {
        Switch::On => "on",
        Switch::Off => "off",
        Switch::Default => "as for all: martletctl settings",
    }
}

fn timers(name: &str) -> String {
    format!("/v1/conversations/{}/timers", encode(name))
}

fn shown(name: &str, timers: &ConversationTimers, page: &mut Page) {
    let told = |seconds: Option<u32>, from: &str| match seconds {
        Some(seconds) => format!("{} after they are {from}", in_words(seconds.into())),
        None => "off".to_owned(),
    };
    page.field("Name", &word(name));
    page.field("Expire", &told(timers.expire_seconds, "sent"));
    page.field("Burn", &told(timers.burn_seconds, "read"));
}
