//! `history`: a conversation.

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::History;
use martlet_protocol::limits::HISTORY_PAGE_MAX;

use super::Context;
use crate::client::encode;
use crate::complete::conversations;
use crate::exit::Failure;
use crate::render::{Page, argument, word};

/// Show a conversation, the newest messages last
///
/// Showing messages leaves them unread: the sender is told nothing, and no message begins to burn. martletctl read NAME marks
/// them read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl history bob
  martletctl history bob --limit 200
  martletctl history bob --ids            with ids, for react, edit and send --reply
  martletctl history bob --edits          with what edited messages said before
  martletctl history bob --before 5f0c…   the page before that message
  martletctl history bob --around 5f0c…   that message, with what stands around it
  martletctl history --notes              what you wrote to yourself")]
pub(crate) struct Args {
    /// The contact's name, or the room's
    #[arg(required_unless_present = "notes", value_parser = NonEmptyStringValueParser::new(), add = conversations())]
    name: Option<String>,

    /// Your notes to yourself
    #[arg(long, conflicts_with = "name")]
    notes: bool,

    /// Show at most this many messages
    #[arg(long, value_name = "N", default_value_t = 50,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(HISTORY_PAGE_MAX)))]
    limit: u32,

    /// Show the beginnings of ids, by which react, edit and send --reply know messages
    #[arg(long)]
    ids: bool,

    /// Show what edited messages said before
    #[arg(long)]
    edits: bool,

    /// Only messages before the one with this id
    #[arg(long, value_name = "ID")]
    before: Option<String>,

    /// The message with this id, with as many before it as after it
    #[arg(long, value_name = "ID", conflicts_with = "before")]
    around: Option<String>,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let messages = match &self.name {
            Some(name) => format!("/v1/conversations/{}/messages", encode(name)),
            None => "/v1/notes".to_owned(),
        };
        let mut path = format!("{messages}?limit={}", self.limit);
        if let Some(before) = &self.before {
            path.push_str("&before=");
            path.push_str(&encode(before));
        }
        if let Some(around) = &self.around {
            path.push_str("&around=");
            path.push_str(&encode(around));
        }
        if self.edits {
            path.push_str("&edits=true");
        }
        let history: History = context.client()?.get(&path).await?;
        context.output.show(&history, |history, page| {
            human(history, self.name.as_deref(), self.ids, page);
        })?;
        if history.more
            && !context.output.is_json()
            && let Some(first) = history.messages.first()
        {
            let whose = self.name.as_deref().map_or_else(|| "--notes".to_owned(), argument);
            let id = word(&first.id);
            context
                .output
                .note_whole(&format!("Earlier ones: martletctl history --before {id} {whose}"));
        }
        Ok(())
    }
}

fn human(history: &History, name: Option<&str>, has_ids: bool, page: &mut Page) {
    if history.messages.is_empty() {
        return page.line(match name {
            Some(name) => format!("No messages with {}.", word(name)),
            None => "No notes.".to_owned(),
        });
    }
    page.messages(&history.messages, &history.lost, has_ids);
}
