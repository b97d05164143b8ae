//! `profile`: how you want contacts to see you.

use std::path::PathBuf;

use martlet_protocol::control::{OwnProfile, ProfileChange};

use super::Context;
use crate::exit::Failure;
use crate::picture;
use crate::render::{Page, Paint, count, word};

/// Show or change how your contacts see you: a name and a picture, if you want
///
/// Contacts are told nothing of it until you share it. Their name for you stays whatever they call you. Who you blocked gets
/// nothing. When sharing ends, or the profile is cleared, contacts' devices are told to forget it; a contact may have kept it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show your profile
    #[command(after_help = "\
Example:
  martletctl profile show")]
    Show,
    /// Set your name, your picture, or both
    ///
    /// The picture is a PNG, JPEG or WebP that stands still. The middle of it is taken, 256 pixels each way, and made anew in a
    /// process of its own: what a camera wrote into it, such as the place, is not in it any more.
    #[command(after_help = "\
Examples:
  martletctl profile set --name 'Ann Lee'
  martletctl profile set --avatar ~/portrait.jpg")]
    Set {
        /// What you call yourself
        #[arg(long, required_unless_present = "avatar")]
        name: Option<String>,
        /// A file with your picture
        #[arg(long, value_name = "FILE")]
        avatar: Option<PathBuf>,
    },
    /// Take name and picture away, and share nothing
    #[command(after_help = "\
Example:
  martletctl profile clear")]
    Clear,
    /// Let contacts see it, or not any more
    #[command(after_help = "\
Examples:
  martletctl profile share on
  martletctl profile share off")]
    Share {
        /// Whether contacts see it
        #[arg(value_parser = ["on", "off"])]
        state: String,
    },
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        let profile: OwnProfile = match self.verb {
            Verb::Show => client.get("/v1/profile").await?,
            Verb::Set { name, avatar } => {
                // Before anything is changed.
                let picture = match &avatar {
                    Some(file) => Some(picture::from_file(file, &context.before).await?),
                    None => None,
                };
                let change = ProfileChange { name, ..ProfileChange::default() };
                let mut profile = client.patch("/v1/profile", &change).await?;
                if let Some(picture) = picture {
                    profile =
                        client.post_file("/v1/profile/picture", "image/jpeg", picture).await?;
                }
                profile
            }
            Verb::Clear => {
                client.delete("/v1/profile").await?;
                client.get("/v1/profile").await?
            }
            Verb::Share { state } => {
                let shared = Some(state == "on");
                let change = ProfileChange { shared, ..ProfileChange::default() };
                client.patch("/v1/profile", &change).await?
            }
        };
        context.output.show(&profile, human)
    }
}

fn human(profile: &OwnProfile, page: &mut Page) {
    let none = || "none".to_owned();
    page.field("Name", &profile.name.as_deref().map_or_else(none, word));
    page.field("Picture", &profile.picture_bytes.map_or_else(none, |bytes| count(bytes, "byte")));
    let says_something = profile.name.is_some() || profile.picture_bytes.is_some();
    let shared = match (profile.shared, says_something) {
        (true, true) => format!(
            "with contacts you have a conversation with; {} told so far",
            count(profile.told, "contact")
        ),
        (true, false) => "with contacts, once there is something to see".to_owned(),
        (false, _) => page.paint(Paint::Dim, "no: martletctl profile share on"),
    };
    page.field("Shared", &shared);
    if let Some(name) = &profile.offered_name {
        page.field(
            "Offered",
            &format!("{} (the name given at init, to everyone you write to)", word(name)),
        );
    }
}
