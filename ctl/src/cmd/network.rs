//! `network`: make networks, and take part in them.

mod files;

use std::path::{Path, PathBuf};

use martlet_protocol::control::{ErrorCode, Network, NetworkExport};
use martlet_protocol::network::{NetworkDescriptor, NetworkKey, Privacy};
use rand::rngs::SysRng;
use rand_core::UnwrapErr;
use serde::Serialize;
use zeroize::Zeroizing;

use super::Context;
use crate::client::{Client, ClientError};
use crate::exit::Failure;
use crate::render::{Page, Paint, bytes, one_line, qr, word};
use files::{Owner, Source};

/// Make a network of your own, join one, pass it on
///
/// A descriptor says what a network is: its name, and perhaps a key. A network with a key is closed: a node
/// without the key can't even connect. Whoever has the descriptor has the key. Keep it as you keep a
/// password, and pass it on only to those who should take part.
#[derive(Debug, clap::Args)]
#[command(after_long_help = "\
A closed network in three commands:
  martletctl network create ship --closed       on the first machine
  martletctl network join ship.toml             there, and restart the daemon
  martletctl network export                     prints one line; on every other machine:
                                                martletctl network join -     and paste it")]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a network's descriptor, with a new key if it is closed; needs no daemon
    #[command(after_help = "\
Examples:
  martletctl network create ship --closed
  martletctl network create city --internet --stamp-bits 18 --bootstrap /dns/host.example/tcp/4177")]
    Create {
        /// Its name: 1 to 32 characters of a-z, 0-9 and '-'
        name: String,
        /// Make a key for it: only nodes that have it can connect. Closed networks have TCP only
        #[arg(long)]
        closed: bool,
        /// 2^N shards. More than 0 is only for networks of thousands of users
        #[arg(long, value_name = "N", default_value_t = 0)]
        shard_bits: u8,
        /// Work for each envelope. Each bit doubles it. Use 16 to 20 where strangers may send
        #[arg(long, value_name = "N", default_value_t = 0)]
        stamp_bits: u8,
        /// Look for peers beyond the local network. This changes the default of --privacy
        #[arg(long, alias = "open", conflicts_with = "lan_only")]
        internet: bool,
        /// Stay on the local network (the default)
        #[arg(long)]
        lan_only: bool,
        /// "fast": neighbours can tell which messages are the user's own. "mixed": they hardly can, but
        /// "delivered" is told seconds later [default: fast on the local network, mixed with --internet]
        #[arg(long, value_name = "fast|mixed", value_parser = privacy)]
        privacy: Option<Privacy>,
        /// Largest file that the nodes keep for who is away, bytes; 0 for none, at most 4194304
        /// [default: 4 MiB on the local network, 512 KiB with --internet]
        #[arg(long, value_name = "BYTES")]
        mailbox_file_bytes: Option<u64>,
        /// Address that every node dials at start; repeat it for several
        #[arg(long, value_name = "MULTIADDR")]
        bootstrap: Vec<String>,
        /// The file to write, '-' for standard output [default: NAME.toml here]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Write over a file that is there; it is kept with .old at its end
        #[arg(long)]
        force: bool,
    },
    /// Show the daemon's network, or that of a file or text (then without the daemon)
    #[command(after_help = "\
Examples:
  martletctl network show
  martletctl network show ship.toml")]
    Show {
        /// A descriptor's file, its text on one line, or '-' for standard input
        #[arg(value_name = "FILE|TEXT")]
        source: Option<String>,
        /// The key too, not only its fingerprint
        #[arg(long)]
        show_key: bool,
    },
    /// Print the daemon's network, with its key, for another machine: as a line, a QR code, or a file
    ///
    /// With FILE it is taken from there, and no daemon is needed.
    #[command(after_help = "\
Examples:
  martletctl network export
  martletctl network export --qr
  martletctl network export -o ship.toml")]
    Export {
        /// A descriptor's file, instead of the daemon's network
        #[arg(value_name = "FILE")]
        source: Option<String>,
        /// As a QR code too
        #[arg(long, conflicts_with = "output")]
        qr: bool,
        /// Write it to this file, readable by you alone
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Write over a file that is there; it is kept with .old at its end
        #[arg(long)]
        force: bool,
    },
    /// Take part in a network: check its descriptor and put it where the daemon reads it
    ///
    /// No daemon is needed. If one runs, the descriptor goes where that one reads it, else to
    /// network.toml beside the default configuration, ~/.config/martlet/martletd.toml. The daemon
    /// takes part once it is restarted. Other users of the machine can see text on the command line, and
    /// the shell keeps it. So use '-' for a text with a key: it is then read from standard input.
    #[command(after_help = "\
Examples:
  martletctl network join ship.toml
  martletctl network join -
  ssh ship martletctl network export | martletctl network join -")]
    Join {
        /// A descriptor's file, its text on one line, an invite's link, or '-' for standard input
        #[arg(value_name = "FILE|TEXT")]
        source: String,
        /// Leave the network that the daemon is in now. Its descriptor is kept, with .old at its name's end
        #[arg(long)]
        force: bool,
        /// The file to write the descriptor to
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
    },
}

/// What `create` and `export -o` did, as JSON.
#[derive(Debug, Serialize)]
struct Written {
    file: PathBuf,
    network: Network,
}

/// What `join` did, as JSON.
#[derive(Debug, Serialize)]
struct Joined {
    file: PathBuf,
    network: Network,
    /// Whether the file was so before.
    unchanged: bool,
    /// Whether a daemon runs that has to be restarted to take part.
    restart: bool,
}

/// What `show` shows, as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    network: Network,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

/// What `export` prints, as JSON.
#[derive(Serialize)]
struct Exported<'a> {
    text: &'a str,
    descriptor: &'a str,
}

impl Args {
    /// Runs the verb.
    pub(crate) async fn run(self, context: &Context) -> Result<(), Failure> {
        match self.verb {
            Verb::Create {
                name,
                closed,
                shard_bits,
                stamp_bits,
                internet,
                lan_only: _,
                privacy,
                mailbox_file_bytes,
                bootstrap,
                output,
                force,
            } => {
                let key = closed.then(|| NetworkKey::generate(&mut UnwrapErr(SysRng)));
                let lan_only = !internet;
                let network = NetworkDescriptor {
                    name,
                    shard_bits,
                    stamp_bits,
                    lan_only,
                    bootstrap,
                    key,
                    privacy,
                    mailbox_file_bytes,
                };
                network.validate().map_err(|error| Failure::Usage(error.to_string()))?;
                let file = output.unwrap_or_else(|| format!("{}.toml", network.name).into());
                create(&network, file, force, context)
            }
            Verb::Show { source, show_key } => show(source, show_key, context).await,
            Verb::Export { source, qr, output, force } => {
                let network = match source {
                    Some(source) => Source::of(source).read(context)?,
                    None => {
                        note_pending(context).await?;
                        daemons(context).await?
                    }
                };
                match output {
                    Some(file) => write(&network, file, force, context),
                    None => export(&network, qr, context),
                }
            }
            Verb::Join { source, force, to } => {
                join(Source::of(source).read(context)?, force, to, context).await
            }
        }
    }
}

fn create(
    network: &NetworkDescriptor,
    file: PathBuf,
    force: bool,
    context: &Context,
) -> Result<(), Failure> {
    if file == Path::new("-") {
        return context.output.raw(network.to_toml().as_bytes());
    }
    files::write(&file, network, force, None)?;
    let written = Written { file, network: Network::of(network) };
    context.output.show(&written, |Written { file, network }, page| {
        let file = path(file);
        let kind = if network.closed { "the closed network" } else { "the network" };
        page.line(format!("Made {kind} {}: {file}", word(&network.name)));
        if let Some(fingerprint) = &network.key_fingerprint {
            page.line(format!("Its key's fingerprint: {}", word(fingerprint)));
            page.line("Whoever has this file can take part. Keep it secret, and keep a copy of it in a safe place.");
        }
        if network.privacy == Some(Privacy::Mixed) {
            page.line(
                "Its privacy is mixed: neighbours hardly tell what is yours, and \"delivered\" comes seconds later. \
                 To have it at once: --privacy fast",
            );
        }
        page.line(format!("Take part: martletctl network join {file}"));
    })
}

async fn show(source: Option<String>, show_key: bool, context: &Context) -> Result<(), Failure> {
    let (network, descriptor) = match source {
        Some(source) => {
            let descriptor = Source::of(source).read(context)?;
            (Network::of(&descriptor), Some(descriptor))
        }
        None => {
            let network = context.client()?.get("/v1/network").await?;
            (network, if show_key { Some(daemons(context).await?) } else { None })
        }
    };
    let key = descriptor.filter(|_| show_key).and_then(|network| network.key);
    let key = key.as_ref().map(NetworkKey::to_text);
    context.output.show(&Shown { network, key: key.as_ref().map(|key| key.as_str()) }, human)
}

fn export(network: &NetworkDescriptor, with_qr: bool, context: &Context) -> Result<(), Failure> {
    let text = network.to_text().map_err(|error| Failure::Failed(error.to_string()))?;
    let code = if with_qr { Some(qr(&text)?) } else { None };
    if network.is_closed() {
        context
            .output
            .progress("Whoever has this text can take part. Pass it on as you would a key.");
    }
    let exported = Exported { text: &text, descriptor: &network.to_toml() };
    context.output.show(&exported, |exported, page| {
        if let Some(code) = &code {
            page.qr(code);
        }
        page.line(word(exported.text));
    })
}

fn write(
    network: &NetworkDescriptor,
    file: PathBuf,
    force: bool,
    context: &Context,
) -> Result<(), Failure> {
    files::write(&file, network, force, None)?;
    let written = Written { file, network: Network::of(network) };
    context.output.show(&written, |Written { file, network }, page| {
        page.line(format!("Wrote the network {} to {}", word(&network.name), path(file)));
    })
}

/// Puts a descriptor where the daemon reads it.
pub(super) async fn join(
    descriptor: NetworkDescriptor,
    force: bool,
    to: Option<PathBuf>,
    context: &Context,
) -> Result<(), Failure> {
    let running = running(context).await?;
    let file = match (to, running.as_ref().and_then(|network| network.file.as_ref())) {
        (Some(file), _) => file,
        (None, Some(file)) => file.into(),
        (None, None) => files::default_file(|name| std::env::var_os(name)).ok_or_else(|| {
            Failure::Usage(
                "cannot tell where the daemon's configuration is, since HOME is not set: name the file with --to"
                    .to_owned(),
            )
        })?,
    };
    let unchanged = files::holds(&file, &descriptor);
    let socket = running.as_ref().and(context.client.as_ref()).map(Client::socket);
    let other = socket.and_then(Owner::of_other);
    if !unchanged {
        files::write(&file, &descriptor, force, other)?;
    }
    let network = Network::of(&descriptor);
    let joined = Joined { file, network, unchanged, restart: running.is_some() };
    context.output.show(&joined, |joined, page| {
        let name = word(&joined.network.name);
        let file = path(&joined.file);
        if joined.unchanged {
            page.line(format!("{file} has the network {name} already."));
        } else {
            page.line(format!("Put the network {name} into {file}"));
        }
        if joined.restart && other.is_some() {
            page.line("Restart the daemon to take part: systemctl restart martletd");
        } else if joined.restart {
            page.line("Restart the daemon to take part: systemctl --user restart martletd");
        } else {
            page.line("The daemon takes part once it is started: martletd");
        }
    })
}

/// The network of the daemon that runs, if one does. An older one doesn't tell.
async fn running(context: &Context) -> Result<Option<Network>, Failure> {
    let Some(client) = &context.client else { return Ok(None) };
    match client.get("/v1/network").await {
        Ok(network) => Ok(Some(network)),
        Err(ClientError::NotRunning { .. }) => Ok(None),
        Err(ClientError::Problem(problem)) if problem.code == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Says so if the daemon's network is not the one that was joined last.
async fn note_pending(context: &Context) -> Result<(), Failure> {
    let network: Network = context.client()?.get("/v1/network").await?;
    if let Some(next) = &network.pending {
        let kind = |closed| if closed { "closed" } else { "open" };
        let file = network.file.as_deref().unwrap_or("FILE");
        context.output.note(&format!(
            "This is the {} network {}, which the daemon is still part of. The {} network {}, which was joined, waits for \
             its restart; to pass that on: martletctl network export {}",
            kind(network.closed),
            word(&network.name),
            kind(next.closed),
            word(&next.name),
            one_line(file),
        ));
    }
    Ok(())
}

/// The daemon's network with its key.
async fn daemons(context: &Context) -> Result<NetworkDescriptor, Failure> {
    let export: NetworkExport = context.client()?.post_empty("/v1/network/export").await?;
    let text = Zeroizing::new(export.descriptor);
    NetworkDescriptor::from_toml(&text)
        .map_err(|error| Failure::Client(ClientError::Protocol(format!("its network: {error}"))))
}

fn human(shown: &Shown<'_>, page: &mut Page) {
    let Shown { network, key } = shown;
    field(page, "Network", &word(&network.name));
    let kind = if network.closed { "closed: only nodes with its key" } else { "open to all" };
    field(page, "Access", kind);
    if let Some(fingerprint) = &network.key_fingerprint {
        field(page, "Key", &format!("fingerprint {}", word(fingerprint)));
    }
    if let Some(key) = key {
        let key = page.paint(Paint::Warn, key);
        field(page, "", &key);
    }
    field(page, "Reach", if network.lan_only { "the local network" } else { "the internet" });
    if let Some(privacy) = network.privacy {
        field(page, "Privacy", privacy.as_str());
    }
    field(page, "Shards", &(1_u64 << network.shard_bits.min(12)).to_string());
    let stamps = match network.stamp_bits {
        0 => "none".to_owned(),
        bits => format!("{bits} bits"),
    };
    field(page, "Stamps", &stamps);
    match network.mailbox_file_bytes {
        None => {}
        Some(0) => field(page, "Files", "none are kept for who is away, but for those in messages"),
        Some(most) => {
            field(page, "Files", &format!("up to {} are kept for who is away", bytes(most)));
        }
    }
    for (number, address) in network.bootstrap.iter().enumerate() {
        field(page, if number == 0 { "Bootstrap" } else { "" }, &word(address));
    }
    if let Some(file) = &network.file {
        field(page, "File", &one_line(file));
    }
    if let Some(next) = &network.pending {
        let kind = if next.closed { "closed" } else { "open" };
        let waits =
            format!("{}, {kind}: the daemon takes part once it is restarted", word(&next.name));
        let waits = page.paint(Paint::Warn, &waits);
        field(page, "Waits", &waits);
    }
}

fn privacy(text: &str) -> Result<Privacy, &'static str> {
    let all = [Privacy::Fast, Privacy::Mixed];
    all.into_iter().find(|one| one.as_str() == text).ok_or("give \"fast\" or \"mixed\"")
}

fn field(page: &mut Page, label: &str, value: &str) {
    page.field(label, value);
}

fn path(path: &Path) -> String {
    one_line(&path.display().to_string())
}
