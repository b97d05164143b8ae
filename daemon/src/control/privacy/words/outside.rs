//! What the node holds of others, and what is seen of it on its networks.

use martlet_protocol::control::{Reachability, Role};

use super::super::Facts;
use super::{Said, many};

pub(super) fn others(facts: &Facts, said: &mut Said) {
    let others = &facts.others;
    let envelopes = many(others.mailbox.envelopes, "envelope", "envelopes");
    said.say(
        "mailbox",
        format!(
            "{envelopes} of anyone, yours among them, sealed: this node can open those to its user alone. Beside each is when it \
             came and when it ends. Each goes when its delivery is proved, and after six days at most; of {} that went so the \
             ids are kept until then. In memory are, for as long, also ids that found no room, and receipts for envelopes that are \
             not here.",
            others.tombstones
        ),
    );
    if let Some(depot) = &others.depot {
        let files = many(depot.files, "large file", "large files");
        said.say(
            "depot",
            format!(
                "Of others also {files}, {} MiB, sealed: this node can open none of them. Beside each is in clear which node brought it, \
                 its size, and when it ends: after six days at most, or when who brought it says so. Which nodes fetch it is seen, and not kept.",
                depot.bytes.div_ceil(1 << 20)
            ),
        );
    }
    match (others.role, others.shards.total) {
        (Role::Mailbox, _) => said.say(
            "role-mailbox",
            "It keeps the envelopes of the whole network, and has no user (role mailbox).",
        ),
        (Role::Full, 0 | 1) => said.say(
            "role-full",
            "It keeps the envelopes of the whole network, and passes on what is gossiped (role full).",
        ),
        (Role::Full, total) => said.say(
            "role-full-shards",
            format!(
                "It keeps {} of the network's {total} shards, and passes on what is gossiped in them (role full).",
                others.shards.kept
            ),
        ),
        (Role::Edge, 0 | 1) => said.say(
            "role-edge",
            "It keeps the envelopes of the whole network, and passes nothing on (role edge).",
        ),
        (Role::Edge, total) => said.say(
            "role-edge-shards",
            format!("It keeps its user's shard of the network's {total}, and passes nothing on (role edge)."),
        ),
    }
    said.say(
        "peers-known",
        format!(
            "In clear: this node's transport key; and the addresses of {}, by their transport keys, which say nothing of people; \
             those not seen for 30 days go. {}.",
            many(others.known_peers, "node", "nodes"),
            many(others.bans, "node is banned", "nodes are banned")
        ),
    );
    said.either(
        facts.exposure.is_log_usual,
        (
            "log-usual",
            "The log has no contents, names, IDs or keys, and addresses only shortened (the default level).",
        ),
        (
            "log-other",
            "The log is set to another level than the default one, and may tell more of peers and of what happened when.",
        ),
    );
    if let Some(address) = &facts.has_metrics {
        said.say(
            "metrics",
            format!("Counters are served at {address} to every program of this machine: numbers, no names."),
        );
    }
}

pub(super) fn lan(facts: &Facts, said: &mut Said) {
    said.either(
        facts.exposure.mdns,
        (
            "mdns",
            "This node announces itself on the local network (mDNS): that a Martlet node is there, its addresses and its \
             transport key.",
        ),
        (
            "no-mdns",
            "This node does not announce itself on the local network (mdns is off).",
        ),
    );
    said.say(
        "lan-traffic",
        "Who sees the wire sees with which addresses it is connected, how much goes to and fro, and when. All of it is encrypted. Who \
         sees many such links learns by times and sizes who writes to whom: nothing is sent to hide that.",
    );
    said.either(
        facts.is_closed,
        (
            "closed",
            "Only nodes with the network's key can connect. Whoever has the key can pass it on. It is in clear in network.toml, \
             readable by this user.",
        ),
        ("open", "Any Martlet node that reaches this one can connect to it."),
    );
}

pub(super) fn internet(facts: &Facts, said: &mut Said) {
    let dialled = match facts.exposure.dialled {
        0 => String::new(),
        count => format!(
            " It always dials {} by its configuration, wherever that is.",
            many(u64::try_from(count).unwrap_or(u64::MAX), "node", "nodes")
        ),
    };
    if facts.is_lan_only {
        return said.say(
            "lan-only",
            format!("The network is lan_only: nobody beyond the local network is looked for or told.{dialled}"),
        );
    }
    said.say(
        "discovery",
        format!(
            "Nodes are found over the internet by a distributed hash table: its nodes learn this node's address and which \
             shards it keeps.{dialled}"
        ),
    );
    match facts.reachability {
        Some(Reachability::Public) => said.say(
            "public",
            "Others reach this node at a public address, which anyone in the network can look up.",
        ),
        Some(Reachability::Private) => said.say(
            "private",
            "Others don't reach this node directly. They can look up by which relays they do.",
        ),
        Some(Reachability::Unknown) | None => {}
    }
    if facts.exposure.announces {
        said.say(
            "announced",
            "The configuration names addresses to announce: all nodes that connect are told them.",
        );
    }
    if facts.exposure.upnp {
        said.say(
            "upnp",
            "The router is asked to open a port (UPnP): it knows that Martlet runs here.",
        );
    }
    if facts.exposure.relay_server {
        said.say(
            "relay-server",
            "This node relays for others: it sees who of them is connected with whom, how much and when, and none of what.",
        );
    }
}
