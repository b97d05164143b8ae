//! `chat`: conversations on the whole terminal.

use clap::builder::NonEmptyStringValueParser;

use super::Context;
use crate::chat;
use crate::complete::contacts;
use crate::exit::Failure;

/// Talk: conversations, messages and what you type on the whole terminal
///
/// F1 shows all keys, Ctrl+Q quits. Nothing is lost when the daemon is restarted: what you typed waits for it. The mouse
/// works. To select text with it, hold Shift, or use --no-mouse. With --plain the terminal is used line by line, for screen
/// readers, slow lines and scripts: what comes is printed, and a line that you type is sent. /help lists commands.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl chat
  martletctl chat bob
  martletctl chat --plain bob      line by line")]
pub(crate) struct Args {
    /// The contact whose conversation is opened
    #[arg(value_parser = NonEmptyStringValueParser::new(), add = contacts())]
    name: Option<String>,

    /// Line by line, for screen readers
    #[arg(long)]
    plain: bool,

    /// Leave the mouse to the terminal
    #[arg(long, conflicts_with = "plain")]
    no_mouse: bool,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let output = &context.output;
        if output.is_json() {
            return Err(Failure::Usage(
                "the chat is for people and has no JSON: use watch --json and send".to_owned(),
            ));
        }
        let client = context.client()?;
        if self.plain {
            return chat::run_plain(client, self.name, output).await;
        }
        chat::run_screen(client, self.name, output, !self.no_mouse).await
    }
}
