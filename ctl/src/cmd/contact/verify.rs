//! `contact verify`: safety numbers, shown and compared.

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::{Contact, Verified, VerifyRequest};

use super::super::Context;
use super::super::text::given;
use super::path;
use crate::complete::contacts;
use crate::exit::Failure;
use crate::render::{Page, Paint, argument, qr, word};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Your name for them
    #[arg(value_parser = NonEmptyStringValueParser::new(), add = contacts())]
    name: String,

    /// The number that they have: its digits, however they are spaced, or the text of their QR code
    code: Vec<String>,

    /// You have compared the numbers, and they are the same
    #[arg(long, conflicts_with = "code")]
    compared: bool,
}

impl Args {
    pub(super) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        if self.code.is_empty() && !self.compared {
            let contact: Contact = client.get(&path(&self.name)).await?;
            let text = contact.safety_number.as_ref().map(|number| number.qr.as_str());
            let code = qr(text.unwrap_or_default())?;
            return context.output.show(&contact, |contact, page| {
                compare(contact, page);
                page.line("");
                page.qr(&code);
                page.line("");
                explain(contact, page);
            });
        }
        let code = (!self.compared).then(|| given(self.code.join(" "))).transpose()?;
        let path = format!("{}/verify", path(&self.name));
        let contact: Contact = client.post(&path, &VerifyRequest { code }).await?;
        context.output.show(&contact, |contact, page| {
            let name = page.paint(Paint::Bold, &word(&contact.name));
            let fit = match self.compared {
                true => "You have compared the safety numbers",
                false => "The safety number fits",
            };
            page.line(format!("{fit}: {name} is verified."));
        })
    }
}

/// The digits, six groups a line.
fn digits(contact: &Contact) -> Vec<String> {
    let digits = contact.safety_number.as_ref().map_or("", |number| number.digits.as_str());
    let groups: Vec<&str> = digits.split_whitespace().collect();
    groups.chunks(6).map(|groups| word(&groups.join(" "))).collect()
}

fn compare(contact: &Contact, page: &mut Page) {
    page.line(format!("The safety number of you and {}:", word(&contact.name)));
    page.line("");
    for line in digits(contact) {
        page.line(format!("  {}", page.paint(Paint::Bold, &line)));
    }
}

fn explain(contact: &Contact, page: &mut Page) {
    let name = word(&contact.name);
    page.line(format!(
        "{name} sees the same with: martletctl contact verify YOUR-NAME. Compare the digits, or scan each other's code, face \
         to face or on the phone. If they are the same:"
    ));
    page.line("");
    page.line(format!("  martletctl contact verify --compared {}", argument(&contact.name)));
    page.line("");
    match contact.verified {
        Verified::No => {}
        Verified::Yes => page.line(format!("{name} is verified already.")),
        Verified::Changed => page.line(page.paint(Paint::Bad, &changed(contact))),
    }
}

/// That a verified contact has other devices.
fn changed(contact: &Contact) -> String {
    format!(
        "{} has a new device since you verified them. Ask them whether it is theirs before you confirm it.",
        word(&contact.name)
    )
}

/// What `contact show` says of it.
pub(super) fn show(contact: &Contact, page: &mut Page) {
    let name = argument(&contact.name);
    let verified = match contact.verified {
        Verified::No => format!("no: martletctl contact verify {name}"),
        Verified::Yes => {
            let at = contact.verified_at.map(|at| page.clock().day_and_minute(at));
            page.paint(Paint::Good, &format!("yes, {}", at.unwrap_or_default()))
        }
        Verified::Changed => page.paint(
            Paint::Bad,
            &format!("changed: {} To confirm: martletctl contact verify {name}", changed(contact)),
        ),
    };
    page.field("Verified", &verified);
    for (at, line) in digits(contact).iter().enumerate() {
        page.field(if at == 0 { "Safety no." } else { "" }, line);
    }
}
