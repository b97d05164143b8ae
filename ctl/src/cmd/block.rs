//! `block`: be away to someone.

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::{BlockRequest, Blocked};

use super::Context;
use super::blocked::shown_as;
use crate::complete::contacts;
use crate::exit::Failure;

/// Block someone: to them you are away, and nothing they send is kept
///
/// They are not told. What they write stays `sent` and expires, as if you were away; their pings are not answered. What you
/// sent before is not called back. You can't write to them until you unblock them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl block bob
  martletctl block martlet1q7x…")]
pub(crate) struct Args {
    /// A contact's name, or anyone's ID
    #[arg(value_name = "NAME|ID", value_parser = NonEmptyStringValueParser::new(), add = contacts())]
    who: String,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = BlockRequest { who: self.who };
        let blocked: Blocked = context.client()?.post("/v1/blocked", &request).await?;
        context.output.show(&blocked, |blocked, page| {
            page.line(format!("{} is blocked.", shown_as(blocked)));
        })
    }
}
