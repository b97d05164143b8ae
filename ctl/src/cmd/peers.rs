//! `peers`: the nodes around.

use martlet_protocol::control::{
    Ban, BanList, ConnectionDirection, Peer, PeerDetails, PeerList, Transport,
};

use super::Context;
use crate::exit::Failure;
use crate::render::{Page, Paint, Table, count, one_line, word};

/// Show connected and known peers: transport, direction, latency
///
/// Peers are nodes of the network, not people. A peer id does not tell who uses the node.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl peers
  martletctl peers --verbose                    scores, gossip, since when
  martletctl peers --banned
  martletctl peers --json | jq -r '.peers[] | select(.connected) | .address'")]
pub(crate) struct Args {
    /// Show all that is known of each: score, gossip, since when it is connected, and its program
    #[arg(long, short)]
    verbose: bool,
    /// Show instead which are banned, why, and until when
    #[arg(long, conflicts_with = "verbose")]
    banned: bool,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        if self.banned {
            let list: BanList = client.get("/v1/bans").await?;
            return context.output.show(&list, bans);
        }
        let list: PeerList = client.get("/v1/peers").await?;
        context.output.show(&list, if self.verbose { in_full } else { human })
    }
}

fn human(list: &PeerList, page: &mut Page) {
    if list.peers.is_empty() {
        page.line("No peers. Others on this LAN are found by themselves; elsewhere: martletctl dial ADDRESS");
        return failed(list, page);
    }
    let mut table = Table::new(&["PEER", "STATE", "TRANSPORT", "DIRECTION", "LATENCY", "ADDRESS"]);
    for peer in &list.peers {
        table.row(row(peer).into());
    }
    table.write(page);
    failed(list, page);
}

/// What could not be connected to, and why.
fn failed(list: &PeerList, page: &mut Page) {
    for one in &list.failed {
        let goes_on = if one.given_up { "given up" } else { "still tried" };
        let attempts = count(u64::from(one.attempts), "attempt");
        let what = format!("Not reached, {goes_on} after {attempts}:");
        let what = page.paint(Paint::Warn, &what);
        page.line(format!("{what} {}", word(&one.address)));
        page.line(format!("  {}", one_line(&one.reason)));
    }
}

fn in_full(list: &PeerList, page: &mut Page) {
    if list.peers.is_empty() {
        return human(list, page);
    }
    for peer in &list.peers {
        page.line(page.paint(Paint::Bold, &word(&peer.peer_id)));
        let [_, (paint, state), (_, transport), (_, direction), (_, latency), (_, address)] =
            row(peer);
        let state = page.paint(paint, &state);
        match &peer.details {
            Some(details) => {
                let since = page.clock().ago(details.since);
                field(
                    page,
                    "State",
                    &format!("{state} {direction} by {transport}, {latency}, {since}"),
                );
            }
            None => field(page, "State", &state),
        }
        field(page, "Address", &address);
        if let Some(details) = &peer.details {
            about(details, page);
        }
        if let Some(ban) = &peer.ban {
            let ban = page.paint(Paint::Bad, &format!("until {}", until(ban, page)));
            field(page, "Banned", &ban);
        }
    }
    failed(list, page);
}

fn about(details: &PeerDetails, page: &mut Page) {
    let score = match details.throttled {
        true => page.paint(Paint::Bad, &format!("{:.1}, throttled", details.score)),
        false => format!("{:.1}", details.score),
    };
    field(page, "Score", &score);
    let mesh = if details.mesh { "in the mesh" } else { "not in the mesh" };
    let envelopes = count(details.envelopes_in, "new envelope");
    field(page, "Gossip", &format!("{mesh}; {envelopes} in, {} invalid", details.invalid));
    if details.pinned {
        field(page, "Pinned", "yes: configured, or dialled by command");
    }
    if let Some(agent) = &details.agent {
        field(page, "Agent", &word(agent));
    }
    if !details.protocols.is_empty() {
        let protocols: Vec<String> = details.protocols.iter().map(|one| word(one)).collect();
        field(page, "Protocols", &protocols.join(" "));
    }
}

fn field(page: &mut Page, label: &str, value: &str) {
    let label = page.paint(Paint::Dim, &format!("{label:<10}"));
    page.hanging(&format!("  {label} "), value);
}

fn bans(list: &BanList, page: &mut Page) {
    if list.bans.is_empty() {
        return page.line("Nobody is banned.");
    }
    let mut table = Table::new(&["PEER", "SINCE", "UNTIL", "REASON"]);
    for ban in &list.bans {
        table.row(vec![
            (Paint::Bold, short(&ban.peer_id)),
            (Paint::Plain, page.clock().ago(ban.since)),
            (Paint::Plain, until(ban, page)),
            (Paint::Plain, one_line(&ban.reason)),
        ]);
    }
    table.write(page);
}

fn until(ban: &Ban, page: &Page) -> String {
    match ban.until {
        Some(until) => page.clock().day_and_minute(until),
        None => "lifted".to_owned(),
    }
}

fn row(peer: &Peer) -> [(Paint, String); 6] {
    let state = match peer.connected {
        true => (Paint::Good, "connected"),
        false => (Paint::Dim, "known"),
    };
    let transport = match peer.transport {
        Some(Transport::Tcp) if peer.upgraded => "tcp, upgraded",
        Some(Transport::Tcp) => "tcp",
        Some(Transport::Quic) if peer.upgraded => "quic, upgraded",
        Some(Transport::Quic) => "quic",
        Some(Transport::Relay) => "relay",
        None => "-",
    };
    let direction = match peer.direction {
        Some(ConnectionDirection::In) => "in",
        Some(ConnectionDirection::Out) => "out",
        None => "-",
    };
    let latency = peer.latency_ms.map_or("-".to_owned(), |latency| format!("{latency:.1} ms"));
    [
        (Paint::Bold, short(&peer.peer_id)),
        (state.0, state.1.to_owned()),
        (Paint::Plain, transport.to_owned()),
        (Paint::Plain, direction.to_owned()),
        (Paint::Plain, latency),
        (Paint::Plain, word(&peer.address)),
    ]
}

/// The end of a peer id, where they differ: all of one kind begin alike. JSON has it whole.
pub(super) fn short(peer_id: &str) -> String {
    let skip = peer_id.chars().count().saturating_sub(8);
    let end: String = peer_id.chars().skip(skip).collect();
    if skip > 0 { format!("…{}", word(&end)) } else { word(&end) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peer_ids_are_shortened() {
        assert_eq!(short("12D3KooWabcdefgh"), "…abcdefgh");
        assert_eq!(short("abc"), "abc");
    }
}
