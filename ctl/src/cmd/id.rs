//! `id`: the user's own ID.

use martlet_protocol::control::Identity;
use qrcode::QrCode;

use super::Context;
use crate::exit::Failure;
use crate::render::{Page, Question, qr, word};

/// Show the ID to give to others, or reset it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl id
  martletctl id --qr
  martletctl id --reset     contacts go on; nobody else finds you by the old ID
  martletctl id --reset --yes")]
pub(crate) struct Args {
    /// Show it as a QR code too
    #[arg(long)]
    qr: bool,

    /// Make a new ID. Your identity and your contacts stay. Others who have the old ID no longer find you by it,
    /// such as someone whom you removed from your contacts
    #[arg(long)]
    reset: bool,

    /// Don't ask whether to reset it
    #[arg(long, short, requires = "reset")]
    yes: bool,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        if self.reset && !self.yes {
            context.output.confirm(&Question {
                text: "Make a new ID? Whoever has the old one and is no contact of yours can't find you any more.",
                refused: "the ID stays as it is",
                to_do: "reset the ID",
            })?;
        }
        let identity: Identity = match self.reset {
            true => client.post_empty("/v1/identity/reset").await?,
            false => client.get("/v1/identity").await?,
        };
        let code = if self.qr { Some(qr(&identity.id)?) } else { None };
        context.output.show(&identity, |identity, page| {
            human(identity, code.as_ref(), page);
            if self.reset {
                page.line("Your contacts are told by themselves. Give the new ID to all others who should find you.");
            }
        })
    }
}

fn human(identity: &Identity, code: Option<&QrCode>, page: &mut Page) {
    if let Some(code) = code {
        page.qr(code);
    }
    page.line(word(&identity.id));
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use martlet_protocol::ids::Id;

    use super::qr;

    const ID: &str = "martlet132yw8ht5p8cetl2jmvknewjawt9xwzdlrk2pyxlnwjyqrdq0dawq2pg9q5zs2pg9q5zs2pg9q5zsgltq7f";

    #[test]
    fn the_upper_case_id_in_the_qr_code_is_the_same_id() {
        let id: Id = ID.parse().unwrap();
        assert_eq!(ID.to_ascii_uppercase().parse::<Id>().unwrap(), id);
    }

    /// 33 modules: with what is left white around it 41 columns and 21 lines of a terminal.
    #[test]
    fn the_qr_code_of_an_id_fits_a_small_terminal() {
        assert_eq!(qr(ID).unwrap().width(), 33);
    }
}
