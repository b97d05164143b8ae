//! `note`: write to oneself.

use martlet_protocol::control::{NoteRequest, SendResponse};

use super::Context;
use super::text::given;
use crate::exit::Failure;
use crate::render::word;

/// Write a note to yourself; prints its id
///
/// Notes are on this device only, in the vault, and nowhere on the network. Show them with:
/// martletctl history --notes
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl note buy milk
  martletctl note - < list.txt
  martletctl note -- '-5 degrees'   a text that begins with a hyphen
  martletctl history --notes")]
pub(crate) struct Args {
    /// The text; several words are put together with spaces. - alone reads it from standard input (a line
    /// end at its end is cut)
    #[arg(required = true)]
    text: Vec<String>,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let request = NoteRequest { text: given(self.text.join(" "))? };
        let written: SendResponse = client.post("/v1/notes", &request).await?;
        context.output.show(&written, |written, page| page.line(word(&written.id)))
    }
}
