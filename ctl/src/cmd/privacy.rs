//! `privacy`: what the node holds, and who can see what of it.

use martlet_protocol::control::{PrivacyReport, PrivacySubject};

use super::Context;
use crate::exit::Failure;
use crate::render::{Page, Paint, one_line};

/// Show what this node holds about you and others, and who can see what
///
/// It is made of the databases, the counters and the configuration as they are now: change a setting, and it says something
/// else. What can be proved, and what can't, is in docs/threat-model.md.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl privacy
  martletctl privacy --json | jq -r '.sections[].statements[].code'")]
pub(crate) struct Args {}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let report: PrivacyReport = context.client()?.get("/v1/privacy").await?;
        context.output.show(&report, human)
    }
}

fn human(report: &PrivacyReport, page: &mut Page) {
    for (number, section) in report.sections.iter().enumerate() {
        if number > 0 {
            page.line("");
        }
        page.line(page.paint(Paint::Bold, heading(section.about)));
        for statement in &section.statements {
            page.hanging("  - ", &one_line(&statement.text));
        }
    }
}

fn heading(about: PrivacySubject) -> &'static str {
    match about {
        PrivacySubject::You => "What this node holds of you",
        PrivacySubject::Others => "What it holds of others",
        PrivacySubject::Lan => "What is seen on the local network",
        PrivacySubject::Internet => "What is seen beyond it",
        PrivacySubject::Peer => "What any node sees that is connected with this one",
        PrivacySubject::Relay => "What relays see",
        PrivacySubject::IdHolder => "What everyone sees who has your ID",
        PrivacySubject::Contact => "What a contact sees",
        PrivacySubject::RoomMember => "What those see who are in a room with you",
    }
}
