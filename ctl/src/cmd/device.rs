//! `device`: the user's devices.

mod join;
mod link;
mod reason;
mod wait;

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::{
    Device, DeviceHistory, DeviceList, DeviceRename, DeviceRevoke, DeviceState, RevocationReason,
};
use zeroize::{Zeroize, Zeroizing};

use super::Context;
use super::by_phrase::PhraseArgs;
use crate::client::{Client, ClientError, encode};
use crate::exit::Failure;
use crate::render::{Page, Paint, Question, Table, word};

/// Digits of a device's id that are shown.
const SHOWN_DIGITS: usize = 12;

/// Link, list, name and revoke your devices
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List your devices, also those that were revoked
    #[command(after_help = "\
Example:
  martletctl device list")]
    List,
    Link(link::Args),
    Join(join::Args),
    /// Say what this device is called; your contacts see it
    #[command(after_help = "\
Examples:
  martletctl device rename desk
  martletctl device rename ''     it has no name any more")]
    Rename {
        /// The name
        name: String,
    },
    /// Revoke a device: your contacts take nothing from it any more, and send nothing to it
    #[command(after_help = "\
Examples:
  martletctl device revoke phone --reason lost
  martletctl device revoke 4f0a91c2d7e6 --yes
  martletctl device revoke desk --phrase         on a device without the root: asks for the recovery phrase

A revoked device stays revoked. What it received before stays on it.")]
    Revoke {
        /// Its name, its id, or six digits or more of the beginning of that
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        device: String,
        /// Why; your contacts see it
        #[arg(long)]
        reason: Option<Reason>,
        #[command(flatten)]
        phrase: PhraseArgs,
        /// Don't ask
        #[arg(long, short)]
        yes: bool,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Reason {
    Lost,
    Stolen,
    Retired,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        match self.verb {
            Verb::List => {
                let list: DeviceList = client.get("/v1/devices").await?;
                context.output.show(&list, |list, page| listed(&list.devices, page))
            }
            Verb::Link(args) => args.run(context).await,
            Verb::Join(args) => args.run(context).await,
            Verb::Rename { name } => {
                let list: DeviceList = client.get("/v1/devices").await?;
                let this = list.devices.iter().find(|device| device.this);
                let id = this.map_or_else(|| "this".to_owned(), |device| device.id.clone());
                let path = format!("/v1/devices/{id}");
                let device: Device = client.patch(&path, &DeviceRename { name }).await?;
                context.output.show(&device, |device, page| {
                    page.line(match &device.name {
                        Some(name) => format!("This device is called {} now.", word(name)),
                        None => "This device has no name now.".to_owned(),
                    });
                })
            }
            Verb::Revoke { device, reason, phrase, yes } => {
                if !yes {
                    context.output.confirm(&Question {
                        text: &format!("Revoke the device {} for good?", word(&device)),
                        refused: "no device was revoked",
                        to_do: "revoke the device",
                    })?;
                }
                let reason = reason.map(|reason| match reason {
                    Reason::Lost => RevocationReason::Lost,
                    Reason::Stolen => RevocationReason::Stolen,
                    Reason::Retired => RevocationReason::Retired,
                });
                let path = format!("/v1/devices/{}/revoke", encode(&device));
                let phrase = phrase.read(context).await?;
                let device = match revoke(client, &path, reason, phrase).await {
                    Err(refusal) => {
                        let phrase = PhraseArgs::after(refusal, context).await?;
                        revoke(client, &path, reason, Some(phrase)).await?
                    }
                    Ok(device) => device,
                };
                context.output.show(&device, |device, page| {
                    page.line(format!("Revoked {}. Your contacts are told.", called(device)));
                    if device.this {
                        page.line("It is this device: nothing can be sent from it any more.");
                    }
                })
            }
        }
    }
}

async fn revoke(
    client: &Client,
    path: &str,
    reason: Option<RevocationReason>,
    phrase: Option<Zeroizing<String>>,
) -> Result<Device, ClientError> {
    let recovery_phrase = phrase.map(|mut phrase| std::mem::take(&mut *phrase));
    let mut request = DeviceRevoke { reason, recovery_phrase };
    let answer = client.post_secret(path, &request).await;
    request.recovery_phrase.zeroize();
    answer
}

/// The devices of someone, in a table.
pub(crate) fn listed(devices: &[Device], page: &mut Page) {
    let mut table = Table::new(&["NAME", "STATE", "ADDED", "ID"]);
    for device in devices {
        let mut name = device.name.as_deref().map_or_else(|| "-".to_owned(), word);
        if device.this {
            name.push_str(" (this)");
        }
        table.row(vec![
            (Paint::Bold, name),
            state(device, page),
            (Paint::Plain, page.clock().ago(device.created_at)),
            (Paint::Plain, short(device)),
        ]);
    }
    table.write(page);
}

fn state(device: &Device, page: &Page) -> (Paint, String) {
    match device.state {
        DeviceState::Valid => (Paint::Good, format!("valid{}", history(device))),
        DeviceState::Surplus => (Paint::Warn, "one too many".to_owned()),
        DeviceState::Terminated => (Paint::Dim, "terminated".to_owned()),
        DeviceState::Revoked => {
            let why = match device.reason {
                None => "",
                Some(RevocationReason::Lost) => ", lost",
                Some(RevocationReason::Stolen) => ", stolen",
                Some(RevocationReason::Retired) => ", retired",
            };
            let at = device.revoked_at.map(|at| format!(" {}", page.clock().ago(at)));
            (Paint::Dim, format!("revoked{why}{}", at.unwrap_or_default()))
        }
    }
}

/// How far messages of before are.
fn history(device: &Device) -> String {
    let Some(DeviceHistory { messages, conversations_left }) = device.history else {
        return String::new();
    };
    let what = if device.this { "has" } else { "was given" };
    let of_before = match messages {
        1 => format!(", {what} 1 message of before"),
        _ => format!(", {what} {messages} messages of before"),
    };
    match conversations_left {
        None | Some(0) => of_before,
        Some(1) => format!("{of_before}, more of 1 conversation to come"),
        Some(left) => format!("{of_before}, more of {left} conversations to come"),
    }
}

fn called(device: &Device) -> String {
    device.name.as_deref().map_or_else(|| short(device), word)
}

fn short(device: &Device) -> String {
    word(device.id.get(..SHOWN_DIGITS).unwrap_or(&device.id))
}
