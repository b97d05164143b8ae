//! `id`: the user's own ID.

use martlet_protocol::control::Identity;
use qrcode::QrCode;

use super::Context;
use crate::exit::Failure;
use crate::render::{Page, qr, word};

/// Show the ID to give to others
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl id
  martletctl id --qr")]
pub(crate) struct Args {
    /// As a QR code too
    #[arg(long)]
    qr: bool,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let identity: Identity = context.client()?.get("/v1/identity").await?;
        let code = if self.qr { Some(qr(&identity.id)?) } else { None };
        context.output.show(&identity, |identity, page| human(identity, code.as_ref(), page))
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

    use martlet_protocol::ids::IdentityId;

    const ID: &str = "martlet1hhxdv3ejp4vty2xnf6nl9j4qw4lzvd0nyjnvg3mmjgkfkn3qc5ysyulny4";

    #[test]
    fn the_upper_case_id_in_the_qr_code_is_the_same_id() {
        let id: IdentityId = ID.parse().unwrap();
        assert_eq!(ID.to_ascii_uppercase().parse::<IdentityId>().unwrap(), id);
    }
}
