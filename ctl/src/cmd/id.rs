//! `id`: the user's own ID.

use martlet_protocol::control::Identity;
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use super::Context;
use crate::exit::Failure;
use crate::render::{Page, Paint, word};

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
        let code = if self.qr { Some(code(&identity.id)?) } else { None };
        context.output.show(&identity, |identity, page| human(identity, code.as_ref(), page))
    }
}

fn human(identity: &Identity, code: Option<&QrCode>, page: &mut Page) {
    if let Some(code) = code {
        // The dark modules are drawn, black on white as printed, where there are colours; else the
        // light ones, as most terminals are dark.
        let (dark, light) = match page.has_colours() {
            true => (Dense1x2::Dark, Dense1x2::Light),
            false => (Dense1x2::Light, Dense1x2::Dark),
        };
        let image = code.render::<Dense1x2>().dark_color(dark).light_color(light).build();
        for line in image.lines() {
            page.raw_line(&page.paint(Paint::Paper, line));
        }
    }
    page.line(word(&identity.id));
}

/// Upper case: QR codes hold that in fewer modules, and bech32 allows it (BIP 173).
fn code(id: &str) -> Result<QrCode, Failure> {
    QrCode::new(id.to_ascii_uppercase())
        .map_err(|error| Failure::Failed(format!("the ID fits no QR code: {error}")))
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
