//! `invite`: two people meet by one link.

use std::str::FromStr;

use clap::builder::NonEmptyStringValueParser;
use martlet_protocol::control::{
    Contact, ErrorCode, Invite, InviteAccept, InviteList, InviteRequest, InviteState, LockState,
    Network, Problem, Status,
};
use martlet_protocol::invite::Invite as Link;
use zeroize::{Zeroize, Zeroizing};

use super::Context;
use super::network::join;
use super::text::given;
use crate::client::{Client, ClientError};
use crate::exit::Failure;
use crate::render::{Page, Paint, Table, argument, count, life, qr, word};

/// Meet someone by one link: they become your contact, and you theirs
///
/// The link has your ID, your network (and its key, if it is closed), addresses at which your node may be reached, and a
/// secret that is good once. Give it to one person, on a way that you trust.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make an invite, and show its link
    #[command(after_help = "\
Examples:
  martletctl invite create --qr
  martletctl invite create --name carol --expires 1d")]
    Create {
        /// Your name for whoever comes by it; else the one that they call themselves
        #[arg(long)]
        name: Option<String>,
        /// How long it is good: 1min to 30d [default: 7d]
        #[arg(long, value_name = "TIME", value_parser = life)]
        expires: Option<u32>,
        /// Show it as a QR code too
        #[arg(long)]
        qr: bool,
    },
    /// Show an invite's link again
    #[command(after_help = "\
Example:
  martletctl invite show 3")]
    Show {
        /// Its number in the list
        number: u64,
        /// Show it as a QR code too
        #[arg(long)]
        qr: bool,
    },
    /// List your invites, and what became of them
    #[command(after_help = "\
Example:
  martletctl invite list")]
    List,
    /// Make an invite good no more
    #[command(after_help = "\
Example:
  martletctl invite revoke 3")]
    Revoke {
        /// Its number in the list
        number: u64,
    },
    /// Accept an invite that you were given
    ///
    /// Other users of the machine can see what is on the command line, and the shell keeps it: '-' reads the link from
    /// standard input. An invite to another network says how to join that one. Where there is no identity yet, its network
    /// is joined at once.
    #[command(after_help = "\
Examples:
  martletctl invite accept -                       and paste the link, then Enter and Ctrl-D
  martletctl invite accept martletinvite1… --name bob")]
    Accept {
        /// The link; - reads it from standard input
        #[arg(value_parser = NonEmptyStringValueParser::new())]
        link: String,
        /// Your name for them; else the one that they call themselves
        #[arg(long)]
        name: Option<String>,
    },
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        let client = context.client()?;
        match self.verb {
            Verb::Create { name, expires: expires_seconds, qr } => {
                let request = InviteRequest { name, expires_seconds };
                let invite: Invite = client.post("/v1/invites", &request).await?;
                show(invite, qr, context)?;
                note_pending(context).await
            }
            Verb::Show { number, qr } => {
                let invite: Invite = client.get(&format!("/v1/invites/{number}")).await?;
                show(invite, qr, context)
            }
            Verb::List => {
                let list: InviteList = client.get("/v1/invites").await?;
                context.output.show(&list, listed)
            }
            Verb::Revoke { number } => {
                client.delete(&format!("/v1/invites/{number}")).await?;
                context.output.done(&format!("Invite {number} is good no more."))
            }
            Verb::Accept { link, name } => {
                if link == "-" {
                    context.output.progress("Paste the link, then press Enter and Ctrl-D.");
                }
                accept(Zeroizing::new(given(link)?), name, context).await
            }
        }
    }
}

/// Says so if whoever comes by an invite will not meet this node after its restart.
async fn note_pending(context: &Context) -> Result<(), Failure> {
    let network: Network = context.client()?.get("/v1/network").await?;
    if let Some(next) = &network.pending {
        context.output.note(&format!(
            "This invite is for the network {}. The network {}, which was joined, waits for the daemon's restart: restart it, and \
             make an invite then, or you don't meet.",
            word(&network.name),
            word(&next.name),
        ));
    }
    Ok(())
}

fn show(mut invite: Invite, with_qr: bool, context: &Context) -> Result<(), Failure> {
    let link = invite.link.clone().map(Zeroizing::new).unwrap_or_default();
    let code = if with_qr { Some(qr(&link)?) } else { None };
    let shown = context.output.show(&invite, |invite, page| {
        if let Some(code) = &code {
            page.qr(code);
            page.line("");
        }
        page.raw_line(&link);
        page.line("");
        let closed = Link::from_str(&link).is_ok_and(|link| link.network.is_closed());
        let key = if closed { ", and enters your closed network with its key" } else { "" };
        page.line(format!(
            "Invite {}, good once, until {}. Give it to one person: whoever has it becomes your contact{key}. They run:",
            invite.number,
            page.clock().day_and_minute(invite.expires_at)
        ));
        page.line("");
        page.line("  martletctl invite accept -");
        page.line("");
        page.line("and paste the link, then Enter and Ctrl-D.");
    });
    invite.link.zeroize();
    shown
}

fn listed(list: &InviteList, page: &mut Page) {
    if list.invites.is_empty() {
        return page.line("No invites: martletctl invite create");
    }
    let mut table = Table::new(&["NUMBER", "FOR", "STATE", "UNTIL", "BY"]);
    for invite in &list.invites {
        let state = match invite.state {
            InviteState::Open => (Paint::Good, "open".to_owned()),
            InviteState::Used => (Paint::Plain, "used".to_owned()),
            InviteState::Expired => (Paint::Dim, "expired".to_owned()),
            InviteState::Revoked => (Paint::Dim, "revoked".to_owned()),
        };
        table.row(vec![
            (Paint::Bold, invite.number.to_string()),
            (Paint::Plain, invite.name.as_deref().map_or("-".to_owned(), word)),
            state,
            (Paint::Plain, page.clock().day_and_minute(invite.expires_at)),
            (Paint::Plain, invite.used_by.as_deref().map_or("-".to_owned(), word)),
        ]);
    }
    table.write(page);
    for invite in list.invites.iter().filter(|invite| !invite.refused.is_empty()) {
        let others = count(u64::try_from(invite.refused.len()).unwrap_or(u64::MAX), "other");
        let note = format!("{others} came by invite {} when it was good no more", invite.number);
        page.line(page.paint(Paint::Warn, &note));
    }
}

async fn accept(
    link: Zeroizing<String>,
    name: Option<String>,
    context: &Context,
) -> Result<(), Failure> {
    let client = context.client()?;
    // Here as well: what is wrong with the link is no secret, and where it leads is told with what to do.
    let invite = Link::from_str(&link).map_err(|error| {
        Failure::Client(ClientError::Problem(Problem::new(
            ErrorCode::InvalidInvite,
            error.to_string(),
        )))
    })?;
    let network: Network = client.get("/v1/network").await?;
    let Network { name: of, key_fingerprint, .. } = Network::of(&invite.network);
    if (&network.name, &network.key_fingerprint) != (&of, &key_fingerprint) {
        return join_first(&invite, client, context).await;
    }
    let mut request = InviteAccept { link: link.to_string(), name };
    let answer = client.post_secret("/v1/invites/accept", &request).await;
    request.link.zeroize();
    context.output.show::<Contact>(&answer?, |contact, page| {
        let name = page.paint(Paint::Bold, &word(&contact.name));
        page.line(format!(
            "Added {name}. Their device accepts you by itself as soon as it hears of you; until then messages wait."
        ));
        page.line(format!("Write to them: martletctl send {} 'Hello!'", argument(&contact.name)));
    })
}

/// The invite is to another network: joined at once where nobody is there yet, else the user is told how.
async fn join_first(invite: &Link, client: &Client, context: &Context) -> Result<(), Failure> {
    let status: Status = client.get("/v1/status").await?;
    if status.lock == LockState::NoIdentity {
        join(invite.network.clone(), false, None, context).await?;
        context.output.note(
            "Then make your identity, and accept the invite: martletctl init --name YOU; martletctl invite accept -",
        );
        return Ok(());
    }
    let kind = |is_closed| if is_closed { "closed" } else { "open" };
    let (its, name) = (kind(invite.network.is_closed()), word(&invite.network.name));
    Err(Failure::Client(ClientError::Problem(Problem::new(
        ErrorCode::OtherNetwork,
        format!(
            "this invite is to the {its} network {name}, and your daemon is part of the {} network {}, of one at a time. To \
             leave that one for {name}: martletctl network join --force - (and paste the link), restart the daemon, and \
             accept the invite then. To be in both: a second daemon, with a configuration and a data directory of its own",
            kind(status.closed),
            word(&status.network)
        ),
    ))))
}
