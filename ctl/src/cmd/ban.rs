//! `ban`: refuse a node.

use martlet_protocol::control::{Ban, BanRequest};
use martlet_protocol::limits::BAN_SECONDS_MAX;

use super::Context;
use crate::exit::Failure;
use crate::render::word;

/// Disconnect a node and refuse it, also after a restart
///
/// The daemon bans nodes that misbehave by itself, for a time: see `martletctl peers --banned`. A ban is of a
/// node's transport key. That key says nothing about who uses the node, so a ban keeps no person from writing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl ban 12D3KooW…
  martletctl ban …abcdefgh --for 2h --reason 'floods'")]
pub(crate) struct Args {
    /// Its peer id, or the end of one that `martletctl peers` shows
    #[arg(value_name = "PEER")]
    peer: String,
    /// How long: 90s, 30m, 2h or 7d [default: until `martletctl unban`]
    #[arg(long = "for", value_name = "TIME", value_parser = seconds)]
    seconds: Option<u64>,
    /// Why, for your own memory
    #[arg(long)]
    reason: Option<String>,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let request = BanRequest { peer_id: self.peer, seconds: self.seconds, reason: self.reason };
        let ban: Ban = context.client()?.post("/v1/bans", &request).await?;
        context.output.show(&ban, |ban, page| {
            let until = match ban.until {
                Some(until) => format!("until {}", page.clock().day_and_minute(until)),
                None => "until you lift it".to_owned(),
            };
            page.line(format!("Banned {} {until}.", word(&ban.peer_id)));
        })
    }
}

/// `90s`, `30m`, `2h`, `7d`.
fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no duration; give a number with s, m, h or d, such as 2h");
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 24 * 3600,
        Some(_) | None => return Err(wrong()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    let seconds = number.checked_mul(unit).filter(|seconds| *seconds > 0).ok_or_else(wrong)?;
    match seconds {
        ..=BAN_SECONDS_MAX => Ok(seconds),
        _ => Err(format!(
            "{text:?} is over a hundred years; leave it out for a ban that lasts until you lift it"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        for (text, expected) in [("90s", 90), ("30m", 1800), ("2h", 7200), ("7d", 604_800)] {
            assert_eq!(seconds(text), Ok(expected));
        }
        assert_eq!(seconds("36500d"), Ok(BAN_SECONDS_MAX));
        for text in
            ["36501d", "", "h", "2", "0s", "-1h", "2 h", "1w", "2é", "99999999999999999999d"]
        {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
