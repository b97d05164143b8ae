//! `doctor`: what is wrong, and what to do.

use martlet_protocol::control::{Diagnosis, Finding, Severity};

use super::Context;
use crate::exit::Failure;
use crate::render::{Page, Paint, count, one_line};

/// Look for what keeps messages from coming or going, and say what to do
///
/// It looks at the clock (compared with peers'), peers, configured peers that can't be reached, mDNS, the
/// disk, the databases, and how full the mailbox is. Exits with 7 if it finds an error.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl doctor
  martletctl doctor --json | jq -r '.findings[].code'")]
pub(crate) struct Args {}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let diagnosis: Diagnosis = context.client()?.get("/v1/doctor").await?;
        context.output.show(&diagnosis, human)?;
        let is_error = |finding: &&Finding| finding.severity == Severity::Error;
        match diagnosis.findings.iter().filter(is_error).count() {
            0 => Ok(()),
            errors => Err(Failure::Unwell(format!(
                "{} found",
                count(u64::try_from(errors).unwrap_or(u64::MAX), "error")
            ))),
        }
    }
}

fn human(diagnosis: &Diagnosis, page: &mut Page) {
    if diagnosis.findings.is_empty() {
        return page.line("Nothing is wrong, as far as can be seen from here.");
    }
    for finding in &diagnosis.findings {
        let (paint, severity) = match finding.severity {
            Severity::Error => (Paint::Bad, "error  "),
            Severity::Warning => (Paint::Warn, "warning"),
            Severity::Info => (Paint::Dim, "info   "),
        };
        let lead = format!("{}  ", page.paint(paint, severity));
        page.hanging(&lead, &one_line(&finding.problem));
        page.hanging("         ", &format!("To do: {}", one_line(&finding.advice)));
    }
}
