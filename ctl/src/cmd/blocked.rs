//! `blocked`: who is blocked.

use martlet_protocol::control::{Blocked, BlockedList};

use super::Context;
use crate::exit::Failure;
use crate::render::{Page, Paint, Table, word};

/// List those who are blocked
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  martletctl blocked")]
pub(crate) struct Args {}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let list: BlockedList = context.client()?.get("/v1/blocked").await?;
        context.output.show(&list, listed)
    }
}

/// What someone who is blocked is called.
pub(super) fn shown_as(blocked: &Blocked) -> String {
    word(blocked.name.as_ref().unwrap_or(&blocked.id))
}

fn listed(list: &BlockedList, page: &mut Page) {
    if list.blocked.is_empty() {
        return page.line("Nobody is blocked.");
    }
    let mut table = Table::new(&["NAME", "SINCE", "ID"]);
    for blocked in &list.blocked {
        let name = match &blocked.name {
            Some(name) => (Paint::Bold, word(name)),
            None => (Paint::Dim, "-".to_owned()),
        };
        table.row(vec![
            name,
            (Paint::Plain, page.clock().ago(blocked.since)),
            (Paint::Plain, word(&blocked.id)),
        ]);
    }
    table.write(page);
}
