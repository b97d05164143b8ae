//! `search`: messages that have some words.

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::{Direction, SearchResult, SearchResults};
use martlet_protocol::limits::HISTORY_PAGE_MAX;

use super::Context;
use crate::client::encode;
use crate::complete::conversations;
use crate::exit::Failure;
use crate::render::{Page, Paint, argument, in_room, one_line, word};

/// Find messages by their words, newest first
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A message is found if it has all of the words, or words that begin so, in any order. Case and accents
make no difference; where words have no spaces between them, as in Japanese, any part is found.
What has ended, was recalled, deleted or cleared is not found.

Examples:
  martletctl search harbour
  martletctl search harb tuesday --in bob   in the conversation with bob only
  martletctl search milk --notes            in your notes
  martletctl history bob --around ID        shows a message that was found in its place
  martletctl search harbour --json | jq -r '.results[].id'")]
pub(crate) struct Args {
    /// Words, or beginnings of words
    #[arg(required = true)]
    words: Vec<String>,

    /// Only in the conversation with this contact
    #[arg(long = "in", value_name = "NAME", value_parser = NonEmptyStringValueParser::new(), add = conversations())]
    within: Option<String>,

    /// Only in your notes to yourself
    #[arg(long, conflicts_with = "within")]
    notes: bool,

    /// Show at most this many messages
    #[arg(long, value_name = "N", default_value_t = 20,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(HISTORY_PAGE_MAX)))]
    limit: u32,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let words = self.words.join(" ");
        let mut path = format!("/v1/search?words={}&limit={}", encode(&words), self.limit);
        if let Some(name) = &self.within {
            path.push_str("&in=");
            path.push_str(&encode(name));
        }
        if self.notes {
            path.push_str("&notes=true");
        }
        let found: SearchResults = context.client()?.get(&path).await?;
        context.output.show(&found, |found, page| human(found, &words, page))?;
        if !context.output.is_json() {
            if found.more {
                context.output.note(&format!(
                    "There are older ones: more with --limit (up to {HISTORY_PAGE_MAX}), fewer with another word."
                ));
            }
            if found.partial {
                context
                    .output
                    .note("There are so many messages that the oldest were not looked at.");
            }
            if let Some(first) = found.results.first() {
                let (whose, id) = (whose(first), word(&first.id));
                context.output.note_whole(&format!(
                    "One in its place: martletctl history --around {id} {whose}"
                ));
            }
        }
        Ok(())
    }
}

fn human(found: &SearchResults, words: &str, page: &mut Page) {
    if found.results.is_empty() {
        return page.line(format!("No message has {}.", word(words)));
    }
    for result in &found.results {
        let time = page.clock().day_and_minute(result.sent_at);
        let name = page.paint(Paint::Bold, &name(result));
        let id = page.paint(Paint::Dim, &word(&result.id));
        page.raw_line(&format!("{name}  {time}  {id}"));
        let (before, after) = (one_line(&result.before), one_line(&result.after));
        let text = format!("{before}{}{after}", page.paint(Paint::Warn, &one_line(&result.found)));
        let by = in_room(result.author.as_deref(), result.direction, &result.conversation);
        page.hanging("    ", &format!("{by}: {text}"));
    }
}

/// Of which conversation a result is.
fn name(result: &SearchResult) -> String {
    match result.direction {
        Direction::Note => "notes".to_owned(),
        Direction::In | Direction::Out => word(&result.conversation),
    }
}

/// The same as `history` takes it.
fn whose(result: &SearchResult) -> String {
    match result.direction {
        Direction::Note => "--notes".to_owned(),
        Direction::In | Direction::Out => argument(&result.conversation),
    }
}
