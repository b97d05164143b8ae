//! `note`: write to oneself.

use martlet_protocol::control::{NoteRequest, SendResponse};

use super::Context;
use super::text::given;
use crate::exit::Failure;
use crate::render::word;

/// Write a note to yourself; prints its id
///
/// Notes go to nobody but your own other devices, encrypted. With one device they go nowhere: they are in its vault alone.
/// Show them with: martletctl history --notes
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl note buy milk
  martletctl note - < list.txt
  martletctl note -- '-5 degrees'   a text that begins with a hyphen
  martletctl history --notes")]
pub(crate) struct Args {
    /// The text. Several words are put together with spaces. - alone reads it from standard input; a line end
    /// at its end is left out
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
