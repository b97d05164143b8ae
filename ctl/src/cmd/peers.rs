//! `peers`: the nodes around.

use martlet_protocol::control::{ConnectionDirection, Peer, PeerList, Transport};

use super::Context;
use crate::exit::Failure;
use crate::render::{Page, Paint, Table, word};

/// Show connected and known peers: transport, direction, latency
///
/// Peers are nodes of the network, not people: a peer id is tied to no identity.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl peers
  martletctl peers --json | jq -r '.peers[] | select(.connected) | .address'")]
pub(crate) struct Args {}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let list: PeerList = context.client()?.get("/v1/peers").await?;
        context.output.show(&list, human)
    }
}

fn human(list: &PeerList, page: &mut Page) {
    if list.peers.is_empty() {
        return page.line("No peers. Others on this LAN are found by themselves; elsewhere: martletctl dial MULTIADDR");
    }
    let mut table = Table::new(&["PEER", "STATE", "TRANSPORT", "DIRECTION", "LATENCY", "ADDRESS"]);
    for peer in &list.peers {
        table.row(row(peer));
    }
    table.write(page);
}

fn row(peer: &Peer) -> Vec<(Paint, String)> {
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
    vec![
        (Paint::Bold, short(&peer.peer_id)),
        (state.0, state.1.to_owned()),
        (Paint::Plain, transport.to_owned()),
        (Paint::Plain, direction.to_owned()),
        (Paint::Plain, latency),
        (Paint::Plain, word(&peer.address)),
    ]
}

/// The end of a peer id, where they differ: all of one kind begin alike. JSON has it whole.
fn short(peer_id: &str) -> String {
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
