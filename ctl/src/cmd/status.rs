//! `status`: how the daemon does.

use martlet_protocol::control::{LockState, Reachability, Role, Status};
use martlet_protocol::network::Privacy;

use super::Context;
use super::shred::in_short as shred_in_short;
use crate::exit::BEGIN;
use crate::exit::Failure;
use crate::render::{Page, Paint, bytes, count, in_short, one_line, word};

/// Show identity, lock state, peers, how full the mailbox is, network and version
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  martletctl status
  martletctl status --verbose                   whole addresses, to dial from elsewhere
  martletctl status --json | jq .peers_connected")]
pub(crate) struct Args {
    /// Show in full each address that the daemon listens on
    #[arg(long, short)]
    verbose: bool,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let status: Status = context.client()?.get("/v1/status").await?;
        context.output.show(&status, |status, page| human(status, self.verbose, page))
    }
}

fn human(status: &Status, verbose: bool, page: &mut Page) {
    let identity = match (&status.identity, status.lock) {
        (Some(identity), _) => {
            let name = identity.name.as_deref().map(|name| format!("{}  ", word(name)));
            format!("{}{}", name.unwrap_or_default(), word(&identity.id))
        }
        (None, LockState::NoIdentity) => format!("none yet: {BEGIN}"),
        (None, LockState::Locked | LockState::Unlocked) => {
            "hidden while the vault is locked".to_owned()
        }
    };
    field(page, "Identity", &identity);
    let protection = match status.passphrase {
        Some(true) => "",
        Some(false) => ", without a passphrase",
        None => "",
    };
    match status.lock {
        LockState::NoIdentity => {}
        LockState::Locked => {
            let locked = page.paint(Paint::Warn, "locked: martletctl unlock");
            field(page, "Vault", &locked);
        }
        LockState::Unlocked => {
            let open = page.paint(Paint::Good, "open");
            field(page, "Vault", &format!("{open}{protection}"));
        }
    }
    if let Some(unread) = status.unread {
        let unread = if unread == 0 { "nothing".to_owned() } else { count(unread, "message") };
        field(page, "Unread", &unread);
    }
    if let Some(outbox) = status.outbox {
        let mut outbox = match outbox {
            0 => "empty".to_owned(),
            outbox => format!("{} not yet delivered", count(outbox, "message")),
        };
        if status.stamping > 0 {
            outbox.push_str(&format!(", {} being stamped", count(status.stamping, "envelope")));
        }
        field(page, "Outbox", &outbox);
    }
    if let Some(shred) = &status.shred {
        let shred = shred_in_short(shred, page);
        field(page, "Shred", &shred);
    }
    let peers = count(u64::from(status.peers_connected), "peer");
    let closed = if status.closed { " (closed: TCP only)" } else { "" };
    field(page, "Network", &format!("{}{closed}, {peers} connected", word(&status.network)));
    if let Some(privacy) = status.privacy {
        let means = match privacy {
            Privacy::Fast => "direct neighbours can tell what is yours",
            Privacy::Mixed => {
                "neighbours hardly tell what is yours, and \"delivered\" comes seconds later"
            }
        };
        field(page, "Privacy", &format!("{}: {means}", privacy.as_str()));
    }
    if let Some(reachability) = status.reachability {
        let reachability = match reachability {
            Reachability::Unknown => "not known yet",
            Reachability::Public => "public: everyone can connect",
            Reachability::Private if status.external.is_empty() => {
                "private: no one beyond the LAN can connect"
            }
            Reachability::Private => "private: others connect through relays",
        };
        field(page, "Reachable", reachability);
        addresses(page, "", &status.external, verbose);
    }
    let shards = &status.shards;
    let kept = match shards.total {
        // One shard is no news; a daemon of an older version tells of none.
        0 | 1 => String::new(),
        total if total == shards.kept => format!(", keeps all {total} shards"),
        total => format!(", keeps {} of {total} shards", shards.kept),
    };
    if status.role != Role::Full || !kept.is_empty() {
        field(page, "Role", &format!("{}{kept}", status.role.name()));
    }
    let mailbox = &status.mailbox;
    // In floating point: a quota of 0 has no share, and u64 would overflow.
    let share = if mailbox.bytes_max == 0 {
        100.0
    } else {
        mailbox.bytes as f64 * 100.0 / mailbox.bytes_max as f64
    };
    field(
        page,
        "Mailbox",
        &format!(
            "{}, {} of {} ({share:.0} %)",
            count(mailbox.envelopes, "envelope"),
            bytes(mailbox.bytes),
            bytes(mailbox.bytes_max),
        ),
    );
    if let Some(depot) = &status.depot {
        let kept = count(depot.files, "large file");
        let (now, max) = (bytes(depot.bytes), bytes(depot.bytes_max));
        field(page, "Depot", &format!("{kept} of others, {now} of {max}"));
    }
    field(page, "Peer ID", &word(&status.peer_id));
    addresses(page, "Listening", &status.listen, verbose);
    if let Some(address) = &status.metrics_listen {
        field(page, "Metrics", &word(&format!("http://{address}/metrics")));
    }
    field(page, "Daemon", &format!("martletd {}, process {}", word(&status.version), status.pid));
    for warning in &status.warnings {
        let warning = page.paint(Paint::Warn, &one_line(warning));
        field(page, "Warning", &warning);
    }
}

fn addresses(page: &mut Page, label: &str, addresses: &[String], verbose: bool) {
    let lines = if verbose { addresses.to_vec() } else { in_short(addresses) };
    for (number, line) in lines.iter().enumerate() {
        field(page, if number == 0 { label } else { "" }, &word(line));
    }
}

fn field(page: &mut Page, label: &str, value: &str) {
    page.field(label, value);
}
