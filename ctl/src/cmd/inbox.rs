//! `inbox`: what is unread.

use martlet_protocol::control::{Conversation, Inbox};

use super::Context;
use crate::exit::Failure;
use crate::render::{Page, Paint, block, count, person, word};

/// Show unread messages, by conversation
///
/// They stay unread: martletctl read NAME marks them read.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl inbox
  martletctl inbox --json | jq '[.conversations[].unread] | add'")]
pub(crate) struct Args {}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let inbox: Inbox = context.client()?.get("/v1/inbox").await?;
        context.output.show(&inbox, human)
    }
}

fn human(inbox: &Inbox, page: &mut Page) {
    for conversation in &inbox.conversations {
        write(conversation, page);
    }
    if inbox.conversations.is_empty() {
        page.line("Nothing unread.");
    } else {
        page.line("");
        page.line("Mark them read: martletctl read NAME");
    }
    if inbox.requests > 0 {
        let people = match inbox.requests {
            1 => "1 unknown person has written".to_owned(),
            people => format!("{people} unknown people have written"),
        };
        page.line(format!("{people}: martletctl requests list"));
    }
}

fn write(conversation: &Conversation, page: &mut Page) {
    let name = page.paint(Paint::Bold, &word(&conversation.name));
    let mentions = match conversation.mentions {
        0 => String::new(),
        1 => page.paint(Paint::Warn, ", 1 of them mentions you"),
        mentions => page.paint(Paint::Warn, &format!(", {mentions} of them mention you")),
    };
    page.line(format!("{name}  {} unread{mentions}", conversation.unread));
    for message in &conversation.messages {
        let time = page.clock().day_and_minute(message.sent_at);
        let by = message.author.as_deref().map(|author| format!("{}: ", person(author)));
        let by = by.unwrap_or_default();
        let lead = format!("  {}  {by}", page.paint(Paint::Dim, &time));
        page.hanging(&lead, &block(&message.text, 0));
    }
    let shown = u64::try_from(conversation.messages.len()).unwrap_or(u64::MAX);
    if conversation.unread > shown {
        page.line(format!("  and {} more", count(conversation.unread - shown, "message")));
    }
}
