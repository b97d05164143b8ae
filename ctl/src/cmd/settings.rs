//! `settings`: how you want all conversations to be.

use martlet_protocol::control::{Settings, SettingsChange};

use super::Context;
use crate::exit::Failure;
use crate::render::Page;

/// Show or change how you want all conversations to be
///
/// receipts: contacts see what you have read, and you see what they have. typing: the same of writing just now.
/// snippets: the list of conversations shows the beginnings of messages. strict_devices: what you write to a verified
/// contact waits once they have a new device, until you confirm it. Unknown people are never told anything.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl settings
  martletctl settings receipts=off typing=off
  martletctl settings strict_devices=on")]
pub(crate) struct Args {
    /// What to change: receipts, typing, snippets or strict_devices, on or off
    #[arg(value_name = "NAME=on|off", value_parser = assignment)]
    changes: Vec<(Setting, bool)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setting {
    Receipts,
    Typing,
    Snippets,
    StrictDevices,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let settings: Settings = if self.changes.is_empty() {
            client.get("/v1/settings").await?
        } else {
            let mut change = SettingsChange::default();
            for (setting, is_on) in self.changes {
                match setting {
                    Setting::Receipts => change.receipts = Some(is_on),
                    Setting::Typing => change.typing = Some(is_on),
                    Setting::Snippets => change.snippets = Some(is_on),
                    Setting::StrictDevices => change.strict_devices = Some(is_on),
                }
            }
            client.patch("/v1/settings", &change).await?
        };
        context.output.show(&settings, human)
    }
}

fn assignment(text: &str) -> Result<(Setting, bool), String> {
    let (name, value) = text.split_once('=').ok_or("NAME=on or NAME=off")?;
    let setting = match name {
        "receipts" => Setting::Receipts,
        "typing" => Setting::Typing,
        "snippets" => Setting::Snippets,
        "strict_devices" => Setting::StrictDevices,
        _ => return Err("there are receipts, typing, snippets and strict_devices".to_owned()),
    };
    match value {
        "on" => Ok((setting, true)),
        "off" => Ok((setting, false)),
        _ => Err(format!("{name} is on or off")),
    }
}

fn human(settings: &Settings, page: &mut Page) {
    let word = |is_on: bool| if is_on { "on" } else { "off" };
    page.field("receipts", word(settings.receipts));
    page.field("typing", word(settings.typing));
    page.field("snippets", word(settings.snippets));
    page.field("strict_devices", word(settings.strict_devices));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_on_or_off() {
        assert_eq!(assignment("typing=off"), Ok((Setting::Typing, false)));
        for bad in ["typing", "typing=", "typing=1", "=on", "Typing=on", "receipts=on=off"] {
            assert!(assignment(bad).is_err(), "{bad}");
        }
    }
}
