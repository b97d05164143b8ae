//! `conversations`: all of them, the newest first.

use martlet_protocol::control::{ConversationList, ConversationSummary, Snippet};

use super::Context;
use crate::exit::Failure;
use crate::render::{Page, Paint, Table, in_room, one_line, word};

/// List all conversations: pinned ones first, then the newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl conversations
  martletctl conversations --json | jq -r '.conversations[] | select(.unread > 0) | .name'
  martletctl settings snippets=off    shows no texts in it")]
pub(crate) struct Args {}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let list: ConversationList = context.client()?.get("/v1/conversations").await?;
        context.output.show(&list, human)
    }
}

fn human(list: &ConversationList, page: &mut Page) {
    if list.conversations.is_empty() {
        return page.line("No conversations yet: martletctl contact add ID --name NAME");
    }
    let mut table = Table::new(&["NAME", "UNREAD", "NEWEST", "", "MESSAGE"]);
    for conversation in &list.conversations {
        let unread = match conversation.unread {
            0 => (Paint::Dim, "-".to_owned()),
            unread => (Paint::Warn, unread.to_string()),
        };
        let newest = conversation.last_at.map_or_else(|| "-".to_owned(), |at| page.clock().ago(at));
        let last = conversation.last.as_ref();
        table.row(vec![
            (Paint::Bold, word(&conversation.name)),
            unread,
            (Paint::Plain, newest),
            (Paint::Dim, flags(conversation)),
            (Paint::Plain, last.map_or_else(String::new, |last| snippet(last, conversation))),
        ]);
    }
    table.write(page);
}

/// `mentions you, pinned, muted, draft`.
fn flags(conversation: &ConversationSummary) -> String {
    let settings = &conversation.settings;
    let flags = [
        (conversation.mentions > 0, "mentions you"),
        (settings.pinned, "pinned"),
        (settings.muted, "muted"),
        (conversation.draft, "draft"),
    ];
    let set: Vec<_> =
        flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, flag)| flag).collect();
    set.join(", ")
}

fn snippet(last: &Snippet, conversation: &ConversationSummary) -> String {
    let by = in_room(last.author.as_deref(), last.direction, &conversation.name);
    format!("{by}: {}", one_line(&last.text))
}
