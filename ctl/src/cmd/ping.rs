//! `ping`: whether a contact's device is on.

use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::{PingRequest, PingResponse};
use martlet_protocol::limits::PING_TIMEOUT_MAX;

use super::Context;
use crate::client::encode;
use crate::complete::contacts;
use crate::exit::Failure;
use crate::render::word;

/// Ask whether a contact's device is on, and how far away
///
/// Their daemon answers by itself, while their vault is open and you are their contact. They don't see it. The
/// time is what a message and its answer take, with the network's stamps and delays. A daemon answers a contact
/// at most 120 times a minute.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl ping bob
  martletctl ping bob --timeout 30
  martletctl ping bob && martletctl send bob 'You are there!'")]
pub(crate) struct Args {
    /// The contact's name
    #[arg(value_parser = NonEmptyStringValueParser::new(), add = contacts())]
    name: String,

    /// Wait this long for the answer, 50 at most, then exit with code 5
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    timeout: Duration,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let path = format!("/v1/contacts/{}/ping", encode(&self.name));
        let timeout_ms = u32::try_from(self.timeout.as_millis()).ok();
        let answer: PingResponse =
            context.client()?.post(&path, &PingRequest { timeout_ms }).await?;
        context.output.show(&answer, |PingResponse { round_trip_ms }, page| {
            page.line(format!("{} answered: {round_trip_ms} ms", word(&self.name)));
        })
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let timeout = super::send::seconds(text)?;
    if (Duration::from_millis(1)..=PING_TIMEOUT_MAX).contains(&timeout) {
        Ok(timeout)
    } else {
        Err(format!("0.001 to {} seconds", PING_TIMEOUT_MAX.as_secs()))
    }
}
